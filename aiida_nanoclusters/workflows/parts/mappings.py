"""Arguments of builders that are mappings: what is none is refused in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping_of(value: Any, name: str, example: str) -> dict[str, Any]:
    """Return an argument as a dict; None is an empty one.

    Parameters
    ----------
    value
        What the caller gave.
    name
        Of the argument.
    example
        How it is written.

    Raises
    ------
    ValueError
        If it is no mapping; the message shows one.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise ValueError(f"`{name}` is a {kind}: give a dict, such as {example}")
    return dict(value)


def committee_of(value: Any, name: str = "potentials") -> dict[str, Any]:
    """Return potentials by name; see :func:`mapping_of`."""
    return mapping_of(value, name, '{"seed_1": potential}')
