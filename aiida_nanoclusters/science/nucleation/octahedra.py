"""How closely six metal atoms are an octahedron, and which six of more are closest to one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.nucleation.assembly_settings import LinkSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Atoms of an octahedron.
CORNERS = 6
#: Largest cluster of which all sets of six atoms are compared: 924 of them.
_ALL_SETS = 12


@dataclass(frozen=True)
class OctahedronMatch:
    """How closely six atoms are an octahedron.

    Attributes
    ----------
    rmsd
        Å, after the best translation, rotation and scale.
    edge
        Mean length of the edges, Å.
    broken
        Edges longer than the distance of linked atoms, of twelve.
    """

    rmsd: float
    edge: float
    broken: int


def match_octahedron(
    atoms: Atoms, members: Iterable[int], settings: LinkSettings | None = None
) -> OctahedronMatch:
    """Return how closely six atoms of a structure are the corners of a regular octahedron.

    The 15 ways to make three opposite pairs of them are all tried; the nearest images count.

    Raises
    ------
    ValueError
        If there are not six atoms.
    """
    indices = sorted(members)
    if len(indices) != CORNERS:
        raise ValueError(f"{len(indices)} atoms are no octahedron, six are")
    apart = atoms.positions[indices] - atoms.positions[indices[0]]
    places, _ = find_mic(apart, atoms.cell, atoms.pbc)
    return _match(places, settings)


def best_octahedron(
    places: Floats, settings: LinkSettings | None = None
) -> tuple[tuple[int, ...], OctahedronMatch]:
    """Return the six of some atoms that are closest to a regular octahedron, and how close.

    Of up to twelve atoms all sets of six are compared. Of more, the candidates are the six atoms
    that are nearest to the middle of any two, as the middle of an octahedron is that of its three
    diagonals and no other atom is nearer to it than its corners. Sets whose edges are longer than
    the distance of linked atoms, on average, count only where there are no others.

    Parameters
    ----------
    places
        Positions that do not lie across a boundary, (N, 3), Å.
    settings
        Default: silver.

    Raises
    ------
    ValueError
        If there are fewer than six atoms.
    """
    n = len(places)
    if n < CORNERS:
        raise ValueError(f"{n} atoms hold no octahedron, six at least do")
    own = settings or LinkSettings()
    if n <= _ALL_SETS:
        sets = np.array(list(combinations(range(n), CORNERS)))
    else:
        pairs = cKDTree(places).query_pairs(2.0 * own.metal_distance, output_type="ndarray")
        _, near = cKDTree(places).query(places[pairs].mean(axis=1), k=CORNERS)
        sets = np.unique(np.sort(np.atleast_2d(near), axis=1), axis=0)
    rmsd, pairing = _fit(places[sets])
    linked = _edges(places[sets], pairing).mean(axis=1) <= own.metal_distance
    best = sets[np.lexsort((rmsd, ~linked))[0]]
    return tuple(best.tolist()), _match(places[best], own)


def _match(places: Floats, settings: LinkSettings | None) -> OctahedronMatch:
    own = settings or LinkSettings()
    rmsd, pairing = _fit(places[None])
    edges = _edges(places[None], pairing)[0]
    broken = int((edges > own.metal_distance).sum())
    return OctahedronMatch(float(rmsd[0]), float(edges.mean()), broken)


def _pairings(left: tuple[int, ...]) -> Iterable[tuple[tuple[int, int], ...]]:
    if not left:
        yield ()
        return
    first, *others = left
    for partner in others:
        rest = tuple(k for k in others if k != partner)
        for more in _pairings(rest):
            yield ((first, partner), *more)


#: The ways to make three opposite pairs of six atoms, (15, 3, 2).
_PAIRINGS = np.array(list(_pairings(tuple(range(CORNERS)))))
#: The pairs that are edges where these are the opposite ones, (15, 12, 2).
_EDGES = np.array(
    [
        [pair for pair in combinations(range(CORNERS), 2) if pair not in opposite]
        for opposite in ([tuple(pair) for pair in pairs] for pairs in _PAIRINGS.tolist())
    ]
)


def _edges(places: Floats, pairing: Ints) -> Floats:
    """Return the lengths of the twelve edges of sets of six points, (K, 12), Å."""
    rows = np.arange(len(places))[:, None]
    first, second = _EDGES[pairing, :, 0], _EDGES[pairing, :, 1]
    return np.asarray(np.linalg.norm(places[rows, first] - places[rows, second], axis=-1))


def _fit(places: Floats) -> tuple[Floats, Ints]:
    """Return the rms distance of sets of six points from a scaled, turned or mirrored octahedron.

    Source: S. Umeyama, IEEE Trans. Pattern Anal. Mach. Intell. 13, 376 (1991), with reflections,
    which the octahedron does not mind. With its corners at plus and minus one on the axes, the
    product of points and model is the matrix of the three diagonals.

    Parameters
    ----------
    places
        (K, 6, 3), Å.

    Returns
    -------
    tuple
        The least rms distance over the pairings, Å, and its pairing, (K,) each.
    """
    centred = places - places.mean(axis=1, keepdims=True)
    diagonals = centred[:, _PAIRINGS[:, :, 0]] - centred[:, _PAIRINGS[:, :, 1]]  # (K, 15, 3, 3)
    singular = np.linalg.svd(diagonals, compute_uv=False).sum(axis=-1)
    rest = (centred**2).sum(axis=(1, 2))[:, None] - singular**2 / CORNERS
    best = np.argmin(rest, axis=1)
    least = np.maximum(rest[np.arange(len(rest)), best], 0.0)
    return np.sqrt(least / CORNERS), np.asarray(best)
