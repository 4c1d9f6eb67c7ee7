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
def compare_sizes(element: Str, structures: FramesData, **members: FramesData) -> dict:
    """Compare the lowest structure of each size by equations 1 and 2.

    Parameters
    ----------
    element
        Chemical symbol; its valence gives the electronic magic numbers.
    structures
        Lowest structures, the lowest of each size first.
    members
        The same structures with the energies of each member of a committee, if there is one.

    Returns
    -------
    dict
        ``energies``: arrays named in :mod:`~aiida_nanoclusters.science.keys`. ``magic``: the
        magic sizes, and which of them are electronic or geometric closings.
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
    return {"energies": arrays_node(arrays), "magic": Dict(_summary(symbol, sizes, at, found))}


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
        "electronic": [int(n) for n in electronic],
        "geometric": [int(n) for n in magic.geometric_magic_numbers(largest)],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
