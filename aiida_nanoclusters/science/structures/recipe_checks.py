"""What is wrong with a recipe, and how to correct it, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.structures.recipe import Entry, structures_of
from aiida_nanoclusters.science.structures.settings import (
    GIVEN,
    MINIMA,
    WITHOUT_BOND_LENGTH,
    entry_model,
)

#: Kinds whose structures take long to build, must be searched or are handed in: they are not built
#: as a check.
_NOT_BUILT = {"cluster", MINIMA, GIVEN}


def recipe_problem(recipe: Sequence[Entry]) -> str | None:
    """Return what is wrong with a recipe and how to correct it, or None."""
    if not recipe:
        return "the recipe is empty: give at least one entry, e.g. {kind: atom}"
    for k, entry in enumerate(recipe):
        if not isinstance(entry, Mapping):
            return f"entry {k}: write it as {{kind: ...}}, got {entry!r}"
        if problem := _entry_problem(entry):
            return f"entry {k} ({entry.get('kind')}): {problem}"
    return None


def _entry_problem(entry: Entry) -> str | None:
    try:
        if problem := entry_model(entry).problem(entry):
            return problem
        if entry["kind"] not in _NOT_BUILT:
            structures_of(entry, "X", 1.0, 0)
    except ValueError as error:
        return str(error)
    return None


def elements_problem(recipe: Sequence[Entry], symbols: Sequence[str]) -> str | None:
    """Return which element has no bond length that an entry of the recipe needs, or None."""
    needing = [k for k, e in enumerate(recipe) if e["kind"] not in WITHOUT_BOND_LENGTH]
    unknown = sorted(set(symbols) - set(ELEMENTS))
    if not needing or not unknown:
        return None
    return (
        f"entry {needing[0]} ({recipe[needing[0]]['kind']}) needs the bond length of {unknown[0]}, "
        f"which is not a metal that is known: give structures with it as entries of kind `{GIVEN}`"
    )
