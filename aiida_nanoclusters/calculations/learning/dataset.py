"""Frames of a data set: built, varied, gathered and split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Float, Int, List, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames, sound_frames
from aiida_nanoclusters.science.learning.splitting import deduplicate, largest_forces, split_frames
from aiida_nanoclusters.science.structures import recipe as science
from aiida_nanoclusters.science.structures.alloys import build_alloy_entry
from aiida_nanoclusters.science.structures.given import (
    given_structures,
    until_broken,
    whole_entries,
)
from aiida_nanoclusters.science.structures.settings import GIVEN, MINIMA


@calcfunction
def build_recipe(
    recipe: List, element: Str, distance: Float, seed: Int, structures: FramesData | None = None
) -> dict[str, FramesData]:
    """Build the starting structures of a recipe.

    Parameters
    ----------
    recipe, element, distance, seed
        As of :func:`.science.structures.recipe.build_entry`; the distance in Å.
    structures
        Those of entries of kind ``given``.

    Returns
    -------
    dict
        ``as_built``: structures that are not relaxed; ``to_relax``: structures that are relaxed
        before they are varied or sampled. A key is missing where it would be empty. Entries of
        kind ``minima`` are in neither.
    """
    return _by_relaxation(
        recipe,
        lambda entry, index: science.build_entry(
            entry, index, element.value, distance.value, seed.value
        ),
        structures,
    )


@calcfunction
def build_alloy_recipe(
    recipe: List, elements: List, seed: Int, structures: FramesData | None = None
) -> dict[str, FramesData]:
    """Build the starting structures of a recipe for several elements, as :func:`build_recipe`."""
    return _by_relaxation(
        recipe,
        lambda entry, index: build_alloy_entry(entry, index, elements.get_list(), seed.value),
        structures,
    )


def _by_relaxation(
    recipe: List,
    build: Callable[[dict[str, Any], int], Frames],
    structures: FramesData | None,
) -> dict[str, FramesData]:
    groups: dict[str, list[Frames]] = {}
    for index, entry in enumerate(recipe.get_list()):
        if entry["kind"] == MINIMA:
            continue
        key = "to_relax" if entry.get("relax") else "as_built"
        if entry["kind"] == GIVEN and structures is not None:
            built = given_structures(entry, index, structures.frames)
        else:
            built = build(entry, index)
        groups.setdefault(key, []).append(built)
    return {key: FramesData(Frames.concatenate(parts)) for key, parts in groups.items()}


@calcfunction
def take_minima(recipe: List, minima: FramesData) -> FramesData:
    """Return the minima of a basin hopping that the recipe asks for."""
    taken = [
        science.lowest_minima(entry, index, minima.frames)
        for index, entry in enumerate(recipe.get_list())
        if entry["kind"] == MINIMA
    ]
    return FramesData(Frames.concatenate([frames for frames in taken if frames is not None]))


@calcfunction
def vary_structures(recipe: List, seed: Int, **structures: FramesData) -> dict[str, FramesData]:
    """Strain and rattle structures, or prepare them to be sampled, as the recipe says.

    Returns
    -------
    dict
        ``static``: frames ready to be labelled; ``sample_<T>`` and ``sample_<T>_<kPa>``:
        structures from which molecular dynamics at T kelvin starts; ``biased_<entry>_<number>``:
        one from which metadynamics starts.
    """
    frames = Frames.concatenate([structures[k].frames.without_labels() for k in sorted(structures)])
    origin = science.entry_of(frames)
    groups: dict[str, list[Frames]] = {}
    for index, entry in enumerate(recipe.get_list()):
        if not (origin == index).any():  # no minimum was found
            continue
        own = frames.select(origin == index)
        if entry.get("sample"):
            for temperature in entry["sample"]["temperatures"]:
                for pressure in entry["sample"].get("pressures") or [None]:
                    groups.setdefault(science.sample_key(temperature, pressure), []).append(own)
        elif entry.get("metadynamics"):
            for number in range(len(own)):
                key = science.biased_key(index, number)
                groups.setdefault(key, []).append(own.select([number]))
        else:
            varied = science.distort(own, entry.get("distort") or {}, seed.value + index)
            groups.setdefault("static", []).append(varied)
    return {key: FramesData(Frames.concatenate(parts)) for key, parts in groups.items()}


@calcfunction
def end_where_broken(recipe: List, starts: FramesData, trajectory: FramesData) -> dict[str, Any]:
    """End trajectories of `whole` entries with the first frame in which a molecule came apart.

    Returns
    -------
    dict
        ``frames``, and ``report``: ``reasons``, which molecules came apart, by the name of the
        structure that the trajectory began with.
    """
    own = np.isin(science.entry_of(starts.frames), whole_entries(recipe.get_list()))
    frames, reasons = until_broken(starts.frames.select(own), trajectory.frames)
    return {"frames": FramesData(frames), "report": Dict({"reasons": reasons})}


@calcfunction
def gather_frames(total: Int, seed: Int, **parts: FramesData) -> FramesData:
    """Join sampled and static frames but duplicates and broken ones; at most `total`, 0 for all."""
    gathered = []
    for key in sorted(parts):
        frames = parts[key].frames.without_labels()
        if key.startswith("sample_"):
            # Runs at different conditions are different trajectories.
            text = science.conditions_text(key)
            frames = frames.with_origin(parents=[f"{p} {text}" for p in frames.parents])
        elif science.biased_entry(key) is not None:
            frames = frames.with_origin(parents=[f"{p} biased" for p in frames.parents])
        gathered.append(frames)
    frames = deduplicate(Frames.concatenate(gathered))
    frames = frames.select(sound_frames(frames))
    return FramesData(science.thin(frames, total.value or None, seed.value))


@calcfunction
def split_dataset(
    frames: FramesData, fractions: List, seed: Int, max_force: Float
) -> dict[str, FramesData]:
    """Check labelled frames and split them into `training`, `validation` and `test`.

    Frames whose largest force exceeds `max_force` (eV/Å) are left out: they are far from all
    configurations of interest and would dominate the loss. No trajectory has frames in two parts;
    frames of a single atom are always in the training set.
    """
    whole = deduplicate(frames.frames)
    check_frames(whole, need_labels=True)
    whole = whole.select(largest_forces(whole) <= max_force.value)
    parts = split_frames(whole, fractions.get_list(), seed.value)
    names = ("training", "validation", "test")
    return {name: FramesData(part) for name, part in zip(names, parts, strict=True)}
