"""What rests on a node: everything that was computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiida.common.links import LinkType
from aiida.orm import Data, Node, ProcessNode, QueryBuilder, WorkflowNode
from aiida.tools.graph.graph_traversers import traverse_graph

from aiida_nanoclusters.queries.nodes import chunks, class_name, makers, of_kind
from aiida_nanoclusters.queries.stages import called


@dataclass(frozen=True)
class Dependent:
    """A node that would be another, or would not be, had the one asked about been another.

    ``kind`` is the class of data or the label of a process; ``handed_on_as`` the name under which a
    work chain returned it, empty for what none did; ``made_by`` and ``made_by_uuid`` the
    calculation that created it, empty for processes.
    """

    uuid: str
    created: datetime
    kind: str
    is_process: bool
    handed_on_as: str
    made_by: str
    made_by_uuid: str


def find_dependents(node: Node, *, everything: bool = False) -> list[Dependent]:
    """Return what was computed from a node, the oldest first.

    Followed are the inputs and outputs of calculations. Work chains count where they were given the
    node, or something computed from it, or have handed such on.

    Parameters
    ----------
    node
        Data, or a process, of which everything counts that it and what it called created.
    everything
        Also the steps between: calculations, and data that no work chain has handed on. Otherwise
        the work chains that no other has called, and their results.
    """
    pk = int(node.pk or 0)
    own = called({pk}) if isinstance(node, ProcessNode) else {pk}
    data, processes = descendants(own)
    workflows = _workflows(data, own) - own
    if not everything:
        processes, workflows = set(), _outermost(workflows)
    handed_on = _handed_on(data, workflows | own)
    wanted = (data if everything else set(handed_on)) | processes | workflows
    origin = makers(wanted & data)
    found = []
    for chunk in chunks(wanted):
        query = QueryBuilder().append(
            Node,
            filters={"id": {"in": chunk}},
            project=["id", "uuid", "ctime", "node_type", "attributes.process_label"],
        )
        for pk, uuid, created, node_type, label in query.all():
            found.append(
                (
                    pk,
                    Dependent(
                        uuid=uuid,
                        created=created,
                        kind=str(label or class_name(node_type)),
                        is_process=node_type.startswith("process."),
                        handed_on_as=handed_on.get(pk, ""),
                        made_by=origin.get(pk, ("", ""))[0],
                        made_by_uuid=origin.get(pk, ("", ""))[1],
                    ),
                )
            )
    return [dependent for _, dependent in sorted(found, key=lambda item: item[0])]


def descendants(own: set[int]) -> tuple[set[int], set[int]]:
    """Return the pks of data and of calculations that were computed from nodes or by processes."""
    links = [LinkType.INPUT_CALC, LinkType.CREATE]
    found = set(traverse_graph(own, links_forward=links)["nodes"]) - own
    data = of_kind(Data, found)
    return data, found - data


def _handed_on(data: set[int], workflows: set[int]) -> dict[int, str]:
    """Return by pk of data the name under which the first of these work chains returned it."""
    found: dict[int, str] = {}
    for chunk in chunks(workflows):
        query = QueryBuilder().append(
            WorkflowNode, filters={"id": {"in": chunk}}, tag="chain", project=["id"]
        )
        query.append(
            Data,
            with_incoming="chain",
            project=["id"],
            edge_filters={"type": "return"},
            edge_tag="link",
            edge_project=["label"],
            tag="data",
        )
        query.order_by({"chain": {"id": "desc"}})
        for row in query.dict():
            found[row["data"]["id"]] = row["link"]["label"].replace("__", ".")
    return {pk: name for pk, name in found.items() if pk in data}


def _workflows(data: set[int], own: set[int]) -> set[int]:
    """Return the work chains that were given any of these, or have returned such data.

    Not those that returned the node asked about: they made it.
    """
    given = _linked(data | own, "with_incoming", "input_work")
    return (given | _linked(data, "with_outgoing", "return")) - _linked(
        own, "with_outgoing", "return"
    )


def _linked(data: set[int], direction: str, kind: str) -> set[int]:
    found: set[int] = set()
    for chunk in chunks(data):
        query = QueryBuilder().append(Data, filters={"id": {"in": chunk}}, tag="data")
        query.append(
            WorkflowNode,
            edge_filters={"type": kind},
            project=["id"],
            **{direction: "data"},  # type: ignore[arg-type]
        )
        found |= set(query.distinct().all(flat=True))
    return found


def _outermost(workflows: set[int]) -> set[int]:
    """Leave out work chains that another of them has called."""
    called: set[int] = set()
    for chunk in chunks(workflows):
        query = QueryBuilder().append(WorkflowNode, tag="caller", project=["id"])
        query.append(
            WorkflowNode, with_incoming="caller", filters={"id": {"in": chunk}}, project=["id"]
        )
        called |= {below for above, below in query.all() if above in workflows}
    return workflows - called
