"""Lowest-energy structures by composition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder, load_node

from aiida_nanoclusters.calculations.labels.predictions import made_by_it, recognised
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.data_frame import as_rows
from aiida_nanoclusters.queries.nodes import leaving_out, list_with, makers
from aiida_nanoclusters.queries.potentials import with_compiled
from aiida_nanoclusters.science.compositions import cluster_formula, parse_composition
from aiida_nanoclusters.science.labels.levels import is_prediction, trained_at
from aiida_nanoclusters.science.recognition.lowest import lowest_frames

_RANGE = re.compile(r"([A-Z][a-z]?)(\d+)-(?:\1)?(\d+)")
#: Energies (eV) closer than this are one structure, found in several sets.
SAME = 1e-6
#: Most sizes that are looked for at once.
MOST_SIZES = 500


@dataclass(frozen=True)
class LowestStructure:
    """A cluster: frame ``index`` of the FramesData ``uuid``.

    ``energy`` in eV (total), ``energy_per_atom`` in eV; energies of different levels of theory must
    not be compared. Where it is ``predicted``, a model computed it, which its level names; also
    that of a set whose own level does not say so. ``parent`` is the start or trajectory it came
    from; ``made_by`` and ``made_by_uuid`` are the calculation that computed it.
    """

    formula: str
    size: int
    energy: float
    energy_per_atom: float
    level_of_theory: str
    predicted: bool
    uuid: str
    index: int
    parent: str
    made_by: str
    made_by_uuid: str


@as_rows
def find_structures(
    formula: str,
    *,
    level: str | None = None,
    potential: PotentialData | None = None,
    limit: int = 1,
) -> list[LowestStructure]:
    """Return the lowest-energy clusters of a composition, separately for each level of theory.

    Clusters are neutral and not periodic. Each set of frames contributes its lowest one; equal
    energies in several sets are one structure, attributed to the earliest set.

    Parameters
    ----------
    formula
        Such as ``Cu55`` or ``Ag13Cu42``; ``Cu13-20`` is a range of sizes.
    level
        Level of theory, such as ``PBE``, or ``Allegro 1a2b3c4d (PBE)`` for what a model predicts;
        every one where None.
    potential
        Only structures computed by it, or by what was compiled from it.
    limit
        Largest number of structures of each formula and level of theory.

    Raises
    ------
    ValueError
        If the formula is none, or the range is empty or too long.
    """
    if limit < 1:
        raise ValueError(f"limit is {limit}: give 1 or more")
    runners = None if potential is None else with_compiled(potential)
    found: list[LowestStructure] = []
    for name, counts in parse_formulas(formula):
        rows = _rows(name, level, runners)
        rows += _rows_of_old_nodes(name, counts, level, runners)
        rows = _at_their_levels(rows, level)
        for its_level in sorted({row[-1] for row in rows}):
            own = sorted(row for row in rows if row[-1] == its_level)
            found += islice(_described(name, sum(counts.values()), _distinct(own)), limit)
    return found


def parse_formulas(text: str) -> list[tuple[str, dict[str, int]]]:
    """Return the compositions of a formula or a range: name and number of atoms by element.

    Raises
    ------
    ValueError
        If it is no formula.
    """
    text = text.strip()
    spanned = _RANGE.fullmatch(text)
    if spanned:
        low, high = int(spanned[2]), int(spanned[3])
        if not 1 <= low <= high:
            raise ValueError(f"`{text}` is an empty range: give the lower size first, from 1")
        if high - low >= MOST_SIZES:
            raise ValueError(f"`{text}` holds more than {MOST_SIZES} sizes: give a shorter range")
        compositions = [parse_composition(f"{spanned[1]}{n}") for n in range(low, high + 1)]
    else:
        compositions = [parse_composition(text)]
    return [(cluster_formula(counts), counts) for counts in compositions]


_Row = tuple[float, datetime, int, str]  # energy in eV, when stored, pk, level of theory


def _find(
    filters: dict[str, Any], project: list[str], runners: list[int] | None
) -> list[dict[str, Any]]:
    """Return what is asked of sets of frames; only of those computed by `runners`, if given."""
    if runners is None:
        query = QueryBuilder().append(
            FramesData, subclassing=False, filters=filters, tag="frames", project=project
        )
        return [row["frames"] for row in query.dict()]
    query = QueryBuilder().append(PotentialData, filters={"id": {"in": runners}}, tag="potential")
    query.append(
        CalcJobNode,
        with_incoming="potential",
        tag="job",
        edge_tag="given",
        edge_project=["label"],
    )
    query.append(
        FramesData,
        filters=filters,
        with_incoming="job",
        tag="frames",
        project=project,
        edge_tag="made",
        edge_project=["label"],
    )
    return [
        row["frames"]
        for row in query.dict()
        if made_by_it(row["given"]["label"], row["made"]["label"])
    ]


def _at_their_levels(rows: list[_Row], level: str | None) -> list[_Row]:
    """Return rows at the level asked for; predictions that do not say so get that of the model."""
    levels = recognised(row[2] for row in rows if not is_prediction(row[3]))
    rows = [(*row[:3], levels.get(row[2], row[3])) for row in rows]
    return [row for row in rows if level is None or row[3] == level]


def _stored_levels(level: str) -> list[str]:
    """Return what sets of a level may say of themselves."""
    return sorted({level, trained_at(level)})


def _rows(name: str, level: str | None, runners: list[int] | None) -> list[_Row]:
    path, its_level = f"attributes.lowest_energies.{name}", "attributes.level_of_theory"
    filters: dict[str, Any] = {path: {"of_type": "number"}}
    if level is not None:
        filters[its_level] = {"in": _stored_levels(level)}
    rows: list[_Row] = []
    for row in _find(filters, [path, "id", "uuid", "ctime", its_level], runners):
        with leaving_out(row["uuid"]):
            if not isinstance(row[its_level], str):
                raise TypeError("`level_of_theory` is no text")
            rows.append((row[path], row["ctime"], row["id"], row[its_level]))
    return rows


def _rows_of_old_nodes(
    name: str, counts: dict[str, int], level: str | None, runners: list[int] | None
) -> list[_Row]:
    """Read the files of sets stored by versions that did not note lowest energies."""
    filters: dict[str, Any] = {
        "attributes": {"!has_key": "lowest_energies"},
        "attributes.sizes": list_with([sum(counts.values())]),
        "attributes.elements": list_with(sorted(counts)),
        "attributes.n_labelled": {">": 0},
    }
    if level is not None:
        filters["attributes.level_of_theory"] = {"in": _stored_levels(level)}
    rows: list[_Row] = []
    for row in _find(filters, ["id"], runners):
        node = load_node(row["id"])
        with leaving_out(node.uuid):
            frames = node.frames
            lowest = lowest_frames(frames).get(name)
            if lowest is not None:
                energy = float(frames.energies[lowest])
                rows.append((energy, node.ctime, row["id"], node.level_of_theory))
    return rows


def _distinct(rows: list[_Row]) -> list[_Row]:
    """Keep of equal energies the oldest set."""
    kept: list[_Row] = []
    for row in rows:
        if kept and row[0] - kept[-1][0] < SAME:
            if row[1] < kept[-1][1]:
                kept[-1] = (kept[-1][0], *row[1:])
        else:
            kept.append(row)
    return kept


def _described(name: str, size: int, rows: list[_Row]) -> Iterator[LowestStructure]:
    """Read the files of these sets one by one, only as far as structures are taken."""
    for _, _, pk, level in rows:
        node = load_node(pk)
        with leaving_out(node.uuid):
            frames = node.frames
            index = lowest_frames(frames)[name]
            energy = float(frames.energies[index])  # the attribute has fewer digits
            made_by, made_by_uuid = makers([pk]).get(pk, ("", ""))
            found = LowestStructure(
                formula=name,
                size=size,
                energy=energy,
                energy_per_atom=energy / size,
                level_of_theory=level,
                predicted=is_prediction(level),
                uuid=node.uuid,
                index=index,
                parent=str(frames.parents[index]),
                made_by=made_by,
                made_by_uuid=made_by_uuid,
            )
            yield found
