"""Identifiers of nodes in pieces that one query of the database can take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Identifier = TypeVar("Identifier", int, str)

#: Identifiers in one query: SQLite takes no more than some 30,000 variables.
CHUNK = 10_000


def chunks(ids: Iterable[Identifier]) -> list[list[Identifier]]:
    """Return pks or UUIDs, each once and sorted, in pieces that one query can take."""
    listed = sorted(set(ids))
    return [listed[k : k + CHUNK] for k in range(0, len(listed), CHUNK)]
