"""Inputs of a process as nested dictionaries: values at a path, nodes at any depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Path = tuple[str, ...]


def nodes_in(inputs: Mapping[str, Any], kind: type) -> list[Any]:
    """Return the nodes of a class, at any depth."""
    found: list[Any] = []
    for value in inputs.values():
        if isinstance(value, Mapping):
            found += nodes_in(value, kind)
        elif isinstance(value, kind):
            found.append(value)
    return found


def value_at(inputs: Mapping[str, Any], path: Path) -> Any:
    """Return the value at a path, or None where there is none."""
    value: Any = inputs
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def set_at(inputs: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a path; namespaces are made as needed."""
    for key in path[:-1]:
        inputs = inputs.setdefault(key, {})
    inputs[path[-1]] = value


def add_values(inputs: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Add values that are no nodes to the inputs; `merge` would copy the nodes."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(inputs.get(key), dict):
            add_values(inputs[key], value)
        else:
            inputs[key] = dict(value) if isinstance(value, Mapping) else value


def copied(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same nodes in new dictionaries, because AiiDA writes defaults into them."""
    return {k: copied(v) if isinstance(v, Mapping) else v for k, v in inputs.items()}
