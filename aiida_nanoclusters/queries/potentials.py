"""Which potentials are there, what were they trained on, and how large are their errors?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiida.orm import CalcJobNode, Dict, ProcessNode, QueryBuilder, WorkChainNode

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.data_frame import as_rows
from aiida_nanoclusters.formats.lammps.potential_lines import KINDS
from aiida_nanoclusters.queries.nodes import (
    check_elements,
    checked,
    find_node,
    groups_of,
    latest,
    leaving_out,
    list_with,
)

#: Processes that report errors on test frames: training of a committee and of one potential.
_COMMITTEE = "aiida.workflows:nanoclusters.train"
_TRAINING = "aiida.calculations:nanoclusters.train"
_COMPILE = "aiida.calculations:nanoclusters.compile"


@dataclass(frozen=True)
class Potential:
    """A PotentialData.

    ``energy_rmse`` (meV/atom) and ``forces_rmse`` (meV/Å) are those on the test frames of its
    training, None where it was not tested; ``errors_uuid`` is the node that holds them.
    ``level_of_theory`` is of a model that of the labels it was trained on. ``label`` and ``groups``
    were given by a person; ``cutoff`` in Å; ``training_set`` is the UUID of the FramesData it was
    trained on, else empty.
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
    label: str
    groups: tuple[str, ...]
    made_by: str
    made_by_uuid: str


_Errors = dict[int, tuple[float | None, float | None, str]]


@as_rows
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
        Elements that the potential must have, all of them.
    level
        Level of theory of its energies, exactly as stored.
    kind
        One of :data:`~aiida_nanoclusters.formats.lammps.potential_lines.KINDS`.
    training_set
        UUID (or pk) of the FramesData it was trained on.
    max_energy_rmse, max_forces_rmse
        Largest error on the test frames of its training, meV/atom and meV/Å; potentials that were
        not tested are left out.
    limit
        Largest number of potentials that are returned; None for all.

    Raises
    ------
    ValueError
        If an element, a kind or the training set is unknown, or an error is not positive.
    """
    filters = _filters(elements, level, kind, training_set)
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
    found: list[Potential] = []
    rows = list(latest(PotentialData, filters, names, limit))
    groups = groups_of(PotentialData, (pk for pk, _ in rows))
    for pk, values in rows:
        values["groups"] = groups.get(pk, ())
        with leaving_out(values["uuid"]):
            found.append(_potential(values, errors.get(pk, (None, None, ""))))
    return found


def _filters(
    elements: Sequence[str], level: str | None, kind: str | None, training_set: str | None
) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if elements:
        filters["attributes.elements"] = list_with(check_elements(elements))
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
    return filters


def _potential(values: dict[str, Any], errors: tuple[float | None, float | None, str]) -> Potential:
    values["training_set"] = values["training_set"] or ""
    names = ("energy_rmse", "forces_rmse", "errors_uuid")
    return checked(Potential, {**values, **dict(zip(names, errors, strict=True))})


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
    """Return the labels of the links from committees to their members, each once."""
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
    report: str,
    path: str,
    bounds: dict[str, float | None],
) -> _Errors:
    """Read errors of the output `potential` of a kind of process from its output `report`."""
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
        edge_filters={"label": report},
        filters=filters,
        project=[*(f"{path}.{name}" for name in bounds), "uuid"],
    )
    return {pk: (energy, forces, uuid) for pk, energy, forces, uuid in query.all()}
