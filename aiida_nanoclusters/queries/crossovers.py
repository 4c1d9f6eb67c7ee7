"""At what size does a cluster become a crystal: all answers, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiida.orm import Dict, QueryBuilder, Str, WorkChainNode

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries.nodes import check_elements, chunks
from aiida_nanoclusters.queries.potentials import with_compiled

CROSSOVER = "aiida.workflows:nanoclusters.crossover"
VERDICTS = ("crossing", "no crossing below n_max", "always crystal", "undecided")
_TOLD = ("verdict", "size", "low", "high", "confidence", "diameter_nm", "sentence")


@dataclass(frozen=True)
class Member:
    """A potential of the committee that gave an answer."""

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
        As many at most.

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
        project=["id", "uuid", "ctime", *(f"attributes.{name}" for name in _TOLD)],
    )
    used: dict[str, Any] = {} if level is None else {"attributes.level_of_theory": level}
    if potential is not None:
        used["id"] = {"in": with_compiled(potential)}
    if used:
        query.append(PotentialData, with_outgoing="search", filters=used)
    query.order_by({"answer": {"id": "desc"}})
    rows = list({row[3]: row for row in query.all()}.values())[:limit]
    committees = _committees([row[0] for row in rows])
    return [_crossover(row, committees.get(row[0], ())) for row in rows]


def _committees(searches: list[int]) -> dict[int, tuple[Member, ...]]:
    found: dict[int, list[Member]] = {}
    for chunk in chunks(searches):
        query = QueryBuilder().append(
            WorkChainNode, filters={"id": {"in": chunk}}, tag="search", project=["id"]
        )
        query.append(
            PotentialData,
            with_outgoing="search",
            tag="potential",
            project=["uuid", "attributes.kind", "attributes.level_of_theory"],
            edge_tag="link",
            edge_project=["label"],
        )
        for row in query.dict():
            node, label = row["potential"], row["link"]["label"]
            member = Member(
                name=label.split("__", 1)[-1],
                uuid=node["uuid"],
                kind=node["attributes.kind"],
                level_of_theory=node["attributes.level_of_theory"],
            )
            found.setdefault(row["search"]["id"], []).append(member)
    return {pk: tuple(sorted(own, key=lambda m: m.name)) for pk, own in found.items()}


def _crossover(row: list[Any], potentials: tuple[Member, ...]) -> Crossover:
    _, process_uuid, element, _, uuid, created, *told = row
    return Crossover(
        uuid=uuid,
        created=created,
        element=element,
        potentials=potentials,
        process_uuid=process_uuid,
        **dict(zip(_TOLD, told, strict=True)),
    )
