"""Provenance of a node in steps: work chains as a whole, and the data passed between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import Data, Node, ProcessNode, QueryBuilder, WorkflowNode
from aiida.tools.graph.graph_traversers import traverse_graph

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.queries.nodes import class_name, linked, of_kind

#: Work chains that only call other steps, and are not steps themselves.
_UMBRELLAS = {"StudyWorkChain", "NucleateWorkChain"}
_LABEL = "attributes.process_label"
#: Inputs that are numbers, names or programs: listed, not drawn, unless a process computed them.
_VALUES = (
    "int.",
    "float.",
    "str.",
    "bool.",
    "list.",
    "dict.",
    "code.",
    "remote.",
    "base.",
    "enum.",
)
#: Steps in one graph, the nearest first.
MOST_STEPS = 60


@dataclass(frozen=True)
class Step:
    """A process that no other step has called; `pks` are it and all that it called."""

    pk: int
    uuid: str
    label: str
    state: str
    exit_status: int | None
    pks: frozenset[int]


@dataclass(frozen=True)
class Material:
    """Data of one kind that one step passed to others; ``producer`` is None for given data.

    ``asked`` marks the node that the graph is about, or the results of the process.
    """

    kind: str
    names: tuple[str, ...]
    uuids: tuple[str, ...]
    producer: int | None
    consumers: tuple[int, ...]
    asked: bool = False


@dataclass(frozen=True)
class StepGraph:
    """Steps, by pk, and the data between them; ``left_out`` counts those too far away to draw."""

    steps: dict[int, Step]
    materials: tuple[Material, ...]
    left_out: int = 0


@dataclass
class _Links:
    """Links of the provenance behind a node, by pk."""

    creator: dict[int, int] = field(default_factory=dict)
    users: dict[int, set[int]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


def step_graph(node: Node) -> StepGraph:
    """Return the steps that led to a node.

    Parameters
    ----------
    node
        Data, or a process; a study is shown as the steps that it called.
    """
    pk = int(node.pk or 0)
    starts, asked = {pk}, {pk}
    if isinstance(node, ProcessNode):
        starts = called({pk})
        asked = _returned(pk)
    links = _read_links(starts | asked)
    calculations = set(links.creator.values()) | {u for own in links.users.values() for u in own}
    calculations |= of_kind(ProcessNode, starts)
    top = _steps_of(calculations, pk if isinstance(node, ProcessNode) else None)
    near = _nearest(top, links, asked, top.get(pk))
    kept = {calculation: step for calculation, step in top.items() if step in near}
    steps = _describe(near)
    return StepGraph(steps, _materials(links, kept, asked), len(set(top.values()) - near))


def called(pks: Iterable[int]) -> set[int]:
    """Return processes and all that they called, directly or not."""
    links = [LinkType.CALL_CALC, LinkType.CALL_WORK]
    return set(traverse_graph(set(pks), links_forward=links)["nodes"])


def _returned(pk: int) -> set[int]:
    links = {
        "type": {"in": ["create", "return"]},
        "label": {"!in": ["remote_folder", "retrieved"]},
    }
    return {data["id"] for _, _, data in linked(ProcessNode, [pk], Data, "with_incoming", links)}


def _read_links(starts: set[int]) -> _Links:
    """Follow inputs and creators back from these nodes."""
    backward = [LinkType.CREATE, LinkType.INPUT_CALC]
    found = traverse_graph(starts, links_backward=backward, get_links=True)
    links = _Links()
    for link in found["links"] or ():
        kind = str(getattr(link.link_type, "value", link.link_type))
        if kind == LinkType.CREATE.value:
            links.creator[link.target_id] = link.source_id
            links.names[link.target_id] = link.link_label.replace("__", ".")
        elif kind == LinkType.INPUT_CALC.value:
            links.users.setdefault(link.source_id, set()).add(link.target_id)
            links.names.setdefault(link.source_id, link.link_label.replace("__", "."))
    return links


def _steps_of(processes: set[int], root: int | None) -> dict[int, int]:
    """Return by process the outermost one that called it, below any umbrella and not above root."""
    callers: dict[int, int] = {}
    umbrellas: set[int] = set()
    waiting = set(processes)
    while waiting:
        above: set[int] = set()
        for pk, _, caller in linked(
            ProcessNode, waiting, WorkflowNode, "with_outgoing", project=("id", _LABEL)
        ):
            callers[pk] = caller["id"]
            if caller[_LABEL] in _UMBRELLAS:
                umbrellas.add(caller["id"])
            above.add(caller["id"])
        waiting = above - set(callers)
    top: dict[int, int] = {}
    for process in processes:
        step, left = process, len(callers)  # no more steps than that, also in a circle
        while left and step != root and step in callers and callers[step] not in umbrellas:
            step, left = callers[step], left - 1
        if step not in umbrellas:
            top[process] = step
    return top


def _nearest(top: dict[int, int], links: _Links, asked: set[int], own: int | None) -> set[int]:
    """Return the steps to draw, those nearest to what was asked about."""
    feeds: dict[int, set[int]] = {}
    for data, users in links.users.items():
        source = top.get(links.creator.get(data, -1))
        for user in users:
            if source is not None and user in top and top[user] != source:
                feeds.setdefault(top[user], set()).add(source)
    near = {top[links.creator[data]] for data in asked if links.creator.get(data) in top}
    near |= {own} if own is not None else set()
    near = near or set(sorted(set(top.values()), reverse=True)[:MOST_STEPS])
    edge = set(near)
    while edge and len(near) < MOST_STEPS:
        edge = {source for step in edge for source in feeds.get(step, ())} - near
        near |= set(sorted(edge, reverse=True)[: MOST_STEPS - len(near)])
    return near


def _describe(steps: set[int]) -> dict[int, Step]:
    names = ("process_label", "process_state", "exit_status")
    found: dict[int, Step] = {}
    for chunk in chunks(steps):
        query = QueryBuilder().append(
            ProcessNode,
            filters={"id": {"in": chunk}},
            project=["id", "uuid", "node_type", *(f"attributes.{name}" for name in names)],
        )
        for pk, uuid, node_type, label, state, status in query.all():
            name = str(label or class_name(node_type))
            below = frozenset(called({pk}))
            found[pk] = Step(pk, uuid, name, str(state or "unknown"), status, below)
    return dict(sorted(found.items()))


def _materials(links: _Links, top: dict[int, int], asked: set[int]) -> tuple[Material, ...]:
    """Return the data between steps; data of one kind between the same steps are grouped."""
    between: dict[int, tuple[int | None, tuple[int, ...]]] = {}
    for data in set(links.users) | asked:
        creator = links.creator.get(data)
        producer = top.get(creator) if creator is not None else None
        if creator is not None and producer is None:
            continue  # made by a step that is left out
        users = {top[user] for user in links.users.get(data, ()) if user in top}
        consumers = tuple(sorted(users - {producer}))
        if consumers or (data in asked and producer is not None):
            between[data] = (producer, consumers)
    described = _kinds(between)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for data in sorted(between):
        producer, consumers = between[data]
        kind, node_type, _ = described[data]
        given_value = producer is None and node_type.startswith("data.core.")
        if given_value and node_type.removeprefix("data.core.").startswith(_VALUES):
            continue
        groups.setdefault((kind, producer, consumers, data in asked), []).append(data)
    return tuple(
        Material(
            kind=kind,
            names=tuple(sorted({links.names.get(data, "") for data in members} - {""})),
            uuids=tuple(described[data][2] for data in members),
            producer=producer,
            consumers=consumers,
            asked=is_asked,
        )
        for (kind, producer, consumers, is_asked), members in groups.items()
    )


def _kinds(data: Iterable[int]) -> dict[int, tuple[str, str, str]]:
    found: dict[int, tuple[str, str, str]] = {}
    for chunk in chunks(data):
        query = QueryBuilder().append(
            Node, filters={"id": {"in": chunk}}, project=["id", "node_type", "uuid"]
        )
        for pk, node_type, uuid in query.all():
            found[pk] = (class_name(node_type), node_type, uuid)
    return found
