"""Sets of frames between the rounds of a loop."""

import numpy as np
from aiida.common import AttributeDict
from aiida.orm import Dict, Int, List
from ase.build import bulk

from aiida_nanoclusters.calculations.learning.active_learning import (
    add_labels,
    split_convergence_test,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.splitting import largest_forces
from aiida_nanoclusters.workflows.learning.active_learning import ActiveLearningWorkChain
from tests.calculations.learning.test_train import labelled


def test_the_convergence_test_is_split_from_the_candidates(aiida_profile) -> None:
    images = [bulk("Cu"), bulk("Cu", cubic=True), bulk("Cu")]
    for k, atoms in zip((0, 1, 0), images, strict=True):
        atoms.info["parent"] = f"{k:02d}-bulk-{len(atoms)}-000 300 K"
        atoms.rattle(0.01 * (k + 1))
    frames = FramesData(Frames.from_atoms(images))
    recipe = List([{"kind": "bulk"}, {"kind": "bulk", "convergence_test": True}])
    parts = split_convergence_test(recipe, frames)
    assert list(parts["candidates"].frames.sizes) == [1, 1]
    assert list(parts["convergence_test"].frames.sizes) == [4]
    assert set(split_convergence_test(List([{}, {}]), frames)) == {"candidates"}


def test_labels_are_added_to_their_sets(aiida_profile) -> None:
    """Of eight: one failed, two are for calibration, one has too large a force; four are split."""
    chosen = labelled(range(8))
    frames = chosen.frames.with_origin(parents=[f"run {k}" for k in range(8)])
    largest = int(np.argmax(largest_forces(frames)[2:7])) + 2
    limit = float(np.sort(largest_forces(frames)[2:7])[-1] - 1e-6)
    start = {
        "training": FramesData(frames.select([2])),
        "validation": FramesData(frames.select([2])),
    }
    settings = Dict({"validation": 0.5, "max_force": limit})
    given = (
        FramesData(frames.select(range(7))),
        chosen,
        Dict({"calibration_frames": 2}),
        settings,
        Int(3),
    )
    sets = add_labels(*given, **start)
    hashes = frames.content_hashes()
    found = {name: set(node.frames.content_hashes()) for name, node in sets.items()}
    assert found["calibration"] == set(hashes[:2])
    learnt = set(hashes[2:7]) - {hashes[largest]} | {hashes[2]}
    assert found["training"] | found["validation"] == learnt
    assert not found["calibration"] & learnt
    # A trajectory stays in its set, whatever other frames are added.
    later = add_labels(FramesData(frames.select([4, 5])), *given[1:], **start)
    for name in ("training", "validation"):
        added = set(later[name].frames.content_hashes()) - {hashes[2]}
        assert added <= found[name] | {hashes[largest]}


def test_each_round_splits_with_another_seed(aiida_profile) -> None:
    """Runs of later rounds have the names of earlier ones, but are different trajectories."""
    chosen = labelled(range(8))
    frames = chosen.frames.with_origin(parents=[f"run {k}" for k in range(8)])
    start = {name: FramesData(frames.select([0])) for name in ("training", "validation")}
    settings = Dict({"validation": 0.5, "max_force": 1e3})
    given = (
        FramesData(frames.select(range(1, 8))),
        chosen,
        Dict({"calibration_frames": 0}),
        settings,
    )
    dealt = {
        frozenset(add_labels(*given, Int(seed), **start)["validation"].frames.content_hashes())
        for seed in range(1, 5)
    }
    assert len(dealt) == 4


def test_thresholds_stay_where_one_member_evaluated_the_calibration_set(aiida_profile) -> None:
    messages: list[str] = []
    exit_message = "LAMMPS failed"
    for outputs in ({}, {"labelled": {"seed_1": labelled([0])}}):
        run = AttributeDict(
            {"outputs": outputs, "process_label": "X", "pk": 7, "exit_message": exit_message}
        )
        process = AttributeDict({"ctx": {"run": run}})
        process.report = messages.append
        assert ActiveLearningWorkChain._calibrated(process) == {}
    assert len(messages) == 2
    assert messages[1] == (
        "`accurate_below` stays: 1 members evaluated the calibration set (X<7>: LAMMPS failed)"
    )
