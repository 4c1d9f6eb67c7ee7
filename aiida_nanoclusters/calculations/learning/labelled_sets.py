"""Labelled sets of frames that can be trained on together, or compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiida_nanoclusters.calculations.labels.predictions import level_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labels.levels import is_prediction, model_of


def labels_problem(frames: FramesData, name: str) -> str | None:
    """Return why frames can be neither trained on nor compared with, or None."""
    if not frames.is_labelled:
        first = int((~frames.frames.labelled).argmax())
        return (
            f"`{name}`: frame {first} has no energy or no forces: label all frames "
            "(`nanoclusters.label`) or leave it out"
        )
    missing = [e for e in frames.elements if e not in frames.atom_energies]
    if missing:
        return (
            f"`{name}`: no isolated-atom energy of {', '.join(missing)}: give `atom_energies`, or "
            "label one frame of a single atom of each element with the set"
        )
    return None


def compatibility_problem(training: FramesData, other: FramesData, name: str) -> str | None:
    """Return why the labels of two sets can be neither mixed nor compared, or None."""
    if other.level_of_theory != training.level_of_theory:
        return (
            f"`{name}` is labelled by `{other.level_of_theory}`, `training` by "
            f"`{training.level_of_theory}`: label both at one level"
        )
    unknown = [e for e in other.elements if e not in training.elements]
    if unknown:
        return f"`{name}` holds {', '.join(unknown)}, which `training` does not: add frames of it"
    difference = zeros_difference(training.atom_energies, other.atom_energies, other.elements)
    return difference and f"`{name}`: an {difference}: shift one set to the other's zero"


def sets_problem(sets: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return why one of these sets, where given, has no labels or none that fit `training`."""
    for name in names:
        if name in sets:
            problem = labels_problem(sets[name], name)
            if problem is None and name != "training":
                problem = compatibility_problem(sets["training"], sets[name], name)
            if problem:
                return problem
    return None


def predictions_problem(sets: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return why one of these sets, where given, holds predictions in place of labels, or None."""
    for name in names:
        level = level_of(sets[name]) if name in sets else ""
        if is_prediction(level):
            return (
                f"`{name}` holds predictions of {model_of(level)}, no labels: label its frames "
                "(`nanoclusters.label`), or ask for a training on predictions: `predictions`"
            )
    return None


def zeros_difference(
    training: Mapping[str, float], other: Mapping[str, float], elements: Iterable[str]
) -> str | None:
    """Return which isolated atom has other energies (eV) in two sets, by more than 1e-6 eV."""
    for element in elements:
        ours, theirs = training[element], other[element]
        if abs(ours - theirs) > 1e-6:
            return f"isolated {element} atom has {theirs:.6f} eV but {ours:.6f} eV in `training`"
    return None
