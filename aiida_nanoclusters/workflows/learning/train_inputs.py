"""What the inputs of a training of a committee must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import List

from aiida_nanoclusters.calculations.learning.labelled_sets import (
    predictions_problem,
    sets_problem,
)
from aiida_nanoclusters.calculations.learning.metrics import MOTIFS
from aiida_nanoclusters.calculations.learning.warm_start import start_problem

#: Sets of frames on which the committee is compared with its labels, where given.
COMPARED = ("test", "extrapolation", MOTIFS)
#: Sets by which the weights are found.
LEARNT = ("training", "validation")


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse what :func:`validate_sets` does, and predictions where labels are expected."""
    if "training" not in value:
        return None  # the port reports it
    problem = validate_sets(value, _)
    if problem is None and not value.get("predictions", False):
        problem = predictions_problem(value, LEARNT)
    return problem


def validate_sets(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames without labels, labels of two levels, and initial weights that do not fit."""
    if "training" not in value:
        return None  # the port reports it
    return (
        sets_problem(value, ("training", "validation", *COMPARED))
        or starts_problem(value)
        or continued_problem(value)
    )


def starts_problem(value: Mapping[str, Any]) -> str | None:
    """Return why members must not start from the weights of the potentials given, or None."""
    starts = value.get("start_from") or {}
    if not starts or not {"seeds", "settings"} <= set(value):
        return None
    members = member_keys(value["seeds"])
    for key in sorted(starts):
        if key not in members:
            return f"`start_from.{key}` is not a member: use one of {', '.join(members)}"
        name = f"start_from.{key}"
        problem = start_problem(starts[key], value["training"], value["settings"], name)
        if problem:
            return problem
    return None


def continued_problem(value: Mapping[str, Any]) -> str | None:
    """Return why trainings must not be continued, or their results not be taken, or None."""
    if "seeds" not in value:
        return None
    members = member_keys(value["seeds"])
    for name in ("restart_from", "trained"):
        for key in sorted(value.get(name) or {}):
            if key not in members:
                return f"`{name}.{key}` is not a member: use one of {', '.join(members)}"
    for key, potential in sorted((value.get("trained") or {}).items()):
        training = potential.base.attributes.get("training_set", "")
        if "training" in value and training != value["training"].uuid:
            return f"`trained.{key}` was trained on {training or 'other frames'}: leave it out"
    return None


def member_keys(seeds: List) -> list[str]:
    """Return the keys of the members of a committee."""
    return [f"seed_{seed}" for seed in seeds.get_list()]
