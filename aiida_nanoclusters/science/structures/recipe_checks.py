"""What is wrong with a recipe, and how to correct it, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiida_nanoclusters.science.structures.recipe import Entry, structures_of
from aiida_nanoclusters.science.structures.settings import MINIMA, entry_model

#: Kinds whose structures take long to build, or must be searched: they are not built as a check.
_EXPENSIVE = {"cluster", MINIMA}


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
        if entry["kind"] not in _EXPENSIVE:
            structures_of(entry, "X", 1.0, 0)
    except ValueError as error:
        return str(error)
    return None
