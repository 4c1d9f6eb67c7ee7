"""Which nodes a publication has, and which of them it also writes in plain formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import (
    ArrayData,
    CalcJobNode,
    Computer,
    Data,
    Dict,
    Node,
    ProcessNode,
    QueryBuilder,
    User,
)
from aiida.tools.graph.graph_traversers import get_nodes_export

from aiida_nanoclusters.cli.report.provenance import installed_versions
from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.plain_text import file_name
from aiida_nanoclusters.queries.nodes import class_name
from aiida_nanoclusters.queries.programs import versions_of

#: What a training takes its frames by.
_TRAINING_SETS = ("training", "validation", "test")


@dataclass
class Gathered:
    """Everything that is published; nodes in plain formats by the name of their file."""

    roots: Sequence[Node]
    pks: set[int]
    frames: dict[str, FramesData] = field(default_factory=dict)
    potentials: dict[str, PotentialData] = field(default_factory=dict)
    results: dict[str, Data] = field(default_factory=dict)

    def add(self, name: str, node: Node) -> None:
        """Take a node under a name, once; another node of that name gets its UUID into it."""
        shelves: tuple[tuple[Any, dict[str, Any]], ...] = (
            (FramesData, self.frames),
            (PotentialData, self.potentials),
            ((ArrayData, Dict), self.results),
        )
        for kind, shelf in shelves:
            if isinstance(node, kind) and all(node.uuid != n.uuid for n in shelf.values()):
                name = file_name(name)
                shelf[name if name not in shelf else f"{name}-{node.uuid}"] = node


def gather(roots: Sequence[Node]) -> Gathered:
    """Return what belongs to nodes: ancestors, and of every process its outputs and calls.

    In plain formats come the nodes themselves, the inputs and outputs of those that are
    processes, every potential of the graph that can be used on another machine, and the frames of
    every training.
    """
    traversed = get_nodes_export([node.pk for node in roots if node.pk is not None])
    found = Gathered(roots=roots, pks=set(traversed["nodes"]))
    for node in roots:
        prefix = "" if len(roots) == 1 else f"{_label(node)}-{node.uuid[:8]}."
        if isinstance(node, ProcessNode):
            for name, linked in sorted(_linked(node).items()):
                found.add(f"{prefix}{name}", linked)
        else:
            found.add(f"{_label(node)}-{node.uuid[:8]}", node)
    for potential in _of_type(PotentialData, found.pks):
        if potential.kind != "allegro-compiled":  # of use on one kind of machine only
            found.add(f"{potential.kind.replace('/', '.')}-{potential.uuid[:8]}", potential)
    for job in _of_type(CalcJobNode, found.pks):
        if job.process_type == "aiida.calculations:nanoclusters.train":
            for name in _TRAINING_SETS:
                if name in job.inputs:
                    found.add(name, job.inputs[name])
    found.potentials = {n: p for n, p in found.potentials.items() if p.kind != "allegro-compiled"}
    return found


def describe(node: Node) -> str:
    """Return what a node is, in a few words."""
    if isinstance(node, ProcessNode):
        return f"{node.process_label}{f' ({node.label})' if node.label else ''}"
    return f"{type(node).__name__}{f' ({node.label})' if node.label else ''}"


def count_nodes(pks: set[int]) -> dict[str, int]:
    """Return how many nodes of each kind there are, the most frequent first."""
    kinds: Counter[str] = Counter()
    for chunk in chunks(pks):
        query = QueryBuilder().append(Node, filters={"id": {"in": chunk}}, project="node_type")
        kinds.update(class_name(node_type) for node_type in query.all(flat=True))
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def whom_it_names(pks: set[int]) -> tuple[str, ...]:
    """Return the users and computers that the archive of these nodes names."""
    users: set[str] = set()
    computers: set[str] = set()
    for chunk in chunks(pks):
        query = QueryBuilder().append(Node, filters={"id": {"in": chunk}}, tag="node")
        users.update(query.append(User, with_node="node", project="email").all(flat=True))
        query = QueryBuilder().append(Node, filters={"id": {"in": chunk}}, tag="node")
        query.append(Computer, with_node="node", project=["label", "hostname"])
        computers.update(f"{label} ({host})" for label, host in query.all())
    named = []
    for name, found in (("users", users), ("computers", computers)):
        if found:
            named.append(f"{name} it names: {', '.join(sorted(found))}")
    return tuple(named)


def versions(pks: set[int]) -> tuple[tuple[str, str], ...]:
    """Return programs and versions: those the processes recorded, then what is installed here."""
    rows = {(found.package, found.version) for found in versions_of(pks)}
    recorded = {name for name, _ in rows}
    for name, number in installed_versions().items():
        if name not in recorded:
            rows.add((name, f"{number} (where this was written)"))
    return tuple(sorted(rows))


def _linked(process: ProcessNode) -> dict[str, Node]:
    links: list[Any] = process.base.links.get_incoming(
        link_type=(LinkType.INPUT_CALC, LinkType.INPUT_WORK)
    ).all()
    links += process.base.links.get_outgoing(link_type=(LinkType.CREATE, LinkType.RETURN)).all()
    return {link.link_label.replace("__", "."): link.node for link in links}


def _label(node: Node) -> str:
    text = str(node.process_label) if isinstance(node, ProcessNode) else type(node).__name__
    return text.removesuffix("WorkChain").removesuffix("Calculation").lower()


def _of_type(kind: type, pks: set[int]) -> Iterator[Any]:
    for chunk in chunks(pks):
        query = QueryBuilder().append(kind, filters={"id": {"in": chunk}})
        yield from query.order_by({kind: ["ctime", "uuid"]}).all(flat=True)
