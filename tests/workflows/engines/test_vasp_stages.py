"""Relaxations and dynamics by VASP, for which a program stands in that moves atoms by EMT."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, Int, List
from ase import Atoms
from ase.calculators.emt import EMT
from ase.optimize import BFGS

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

pytest.importorskip("aiida_vasp", reason="aiida-vasp is not installed")

from aiida_nanoclusters.workflows.engines.vasp_stages import VaspStagesEngineWorkChain

RELAX = {"kind": "relax", "force_tolerance": 0.02, "max_steps": 100}
HOLD = {"kind": "hold", "temperature": 300, "duration": 0.02, "timestep": 0.002}


def alloy() -> Atoms:
    """Its elements not grouped, so that VASP has its atoms in another order."""
    atoms = mackay_icosahedron("Cu", 1, 2.6)
    atoms.symbols[[0, 4, 5, 9]] = "Au"
    atoms.rattle(0.05, seed=1)
    return atoms


def dimer() -> Atoms:
    return Atoms("Cu2", positions=[[0, 0, 0], [2.6, 0.3, 0]])


def run_stages(code, images, stages, overrides=None):
    inputs = VaspStagesEngineWorkChain.builder_inputs(code, overrides=overrides)
    return run_get_node(
        VaspStagesEngineWorkChain,
        frames=FramesData(images),
        stages=List(stages),
        seeds=List(list(range(len(images)))),
        max_concurrent=Int(4),
        **inputs,
    )


def jobs_of(node) -> list[CalcJobNode]:
    found = [n for n in node.called_descendants if isinstance(n, CalcJobNode)]
    return sorted(found, key=lambda n: n.pk)


def incar_of(job) -> dict[str, str]:
    text = job.base.repository.get_object_content("INCAR")
    pairs = [line.split("=") for line in text.splitlines() if "=" in line]
    return {name.strip().upper(): value.strip() for name, value in pairs}


def check_labels(frames) -> None:
    """EMT itself gives the truth."""
    for atoms in frames:
        bare = Atoms(atoms.numbers, atoms.positions)
        bare.calc = EMT()
        energy = bare.get_potential_energy()
        assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-5)
        assert np.abs(atoms.get_forces() - bare.get_forces()).max() < 1e-4


def test_relaxed_heated_and_held(family, vasp) -> None:
    """Positions and velocities go from stage to stage; order and places are the structure's own."""
    stages = [
        RELAX,
        {**HOLD, "kind": "heat", "temperature": [200, 400], "sample_every": 0.004},
        {**HOLD, "temperature": 400, "sample_every": 0.01},
    ]
    outputs, node = run_stages(vasp(), [alloy(), dimer()], stages)
    assert node.is_finished_ok, node.exit_message
    frames, ends = outputs["trajectory"].frames, outputs["structures"].frames
    told = [json.loads(str(text)) for text in frames.info]
    times = [0.004, 0.008, 0.012, 0.016, 0.02, 0.03, 0.04]
    assert [(i["structure"], i["time"]) for i in told] == [(k, t) for k in (0, 1) for t in times]
    assert frames.level_of_theory == "VASP/PBE/450 eV"
    check_labels(frames)
    check_labels(ends)
    assert list(ends[0].symbols) == list(alloy().symbols)
    relaxed = alloy()
    relaxed.calc = EMT()
    BFGS(relaxed, logfile=None).run(fmax=0.02)
    # it shakes about the minimum that it was relaxed to
    assert np.abs(frames[0].positions - relaxed.positions).max() < 0.2
    # the last stage takes over the velocities: total energy is kept by the stand-in's Verlet
    kinetic = [1.5 * len(frames[i]) * 8.617e-5 * told[i]["temperature"] for i in (4, 5)]
    totals = [frames.energies[4] + kinetic[0], frames.energies[5] + kinetic[1]]
    assert totals[0] == pytest.approx(totals[1], abs=0.15)
    incars = [incar_of(job) for job in jobs_of(node)]
    assert [tags["IBRION"] for tags in incars] == ["2", "2", "0", "0", "0", "0"]
    assert incars[0]["EDIFFG"] == "-0.02" and incars[0]["NSW"] == "100"
    assert (incars[2]["TEBEG"], incars[2]["TEEND"]) == ("200.0", "400.0")
    assert incars[2]["LANGEVIN_GAMMA"].split() == ["10.0", "10.0"]
    assert incars[2]["NSW"] == "11" and incars[2]["POTIM"] == "2.0"


def test_killed_job_continues_from_its_last_step(family, vasp, tmp_path) -> None:
    stages = [{**HOLD, "sample_every": 0.002}]
    whole, _ = run_stages(vasp(), [dimer()], stages)
    code = vasp(STAND_IN_VASP="killed", STAND_IN_ONCE=tmp_path / "once")
    outputs, node = run_stages(code, [dimer()], stages)
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node)) == 2
    ours, theirs = outputs["trajectory"].frames, whole["trajectory"].frames
    assert len(ours) == len(theirs) == 10
    # Without random forces it is the very same trajectory.
    assert np.abs(ours.positions - theirs.positions).max() < 1e-4
    assert outputs["report"]["structures"][0]["attempts"] == []


@pytest.mark.slow
def test_a_relaxation_is_sampled(family, vasp, tmp_path) -> None:
    """Also where its job was killed in the middle: each step once, and its beginning not at all."""
    stages = [{**RELAX, "sample_steps": 2}, {**HOLD, "sample_every": 0.01}]
    whole, _ = run_stages(vasp(), [alloy(), dimer()], stages)
    code = vasp(STAND_IN_VASP="killed", STAND_IN_ONCE=tmp_path / "once")
    killed, node = run_stages(code, [alloy()], stages)
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node)) == 3
    for outputs, count in ((whole, 2), (killed, 1)):
        frames = outputs["trajectory"].frames
        check_labels(frames)
        assert len(set(frames.content_hashes())) == len(frames)
        told = [json.loads(str(text)) for text in frames.info]
        for k in range(count):
            own = [info for info in told if info["structure"] == k]
            still = [info for info in own if info["stage"] == 0]
            steps = [info["step"] for info in still]
            assert len(steps) > 1 and steps == list(range(2, 2 * len(steps) + 1, 2))
            assert all(i["time"] == 0 and i["temperature"] is None for i in still)
            assert [i["time"] for i in own if i["stage"] == 1] == [0.01, 0.02]
    forces = [np.linalg.norm(atoms.get_forces(), axis=1).max() for atoms in frames]
    assert forces[0] > forces[len(steps) - 1]


def test_steps_that_did_not_converge_are_no_labels(family, vasp) -> None:
    stages = [{**HOLD, "sample_every": 0.002, "duration": 0.024}]  # 13 steps: the last is sound
    outputs, node = run_stages(vasp(STAND_IN_VASP="rough"), [dimer()], stages)
    assert node.is_finished_ok, node.exit_message
    assert len(outputs["trajectory"]) == 8
    check_labels(outputs["trajectory"].frames)
    assert outputs["report"]["structures"][0]["unconverged"] == 4


def test_a_structure_that_fails_costs_only_itself(family, vasp) -> None:
    code = vasp(STAND_IN_VASP="13=unconverged")
    outputs, node = run_stages(
        code, [alloy(), dimer()], [RELAX], {"fallbacks": [{}, {"NELM": 200}]}
    )
    assert node.is_finished_ok, node.exit_message
    failed, finished = outputs["report"]["structures"]
    assert failed["state"] == "failed" and "not converged" in failed["reason"]
    assert [attempt["settings_level"] for attempt in failed["attempts"]] == [0, 1]
    assert finished["state"] == "finished" and finished["converged"]
    assert outputs["structures"].frames.sizes.tolist() == [2]


def test_what_vasp_is_not_asked_to_do(family, vasp) -> None:
    for stage, message in (
        ({**HOLD, "thermostat": "nose-hoover"}, "set `thermostat: langevin`"),
        ({**HOLD, "pressure": 0.0}, "leave `pressure` out"),
        ({**RELAX, "cell": "iso"}, "set `cell: fixed`"),
    ):
        with pytest.raises(ValueError, match=message):
            run_stages(vasp(), [dimer()], [stage])


def test_stages_by_vasp_among_other_engines(family, vasp) -> None:
    """The isolated atom is labelled too: the reference of energies."""
    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
    from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain

    inputs = LabelWorkChain.engine_inputs("vasp", vasp())
    builder = StagesWorkChain.get_builder_for_engine(FramesData([dimer()]), [RELAX], inputs)
    node = run_get_node(builder)[1]
    assert node.is_finished_ok, node.exit_message
    (end,) = node.outputs.structures.frames
    assert node.outputs.structures.frames.atom_energies.keys() == {"Cu"}
    assert np.linalg.norm(end.get_forces(), axis=1).max() <= 0.02
