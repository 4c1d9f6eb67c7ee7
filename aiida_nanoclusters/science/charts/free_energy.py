"""Free energy over the coordinates of a chart.

F(x) = -kT ln p(x), where p is the density of weighted frames, smoothed by a Gaussian, on a regular
grid. It is that of the places at which frames lie: of relaxed frames, that of their minima.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.units import kB
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from aiida_nanoclusters.science.sampling.free_energy_path import Floats, Ints, Surface

#: Largest number of cells of a grid.
MOST_CELLS = 500_000
#: Standard deviations of the Gaussian that the grid reaches beyond the frames.
_MARGIN = 3.0
#: Blocks of time that are resampled, and resamplings.
BLOCKS, RESAMPLINGS = 20, 40


def resampled_weights(
    weights: Floats, blocks: ArrayLike | None = None, *, seed: int = 0, number: int = RESAMPLINGS
) -> list[Floats]:
    """Return weights of frames as if blocks of them had been drawn anew, with replacement.

    Parameters
    ----------
    weights
        Shape (F,).
    blocks
        Number of the block of each frame, shape (F,): stretches of time longer than the memory of
        the run. Default: :data:`BLOCKS` equal stretches of the frames in their order.
    seed
        Random seed.
    number
        How many.
    """
    count = min(BLOCKS, len(weights))
    given = np.arange(len(weights)) * count // max(len(weights), 1) if blocks is None else blocks
    names, own = np.unique(np.asarray(given), return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = [
        rng.multinomial(len(names), np.full(len(names), 1 / len(names))) for _ in range(number)
    ]
    return [weights * times[own] for times in draws]


def free_energy(
    coordinates: ArrayLike,
    temperature: float,
    *,
    weights: ArrayLike | None = None,
    resampled: Sequence[Floats] | None = None,
    smoothing: float,
    cell: float,
    fewest: float = 1.0,
) -> Surface:
    """Return the free energy over the coordinates of weighted frames.

    Parameters
    ----------
    coordinates
        Shape (F, d), d from 1 to 3.
    temperature
        K, to which the weights belong.
    weights
        Shape (F,), of any norm. Default: all equal.
    resampled
        The same of resamplings, from which errors follow. Default: :func:`resampled_weights`.
    smoothing, cell
        Standard deviation of the Gaussian, and width of a cell, in the lengths of the coordinates.
    fewest
        Independent frames that a cell needs, weighted by the Gaussian: (sum w)^2 / sum w^2.

    Raises
    ------
    ValueError
        If there are no frames, weights are negative, the grid has too many cells, or no cell has
        enough frames.
    """
    points = np.asarray(coordinates, float)
    mass = np.ones(len(points)) if weights is None else np.asarray(weights, float)
    if points.ndim != 2 or not len(points) or len(mass) != len(points):
        raise ValueError(f"{points.shape} coordinates and {mass.shape} weights: give some frames")
    if not (np.isfinite(points).all() and (mass >= 0).all() and 0 < mass.sum() < np.inf):
        raise ValueError("coordinates must be finite, weights finite, not negative and not all 0")
    grid = _Grid.around(points, smoothing, cell)
    corners, shares = grid.corners(points)

    def density(own: Floats) -> Floats:
        return grid.smoothed(corners, shares * own[:, None])

    total = density(mass)
    squares = density(mass**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A frame counts as much as the Gaussian has of its height where it lies.
        independent = total**2 / (squares * grid.peak)
        known = (total > 0) & (independent >= fewest) & (total > 1e-12 * total.max())
        values = np.where(known, -kB * temperature * np.log(total), np.inf)
    if not known.any():
        raise ValueError("the frames lie too far apart: raise `smoothing`, or lower `fewest`")
    lowest = int(np.argmin(values))
    draws = resampled_weights(mass) if resampled is None else resampled
    found = np.array([_relative(density(np.asarray(d)), lowest, temperature) for d in draws])
    with np.errstate(invalid="ignore"):
        spread = np.where(np.isfinite(found).all(axis=0), found, np.inf).std(axis=0, ddof=1)
    errors = np.where(known, np.nan_to_num(spread, nan=np.inf), np.nan)
    return Surface(grid.axes, values - values.ravel()[lowest], errors, found, temperature)


def _relative(density: Floats, cell: int, temperature: float) -> Floats:
    with np.errstate(divide="ignore"):
        logs = np.log(density)
    reference = logs.ravel()[cell]
    if not np.isfinite(reference):
        return np.full(density.shape, np.inf)
    return np.asarray(-kB * temperature * (logs - reference))


@dataclass(frozen=True, eq=False)
class _Grid:
    """Regular grid; a frame is shared among the 2^d cells around it."""

    axes: tuple[Floats, ...]
    cell: float
    smoothing: float

    @classmethod
    def around(cls, points: Floats, smoothing: float, cell: float) -> _Grid:
        low, high = points.min(axis=0), points.max(axis=0)
        margin = _MARGIN * smoothing
        counts = np.ceil((high - low + 2 * margin) / cell).astype(int) + 1
        if np.prod(counts.astype(float)) > MOST_CELLS:
            raise ValueError(
                f"a grid of {' x '.join(map(str, counts))} cells is too large: give a larger "
                "`cell` and `smoothing`"
            )
        first = (low + high - (counts - 1) * cell) / 2
        axes = tuple(a + cell * np.arange(n) for a, n in zip(first, counts, strict=True))
        return cls(axes, cell, smoothing)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.axes))

    @property
    def peak(self) -> float:
        """Height of the smoothed density of one frame of weight 1."""
        return float((self.cell / (self.smoothing * np.sqrt(2 * np.pi))) ** len(self.axes))

    def corners(self, points: Floats) -> tuple[Ints, Floats]:
        """Return the flat cells around each frame and its shares in them, (F, 2^d)."""
        first = np.array([axis[0] for axis in self.axes])
        scaled = (points - first) / self.cell
        base = np.floor(scaled).astype(np.int64)
        part = scaled - base
        cells, shares = [], []
        for corner in product((0, 1), repeat=len(self.axes)):
            place = base + np.array(corner)
            cells.append(np.ravel_multi_index(tuple(place.T), self.shape))
            shares.append(np.where(corner, part, 1 - part).prod(axis=1))
        return np.stack(cells, axis=1), np.stack(shares, axis=1)

    def smoothed(self, cells: Ints, weights: Floats) -> Floats:
        counts = np.bincount(cells.ravel(), weights.ravel(), minlength=int(np.prod(self.shape)))
        sigma = self.smoothing / self.cell
        found = gaussian_filter(counts.reshape(self.shape), sigma, mode="constant", truncate=5.0)
        return np.asarray(np.maximum(found, 0.0))
