"""Everything that was computed from a node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiida.common.links import LinkType
from aiida.orm import Data, Node, ProcessNode, QueryBuilder, WorkflowNode
from aiida.tools.graph.graph_traversers import traverse_graph

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.formats.data_frame import as_rows
from aiida_nanoclusters.queries.nodes import Direction, class_name, linked, makers, of_kind
from aiida_nanoclusters.queries.steps import called


@dataclass(frozen=True)
class Dependent:
    """A node that was computed from another, directly or through further steps.

    ``kind`` is the class of data or the label of a process; ``returned_as`` the name of the output
    under which a work chain returned it, empty where none did; ``made_by`` and ``made_by_uuid`` the
    calculation that created it, empty for processes.
    """

    uuid: str
    created: datetime
    kind: str
    is_process: bool
    returned_as: str
    made_by: str
    made_by_uuid: str


@as_rows
def find_dependents(node: Node, *, everything: bool = False) -> list[Dependent]:
    """Return what was computed from a node, the oldest first.

    Inputs and outputs of calculations are followed. Work chains count if they have the node, or
    something computed from it, as input or output.

    Parameters
    ----------
    node
        Data, or a process; then what the process and all that it called created counts.
    everything
        Also the intermediate steps: calculations, and data that no work chain returned. Otherwise
        the work chains that no other has called, and their results.
    """
    pk = int(node.pk or 0)
    own = called({pk}) if isinstance(node, ProcessNode) else {pk}
    data, processes = descendants(own)
    workflows = _workflows(data, own) - own
    if not everything:
        processes, workflows = set(), _outermost(workflows)
    returned = _returned(data, workflows | own)
    wanted = (data if everything else set(returned)) | processes | workflows
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
                        returned_as=returned.get(pk, ""),
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


def _returned(data: set[int], workflows: set[int]) -> dict[int, str]:
    """Return by pk of data the name under which the first of these work chains returned it."""
    returned = linked(WorkflowNode, workflows, Data, "with_incoming", {"type": "return"})
    rows = sorted((chain, label, node["id"]) for chain, label, node in returned)
    found = {pk: label.replace("__", ".") for _, label, pk in reversed(rows)}
    return {pk: name for pk, name in found.items() if pk in data}


def _workflows(data: set[int], own: set[int]) -> set[int]:
    """Return the work chains that have any of these as input, or returned such data.

    Those that returned the node asked about are left out: they made it.
    """
    given = _linked(data | own, "with_incoming", "input_work")
    return (given | _linked(data, "with_outgoing", "return")) - _linked(
        own, "with_outgoing", "return"
    )


def _linked(data: set[int], direction: Direction, kind: str) -> set[int]:
    return {
        chain["id"] for _, _, chain in linked(Data, data, WorkflowNode, direction, {"type": kind})
    }


def _outermost(workflows: set[int]) -> set[int]:
    """Leave out work chains that another of them has called."""
    callers = linked(WorkflowNode, workflows, WorkflowNode, "with_outgoing")
    return workflows - {below for below, _, caller in callers if caller["id"] in workflows}
