"""Decahedra: Marks decahedra, with re-entrant grooves, and Ino decahedra, without.

Sources: S. Ino, J. Phys. Soc. Jpn. 27, 941 (1969); L. D. Marks, Rep. Prog. Phys. 57, 603 (1994).
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin, sqrt

import numpy as np
from ase import Atoms
from ase.cluster import Decahedron

from aiida_nanoclusters.science.structures.icosahedra import mackay_sizes
from aiida_nanoclusters.science.structures.shells import (
    Members,
    Range,
    bond_length,
    centred,
    parameters,
)

# Longest over shortest bond of the ideal motif.
_STRETCH = sqrt(3) * sin(pi / 5)


def marks_decahedron_counts(p: int, q: int, r: int) -> tuple[int, int]:
    """Count the atoms and the nearest-neighbour bonds of :func:`marks_decahedron` (p, q, r).

    Five sectors of columns parallel to the axis; the columns of row k have ``height - k`` atoms,
    each with two bonds to every neighbouring column one row further in and one to those beside.
    """
    height = p + q + 2 * r - 1
    reach = p + r - 1  # rows before the re-entrance starts
    atoms, bonds = height, height - 1
    for row in range(1, p + 2 * r):
        whole = row <= reach
        columns = row if whole else 2 * reach - row + 1
        beside = row if whole else 2 * reach - row
        column = height - row
        atoms += 5 * columns * column
        bonds += 5 * (columns * (column - 1) + 2 * column * (2 * columns - whole) + column * beside)
    return atoms, bonds


def marks_decahedron(symbol: str, p: int, q: int, r: int, distance: float | None = None) -> Atoms:
    """Build a Marks decahedron; (2, 2, 1) has 75 atoms, (3, 2, 1) 146, (3, 3, 1) 192.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    p : int
        Atoms along the edge of a (100) facet perpendicular to the fivefold axis.
    q : int
        Atoms along the edge of a (100) facet parallel to the axis; 1 leaves no such facet.
    r : int
        Depth of the re-entrant grooves; 0 gives the Ino decahedron. (In the notation (m, n, p) of
        Baletto and Ferrando, m = p, n = q and p = r + 1.)
    distance : float, optional
        Midpoint of the two bond lengths (Å); see the module's docstring.

    Returns
    -------
    ase.Atoms
        The cluster.

    Raises
    ------
    ValueError
        If `p` or `q` is less than 1 or `r` is negative.
    """
    if p < 1 or q < 1 or r < 0:
        raise ValueError(f"need p >= 1, q >= 1 and r >= 0, got p {p}, q {q}, r {r}")
    short = bond_length(symbol, distance) * 2 / (1 + _STRETCH)
    return centred(symbol, Decahedron(symbol, p, q, r, sqrt(2) * short).positions)


def marks_decahedra(wanted: Range) -> Members:
    """Decahedra whose broken bonds are close to the fewest of their size, by size.

    Broken bonds, (12 N - 2 bonds) / N^(2/3), are within 1 % of the fewest among all decahedra of up
    to 20 % more or fewer atoms.
    """
    return {n: parameters(p=p, q=q, r=r) for n, p, q, r in _with_few_broken_bonds(wanted.n_max)}


def ino_decahedra(wanted: Range) -> Members:
    """Ino decahedra with square (100) faces, by size: as many atoms as Mackay icosahedra have."""
    sizes = enumerate(mackay_sizes(wanted.n_max), start=2)
    return {size: parameters(p=k, q=k, r=0) for k, size in sizes}


@lru_cache(maxsize=16)
def _with_few_broken_bonds(n_max: int) -> tuple[tuple[int, int, int, int], ...]:
    """(size, p, q, r) of the decahedra that :func:`marks_decahedra` offers."""
    rows = []
    limit = 1.2 * n_max
    for p in range(1, n_max):
        if marks_decahedron_counts(p, 1, 0)[0] > limit:
            break
        for r in range(n_max):
            if marks_decahedron_counts(p, 1, r)[0] > limit:
                break
            for q in range(1, 4 * (p + r) + 2):
                size, bonds = marks_decahedron_counts(p, q, r)
                if size > limit:
                    break
                rows.append((size, (12 * size - 2 * bonds) / size ** (2 / 3), p, q, r))
    rows.sort(key=lambda row: (row[0], -row[1]))  # the best of one size comes last and stays
    sizes = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows])
    return tuple(
        (size, p, q, r)
        for size, score, p, q, r in rows
        if score <= 1.01 * scores[(sizes >= size / 1.2) & (sizes <= 1.2 * size)].min()
    )
