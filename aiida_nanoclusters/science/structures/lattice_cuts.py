"""Compact clusters of any size: stacked close-packed layers, and five twins about an axis.

The clusters are chosen as :func:`.incomplete_icosahedron` fills its shell: atoms move from the site
with the fewest neighbours to the vacant one with the most while that makes bonds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.sparse import coo_matrix
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.structures.decahedra import marks_decahedron
from aiida_nanoclusters.science.structures.shells import bond_length, centred

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Of a layer B from a layer A, in bond lengths.
LAYER_SHIFT: Floats = np.array([0.5, sqrt(3) / 6, 0])
#: Sites this much farther from the centre than a ball's surface are offered (bond lengths).
_SPARE = 2.0


def compact_cut(sites: Floats, size: int, centre: Floats, distance: float) -> Floats:
    """Choose `size` sites around a centre that have many bonds among each other.

    Parameters
    ----------
    sites
        Å, shape (S, 3).
    size
        Number of atoms.
    centre
        Å, shape (3,); of equal sites the nearer ones are taken.
    distance
        Bond length (Å).

    Returns
    -------
    numpy.ndarray, shape (size, 3)
        Sites (Å).

    Raises
    ------
    ValueError
        If there are fewer sites than atoms.
    """
    away = np.linalg.norm(sites - centre, axis=1)
    order = np.argsort(away, kind="stable")
    if size > len(sites):
        raise ValueError(f"{size} atoms do not fit on {len(sites)} sites: give more layers or rows")
    reach = away[order[size - 1]] + _SPARE * distance
    order = order[away[order] <= reach]
    sites, away = sites[order], away[order] / reach
    pairs = cKDTree(sites).query_pairs(1.2 * distance, output_type="ndarray")
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    ones = np.ones(len(ends), dtype=np.int64)
    bonded = coo_matrix((ones, (ends[:, 0], ends[:, 1])), shape=2 * (len(sites),)).tocsr()
    kept = np.zeros(len(sites), dtype=np.int64)
    kept[:size] = 1
    while not kept.all():
        bonds = bonded @ kept
        worth = bonds - 0.4 * away  # the nearer of equal sites
        loose = int(np.where(kept == 1, worth, np.inf).argmin())
        vacant = int(np.where(kept == 1, -np.inf, worth).argmax())
        if bonds[vacant] - bonded[loose, vacant] <= bonds[loose]:
            break
        kept[[loose, vacant]] = 0, 1
    return np.asarray(sites[kept == 1])


def stacked_cluster(
    symbol: str,
    stacking: str,
    size: int,
    distance: float | None = None,
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Atoms:
    """Build a compact cluster of close-packed layers in any order.

    ``'ABCABC'`` is fcc, ``'ABCABA'`` has an hcp island, ``'ABCBA'`` a twin plane in the middle,
    ``'ABABAB'`` is hcp.

    Parameters
    ----------
    symbol
        Chemical symbol.
    stacking
        Positions A, B, C of all layers along z.
    size
        Number of atoms.
    distance
        Bond length (Å); the crystal's by default.
    centre
        From the middle of the layers, in bond lengths: the cluster is the most compact around it.

    Raises
    ------
    ValueError
        If a letter is not A, B or C, or a layer lies on an equal one.
    """
    b = bond_length(symbol, distance)
    layers = ["ABC".find(letter) for letter in stacking]
    if not layers or -1 in layers:
        raise ValueError(f"stacking has letters A, B, C; got {stacking!r}")
    if any(here == there for here, there in pairwise(layers)):
        raise ValueError(f"stacking {stacking!r} puts a layer atop an equal one")
    reach = int(np.ceil(sqrt(size / len(layers)))) + 4
    sites = stacked_sites(layers, reach)
    middle = np.array([0, 0, (len(layers) - 1) / 2 * sqrt(2 / 3)])
    chosen = compact_cut(b * sites, size, b * (middle + np.array(centre)), b)
    return centred(symbol, chosen)


def stacked_sites(layers: Sequence[int], reach: int) -> Floats:
    """Return the sites of close-packed layers in bond lengths, shape (S, 3).

    Parameters
    ----------
    layers
        Position of each layer along z, 0 for A, 1 for B, 2 for C; the first lies at z = 0.
    reach
        Rows of atoms on either side of the first in each layer.
    """
    axis = np.arange(-reach, reach + 1)
    rows = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    first, second = np.array([1, 0, 0]), np.array([0.5, sqrt(3) / 2, 0])
    plane = rows[:, :1] * first + rows[:, 1:] * second
    shift, up = LAYER_SHIFT, np.array([0, 0, sqrt(2 / 3)])
    return np.concatenate([plane + layer * shift + k * up for k, layer in enumerate(layers)])


def off_axis(sites: Floats, offset: float, height: float) -> Floats:
    """Return a point off the axis of a decahedron, shape (3,), in bond lengths.

    Parameters
    ----------
    sites
        Of a complete decahedron about the origin, its axis along z, shape (S, 3).
    offset
        Distance from the axis, along the middle of a sector.
    height
        Along the axis.
    """
    # The outermost columns away from the axis are the corners, between two sectors' middles.
    across = sites[:, :2]
    corner = across[np.linalg.norm(across, axis=1).round(6).argmax()]
    angle = np.arctan2(corner[1], corner[0]) + np.pi / 5
    return np.array([offset * np.cos(angle), offset * np.sin(angle), height])


def off_centre_decahedron(
    symbol: str,
    size: int,
    offset: float = 0.0,
    distance: float | None = None,
    height: float = 0.0,
) -> Atoms:
    """Build a compact decahedron of any size whose axis may lie off its centre.

    Parameters
    ----------
    symbol
        Chemical symbol.
    size
        Number of atoms.
    offset
        Distance of the axis from the centre, along the middle of a sector, in bond lengths. Where
        the axis lies outside of the cluster, two converging twin planes are left.
    distance
        Midpoint of the two bond lengths (Å); the crystal's by default.
    height
        Of the centre along the axis, in bond lengths.

    Raises
    ------
    ValueError
        If the cluster does not fit around that centre.
    """
    b = bond_length(symbol, distance)
    rows = int(np.ceil(0.75 * size ** (1 / 3) + abs(offset))) + 3
    sites = marks_decahedron(symbol, rows, rows, 0, b).positions
    centre = b * off_axis(sites, offset, height)
    return centred(symbol, compact_cut(sites, size, centre, b))
