"""Where a node comes from, in plain data: what it is, from what, by whom, at what cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import (
    AbstractCode,
    CalcJobNode,
    Dict,
    Node,
    ProcessNode,
    QueryBuilder,
    WorkflowNode,
)

from aiida_nanoclusters.queries.dependents import Dependent, find_dependents
from aiida_nanoclusters.queries.nodes import chunks, kind_of
from aiida_nanoclusters.queries.programs import Code, Version, codes_of, versions_of
from aiida_nanoclusters.queries.stages import StageGraph, called, stage_graph
from aiida_nanoclusters.queries.words import describe
from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.workflows.protocol import load_protocol, protocol_names, protocol_stems

_HOUR = 3600.0


@dataclass(frozen=True)
class Source:
    """Data that a process was given, under the name of its input."""

    name: str
    uuid: str
    what: str


@dataclass(frozen=True)
class Numbers:
    """A plain input of a process: its value, and the protocol that has the same, if one has."""

    process: str
    name: str
    value: Any
    protocol: str
    uuid: str


@dataclass(frozen=True)
class Cost:
    """What a stage took: ``wall_hours`` of all its jobs together, and times their cores.

    ``estimated`` jobs have no time from their scheduler: theirs runs from submission until they
    were seen to have ended. ``cached`` jobs were taken from an earlier run and cost nothing.
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
    """A process that failed; ``mended`` where the work chain that called it ended well."""

    label: str
    uuid: str
    state: str
    exit_status: int | None
    message: str
    mended: bool


@dataclass(frozen=True)
class Explanation:
    """What the provenance of a node tells; ``callers`` are the work chains around its making."""

    uuid: str
    kind: str
    what: str
    label: str
    description: str
    created: datetime
    made_by: Source | None
    callers: tuple[Source, ...]
    sources: tuple[Source, ...]
    codes: tuple[Code, ...]
    versions: tuple[Version, ...]
    numbers: tuple[Numbers, ...]
    costs: tuple[Cost, ...]
    faults: tuple[Fault, ...]
    graph: StageGraph
    dependents: tuple[Dependent, ...]


def explain(node: Node) -> Explanation:
    """Return where a node comes from and what has been made of it.

    Parameters
    ----------
    node
        Any, of this package or of another.
    """
    process = node if isinstance(node, ProcessNode) else _creator(node)
    callers = _callers(process)
    graph = stage_graph(node)
    behind: set[int] = {pk for stage in graph.stages.values() for pk in stage.pks}
    behind |= called({int(node.pk or 0)}) if isinstance(node, ProcessNode) else set()
    return Explanation(
        uuid=node.uuid,
        kind=kind_of(node),
        what=describe(node),
        label=node.label,
        description=node.description,
        created=node.ctime,
        made_by=None if process is None or process.uuid == node.uuid else _source("", process),
        callers=tuple(_source("", caller) for caller in callers),
        sources=tuple(_sources(process)),
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
    while process is not None and process.caller is not None:
        process = process.caller
        found.append(process)
    return found


_PLAIN = ("Int", "Float", "Str", "Bool", "List", "Dict", "EnumData")


def _inputs(process: ProcessNode) -> list[tuple[str, Node]]:
    links = process.base.links.get_incoming(
        link_type=(LinkType.INPUT_CALC, LinkType.INPUT_WORK)
    ).all()
    return sorted((link.link_label.replace("__", "."), link.node) for link in links)


def _is_plain(node: Node) -> bool:
    """Whether it is a number that a person or a protocol gave, not one that was computed."""
    return type(node).__name__ in _PLAIN and _creator(node) is None


def _sources(process: ProcessNode | None) -> Iterable[Source]:
    for name, node in _inputs(process) if process is not None else ():
        if not isinstance(node, AbstractCode) and not _is_plain(node):
            yield _source(name, node)


def _numbers(processes: list[ProcessNode]) -> Iterable[Numbers]:
    """Plain inputs of the making process and of those around it; equal nodes once."""
    seen: set[str] = set()
    symbols = (n.value for p in processes for name, n in _inputs(p) if name == "element")
    symbol = next((symbol for symbol in symbols if symbol in ELEMENTS), None)
    for process in processes:
        for name, node in _inputs(process):
            if node.uuid in seen or not _is_plain(node):
                continue
            seen.add(node.uuid)
            value = node.get_dict() if isinstance(node, Dict) else getattr(node, "value", None)
            if hasattr(node, "get_list"):
                value = node.get_list()
            ours = "nanoclusters." in (process.process_type or "")
            protocol = _protocol(value, symbol) if ours and isinstance(value, dict) else ""
            yield Numbers(kind_of(process), name, value, protocol, node.uuid)


def _protocol(settings: Mapping[str, Any], symbol: str | None) -> str:
    """Return the protocol that has the same settings, e.g. ``train/moderate``; empty if none."""
    return next((name for name, parts in _protocols(symbol) if settings in parts), "")


@cache
def _protocols(symbol: str | None) -> tuple[tuple[str, list[Any]], ...]:
    """Return every protocol of an element by name, with what of it a work chain takes as one input.

    That is all of it, all but the seeds, or one of its parts.
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


def _costs(node: Node, graph: StageGraph) -> Iterable[Cost]:
    stages = [(stage.label, stage.uuid, stage.pks) for stage in graph.stages.values()]
    if isinstance(node, ProcessNode) and node.pk not in graph.stages:
        own = frozenset(called({int(node.pk or 0)}))
        stages = [(kind_of(node), node.uuid, own), *(s for s in stages if not s[2] <= own)]
    for label, uuid, pks in stages:
        jobs = list(_jobs(pks))
        fresh = [job for job in jobs if not job["cached"]]
        yield Cost(
            stage=label,
            uuid=uuid,
            jobs=len(jobs),
            cached=len(jobs) - len(fresh),
            estimated=sum(job["estimated"] for job in fresh),
            wall_hours=sum(job["seconds"] for job in fresh) / _HOUR,
            core_hours=sum(job["seconds"] * job["cores"] for job in fresh) / _HOUR,
        )


_JOB = ("last_job_info", "scheduler_lastchecktime", "resources", "detailed_job_info")


def _jobs(pks: Iterable[int]) -> Iterable[dict[str, Any]]:
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            CalcJobNode,
            filters={"id": {"in": chunk}},
            project=["ctime", "extras._aiida_cached_from", *(f"attributes.{n}" for n in _JOB)],
        )
        for created, source, info, checked, resources, _ in query.all():
            told = _job_info(info)
            # Without a scheduler a job that has ended is told to have taken no time.
            seconds = told.get("wallclock_time_seconds") or None
            estimate = _elapsed(told.get("submission_time"), created, checked)
            yield {
                "cached": bool(source),
                "estimated": seconds is None,
                "seconds": float(seconds if seconds is not None else estimate),
                "cores": _cores(resources or {}, told),
            }


def _job_info(info: Any) -> dict[str, Any]:
    if isinstance(info, str):
        try:
            info = json.loads(info)
        except ValueError:  # an older version's way of writing it
            return {}
    return dict(info) if isinstance(info, Mapping) else {}


def _elapsed(submitted: Any, created: datetime, checked: Any) -> float:
    """Seconds from submission, else from the node's birth, until the job was seen to have ended."""
    if not isinstance(checked, str):
        return 0.0
    moment = submitted.get("date") if isinstance(submitted, Mapping) else submitted
    try:
        start = _aware(datetime.fromisoformat(str(moment)))
    except ValueError:  # the scheduler did not say
        start = created
    span: timedelta = _aware(datetime.fromisoformat(checked)) - start
    return max(span.total_seconds(), 0.0)


def _aware(moment: datetime) -> datetime:
    """Return a time with its zone; without one it is of UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _cores(resources: Mapping[str, Any], told: Mapping[str, Any]) -> int:
    machines = int(resources.get("num_machines") or 1)
    per_machine = resources.get("num_mpiprocs_per_machine") or 1
    processes = resources.get("tot_num_mpiprocs") or machines * per_machine
    cores = int(processes) * int(resources.get("num_cores_per_mpiproc") or 1)
    return max(cores, int(told.get("num_cpus") or 0), 1)


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
        query.order_by({"failed": {"id": "asc"}})
        rows = query.all()
        mended = _called_well({row[0] for row in rows})
        for pk, uuid, label, state, status, message, exception in rows:
            said = str(message or exception or "").strip().splitlines()
            yield Fault(
                str(label), uuid, str(state), status, said[-1] if said else "", pk in mended
            )


def _called_well(pks: set[int]) -> set[int]:
    """Return those whose calling work chain ended well."""
    found: set[int] = set()
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            WorkflowNode, filters={"attributes.exit_status": 0}, tag="caller"
        )
        query.append(
            ProcessNode, with_incoming="caller", filters={"id": {"in": chunk}}, project=["id"]
        )
        found |= set(query.all(flat=True))
    return found
