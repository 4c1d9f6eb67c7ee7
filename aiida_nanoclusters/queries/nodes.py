"""One node by what a person types, and who made many nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from aiida.common.exceptions import MultipleObjectsError, NotExistent
from aiida.orm import CalculationNode, Node, QueryBuilder, load_node
from ase.data import atomic_numbers

Identifier = TypeVar("Identifier", int, str)

#: Identifiers in one query: SQLite takes no more than some 30,000 variables.
CHUNK = 10_000


def find_node(identifier: str, kinds: Sequence[type[Node]] = (), what: str = "node") -> Node:
    """Return the node of a UUID, the beginning of one, or a pk.

    Parameters
    ----------
    identifier
        As a person types it.
    kinds
        Classes of node that will do; any where empty.
    what
        What they are called where something else is found.

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
    if kinds and not isinstance(node, tuple(kinds)):
        raise ValueError(
            f"`{identifier}` is a {kind_of(node)}, no {what}: "
            f"`aiida-nanoclusters explain {node.uuid}` tells what it is"
        )
    return node


def kind_of(node: Node) -> str:
    """Return the name a person knows a node by: that of its class or process."""
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
    found: dict[int, tuple[str, str]] = {}
    for chunk in chunks(ids):
        query = QueryBuilder().append(
            CalculationNode, tag="maker", project=["attributes.process_label", "uuid"]
        )
        query.append(
            Node,
            with_incoming="maker",
            edge_filters={"type": "create"},
            filters={"id": {"in": chunk}},
            project=["id"],
        )
        found |= {pk: (str(label), uuid) for label, uuid, pk in query.all()}
    return found


def of_kind(kind: type[Node], ids: Iterable[int]) -> set[int]:
    """Return those pks that are of nodes of this class."""
    found: set[int] = set()
    for chunk in chunks(ids):
        query = QueryBuilder().append(kind, filters={"id": {"in": chunk}}, project=["id"])
        found |= set(query.all(flat=True))
    return found


def chunks(ids: Iterable[Identifier]) -> list[list[Identifier]]:
    """Return pks or UUIDs, each once and sorted, in pieces that one query can take."""
    listed = sorted(set(ids))
    return [listed[k : k + CHUNK] for k in range(0, len(listed), CHUNK)]
