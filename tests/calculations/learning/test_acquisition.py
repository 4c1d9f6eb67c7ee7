"""Nodes of a choice of frames; the choice itself is tested with the science."""

import numpy as np
import pytest
from aiida.orm import Dict, Int
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.learning.acquisition import (
    calibrate_thresholds,
    select_to_label,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames

LIMITS = {"accurate_below": 0.1, "failed_above": 0.5}
CALIBRATION = {**LIMITS, "max_error": 0.2, "share": 0.1, "confidence": 0.9}


def build(count, truth=True):
    """Rattled Cu13 whose reference forces are zero."""
    images = []
    for seed in range(count):
        atoms = Atoms("Cu13", Icosahedron("Cu", 2).positions, info={"config_type": "md"})
        atoms.rattle(0.2, seed=seed)
        images.append(atoms)
    frames = Frames.from_atoms(images)
    if truth:
        zero = np.zeros((13 * count, 3))
        frames = frames.with_labels(
            np.zeros(count), zero, level_of_theory="ref", atom_energies={"Cu": 0.0}
        )
    return frames


def predictions(frames, deviations, mean=0.0):
    """Two members that differ by `deviations` on the first atom of each frame."""
    members = {}
    for key, sign in (("seed_1", 1.0), ("seed_2", -1.0)):
        forces = np.zeros((len(frames.numbers), 3))
        forces[frames.offsets[:-1], 0] = mean + sign * np.asarray(deviations)
        members[f"predicted_{key}"] = FramesData(
            frames.with_labels(
                13 * sign * np.ones(len(frames)), forces,
                level_of_theory="ML", atom_energies={"Cu": 0.0},
            )
        )  # fmt: skip
    return members


def test_selected_frames_and_their_reasons(aiida_profile):
    frames = build(6)
    deviations = [0.05, 0.2, 0.3, 0.9, 0.4, 0.45]
    members = predictions(frames, deviations)
    # A frame that one of the members could not evaluate.
    members["predicted_seed_2"] = FramesData(members["predicted_seed_2"].frames.select(range(5)))
    found = select_to_label(
        FramesData(frames),
        Dict(LIMITS),
        Dict({"budget": 2}),
        Int(1),
        known=FramesData(frames.select([1])),
        **members,
    )
    report = found["report"].get_dict()
    rows = report["frames"]
    assert [row["class"] for row in rows] == [
        "accurate",
        "candidate",
        "candidate",
        "failed",
        "candidate",
        "failed",
    ]
    assert [row["reason"] for row in rows] == [
        "accurate", "already labelled", "diverse", "failed", "diverse", "failed",
    ]  # fmt: skip
    assert [row["selected"] for row in rows] == [False, False, True, False, True, False]
    assert [row["max_force_deviation"] for row in rows[:5]] == pytest.approx(deviations[:5])
    assert [row["energy_deviation"] for row in rows[:5]] == pytest.approx([1.0] * 5)
    assert rows[5]["max_force_deviation"] is None
    assert report["classes"] == {"accurate": 1, "candidate": 3, "failed": 2}
    assert (report["selected"], report["calibration_frames"]) == (2, 0)
    chosen = found["frames"].frames
    assert not chosen.labelled.any()
    assert set(chosen.content_hashes()) == {frames.content_hashes()[i] for i in (2, 4)}
    assert found["frames"].creator == found["report"].creator


def test_nothing_to_select_is_a_report(aiida_profile):
    frames = build(3)
    found = select_to_label(
        FramesData(frames),
        Dict(LIMITS),
        Dict({"budget": 2}),
        Int(1),
        **predictions(frames, [0.01, 0.02, 0.03]),
    )
    assert set(found) == {"report"}
    assert found["report"]["reasons"] == {"accurate": 3}


def test_calibration_frames_are_in_the_report(aiida_profile):
    frames = build(8)
    found = select_to_label(
        FramesData(frames),
        Dict(LIMITS),
        Dict({"budget": 3, "calibration_frames": 2}),
        Int(4),
        **predictions(frames, [0.01] * 6 + [0.2] * 2),
    )
    assert (found["report"]["selected"], found["report"]["calibration_frames"]) == (3, 2)
    rows = found["report"]["frames"]
    assert sum(row["reason"] == "calibration" for row in rows) == 2
    assert len(found["frames"]) == 3


def test_thresholds_from_labels(aiida_profile):
    """The mean is wrong by 0.49 of the deviation: below 0.4 eV/Å no error exceeds 0.2."""
    frames = build(60)
    deviations = np.linspace(0.01, 0.6, 60)
    members = predictions(frames, deviations, mean=0.49 * deviations)
    found = calibrate_thresholds(Dict(CALIBRATION), FramesData(frames), **members).get_dict()
    assert found["calibrated"] and found["message"] == ""
    assert (found["n_labels"], found["failed_above"]) == (60, 0.5)
    assert 0.4 < found["accurate_below"] < 0.45
    assert found["n_wrong"] <= 2


def test_too_few_labels_keep_the_given_threshold(aiida_profile):
    frames = build(10)
    members = predictions(frames, [0.1] * 10)
    found = calibrate_thresholds(Dict(CALIBRATION), FramesData(frames), **members).get_dict()
    assert (found["accurate_below"], found["calibrated"], found["n_labels"]) == (0.1, False, 10)
    assert "10 labelled frames are too few" in found["message"]


def test_all_accurate_below_the_upper_threshold(aiida_profile):
    frames = build(40)
    deviations = np.linspace(0.01, 0.9, 40)
    found = calibrate_thresholds(
        Dict(CALIBRATION), FramesData(frames), **predictions(frames, deviations)
    ).get_dict()
    assert found["accurate_below"] == 0.5
    assert "no candidates" in found["message"]


def test_an_input_by_another_name(aiida_profile):
    frames = build(2)
    members = predictions(frames, [0.1, 0.1])
    with pytest.raises(ValueError, match="unknown input `member_1`"):
        calibrate_thresholds(
            Dict(CALIBRATION), FramesData(frames), member_1=members["predicted_seed_1"]
        )


def test_thresholds_of_an_earlier_version(aiida_profile):
    """Thresholds as an earlier version has stored them give the same choice."""
    frames = build(4)
    members = predictions(frames, [0.05, 0.2, 0.3, 0.9])
    ours, theirs = (
        select_to_label(FramesData(frames), Dict(limits), Dict({"budget": 2}), Int(1), **members)
        for limits in (LIMITS, {"low": 0.1, "high": 0.5})
    )
    ours, theirs = ours["report"].get_dict(), theirs["report"].get_dict()
    assert ours == theirs
    assert ours["classes"] == {"accurate": 1, "candidate": 2, "failed": 1}
