"""Active learning, its rounds and its sets of frames, as nodes; the decisions are in `science`."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.learning.active_learning import ActiveLearning
from aiida_nanoclusters.science.learning.settings import LabelSetSettings
from aiida_nanoclusters.science.learning.splitting import (
    deal_trajectories,
    deduplicate,
    largest_forces,
)
from aiida_nanoclusters.science.structures.recipe import convergence_test_entries, entry_of

#: What the columns of a `history` are.
COLUMNS = {
    "round": "from 1",
    "labels": "requested before this round's training",
    "members": "of the committee",
    "accurate_below": "eV/Å; frames of smaller force deviation are accurate",
    "uncertain": "fraction of frames that are not accurate, among those of the largest "
    "convergence-test structure, or among all candidates",
    "selected": "frames to label",
    "labelled": "frames that were labelled",
    "errors": "of the committee's mean by set: energies meV/atom, forces meV/Å, as RMSE",
}


@calcfunction
def start_active_learning(settings: Dict, seed: Int, state: Dict | None = None) -> Dict:
    """Set up the loop, or continue from the state of an earlier one under these settings."""
    loop = ActiveLearning(**settings.get_dict(), seed=seed.value)
    if state is not None:
        loop = loop.taking_over(state.get_dict())
    return Dict(_with_progress(loop))


@calcfunction
def update_active_learning(state: Dict, outcome: Dict, **found: Dict) -> Dict:
    """Record the outcome of the loop's task.

    Parameters
    ----------
    state
        Of the loop.
    outcome
        Plain numbers, see :meth:`.ActiveLearning.next`.
    found
        What the task has found: ``report`` of a selection, ``convergence_test`` of
        :func:`.assess_frames`, ``thresholds`` of :func:`.calibrate_thresholds`.
    """
    loop = ActiveLearning.from_state(state.get_dict())
    result: dict[str, Any] = outcome.get_dict()
    if "report" in found:
        result |= {key: found["report"][key] for key in ("selected", "reasons", "classes")}
    if "convergence_test" in found:
        result["convergence_test"] = found["convergence_test"]["by_size"]
    if "thresholds" in found:
        result["accurate_below"] = found["thresholds"]["accurate_below"]
    loop.update(result)
    return Dict(_with_progress(loop))


@calcfunction
def split_convergence_test(recipe: List, frames: FramesData) -> dict[str, FramesData]:
    """Split the frames of a recipe into ``candidates`` and ``convergence_test``.

    A part without frames is missing.
    """
    test = np.isin(entry_of(frames.frames), convergence_test_entries(recipe.get_list()))
    parts = {"candidates": ~test, "convergence_test": test}
    return {
        name: FramesData(frames.frames.select(mask)) for name, mask in parts.items() if mask.any()
    }


@calcfunction
def add_labels(
    labelled: FramesData,
    chosen: FramesData,
    report: Dict,
    settings: Dict,
    seed: Int,
    training: FramesData,
    validation: FramesData,
    calibration: FramesData | None = None,
) -> dict[str, FramesData]:
    """Add labels to the sets they belong to.

    Parameters
    ----------
    labelled
        The labels of `chosen`; failed ones are missing.
    chosen, report
        Of a selection: the first ``calibration_frames`` of the frames were drawn at random, and no
        member learns them.
    settings
        As of :class:`.science.learning.settings.LabelSetSettings`.
    seed
        Of the random split of trajectories, another one each round.
    training, validation, calibration
        The sets so far.

    Returns
    -------
    dict
        ``training``, ``validation`` and, where there are any frames in it, ``calibration``.
    """
    given = LabelSetSettings.from_values(**settings.get_dict())
    drawn = set(chosen.frames.content_hashes()[: report["calibration_frames"]])
    frames = labelled.frames
    is_drawn = np.array([digest in drawn for digest in frames.content_hashes()])
    sets = {"training": [training.frames], "validation": [validation.frames], "calibration": []}
    if calibration is not None:
        sets["calibration"].append(calibration.frames)
    is_learnt = ~is_drawn & (largest_forces(frames) <= given.max_force)
    aside = deal_trajectories(frames, given.validation, seed.value)
    masks = {
        "training": is_learnt & ~aside,
        "validation": is_learnt & aside,
        "calibration": is_drawn,
    }
    for name, mask in masks.items():
        if mask.any():
            sets[name].append(frames.select(mask))
    return {
        name: FramesData(deduplicate(Frames.concatenate(parts)))
        for name, parts in sets.items()
        if parts
    }


@calcfunction
def summarise_rounds(state: Dict, **errors: Dict) -> Dict:
    """Return ``columns`` and ``rows``, one a round, and why the loop ended.

    Parameters
    ----------
    state
        Of the loop.
    errors
        ``round_<number>``: ``errors`` of :func:`.compare_committee` of the round's committee.
    """
    loop = ActiveLearning.from_state(state.get_dict())
    rows: dict[int, dict[str, Any]] = {}
    labels = 0
    for entry in loop.history:
        row = rows.setdefault(entry["round"], {"round": entry["round"], "labels": labels})
        if entry["action"] == "train":
            row |= {name: entry[name] for name in ("members", "accurate_below")}
        elif entry["action"] == "select":
            row |= {"uncertain": entry["share"], "selected": entry["selected"]}
        elif entry["action"] == "label":
            row["labelled"] = entry["labelled"]
            labels += entry["labelled"] + entry["failed"]
    for key, node in errors.items():
        rows[int(key.removeprefix("round_"))]["errors"] = {
            part: _brief(found["committee"])
            for part, found in with_present_keys(node["sets"]).items()
        }
    return Dict(
        {
            "columns": COLUMNS,
            "rows": [rows[number] for number in sorted(rows)],
            "reason": loop.reason,
            "converged": loop.converged,
            "gave_up": loop.gave_up,
        }
    )


def _brief(table: dict[str, Any]) -> dict[str, Any]:
    """Return the errors of energies and forces of an error table, overall and by size."""

    def errors_of(row: dict[str, Any]) -> dict[str, Any]:
        return {key: row[key] for key in ("n_frames", "energy_rmse", "forces_rmse")}

    by_size = {size: errors_of(row) for size, row in table["by_size"].items()}
    return {"overall": errors_of(table["overall"]), "by_size": by_size}


def _with_progress(loop: ActiveLearning) -> dict[str, Any]:
    return loop.state | {"task": loop.next(), "is_finished": loop.is_finished}
