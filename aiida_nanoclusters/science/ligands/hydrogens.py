"""Missing hydrogen atoms of a ligand, seen by the geometry of its heavy atoms.

Crystal structures are at times published without hydrogen. Bond orders alone would not tell: a ring
of six carbon atoms without hydrogen has valences that fit, all of its bonds double.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike

#: Smallest angle (degrees) at a carbon atom with two neighbours that makes it linear, and smallest
#: sum of the angles at one with three that makes it planar. Between tetrahedral and planar: 328.5
#: and 360.
_LINEAR, _PLANAR = 150.0, 345.0
#: Longest multiple bond (Å) of a carbon or nitrogen atom with a single neighbour.
_LONGEST_MULTIPLE = 1.3


def missing_hydrogens(
    numbers: Sequence[int],
    bonds: Sequence[tuple[int, int]],
    binding: Collection[int],
    positions: ArrayLike,
) -> str:
    """Return the atoms of a ligand that lack hydrogen, such as ``C (12 of 18)``, or an empty text.

    Carbon that binds to a metal may have one neighbour fewer than it has without. Hydrogen missing
    on oxygen, or on nitrogen with two neighbours, is not seen here.

    Parameters
    ----------
    numbers
        Atomic numbers, (n,).
    bonds
        Pairs of bonded atoms, (b, 2).
    binding
        Atoms that bind to a metal.
    positions
        Å, (n, 3).
    """
    where = np.asarray(positions, dtype=float)
    neighbours: list[list[int]] = [[] for _ in numbers]
    for a, b in bonds:
        neighbours[a].append(b)
        neighbours[b].append(a)
    bound, lacking = {*binding}, {"C": 0, "N": 0}
    for k, around in enumerate(neighbours):
        symbol = chemical_symbols[numbers[k]]
        if symbol not in lacking or not around:
            continue
        vectors = where[around] - where[k]
        lengths = np.linalg.norm(vectors, axis=1)
        if len(around) == 1:
            lacking[symbol] += bool(lengths[0] > _LONGEST_MULTIPLE)
        elif symbol == "C" and k not in bound and len(around) in (2, 3):
            units = vectors / lengths[:, None]
            cosines = np.clip(units @ units.T, -1, 1)[np.triu_indices(len(around), 1)]
            angle = np.degrees(np.arccos(cosines)).sum()
            lacking[symbol] += bool(angle < (_LINEAR if len(around) == 2 else _PLANAR))
    of = {symbol: sum(chemical_symbols[n] == symbol for n in numbers) for symbol in lacking}
    return ", ".join(f"{s} ({n} of {of[s]})" for s, n in lacking.items() if n)
