"""The same stages, outputs and reference of energies with any engine."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.orm import Int, List, WorkChainNode
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.labels.label import ENGINES as LABEL_ENGINES
from aiida_nanoclusters.workflows.labels.label import EXTRAS, LabelWorkChain
from aiida_nanoclusters.workflows.sampling.stages import ENGINES, StagesWorkChain

STAGES = [
    {"kind": "relax", "force_tolerance": 0.02, "max_steps": 100, "sample_steps": 1},
    {
        **{"kind": "hold", "temperature": 300, "duration": 0.02, "timestep": 0.002},
        "sample_every": 0.01,
    },
]


@pytest.fixture
def structures(aiida_profile) -> FramesData:
    images = [Atoms("Cu2", positions=[[0, 0, 0], [length, 0, 0]]) for length in (2.2, 2.4)]
    images.insert(1, Atoms("Cu3", positions=[[0, 0, 0], [2.3, 0, 0], [1.1, 2.1, 0]]))
    for k, atoms in enumerate(images):
        atoms.info.update(config_type="start", parent=f"t{k}")
    return FramesData(images).store()


def check_contract(node, structures) -> None:
    assert node.is_finished_ok, node.exit_message
    ends, frames = node.outputs.structures.frames, node.outputs.trajectory.frames
    assert [str(a.symbols) for a in ends] == [str(a.symbols) for a in structures.frames]
    assert ends.labelled.all() and frames.labelled.all()
    assert list(ends.parents) == ["t0", "t1", "t2"]
    told = [json.loads(str(text)) for text in frames.info]
    still = [info["stage"] == 0 for info in told]
    for k in range(3):
        steps = [i["step"] for i in told if i["structure"] == k and i["stage"] == 0]
        assert steps and steps == list(range(1, len(steps) + 1))
    assert all(i["temperature"] is None and i["time"] == 0 for i in told if i["stage"] == 0)
    assert list(frames.parents) == [f"t{i['structure']}" for i in told]
    told = [info for info in told if info["stage"] == 1]
    assert [(i["structure"], i["time"]) for i in told] == [
        (k, t) for k in range(3) for t in (0.01, 0.02)
    ]
    report = node.outputs.report.get_dict()
    assert [row["index"] for row in report["structures"]] == [0, 1, 2]
    assert [row["state"] for row in report["structures"]] == ["finished"] * 3
    assert report["n_finished"] == 3
    # the end of the stages is the last frame sampled
    moving = frames.select(np.flatnonzero(np.logical_not(still)))
    assert ends.positions == pytest.approx(moving.select([1, 3, 5]).positions)
    assert ends.level_of_theory == frames.level_of_theory != ""


def test_by_a_potential(lmp_code, eam_potential, structures) -> None:
    builder = StagesWorkChain.get_builder_for_potential(lmp_code, structures, STAGES, eam_potential)
    node = run_get_node(builder)[1]
    check_contract(node, structures)
    assert node.outputs.structures.level_of_theory == eam_potential.level_of_theory


@pytest.mark.skipif("cp2k" not in ENGINES, reason="pip install aiida-nanoclusters[cp2k]")
def test_by_cp2k(cp2k_code, structures) -> None:
    inputs = LabelWorkChain.engine_inputs("cp2k", cp2k_code, "gfn1-xtb")
    builder = StagesWorkChain.get_builder_for_engine(structures, STAGES, inputs)
    builder.max_concurrent = Int(2)
    node = run_get_node(builder)[1]
    check_contract(node, structures)
    children = [n.process_label for n in node.called if isinstance(n, WorkChainNode)]
    assert children == ["LabelWorkChain"] + ["Cp2kStagesEngineWorkChain"] * 2
    # labels of the same frames, asked for on their own, have the same zero
    labels = run_get_node(LabelWorkChain.get_builder_for_engine(node.outputs.trajectory, inputs))[
        1
    ].outputs.frames.frames
    frames = node.outputs.trajectory.frames
    assert labels.atom_energies == pytest.approx(frames.atom_energies)
    assert np.abs(labels.energies - frames.energies).max() < 1e-4


def test_a_worker_without_the_engine_says_what_to_install(
    lmp_code, eam_potential, structures, monkeypatch
) -> None:
    """Inputs pass where they are submitted; the engine's package is missing in the daemon."""
    builder = StagesWorkChain.get_builder_for_potential(lmp_code, structures, STAGES, eam_potential)
    process = instantiate_process(get_manager().get_runner(), builder)
    monkeypatch.delitem(ENGINES, "potential")
    monkeypatch.delitem(LABEL_ENGINES, "potential")
    monkeypatch.setitem(EXTRAS, "potential", "some_package")
    process.execute()
    assert process.node.exit_status == StagesWorkChain.exit_codes.ERROR_ENGINE_MISSING.status
    assert "pip install aiida-nanoclusters[potential]" in process.node.exit_message
    assert not process.node.called


def test_inputs_that_do_not_fit_are_refused(
    lmp_code, eam_potential, structures, aiida_profile
) -> None:
    def start(stages, seeds=None):
        builder = StagesWorkChain.get_builder_for_potential(
            lmp_code, structures, stages, eam_potential
        )
        if seeds is not None:
            builder.seeds = List(seeds)
        run_get_node(builder)

    with pytest.raises(ValueError, match="2 seeds for 3 structures: give one seed per structure"):
        start(STAGES, [1, 2])
    with pytest.raises(ValueError, match="unknown kind 'melt'"):
        start([{"kind": "melt"}])
