"""Stages on many structures through the CalcJob."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, List
from ase import Atoms
from ase.build import bulk
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.lammps_job import validate_potential
from aiida_nanoclusters.calculations.sampling.lammps import (
    LammpsCalculation,
    timeout_of,
    validate_inputs,
    validate_settings,
)
from aiida_nanoclusters.calculations.sampling.ports import validate_stages
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.labels.settings import LammpsStagesSettings

EXIT = LammpsCalculation.exit_codes


def icosahedron(shells: int, **info) -> Atoms:
    atoms = Icosahedron("Cu", shells)
    atoms.set_tags(0)
    atoms.info.update(info)
    return atoms


def run_stages(code, frames, potential, stages, **inputs):
    return run_get_node(
        LammpsCalculation,
        code=code,
        frames=frames if isinstance(frames, FramesData) else FramesData(frames),
        potential=potential,
        stages=List(stages),
        metadata={"options": {"max_wallclock_seconds": 600}},
        **inputs,
    )


ANNEAL = [
    {
        "kind": "hold",
        "temperature": 600,
        "duration": 1,
        "timestep": 0.002,
        "sample_every": 0.1,
    },
    {"kind": "anneal", "temperature": [600, 100], "duration": 1, "timestep": 0.002},
    {"kind": "relax", "force_tolerance": 1e-4},
]


def test_mixed_batch(lmp_code, eam_potential):
    """Clusters of three sizes, a crystal, an atom; two atoms on one another fail alone."""
    frames = [
        icosahedron(2, config_type="cluster", parent="ih13", seed=4, note="kept"),
        Atoms("Cu2", positions=np.zeros((2, 3))),
        icosahedron(3),
        Atoms("Cu"),
        bulk("Cu", a=3.7, cubic=True) * (2, 2, 2),
    ]
    outputs, node = run_stages(lmp_code, frames, eam_potential, ANNEAL, seeds=List([1, 2, 3, 4, 5]))
    assert node.exit_status == EXIT.ERROR_UNSTABLE.status
    report = outputs["report"]["structures"]
    assert [e["state"] for e in report] == ["finished", "failed", *["finished"] * 3]
    assert report[1]["reason"] == "overlap"
    assert [e["fragments"] for e in report] == [1, None, 1, 1, None]
    assert all(e["converged"] and e["max_force"] < 1e-4 for e in report if e["index"] != 1)
    assert report[0]["steps"] > 1000 and report[0]["force_evaluations"] > report[0]["steps"]

    structures = outputs["structures"].frames
    assert outputs["structures"].is_labelled
    assert outputs["structures"].level_of_theory == "EAM/Mishin2001"
    assert list(structures.sizes) == [13, 55, 1, 32]
    assert (structures.config_types[0], structures.parents[0]) == ("cluster", "ih13")
    assert structures.seeds[0] == 4 and "kept" in structures.info[0]
    assert structures.energies == pytest.approx(
        [e["energy"] for e in report if e["index"] != 1], abs=1e-9
    )
    # The icosahedron of 13 atoms is the global minimum and is found again.
    assert structures.energies[0] == pytest.approx(-33.5250791, abs=1e-5)
    # Crystals keep their cell, and atoms their place in it.
    assert np.allclose(structures.cells[3], np.eye(3) * 7.4)
    assert np.abs(structures.positions[-32:] - frames[4].positions).max() < 1.0

    trajectory = outputs["trajectory"].frames
    assert len(trajectory) == 3 * 10  # neither the broken pair nor the single atom
    assert set(trajectory.parents[trajectory.sizes == 13]) == {"ih13"}
    first = trajectory[0]
    assert (first.info["structure"], first.info["stage"], first.info["time"]) == (0, 0, 0.1)
    assert outputs["trajectory"].is_labelled
    thermo = outputs["thermo"]
    assert set(thermo.get_array("structure")) >= {0, 2, 4}
    assert thermo.base.attributes.get("units")["temperature"] == "K"


def check_labels(frames, eam_file):
    """Sampled frames, evaluated again by ASE."""
    from ase.calculators.eam import EAM

    for frame in frames:
        again = frame.copy()
        if not again.pbc.any():
            again.center(vacuum=15)
        again.calc = EAM(potential=str(eam_file))
        assert frame.get_potential_energy() == pytest.approx(again.get_potential_energy(), abs=1e-7)
        assert np.allclose(frame.get_forces(), again.get_forces(), atol=1e-6)


def test_trajectory_labels_are_the_potentials(lmp_code, eam_potential, eam_file):
    cell = bulk("Cu", a=3.62) * (2, 2, 2)  # triclinic, smaller than the cutoff
    cell.rotate(40, [1, 1, 0], rotate_cell=True)
    stages = [{**ANNEAL[0], "duration": 0.2, "pressure": 0.0}]
    outputs, node = run_stages(
        lmp_code, [icosahedron(2), cell], eam_potential, stages, seeds=List([1, 2])
    )
    assert node.is_finished_ok, node.exit_message
    frames = outputs["trajectory"].frames
    assert len(frames) == 4
    check_labels(frames, eam_file)
    assert abs(frames[2].get_volume() - cell.get_volume()) > 1e-3  # the barostat acts


def test_relaxations_are_sampled(lmp_code, eam_potential, eam_file):
    """Runs of the minimiser in a stage count on; dynamics goes on where time stood still."""
    sheared = bulk("Cu", a=3.7) * (2, 2, 2)
    sheared.set_cell(sheared.cell.array @ [[1, 0.03, 0], [0, 1, 0.02], [0, 0, 0.97]], True)
    cluster = icosahedron(3)
    for atoms in (sheared, cluster):
        atoms.rattle(0.1, seed=2)
    stages = [
        {"kind": "quench", "force_tolerance": 0.3, "sample_steps": 5},
        {**ANNEAL[0], "duration": 0.02, "sample_every": 0.01, "temperature": 100},
        {"kind": "relax", "cell": "tri", "force_tolerance": 1e-3, "sample_steps": 2},
    ]
    outputs, node = run_stages(
        lmp_code, [cluster, sheared], eam_potential, stages, seeds=List([1, 2])
    )
    assert node.is_finished_ok, node.exit_message
    frames = outputs["trajectory"].frames
    check_labels(frames, eam_file)
    told = [frame.info for frame in frames]
    for index in (0, 1):
        own = [i for i in told if i["structure"] == index]
        assert {i["stage"] for i in own} == {0, 1, 2}
        for stage, every, time in ((0, 5, 0.0), (2, 2, 0.02)):
            steps = [i["step"] for i in own if i["stage"] == stage]
            assert len(steps) > 2 and steps == [every * k for k in range(1, len(steps) + 1)]
            still = [i for i in own if i["stage"] == stage]
            assert all(i["time"] == time and i["temperature"] is None for i in still)
        lasts = [max(i["step"] for i in own if i["stage"] == stage) for stage in (0, 2)]
        left = outputs["report"]["structures"][index]["steps"] - sum(lasts) - 10
        assert 0 <= left < 5 + 2  # fewer than up to the next frame of each stage
        moving = [i for i in own if i["stage"] == 1]
        assert [i["time"] for i in moving] == [0.01, 0.02]
        assert all(i["temperature"] > 0 and "step" not in i for i in moving)
    relaxed = [f for f in frames if f.info["structure"] == 1 and f.info["stage"] == 2]
    assert relaxed[0].get_potential_energy() > relaxed[-1].get_potential_energy()
    assert np.abs(relaxed[0].cell.array - relaxed[-1].cell.array).max() > 1e-2


def test_nothing_is_sampled_unasked(lmp_code, eam_potential):
    stages = [{"kind": "quench"}, {"kind": "relax", "sample_steps": 0}]
    outputs, node = run_stages(lmp_code, [icosahedron(2)], eam_potential, stages)
    assert node.is_finished_ok and "trajectory" not in outputs


#: 40 fs: copper gains energy from nothing and flies apart.
RUNAWAY = [
    {"kind": "hold", "temperature": 1500, "duration": 4, "timestep": 0.02, "sample_every": 0.02}
]


def test_frames_before_a_failure(lmp_code, eam_potential, eam_file):
    """Only where they are asked for; the batch mate's are always there."""

    def run(**settings):
        return run_stages(
            lmp_code,
            [icosahedron(3), Atoms("Cu"), icosahedron(2)],
            eam_potential,
            RUNAWAY,
            seeds=List([1, 2, 3]),
            timestep_factors=List([2.0, 1.0, 0.1]),
            settings=Dict(settings),
        )

    outputs, node = run()
    assert node.exit_status == EXIT.ERROR_UNSTABLE.status
    rows = outputs["report"]["structures"]
    assert [row["state"] for row in rows] == ["failed", "finished", "finished"]
    assert rows[0]["reason"] == "unstable"
    assert {f.info["structure"] for f in outputs["trajectory"].frames} == {2}
    kept, node = run(keep_failed=True)
    assert node.exit_status == EXIT.ERROR_UNSTABLE.status
    frames = kept["trajectory"].frames
    own = frames.select([i for i, f in enumerate(frames) if f.info["structure"] == 0])
    assert len(own) > 0 and (own.sizes == 55).all()
    check_labels(own, eam_file)
    times = [f.info["time"] for f in own]
    assert np.allclose(times, 0.04 * np.arange(1, len(own) + 1))
    assert max(times) < 4 and all(f.info["temperature"] < 20000 for f in own)
    assert len(frames) == len(own) + len(outputs["trajectory"])


def test_seeds_reproduce(lmp_code, eam_potential):
    frames = FramesData([icosahedron(2), icosahedron(2)])
    stages = [{**ANNEAL[0], "duration": 0.2}]
    made = [
        run_stages(lmp_code, frames, eam_potential, stages, seeds=List(seeds))[0]
        for seeds in ([1, 2], [1, 2], [2, 1])
    ]
    hashes = [m["trajectory"].frames.content_hashes() for m in made]
    assert hashes[0] == hashes[1]
    assert hashes[0][:2] == hashes[2][2:] and hashes[0][2:] == hashes[2][:2]
    assert len(set(hashes[0])) == 4


def test_walltime_stops_gracefully(lmp_code, eam_potential):
    stages = [{**ANNEAL[0], "duration": 3000.0, "sample_every": 1.0}, ANNEAL[2]]
    outputs, node = run_stages(
        lmp_code,
        [icosahedron(2), icosahedron(3)],
        eam_potential,
        stages,
        seeds=List([1, 2]),
        settings=Dict({"timeout": 1}),
    )
    assert node.exit_status == EXIT.ERROR_OUT_OF_WALLTIME.status
    report = outputs["report"].get_dict()
    resume = report["resume"]
    assert resume["file"] in node.outputs.remote_folder.listdir()
    assert resume["stage"] == 0 and resume["step"] > 0
    index = resume["structure"]
    assert [e["state"] for e in report["structures"]][index] == "unfinished"
    times = [f.info["time"] for f in outputs["trajectory"].frames if f.info["structure"] == index]
    assert max(times) <= resume["step"] * 0.002 + 1e-9


def test_evaporation_is_noticed(lmp_code, eam_potential):
    stages = [{"kind": "hold", "temperature": 9000, "duration": 4, "timestep": 0.001}]
    outputs, node = run_stages(lmp_code, [icosahedron(2)], eam_potential, stages, seeds=List([1]))
    assert node.exit_status == EXIT.ERROR_UNSTABLE.status
    entry = outputs["report"]["structures"][0]
    assert entry["reason"] == "evaporated" and entry["fragments"] > 1
    assert "structures" not in outputs


def test_not_converged(lmp_code, eam_potential):
    cluster = icosahedron(3)
    cluster.rattle(0.2, seed=1)
    stages = [{"kind": "relax", "max_steps": 2, "force_tolerance": 1e-6}]
    outputs, node = run_stages(lmp_code, [cluster], eam_potential, stages)
    assert node.exit_status == EXIT.ERROR_NOT_CONVERGED.status
    assert outputs["report"]["structures"][0]["converged"] is False
    assert len(outputs["structures"]) == 1


def test_lammps_error_is_reported(lmp_code, eam_potential):
    stages = [{"kind": "relax"}]
    outputs, node = run_stages(
        lmp_code,
        [icosahedron(2)],
        eam_potential,
        stages,
        settings=Dict({"cmdline": ["-pk", "nonsense", "1"]}),
    )
    assert node.exit_status == EXIT.ERROR_LAMMPS.status
    assert "nonsense" in node.exit_message
    assert outputs["report"]["structures"][0]["state"] == "unfinished"


def test_no_log(code_on, eam_potential):
    _, node = run_stages(
        code_on("true", "/bin/true"), [icosahedron(2)], eam_potential, [{"kind": "relax"}]
    )
    assert node.exit_status == EXIT.ERROR_NO_LOG.status


def test_relaxes_by_allegro(lmp_code, allegro_plugin, allegro_compiled):
    potential = PotentialData.from_file(allegro_compiled, "allegro-compiled", level_of_theory="EMT")
    cluster = icosahedron(2)
    cluster.rattle(0.05, seed=1)
    stages = [
        {**ANNEAL[0], "duration": 0.1, "temperature": 50, "sample_every": 0.05},
        {"kind": "relax"},
    ]
    outputs, node = run_stages(
        lmp_code, [cluster, Atoms("Cu")], potential, stages, seeds=List([1, 1])
    )
    assert node.is_finished_ok, node.exit_message
    assert outputs["structures"].frames.energies[1] == pytest.approx(0.5, abs=1e-6)


def test_validators(aiida_profile, eam_potential):
    assert "unknown kind" in validate_stages(List([{"kind": "melt"}]), None)
    assert "unknown setting `speed`" in validate_settings(Dict({"speed": 1}), None)
    assert "should be a valid boolean" in validate_settings(Dict({"keep_failed": "yes"}), None)
    assert validate_settings(Dict({"keep_failed": True}), None) is None
    package = PotentialData()
    package._describe("allegro", ["Cu"], 5.0, "PBE", None)
    assert "compile it first" in validate_potential(package, None)
    assert validate_potential(eam_potential, None) is None
    two = FramesData([icosahedron(2), icosahedron(2)])
    given = {"frames": two, "potential": eam_potential, "stages": List(ANNEAL)}
    assert "need `seeds`" in validate_inputs(given, None)
    assert "one seed per structure" in validate_inputs({**given, "seeds": List([1])}, None)
    given["seeds"] = List([1, 2])
    assert validate_inputs(given, None) is None
    assert "timestep_factors" in validate_inputs({**given, "timestep_factors": List([1.0])}, None)
    assert "together" in validate_inputs({**given, "resume": Dict({"stage": 0})}, None)
    gold = FramesData([Atoms("Au")])
    assert "not Au" in validate_inputs({**given, "frames": gold}, None)


def test_timeout():
    assert timeout_of(LammpsStagesSettings(), None) is None
    assert timeout_of(LammpsStagesSettings(), 600) == 570
    assert timeout_of(LammpsStagesSettings(), 86400) == 85800
    assert timeout_of(LammpsStagesSettings(timeout=5), 600) == 5
