"""Validators that several work chains share: each returns None, or a message naming the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiida.orm import Dict, List, Str
from ase.data import atomic_numbers

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.settings import Settings


def validate_element(value: Str, _) -> str | None:
    """Refuse elements whose nearest-neighbour distance is not known."""
    try:
        element(value.value)
    except ValueError as error:
        return str(error)
    return None


def validate_symbols(value: List, _) -> str | None:
    """Refuse anything but two or more different chemical symbols."""
    symbols = value.get_list()
    if len(symbols) < 2 or len({str(symbol) for symbol in symbols}) != len(symbols):
        return f"elements {symbols[:5]}: give two or more different chemical symbols"
    if unknown := [symbol for symbol in symbols if symbol not in atomic_numbers]:
        return f"elements: {unknown[0]!r} is no chemical symbol"
    return None


def validate_sizes(value: List, _) -> str | None:
    """Refuse sizes that are no whole numbers of atoms, and repeated ones."""
    sizes = value.get_list()
    if not sizes or any(not isinstance(n, int) or n < 1 for n in sizes):
        return f"sizes {sizes[:5]} must be whole numbers of atoms, at least one"
    if len(set(sizes)) != len(sizes):
        return "a size is given twice: give each once"
    return None


def validate_seeds(value: List, _: Any) -> str | None:
    """Refuse an empty committee, and equal members."""
    seeds = value.get_list()
    if not seeds or any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in seeds):
        return f"seeds {seeds[:5]} must be whole numbers from 0, one for each member"
    if len(set(seeds)) != len(seeds):
        return f"seeds {seeds[:5]} are not distinct: equal seeds give equal members"
    return None


def potentials_problem(inputs: Any, wanted: Iterable[str], path: str = "") -> str | None:
    """Return which potential among nested inputs lacks some of these elements, or None."""
    if isinstance(inputs, PotentialData):
        missing = sorted(set(wanted) - set(inputs.elements))
        if not missing:
            return None
        known = f", only {', '.join(sorted(inputs.elements))}" if len(inputs.elements) < 9 else ""
        return f"`{path}` does not know {', '.join(missing)}{known}: give one that does"
    found = (
        potentials_problem(value, wanted, f"{path}.{name}" if path else name)
        for name, value in (inputs.items() if isinstance(inputs, Mapping) else ())
    )
    return next(filter(None, found), None)


def optional(validator: Callable[[Any, Any], str | None]) -> Callable[[Any, Any], str | None]:
    """Return the validator for a port that may be left out."""

    def validate(value: Any, port: Any) -> str | None:
        return None if value is None else validator(value, port)

    return validate


def settings_validator(model: type[Settings]) -> Callable[[Dict | None, Any], str | None]:
    """Return the validator of a port that holds the settings of a model."""

    def validate_settings(value: Dict | None, _: Any) -> str | None:
        problem = None if value is None else model.problem(value.get_dict())
        return problem and f"settings: {problem}"

    return validate_settings
