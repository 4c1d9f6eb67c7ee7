"""How far a study is: its processes, counted by stage from a few database queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

Path = tuple[str, ...]  # labels of the processes from the study down to a stage
TERMINATED = ("finished", "excepted", "killed")


@dataclass(frozen=True)
class Process:
    """What is shown of one process."""

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
        """Whether it has come to an end, good or bad."""
        return self.state in TERMINATED

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.state == "finished" and not self.exit_status

    @property
    def failed(self) -> bool:
        """Whether it ended badly."""
        return self.terminated and not self.ok


@dataclass
class Stage:
    """All processes of one kind at one place of the study."""

    path: Path
    processes: list[Process] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name of the process class or function."""
        return self.path[-1]

    @property
    def done(self) -> int:
        """Processes that ended well."""
        return sum(p.ok for p in self.processes)

    @property
    def cached(self) -> int:
        """Of those, the ones taken from an earlier run."""
        return sum(p.ok and p.cached for p in self.processes)

    @property
    def failed(self) -> int:
        """Processes that ended badly, handled or not."""
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

    def left(self, now: datetime) -> timedelta | None:
        """Wall time left for those submitted, at the pace so far; None where there is none."""
        fresh = self.done - self.cached
        return self.elapsed(now) / fresh * self.active if fresh and self.active else None


@dataclass(frozen=True)
class Progress:
    """A study at one moment: itself and its stages, in the order of the call tree."""

    root: Process
    stages: list[Stage]
    #: For each that labels, by its place: frames that have their label, and frames asked for.
    frames: dict[Path, tuple[int, int]] = field(default_factory=dict)

    @property
    def last_error(self) -> Process | None:
        """Latest failure, and of that the innermost process, which knows the reason."""
        failed = [p for stage in self.stages for p in stage.processes if p.failed]
        failed += [self.root] if self.root.failed else []
        if not failed:
            return None
        return max(failed, key=lambda p: (len(p.path), p.changed))

    @property
    def paused(self) -> list[Process]:
        """Processes that wait for a person."""
        found = [p for stage in self.stages for p in stage.processes] + [self.root]
        return [p for p in found if p.paused is not None]


def read_progress(pk: int) -> Progress:
    """Read the processes below a study, level by level of the call tree.

    Raises
    ------
    ValueError
        If there is no process with this pk.
    """
    from aiida.orm import ProcessNode, QueryBuilder

    from aiida_nanoclusters.queries.nodes import chunks

    query = QueryBuilder().append(ProcessNode, filters={"id": pk}, project=_PROJECTION)
    rows = query.all()
    if not rows:
        raise ValueError(f"no process with pk {pk}")
    root = _process(rows[0], ())
    stages: dict[Path, Stage] = {}
    level = {root.pk: root}
    seen = {root.pk}
    while level:
        rows = []
        for chunk in chunks(level):
            query = QueryBuilder().append(
                ProcessNode, filters={"id": {"in": chunk}}, tag="caller", project=["id"]
            )
            query.append(
                ProcessNode,
                with_incoming="caller",
                edge_filters={"type": {"in": ["call_calc", "call_work"]}},
                project=_PROJECTION,
            )
            rows += query.all()
        below = {}
        for parent_pk, *row in rows:
            parent = level[parent_pk]
            process = _process(row, parent.path, parent_ok=parent.ok)
            if process.pk not in seen:
                seen.add(process.pk)
                below[process.pk] = process
                stages.setdefault(process.path, Stage(process.path)).processes.append(process)
        level = below
    everything = [root, *(p for stage in stages.values() for p in stage.processes)]
    return Progress(root, _in_call_order(stages), _count_frames(everything))


def latest_study() -> ProcessNode | None:
    """Find the work chain of ours that was launched last and by no other process."""
    from aiida.orm import QueryBuilder, WorkChainNode

    query = QueryBuilder().append(
        WorkChainNode,
        filters={"process_type": {"like": "aiida.workflows:nanoclusters.%"}},
        tag="node",
    )
    query.order_by({"node": {"ctime": "desc"}})
    nodes: Iterator[ProcessNode] = (node for (node,) in query.iterall())
    return next((node for node in nodes if node.caller is None), None)


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
        asked = _sum_frames(by_name.get("with_lone_atoms", []), "with_incoming", "n_frames")
        asked = asked or _sum_frames(by_name["LabelWorkChain"], "with_outgoing", "n_frames")
        counted[path] = (done, asked)
    return counted


def _sum_frames(pks: list[int], direction: str, count: str) -> int:
    """Sum an attribute of the sets of frames that went into processes, or were made by them."""
    from aiida.orm import ProcessNode, QueryBuilder

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.queries.nodes import chunks

    made = direction == "with_incoming"
    edges = {"type": "create"} if made else {"label": "frames"}
    total = 0
    for chunk in chunks(pks):
        query = QueryBuilder().append(ProcessNode, filters={"id": {"in": chunk}}, tag="process")
        query.append(
            FramesData,
            joining_keyword=direction,
            joining_value="process",
            edge_filters=edges,
            project=[f"attributes.{count}"],
        )
        total += sum(query.all(flat=True))
    return total


_LABELLING_JOBS = ("Cp2kCalculation", "EvaluateCalculation")
_PROJECTION = [
    "id",
    "uuid",
    "ctime",
    "mtime",
    "attributes.process_label",
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


def _in_call_order(stages: dict[Path, Stage]) -> list[Stage]:
    """Each stage right above what it calls; sisters by the time they began."""
    began = {path: min(p.started for p in stage.processes) for path, stage in stages.items()}

    def key(stage: Stage) -> list[tuple[datetime, str]]:
        paths = (stage.path[:n] for n in range(2, len(stage.path) + 1))
        return [(began[path], path[-1]) for path in paths]

    return sorted(stages.values(), key=key)
