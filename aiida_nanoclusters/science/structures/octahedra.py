"""Truncated octahedra of a face-centred cubic crystal."""

from __future__ import annotations

from math import sqrt

from ase import Atoms
from ase.cluster import Octahedron

from aiida_nanoclusters.science.structures.shells import (
    Members,
    Range,
    bond_length,
    centred,
    parameters,
)


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
    lattice_constant = sqrt(2) * bond_length(symbol, distance)
    return centred(symbol, Octahedron(symbol, length, cut, lattice_constant).positions)


def truncated_octahedra(wanted: Range) -> Members:
    """Truncated octahedra by size: those with regular hexagons, or all within a layer of that."""
    found = {}
    for cut in range(int(wanted.n_max ** (1 / 3)) + 1):
        for length in range(3 * cut + 1 - 2, 3 * cut + 4):
            regular = length == 3 * cut + 1 and cut > 0
            near = length >= 1 and length != 2 * cut + 1
            if regular or (wanted.shape == "best" and near):
                size = truncated_octahedron_size(length, cut)
                found[size] = parameters(length=length, cut=cut)
    return found
