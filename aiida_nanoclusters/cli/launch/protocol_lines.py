"""The numbers of a protocol or of a level of theory as `--show-protocol` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from aiida_nanoclusters.cli.launch.protocol_changes import (
    changes,
    level_changes,
    level_name,
    named_parts,
    settings_models,
)
from aiida_nanoclusters.cli.terminal import Fixable


def shown(
    stem: str,
    protocol: str,
    element: str | Sequence[str] | None,
    assignments: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the lines of a protocol as YAML, each number with what it is and its unit."""
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

    try:
        found = changes(stem, protocol, assignments, element)
        values = load_protocol(stem, protocol, found.own, element=element)
        symbols = element if isinstance(element, str) else ", ".join(element or ())
        yield f"# {stem}, protocol {protocol}" + (f", {symbols}" if symbols else "")
        yield from _described(stem, protocol)
        yield from _lines(values, [], settings_models(stem))
        for part, name in named_parts(values).items():
            below = load_protocol(part, name, found.parts.get(part), element=element)
            yield from ("", f"# Part `{part}`, protocol {name}; --set {part}.PATH=VALUE")
            yield from _lines(below, [], settings_models(part))
    except ValueError as error:
        raise Fixable(str(error)) from error


def level_shown(engine: str, level: str | None, assignments: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of a level of theory, each number with what it is and its unit.

    Raises
    ------
    Fixable
        If there is no such level, or the engine is a potential, which has none.
    """
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

    name = level_name(engine, level)
    try:
        values = load_protocol(engine, name, level_changes(engine, name, assignments))
    except ValueError as error:
        raise Fixable(str(error)) from error
    yield f"# Reference engine {engine}, level of theory {name}; --set {engine}.PATH=VALUE"
    yield from _described(engine, name)
    yield from _lines(values, [], settings_models(engine))


def _described(stem: str, protocol: str) -> Iterator[str]:
    from aiida_nanoclusters.workflows.parts.protocol import protocol_names

    if words := protocol_names(stem).get(protocol):
        yield f"# {' '.join(words.split())}"


def _lines(values: Mapping[str, Any], path: list[str], models: Mapping[str, Any]) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in values.items():
        comment = _comment([*path, str(key)], models)
        if comment:
            yield f"{indent}# {comment}"
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, [*path, str(key)], models)
        elif isinstance(value, list) and value and isinstance(value[0], (Mapping, list)):
            yield f"{indent}{key}:"
            yield from (f"{indent}- {_inline(entry)}" for entry in value)
        else:
            yield f"{indent}{key}: {_inline(value)}"


def _inline(value: Any) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=sys.maxsize
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(path: list[str], models: Mapping[str, Any]) -> str:
    """Return the sentence and the unit of a setting, where a model of settings has it."""
    model = models.get(".".join(path[:-1]))
    if model is None:
        return ""
    for row in model.table():
        if row.name == path[-1]:
            return str(row.description).rstrip(".") + (f" ({row.unit})" if row.unit else "")
    return ""
