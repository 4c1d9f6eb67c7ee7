"""Labels that this profile already has, found by the method that computed them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from aiida.orm import ProcessNode, QueryBuilder, WorkChainNode

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.trust import came_from_elsewhere, is_seal, seal_of

#: Extra of an engine's process: key of everything on which its labels depend besides the frame.
METHOD = "nanoclusters_label_method"
#: Extra of the same process: seal of this profile, without which an archive may have said so.
SEAL = "nanoclusters_label_seal"
#: Outputs of engines that hold labels: of labelling, and of stages.
_LABELLED = ["frames", "trajectory", "structures"]


def method_key(engine: str, settings: Mapping[str, Any]) -> str:
    """Return a key of the settings on which an engine's labels depend."""
    return f"{engine}-{sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:24]}"


def remember(process: ProcessNode, method: str) -> None:
    """Store the method of the labels as an extra of the process of an engine."""
    process.base.extras.set_many({METHOD: method, SEAL: _seal(process, method)})


def seal_method(process: ProcessNode) -> None:
    """Let the labels of a process that states its method be used again in this profile."""
    method = process.base.extras.get(METHOD, None)
    if isinstance(method, str):
        remember(process, method)


def seal_methods_made_here() -> None:
    """Seal the methods of all processes that no import is known to have brought."""
    query = QueryBuilder().append(WorkChainNode, filters={"extras": {"has_key": METHOD}})
    for process in query.all(flat=True):
        if SEAL not in process.base.extras.keys() and not came_from_elsewhere(process):
            seal_method(process)


def _seal(process: ProcessNode, method: str) -> str:
    return seal_of(process.backend, ["labels", process.uuid, method])


def find_labels(method: str, hashes: Sequence[str]) -> dict[str, FramesData]:
    """Return stored sets that hold labels of these frames, by key, the latest first.

    Only those of processes that this profile ran, or that were imported with `--trust`.

    Parameters
    ----------
    method
        Method as returned by the ``method`` of an engine.
    hashes
        Content hashes of the frames.
    """
    query = QueryBuilder()
    filters = {f"extras.{METHOD}": method}
    query.append(WorkChainNode, filters=filters, project="*", tag="engine")
    held_in = {"label": {"in": _LABELLED}}
    query.append(FramesData, with_incoming="engine", edge_filters=held_in, project="*")
    query.order_by({FramesData: [{"ctime": "desc"}, {"id": "desc"}]})
    wanted = set(hashes)
    found: dict[str, FramesData] = {}
    for engine, node in query.iterall():
        if not wanted:
            break
        if not is_seal(engine.base.extras.get(SEAL, None), _seal(engine, method)):
            continue
        held = wanted.intersection(node.frames.content_hashes())
        if held:
            found[f"known_{len(found):05d}"] = node
            wanted -= held
    return found
