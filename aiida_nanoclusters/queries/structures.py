"""What is the lowest structure of so many atoms?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder, load_node
from ase.data import atomic_numbers

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.queries.nodes import makers
from aiida_nanoclusters.queries.potentials import with_compiled
from aiida_nanoclusters.science.lowest import cluster_formula, lowest_frames

_PART = re.compile(r"([A-Z][a-z]?)(\d*)")
_RANGE = re.compile(r"([A-Z][a-z]?)(\d+)-(?:\1)?(\d+)")
#: Energies (eV) closer than this are one structure, found in several sets.
SAME = 1e-6
#: Most sizes that are looked for at once.
MOST_SIZES = 500


@dataclass(frozen=True)
class LowestStructure:
    """A cluster: frame ``index`` of the FramesData ``uuid``.

    ``energy`` in eV (total), ``energy_per_atom`` in eV; energies of different levels of theory must
    not be compared. ``parent`` is the start or trajectory it came from; ``made_by`` and
    ``made_by_uuid`` are the calculation that computed it.
    """

    formula: str
    size: int
    energy: float
    energy_per_atom: float
    level_of_theory: str
    uuid: str
    index: int
    parent: str
    made_by: str
    made_by_uuid: str


def find_structures(
    formula: str,
    *,
    level: str | None = None,
    potential: PotentialData | None = None,
    limit: int = 1,
) -> list[LowestStructure]:
    """Return the lowest clusters of a composition, for each level of theory on its own.

    Clusters are neutral and not periodic. A set of frames tells its lowest one; equal energies in
    several sets are one structure, told of the set that had it first.

    Parameters
    ----------
    formula
        Such as ``Cu55`` or ``Ag13Cu42``; ``Cu13-20`` is a range of sizes.
    level
        Level of theory, exactly as stored; every one where None.
    potential
        Only structures computed by it, or by what was compiled from it.
    limit
        As many of each formula and level at most.

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
        for its_level in sorted({row[2] for row in rows}):
            own = sorted(row for row in rows if row[2] == its_level)
            found += _told(name, sum(counts.values()), _unlike(own)[:limit])
    return found


def parse_formulas(text: str) -> list[tuple[str, dict[str, int]]]:
    """Return the composition, or the compositions of a range, as name and atoms by element.

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
        compositions = [{spanned[1]: n} for n in range(low, high + 1)]
    else:
        parts = _PART.findall(text)
        if not parts or "".join(symbol + n for symbol, n in parts) != text:
            raise ValueError(f"`{text}` is no cluster: give a formula such as Cu55, or Cu13-20")
        counts: dict[str, int] = {}
        for symbol, n in parts:
            counts[symbol] = counts.get(symbol, 0) + int(n or 1)
        if min(counts.values()) < 1:
            raise ValueError(f"`{text}` has an element without atoms: leave it out")
        compositions = [counts]
    for symbol in compositions[0]:
        if atomic_numbers.get(symbol, 0) < 1:
            raise ValueError(f"`{symbol}` is no chemical element: give a formula such as Cu55")
    return [(cluster_formula(counts), counts) for counts in compositions]


_Row = tuple[float, int, str]  # energy in eV, pk, level of theory


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
        if _made_by_it(row["given"]["label"], row["made"]["label"])
    ]


def _made_by_it(given: str, made: str) -> bool:
    """Whether an output of a job is that of this potential and not of another of a committee."""
    namespace, _, key = given.partition("__")
    return namespace != "potentials" or made == f"labelled__{key}"


def _rows(name: str, level: str | None, runners: list[int] | None) -> list[_Row]:
    path, its_level = f"attributes.lowest_energies.{name}", "attributes.level_of_theory"
    filters: dict[str, Any] = {path: {"of_type": "number"}}
    if level is not None:
        filters[its_level] = level
    rows = _find(filters, [path, "id", its_level], runners)
    return [(row[path], row["id"], row[its_level]) for row in rows]


def _rows_of_old_nodes(
    name: str, counts: dict[str, int], level: str | None, runners: list[int] | None
) -> list[_Row]:
    """Read the files of sets stored by versions that did not note lowest energies."""
    filters: dict[str, Any] = {
        "attributes": {"!has_key": "lowest_energies"},
        "attributes.sizes": {"contains": [sum(counts.values())]},
        "attributes.elements": {"contains": sorted(counts)},
        "attributes.n_labelled": {">": 0},
    }
    if level is not None:
        filters["attributes.level_of_theory"] = level
    rows: list[_Row] = []
    for row in _find(filters, ["id"], runners):
        node = load_node(row["id"])
        frames = node.frames
        lowest = lowest_frames(frames).get(name)
        if lowest is not None:
            rows.append((float(frames.energies[lowest]), row["id"], node.level_of_theory))
    return rows


def _unlike(rows: list[_Row]) -> list[_Row]:
    """Keep of equal energies the oldest set."""
    kept: list[_Row] = []
    for row in rows:
        if kept and row[0] - kept[-1][0] < SAME:
            if row[1] < kept[-1][1]:
                kept[-1] = (kept[-1][0], *row[1:])
        else:
            kept.append(row)
    return kept


def _told(name: str, size: int, rows: list[_Row]) -> list[LowestStructure]:
    origin = makers(pk for _, pk, _ in rows)
    found = []
    for _, pk, level in rows:
        node = load_node(pk)
        frames = node.frames
        index = lowest_frames(frames)[name]
        energy = float(frames.energies[index])  # the attribute has fewer digits
        made_by, made_by_uuid = origin.get(pk, ("", ""))
        found.append(
            LowestStructure(
                formula=name,
                size=size,
                energy=energy,
                energy_per_atom=energy / size,
                level_of_theory=level,
                uuid=node.uuid,
                index=index,
                parent=str(frames.parents[index]),
                made_by=made_by,
                made_by_uuid=made_by_uuid,
            )
        )
    return found
