"""Validators that several work chains share: each returns None, or a message naming the fix."""

from __future__ import annotations

from collections.abc import Collection

from aiida.orm import List, Str

from aiida_nanoclusters.science.elements import element


def validate_element(value: Str, _) -> str | None:
    """The element must be one whose bond length is known."""
    try:
        element(value.value)
    except ValueError as error:
        return str(error)
    return None


def validate_sizes(value: List, _) -> str | None:
    """Sizes are whole numbers of atoms, each once."""
    sizes = value.get_list()
    if not sizes or any(not isinstance(n, int) or n < 1 for n in sizes):
        return f"sizes {sizes[:5]} must be whole numbers of atoms, at least one"
    if len(set(sizes)) != len(sizes):
        return "a size is given twice: give each once"
    return None


def names_problem(settings: Collection[str], wanted: Collection[str]) -> str | None:
    """Return which settings are missing or unknown, or None: all must be there, and no others."""
    missing, unknown = sorted(set(wanted) - set(settings)), sorted(set(settings) - set(wanted))
    if missing or unknown:
        return f"settings: missing {missing or 'none'}, unknown {unknown or 'none'}"
    return None
