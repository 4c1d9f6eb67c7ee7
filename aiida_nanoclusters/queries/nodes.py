"""A node by its identifier, and the nodes linked with many others."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, TypeVar

from aiida.common.exceptions import AiidaException, MultipleObjectsError, NotExistent
from aiida.common.links import LinkType
from aiida.orm import (
    CalculationNode,
    Data,
    Group,
    Node,
    ProcessNode,
    QueryBuilder,
    WorkflowNode,
    load_node,
)
from ase.data import atomic_numbers
from pydantic import TypeAdapter, ValidationError

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.schemas import first_fault
from aiida_nanoclusters.formats.plain_text import excerpt, said_by

_LOGGER = logging.getLogger(__name__)
#: What reading a node may raise whose content is not what its type says.
_UNREADABLE = (
    AiidaException,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)
#: Outputs of a process that a message names.
_LISTED = 4
Row = TypeVar("Row")
Direction = Literal["with_incoming", "with_outgoing"]


def find_node(identifier: str, kinds: Sequence[type[Node]] = (), what: str = "node") -> Node:
    """Return the node of a UUID, the beginning of one, or a pk.

    A process stands for its only output of a kind that is wanted, those in namespaces left out
    where there is another.

    Parameters
    ----------
    identifier
        UUID, beginning of a UUID, or pk.
    kinds
        Classes of node that are accepted; any where empty.
    what
        Their name in the message where a node of another kind is found.

    Raises
    ------
    ValueError
        If there is no such node, more than one, or one of another kind; the message names the fix.
    """
    try:
        node = load_node(str(identifier).strip())
    except MultipleObjectsError as error:
        raise ValueError(f"`{identifier}` begins several UUIDs: give more of it") from error
    except (NotExistent, ValueError) as error:
        raise ValueError(
            f"no node `{identifier}`: give a UUID or PK this profile has, such as "
            "`aiida-nanoclusters find datasets` or a report prints"
        ) from error
    if not kinds or isinstance(node, tuple(kinds)):
        return node
    made = _outputs_of(node, tuple(kinds))
    chosen = {label: output for label, output in made.items() if "." not in label} or made
    if len(chosen) == 1:
        return next(iter(chosen.values()))
    if made:
        listed = ", ".join(
            f"{label} {output.uuid}" for label, output in list(made.items())[:_LISTED]
        )
        fix = f"give one of its outputs, such as {listed}"
    else:
        fix = f"`aiida-nanoclusters explain {node.uuid}` describes it"
    raise ValueError(f"`{identifier}` is a {kind_of(node)}, no {what}: {fix}")


def _outputs_of(node: Node, kinds: tuple[type[Node], ...]) -> dict[str, Node]:
    """Return the outputs of a process that are of these kinds, by their labels; no others."""
    if not isinstance(node, ProcessNode):
        return {}
    links = (LinkType.CREATE, LinkType.RETURN)
    made = node.base.links.get_outgoing(link_type=links).all()
    return {e.link_label.replace("__", "."): e.node for e in made if isinstance(e.node, kinds)}


@contextmanager
def leaving_out(uuid: str) -> Iterator[None]:
    """Leave out a node that cannot be read, with one line that names it, and go on.

    Imports are checked, but a profile may hold nodes that AiiDA itself imported, or that an earlier
    version stored.
    """
    try:
        yield
    except _UNREADABLE as error:
        said = first_fault(error) if isinstance(error, ValidationError) else said_by(error)
        _LOGGER.warning("node %s cannot be read and is left out: %s", excerpt(uuid), said)


def checked(kind: type[Row], values: Mapping[str, Any]) -> Row:
    """Return what was read of a node as a dataclass whose fields have the types it says.

    Raises
    ------
    pydantic.ValidationError
        If a value is of another type.
    """
    adapter: TypeAdapter[Row] = _adapter(kind)  # type: ignore[arg-type]
    return adapter.validate_python(dict(values))


@cache
def _adapter(kind: type[Row]) -> TypeAdapter[Row]:
    return TypeAdapter(kind)


def list_with(values: Sequence[Any]) -> dict[str, Any]:
    """Return the filter of attributes that are lists with these values, also among others."""
    return {"and": [{"of_type": "array"}, {"contains": list(values)}]}


def kind_of(node: Node) -> str:
    """Return the name of the class of a node, of a process its label."""
    return str(getattr(node, "process_label", None) or type(node).__name__)


def class_name(node_type: str) -> str:
    """Return the name of the class of a stored node, whose plugin need not be installed."""
    return node_type.rstrip(".").rpartition(".")[2]


def check_elements(elements: Sequence[str]) -> list[str]:
    """Return the elements, sorted, each once.

    Raises
    ------
    ValueError
        If one is no chemical symbol.
    """
    for symbol in elements:
        if atomic_numbers.get(symbol, 0) < 1:
            raise ValueError(f"`{symbol}` is no chemical element: give a symbol such as Cu")
    return sorted(set(elements))


def makers(ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Return by pk of data the label and UUID of the calculation that created it."""
    label, uuid = "attributes.process_label", "uuid"
    created = linked(
        Node, ids, CalculationNode, "with_outgoing", {"type": "create"}, project=(label, uuid)
    )
    return {pk: (str(maker[label]), str(maker[uuid])) for pk, _, maker in created}


def linked(
    kind: type[Node],
    ids: Iterable[int],
    other: type[Node],
    direction: Direction,
    links: Mapping[str, Any] | None = None,
    *,
    filters: Mapping[str, Any] | None = None,
    project: Sequence[str] = ("id",),
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the nodes that are linked with given ones: pk of the given node, label, projection.

    Parameters
    ----------
    kind, ids
        Class and pks of the given nodes.
    other
        Class of the nodes that are looked for.
    direction
        ``with_incoming``: the links go from a given node to another; ``with_outgoing``: to a given
        node.
    links, filters
        Filters of the links and of the other nodes, as for a QueryBuilder.
    project
        What is read of the other nodes.
    """
    for chunk in chunks(ids):
        query = QueryBuilder().append(
            kind, filters={"id": {"in": chunk}}, tag="given", project=["id"]
        )
        query.append(
            other,
            joining_keyword=direction,
            joining_value="given",
            edge_filters=dict(links or {}),
            edge_tag="link",
            edge_project=["label"],
            filters=dict(filters or {}),
            tag="other",
            project=list(project),
        )
        for row in query.dict():
            yield row["given"]["id"], str(row["link"]["label"]), row["other"]


def latest(
    kind: type[Data], filters: Mapping[str, Any], names: Sequence[str], limit: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield data of a class, the latest first: pk, and what can be read without loading a node.

    That is ``uuid``, ``label``, ``created``, ``made_by`` and ``made_by_uuid`` (the calculation that
    created it; empty where none did), and the attributes `names`.
    """
    query = QueryBuilder().append(
        kind,
        subclassing=False,  # the index of node types is used
        tag="node",
        filters=dict(filters),
        project=["id", "uuid", "ctime", "label", *(f"attributes.{name}" for name in names)],
    )
    query.order_by({"node": [{"ctime": "desc"}, {"id": "desc"}]})  # imports number them anew
    if limit is not None:
        query.limit(limit)
    rows = query.all()
    origin = makers(row[0] for row in rows)
    for pk, uuid, created, label, *values in rows:
        made_by, made_by_uuid = origin.get(pk, ("", ""))
        made = {"created": created, "made_by": made_by, "made_by_uuid": made_by_uuid}
        yield pk, {"uuid": uuid, "label": label, **made, **dict(zip(names, values, strict=True))}


def groups_of(kind: type[Node], ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return by pk the labels of the groups that a person has put nodes into."""
    found: dict[int, set[str]] = {}
    for chunk in chunks(ids):
        query = QueryBuilder().append(
            Group, filters={"type_string": "core"}, tag="group", project=["label"]
        )
        query.append(kind, with_group="group", filters={"id": {"in": chunk}}, project=["id"])
        for label, pk in query.all():
            found.setdefault(pk, set()).add(str(label))
    return {pk: tuple(sorted(labels)) for pk, labels in found.items()}


def results_among(kind: type[Data], ids: Iterable[int]) -> set[int]:
    """Return the data that are no intermediate step of a process.

    Those that no process created, results of a process that a person launched, and those with a
    label or in a group.
    """
    asked = set(ids)
    sources: dict[int, set[int]] = {}
    links = {"type": {"in": ["create", "return"]}}
    for pk, _, process in linked(kind, asked, ProcessNode, "with_outgoing", links):
        sources.setdefault(pk, set()).add(process["id"])
    processes = set().union(*sources.values()) if sources else set()
    calls = {"type": {"in": ["call_calc", "call_work"]}}
    called = {pk for pk, *_ in linked(ProcessNode, processes, WorkflowNode, "with_outgoing", calls)}
    shown = {pk for pk, makers in sources.items() if makers - called}
    for chunk in chunks(asked):
        query = QueryBuilder().append(
            kind, filters={"id": {"in": chunk}, "label": {"!==": ""}}, project=["id"]
        )
        shown |= set(query.all(flat=True))
    return shown | (asked - set(sources)) | set(groups_of(kind, asked))


def of_kind(kind: type[Node], ids: Iterable[int]) -> set[int]:
    """Return the pks of nodes of this class."""
    found: set[int] = set()
    for chunk in chunks(ids):
        query = QueryBuilder().append(kind, filters={"id": {"in": chunk}}, project=["id"])
        found |= set(query.all(flat=True))
    return found
