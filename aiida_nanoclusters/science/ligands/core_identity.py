"""Whether two inorganic cores are one: the same elements in the same three-dimensional arrangement.

A core relaxes a little under each ligand shell and at each level of theory, so that its atoms are
compared within a tolerance: no atom may be farther from its counterpart, and all together, as the
root mean square, not farther than a third of it.

In 24 pairs of gold, silver and alloyed cores that are known to be the same, relaxed with different
ligands, the farthest atom is 0.1 to 0.7 Å off, 1.1 Å in Au133, and the root mean square is 0.4 Å at
most. In 19 pairs of equal composition that differ (Au38Q and Au38T, a dopant at another place,
isomers of Au24, Au28, Au44 and Au52) both are far larger: 2.3 Å and 0.8 Å at least. An icosahedron
and a cuboctahedron of 13 gold atoms are 0.6 Å apart in the root mean square, a square and a rhombus
of four 0.5 Å; neighbouring hollow sites of a surface of copper are 1.5 Å apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from aiida_nanoclusters.science.structures.molecules import METALS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: How far an atom may be from its counterpart (Å); all of them together, this share of it.
TOLERANCE = 1.2
_TOGETHER = 1 / 3
#: Largest root mean square difference of the distances that counterparts see, in tolerances: 0.17 Å
#: at most where the cores are the same, 0.38 Å or more where they differ.
_ALIKE = 0.3
#: The same of a single atom that may be the counterpart of another; 0.48 Å at most.
_COUNTERPART = 1 / 2
#: Distances to each element that describe an atom; evenly taken from the sorted ones.
_DISTANCES = 64
#: Pairs of atoms that fix a rotation by where they go, places that are tried for each, rotations
#: that are fitted of each, and steps of a fit, at most.
_ANCHORS, _MOST_PLACES, _MOST_FITS, _MOST_STEPS = 3, 100, 4, 20
#: Root mean square distance of the atoms from others of their kind after such a rotation, in
#: tolerances; 0.37 Å where same cores are fitted.
_NEAR = 0.6
#: Radius of a skeleton (root mean square, Å) is this times the cube root of its number of atoms.
_SKELETON_RADIUS = 1.6
#: Tolerance of skeletons, in that of cores: 0.6 Å apart in the root mean square where gold, silver
#: and doped cores of 25 atoms have the same, 1.8 Å or more where they have not.
_SKELETON_REACH = 1.5
_METALS = np.isin(np.arange(119), [atomic_numbers[symbol] for symbol in METALS])


@dataclass(frozen=True, eq=False)
class _Shape:
    """A core prepared for comparison.

    Attributes
    ----------
    kinds
        Atomic numbers, or 0 for every metal of a skeleton, shape (N,).
    positions
        Å from the centroid, (N, 3).
    profiles
        Sorted distances of each atom from those of each kind, Å, (N, D).
    pooled
        Sorted distances of all atoms together, Å, (64,).
    """

    kinds: Ints
    positions: Floats
    profiles: Floats
    pooled: Floats

    @classmethod
    def of(cls, atoms: Atoms, skeleton: bool) -> _Shape:
        kinds = np.asarray(atoms.numbers, dtype=np.int64)
        positions = atoms.positions - atoms.positions.mean(axis=0)
        if skeleton:
            kinds = np.where(_METALS[kinds], 0, kinds)
            radius = float(np.sqrt(np.mean(np.sum(positions**2, axis=1))))
            positions *= _SKELETON_RADIUS * np.cbrt(len(kinds)) / max(radius, 1e-6)
        distances = cdist(positions, positions)
        blocks = []
        for kind in np.unique(kinds):
            block = np.sort(distances[:, kinds == kind], axis=1)
            taken = np.linspace(0, block.shape[1] - 1, min(block.shape[1], _DISTANCES))
            blocks.append(block[:, np.round(taken).astype(int)])
        every = np.sort(distances, axis=None)
        pooled = every[np.round(np.linspace(0, every.size - 1, _DISTANCES)).astype(int)]
        return cls(kinds, positions, np.concatenate(blocks, axis=1), pooled)

    @property
    def composition(self) -> bytes:
        """Equal where two cores have equally many atoms of each kind."""
        return np.sort(self.kinds).tobytes()


def same_core(a: Atoms, b: Atoms, tolerance: float = TOLERANCE) -> bool:
    """Return whether two cores are the same; mirror images are.

    The atoms must have the same elements, and a rotation, proper or not, must bring every atom
    within the tolerance of its counterpart, and the root mean square within a third of it.

    Parameters
    ----------
    a, b
        Cores without ligands; their cells are ignored.
    tolerance
        How far an atom may be from its counterpart, Å.
    """
    return core_deviation(a, b, tolerance) is not None


def core_deviation(a: Atoms, b: Atoms, tolerance: float = TOLERANCE) -> float | None:
    """Return how far the atom that differs most is off its counterpart (Å), or None.

    None stands for cores that are not the same. The deviation is that of the first superposition
    within the tolerance; each is fitted to the smallest sum of squares.
    """
    return _deviation(_Shape.of(a, False), _Shape.of(b, False), tolerance, tolerance)


def same_skeleton(a: Atoms, b: Atoms, tolerance: float = TOLERANCE) -> bool:
    """Return whether two cores have the same arrangement, whichever metals they are made of.

    All metals count as one, other elements as themselves; both cores are scaled to one size. The
    tolerance is half as large again as that of the same core.
    """
    reach = _SKELETON_REACH * tolerance
    return _deviation(_Shape.of(a, True), _Shape.of(b, True), tolerance, reach) is not None


def core_classes(
    cores: Sequence[Atoms], tolerance: float = TOLERANCE, skeleton: bool = False
) -> Ints:
    """Return the class of each core, (C,): equal for the same cores, numbered as they appear.

    Each core is compared with the first of every class.

    Parameters
    ----------
    cores
        In the order that counts.
    tolerance
        How far an atom may be from its counterpart, Å.
    skeleton
        Compare by :func:`same_skeleton`.
    """
    known: dict[bytes, list[tuple[int, _Shape]]] = {}
    classes = np.zeros(len(cores), dtype=np.int64)
    reach = _SKELETON_REACH * tolerance if skeleton else tolerance
    count = 0
    for k, atoms in enumerate(cores):
        shape = _Shape.of(atoms, skeleton)
        own = known.setdefault(shape.composition, [])
        for place in _alike(own, shape, tolerance):
            number, other = own[place]
            if _deviation(other, shape, tolerance, reach) is not None:
                classes[k] = number
                break
        else:
            classes[k] = count
            own.append((count, shape))
            count += 1
    return classes


def _alike(known: Sequence[tuple[int, _Shape]], shape: _Shape, tolerance: float) -> Ints:
    """Return the places of shapes that have nearly the same distances, whoever has them."""
    if not known:
        return np.zeros(0, dtype=np.int64)
    off = np.array([other.pooled for _, other in known]) - shape.pooled
    return np.flatnonzero(np.sqrt(np.mean(off**2, axis=1)) <= _ALIKE * tolerance)


def count_metals(atoms: Atoms) -> int:
    """Return the nuclearity of a core: how many metal atoms it has."""
    return int(_METALS[atoms.numbers].sum())


def _deviation(a: _Shape, b: _Shape, tolerance: float, reach: float) -> float | None:
    """Return the largest deviation (Å) of cores with like distances, None beyond the reach."""
    if len(a.kinds) != len(b.kinds) or a.composition != b.composition:
        return None
    if len(a.kinds) == 1:
        return 0.0
    costs = cdist(a.profiles, b.profiles) / np.sqrt(a.profiles.shape[1])
    partners = _assign(costs**2, a.kinds, b.kinds)
    alike = costs[np.arange(len(partners)), partners]
    if np.sqrt(np.mean(alike**2)) > _ALIKE * tolerance:
        return None
    for matrix in _guesses(a, b, partners, costs, tolerance):
        off = _fit(a, b, matrix)
        if off.max() <= reach and np.sqrt(np.mean(off**2)) <= _TOGETHER * reach:
            return float(off.max())
    return None


def _guesses(
    a: _Shape, b: _Shape, partners: Ints, costs: Floats, tolerance: float
) -> Iterator[Floats]:
    """Yield rotations to start from, proper and not, the likely ones first.

    First those by which like atoms come together, which suffice where few atoms are alike. Then
    pairs of atoms are taken to all places that they may have, and the rotations are yielded after
    which the atoms are nearest to others of their kind.
    """
    for sign in (1.0, -1.0):
        yield _rotations(a.positions, b.positions[partners], sign)
    possible = (costs <= _COUNTERPART * tolerance) & (a.kinds[:, None] == b.kinds)
    trees = {int(k): cKDTree(b.positions[b.kinds == k]) for k in np.unique(b.kinds)}
    for first, second in _anchors(a, possible.sum(axis=1)):
        places = _places(a, b, first, second, possible, costs, tolerance)
        if not len(places):
            continue
        moved = np.broadcast_to(a.positions[[first, second]], (len(places), 2, 3))
        matrices = np.concatenate(
            [_rotations(moved, b.positions[places], sign) for sign in (1.0, -1.0)]
        )
        nearest = np.zeros(len(matrices))
        for kind, tree in trees.items():
            own = a.positions[a.kinds == kind] @ np.swapaxes(matrices, 1, 2)
            nearest += np.sum(tree.query(own)[0] ** 2, axis=1)
        near = np.sqrt(nearest / len(a.kinds)) <= _NEAR * tolerance
        order = np.argsort(nearest, kind="stable")[:_MOST_FITS]
        yield from matrices[order[near[order]]]


def _anchors(a: _Shape, alike: Ints) -> Iterator[tuple[int, int]]:
    """Yield pairs of atoms far from the centroid, in other directions, that few others resemble."""
    radii = np.linalg.norm(a.positions, axis=1)
    outer = np.flatnonzero(radii > 0.5 * radii.max())
    order = outer[np.lexsort((-radii[outer], alike[outer]))]
    for first in order[:_ANCHORS]:
        across = np.linalg.norm(np.cross(a.positions[order], a.positions[first]), axis=1)
        apart = order[across > 0.3 * radii[order] * radii[first]]
        if len(apart):
            yield int(first), int(apart[0])


def _places(
    a: _Shape,
    b: _Shape,
    first: int,
    second: int,
    possible: NDArray[np.bool_],
    costs: Floats,
    tolerance: float,
) -> Ints:
    """Return the pairs of atoms to which two may go, the likely ones first, shape (P, 2)."""
    i, j = np.flatnonzero(possible[first]), np.flatnonzero(possible[second])
    wanted = np.linalg.norm(a.positions[first] - a.positions[second])
    off = np.abs(cdist(b.positions[i], b.positions[j]) - wanted)
    rows, columns = np.nonzero(off <= 2 * tolerance)
    likely = costs[first, i[rows]] + costs[second, j[columns]] + off[rows, columns]
    order = np.argsort(likely, kind="stable")[:_MOST_PLACES]
    return np.stack([i[rows[order]], j[columns[order]]], axis=1)


def _fit(a: _Shape, b: _Shape, matrix: Floats) -> Floats:
    """Return how far atoms are off (Å), (N,), once counterparts and rotation agree."""
    sign, partners = float(np.sign(np.linalg.det(matrix))), None
    for _ in range(_MOST_STEPS):
        squares = cdist(a.positions @ matrix.T, b.positions) ** 2
        found = _assign(squares, a.kinds, b.kinds)
        if partners is not None and (found == partners).all():
            break
        partners = found
        matrix = _rotations(a.positions, b.positions[partners], sign)
    return np.asarray(np.linalg.norm(a.positions @ matrix.T - b.positions[partners], axis=1))


def _assign(costs: Floats, kinds: Ints, others: Ints) -> Ints:
    """Return the counterpart of each atom, of its own kind, with the smallest sum of costs."""
    partners = np.zeros(len(kinds), dtype=np.int64)
    for kind in np.unique(kinds):
        own, its = np.flatnonzero(kinds == kind), np.flatnonzero(others == kind)
        partners[own] = its[linear_sum_assignment(costs[np.ix_(own, its)])[1]]
    return partners


def _rotations(moved: Floats, target: Floats, sign: float) -> Floats:
    """Return the rotations, proper for a sign of 1, that bring positions nearest to others.

    W. Kabsch, Acta Cryst. A 32, 922 (1976). Both have the shape (..., N, 3).
    """
    u, _, vt = np.linalg.svd(np.swapaxes(target, -1, -2) @ moved)
    u[..., :, 2] *= (sign * np.sign(np.linalg.det(u @ vt)))[..., None]
    return np.asarray(u @ vt)
