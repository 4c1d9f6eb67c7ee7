"""Protocols: named sets of the settings of a work chain, in ``workflows/protocols/*.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib.resources import files
from math import isnan, nan
from typing import Any

import yaml

from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.workflows.parts.mappings import mapping_of

_MELTING = re.compile(r"(\d+(?:\.\d+)?) Tm")


def load_protocol(
    name: str,
    protocol: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    element: str | Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the settings of a protocol, with `overrides` merged into them.

    Parameters
    ----------
    name
        Stem of the file in ``workflows/protocols``: that of the work chain.
    protocol
        One of the names under ``protocols`` in the file; its ``default_protocol`` where None.
    overrides
        Merged last; mappings are merged key by key, all other values are replaced.
    element
        Chemical symbol, whose melting point turns temperatures such as ``0.8 Tm`` into K; of
        several elements, the mean of theirs. Without it they are not changed.

    Returns
    -------
    dict
        ``default_inputs``, the values of the protocol and `overrides`, merged in this order: a
        copy.

    Raises
    ------
    ValueError
        If there is no such file or no such protocol (the message lists the known ones), or the
        melting point of the element is needed and not known.
    """
    content = _read(name)
    known = content["protocols"]
    protocol = content["default_protocol"] if protocol is None else protocol
    if protocol not in known:
        raise ValueError(
            f"unknown protocol `{protocol}` of `{name}`: choose one of {', '.join(known)}"
        )
    changes = {key: value for key, value in (known[protocol] or {}).items() if key != "description"}
    wanted = mapping_of(overrides, "overrides", '{"settings": {"seed": 1}}')
    merged = merge(merge(content.get("default_inputs") or {}, changes), wanted)
    if element is None:
        return merged
    return dict(_in_kelvin(merged, [element] if isinstance(element, str) else list(element)))


def default_protocol(name: str) -> str:
    """Return the protocol of a work chain or an engine where none is named."""
    return str(_read(name)["default_protocol"])


def protocol_names(name: str) -> dict[str, str]:
    """Return name -> description of the protocols of a work chain, in the order of its file."""
    known = _read(name)["protocols"]
    return {key: str((value or {}).get("description", "")) for key, value in known.items()}


def protocol_stems() -> list[str]:
    """Return the names of the files of protocols."""
    folder = files("aiida_nanoclusters.workflows") / "protocols"
    return sorted(f.name[: -len(".yaml")] for f in folder.iterdir() if f.name.endswith(".yaml"))


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` merged into it; neither of the two is changed."""
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _in_kelvin(value: Any, symbols: list[str], path: Sequence[str] = ()) -> Any:
    """Return `value` with every temperature given by the melting point in K, rounded."""
    if isinstance(value, Mapping):
        return {key: _in_kelvin(inner, symbols, [*path, key]) for key, inner in value.items()}
    if isinstance(value, list):
        return [_in_kelvin(inner, symbols, path) for inner in value]
    if isinstance(value, str) and (match := _MELTING.fullmatch(value)):
        points = {s: ELEMENTS[s].melting_point if s in ELEMENTS else nan for s in symbols}
        for symbol, point in points.items():
            if isnan(point):
                named = f"`{'.'.join(path)}`, which is {value}," if path else value
                raise ValueError(f"no melting point of {symbol} is known: write {named} in K")
        return round(float(match[1]) * sum(points.values()) / len(points))
    return value


def _read(name: str) -> dict[str, Any]:
    folder, stems = files("aiida_nanoclusters.workflows") / "protocols", protocol_stems()
    if name not in stems:
        raise ValueError(f"no protocols for `{name}`: there are some for {', '.join(stems)}")
    content: dict[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
    return content
