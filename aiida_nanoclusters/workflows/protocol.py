"""Protocols: the numbers of a work chain under a name, kept in ``workflows/protocols/*.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

import yaml


def load_protocol(
    name: str, protocol: str | None = None, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the inputs of a protocol, with `overrides` on top.

    Parameters
    ----------
    name
        Stem of the file in ``workflows/protocols``: that of the work chain.
    protocol
        One of the names under ``protocols`` in the file; its ``default_protocol`` where None.
    overrides
        Merged last; mappings are merged key by key, all other values are replaced.

    Returns
    -------
    dict
        ``default_inputs``, then what the protocol changes, then `overrides`. The caller's own.

    Raises
    ------
    ValueError
        If there is no such file or no such protocol; the message lists the known ones.
    """
    content = _read(name)
    known = content["protocols"]
    protocol = content["default_protocol"] if protocol is None else protocol
    if protocol not in known:
        raise ValueError(
            f"unknown protocol `{protocol}` of `{name}`: choose one of {', '.join(known)}"
        )
    changes = {key: value for key, value in (known[protocol] or {}).items() if key != "description"}
    return merge(merge(content.get("default_inputs") or {}, changes), overrides or {})


def protocol_names(name: str) -> dict[str, str]:
    """Return name -> description of the protocols of a work chain, in the order of its file."""
    known = _read(name)["protocols"]
    return {key: str((value or {}).get("description", "")) for key, value in known.items()}


def protocol_stems() -> list[str]:
    """Return the names of the files of protocols."""
    folder = files("aiida_nanoclusters.workflows") / "protocols"
    return sorted(f.name[: -len(".yaml")] for f in folder.iterdir() if f.name.endswith(".yaml"))


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it; neither of the two is changed."""
    merged = deepcopy(dict(base))
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _read(name: str) -> dict[str, Any]:
    folder, stems = files("aiida_nanoclusters.workflows") / "protocols", protocol_stems()
    if name not in stems:
        raise ValueError(f"no protocols for `{name}`: there are some for {', '.join(stems)}")
    content: dict[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
    return content
