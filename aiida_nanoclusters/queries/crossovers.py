"""At what size does a cluster become a crystal: all results, and the potentials they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiida.orm import Dict, QueryBuilder, Str, WorkChainNode

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.data_frame import as_rows
from aiida_nanoclusters.queries.nodes import check_elements, checked, leaving_out, linked
from aiida_nanoclusters.queries.potentials import with_compiled

CROSSOVER = "aiida.workflows:nanoclusters.crossover"
VERDICTS = ("crossing", "no crossing below n_max", "always crystal", "undecided")
_ANSWER = ("verdict", "size", "low", "high", "confidence", "diameter_nm", "sentence")
_MEMBER = ("uuid", "attributes.kind", "attributes.level_of_theory")


@dataclass(frozen=True)
class Member:
    """A potential of the committee behind an answer."""

    name: str
    uuid: str
    kind: str
    level_of_theory: str


@dataclass(frozen=True)
class Crossover:
    """An answer; ``uuid`` is its node, ``process_uuid`` the work chain's.

    ``size`` in atoms, None without a crossing; the interval ``low`` to ``high`` holds it with the
    probability ``confidence`` and is open where one is None; ``diameter_nm`` in nm.
    """

    uuid: str
    created: datetime
    element: str
    verdict: str
    size: float | None
    low: float | None
    high: float | None
    confidence: float
    diameter_nm: float | None
    sentence: str
    potentials: tuple[Member, ...]
    process_uuid: str


@as_rows
def find_crossovers(
    *,
    element: str | None = None,
    level: str | None = None,
    potential: PotentialData | None = None,
    verdict: str | None = None,
    limit: int | None = None,
) -> list[Crossover]:
    """Return all answers, the latest first.

    Parameters
    ----------
    element
        Chemical symbol.
    level
        Level of theory of a potential of the committee, exactly as stored.
    potential
        A potential of the committee, or the package that one was compiled from.
    verdict
        One of :data:`VERDICTS`.
    limit
        Largest number of answers that are returned; None for all.

    Raises
    ------
    ValueError
        If the element or the verdict is unknown.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise ValueError(f"unknown verdict `{verdict}`: choose one of {', '.join(VERDICTS)}")
    query = QueryBuilder().append(
        WorkChainNode, filters={"process_type": CROSSOVER}, tag="search", project=["id", "uuid"]
    )
    filters = {} if element is None else {"attributes.value": check_elements([element])[0]}
    query.append(
        Str,
        with_outgoing="search",
        edge_filters={"label": "element"},
        filters=filters,
        project=["attributes.value"],
    )
    query.append(
        Dict,
        with_incoming="search",
        edge_filters={"label": "answer"},
        filters={} if verdict is None else {"attributes.verdict": verdict},
        tag="answer",
        project=["id", "uuid", "ctime", *(f"attributes.{name}" for name in _ANSWER)],
    )
    used: dict[str, Any] = {} if level is None else {"attributes.level_of_theory": level}
    if potential is not None:
        used["id"] = {"in": with_compiled(potential)}
    if used:
        query.append(PotentialData, with_outgoing="search", filters=used)
    query.order_by({"answer": [{"ctime": "desc"}, {"id": "desc"}]})
    return _readable(list({row[3]: row for row in query.all()}.values())[:limit])


def _readable(rows: list[list[Any]]) -> list[Crossover]:
    """Return the answers that can be read; the others are named and left out."""
    committees = _committees([row[0] for row in rows])
    found: list[Crossover] = []
    for row in rows:
        with leaving_out(row[4]):
            found.append(_crossover(row, committees.get(row[0], ())))
    return found


def _committees(searches: list[int]) -> dict[int, tuple[Member, ...]]:
    found: dict[int, list[Member]] = {}
    used = linked(WorkChainNode, searches, PotentialData, "with_outgoing", project=_MEMBER)
    for search, label, node in used:
        uuid, kind, level = (str(node[name]) for name in _MEMBER)
        found.setdefault(search, []).append(Member(label.split("__", 1)[-1], uuid, kind, level))
    return {pk: tuple(sorted(own, key=lambda m: m.name)) for pk, own in found.items()}


def _crossover(row: list[Any], potentials: tuple[Member, ...]) -> Crossover:
    _, process_uuid, element, _, uuid, created, *answer = row
    return checked(
        Crossover,
        {
            "uuid": uuid,
            "created": created,
            "element": element,
            "potentials": potentials,
            "process_uuid": process_uuid,
            **dict(zip(_ANSWER, answer, strict=True)),
        },
    )
