"""Moves of basin hopping: of all atoms, or of the most weakly bound ones."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers

Floats = NDArray[np.float64]

#: Random sites among which a relocated atom takes the one with most neighbours.
_LOOKS = 30
#: Atoms nearer than this many bond lengths are neighbours of a site.
_NEIGHBOUR = 1.3
#: An angular move moves at most this fraction of the atoms.
_LOOSE = 0.15


def shake(atoms: Atoms, distance: float, step: float, rng: np.random.Generator) -> Floats:
    """Return positions (N, 3) with every coordinate moved by at most `step` bond lengths.

    Parameters
    ----------
    atoms
        A relaxed cluster; left untouched.
    distance
        Bond length, Å.
    step
        In bond lengths.
    rng
        Source of random numbers.
    """
    moves = rng.uniform(-1.0, 1.0, size=(len(atoms), 3)) * step * distance
    return np.asarray(atoms.positions + moves)


def angular(atoms: Atoms, distance: float, rng: np.random.Generator) -> Floats:
    """Return positions (N, 3) with some weakly bound atoms put anywhere on the surface.

    After D. J. Wales and J. P. K. Doye, J. Phys. Chem. A 101, 5111 (1997); the coordination
    number, which needs no engine, replaces the binding energy of an atom. Parameters as of
    :func:`shake`.
    """
    count = int(rng.integers(1, max(1, int(_LOOSE * len(atoms))) + 1))
    loose = _loose_atoms(atoms, count, rng)
    positions = np.array(atoms.positions)
    for k, index in enumerate(loose):
        settled = np.delete(positions, loose[k:], axis=0)
        positions[index] = _landings(settled, distance, _directions(1, rng))[0]
    return positions


def relocate(atoms: Atoms, distance: float, rng: np.random.Generator) -> Floats:
    """Return positions (N, 3) with one weakly bound atom moved to a site with many neighbours.

    Parameters as of :func:`shake`.
    """
    (index,) = _loose_atoms(atoms, 1, rng)
    positions = np.array(atoms.positions)
    settled = np.delete(positions, index, axis=0)
    sites = _landings(settled, distance, _directions(_LOOKS, rng))
    neighbours = cKDTree(settled).query_ball_point(sites, _NEIGHBOUR * distance, return_length=True)
    positions[index] = sites[int(np.argmax(neighbours))]
    return positions


def exchange(atoms: Atoms, rng: np.random.Generator) -> Floats:
    """Return positions (N, 3) with two atoms of different elements in each other's place.

    Parameters as of :func:`shake`.

    Raises
    ------
    ValueError
        If all atoms are of one element.
    """
    numbers = atoms.numbers
    first = int(rng.integers(len(atoms)))
    others = np.flatnonzero(numbers != numbers[first])
    if not len(others):
        raise ValueError(f"{atoms.symbols} has one element: there is nothing to exchange")
    second = int(rng.choice(others))
    positions = np.array(atoms.positions)
    positions[[first, second]] = positions[[second, first]]
    return positions


def part(positions: Floats, closest: float) -> Floats:
    """Return positions (N, 3) pushed apart until no two are nearer than `closest` (Å).

    A relaxation that starts with overlapping atoms evaporates the cluster, or fails.
    """
    moved = np.array(positions)
    for _ in range(1000):
        pairs = cKDTree(moved).query_pairs(closest * (1 - 1e-6), output_type="ndarray")
        if not len(pairs):
            break
        vectors = moved[pairs[:, 0]] - moved[pairs[:, 1]]
        lengths = np.linalg.norm(vectors, axis=1)
        # Atoms at the same point are separated along x.
        vectors[lengths < 1e-9] = (1.0, 0.0, 0.0)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        push = 0.51 * (closest - lengths)[:, None] * units
        np.add.at(moved, pairs[:, 0], push)
        np.add.at(moved, pairs[:, 1], -push)
    return moved


def _loose_atoms(atoms: Atoms, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw atoms; each missing neighbour raises the probability by a factor of e."""
    coordination = coordination_numbers(atoms).astype(float)
    weights = np.exp(coordination.min() - coordination)
    return np.asarray(
        rng.choice(len(atoms), size=count, replace=False, p=weights / weights.sum()),
        dtype=np.int64,
    )


def _directions(count: int, rng: np.random.Generator) -> Floats:
    vectors = rng.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _landings(positions: Floats, distance: float, directions: Floats) -> Floats:
    """Points (K, 3) at which atoms moving along directions (K, 3) to the centre touch a cluster."""
    centre = positions.mean(axis=0)
    along = directions @ (positions - centre).T
    beside = ((positions - centre) ** 2).sum(axis=1)[None] - along**2
    reach = along + np.sqrt(np.clip(distance**2 - beside, 0.0, None))
    touch = np.where(beside < distance**2, reach, -np.inf).max(axis=1)
    # A ray through a hollow cluster may miss every atom.
    radius = np.where(np.isfinite(touch), touch, distance)
    return np.asarray(centre + np.maximum(radius, 0.5 * distance)[:, None] * directions)
