"""Atom-centred symmetry functions (ACSF): J. Behler, J. Chem. Phys. 134, 074106 (2011).

Carried to the machine of a job: it imports nothing of this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def symmetry_functions(
    numbers: NDArray[Any], positions: Floats, elements: Sequence[int], settings: Mapping[str, Any]
) -> Floats:
    """Return the radial and angular symmetry functions of the atoms of one cluster.

    With the cutoff function f(r) = (cos(pi r / cutoff) + 1) / 2 these are, over neighbours j of an
    element and over pairs of neighbours j < k of two elements,

    G2 = sum exp(-eta (r_ij - shift)^2) f(r_ij)

    G4 = 2^(1 - zeta) sum (1 + lambda cos t)^zeta exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_ij f_ik
    f_jk, where t is the angle at atom i.

    Parameters
    ----------
    numbers, positions
        Atomic numbers (A,) and positions (A, 3) in Å.
    elements
        Atomic numbers of the elements that neighbours are told apart by, ascending; S of them.
    settings
        ``cutoff`` (Å), ``radial``, rows of eta (1/Å^2) and shift (Å), and ``angular``, rows of eta
        (1/Å^2), zeta and lambda.

    Returns
    -------
    numpy.ndarray, shape (A, S * n_radial + S (S + 1) / 2 * n_angular)
        Radial by element, then angular by pair of elements (0, 0), (0, 1), ..., (1, 1), ...
    """
    kinds = np.searchsorted(elements, numbers)
    gaps = cdist(positions, positions)
    near = (gaps < settings["cutoff"]) & ~np.eye(len(numbers), dtype=bool)
    smooth = np.where(near, 0.5 * (np.cos(np.pi * gaps / settings["cutoff"]) + 1.0), 0.0)
    belongs = np.eye(len(elements))[kinds]
    found = [np.empty((len(numbers), 0))]
    for eta, shift in settings["radial"]:
        found.append((np.exp(-eta * (gaps - shift) ** 2) * smooth) @ belongs)
    radial = np.stack(found[1:], axis=2).reshape(len(numbers), -1) if len(found) > 1 else found[0]
    channel_of = pair_places(len(elements))
    shape = (int(channel_of.max()) + 1, len(settings["angular"]))
    angular = np.zeros((len(numbers), *shape))
    for i in range(len(numbers) if len(settings["angular"]) else 0):
        others = np.flatnonzero(near[i])
        first, second = (others[side] for side in np.triu_indices(len(others), 1))
        terms = _angular_terms(gaps, smooth, i, first, second, settings["angular"])
        channel = channel_of[kinds[first], kinds[second]]
        for own in np.unique(channel):
            angular[i, own] = terms[channel == own].sum(axis=0)
    return np.hstack([radial, angular.reshape(len(numbers), -1)])


def _angular_terms(
    gaps: Floats, smooth: Floats, i: int, first: Whole, second: Whole, rows: Any
) -> Floats:
    """Return the terms of G4 at atom `i` for some pairs of neighbours, shape (T, n_angular)."""
    a, b, c = gaps[i, first], gaps[i, second], gaps[first, second]
    cosine = angle_cosines(a, b, c)
    squares = a**2 + b**2 + c**2
    weight = smooth[i, first] * smooth[i, second] * smooth[first, second]
    terms = [
        2.0 ** (1 - zeta) * (1 + sign * cosine) ** zeta * np.exp(-eta * squares) * weight
        for eta, zeta, sign in rows
    ]
    return np.stack(terms, axis=1)


def angle_cosines(first: Floats, second: Floats, opposite: Floats) -> Floats:
    """Return the cosines of the angles between two sides from the lengths of all three."""
    return np.clip((first**2 + second**2 - opposite**2) / (2 * first * second), -1.0, 1.0)


def pair_places(count: int) -> Whole:
    """Return the place of each pair of `count` kinds whose order does not matter, (count, count).

    In the order (0, 0), (0, 1), ..., (1, 1), ...
    """
    places = np.zeros((count, count), dtype=np.int64)
    rows, columns = np.triu_indices(count)
    places[rows, columns] = places[columns, rows] = np.arange(len(rows))
    return places
