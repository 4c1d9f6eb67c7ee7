"""Packaged models whose weights a training may start from: they must fit frames and settings."""

from __future__ import annotations

from typing import Any

from aiida.orm import Dict

from aiida_nanoclusters.calculations.learning.labelled_sets import zeros_difference
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust_problem
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES
from aiida_nanoclusters.formats.nequip.config import render_config
from aiida_nanoclusters.formats.nequip.model import read_package_model
from aiida_nanoclusters.formats.nequip.warm_start import model_difference


def package_model(potential: PotentialData) -> dict[str, Any]:
    """Return the settings of a packaged model as :func:`.read_package_model` does."""
    with potential.base.repository.open(FILENAMES["allegro"], "rb") as handle:
        return read_package_model(handle)


def is_from_elsewhere(potential: PotentialData) -> bool:
    """Whether a package was trained by others: the frames of its training are no node here."""
    return not potential.base.attributes.get("training_set", "")


def start_symbols(potential: PotentialData, training: FramesData) -> list[str]:
    """Return the elements of a model that starts from a package: those it is trained on."""
    return [element for element in potential.elements if element in training.elements]


def start_zero(potential: PotentialData, training: FramesData) -> dict[str, float]:
    """Return the energies of isolated atoms (eV) of a model that starts from a package."""
    return training.atom_energies if is_from_elsewhere(potential) else potential.atom_energies


def start_problem(
    potential: PotentialData, training: FramesData, settings: Dict, name: str = "start_from"
) -> str | None:
    """Return why a training must not start from the weights of a potential, or None."""
    if potential.kind == "calculator":
        return (
            f"`{name}` is evaluated by an ASE calculator, the models trained here are Allegro: "
            "label frames with it (`aiida-nanoclusters run label`), and train on them"
        )
    if potential.kind != "allegro":
        return (
            f"`{name}` is a potential of kind `{potential.kind}`: give the package (kind "
            "`allegro`) that a training returned"
        )
    problem = trust_problem(potential) or _labels_problem(potential, training)
    if problem is None:
        try:
            problem = _model_problem(potential, training, settings)
        except ValueError as error:
            problem = f"{error}; start from another package, or without one"
    return None if problem is None else f"`{name}`: {problem}"


def _labels_problem(potential: PotentialData, training: FramesData) -> str | None:
    known, elsewhere = potential.atom_energies, is_from_elsewhere(potential)
    if not elsewhere and potential.level_of_theory != training.level_of_theory:
        return (
            f"it was trained on `{potential.level_of_theory}`, `training` is labelled by "
            f"`{training.level_of_theory}`: start from a potential of that level, or without one"
        )
    unknown = [element for element in training.elements if element not in known]
    if unknown:
        return f"it does not know {', '.join(unknown)}, which `training` holds: start without it"
    if elsewhere:  # its zero gives way to that of the frames
        return None
    difference = zeros_difference(training.atom_energies, known, training.elements)
    return difference and (f"its {difference}: shift the frames to its zero, or start without it")


def _model_problem(potential: PotentialData, training: FramesData, settings: Dict) -> str | None:
    config = render_config(
        settings.get_dict(),
        symbols=start_symbols(potential, training),
        atom_energies=start_zero(potential, training),
        files={"train": "train", "val": "val"},
        seed=0,
    )
    difference = model_difference(config, package_model(potential), potential.types)
    return difference and f"{difference}: take `model` from the settings of its training"
