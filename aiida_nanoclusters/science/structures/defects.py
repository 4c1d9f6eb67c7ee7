"""Clusters with defects: icosahedra without a centre or with rosettes, twins, islands, off axes.

Every builder of :data:`DEFECTIVE` returns a cluster of exactly the size that is asked for; the seed
chooses its shape, where it is cut and which atoms of its surface have moved, so that many different
structures of one kind can be built. The kinds are those that E. Telari et al., ACS Nano 17, 21287
(2023) tell apart in gold and silver.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from aiida_nanoclusters.science.structures.icosahedra import (
    incomplete_icosahedron,
    mackay_icosahedron,
    mackay_size,
)
from aiida_nanoclusters.science.structures.lattice_cuts import (
    off_centre_decahedron,
    stacked_cluster,
)
from aiida_nanoclusters.science.structures.shells import bond_length, centred

Floats = npt.NDArray[np.float64]
Random = np.random.Generator
Builder = Callable[[str, int, float, Random], Atoms]

#: Largest number of atoms of a surface that move to another place.
_MOVES = 4
#: Standard deviation of the displacements that make a cluster disordered, in bond lengths.
_SHAKE = 0.35


def adatom_sites(positions: Floats, distance: float) -> Floats:
    """Return the hollows of a surface, shape (H, 3): a bond from three atoms and none nearer.

    Those of the two stackings of a close-packed facet, and of square facets.

    Parameters
    ----------
    positions
        Å, shape (N, 3).
    distance
        Bond length (Å).
    """
    tree = cKDTree(positions)
    pairs = tree.query_pairs(1.2 * distance, output_type="ndarray")
    surface = np.bincount(pairs.ravel(), minlength=len(positions)) < 12
    outer = positions[surface]
    gaps = cdist(outer, outer)
    near = np.triu(gaps < 1.45 * distance, 1)
    i, j = np.nonzero(near)
    edge, k = np.nonzero(near[i] & near[j])
    i, j = i[edge], j[edge]
    bonds = (np.stack([gaps[i, j], gaps[i, k], gaps[j, k]]) < 1.2 * distance).sum(axis=0)
    corners = outer[np.stack([i, j, k], axis=1)[bonds >= 2]]
    sites = _apexes(corners, distance)
    sites = sites[tree.query(sites)[0] > 0.92 * distance]
    # A hollow on a square is an apex of four triangles.
    first = [min(same) for same in cKDTree(sites).query_ball_point(sites, 0.2 * distance)]
    return np.asarray(sites[np.unique(np.array(first, dtype=int))])


def _apexes(corners: Floats, distance: float) -> Floats:
    """Return the points at a distance from all corners of triangles (T, 3, 3), shape (P, 3)."""
    a = corners[:, 0]
    u, v = corners[:, 1] - a, corners[:, 2] - a
    normal = np.cross(u, v)
    area = (normal**2).sum(axis=1, keepdims=True)
    across = (u**2).sum(axis=1)[:, None] * v - (v**2).sum(axis=1)[:, None] * u
    to_centre = np.cross(across, normal) / (2 * area)
    rest = distance**2 - (to_centre**2).sum(axis=1, keepdims=True)
    up = np.sqrt(np.maximum(rest, 0) / area) * normal
    good = rest[:, 0] > 0
    return np.asarray(np.concatenate([(a + to_centre + up)[good], (a + to_centre - up)[good]]))


def move_surface_atoms(atoms: Atoms, count: int, distance: float, rng: Random) -> Atoms:
    """Move `count` of the least bound atoms to hollows elsewhere on the surface.

    Parameters
    ----------
    atoms
        Cluster; left untouched.
    count
        Number of atoms.
    distance
        Bond length (Å).
    rng
        Chooses among atoms with up to one neighbour more than the least bound one, and among all
        hollows.
    """
    positions = atoms.positions.copy()
    for _ in range(count):
        pairs = cKDTree(positions).query_pairs(1.2 * distance, output_type="ndarray")
        bonds = np.bincount(pairs.ravel(), minlength=len(positions))
        bonds[bonds <= 4] = 99  # what was moved before stays
        leaving = int(rng.choice(np.flatnonzero(bonds <= bonds.min() + 1)))
        left = np.delete(positions, leaving, axis=0)
        hollows = adatom_sites(left, distance)
        away = np.linalg.norm(hollows - positions[leaving], axis=1) > 1.2 * distance
        positions = np.concatenate([left, hollows[[int(rng.choice(np.flatnonzero(away)))]]])
    return centred(atoms.get_chemical_symbols()[0], positions)


def rosettes(atoms: Atoms, count: int, distance: float, rng: Random) -> Atoms:
    """Push `count` vertices of an icosahedron into the rings of five atoms around them.

    Each ring becomes one of six about a hollow: E. Apra, F. Baletto, R. Ferrando and A. Fortunelli,
    Phys. Rev. Lett. 93, 065502 (2004).

    Raises
    ------
    ValueError
        If the cluster has fewer complete vertices.
    """
    positions = atoms.positions.copy()
    neighbours = cKDTree(positions).query_ball_point(positions, 1.2 * distance)
    radii = np.linalg.norm(positions, axis=1)
    vertices = []
    for vertex, near in enumerate(neighbours):
        ring = [k for k in near if k != vertex and radii[k] > 0.8 * radii[vertex]]
        if len(near) == 7 and len(ring) == 5:  # itself, the ring and the atom below
            vertices.append((vertex, ring))
    if len(vertices) < count:
        raise ValueError(f"{count} rosettes need as many complete vertices; {len(vertices)} found")
    for chosen in rng.permutation(len(vertices))[:count]:
        vertex, ring = vertices[chosen]
        up = positions[vertex] / np.linalg.norm(positions[vertex])
        side = np.cross(up, positions[ring[0]])
        side /= np.linalg.norm(side)
        level = float((positions[ring] @ up).mean())
        turn = rng.uniform(0, np.pi / 3) + np.arange(6) * np.pi / 3
        across = np.outer(np.cos(turn), side) + np.outer(np.sin(turn), np.cross(up, side))
        positions[[*ring, vertex]] = level * up + distance * across
    return centred(atoms.get_chemical_symbols()[0], positions)


def _icosahedron(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    """Build one whose outer shell lacks atoms, vertices where that is enough; centre first."""
    shells = next(k for k in range(1, size) if mackay_size(k) >= size)
    atoms = mackay_icosahedron(symbol, shells, distance)
    missing = len(atoms) - size
    if missing > 12:
        atoms = incomplete_icosahedron(symbol, size, distance)
        atoms.positions -= atoms.positions[0]
        return atoms
    pairs = cKDTree(atoms.positions).query_pairs(1.2 * distance, output_type="ndarray")
    vertices = np.flatnonzero(np.bincount(pairs.ravel()) == 6)
    del atoms[rng.permutation(vertices)[:missing].tolist()]
    return atoms


def _central_vacancy(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    atoms = _icosahedron(symbol, size + 1, distance, rng)
    del atoms[0]
    return atoms


def _rosettes(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    atoms = _icosahedron(symbol, size, distance, rng)
    return rosettes(atoms, int(rng.integers(2, 5)), distance, rng)


def _decahedron(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    height = rng.uniform(0, 0.5)
    return _roughened(
        off_centre_decahedron(symbol, size, rng.uniform(0, 0.2), distance, height), distance, rng
    )


def _off_axis(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    offset = rng.uniform(0.3, 0.5) * _radius(size)
    height = rng.uniform(0, 0.5)
    return _roughened(off_centre_decahedron(symbol, size, offset, distance, height), distance, rng)


def _converging(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    offset = rng.uniform(0.7, 0.85) * _radius(size)
    height = rng.uniform(0, 0.5)
    return _roughened(off_centre_decahedron(symbol, size, offset, distance, height), distance, rng)


def _stacked(kind: Callable[[int, Random], str]) -> Builder:
    """Return the builder of clusters whose layers a function orders, given how many there are."""

    def build(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
        layers = max(5, round(2 * _radius(size) / np.sqrt(2 / 3)) - 1 + int(rng.integers(2)))
        centre = (*rng.uniform(-0.5, 0.5, size=2).tolist(), 0.0)
        atoms = stacked_cluster(symbol, kind(layers, rng), size, distance, centre)
        return _roughened(atoms, distance, rng)

    return build


def _letters(turns: list[bool]) -> str:
    """Write layers as letters; at a turn the order ABC is reversed (an hcp layer)."""
    place, step, letters = 0, 1, ["A"]
    for turn in [*turns, False]:
        place = (place + step) % 3
        letters.append("ABC"[place])
        step = -step if turn else step
    return "".join(letters)


def _turns(layers: int, *hcp: int) -> str:
    """Return the stacking of `layers` layers of which those with these indices are hcp."""
    return _letters([k in hcp for k in range(1, layers - 1)])[:layers]


def _one_twin(layers: int, rng: Random) -> str:
    return _turns(layers, int(rng.integers(2, layers - 2)))


def _parallel_twins(layers: int, rng: Random) -> str:
    layers = max(layers, 7)
    first = int(rng.integers(2, layers - 4))
    return _turns(layers, first, first + 2)


def _roughened(atoms: Atoms, distance: float, rng: Random) -> Atoms:
    return move_surface_atoms(atoms, int(rng.integers(_MOVES + 1)), distance, rng)


def _radius(size: int) -> float:
    """Return the radius of a ball of the crystal with that many atoms, in bond lengths."""
    return float((3 * size / (4 * np.pi * np.sqrt(2))) ** (1 / 3))


def _disordered(symbol: str, size: int, distance: float, rng: Random) -> Atoms:
    """Shake an icosahedron until nothing of it is left: relaxed, it is amorphous."""
    atoms = incomplete_icosahedron(symbol, size, distance)
    atoms.positions += rng.normal(scale=_SHAKE * distance, size=(size, 3))
    return centred(symbol, atoms.positions)


#: Builders by the name of the kind.
DEFECTIVE: dict[str, Builder] = {
    "icosahedron": _icosahedron,
    "icosahedron without its centre": _central_vacancy,
    "icosahedron with rosettes": _rosettes,
    "decahedron": _decahedron,
    "decahedron with its axis off the centre": _off_axis,
    "fcc": _stacked(lambda layers, rng: _turns(layers)),
    "one twin plane": _stacked(_one_twin),
    "two parallel twin planes": _stacked(_parallel_twins),
    "two converging twin planes": _converging,
    "hcp island": _stacked(lambda layers, rng: _turns(layers, 1)),
    "hcp": _stacked(lambda layers, rng: _turns(layers, *range(layers))),
    "disordered": _disordered,
}


def defective_cluster(
    symbol: str, kind: str, size: int, seed: int, distance: float | None = None
) -> Atoms:
    """Build a cluster of a kind of :data:`DEFECTIVE`; relax it before use.

    Parameters
    ----------
    symbol
        Chemical symbol.
    kind
        Name of the kind.
    size
        Number of atoms, at least 30.
    seed
        Chooses the structure among those of the kind.
    distance
        Bond length (Å); the crystal's by default.

    Raises
    ------
    ValueError
        If the kind is unknown or the size too small.

    Examples
    --------
    >>> len(defective_cluster("Au", "one twin plane", 147, seed=1))
    147
    """
    if kind not in DEFECTIVE:
        raise ValueError(f"unknown kind {kind!r}: choose from {', '.join(DEFECTIVE)}")
    if size < 30:
        raise ValueError(f"{size} atoms have no room for a defect inside: give at least 30")
    rng = np.random.default_rng(seed)
    atoms = DEFECTIVE[kind](symbol, size, bond_length(symbol, distance), rng)
    atoms.info.update(seed=seed, kind=kind)
    return atoms
