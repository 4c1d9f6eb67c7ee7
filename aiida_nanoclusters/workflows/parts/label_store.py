"""Labels that this profile has already, found by the method that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from aiida.orm import ProcessNode, QueryBuilder, WorkChainNode

from aiida_nanoclusters.data.frames import FramesData

#: Extra of an engine's process: everything its labels depend on besides the frame.
METHOD = "nanoclusters_label_method"
#: Outputs of engines that hold labels: those asked for, and those of stages.
_LABELLED = ["frames", "trajectory", "structures"]


def method_key(engine: str, settings: Mapping[str, Any]) -> str:
    """Return a key of the settings on which an engine's labels depend."""
    return f"{engine}-{sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:24]}"


def remember(process: ProcessNode, method: str) -> None:
    """Note on an engine's process by which method it labels."""
    process.base.extras.set(METHOD, method)


def find_labels(method: str, hashes: Sequence[str]) -> dict[str, FramesData]:
    """Return stored sets that hold labels of these frames, by key; the latest first.

    Parameters
    ----------
    method
        As an engine's ``method`` tells it.
    hashes
        Content hashes of the frames wanted.
    """
    query = QueryBuilder()
    query.append(WorkChainNode, filters={f"extras.{METHOD}": method}, tag="engine")
    held_in = {"label": {"in": _LABELLED}}
    query.append(FramesData, with_incoming="engine", edge_filters=held_in, project="*")
    query.order_by({FramesData: {"id": "desc"}})
    wanted = set(hashes)
    found: dict[str, FramesData] = {}
    for (node,) in query.iterall():
        if not wanted:
            break
        held = wanted.intersection(node.frames.content_hashes())
        if held:
            found[f"known_{len(found):05d}"] = node
            wanted -= held
    return found
