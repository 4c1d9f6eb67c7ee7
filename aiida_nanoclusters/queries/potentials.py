"""Which potentials are there, what did they learn, and how wrong are they?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiida.orm import CalcJobNode, Dict, ProcessNode, QueryBuilder, WorkChainNode

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries.nodes import check_elements, find_node, makers
from aiida_nanoclusters.science.interactions import KINDS

#: Process types that tell errors on test frames: the committee's, and a single training's.
_COMMITTEE = "aiida.workflows:nanoclusters.train"
_TRAINING = "aiida.calculations:nanoclusters.train"
_COMPILE = "aiida.calculations:nanoclusters.compile"


@dataclass(frozen=True)
class Potential:
    """A PotentialData.

    ``energy_rmse`` (meV/atom) and ``forces_rmse`` (meV/Å) are those on the test frames of its
    training, None where it was not tested; ``errors_uuid`` is the node that tells them.
    ``cutoff`` in Å; ``training_set`` is the UUID of the FramesData it learnt, else empty.
    """

    uuid: str
    created: datetime
    kind: str
    elements: tuple[str, ...]
    cutoff: float
    level_of_theory: str
    training_set: str
    energy_rmse: float | None
    forces_rmse: float | None
    errors_uuid: str
    made_by: str
    made_by_uuid: str


_Errors = dict[int, tuple[float | None, float | None, str]]


def find_potentials(
    *,
    elements: Sequence[str] = (),
    level: str | None = None,
    kind: str | None = None,
    training_set: str | None = None,
    max_energy_rmse: float | None = None,
    max_forces_rmse: float | None = None,
    limit: int | None = None,
) -> list[Potential]:
    """Return potentials, the latest first.

    Parameters
    ----------
    elements
        All of them must be known to the potential.
    level
        Level of theory that its energies stand for, exactly as stored.
    kind
        One of :data:`~aiida_nanoclusters.science.interactions.KINDS`.
    training_set
        UUID (or pk) of the FramesData it was trained on.
    max_energy_rmse, max_forces_rmse
        Largest error on the test frames of its training, meV/atom and meV/Å; potentials that were
        not tested are left out.
    limit
        As many at most.

    Raises
    ------
    ValueError
        If an element, a kind or the training set is unknown, or an error is not positive.
    """
    filters: dict[str, Any] = {}
    if elements:
        filters["attributes.elements"] = {"contains": check_elements(elements)}
    if level is not None:
        filters["attributes.level_of_theory"] = level
    if kind is not None:
        if kind not in KINDS:
            raise ValueError(
                f"unknown kind of potential `{kind}`: choose one of {', '.join(KINDS)}"
            )
        filters["attributes.kind"] = kind
    if training_set is not None:
        node = find_node(training_set, [FramesData], "set of frames")
        filters["attributes.training_set"] = node.uuid
    bounds = {"energy_rmse": max_energy_rmse, "forces_rmse": max_forces_rmse}
    for name, bound in bounds.items():
        if bound is not None and bound <= 0:
            raise ValueError(f"{name} {bound} is not positive: give meV/atom or meV/Å")
    errors = _errors(bounds)
    if any(bound is not None for bound in bounds.values()):
        if not errors:
            return []
        filters["id"] = {"in": sorted(errors)}
    names = ("kind", "elements", "cutoff", "level_of_theory", "training_set")
    query = QueryBuilder().append(
        PotentialData,
        subclassing=False,
        tag="potential",
        filters=filters,
        project=["id", "uuid", "ctime", *(f"attributes.{name}" for name in names)],
    )
    query.order_by({"potential": {"id": "desc"}})
    if limit is not None:
        query.limit(limit)
    rows = query.all()
    origin = makers(row[0] for row in rows)
    return [
        _potential(row, errors.get(row[0], (None, None, "")), origin.get(row[0], ("", "")))
        for row in rows
    ]


def _potential(
    row: Sequence[Any], errors: tuple[float | None, float | None, str], origin: tuple[str, str]
) -> Potential:
    _, uuid, created, kind, symbols, cutoff, level, training_set = row
    return Potential(
        uuid=uuid,
        created=created,
        kind=kind,
        elements=tuple(symbols),
        cutoff=cutoff,
        level_of_theory=level,
        training_set=training_set or "",
        energy_rmse=errors[0],
        forces_rmse=errors[1],
        errors_uuid=errors[2],
        made_by=origin[0],
        made_by_uuid=origin[1],
    )


def with_compiled(potential: PotentialData) -> list[int]:
    """Return the pks of a potential and of what was compiled from it."""
    query = QueryBuilder().append(PotentialData, filters={"id": potential.pk}, tag="package")
    query.append(
        CalcJobNode, filters={"process_type": _COMPILE}, with_incoming="package", tag="job"
    )
    query.append(
        PotentialData, with_incoming="job", edge_filters={"type": "create"}, project=["id"]
    )
    return [int(potential.pk or 0), *query.all(flat=True)]


def _errors(bounds: dict[str, float | None]) -> _Errors:
    """Return errors on test frames by pk of the potential, those within the bounds."""
    found: _Errors = {}
    found |= _read_errors(_TRAINING, "potential", "report", "attributes.test", bounds)
    for label in _member_labels():
        member = label.split("__", 1)[1]
        path = f"attributes.sets.test.members.{member}.overall"
        found |= _read_errors(_COMMITTEE, label, "errors", path, bounds)
    return found


def _member_labels() -> list[str]:
    """Return the links by which committees give their members, each once."""
    query = QueryBuilder().append(
        WorkChainNode, filters={"process_type": _COMMITTEE}, tag="committee"
    )
    query.append(
        PotentialData,
        with_incoming="committee",
        edge_filters={"type": "return", "label": {"like": "%\\_\\_%"}},
        edge_project=["label"],
    )
    return sorted(set(query.distinct().all(flat=True)))


def _read_errors(
    process_type: str,
    potential: str,
    told_in: str,
    path: str,
    bounds: dict[str, float | None],
) -> _Errors:
    """Read errors of the output `potential` of a kind of process from its output `told_in`."""
    filters = {
        f"{path}.{name}": {"of_type": "number"} if bound is None else {"<=": float(bound)}
        for name, bound in bounds.items()
    }
    query = QueryBuilder().append(
        ProcessNode, filters={"process_type": process_type}, tag="process"
    )
    query.append(
        PotentialData, with_incoming="process", edge_filters={"label": potential}, project=["id"]
    )
    query.append(
        Dict,
        with_incoming="process",
        edge_filters={"label": told_in},
        filters=filters,
        project=[*(f"{path}.{name}" for name in bounds), "uuid"],
    )
    return {pk: (energy, forces, uuid) for pk, energy, forces, uuid in query.all()}
