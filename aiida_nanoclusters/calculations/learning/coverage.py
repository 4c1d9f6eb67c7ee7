"""Which coordination numbers and environments of a target a training set covers."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.compositions import cluster_formula
from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.coverage_settings import CoverageSettings
from aiida_nanoclusters.science.recognition.coordination import (
    GROUPS,
    CoordinationDensity,
    coordination_coverage,
    coordination_density,
    frame_groups,
)
from aiida_nanoclusters.science.recognition.coverage import EnvironmentMap, map_environments


def comparison_problem(training: FramesData, target: FramesData) -> str | None:
    """Return why two sets cannot be compared, by their stored attributes; None if they can."""
    if len(training) < 2:
        return "the training set has one frame: distances need at least two"
    if other := sorted(set(target.elements) - set(training.elements)):
        return f"the training set has no {', '.join(other)}: choose another target"
    if unknown := sorted(set(training.elements) - set(ELEMENTS)):
        return f"no data for element {', '.join(unknown)}; known: {', '.join(sorted(ELEMENTS))}"
    return None


@calcfunction
def compare_environments(
    training: FramesData, target: FramesData, seed: Int, settings: Dict | None = None
) -> dict[str, Any]:
    """Compare the atoms of a target with those of a training set.

    Parameters
    ----------
    training, target
        Labelled or not.
    seed
        Random seed of the sample, where a set has more atoms than the map takes.
    settings
        As of :class:`.science.learning.coverage_settings.CoverageSettings`.

    Returns
    -------
    dict
        ``coordination``: atoms by coordination number and group of frames. ``environments``: the
        map; arrays as named in :mod:`~aiida_nanoclusters.science.keys`. ``coverage``: shares of the
        target that the training set covers, by coordination number and by environment.

    Raises
    ------
    ValueError
        If a setting makes no sense, or the sets cannot be compared; the message names the fix.
    """
    given = CoverageSettings.from_values(**(settings.get_dict() if settings is not None else {}))
    if problem := comparison_problem(training, target):
        raise ValueError(problem)
    least = given.least
    ours, theirs = training.frames, target.frames
    found = map_environments(
        ours, theirs, seed=seed.value, most=given.most, quantile=given.quantile
    )
    known, asked = coordination_density(ours), coordination_density(theirs)
    return {
        "coordination": _coordination_node(known, asked),
        "environments": _map_node(found, ours, theirs),
        "coverage": Dict(
            {
                "coordination": coordination_coverage(known, asked, least),
                "coordination_not_seen": _not_seen(known, asked, least),
                "environments": found.coverage,
                "threshold": found.threshold,
                "largest_distance": float(found.distances.max()),
                "n_training_frames": len(ours),
                "n_target_frames": len(theirs),
                "n_training_environments": len(found.training_atoms),
                "n_target_environments": len(found.target_atoms),
                "target": _rows(found, theirs),
            }
        ),
    }


def _not_seen(known: CoordinationDensity, asked: CoordinationDensity, least: int) -> list[int]:
    seen = set(known.numbers[known.total >= least].tolist())
    return [int(n) for n in asked.numbers[asked.total > 0] if int(n) not in seen]


def _coordination_node(known: CoordinationDensity, asked: CoordinationDensity) -> ArrayData:
    length = max(len(known.numbers), len(asked.numbers))
    node = ArrayData()
    node.set_array(keys.COORDINATION_NUMBERS, np.arange(length))
    for name, density in ((keys.TRAINING_ATOMS, known), (keys.TARGET_ATOMS, asked)):
        counts = np.zeros((len(GROUPS), length), dtype=np.int64)
        for row, group in enumerate(GROUPS):
            if group in density.counts:
                counts[row, : len(density.numbers)] = density.counts[group]
        node.set_array(name, counts)
    node.base.attributes.set("groups", list(GROUPS))
    return node


def _map_node(found: EnvironmentMap, ours: Frames, theirs: Frames) -> ArrayData:
    node = ArrayData()
    node.set_array(keys.EXPLAINED_VARIANCE, found.explained)
    for frames, atoms, components, distances, names in (
        (
            ours,
            found.training_atoms,
            found.training,
            found.own_distances,
            (
                *(keys.TRAINING_COMPONENTS, keys.TRAINING_DISTANCES),
                *(keys.TRAINING_FRAMES, keys.TRAINING_PLACES),
            ),
        ),
        (
            theirs,
            found.target_atoms,
            found.target,
            found.distances,
            (
                *(keys.TARGET_COMPONENTS, keys.TARGET_DISTANCES),
                *(keys.TARGET_FRAMES, keys.TARGET_PLACES),
            ),
        ),
    ):
        owners = frames.owners_of(atoms)
        arrays = (components.T, distances, owners, atoms - frames.offsets[owners])
        for name, array in zip(names, arrays, strict=True):
            node.set_array(name, array)
    groups = frame_groups(ours)[ours.owners_of(found.training_atoms)]
    node.set_array(keys.TRAINING_GROUPS, np.array([GROUPS.index(str(g)) for g in groups]))
    node.base.attributes.set_many({"threshold": found.threshold, "groups": list(GROUPS)})
    return node


def _rows(found: EnvironmentMap, frames: Frames) -> list[dict[str, Any]]:
    """Coverage of each composition of the target, sizes ascending."""
    owners = frames.owners_of(found.target_atoms)
    labels, sizes = [], {}
    for index in range(len(frames)):
        symbols = frames[index].get_chemical_symbols()
        labels.append(cluster_formula({s: symbols.count(s) for s in set(symbols)}))
        sizes[labels[-1]] = len(symbols)
    named = np.array(labels)[owners]
    return [
        {
            "composition": label,
            "n_environments": int((named == label).sum()),
            "coverage": float(found.covered[named == label].mean()),
            "largest_distance": float(found.distances[named == label].max()),
        }
        for label in sorted(sizes, key=lambda name: (sizes[name], name))
        if (named == label).any()
    ]
