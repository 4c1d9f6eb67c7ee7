"""LAMMPS's own `temper`: the same table of swaps, and continuation from restart files."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiida_nanoclusters.formats.lammps.input import INPUT_FILE, LOG_FILE
from aiida_nanoclusters.formats.lammps.temper_input import (
    STARTS_FILE,
    Point,
    last_checkpoint,
    log_name,
    read_partition_run,
    render_temper,
    restart_interval,
    restart_name,
    write_starts,
)
from aiida_nanoclusters.science.sampling.parallel_tempering import pair_acceptance
from tests.cluster_potentials import EPSILON, SIGMA
from tests.formats.lammps.test_tempering import icosahedron

BIN = Path(sys.prefix) / "bin"


def run(folder: Path, job, point: Point | None = None) -> subprocess.CompletedProcess:
    folder.mkdir(exist_ok=True)
    with (folder / STARTS_FILE).open("w") as handle:
        write_starts(job, handle)
    (folder / INPUT_FILE).write_text(render_temper(job, point))
    command = [BIN / "mpirun", "-np", "4", BIN / "lmp", "-in", INPUT_FILE, "-log", LOG_FILE]
    command += ["-screen", "none", "-pscreen", "none", "-nocite", "-partition", "4x1"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("temper")
    ended = run(folder, icosahedron())
    assert ended.returncode == 0, ended.stderr
    return folder, read_partition_run(folder, icosahedron())


def test_same_results_object_as_from_python(whole) -> None:
    _, found = whole
    job = icosahedron()
    assert found.state == "finished" and found.attempts_done == 60 and not found.message
    assert found.table.steps.tolist() == [20 * k for k in range(1, 61)]
    rows = np.sort(found.table.replica_temperatures, axis=1)
    assert np.array_equal(rows, np.tile(np.arange(4), (60, 1)))
    frames = found.sampled(job, level_of_theory="LJ", atom_energies={"Ar": 0.0})
    assert len(frames) == 4 * 12
    for atoms in frames:
        gaps = atoms.get_all_distances()[np.triu_indices(13, 1)]
        inverse = (SIGMA / gaps) ** 6
        energy = 4 * EPSILON * (inverse**2 - inverse).sum()
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-6)
        assert np.allclose(atoms.positions.mean(axis=0), 0, atol=0.2)


def test_pairs_take_turns_as_in_python(whole) -> None:
    """Every swap in the table is one of a pair whose turn it was."""
    _, found = whole
    accepted, tried = pair_acceptance(found.table)
    assert tried.tolist() == [30, 30, 30]
    moves = np.abs(found.table.replica_temperatures - found.table.before).sum() // 2
    assert round(float((accepted * tried).sum())) == moves > 10


def test_colder_replicas_have_lower_energies(whole) -> None:
    means = whole[1].table.energies[10:].mean(axis=0)
    assert np.all(np.diff(means) > 0)


def test_continues_from_the_last_complete_restart_files(whole, tmp_path) -> None:
    """A restart file that was cut, and one that is missing, are passed over."""
    folder, found = whole
    for path in folder.iterdir():
        shutil.copy(path, tmp_path)
    every, job = restart_interval(icosahedron()), icosahedron()
    (tmp_path / "state.2.1200").write_bytes(b"LammpS")
    (tmp_path / f"state.0.{1200 - every}").unlink()
    point, paths = last_checkpoint(tmp_path, job)
    assert point.step == 1200 - 2 * every and len(paths) == 4
    assert Point.read(point.as_json(), 4) == point
    row = int(np.searchsorted(found.table.steps, point.step))
    assert list(point.indices) == found.table.replica_temperatures[row].tolist()
    later = tmp_path / "later"
    later.mkdir()
    for k, path in enumerate(paths):
        shutil.copy(path, later / restart_name(k))
    ended = run(later, job, point)
    assert ended.returncode == 0, ended.stderr
    rest = read_partition_run(later, job, point)
    assert rest.table.steps.tolist() == list(range(point.step + 20, 1201, 20))
    assert rest.state == "finished" and rest.attempts_done == 60
    assert len(rest.frames) == 4 * len([s for s in rest.table.steps if s % 100 == 0])
    # the replicas go on with their energies
    gaps = rest.table.replica_energies[0] - found.table.replica_energies[row]
    assert np.abs(gaps).max() < 10 * EPSILON


def test_interrupted_run_keeps_what_is_complete(whole, tmp_path) -> None:
    folder, found = whole
    for path in folder.iterdir():
        shutil.copy(path, tmp_path)
    log = tmp_path / log_name(3)
    lines = log.read_text().splitlines(keepends=True)
    cut = next(k for k, line in enumerate(lines) if line.split()[:1] == ["1100"])
    log.write_text("".join(lines[:cut]) + lines[cut][:20])
    early = read_partition_run(tmp_path, icosahedron())
    assert early.state == "running" and early.attempts_done == 54
    expected = found.table.rows(0, 54)
    assert np.array_equal(early.table.replica_energies, expected.replica_energies)


def test_replica_that_fails_is_named_with_its_reason(tmp_path) -> None:
    job = icosahedron(timestep=50.0, relax_tolerance=None)
    assert run(tmp_path, job).returncode != 0
    found = read_partition_run(tmp_path, job)
    assert found.state == "failed" and found.message.startswith("replica ")


def test_checkpoints_of_others_are_refused() -> None:
    for text in ("[]", '{"step": 3}', '{"step": -1, "indices": [0, 1]}'):
        with pytest.raises(ValueError, match="no checkpoint"):
            Point.read(text, 2)


def test_restart_files_come_after_even_numbers_of_attempts() -> None:
    for attempts in (1, 39, 60, 61, 1000):
        job = replace(icosahedron(), attempts=attempts)
        assert restart_interval(job) % (2 * job.interval) == 0
