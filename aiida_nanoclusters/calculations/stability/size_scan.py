"""Energies of many sizes compared: binding energies, second differences, magic sizes."""

from __future__ import annotations

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, Str

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.elements import element as element_data
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.searches import chances_of_change, read_searches
from aiida_nanoclusters.science.stability import magic


@calcfunction
def join_scans(**parts) -> dict:
    """Join `structures_<k>` and `table_<k>` of the children into one of each, sizes ascending."""
    structures = [parts[k].frames for k in sorted(parts) if k.startswith("structures")]
    tables = [
        keys.with_present_keys(parts[k].get_dict()) for k in sorted(parts) if k.startswith("table")
    ]
    frames = Frames.concatenate(structures)
    rows = [row for table in tables for row in table["rows"]]
    order = sorted(range(len(rows)), key=lambda i: (rows[i]["size"], rows[i]["rank"]))
    return {
        "structures": FramesData(frames.select(order)),
        "table": Dict({"columns": tables[0]["columns"], "rows": [rows[i] for i in order]}),
    }


@calcfunction
def compare_sizes(
    element: Str, structures: FramesData, table: Dict | None = None, **members: FramesData
) -> dict:
    """Compare the lowest structure of each size by equations 1 and 2.

    Parameters
    ----------
    element
        Chemical symbol; its valence gives the electronic magic numbers.
    structures
        Lowest structures, the lowest of each size first.
    table
        That of a search for them, which says how sure they are.
    members
        The same structures with the energies of each member of a committee, if there is one.

    Returns
    -------
    dict
        ``energies``: arrays named in :mod:`~aiida_nanoclusters.science.keys`. ``magic``: the
        magic sizes, which of them are electronic or geometric closings, and by size which
        neighbours those lack that cannot be judged.
    """
    frames = structures.frames
    first = [i for i in range(len(frames)) if i == 0 or frames.sizes[i] != frames.sizes[i - 1]]
    frames = frames.select(first)
    sizes, symbol = frames.sizes, element.value
    committee = np.array([m.frames.select(first).energies for _, m in sorted(members.items())])
    energies = frames.energies
    arrays = {
        keys.SIZES: sizes,
        keys.ENERGIES: energies,
        keys.BINDING_ENERGIES: magic.binding_energy(sizes, energies, frames.atom_energies[symbol]),
    }
    at, differences = magic.second_difference(sizes, energies)
    arrays[keys.SECOND_DIFFERENCE_SIZES] = at
    arrays[keys.SECOND_DIFFERENCES] = differences
    spreads = np.full(len(at), np.nan)
    found = []
    if len(at):
        if len(committee) > 1:
            _, by_member = magic.second_difference(sizes, committee)
            spreads = by_member.std(axis=0, ddof=1)
            found = magic.magic_sizes(at, by_member)
        else:
            found = magic.magic_sizes(at, differences)
    arrays[keys.SECOND_DIFFERENCE_SPREADS] = spreads
    searched = [] if table is None else read_searches(table["rows"])
    chances = chances_of_change(at, searched)
    if searched:
        arrays[keys.SECOND_DIFFERENCE_CHANCES] = chances
    summary = _summary(symbol, sizes, at, found)
    for entry in summary["magic"] if searched else ():
        entry["chance_of_change"] = _number(chances[list(at).index(entry["size"])])
    return {"energies": arrays_node(arrays), "magic": Dict(summary)}


def _summary(symbol: str, sizes, at, found) -> dict:
    largest = int(sizes.max())
    valence = element_data(symbol).valence
    electronic = [] if valence is None else magic.electronic_magic_numbers(largest, valence)
    return {
        "magic": [
            {
                "size": int(m.size),
                "second_difference": float(m.second_difference),
                "uncertainty": _number(m.uncertainty),
                "probability": _number(m.probability),
            }
            for m in found
        ],
        "compared": [int(n) for n in at],
        "not_judged": {str(n): list(absent) for n, absent in magic.unjudged_sizes(sizes).items()},
        "electronic": [int(n) for n in electronic],
        "geometric": [int(n) for n in magic.geometric_magic_numbers(largest)],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
