"""Superposition of a cluster on another or on itself: point groups and their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Permutation = tuple[int, ...]

#: An operation is guessed from two atoms; all atoms must then lie this many tolerances off at most,
#: before it is fitted to them all.
_GUESS = 4.0


@dataclass(frozen=True)
class Operation:
    """A rotation, proper or not, about the centroid.

    Attributes
    ----------
    matrix
        Orthogonal, (3, 3).
    permutation
        Atom ``i`` comes to where atom ``permutation[i]`` is.
    misfit
        Largest distance of an atom from there, Å.
    """

    matrix: Floats
    permutation: Permutation
    misfit: float

    @property
    def is_proper(self) -> bool:
        """Whether it is a rotation without reflection."""
        return bool(np.linalg.det(self.matrix) > 0)

    @property
    def order(self) -> int:
        """Number of repetitions that map every atom to itself."""
        seen, order = [False] * len(self.permutation), 1
        for start in range(len(seen)):
            place, length = start, 0
            while not seen[place]:
                seen[place] = True
                place, length = self.permutation[place], length + 1
            order = lcm(order, length) if length else order
        return order

    @property
    def is_mirror(self) -> bool:
        """Whether it reflects in a plane."""
        return not self.is_proper and bool(abs(np.trace(self.matrix) - 1) < 0.1)


def symmetry_operations(
    positions: Floats, numbers: NDArray[np.int64], tolerance: float
) -> list[Operation]:
    """Return all operations that map a cluster on itself; they form a group.

    Where shaken atoms leave a set of :func:`superpositions` that is no group, the operations that
    fit worst are left out until it is one.

    Parameters
    ----------
    positions, numbers
        Å, shape (N, 3), and atomic numbers, shape (N,); not all in one plane.
    tolerance
        How far an atom may be from the image of another (Å).

    Raises
    ------
    ValueError
        If the atoms lie in a plane, where the positions do not determine an operation.
    """
    centred = positions - positions.mean(axis=0)
    if len(centred) < 4 or np.linalg.svd(centred, compute_uv=False)[2] < tolerance:
        raise ValueError("the atoms lie in a plane")
    found = {
        operation.permutation: operation
        for operation in superpositions(positions, numbers, positions, numbers, tolerance)
    }
    return _closed(list(found.values()))


def superpositions(
    positions: Floats,
    numbers: NDArray[np.int64],
    target: Floats,
    target_numbers: NDArray[np.int64],
    tolerance: float,
) -> Iterator[Operation]:
    """Yield the operations that superpose a cluster on another of the same number of atoms.

    Two atoms that few others resemble fix an operation, but for a reflection, by where they go: all
    pairs of atoms they may go to are tried, each guess is fitted to all atoms (Kabsch) and kept if
    every atom meets one of its kind.

    Parameters
    ----------
    positions, numbers
        Of the cluster that is moved: Å, shape (N, 3), and atomic numbers, shape (N,).
    target, target_numbers
        Those of the cluster on which it is superposed. Neither may be linear.
    tolerance
        How far an atom may be from its partner (Å).
    """
    one = positions - positions.mean(axis=0)
    other = target - target.mean(axis=0)
    first, second = _anchors(one, numbers, tolerance)
    tree = cKDTree(other)
    axes = _frame(one[first], one[second], 1.0).T
    for a, b in _images(one, numbers, first, second, other, target_numbers, tolerance):
        for sign in (1.0, -1.0):
            guess = _frame(other[a], other[b], sign) @ axes
            operation = _fit(guess, one, numbers, other, target_numbers, tree, tolerance)
            if operation is not None:
                yield operation


def _anchors(centred: Floats, numbers: NDArray[np.int64], tolerance: float) -> tuple[int, int]:
    """Return two atoms, far apart as seen from the centroid, that few others resemble."""
    radii = np.linalg.norm(centred, axis=1)
    alike = np.array(
        [
            (_alike(radii, radius, tolerance) & (numbers == z)).sum()
            for radius, z in zip(radii, numbers, strict=True)
        ]
    )
    outer = radii > 0.5 * radii.max()  # directions of inner atoms are less certain
    first = int(np.lexsort((-radii, alike, ~outer))[0])
    sine = np.linalg.norm(np.cross(centred, centred[first]), axis=1) / (
        np.maximum(radii, 1e-9) * radii[first]
    )
    apart = outer & (sine > 0.3)
    if not apart.any():
        apart = sine * radii >= np.max(sine * radii) - 1e-9
    return first, int(np.lexsort((-radii, alike, ~apart))[0])


def _alike(radii: Floats, radius: float, tolerance: float) -> NDArray[np.bool_]:
    return np.abs(radii - radius) <= 2 * tolerance


def _images(
    one: Floats,
    numbers: NDArray[np.int64],
    first: int,
    second: int,
    other: Floats,
    other_numbers: NDArray[np.int64],
    tolerance: float,
) -> NDArray[np.int64]:
    """Return the pairs of atoms, (P, 2), that are as far apart as the anchors, and as far out."""
    radii = np.linalg.norm(other, axis=1)
    chosen = [
        np.flatnonzero(
            _alike(radii, float(np.linalg.norm(one[anchor])), tolerance)
            & (other_numbers == numbers[anchor])
        )
        for anchor in (first, second)
    ]
    between = np.linalg.norm(other[chosen[0]][:, None] - other[chosen[1]][None], axis=2)
    expected = np.linalg.norm(one[first] - one[second])
    i, j = np.nonzero((np.abs(between - expected) <= 2 * tolerance) & (between > 0))
    pairs = np.stack([chosen[0][i], chosen[1][j]], axis=1)
    crossed = np.linalg.norm(np.cross(other[pairs[:, 0]], other[pairs[:, 1]]), axis=1)
    return np.asarray(pairs[crossed > 1e-9])


def _frame(a: Floats, b: Floats, sign: float) -> Floats:
    """Return the axes (columns) that two directions span."""
    x = a / np.linalg.norm(a)
    z = np.cross(a, b)
    z = z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), sign * z], axis=1)


def _fit(
    guess: Floats,
    one: Floats,
    numbers: NDArray[np.int64],
    other: Floats,
    other_numbers: NDArray[np.int64],
    tree: cKDTree,
    tolerance: float,
) -> Operation | None:
    """Return the operation nearest to a guess, or None."""
    matrix = guess
    for reach in (_GUESS * tolerance, tolerance):
        distances, partners = tree.query(one @ matrix.T, distance_upper_bound=reach)
        if not np.isfinite(distances).all() or len(np.unique(partners)) < len(partners):
            return None
        if (other_numbers[partners] != numbers).any():
            return None
        u, _, vt = np.linalg.svd(other[partners].T @ one)
        reflection = np.sign(np.linalg.det(u @ vt) * np.linalg.det(guess))
        matrix = u @ np.diag([1.0, 1.0, reflection]) @ vt
    return Operation(matrix, tuple(partners.tolist()), float(distances.max()))


def _closed(operations: list[Operation]) -> list[Operation]:
    """Leave out the operations that fit worst until the rest are a group."""
    kept = sorted(operations, key=lambda o: o.misfit)
    while True:
        permutations = np.array([o.permutation for o in kept])
        known = {row.tobytes() for row in permutations}
        if all(row.tobytes() in known for one in permutations for row in one[permutations]):
            return kept
        kept.pop()


def schoenflies(operations: list[Operation]) -> str:
    """Return the Schoenflies symbol of a finite point group, such as ``Ih`` or ``D5h``."""
    proper = [o for o in operations if o.is_proper]
    order, fold = len(proper), max(o.order for o in proper)
    mirrors = sum(o.is_mirror for o in operations)
    achiral = len(operations) > order
    if (order, fold) in ((12, 3), (24, 4), (60, 5)):
        name = {12: "T", 24: "O", 60: "I"}[order]
        if not achiral:
            return name
        return "Td" if name == "T" and mirrors == 6 else f"{name}h"
    if order == fold:
        return _cyclic(fold, mirrors, achiral)
    plain = f"D{fold}"
    if not achiral:
        return plain
    return f"{plain}h" if mirrors == fold + 1 else f"{plain}d"


def _cyclic(fold: int, mirrors: int, achiral: bool) -> str:
    if not achiral:
        return f"C{fold}"
    if fold == 1:
        return "Cs" if mirrors else "Ci"
    if mirrors == 0:
        return f"S{2 * fold}"
    return f"C{fold}h" if mirrors == 1 else f"C{fold}v"
