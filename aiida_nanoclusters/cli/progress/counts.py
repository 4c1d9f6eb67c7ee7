"""Progress of a study: its processes, counted by their place in the call tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiida_nanoclusters.queries.nodes import Direction

Path = tuple[str, ...]  # labels of the processes from the study down to a row
TERMINATED = ("finished", "excepted", "killed")


@dataclass(frozen=True)
class Process:
    """What is shown of one process; ``changed`` is, once it has ended, when its last result came.

    AiiDA notes no end: the time of the last change of a node is also that of an import, or of a
    label that a person gives.
    """

    pk: int
    uuid: str
    path: Path
    started: datetime
    changed: datetime
    state: str
    exit_status: int | None
    message: str
    cached: bool
    parent_ok: bool = False
    in_queue: bool = False
    paused: str | None = None  # why, where it is

    @property
    def terminated(self) -> bool:
        """Whether it has ended, successfully or not."""
        return self.state in TERMINATED

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.state == "finished" and not self.exit_status

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.terminated and not self.ok


@dataclass
class ProgressRow:
    """All processes of one kind at one place of the study."""

    path: Path
    processes: list[Process] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name of the process class or function."""
        return self.path[-1]

    @property
    def done(self) -> int:
        """Processes that succeeded."""
        return sum(p.ok for p in self.processes)

    @property
    def cached(self) -> int:
        """Of those, the ones taken from cache."""
        return sum(p.ok and p.cached for p in self.processes)

    @property
    def failed(self) -> int:
        """Processes that failed, whether or not the caller recovered."""
        return sum(p.failed for p in self.processes)

    @property
    def active(self) -> int:
        """Processes still under way or waiting."""
        return sum(not p.terminated for p in self.processes)

    @property
    def queued(self) -> int:
        """Of those, jobs that wait in a scheduler's queue."""
        return sum(not p.terminated and p.in_queue for p in self.processes)

    def elapsed(self, now: datetime) -> timedelta:
        """Wall time from its first process to its last, or to now while one is active."""
        start = min(p.started for p in self.processes)
        end = now if self.active else max(p.changed for p in self.processes)
        return max(end - start, timedelta(0))

    @property
    def finished_cached(self) -> bool:
        """Whether all of them were taken from cache."""
        return bool(self.done) and self.cached == len(self.processes)

    def left(self, now: datetime) -> timedelta | None:
        """Wall time left for those submitted, at the rate so far; None where that is unknown."""
        fresh = self.done - self.cached
        return self.elapsed(now) / fresh * self.active if fresh and self.active else None


@dataclass(frozen=True)
class JobTotal:
    """Wall time of several jobs together; jobs from cache do not count.

    ``estimated`` where the scheduler of one of them reports no time.
    """

    span: timedelta
    estimated: bool


@dataclass(frozen=True)
class Progress:
    """A study at one moment: itself and its rows, in the order of the call tree."""

    root: Process
    rows: list[ProgressRow]
    #: Of each labelling, by its place: frames that have a label, and frames asked for.
    frames: dict[Path, tuple[int, int]] = field(default_factory=dict)
    #: For each place at or below which jobs have run: their time.
    job_times: dict[Path, JobTotal] = field(default_factory=dict)

    @property
    def last_error(self) -> Process | None:
        """Latest failure, and of that the innermost process, which knows the reason."""
        failed = [p for row in self.rows for p in row.processes if p.failed]
        failed += [self.root] if self.root.failed else []
        if not failed:
            return None
        return max(failed, key=lambda p: (len(p.path), p.changed))

    @property
    def paused(self) -> list[Process]:
        """Processes that wait for a person."""
        found = [p for row in self.rows for p in row.processes] + [self.root]
        return [p for p in found if p.paused is not None]


def read_progress(pk: int) -> Progress:
    """Read the processes below a study, level by level of the call tree.

    Raises
    ------
    ValueError
        If there is no process with this pk.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    from aiida_nanoclusters.queries.nodes import linked

    query = QueryBuilder().append(ProcessNode, filters={"id": pk}, project=_PROJECTION)
    found = query.all()
    if not found:
        raise ValueError(f"no process with pk {pk}")
    root = _process(found[0], ())
    rows: dict[Path, ProgressRow] = {}
    found_below: list[Process] = []
    level = {root.pk: root}
    seen, callers = {root.pk}, {}
    while level:
        calls = {"type": {"in": ["call_calc", "call_work"]}}
        called = list(
            linked(ProcessNode, level, ProcessNode, "with_incoming", calls, project=_PROJECTION)
        )
        roles = _roles(
            fields["id"] for _, _, fields in called if fields[_LABEL] == "CrossoverWorkChain"
        )
        below = {}
        for parent_pk, _, fields in called:
            parent = level[parent_pk]
            values = [fields[name] for name in _PROJECTION]
            process = _process(values, parent.path, parent_ok=parent.ok)
            if process.pk in roles:
                name = f"{process.path[-1]} ({roles[process.pk]})"
                process = replace(process, path=(*parent.path, name))
            if process.pk not in seen:
                seen.add(process.pk)
                callers[process.pk] = parent_pk
                below[process.pk] = process
        level = below
        found_below.extend(below.values())
    root, *found_below = _with_ends([root, *found_below], callers)
    for process in found_below:
        rows.setdefault(process.path, ProgressRow(process.path)).processes.append(process)
    everything = [root, *found_below]
    return Progress(
        root, _in_call_order(rows), _count_frames(everything), _sum_job_times(everything)
    )


def _roles(pks: Iterable[int]) -> dict[int, str]:
    """Return by pk whose crossover a work chain searches: of a committee, or of the reference."""
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.queries.nodes import linked

    given = linked(
        WorkChainNode,
        list(pks),
        PotentialData,
        "with_outgoing",
        {"label": {"like": "potentials\\_\\_%"}},
        project=("id",),
    )
    roles: dict[int, str] = {}
    for pk, label, _ in given:
        roles[pk] = "reference" if label == "potentials__reference" else "committee"
    return roles


def _with_ends(processes: Sequence[Process], callers: Mapping[int, int]) -> list[Process]:
    """Return the processes with the time of the last result that they or those below them made."""
    from aiida.orm import Data
    from aiida.orm import ProcessNode as AnyProcess

    from aiida_nanoclusters.queries.nodes import linked

    ends: dict[int, datetime] = {}
    made = linked(
        AnyProcess,
        [p.pk for p in processes],
        Data,
        "with_incoming",
        {"type": "create"},
        project=("ctime",),
    )
    for pk, _, values in made:
        ends[pk] = max(values["ctime"], ends.get(pk, values["ctime"]))
    for process in reversed(processes):  # those called before their callers
        caller = callers.get(process.pk)
        own = ends.get(process.pk)
        if caller is not None and own is not None:
            ends[caller] = max(own, ends.get(caller, own))
    return [
        replace(p, changed=ends[p.pk]) if p.terminated and p.ok and p.pk in ends else p
        for p in processes
    ]


def _count_frames(processes: Iterable[Process]) -> dict[Path, tuple[int, int]]:
    """Count the frames of labellings, by their place in the call tree.

    A frame is done once the job that labelled it has been read, or where its label was known. The
    isolated atoms that are labelled beside the frames count as frames.
    """
    below: dict[Path, list[Process]] = {}
    for process in processes:
        for n, name in enumerate(process.path, start=1):
            if name == "LabelWorkChain":
                below.setdefault(process.path[:n], []).append(process)
    counted = {}
    for path, members in below.items():
        by_name: dict[str, list[int]] = {}
        for process in members:
            by_name.setdefault(process.path[-1], []).append(process.pk)
        jobs = [pk for name in _LABELLING_JOBS for pk in by_name.get(name, [])]
        done = _sum_frames(jobs + by_name.get("take_known", []), "with_incoming", "n_labelled")
        # A job of VASP is one frame, judged when the round of all frames is over.
        done += sum(p.ok for p in members if p.path[-1] == "VaspCalculation")
        asked = _sum_frames(by_name.get("with_isolated_atoms", []), "with_incoming", "n_frames")
        asked = asked or _sum_frames(by_name["LabelWorkChain"], "with_outgoing", "n_frames")
        counted[path] = (done, asked)
    return counted


def _sum_job_times(processes: Iterable[Process]) -> dict[Path, JobTotal]:
    """Sum the time of jobs at every place of the call tree, those further down included."""
    from aiida_nanoclusters.queries.jobs import job_times

    places = {process.pk: process.path for process in processes}
    totals: dict[Path, JobTotal] = {}
    for job in job_times(places):
        path = places[job.pk]
        for depth in range(1, len(path) + 1) if not job.cached else ():
            before = totals.get(path[:depth], JobTotal(timedelta(0), False))
            totals[path[:depth]] = JobTotal(
                before.span + timedelta(seconds=job.seconds), before.estimated or job.estimated
            )
    return totals


def _sum_frames(pks: list[int], direction: Direction, count: str) -> int:
    """Sum an attribute of the sets of frames that went into processes, or were made by them."""
    from aiida.orm import ProcessNode

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.queries.nodes import linked

    key = f"attributes.{count}"
    edges = {"type": "create"} if direction == "with_incoming" else {"label": "frames"}
    frames = linked(ProcessNode, pks, FramesData, direction, edges, project=(key,))
    return sum(int(values[key]) for _, _, values in frames)


_LABELLING_JOBS = ("Cp2kCalculation", "EvaluateCalculation")
_LABEL = "attributes.process_label"
_PROJECTION = [
    "id",
    "uuid",
    "ctime",
    "mtime",
    _LABEL,
    "attributes.process_state",
    "attributes.exit_status",
    "attributes.exit_message",
    "attributes.exception",
    "extras._aiida_cached_from",
    "attributes.scheduler_state",
    "attributes.paused",
    "attributes.process_status",
]


def _process(row: Sequence[object], above: Path, *, parent_ok: bool = False) -> Process:
    pk, uuid, created, changed, label, state, exit_status, message, exception, source = row[:10]
    job, paused, status = row[10:]
    assert isinstance(pk, int) and isinstance(created, datetime) and isinstance(changed, datetime)
    text = str(message or exception or "").strip()
    return Process(
        pk=pk,
        uuid=str(uuid),
        path=(*above, str(label)),
        started=created,
        changed=changed,
        state=str(state or "created"),
        exit_status=exit_status if isinstance(exit_status, int) else None,
        message=text.splitlines()[-1] if text else "",
        cached=bool(source),
        parent_ok=parent_ok,
        in_queue=job in ("queued", "queued held"),
        paused=str(status or "") if paused and state not in TERMINATED else None,
    )


def _in_call_order(rows: dict[Path, ProgressRow]) -> list[ProgressRow]:
    """Each row right above those of what it calls; rows of one caller by the time they began."""
    began = {path: min(p.started for p in row.processes) for path, row in rows.items()}

    def key(row: ProgressRow) -> list[tuple[datetime, str]]:
        paths = (row.path[:n] for n in range(2, len(row.path) + 1))
        return [(began[path], path[-1]) for path in paths]

    return sorted(rows.values(), key=key)
