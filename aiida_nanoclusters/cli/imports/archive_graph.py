"""Links of an archive: they must be a provenance, and leave the one that is here as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from aiida.common.links import LinkType
from aiida.orm import Comment, Log, Node, QueryBuilder

from aiida_nanoclusters.cli.imports.archive_rows import CommentRow, LinkRow, LogRow, NodeRow, Rows
from aiida_nanoclusters.data.chunks import chunks

_DATA, _CALCULATION, _WORKFLOW = "data.", "process.calculation.", "process.workflow."
#: Types of node that each type of link leads from and to.
_ENDS = {
    LinkType.CREATE.value: (_CALCULATION, _DATA),
    LinkType.RETURN.value: (_WORKFLOW, _DATA),
    LinkType.INPUT_CALC.value: (_DATA, _CALCULATION),
    LinkType.INPUT_WORK.value: (_DATA, _WORKFLOW),
    LinkType.CALL_CALC.value: (_WORKFLOW, _CALCULATION),
    LinkType.CALL_WORK.value: (_WORKFLOW, _WORKFLOW),
}
_CREATE, _INPUT_CALC = LinkType.CREATE.value, LinkType.INPUT_CALC.value
_CALLS = (LinkType.CALL_CALC.value, LinkType.CALL_WORK.value)
_INPUTS = (_INPUT_CALC, LinkType.INPUT_WORK.value)
_OUTPUTS = (_CREATE, LinkType.RETURN.value)


def check_links(rows: Rows) -> None:
    """Check the links between the nodes of an archive.

    Raises
    ------
    ValueError
        If a link leads between nodes of other types than it may, data has two creators, a process
        two callers, two inputs or outputs have one name, or something was made of itself.
    """
    seen: set[tuple[object, ...]] = set()
    for link in rows.links:
        source, target = rows.nodes[link.input_id], rows.nodes[link.output_id]
        before, after = _ENDS[link.type]
        if not source.node_type.startswith(before) or not target.node_type.startswith(after):
            raise ValueError(
                f"the link `{link.label}` of type {link.type} leads from a {source.node_type} to "
                f"a {target.node_type} {target.uuid}"
            )
        for mark in _marks_of(link):
            if mark in seen:
                raise ValueError(_twice(link, source, target))
            seen.add(mark)
    _check_no_circle(rows, (_CREATE, _INPUT_CALC))
    _check_no_circle(rows, _CALLS)


def _marks_of(link: LinkRow) -> list[tuple[object, ...]]:
    """Return what may occur once: creator of data, caller of a process, name of an in- or output.

    One and the same data may be several outputs of a work chain, under several names.
    """
    if link.type == _CREATE:
        return [("creator", link.output_id), ("output", link.type, link.input_id, link.label)]
    if link.type in _CALLS:
        return [("caller", link.output_id)]
    if link.type in _INPUTS:
        return [("input", link.output_id, link.label)]
    return [("output", link.type, link.input_id, link.label)]


def _twice(link: LinkRow, source: NodeRow, target: NodeRow) -> str:
    if link.type in _INPUTS:
        return f"process {target.uuid} has two inputs `{link.label}`"
    if link.type in _CALLS:
        return f"process {target.uuid} has two callers"
    return f"node {target.uuid} has two creators, or process {source.uuid} two `{link.label}`"


def _check_no_circle(rows: Rows, kinds: tuple[str, ...]) -> None:
    """Take nodes away that nothing left leads to, until none is left, or a circle."""
    leading: dict[int, list[int]] = {}
    waiting: Counter[int] = Counter()
    for link in rows.links:
        if link.type in kinds:
            leading.setdefault(link.input_id, []).append(link.output_id)
            waiting[link.output_id] += 1
    free = [node for node in rows.nodes if not waiting[node]]
    while free:
        for target in leading.get(free.pop(), ()):
            waiting[target] -= 1
            if not waiting[target]:
                free.append(target)
    stuck = next((node for node, left in waiting.items() if left), None)
    if stuck is not None:
        raise ValueError(f"node {rows.nodes[stuck].uuid} is among those it was made of")


def additions(rows: Rows, known: set[str]) -> list[str]:
    """Return what an archive would add to nodes that this profile has already, one line each.

    A creator, caller or output that another's archive adds would be taken for what happened here.
    """
    added: list[str] = []
    links = [link for link in rows.links if rows.nodes[link.output_id].uuid in known]
    here = _links_into({rows.nodes[link.output_id].uuid for link in links})
    for link in links:
        source, target = rows.nodes[link.input_id], rows.nodes[link.output_id]
        if (source.uuid, target.uuid, link.type, link.label) not in here:
            added.append(f"a link `{link.label}` ({link.type}) to node {target.uuid}")
    for source_uuid, link in ((rows.nodes[one.input_id].uuid, one) for one in rows.links):
        # an output or call of a process that has ended here
        ended = source_uuid in known and link.type in (*_OUTPUTS, *_CALLS)
        if ended and rows.nodes[link.output_id].uuid not in known:
            added.append(f"a link `{link.label}` ({link.type}) from process {source_uuid}")
    added += _notes(rows, known)
    return added


def _links_into(uuids: set[str]) -> set[tuple[str, str, str, str]]:
    found: set[tuple[str, str, str, str]] = set()
    for chunk in chunks(uuids):
        query = QueryBuilder().append(
            Node, filters={"uuid": {"in": chunk}}, tag="target", project=["uuid"]
        )
        query.append(Node, with_outgoing="target", project=["uuid"], edge_project=["type", "label"])
        found |= {(source, target, kind, label) for target, source, kind, label in query.iterall()}
    return found


def _notes(rows: Rows, known: set[str]) -> list[str]:
    """Return the comments and messages that are new, on nodes that are not."""
    notes: list[CommentRow | LogRow] = [*rows.comments, *rows.logs]
    owners: Mapping[str, str] = {
        note.uuid: rows.nodes[note.dbnode_id].uuid
        for note in notes
        if rows.nodes[note.dbnode_id].uuid in known
    }
    here = _present(Comment, owners) | _present(Log, owners)
    return [f"a comment or message to node {owners[uuid]}" for uuid in owners if uuid not in here]


def _present(kind: type[Comment] | type[Log], uuids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for chunk in chunks(uuids):
        query = QueryBuilder().append(kind, filters={"uuid": {"in": chunk}}, project="uuid")
        found |= set(query.all(flat=True))
    return found
