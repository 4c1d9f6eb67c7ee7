"""Mackay icosahedra, complete and with an incomplete outer shell.

Source: A. L. Mackay, Acta Cryst. 15, 916 (1962).
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any

import numpy as np
from ase import Atoms
from ase.cluster import Icosahedron
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.structures.shells import (
    Floats,
    Ints,
    Members,
    Range,
    bond_length,
    centred,
    parameters,
)

# Longest over shortest bond of the ideal motif.
_STRETCH = 2 / hypot(1, (1 + sqrt(5)) / 2)
# What bonds to the core and along the shell count in an incomplete icosahedron.
_INWARD, _ALONG = 10, 7


def mackay_size(shells: int) -> int:
    """Atoms in a Mackay icosahedron with this many closed shells around its central atom."""
    return (10 * shells**3 + 15 * shells**2 + 11 * shells + 3) // 3


def mackay_sizes(n_max: int) -> tuple[int, ...]:
    """Sizes 13, 55, 147, 309, ... of the Mackay icosahedra with at most `n_max` atoms."""
    sizes: list[int] = []
    while (size := mackay_size(len(sizes) + 1)) <= n_max:
        sizes.append(size)
    return tuple(sizes)


def mackay_icosahedron(symbol: str, shells: int, distance: float | None = None) -> Atoms:
    """Build a complete Mackay icosahedron, shell after shell from the centre.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    shells : int
        Closed shells around the central atom: 1 gives 13 atoms, 2 gives 55, 3 gives 147.
    distance : float, optional
        Midpoint of the two bond lengths (Å); see the module's docstring.

    Returns
    -------
    ase.Atoms
        The cluster, :func:`mackay_size` atoms.

    Raises
    ------
    ValueError
        If `shells` is negative.
    """
    if shells < 0:
        raise ValueError(f"shells must be 0 or more, got {shells}")
    short = bond_length(symbol, distance) * 2 / (1 + _STRETCH)
    atoms = Icosahedron(symbol, shells + 1, latticeconstant=sqrt(2) * short)
    return centred(symbol, atoms.positions)


def incomplete_icosahedron(symbol: str, n: int, distance: float | None = None) -> Atoms:
    """Build a Mackay icosahedron of exactly `n` atoms with only its outermost shell incomplete.

    The outer shell is filled for the most bonds, those along the shell, which are stretched,
    counting 0.7: relaxed, 46 of the Lennard-Jones clusters of 82 to 150 atoms are then the known
    global minimum. The full shell loses its least bound atoms (vertices, then patches) and the bare
    core gains the best bound ones (a compact cap), around a vertex, an edge and a facet; single
    atoms then move while that pays, and the best of the six is kept. Position settles all ties.
    Anti-Mackay sites, better for some metals just above a closed shell, are left to an anneal.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    n : int
        Number of atoms, at least 1.
    distance : float, optional
        Midpoint of the two bond lengths (Å); see the module's docstring.

    Returns
    -------
    ase.Atoms
        The cluster; equal to :func:`mackay_icosahedron` where `n` closes a shell.

    Raises
    ------
    ValueError
        If `n` is less than 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    shells = 0
    while mackay_size(shells) < n:
        shells += 1
    full = mackay_icosahedron(symbol, shells, distance)
    if len(full) == n:
        return full
    positions = full.positions
    core = mackay_size(shells - 1)
    pairs = cKDTree(positions).query_pairs(
        1.2 * bond_length(symbol, distance), output_type="ndarray"
    )
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    pairs = pairs[pairs[:, 1] >= core]
    bonded = coo_matrix(
        (np.ones(len(pairs), dtype=np.int64), (pairs[:, 0], pairs[:, 1] - core)),
        shape=(len(full), len(full) - core),
    ).tocsr()
    inward = _INWARD * np.asarray(bonded[:core].sum(axis=0)).ravel()
    along = _ALONG * bonded[core:]
    directions = positions[core:] / np.linalg.norm(positions[core:], axis=1).max()
    a, *vertices = directions[np.linalg.norm(directions, axis=1).round(6) == 1]
    b, *around = (v for v in vertices if np.isclose(v @ a, 1 / sqrt(5)))
    c = next(v for v in around if np.isclose(v @ b, 1 / sqrt(5)))
    fillings = []
    for pole in (a, a + b, a + b + c):
        nearness = (directions @ pole / np.linalg.norm(pole)).round(6)  # equal sites stay tied
        fillings += [_fill(inward, along, nearness, n - core, full) for full in (True, False)]
    best = max(fillings, key=lambda kept: int(inward @ kept) + int(kept @ (along @ kept)) // 2)
    return centred(symbol, np.concatenate([positions[:core], positions[core:][best == 1]]))


def _fill(inward: Ints, along: Any, nearness: Floats, count: int, full: bool) -> Ints:
    """Occupy `count` sites of a shell, from the full or the empty one, for the most bonds.

    `nearness` to a pole (-1 ... 1) decides between sites of equal (integer) bonds.
    """
    kept = np.full(len(inward), int(full))
    while True:
        bonds = inward + along @ kept
        order = bonds + 0.4 * nearness
        loose = int(np.where(kept, order, np.inf).argmin())
        vacant = int(np.where(kept, -np.inf, order).argmax())
        excess = int(kept.sum()) - count
        # An atom that moves next door loses itself as a neighbour.
        if excess == 0 and bonds[vacant] - along[loose, vacant] <= bonds[loose]:
            return kept
        if excess >= 0:
            kept[loose] = 0
        if excess <= 0:
            kept[vacant] = 1


def icosahedra(wanted: Range) -> Members:
    """Complete icosahedra, by size."""
    sizes = enumerate(mackay_sizes(wanted.n_max), start=1)
    return {size: parameters(shells=k) for k, size in sizes}


def incomplete_icosahedra(wanted: Range) -> Members:
    """Icosahedra of every size."""
    return {n: parameters(n=n) for n in range(max(wanted.n_min, 1), wanted.n_max + 1)}
