"""What is done to the nodes of an archive once AiiDA has stored them, all at once or later.

AiiDA stores an archive in one transaction. What follows is written down before it, in the extras of
the group of the import, and can be repeated: where an import was killed, the next one ends its
work. Until then nothing of it may run, and no result of it is used again: neither needs a mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from aiida.orm import (
    AbstractCode,
    Computer,
    Group,
    ImportGroup,
    Node,
    ProcessNode,
    QueryBuilder,
)
from aiida.orm.implementation.utils import clean_value

from aiida_nanoclusters.calculations.identity import is_installed
from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.trust import GRANT, IMPORTED, is_seal, seal_of
from aiida_nanoclusters.workflows.parts.label_store import seal_method

#: Extra of the group of an import that has not been settled.
PENDING = "nanoclusters_pending"
#: Beginnings of the extras by which AiiDA and this package find results to use again.
_PRIVATE = ("nanoclusters_", "_aiida_")


@dataclass(frozen=True)
class Arrival:
    """What an import brings that the profile has not.

    Attributes
    ----------
    nodes, computers
        Their UUIDs.
    extras
        Of those nodes that have any, by UUID.
    trusted
        Whether its results may be used again.
    """

    nodes: list[str]
    computers: list[str]
    extras: Mapping[str, Mapping[str, Any]]
    trusted: bool


def expect(arrival: Arrival) -> ImportGroup:
    """Return the group into which an archive is to be imported."""
    group = ImportGroup(label=f"import {uuid4()}", description="aiida-nanoclusters import")
    content = clean_value(asdict(arrival))  # as it is read back
    group.base.extras.set(PENDING, {"content": content, "seal": _seal(group, content)})
    return group.store()


def _seal(group: Group, content: Mapping[str, Any]) -> str:
    return seal_of(group.backend, ["import", group.uuid, content])


def settle_all() -> None:
    """Settle every import that was stored and not settled: it was killed in between."""
    query = QueryBuilder().append(ImportGroup, filters={"extras": {"has_key": PENDING}})
    for group in query.all(flat=True):
        settle(group)


def settle(group: ImportGroup) -> None:
    """Mark the new nodes of an import and take those that were here before out of its group.

    A group that AiiDA itself imported may say anything of what is left to do: without the seal of
    this profile nothing of it is done.
    """
    pending = group.base.extras.get(PENDING)
    content = pending.get("content") if isinstance(pending, dict) else None
    if content is None or not is_seal(pending.get("seal"), _seal(group, content)):
        group.base.extras.delete(PENDING)
        return
    arrival = Arrival(**content)
    new = set(arrival.nodes)
    group.remove_nodes([node for node in group.nodes if node.uuid not in new])
    for node in nodes_of(arrival.nodes):
        _mark(node, arrival)
    for uuid in arrival.computers:
        _relabel_computer(uuid)
    if group.is_empty:  # it was killed before anything was stored
        Group.collection.delete(group.pk)  # type: ignore[arg-type]
    else:
        group.base.extras.delete(PENDING)


def nodes_of(uuids: Iterable[str]) -> Iterable[Node]:
    """Yield the nodes of these UUIDs that the profile has."""
    for chunk in chunks(uuids):
        yield from QueryBuilder().append(Node, filters={"uuid": {"in": chunk}}).all(flat=True)


def _mark(node: Node, arrival: Arrival) -> None:
    """Say of a node whence it is; an untrusted one is never taken for a result made here."""
    extras = node.base.extras
    if GRANT in extras.keys():  # of another profile, and void here
        extras.delete(GRANT)
    if not isinstance(node, ProcessNode):
        extras.set(IMPORTED, True)
    if isinstance(node, AbstractCode):
        _relabel_code(node, arrival.computers)
    if arrival.trusted:
        if isinstance(node, ProcessNode):
            seal_method(node)
            if not is_installed(node):  # its hash would import what it names
                return
        node.base.caching.rehash()
        return
    theirs = arrival.extras.get(node.uuid, {})
    extras.set_many({k: v for k, v in theirs.items() if not k.startswith(_PRIVATE)})
    if not isinstance(node, ProcessNode):  # whose hash would make it a result to use again
        node.base.caching.rehash()


def _relabel_code(code: AbstractCode, computers: Iterable[str]) -> None:
    """No imported code takes the name of one that `setup` or a launch would look for."""
    on_new = code.computer is not None and code.computer.uuid in computers
    if not on_new and "(imported " not in code.label:
        code.label = f"{code.label} (imported {code.uuid[:8]})"


def _relabel_computer(uuid: str) -> None:
    found = QueryBuilder().append(Computer, filters={"uuid": uuid}).first(flat=True)
    if found is None or "(Imported #" in found.label:
        return
    base, number = found.label, 0
    while _taken(f"{base} (Imported #{number})"):
        number += 1
    found.label = f"{base} (Imported #{number})"


def _taken(label: str) -> bool:
    return QueryBuilder().append(Computer, filters={"label": label}).count() > 0
