"""Active learning, its rounds and its sets of frames, as nodes; the decisions are in `science`."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.active_learning import ActiveLearning
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recipe import entry_of
from aiida_nanoclusters.science.selection import deal_trajectories, deduplicate, largest_forces

#: How the columns of a `history` read.
COLUMNS = {
    "round": "from 1",
    "labels": "asked for before this round's training",
    "members": "of the committee",
    "low": "eV/Å; frames of smaller deviation are good",
    "doubtful": "share of frames that are not good, of the largest probe or of all",
    "selected": "frames to label",
    "labelled": "frames that were",
    "errors": "of the committee's mean by set: energies meV/atom, forces meV/Å, as RMSE",
}


@calcfunction
def start_active_learning(settings: Dict, seed: Int, state: Dict | None = None) -> Dict:
    """Set up the loop, or go on from the state of an earlier one under these settings."""
    loop = ActiveLearning(**settings.get_dict(), seed=seed.value)
    if state is not None:
        loop = loop.taking_over(state.get_dict())
    return Dict(_with_progress(loop))


@calcfunction
def update_active_learning(state: Dict, outcome: Dict, **found: Dict) -> Dict:
    """Tell the loop what came of its task.

    Parameters
    ----------
    state
        Of the loop.
    outcome
        Plain numbers, see :meth:`.ActiveLearning.next`.
    found
        ``report`` of a selection, ``probes`` of :func:`.assess_frames`, ``thresholds`` of
        :func:`.calibrate_thresholds`: those that have to do with the task.
    """
    loop = ActiveLearning.from_state(state.get_dict())
    told: dict[str, Any] = outcome.get_dict()
    if "report" in found:
        told |= {key: found["report"][key] for key in ("selected", "reasons", "classes")}
    if "probes" in found:
        told["probes"] = found["probes"]["by_size"]
    if "thresholds" in found:
        told["low"] = found["thresholds"]["low"]
    loop.update(told)
    return Dict(_with_progress(loop))


@calcfunction
def split_probes(recipe: List, frames: FramesData) -> dict[str, FramesData]:
    """Part the frames of a recipe into ``candidates`` and ``probes``; an empty part is missing."""
    probes = [k for k, entry in enumerate(recipe.get_list()) if entry.get("probe")]
    is_probe = np.isin(entry_of(frames.frames), probes)
    parts = {"candidates": ~is_probe, "probes": is_probe}
    return {
        name: FramesData(frames.frames.select(mask)) for name, mask in parts.items() if mask.any()
    }


@calcfunction
def take_labels(
    labelled: FramesData,
    chosen: FramesData,
    report: Dict,
    settings: Dict,
    seed: Int,
    training: FramesData,
    validation: FramesData,
    checks: FramesData | None = None,
) -> dict[str, FramesData]:
    """Add labels to the sets they belong to.

    Parameters
    ----------
    labelled
        What came of `chosen`; failed ones are missing.
    chosen, report
        Of a selection: the first ``checks`` frames were drawn by chance and are learnt by nobody.
    settings
        ``validation``: share of the trajectories by which epochs are chosen. ``max_force``: frames
        with a larger force (eV/Å) are left out.
    seed
        By which trajectories are dealt out, another one each round.
    training, validation, checks
        The sets so far.

    Returns
    -------
    dict
        ``training``, ``validation`` and, where there are any, ``checks``.
    """
    drawn = set(chosen.frames.content_hashes()[: report["checks"]])
    frames = labelled.frames
    is_check = np.array([digest in drawn for digest in frames.content_hashes()])
    sets = {"training": [training.frames], "validation": [validation.frames], "checks": []}
    if checks is not None:
        sets["checks"].append(checks.frames)
    if is_check.any():
        sets["checks"].append(frames.select(is_check))
    is_learnt = ~is_check & (largest_forces(frames) <= settings["max_force"])
    aside = deal_trajectories(frames, settings["validation"], seed.value)
    for name, mask in (("training", is_learnt & ~aside), ("validation", is_learnt & aside)):
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
        ``round_<number>``: what :func:`.compare_committee` says of the round's committee.
    """
    loop = ActiveLearning.from_state(state.get_dict())
    rows: dict[int, dict[str, Any]] = {}
    labels = 0
    for entry in loop.history:
        row = rows.setdefault(entry["round"], {"round": entry["round"], "labels": labels})
        if entry["action"] == "train":
            row |= {"members": entry["members"], "low": entry["low"]}
        elif entry["action"] == "select":
            row |= {"doubtful": entry["share"], "selected": entry["selected"]}
        elif entry["action"] == "label":
            row["labelled"] = entry["labelled"]
            labels += entry["labelled"] + entry["failed"]
    for key, node in errors.items():
        rows[int(key.removeprefix("round_"))]["errors"] = {
            part: _brief(found["committee"]) for part, found in node["sets"].items()
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
    """Return the two errors of an error table, overall and by size."""

    def two(row: dict[str, Any]) -> dict[str, Any]:
        return {key: row[key] for key in ("n_frames", "energy_rmse", "forces_rmse")}

    by_size = {size: two(row) for size, row in table["by_size"].items()}
    return {"overall": two(table["overall"]), "by_size": by_size}


def _with_progress(loop: ActiveLearning) -> dict[str, Any]:
    return loop.state | {"task": loop.next(), "is_finished": loop.is_finished}
