"""Lattices of sites of the motifs that clusters of metals and of Lennard-Jones atoms have.

Lengths are in bond lengths. Sources: of icosahedra and their two overlayers J. A. Northby, J. Chem.
Phys. 87, 6166 (1987); of decahedra L. D. Marks, Rep. Prog. Phys. 57, 603 (1994); of the tetrahedron
of 98 atoms R. H. Leary and J. P. K. Doye, Phys. Rev. E 60, R6320 (1999).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from aiida_nanoclusters.science.structures.decahedra import marks_decahedron
from aiida_nanoclusters.science.structures.defects import adatom_sites
from aiida_nanoclusters.science.structures.icosahedra import mackay_icosahedron, mackay_size
from aiida_nanoclusters.science.structures.lattice_cuts import (
    LAYER_SHIFT,
    off_axis,
    stacked_sites,
)
from aiida_nanoclusters.science.structures.site_filling import SiteLattice

Floats = npt.NDArray[np.float64]

#: Any symbol: only the positions are used.
_ANY = "Cu"
#: Sites that are offered, as a multiple of the atoms, and beyond it.
_OFFERED, _MORE = 2.2, 60
#: Atoms of an icosahedron's outermost shell that an overlayer may leave vacant.
_VACANT = 15
#: Sites nearer than this are one.
_SAME = 0.2
#: Shortest bonds of each atom whose mean is the bond length of a relaxed cluster, and how far its
#: neighbours are, in bond lengths.
_BONDS, _NEIGHBOUR = 3, 1.3
#: Layers, about the middle of the cluster: fcc about an atom and about a hollow, one twin plane of
#: atoms, two parallel ones, a stacking fault, an island at the surface, and hcp.
STACKINGS = {
    "fcc": "ABCABCABCABCA",
    "fcc, between layers": "ABCABCABCABC",
    "twin": "ABCABCACBACBA",
    "twin, off its plane": "BCABCABCBACB",
    "two twin planes": "ABCABCBABCABC",
    "stacking fault": "ABCABCBCABCA",
    "hcp": "ABABABABABABA",
    "hcp, between layers": "ABABABABABAB",
}


@lru_cache(maxsize=2)
def site_lattices(size: int) -> tuple[SiteLattice, ...]:
    """Return the lattices on which a cluster of this size may be compact.

    Icosahedra that fill their outermost shell, with and without their centre; with an overlayer on
    either kind of site; decahedra about an atom and a bond of the axis and off it; close-packed
    layers in the orders of :data:`STACKINGS`; and tetrahedra with overlayers.
    """
    return tuple(_lattices(size))


def _lattices(size: int) -> Iterator[SiteLattice]:
    shells = 1
    while mackay_size(shells) < size:
        shells += 1
    yield _icosahedron(shells, 0)
    yield _icosahedron(shells, 1)
    for core in (shells - 1, shells):
        if core and size > mackay_size(core) - _VACANT:
            yield _overlayer(core, core - 1)
        if core and size > mackay_size(core):
            yield _overlayer(core, core)
    offered = int(_OFFERED * size) + _MORE
    for name, centre in (
        ("decahedron", (0.0, 0.0)),
        ("decahedron, about a bond", (0.0, 0.5)),
        ("decahedron, off its axis", (0.9, 0.0)),
    ):
        yield SiteLattice(name, _nearest(_decahedral_sites(_rows(size), *centre), offered))
    for name, stacking in STACKINGS.items():
        yield SiteLattice(name, _nearest(_stacked_sites(stacking, _rows(size)), offered))
    for edge in (3, 4, 5):
        sites = _tetrahedral_sites(edge)
        if 0.5 * len(sites) > size > 2 * edge**2 + 12:
            yield SiteLattice("tetrahedron", sites, spread=1.0)


def cluster_lattice(positions: Floats, motif: str) -> SiteLattice:
    """Return the sites of a relaxed cluster and the hollows of its surface.

    Filled with as many atoms, or some more or fewer, it gives structures that differ at the
    surface: the dynamic lattice of X. Shao, L. Cheng and W. Cai, J. Comput. Chem. 25, 1693 (2004).

    Parameters
    ----------
    positions
        In any unit of length, shape (N, 3); atoms with twelve neighbours stay where they are.
    motif
        Name of the lattice.
    """
    gaps = cdist(positions, positions)
    np.fill_diagonal(gaps, np.inf)
    shortest = np.sort(gaps, axis=1)[:, :_BONDS]
    bond = shortest[np.isfinite(shortest)].mean()
    inner = (gaps < _NEIGHBOUR * bond).sum(axis=1) >= 12
    atoms = np.concatenate([positions[inner], positions[~inner]]) / bond
    return SiteLattice(motif, np.concatenate([atoms, adatom_sites(atoms, 1.0)]), int(inner.sum()))


def _rows(size: int) -> int:
    return int(np.ceil(0.8 * size ** (1 / 3))) + 3


def _nearest(sites: Floats, count: int) -> Floats:
    away = np.linalg.norm(sites, axis=1).round(6)
    return np.asarray(sites[np.argsort(away, kind="stable")[:count]])


@lru_cache(maxsize=16)
def _icosahedron(shells: int, vacancies: int) -> SiteLattice:
    """Return the sites of a complete icosahedron, without its centre where that is vacant."""
    sites = mackay_icosahedron(_ANY, shells, 1.0).positions[vacancies:]
    core = mackay_size(shells - 2) if shells > 1 else 0
    name = "icosahedron" + (" without its centre" if vacancies else "")
    return SiteLattice(name, sites, max(core - vacancies, 0), spread=0.5 * shells)


@lru_cache(maxsize=16)
def _overlayer(shells: int, complete: int) -> SiteLattice:
    """Return an icosahedron with all sites of both overlayers, and those over its vertices.

    The first `complete` shells have no vacancies.
    """
    core = mackay_icosahedron(_ANY, shells, 1.0).positions
    away = np.linalg.norm(core, axis=1)
    vertices = core[away > away.max() - 1e-6]
    caps = vertices * (1 + 1 / away.max())
    first = np.concatenate([adatom_sites(core, 1.0), caps])
    second = adatom_sites(np.concatenate([core, first]), 1.0)
    second = second[np.linalg.norm(second, axis=1) < np.linalg.norm(first, axis=1).max() + 0.8]
    sites = np.concatenate([core, _distinct(np.concatenate([first, second]))])
    fixed = mackay_size(complete)
    return SiteLattice("icosahedron with an overlayer", sites, fixed, spread=0.5 * shells + 0.5)


@lru_cache(maxsize=64)
def _decahedral_sites(rows: int, offset: float, height: float) -> Floats:
    """Return the sites of a large decahedron about a point off the axis and along it."""
    sites = marks_decahedron(_ANY, rows, rows, 0, 1.0).positions
    # An atom of the axis is at the centre.
    axis = sites[np.linalg.norm(sites[:, :2], axis=1) < 1e-6]
    middle = axis[np.abs(axis[:, 2]).argmin()]
    centre = middle + off_axis(sites, offset, height)
    return np.asarray(sites - centre)


@lru_cache(maxsize=64)
def _stacked_sites(stacking: str, reach: int) -> Floats:
    """Return the sites of close-packed layers about an atom, or a hollow, in their middle."""
    layers = ["ABC".index(letter) for letter in stacking]
    middle = (len(layers) - 1) / 2
    centre = np.array([0, 0, middle * sqrt(2 / 3)]) + layers[int(middle)] * LAYER_SHIFT
    return np.asarray(stacked_sites(layers, reach) - centre)


@lru_cache(maxsize=8)
def _tetrahedral_sites(edge: int) -> Floats:
    """Return the sites of an fcc tetrahedron with tetrahedra on its faces and two overlayers."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / sqrt(8)
    # Barycentric coordinates of the atoms, as whole numbers.
    weights = [w for w in np.ndindex(edge, edge, edge, edge) if sum(w) == edge - 1]
    inner = np.array(weights) @ corners
    sites = inner
    for corner in corners:
        # The twin beyond the face opposite to a corner, which is its mirror plane.
        normal = -corner / np.linalg.norm(corner)
        height = inner @ normal
        mirrored = inner + 2 * (height.max() - height)[:, None] * normal
        sites = _distinct(np.concatenate([sites, mirrored]))
    for _ in range(2):
        sites = _distinct(np.concatenate([sites, adatom_sites(sites, 1.0)]))
    return _nearest(sites, len(sites))


def _distinct(sites: Floats) -> Floats:
    """Return the sites without those that lie nearly on one before them."""
    first = [min(same) for same in cKDTree(sites).query_ball_point(sites, _SAME)]
    return np.asarray(sites[np.unique(first)])
