"""A training set beside a target: which coordination numbers and environments it covers."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.coordination import (
    GROUPS,
    CoordinationDensity,
    coordination_coverage,
    coordination_density,
    frame_groups,
)
from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.environment_map import (
    MOST,
    QUANTILE,
    EnvironmentMap,
    map_environments,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.lowest import cluster_formula

#: What :func:`compare_environments` may be told, and what it means.
SETTINGS = {
    "most": f"environments of each set on the map, {MOST} by default",
    "quantile": f"of the training set's own distances that is near, {QUANTILE} by default",
    "least": "training atoms with a coordination number for it to count as seen, 1 by default",
}


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that are unknown or make no sense."""
    settings = value.get_dict()
    if unknown := sorted(set(settings) - set(SETTINGS)):
        return f"unknown settings {', '.join(unknown)}: only {', '.join(SETTINGS)}"
    for name, smallest in (("most", 10), ("least", 1)):
        number = settings.get(name, smallest)
        if isinstance(number, bool) or not isinstance(number, int) or number < smallest:
            return f"`{name}` is {number!r}: give a whole number from {smallest}"
    quantile = settings.get("quantile", QUANTILE)
    if not isinstance(quantile, int | float) or not 0 < quantile < 1:
        return f"`quantile` is {quantile!r}: give a number between 0 and 1"
    return None


def comparison_problem(training: FramesData, target: FramesData) -> str | None:
    """Return why two sets cannot be compared, from what the database knows of them."""
    if len(training) < 2:
        return "the training set has one frame: distances need at least two"
    if other := sorted(set(target.elements) - set(training.elements)):
        return f"the training set knows no {', '.join(other)}: choose another target"
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
        Of the draw where a set has more atoms than the map takes.
    settings
        See :data:`SETTINGS`.

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
    problem = validate_settings(settings, None) if settings is not None else None
    if problem := problem or comparison_problem(training, target):
        raise ValueError(problem)
    given = settings.get_dict() if settings is not None else {}
    least = given.pop("least", 1)
    ours, theirs = training.frames, target.frames
    found = map_environments(ours, theirs, seed=seed.value, **given)
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
