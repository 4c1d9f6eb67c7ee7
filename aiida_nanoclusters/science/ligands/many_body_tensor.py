"""Many-body tensor representation (MBTR): H. Huo, M. Rupp, Mach. Learn. Sci. Technol. 3, 045017.

Carried to the machine of a job: it imports nothing of this package but what is beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import erf

from .symmetry_functions import angle_cosines, pair_places

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def distance_term(
    numbers: NDArray[Any], positions: Floats, elements: Sequence[int], settings: Mapping[str, Any]
) -> Floats:
    """Return the two-body term of one cluster: inverse distances, weighted and broadened.

    Each pair of atoms is a Gaussian at 1/r of area exp(-decay r).

    Parameters
    ----------
    numbers, positions
        Atomic numbers (A,) and positions (A, 3) in Å.
    elements
        Atomic numbers of the elements that are told apart, ascending; S of them.
    settings
        ``decay`` (1/Å), ``smallest_weight`` below which pairs are left out, and of the grid
        ``shortest`` and ``longest`` inverse distance and ``distance_width`` (1/Å) and
        ``distance_points``.

    Returns
    -------
    numpy.ndarray, shape (S (S + 1) / 2, distance_points)
        By pair of elements (0, 0), (0, 1), ..., (1, 1), ...; mean of the density within each step
        of the grid, Å.
    """
    kinds = np.searchsorted(elements, numbers)
    first, second = np.triu_indices(len(numbers), 1)
    gaps = cdist(positions, positions)[first, second]
    weights = np.exp(-settings["decay"] * gaps)
    kept = weights >= settings["smallest_weight"]
    channel_of = pair_places(len(elements))
    return _broadened(
        1.0 / gaps[kept],
        weights[kept],
        channel_of[kinds[first], kinds[second]][kept],
        int(channel_of.max()) + 1,
        _edges(settings["shortest"], settings["longest"], settings["distance_points"]),
        settings["distance_width"],
    )


def angle_term(
    numbers: NDArray[Any], positions: Floats, elements: Sequence[int], settings: Mapping[str, Any]
) -> Floats:
    """Return the three-body term of one cluster: cosines of angles, weighted and broadened.

    Each angle between two atoms at a third is a Gaussian at its cosine, of area exp(-decay l),
    where l is the sum of the three distances.

    Parameters
    ----------
    numbers, positions, elements
        As in :func:`distance_term`.
    settings
        ``decay`` and ``smallest_weight`` as there; ``angle_width`` and ``angle_points`` of the
        grid from -1 to 1.

    Returns
    -------
    numpy.ndarray, shape (S * S (S + 1) / 2, angle_points)
        By element of the atom in the middle, then by pair of elements of the two others.
    """
    kinds = np.searchsorted(elements, numbers)
    gaps = cdist(positions, positions)
    channel_of = pair_places(len(elements))
    pairs = int(channel_of.max()) + 1
    edges = _edges(-1.0, 1.0, settings["angle_points"])
    # No side of a triangle is longer than half its circumference.
    longest = -np.log(settings["smallest_weight"]) / settings["decay"]
    total = np.zeros((len(elements), pairs, settings["angle_points"]))
    for middle in range(len(numbers)):
        others = np.flatnonzero(gaps[middle] <= longest / 2)
        others = others[others != middle]
        first, second = (others[side] for side in np.triu_indices(len(others), 1))
        a, b, c = gaps[middle, first], gaps[middle, second], gaps[first, second]
        kept = a + b + c <= longest
        total[kinds[middle]] += _broadened(
            angle_cosines(a[kept], b[kept], c[kept]),
            np.exp(-settings["decay"] * (a + b + c)[kept]),
            channel_of[kinds[first], kinds[second]][kept],
            pairs,
            edges,
            settings["angle_width"],
        )
    return total.reshape(-1, settings["angle_points"])


def _edges(low: float, high: float, points: int) -> Floats:
    """Return the borders of the steps about the points of a grid, shape (points + 1,)."""
    step = (high - low) / (points - 1)
    return np.linspace(low - step / 2, high + step / 2, points + 1)


def _broadened(
    values: Floats, weights: Floats, channels: Whole, count: int, edges: Floats, width: float
) -> Floats:
    """Return the sum of Gaussians, averaged over each step of the grid, (count, points)."""
    total = np.zeros((count, len(edges) - 1))
    step = edges[1] - edges[0]
    for own in np.unique(channels):
        mine = channels == own
        areas = erf((edges - values[mine, None]) / (np.sqrt(2.0) * width))
        total[own] = weights[mine] @ np.diff(areas, axis=1) / (2 * step)
    return total
