"""Provenance of a node as plain data: what it is, its sources, its maker and the cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import (
    AbstractCode,
    Dict,
    Node,
    ProcessNode,
    QueryBuilder,
    WorkflowNode,
    load_node,
)

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.queries.captions import describe
from aiida_nanoclusters.queries.dependents import Dependent, find_dependents
from aiida_nanoclusters.queries.jobs import job_times
from aiida_nanoclusters.queries.nodes import kind_of, leaving_out, linked
from aiida_nanoclusters.queries.programs import Code, Version, codes_of, versions_of
from aiida_nanoclusters.queries.steps import StepGraph, called, step_graph
from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.workflows.parts.protocol import (
    load_protocol,
    protocol_names,
    protocol_stems,
)

_HOUR = 3600.0
#: Data behind a node that are named, and how many at most.
_DATA, _MOST_DATA = ("FramesData", "PairsData"), 40


@dataclass(frozen=True)
class Source:
    """Data that a process had as input, under the name of the input."""

    name: str
    uuid: str
    what: str


@dataclass(frozen=True)
class Numbers:
    """A plain input of a process: its value, and the protocol that has the same value, if any."""

    process: str
    name: str
    value: Any
    protocol: str
    uuid: str


@dataclass(frozen=True)
class Cost:
    """Cost of a step: wall time and core time of all its jobs together, in hours.

    ``estimated`` counts jobs whose scheduler reports no time; the time from their submission until
    their end was noticed is used. ``cached`` jobs were taken from an earlier run and cost nothing.
    """

    stage: str
    uuid: str
    jobs: int
    cached: int
    estimated: int
    wall_hours: float
    core_hours: float


@dataclass(frozen=True)
class Fault:
    """A process that failed; ``mended`` if the calling work chain recovered and succeeded."""

    label: str
    uuid: str
    state: str
    exit_status: int | None
    message: str
    mended: bool


@dataclass(frozen=True)
class Explanation:
    """Provenance of a node.

    ``callers`` are the work chains within which it was made, ``data`` the frames and pairs that the
    steps before it were given or passed on, beside the ``sources`` of its own process.
    """

    uuid: str
    kind: str
    what: str
    label: str
    description: str
    created: datetime
    made_by: Source | None
    callers: tuple[Source, ...]
    sources: tuple[Source, ...]
    data: tuple[Source, ...]
    codes: tuple[Code, ...]
    versions: tuple[Version, ...]
    numbers: tuple[Numbers, ...]
    costs: tuple[Cost, ...]
    faults: tuple[Fault, ...]
    graph: StepGraph
    dependents: tuple[Dependent, ...]


def explain(node: Node) -> Explanation:
    """Return the provenance of a node, and what was computed from it.

    Parameters
    ----------
    node
        Any node, of this package or of another plugin.
    """
    process = node if isinstance(node, ProcessNode) else _creator(node)
    callers = _callers(process)
    graph = step_graph(node)
    behind: set[int] = {pk for step in graph.steps.values() for pk in step.pks}
    behind |= called({int(node.pk or 0)}) if isinstance(node, ProcessNode) else set()
    sources = tuple(_sources(process))
    return Explanation(
        uuid=node.uuid,
        kind=kind_of(node),
        what=describe(node),
        label=node.label,
        description=node.description,
        created=node.ctime,
        made_by=None if process is None or process.uuid == node.uuid else _source("", process),
        callers=tuple(_source("", caller) for caller in callers),
        sources=sources,
        data=tuple(_data(graph, {source.uuid for source in sources} | {node.uuid})),
        codes=tuple(codes_of(behind)),
        versions=tuple(versions_of(behind)),
        numbers=tuple(_numbers([p for p in (process, *callers) if p is not None])),
        costs=tuple(_costs(node, graph)),
        faults=tuple(_faults(behind)),
        graph=graph,
        dependents=tuple(find_dependents(node)),
    )


def _creator(node: Node) -> ProcessNode | None:
    link = node.base.links.get_incoming(link_type=LinkType.CREATE).first()
    return link.node if link is not None and isinstance(link.node, ProcessNode) else None


def _source(name: str, node: Node) -> Source:
    return Source(name, node.uuid, describe(node))


def _callers(process: ProcessNode | None) -> list[ProcessNode]:
    """Return the work chains that a process was called by, the innermost first."""
    found: list[ProcessNode] = []
    seen = {process.uuid} if process is not None else set()
    while process is not None and process.caller is not None:
        process = process.caller
        if process.uuid in seen:  # a circle, which AiiDA's own import does not refuse
            break
        seen.add(process.uuid)
        found.append(process)
    return found


_PLAIN = ("Int", "Float", "Str", "Bool", "List", "Dict", "EnumData")


def _inputs(process: ProcessNode) -> list[tuple[str, Node]]:
    links = process.base.links.get_incoming(
        link_type=(LinkType.INPUT_CALC, LinkType.INPUT_WORK)
    ).all()
    named = [(link.link_label.replace("__", "."), link.node) for link in links]
    return sorted(named, key=lambda item: item[0])


def _is_plain(node: Node) -> bool:
    """Whether it is a value that a person or a protocol gave, not one that was computed."""
    return type(node).__name__ in _PLAIN and _creator(node) is None


def _sources(process: ProcessNode | None) -> Iterable[Source]:
    for name, node in _inputs(process) if process is not None else ():
        if not isinstance(node, AbstractCode) and not _is_plain(node):
            yield _source(name, node)


def _data(graph: StepGraph, known: set[str]) -> Iterable[Source]:
    """Frames and pairs that steps had as inputs, each once, named with the first such step."""
    left = _MOST_DATA
    for material in graph.materials:
        if material.kind not in _DATA or not material.consumers:
            continue
        label = graph.steps[material.consumers[0]].label
        for uuid in material.uuids:
            if uuid not in known and left:
                known.add(uuid)
                left -= 1
                yield _source(f"{', '.join(material.names)} of {label}", load_node(uuid))


def _numbers(processes: list[ProcessNode]) -> Iterable[Numbers]:
    """Plain inputs of the process that made the node and of its callers; each node once."""
    seen: set[str] = set()
    symbol = _symbol(processes)
    for process in processes:
        for name, node in _inputs(process):
            if node.uuid in seen or not _is_plain(node):
                continue
            seen.add(node.uuid)
            with leaving_out(node.uuid):
                value = node.get_dict() if isinstance(node, Dict) else getattr(node, "value", None)
                if hasattr(node, "get_list"):
                    value = node.get_list()
                ours = "nanoclusters." in (process.process_type or "")
                protocol = _protocol(value, symbol) if ours and isinstance(value, dict) else ""
                yield Numbers(kind_of(process), name, value, protocol, node.uuid)


def _symbol(processes: list[ProcessNode]) -> str | None:
    """Return the chemical symbol that the first of the processes was given, None if none was."""
    for process in processes:
        for name, node in _inputs(process):
            if name == "element":
                with leaving_out(node.uuid):
                    symbol = node.base.attributes.get("value", None)
                    if isinstance(symbol, str) and symbol in ELEMENTS:
                        return symbol
    return None


def _protocol(settings: Mapping[str, Any], symbol: str | None) -> str:
    """Return the protocol that has the same settings, e.g. ``train/moderate``; empty if none."""
    return next((name for name, parts in _protocols(symbol) if settings in parts), "")


@cache
def _protocols(symbol: str | None) -> tuple[tuple[str, list[Any]], ...]:
    """Return the protocols of an element by name, each with what a work chain takes as one input.

    That is the whole protocol, all but the seeds, or one of its parts.
    """
    found = []
    for stem in protocol_stems():
        for name in protocol_names(stem):
            content = load_protocol(stem, name, element=symbol)
            unseeded = {key: value for key, value in content.items() if key != "seeds"}
            parts = [value for value in content.values() if isinstance(value, dict)]
            found.append((f"{stem}/{name}", [content, unseeded, *parts]))
    return tuple(found)


# -- cost ----------------------------------------------------------------------------------


def _costs(node: Node, graph: StepGraph) -> Iterable[Cost]:
    steps = [(step.label, step.uuid, step.pks) for step in graph.steps.values()]
    if isinstance(node, ProcessNode) and node.pk not in graph.steps:
        own = frozenset(called({int(node.pk or 0)}))
        steps = [(kind_of(node), node.uuid, own), *(s for s in steps if not s[2] <= own)]
    for label, uuid, pks in steps:
        jobs = list(job_times(pks))
        fresh = [job for job in jobs if not job.cached]
        yield Cost(
            stage=label,
            uuid=uuid,
            jobs=len(jobs),
            cached=len(jobs) - len(fresh),
            estimated=sum(job.estimated for job in fresh),
            wall_hours=sum(job.seconds for job in fresh) / _HOUR,
            core_hours=sum(job.seconds * job.cores for job in fresh) / _HOUR,
        )


# -- faults --------------------------------------------------------------------------------


def _faults(pks: set[int]) -> Iterable[Fault]:
    names = ("process_label", "process_state", "exit_status", "exit_message", "exception")
    bad = {
        "or": [
            {"attributes.exit_status": {">": 0}},
            {"attributes.process_state": {"in": ["excepted", "killed"]}},
        ]
    }
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            ProcessNode,
            filters={"and": [{"id": {"in": chunk}}, bad]},
            tag="failed",
            project=["id", "uuid", *(f"attributes.{name}" for name in names)],
        )
        query.order_by({"failed": ["ctime", "id"]})
        rows = query.all()
        mended = _called_well({row[0] for row in rows})
        for pk, uuid, label, state, status, message, exception in rows:
            said = str(message or exception or "").strip().splitlines()
            status = status if isinstance(status, int) else None
            yield Fault(
                str(label), uuid, str(state), status, said[-1] if said else "", pk in mended
            )


def _called_well(pks: set[int]) -> set[int]:
    """Return the processes whose calling work chain succeeded."""
    succeeded = {"attributes.exit_status": 0}
    callers = linked(ProcessNode, pks, WorkflowNode, "with_outgoing", filters=succeeded)
    return {pk for pk, _, _ in callers}
