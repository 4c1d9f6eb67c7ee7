"""Wulff polyhedra as a family of closed shells, by the nearest-neighbour distance."""

from __future__ import annotations

from math import sqrt

from ase import Atoms

from aiida_nanoclusters.science.structures.crystals import Facets, wulff_cluster, wulff_sizes
from aiida_nanoclusters.science.structures.shells import Members, Range, bond_length, parameters


def wulff_polyhedra(wanted: Range) -> Members:
    """Wulff polyhedra by size; see :class:`.Range` for their surface energies."""
    energies = wanted.surface_energies or {(1, 1, 1): 1.0, (1, 0, 0): 2 / sqrt(3)}
    facets = tuple(sorted(energies.items()))
    sizes = wulff_sizes(energies, wanted.n_min, wanted.n_max)
    return {n: parameters(size=n, surface_energies=facets) for n in sizes}


def wulff_polyhedron(
    symbol: str,
    size: int,
    surface_energies: tuple[tuple[tuple[int, int, int], float], ...],
    distance: float | None = None,
) -> Atoms:
    """Build the Wulff polyhedron that :func:`wulff_polyhedra` lists, at a bond length (Å)."""
    facets: Facets = dict(surface_energies)
    return wulff_cluster(symbol, facets, size, sqrt(2) * bond_length(symbol, distance))
