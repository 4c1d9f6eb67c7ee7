"""Which sets of frames are there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiida.orm import QueryBuilder

from aiida_nanoclusters.calculations.labels.predictions import recognised
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.data_frame import as_rows
from aiida_nanoclusters.queries.nodes import (
    check_elements,
    checked,
    groups_of,
    latest,
    leaving_out,
    list_with,
    results_among,
)
from aiida_nanoclusters.science.labels.levels import is_prediction, trained_at


@dataclass(frozen=True)
class Dataset:
    """A FramesData.

    ``n_labelled`` of its ``n_frames`` frames have energy and forces, at ``level_of_theory`` (empty
    where none has); where these are ``predicted`` the level names the model, also of a set whose
    own does not. ``label`` and ``groups`` were given by a person; ``n_atoms`` of all frames
    together; ``made_by`` and ``made_by_uuid`` are the calculation that created it, empty where a
    person stored it.
    """

    uuid: str
    created: datetime
    n_frames: int
    n_labelled: int
    n_atoms: int
    sizes: tuple[int, ...]
    elements: tuple[str, ...]
    level_of_theory: str
    predicted: bool
    label: str
    groups: tuple[str, ...]
    config_types: tuple[str, ...]
    made_by: str
    made_by_uuid: str


_FIELDS = (
    *("n_frames", "n_labelled", "n_atoms", "sizes", "elements", "level_of_theory"),
    "config_types",
)


@as_rows
def find_datasets(
    *,
    elements: Sequence[str] = (),
    sizes: int | tuple[int, int] | None = None,
    level: str | None = None,
    min_frames: int | None = None,
    max_frames: int | None = None,
    labelled: bool | None = None,
    intermediate: bool = True,
    limit: int | None = None,
) -> list[Dataset]:
    """Return sets of frames, the latest first.

    Parameters
    ----------
    elements
        All of them must occur in the set.
    sizes
        Number of atoms that must occur, or the first and last of a range of which one must.
    level
        Level of theory, such as ``PBE`` of labels, ``Allegro 1a2b3c4d (PBE)`` of predictions.
    min_frames, max_frames
        Bounds of the number of frames, included.
    labelled
        True: some frames have labels; False: none has.
    intermediate
        Whether sets count that are only steps of a process: neither stored by a person, nor
        labelled or in a group, nor a result of what a person launched.
    limit
        Largest number of sets that are returned; None for all.

    Raises
    ------
    ValueError
        If an element is unknown or a range is empty.
    """
    span = check_range(sizes, "sizes")
    check_range((min_frames or 0, max_frames), "number of frames")
    filters = _frame_filters(level, min_frames, max_frames, labelled)
    # The expensive ones last: SQLite searches lists by a function in Python.
    if span is not None and span[0] == span[1]:
        filters["attributes.sizes"] = list_with([span[0]])
        span = None
    if elements:
        filters["attributes.elements"] = list_with(check_elements(elements))
    if span is not None:
        matching = _with_sizes(filters, *span)
        if not matching:
            return []
        filters = {"id": {"in": matching}}
    rows = list(latest(FramesData, filters, _FIELDS, limit if intermediate and not level else None))
    if not intermediate:
        shown = results_among(FramesData, (pk for pk, _ in rows))
        rows = [row for row in rows if row[0] in shown]
    levels = recognised(pk for pk, _ in rows)
    groups = groups_of(FramesData, (pk for pk, _ in rows))
    found: list[Dataset] = []
    for pk, values in rows:
        with leaving_out(values["uuid"]):
            own = levels.get(pk, values["level_of_theory"])
            if level is None or own == level:
                told = {"level_of_theory": own, "predicted": is_prediction(str(own))}
                found.append(checked(Dataset, values | told | {"groups": groups.get(pk, ())}))
    return found[:limit]


def _frame_filters(
    level: str | None, min_frames: int | None, max_frames: int | None, labelled: bool | None
) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if level is not None:
        filters["attributes.level_of_theory"] = {"in": sorted({level, trained_at(level)})}
    bounds = [{">=": min_frames}] if min_frames is not None else []
    bounds += [{"<=": max_frames}] if max_frames is not None else []
    if bounds:
        filters["attributes.n_frames"] = {"and": bounds}
    if labelled is not None:
        filters["attributes.n_labelled"] = {">": 0} if labelled else 0
    return filters


def _with_sizes(filters: dict[str, Any], low: int, high: int) -> list[int]:
    """Return the pks of sets with a size in a range, which no database can ask of a list."""
    query = QueryBuilder().append(
        FramesData, subclassing=False, filters=filters, project=["id", "attributes.sizes"]
    )
    return [
        pk
        for pk, sizes in query.all()
        if isinstance(sizes, list) and any(type(n) is int and low <= n <= high for n in sizes)
    ]


def check_range(
    span: int | tuple[int, int | None] | None, what: str, least: int = 0
) -> tuple[int, int] | None:
    """Return first and last of a range; None where its end is open.

    Raises
    ------
    ValueError
        If it is empty or begins too low.
    """
    if span is None:
        return None
    low, high = (span, span) if isinstance(span, int) else span
    if low < least:
        raise ValueError(f"{what}: {low} is too low, give {least} or more")
    if high is None:
        return None
    if high < low:
        raise ValueError(f"{what}: {low}-{high} is empty, give the lower bound first")
    return low, high
