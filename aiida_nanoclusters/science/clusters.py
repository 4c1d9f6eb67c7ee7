"""Clusters of the classical motifs: icosahedra, truncated octahedra, decahedra, Wulff shapes.

Every builder returns a new :class:`ase.Atoms`, centred at the origin, without cell, periodicity or
tags, with its atoms in an order that depends on nothing but the arguments. ``distance`` (Å) is the
midpoint between the shortest and the longest nearest-neighbour bond of the ideal motif; it is left
out where the nearest-neighbour distance of the crystal will do. A perfect fcc cluster has only one
bond length; in an icosahedron the bonds along a shell are 5.1 % longer than those across shells, in
a decahedron the ones around the axis 1.8 % longer than the rest. Closed forms for sizes and bonds
list whole families without building a cluster. Sources: A. L. Mackay, Acta Cryst. 15, 916 (1962);
L. D. Marks, Rep. Prog. Phys. 57, 603 (1994).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import hypot, pi, sin, sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.cluster import Decahedron, Icosahedron, Octahedron
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.bulk import Facets, wulff_cluster, wulff_sizes
from aiida_nanoclusters.science.elements import element

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOTIFS = (
    "icosahedron",
    "incomplete icosahedron",
    "truncated octahedron",
    "Marks decahedron",
    "Wulff",
)

# Longest over shortest bond of the ideal motif.
_ICOSAHEDRON_STRETCH = 2 / hypot(1, (1 + sqrt(5)) / 2)
_DECAHEDRON_STRETCH = sqrt(3) * sin(pi / 5)
# What bonds to the core and along the shell count in an incomplete icosahedron.
_INWARD, _ALONG = 10, 7


def _finish(symbol: str, positions: Floats) -> Atoms:
    """Strip what a builder left behind and put the centroid at the origin."""
    return Atoms([symbol] * len(positions), positions=positions - positions.mean(axis=0))


def _bond(symbol: str, distance: float | None) -> float:
    if distance is None:
        return element(symbol).nearest_neighbour
    if not distance > 0:
        raise ValueError(f"distance must be positive (Å), got {distance}")
    return distance


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
    short = _bond(symbol, distance) * 2 / (1 + _ICOSAHEDRON_STRETCH)
    atoms = Icosahedron(symbol, shells + 1, latticeconstant=sqrt(2) * short)
    return _finish(symbol, atoms.positions)


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
    pairs = cKDTree(positions).query_pairs(1.2 * _bond(symbol, distance), output_type="ndarray")
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
    return _finish(symbol, np.concatenate([positions[:core], positions[core:][best == 1]]))


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


def truncated_octahedron_size(length: int, cut: int) -> int:
    """Atoms in the octahedron of `length` atoms an edge with `cut` layers off each vertex."""
    return length * (2 * length**2 + 1) // 3 - cut * (cut + 1) * (2 * cut + 1)


def truncated_octahedron(
    symbol: str, length: int, cut: int, distance: float | None = None
) -> Atoms:
    """Build an fcc octahedron with its six vertices cut off.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    length : int
        Atoms along an edge of the complete octahedron.
    cut : int
        Layers removed at each vertex: 0 leaves the octahedron, ``(length - 1) / 3`` gives regular
        hexagons, ``(length - 1) / 2`` the cuboctahedron.
    distance : float, optional
        Nearest-neighbour distance (Å).

    Returns
    -------
    ase.Atoms
        The cluster, :func:`truncated_octahedron_size` atoms.

    Raises
    ------
    ValueError
        If `length` is less than 1 or `cut` is not in 0 ... ``(length - 1) / 2``.
    """
    if length < 1 or cut < 0 or 2 * cut + 1 > length:
        raise ValueError(
            f"need length >= 1 and 0 <= cut <= (length - 1) / 2, got length {length}, cut {cut}"
        )
    lattice_constant = sqrt(2) * _bond(symbol, distance)
    return _finish(symbol, Octahedron(symbol, length, cut, lattice_constant).positions)


def regular_truncated_octahedron(symbol: str, order: int, distance: float | None = None) -> Atoms:
    """Build the truncated octahedron with regular hexagons: 38, 201, 586, 1289, ... atoms.

    `order` (1 or more, else ValueError) layers are cut off each vertex: see
    :func:`truncated_octahedron`.
    """
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order}")
    return truncated_octahedron(symbol, 3 * order + 1, order, distance)


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
    short = _bond(symbol, distance) * 2 / (1 + _DECAHEDRON_STRETCH)
    return _finish(symbol, Decahedron(symbol, p, q, r, sqrt(2) * short).positions)


@dataclass(frozen=True)
class MotifMember:
    """One cluster of a family: what it is, how large, and how to build it."""

    motif: str
    size: int
    parameters: tuple[tuple[str, Any], ...]

    def build(self, symbol: str, distance: float | None = None) -> Atoms:
        """Build the cluster with this nearest-neighbour distance (Å; the crystal's by default)."""
        given = dict(self.parameters)
        if self.motif == "Wulff":
            lattice_constant = sqrt(2) * _bond(symbol, distance)
            energies = dict(given["surface_energies"])
            return wulff_cluster(symbol, energies, given["size"], lattice_constant)
        builders: dict[str, Callable[..., Atoms]] = {
            "icosahedron": mackay_icosahedron,
            "incomplete icosahedron": incomplete_icosahedron,
            "truncated octahedron": truncated_octahedron,
            "Marks decahedron": marks_decahedron,
        }
        return builders[self.motif](symbol, distance=distance, **given)


def motif_family(
    motif: str,
    n_min: int,
    n_max: int,
    *,
    shape: Literal["best", "regular"] = "best",
    surface_energies: Facets | None = None,
) -> list[MotifMember]:
    """List the closed-shell clusters of one motif by size, without building them.

    Marks decahedra are those whose broken bonds, (12 N - 2 bonds) / N^(2/3), are within 1 % of the
    fewest among all decahedra of up to 20 % more or fewer atoms.

    Parameters
    ----------
    motif : str
        One of :data:`MOTIFS`.
    n_min, n_max : int
        Smallest and largest size, both included.
    shape : {'best', 'regular'}
        Truncated octahedra only: those with regular hexagons, or all within one layer of that
        (``|length - 1 - 3 cut| <= 2``; no cuboctahedra).
    surface_energies : mapping, optional
        For Wulff polyhedra: Miller indices to energy per area. By default those of
        nearest-neighbour broken bonds, gamma(100) / gamma(111) = 2 / sqrt(3).

    Returns
    -------
    list of MotifMember
        By increasing size, each size once.

    Raises
    ------
    ValueError
        If `motif` or `shape` is unknown.
    """
    if shape not in ("best", "regular"):
        raise ValueError(f"shape is 'best' or 'regular', not {shape!r}")
    found: dict[int, tuple[tuple[str, Any], ...]] = {}
    if motif == "icosahedron":
        for shells, size in enumerate(mackay_sizes(n_max), start=1):
            found[size] = (("shells", shells),)
    elif motif == "incomplete icosahedron":
        found = {n: (("n", n),) for n in range(max(n_min, 1), n_max + 1)}
    elif motif == "truncated octahedron":
        for cut in range(int(n_max ** (1 / 3)) + 1):
            for length in range(3 * cut + 1 - 2, 3 * cut + 4):
                regular = length == 3 * cut + 1 and cut > 0
                near = length >= 1 and length != 2 * cut + 1
                if regular or (shape == "best" and near):
                    size = truncated_octahedron_size(length, cut)
                    found[size] = (("length", length), ("cut", cut))
    elif motif == "Marks decahedron":
        for size, p, q, r in _decahedra(n_max):
            found[size] = (("p", p), ("q", q), ("r", r))
    elif motif == "Wulff":
        energies = surface_energies or {(1, 1, 1): 1.0, (1, 0, 0): 2 / sqrt(3)}
        for size in wulff_sizes(energies, n_min, n_max):
            found[size] = (("size", size), ("surface_energies", tuple(sorted(energies.items()))))
    else:
        raise ValueError(f"unknown motif {motif!r}; known: {', '.join(MOTIFS)}")
    return [MotifMember(motif, n, found[n]) for n in sorted(found) if n_min <= n <= n_max]


@lru_cache(maxsize=16)
def _decahedra(n_max: int) -> tuple[tuple[int, int, int, int], ...]:
    """(size, p, q, r) of the decahedra that :func:`motif_family` offers."""
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
