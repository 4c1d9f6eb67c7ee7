"""Boxes and dump files, and the physics of the rendered stages."""

import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc111
from ase.cluster import Icosahedron

from aiida_nanoclusters.formats.lammps.dump import embed, embed_frame, read_dump, write_structures
from aiida_nanoclusters.formats.lammps.evaluate import read_evaluation_log
from aiida_nanoclusters.formats.lammps.input import (
    FINAL_FILE,
    INPUT_FILE,
    LOG_FILE,
    STRUCTURES_FILE,
    TRAJECTORY_FILE,
    render_stages,
)
from aiida_nanoclusters.formats.lammps.job import Job, Plan, Resume, has_gone_on
from aiida_nanoclusters.formats.lammps.output import (
    Outcome,
    explain_error,
    is_converged,
    read_stages_log,
    resume_point,
)
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.stages import parse_stages

LJ = Interaction("lj/cut", ("Ar",), 100.0, {"epsilon": 1.0, "sigma": 3.0})
EAM = Interaction("eam/alloy", ("Cu",), 5.507)


def make_job(images, stages, interaction, seeds=None, factors=None, **kwargs):
    frames = Frames.from_atoms(images)
    n = len(frames)
    return frames, Job(
        stages=parse_stages(stages),
        boxes=[embed_frame(frames, i, 15.0) for i in range(n)],
        sizes=[int(s) for s in frames.sizes],
        seeds=seeds or list(range(n)),
        factors=factors or [1.0] * n,
        interaction=interaction,
        symbols=frames.elements,
        **kwargs,
    )


@pytest.fixture
def lmp(tmp_path, eam_file):
    def run(images, stages, interaction=EAM, ranks=1, **kwargs):
        frames, job = make_job(images, stages, interaction, **kwargs)
        for name in (TRAJECTORY_FILE, FINAL_FILE):
            (tmp_path / name).unlink(missing_ok=True)
        if interaction.filename:
            (tmp_path / interaction.filename).write_bytes(Path(eam_file).read_bytes())
        with (tmp_path / STRUCTURES_FILE).open("w") as handle:
            write_structures(frames, job.boxes, job.symbols, handle, walls=True)
        (tmp_path / INPUT_FILE).write_text(render_stages(job))
        command = [f"{sys.prefix}/bin/lmp", "-in", INPUT_FILE, "-screen", "none", "-nocite"]
        if ranks > 1:
            command = [f"{sys.prefix}/bin/mpirun", "-n", str(ranks), *command]
        subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        with (tmp_path / LOG_FILE).open() as handle:
            return job, read_stages_log(handle, job.plan), tmp_path

    return run


# -- boxes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 1, 0), (0, 1, 0), (0, 0, 0)])
@pytest.mark.parametrize("mirror", [False, True])
def test_embed_there_and_back(pbc, mirror):
    rng = np.random.default_rng(1)
    cell = np.eye(3) * 5 + rng.normal(size=(3, 3))
    if mirror:
        cell[0] *= -1
    positions = rng.normal(size=(7, 3)) * 20
    box = embed(positions, cell, np.array(pbc, dtype=bool), 4.0)
    inside = box.to_lammps(positions)
    scaled = (inside - box.origin) @ np.linalg.inv(box.cell)
    assert scaled.min() > -1e-12 and scaled.max() < 1 + 1e-12
    assert np.allclose(box.from_lammps(inside), positions, atol=1e-12)
    assert np.allclose(np.triu(box.cell, 1), 0) and np.all(np.diag(box.cell) > 0)
    assert np.allclose(box.rotation @ box.rotation.T, np.eye(3), atol=1e-12)
    turned = box.turned(box.cell)
    for axis in np.flatnonzero(pbc):
        assert np.allclose(turned[axis], cell[axis], atol=1e-12)
    # Periodic images along the other directions are two margins apart.
    for axis in np.flatnonzero(np.logical_not(pbc)):
        normal = turned[axis] / np.linalg.norm(turned[axis])
        heights = positions @ normal
        assert np.linalg.norm(turned[axis]) == pytest.approx(np.ptp(heights) + 8.0)


def test_embed_refuses():
    with pytest.raises(ValueError, match="without a cell vector"):
        embed(np.zeros((1, 3)), np.zeros((3, 3)), np.array([True] * 3), 4.0)
    flat = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 0, 1.0]])
    with pytest.raises(ValueError, match="no volume"):
        embed(np.zeros((1, 3)), flat, np.array([True] * 3), 4.0)


def test_dump_round_trip_and_truncation():
    slab = fcc111("Cu", (2, 2, 2), vacuum=3)
    slab.rotate(20, "y", rotate_cell=True)
    frames = Frames.from_atoms([slab, bulk("Cu"), Atoms("Cu3", positions=np.eye(3) * 2)])
    boxes = [embed_frame(frames, i, 6.0) for i in range(3)]
    text = io.StringIO()
    write_structures(frames, boxes, ["Cu"], text)
    written = text.getvalue()
    for block in (10, 1 << 20):
        found = list(read_dump(io.StringIO(written), block))
        assert [s.step for s in found] == [0, 1, 2]
        for snapshot, box in zip(found, boxes, strict=True):
            own = frames.positions[frames.atoms_of(snapshot.step)]
            assert np.allclose(box.from_lammps(snapshot.values[:, 2:]), own, atol=1e-12)
            assert np.allclose(snapshot.cell, box.cell, atol=1e-12)
    for cut in (1, 5, 60):
        assert [s.step for s in read_dump(io.StringIO(written[:-cut]))] == [0, 1]
    assert list(read_dump(io.StringIO(""))) == []


# -- numbering ------------------------------------------------------------------------------


def test_plan_puts_output_on_multiples():
    stages = parse_stages(
        [
            {"kind": "hold", "temperature": 300, "duration": 1.5, "sample_every": 0.3},
            {"kind": "relax"},
            {"kind": "anneal", "temperature": [300, 100], "duration": 7, "sample_every": 0.7},
        ]
    )
    plan = Plan.of(stages, [1.0, 0.5])
    for structure in range(2):
        for stage in range(3):
            start = plan.start(structure, stage)
            assert plan.locate(start + 1234) == (structure, stage, 1234)
            assert all(start % every == 0 for every in (300, 600, 700, 1400))
    odd = [
        {"kind": "hold", "temperature": 1, "duration": 9, "sample_every": 0.001 * p}
        for p in (1009, 1013, 1019, 1021, 1031)
    ]
    with pytest.raises(ValueError, match="round values"):
        Plan.of(parse_stages(odd), [1.0])


# -- physics --------------------------------------------------------------------------------


def test_annealed_lj13_is_the_icosahedron(lmp):
    """-44.326801 epsilon: Hoare and Pal 1971, Cambridge Cluster Database."""
    rng = np.random.default_rng(3)
    start = Atoms("Ar13", positions=rng.uniform(-4.5, 4.5, size=(13, 3)))
    kelvin = 1 / units.kB  # of one epsilon
    stages = [
        {"kind": "quench"},
        {
            "kind": "anneal",
            "temperature": [0.30 * kelvin, 0.05 * kelvin],
            "duration": 60,
            "timestep": 0.003,
        },
        {"kind": "relax", "force_tolerance": 1e-6},
    ]
    job, log, _ = lmp([start], stages, LJ, seeds=[5])
    assert is_converged(log.outcomes[0], job)
    assert log.outcomes[0].energy == pytest.approx(-44.326801, abs=1e-5)


@pytest.mark.parametrize("thermostat", ["langevin", "nose-hoover"])
def test_temperature_is_held(lmp, thermostat):
    """Kinetic energy per free degree of freedom: a cluster neither drifts nor spins."""
    stage = {
        "kind": "hold",
        "temperature": 300,
        "duration": 60,
        "timestep": 0.004,
        "thermostat": thermostat,
        "sample_every": 0.2,
    }
    _, log, folder = lmp([Icosahedron("Cu", 2), bulk("Cu", cubic=True) * (2, 2, 2)], [stage])
    for structure in (0, 1):
        rows = log.thermo[(log.thermo[:, 0] == structure) & (log.thermo[:, 2] > 1000)]
        assert rows[:, 3].mean() == pytest.approx(300, rel=0.1), structure
    with (folder / TRAJECTORY_FILE).open() as handle:
        cluster = [s for s in read_dump(handle) if len(s.values) == 13]
    drift = cluster[-1].values[:, 1:4].mean(axis=0) - cluster[0].values[:, 1:4].mean(axis=0)
    assert np.abs(drift).max() < 0.01


def test_energy_is_conserved_without_friction(lmp):
    stage = {
        "kind": "hold",
        "temperature": 300,
        "duration": 2,
        "timestep": 0.002,
        "damping": 1e6,
        "sample_every": 0.02,
    }
    _, log, _ = lmp([Icosahedron("Cu", 3)], [stage])
    total = log.thermo[1:, 4] + log.thermo[1:, 5]
    assert np.ptp(total) < 2e-3 * log.thermo[1:, 5].mean()


def test_relaxed_icosahedron_and_crystal(lmp, eam_file):
    """Against ASE's EAM and BFGS, and the lattice constant of Mishin et al., PRB 63, 224106."""
    from ase.calculators import eam
    from ase.optimize import BFGS

    reference = Icosahedron("Cu", 2)
    reference.center(vacuum=10)
    reference.calc = eam.EAM(potential=str(eam_file))
    BFGS(reference, logfile=None).run(fmax=1e-4)
    stages = [{"kind": "quench"}, {"kind": "relax", "force_tolerance": 1e-5, "cell": "iso"}]
    job, log, folder = lmp([Icosahedron("Cu", 2), bulk("Cu", a=3.7)], stages)
    assert all(is_converged(o, job) for o in log.outcomes.values())
    assert log.outcomes[0].energy == pytest.approx(reference.get_potential_energy(), abs=1e-6)
    assert log.outcomes[1].energy == pytest.approx(-3.54, abs=1e-3)
    with (folder / FINAL_FILE).open() as handle:
        volume = [np.linalg.det(s.cell) for s in read_dump(handle)][1]
    assert (4 * volume) ** (1 / 3) == pytest.approx(3.615, abs=1e-3)


def test_quench_reaches_its_tolerance(lmp):
    cluster = Icosahedron("Cu", 3)
    cluster.rattle(0.2, seed=2)
    job, log, _ = lmp([cluster], [{"kind": "quench", "force_tolerance": 0.02}])
    assert log.outcomes[0].max_force < 0.02
    assert is_converged(log.outcomes[0], job)
    assert log.outcomes[0].force_evaluations >= log.outcomes[0].steps > 0


def test_barostat_reaches_the_pressure(lmp):
    stage = {
        "kind": "hold",
        "temperature": 300,
        "duration": 8,
        "timestep": 0.002,
        "pressure": 5.0,
        "pressure_damping": 0.5,
        "sample_every": 0.02,
    }
    _, log, _ = lmp([bulk("Cu", cubic=True) * (3, 3, 3)], [stage])
    assert log.thermo[200:, 6].mean() == pytest.approx(5e4, rel=0.1)


def test_runaway_is_stopped_and_the_next_one_runs(lmp):
    close = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 0.2]])
    stages = [{"kind": "hold", "temperature": 300, "duration": 1}, {"kind": "relax"}]
    _, log, _ = lmp([close, Icosahedron("Cu", 2)], stages)
    assert (log.outcomes[0].state, log.outcomes[0].reason) == ("failed", "unstable")
    assert log.outcomes[1].state == "finished"
    assert log.complete and not log.error


def test_two_ranks_relax_alike(lmp):
    stages = [{"kind": "relax", "force_tolerance": 1e-6}]
    images = [Icosahedron("Cu", 4), Atoms("Cu"), Icosahedron("Cu", 2)]
    one, two = (lmp(images, stages, ranks=ranks)[1] for ranks in (1, 2))
    assert two.complete
    for index in range(3):
        assert two.outcomes[index].energy == pytest.approx(one.outcomes[index].energy, abs=1e-8)


# -- logs of jobs cut short -----------------------------------------------------------------


def test_truncated_log_tells_where_to_resume(lmp):
    stages = [
        {
            "kind": "hold",
            "temperature": 300,
            "duration": 12,
            "timestep": 0.001,
            "sample_every": 0.1,
        },
        {"kind": "relax"},
    ]
    job, _, folder = lmp([Icosahedron("Cu", 2), Icosahedron("Cu", 2)], stages)
    lines = (folder / LOG_FILE).read_text().splitlines(keepends=True)
    rows = [i for i, line in enumerate(lines) if line.split()[:1] == ["10000"]]
    at_10000 = read_stages_log(lines[: rows[0] + 1], job.plan)
    assert resume_point(at_10000.outcomes[0], job, 0) == {
        "stage": 0,
        "step": 10000,
        "file": "run.b",
        "timestep": 10000,
    }
    early = read_stages_log(lines[: rows[0] - 60], job.plan)
    assert resume_point(early.outcomes[0], job, 0) is None
    half_a_row = read_stages_log([*lines[: rows[0]], lines[rows[0]][:20]], job.plan)
    assert resume_point(half_a_row.outcomes[0], job, 0)["file"] == "run.a"
    saved = next(i for i, line in enumerate(lines) if line.endswith("stage 0 saved\n"))
    relaxing = read_stages_log(lines[: saved + 8], job.plan)
    assert resume_point(relaxing.outcomes[0], job, 0) == {
        "stage": 1,
        "step": 0,
        "file": "stage.0",
        "timestep": 12000,
    }
    assert read_stages_log([], job.plan).outcomes == {}


def test_stop_between_two_rows_of_the_log_is_resumed_where_it_was():
    """The clock may run out at a step for which LAMMPS prints no row."""
    stage = {"kind": "hold", "temperature": 300, "duration": 12, "timestep": 0.001}
    _, job = make_job([Icosahedron("Cu", 2)] * 2, [stage], EAM, timeout=30)
    start = job.plan.start(1, 0)
    log = ["structure 1 stage 0 begins at 0", f"structure 1 stage 0 stopped at {start + 1170}"]
    read = read_stages_log([f"nanoclusters: {line}\n" for line in log], job.plan)
    point = resume_point(read.outcomes[1], job, 1)
    assert point == {"stage": 0, "step": 1170, "file": "run.stop", "timestep": start + 1170}


def test_resume_before_any_new_file_uses_the_old_one():
    _, job = make_job([Icosahedron("Cu", 2)], [{"kind": "relax"}], EAM, resume=Resume(0, 7, 7))
    again = {"stage": 0, "step": 7, "file": "resume.restart", "timestep": 7}
    assert resume_point(Outcome(), job, 0) == again
    with pytest.raises(ValueError, match="timestep"):
        Resume.of({"stage": 0, "step": 7})
    assert "read_restart resume.restart" in render_stages(job)


def test_stalled_line_search_counts_near_the_tolerance():
    _, job = make_job([Icosahedron("Cu", 2)], [{"kind": "relax", "force_tolerance": 1e-3}], EAM)
    near = Outcome(state="finished", max_force=3e-3, stop="linesearch alpha is zero")
    far = Outcome(state="finished", max_force=3e-2, stop="linesearch alpha is zero")
    slow = Outcome(state="finished", max_force=3e-3, stop="max iterations")
    assert [is_converged(o, job) for o in (near, far, slow)] == [True, False, False]


def test_single_precision_limits_the_tolerance():
    allegro = Interaction("allegro-compiled", ("Cu",), 5.0)
    _, job = make_job([Icosahedron("Cu", 2)], [{"kind": "relax", "force_tolerance": 1e-5}], allegro)
    assert "minimize 0 0.001 " in render_stages(job)


def test_errors():
    lines = ["Step PotEng\n", "ERROR: Unrecognized pair style 'allegro' (src/force.cpp:1)\n"]
    _, job = make_job([Icosahedron("Cu", 2)], [{"kind": "relax"}], EAM)
    log = read_stages_log(lines, job.plan)
    assert "LAMMPS_PLUGIN_PATH" in explain_error(log.error)
    begun = ["nanoclusters: structure 0 begins\n", "ERROR: Non-numeric atom coords\n"]
    assert read_stages_log(begun, job.plan).outcomes[0].reason == "unstable"


def test_evaluation_log_of_a_failed_frame():
    lines = ["nanoclusters: potential a\n", "   Step  PotEng Pxx Pyy Pzz Pyz Pxz Pxy \n"]
    lines += [f" {i} {-1.5 * i} 1 2 3 4 5 6\n" for i in range(2)]
    log = read_evaluation_log([*lines, "ERROR: out of luck (src/x.cpp:1)\n"], ["a", "b"], 4)
    assert log.failed == ("a", 2) and not log.complete
    assert log.energies["a"][1] == -1.5 and math.isnan(log.energies["a"][2])
    assert np.array_equal(log.pressures["a"][0], [1, 2, 3, 4, 5, 6])
    assert np.isnan(log.energies["b"]).all()


def test_quench_of_almost_overlapping_atoms(lmp):
    """Forces of 1e9 eV/Å: nothing is thrown out of the box."""
    start = Atoms("Ar13", positions=np.random.default_rng(3).uniform(-4.5, 4.5, size=(13, 3)))
    job, log, _ = lmp([start], [{"kind": "quench"}], LJ)
    assert is_converged(log.outcomes[0], job)
    assert log.outcomes[0].energy < -30


@pytest.mark.parametrize(
    ("point", "begun", "gone_on"),
    [
        (None, None, False),
        ({"structure": 0, "stage": 0, "step": 0}, None, False),
        ({"structure": 0, "stage": 0, "step": 5}, None, True),
        ({"structure": 0, "stage": 1, "step": 200}, (1, 200), False),
        ({"structure": 0, "stage": 2, "step": 0}, (1, 200), True),
        ({"structure": 3, "stage": 0, "step": 10}, (1, 200), True),
    ],
)
def test_whether_a_job_has_gone_on(point, begun, gone_on):
    resume = None if begun is None else Resume(*begun, timestep=1000)
    assert has_gone_on(point, resume) is gone_on
