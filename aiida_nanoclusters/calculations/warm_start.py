"""What a training may begin from: a packaged model that fits its frames and its settings."""

from __future__ import annotations

from typing import Any

from aiida.orm import Dict

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust_problem
from aiida_nanoclusters.formats.nequip import render_config
from aiida_nanoclusters.formats.nequip_model import read_package_model
from aiida_nanoclusters.formats.nequip_warm import model_difference
from aiida_nanoclusters.science.interactions import FILENAMES


def package_model(potential: PotentialData) -> dict[str, Any]:
    """Return the settings of a packaged model, see :func:`.read_package_model`."""
    with potential.base.repository.open(FILENAMES["allegro"], "rb") as handle:
        return read_package_model(handle)


def start_problem(
    potential: PotentialData, training: FramesData, settings: Dict, name: str = "start_from"
) -> str | None:
    """Return why a training must not begin from a potential, or None."""
    if potential.kind != "allegro":
        return (
            f"`{name}` is a potential of kind `{potential.kind}`: give the package (kind "
            "`allegro`) that a training returned"
        )
    problem = trust_problem(potential) or _labels_problem(potential, training)
    if problem is None:
        try:
            problem = _model_problem(potential, settings)
        except ValueError as error:
            problem = f"{error}; begin from another package, or without one"
    return None if problem is None else f"`{name}`: {problem}"


def _labels_problem(potential: PotentialData, training: FramesData) -> str | None:
    if potential.level_of_theory != training.level_of_theory:
        return (
            f"it learnt `{potential.level_of_theory}`, `training` is labelled by "
            f"`{training.level_of_theory}`: begin from a potential of that level, or without one"
        )
    known = potential.atom_energies
    unknown = [element for element in training.elements if element not in known]
    if unknown:
        return f"it does not know {', '.join(unknown)}, which `training` holds: begin without it"
    for element in training.elements:
        ours, theirs = training.atom_energies[element], known[element]
        if abs(ours - theirs) > 1e-6:
            return (
                f"its isolated {element} atom has {theirs:.6f} eV but {ours:.6f} eV in `training`: "
                "shift the frames to its zero, or begin without it"
            )
    return None


def _model_problem(potential: PotentialData, settings: Dict) -> str | None:
    config = render_config(
        settings.get_dict(),
        symbols=potential.elements,
        atom_energies=potential.atom_energies,
        files={"train": "train", "val": "val"},
        seed=0,
    )
    difference = model_difference(config, package_model(potential))
    return difference and f"{difference}: take `model` from the settings of its training"
