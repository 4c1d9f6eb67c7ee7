"""Relaxations and dynamics by a real CP2K. GFN1-xTB: seconds instead of minutes."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import List
from ase import Atoms
from ase.build import bulk

from aiida_nanoclusters.data.frames import FramesData

pytest.importorskip("aiida_cp2k", reason="pip install aiida-nanoclusters[cp2k]")

from aiida_nanoclusters.workflows.engines.cp2k import Cp2kEngineWorkChain
from aiida_nanoclusters.workflows.engines.cp2k_stages import Cp2kStagesEngineWorkChain

RELAX = {"kind": "relax", "force_tolerance": 0.01, "max_steps": 200}


def hold(temperature=300, duration=0.04, every=0.008, **more):
    return {
        **{"kind": "hold", "temperature": temperature, "duration": duration},
        **{"timestep": 0.002, "sample_every": every, **more},
    }


def dimer(length=2.3) -> Atoms:
    return Atoms("Cu2", positions=[[0, 0, 0], [length, 0, 0]])


def rhombus() -> Atoms:
    positions = [[0, 0, 0], [2.3, 0, 0], [1.15, 2.1, 0.1], [1.15, -2.1, 0]]
    return Atoms("Cu4", positions=positions)


def run_stages(code, images, stages, seeds=None, overrides=None, **options):
    inputs = Cp2kStagesEngineWorkChain.builder_inputs(
        code, "gfn1-xtb", overrides, {"max_wallclock_seconds": 600, **options}
    )
    return run_get_node(
        Cp2kStagesEngineWorkChain,
        frames=FramesData(images),
        stages=List(stages),
        seeds=List(seeds or [0] * len(images)),
        **inputs,
    )


def label(code, frames):
    inputs = Cp2kEngineWorkChain.builder_inputs(code, "gfn1-xtb")
    return run_get_node(Cp2kEngineWorkChain, frames=frames, **inputs)[0]["frames"].frames


def jobs_of(node):
    return [child for child in node.called if child.process_label == "Cp2kStagesCalculation"]


def infos(frames):
    return [json.loads(str(text)) for text in frames.info]


def test_relaxed_to_the_minimum(cp2k_code):
    """The dimer's known length, from both sides; and labels are those of single points."""
    outputs, node = run_stages(cp2k_code, [dimer(2.1), rhombus(), dimer(2.6)], [RELAX])
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node)) == 1 and "trajectory" not in outputs
    ends = outputs["structures"].frames
    rows = outputs["report"]["structures"]
    assert [row["state"] for row in rows] == ["finished"] * 3
    assert all(row["converged"] and row["max_force"] <= 0.01 for row in rows)
    lengths = [ends[i].get_distance(0, 1) for i in (0, 2)]
    assert lengths[0] == pytest.approx(lengths[1], abs=2e-3)
    again = label(cp2k_code, outputs["structures"])
    assert np.abs(again.energies - ends.energies).max() < 1e-4
    assert np.abs(again.forces - ends.forces).max() < 2e-3
    # by single points alone: nothing near is lower
    images = [dimer(lengths[0] + step) for step in (-0.02, 0, 0.02)]
    low, middle, high = label(cp2k_code, FramesData(images)).energies
    assert middle < min(low, high)


def test_a_relaxation_is_sampled(cp2k_code):
    """Every so many steps of the optimiser, each of them a single point; not its beginning."""
    stages = [{**RELAX, "sample_steps": 2}, hold(duration=0.008, every=0.004)]
    outputs, node = run_stages(cp2k_code, [rhombus(), dimer(2.1)], stages)
    assert node.is_finished_ok, node.exit_message
    frames = outputs["trajectory"].frames
    told = infos(frames)
    for k in (0, 1):
        own = [info for info in told if info["structure"] == k]
        steps = [info["step"] for info in own if info["stage"] == 0]
        assert steps and steps == list(range(2, 2 * len(steps) + 1, 2))
        assert all(i["time"] == 0 and i["temperature"] is None for i in own if i["stage"] == 0)
        assert [i["time"] for i in own if i["stage"] == 1] == [0.004, 0.008]
    again = label(cp2k_code, outputs["trajectory"])
    assert np.abs(again.energies - frames.energies).max() < 1e-4
    assert np.abs(again.forces - frames.forces).max() < 5e-3
    relaxed = [e for e, i in zip(frames.energies, told, strict=True) if i["structure"] == 0]
    assert relaxed[0] > relaxed[1]


def test_a_relaxation_that_is_killed_is_sampled_once(cp2k_code, killed_once):
    stages = [{**RELAX, "force_tolerance": 1e-3, "sample_steps": 1}]
    enough = "[ $(cat s00000-000-frc-1.xyz 2>/dev/null | wc -l) -ge 24 ]"  # 4 steps
    code = killed_once(cp2k_code, enough)
    outputs, node = run_stages(code, [rhombus()], stages)
    assert node.is_finished_ok, node.exit_message
    first, _second = jobs_of(node)
    done = first.outputs.report["structures"][0]["point"]["step"]
    assert done >= 3
    frames = outputs["trajectory"].frames
    steps = [info["step"] for info in infos(frames)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) > done
    seam = np.abs(frames[done].positions - frames[done - 1].positions).max()
    assert 1e-5 < seam < 0.1  # the next step, not the same one again
    again = label(cp2k_code, outputs["trajectory"])
    assert np.abs(again.energies - frames.energies).max() < 1e-4


def test_stages_follow_each_other(cp2k_code):
    """From the minimum, heated, then held: velocities go on, and every sample is a label."""
    stages = [
        RELAX,
        {**hold(), "kind": "heat", "temperature": [100, 300]},
        hold(duration=0.02, every=0.01),
    ]
    outputs, node = run_stages(cp2k_code, [rhombus(), dimer()], stages, [3, 4])
    assert node.is_finished_ok, node.exit_message
    frames = outputs["trajectory"].frames
    told = infos(frames)
    times = [0.008, 0.016, 0.024, 0.032, 0.04, 0.05, 0.06]
    assert [(i["structure"], i["time"]) for i in told] == [(k, t) for k in (0, 1) for t in times]
    assert [i["stage"] for i in told] == [1, 1, 1, 1, 1, 2, 2] * 2
    assert frames.level_of_theory == "CP2K/GFN1-xTB" and frames.labelled.all()
    assert list(frames.seeds) == [3] * 7 + [4] * 7
    again = label(cp2k_code, outputs["trajectory"])
    assert np.abs(again.energies - frames.energies).max() < 1e-4
    assert np.abs(again.forces - frames.forces).max() < 5e-3
    for k in (0, 1):  # the cluster stays where it was: no drift out of its box
        own = [frames[i].positions.mean(axis=0) for i in range(14) if told[i]["structure"] == k]
        start = (rhombus(), dimer())[k].positions.mean(axis=0)
        assert np.abs(np.array(own) - start).max() < 1e-6
    # no jump of the temperature where the second stage takes over
    assert all(0 < i["temperature"] < 1500 for i in told)


@pytest.mark.slow
def test_killed_in_the_middle(cp2k_code, killed_once):
    """It goes on from its restart file, to the very frames it would have had."""
    stages = [RELAX, hold(duration=0.2, every=0.008)]
    images = [rhombus(), dimer()]
    whole, _ = run_stages(cp2k_code, images, stages, [1, 2])
    same, _ = run_stages(cp2k_code, images, stages, [1, 2])
    assert whole["trajectory"].base.repository.hash() == same["trajectory"].base.repository.hash()
    enough = "[ $(cat s00000-001-frc-1.xyz 2>/dev/null | wc -l) -ge 180 ]"  # 30 of 100 steps
    code = killed_once(cp2k_code, enough)
    outputs, node = run_stages(code, images, stages, [1, 2])
    assert node.is_finished_ok, node.exit_message
    first, second = jobs_of(node)
    row = first.outputs.report["structures"][0]
    assert row["state"] == "advanced" and 28 <= row["point"]["step"] < 100
    assert len(second.inputs.frames) == 1
    ours, theirs = outputs["trajectory"].frames, whole["trajectory"].frames
    assert [i["time"] for i in infos(ours)] == [i["time"] for i in infos(theirs)]
    assert np.abs(ours.positions - theirs.positions).max() < 1e-2
    assert np.abs(ours.energies - theirs.energies).max() < 1e-2


def test_walltime(cp2k_code):
    stages = [hold(duration=0.6, every=0.02)]
    outputs, node = run_stages(cp2k_code, [rhombus()], stages, max_wallclock_seconds=6)
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node)) > 1
    assert [i["time"] for i in infos(outputs["trajectory"].frames)] == pytest.approx(
        [0.02 * k for k in range(1, 31)]
    )
    assert outputs["report"]["structures"][0]["attempts"] == []


@pytest.mark.slow
def test_held_at_the_temperature(cp2k_code):
    """Six degrees of freedom, some twenty independent moments: known to a seventh."""
    stage = hold(duration=1.2, every=0.01, damping=0.03)
    outputs, node = run_stages(cp2k_code, [rhombus()], [RELAX, stage], [3])
    assert node.is_finished_ok, node.exit_message
    temperatures = [info["temperature"] for info in infos(outputs["trajectory"].frames)]
    assert 170 < np.mean(temperatures[20:]) < 450


def test_nothing_is_left_to_do(cp2k_code):
    """Relaxed again where it is relaxed, and held by the other thermostat."""
    stages = [RELAX, RELAX, hold(thermostat="nose-hoover")]
    outputs, node = run_stages(cp2k_code, [dimer()], stages)
    assert node.is_finished_ok, node.exit_message
    assert len(outputs["trajectory"]) == 5


def test_a_slab_keeps_its_place(cp2k_code):
    slab = bulk("Cu", "fcc", a=3.6, cubic=True).repeat((2, 2, 1))
    slab.pbc = (True, True, False)
    outputs, node = run_stages(cp2k_code, [slab], [hold(duration=0.008, every=0.004)])
    assert node.is_finished_ok, node.exit_message
    frames = outputs["trajectory"].frames
    assert frames.sizes.tolist() == [16] * 2 and (frames.cells == slab.cell.array).all()
    assert 0 < np.abs(frames[1].positions - slab.positions).max() < 0.2
    again = label(cp2k_code, outputs["trajectory"])
    assert np.abs(again.energies - frames.energies).max() < 1e-3


def test_a_structure_that_fails_costs_only_itself(cp2k_code):
    """A stretched chain, its levels close together; its batch mates come to their end."""
    chain = Atoms("Cu13", positions=[[0, 0, 3.2 * i] for i in range(13)])
    slow = {"EPS_SCF": 1e-7, "EPS_DIIS": 0.1, "MAX_DIIS": 4, "MIXING": {"ALPHA": 0.2}}
    levels = [{"DFT": {"SCF": {**slow, "MAX_SCF": n}}} for n in (60, 50)]
    stages = [{**RELAX, "max_steps": 1}]
    outputs, node = run_stages(
        cp2k_code, [dimer(), chain, dimer(2.2)], stages, [0, 1, 2], {"fallbacks": levels}
    )
    assert node.is_finished_ok, node.exit_message
    rows = outputs["report"]["structures"]
    assert [row["state"] for row in rows] == ["finished", "failed", "finished"]
    assert "did not converge" in rows[1]["reason"]
    assert [attempt["settings_level"] for attempt in rows[1]["attempts"]] == [0, 1]
    assert outputs["structures"].frames.sizes.tolist() == [2, 2]


def test_what_cp2k_is_not_asked_to_do(cp2k_code):
    thin = bulk("Cu", "fcc", a=3.6)
    for images, stage, message in (
        ([dimer()], hold(pressure=0.0), "leave `pressure` out"),
        ([dimer()], {**RELAX, "cell": "iso"}, "set `cell: fixed`"),
        ([dimer(), thin], RELAX, "frame 1: the crystal is thinner than `thickness`"),
        ([Atoms("Cu")], hold(), "a single atom, which has no motion"),
    ):
        with pytest.raises(ValueError, match=message):
            run_stages(cp2k_code, images, [stage])
