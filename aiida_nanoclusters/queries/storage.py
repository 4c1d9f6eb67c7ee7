"""What a process and all that it called hold: nodes, files in the profile, folders of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiida.orm import Node, ProcessNode, QueryBuilder, RemoteData, WorkflowNode
from aiida.tools.graph.graph_traversers import get_nodes_delete

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.trust import came_from_elsewhere
from aiida_nanoclusters.queries.nodes import leaving_out, linked, of_kind
from aiida_nanoclusters.queries.steps import called


@dataclass(frozen=True)
class Folder:
    """A folder of a job on a computer; ``shared`` where another job's results lie in it as well.

    What AiiDA's cache returns has the folder of the job that it was copied from.
    """

    pk: int
    uuid: str
    computer: str
    path: str
    shared: bool


@dataclass(frozen=True)
class Holdings:
    """Nodes that go with a process: its own, and those that rest on its results.

    ``own`` are pks of the process, of all that it called and of what these created; ``others`` are
    those of what was computed from it, or called it. ``n_files`` files of ``n_bytes`` bytes lie in
    the profile, each content counted once; ``folders`` are those of its jobs, but no longer cleaned
    or imported ones.
    """

    own: frozenset[int]
    others: frozenset[int]
    n_processes: int
    n_files: int
    n_bytes: int
    folders: tuple[Folder, ...] = field(default=())


def holdings(process: ProcessNode) -> Holdings:
    """Return what a process holds, and what could not stay without it."""
    below = called({int(process.pk or 0)})
    everything = {int(pk) for pk in get_nodes_delete(below, get_links=False)["nodes"]}
    own = below | _created(below)
    n_files, n_bytes = _files(own)
    return Holdings(
        frozenset(own),
        frozenset(everything - own),
        len(below),
        n_files,
        n_bytes,
        tuple(_folders(own)),
    )


def running(pks: Iterable[int]) -> list[str]:
    """Return the UUIDs of those processes that have not ended."""
    found: list[str] = []
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            ProcessNode,
            filters={
                "id": {"in": chunk},
                "attributes.process_state": {"!in": ["finished", "excepted", "killed"]},
            },
            project=["uuid"],
        )
        found += [str(uuid) for uuid in query.all(flat=True)]
    return found


def outermost(pks: Iterable[int]) -> list[ProcessNode]:
    """Return those of the processes that none of the others called, the latest first."""
    own = of_kind(ProcessNode, pks)
    calls = {"type": {"in": ["call_calc", "call_work"]}}
    callers = linked(ProcessNode, own, WorkflowNode, "with_outgoing", calls)
    below = {pk for pk, _, caller in callers if caller["id"] in own}
    found: list[ProcessNode] = []
    for chunk in chunks(own - below):
        query = QueryBuilder().append(ProcessNode, filters={"id": {"in": chunk}})
        found += query.all(flat=True)
    return sorted(found, key=lambda node: node.ctime, reverse=True)


def _created(processes: set[int]) -> set[int]:
    found: set[int] = set()
    for chunk in chunks(processes):
        query = QueryBuilder().append(ProcessNode, filters={"id": {"in": chunk}}, tag="process")
        query.append(Node, with_incoming="process", edge_filters={"type": "create"}, project=["id"])
        found |= set(query.all(flat=True))
    return found


def _files(pks: set[int]) -> tuple[int, int]:
    """Return the number of files, and the bytes of their contents, each counted once."""
    sizes: dict[str, int] = {}
    count = 0
    for chunk in chunks(pks):
        query = QueryBuilder().append(Node, filters={"id": {"in": chunk}})
        for node in query.all(flat=True):
            with leaving_out(node.uuid):
                repository = node.base.repository
                for folder, _, names in repository.walk():
                    for name in names:
                        path = str(folder / name)
                        key = str(repository.get_object(path).key)
                        count += 1
                        if key not in sizes:
                            sizes[key] = repository.get_object_size(path)
    return count, sum(sizes.values())


def _folders(pks: set[int]) -> list[Folder]:
    """Return the folders of jobs that still lie on a computer of this profile."""
    found = []
    for chunk in chunks(pks):
        for node in QueryBuilder().append(RemoteData, filters={"id": {"in": chunk}}).all(flat=True):
            with leaving_out(node.uuid):
                if node.is_cleaned or came_from_elsewhere(node) or node.computer is None:
                    continue
                path = node.get_remote_path()
                others = QueryBuilder().append(
                    RemoteData, filters={"attributes.remote_path": path}, project=["id"]
                )
                shared = bool(set(others.all(flat=True)) - pks)
                found.append(Folder(int(node.pk), node.uuid, node.computer.label, path, shared))
    return found
