"""Free energy over the coordinates of a chart, and the lowest path between two places on it.

F(x) = -kT ln p(x), where p is the density of weighted frames, smoothed by a Gaussian, on a regular
grid. It is that of the places at which frames lie: of relaxed frames, that of their minima.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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


@dataclass(frozen=True, eq=False)
class Surface:
    """Free energy on a grid.

    Attributes
    ----------
    axes
        Centres of the cells along each coordinate, one array for each of d.
    values
        eV, relative to the lowest cell; infinite where nothing was sampled. Shape (n1, ..., nd).
    errors
        Standard error of the difference to the lowest cell, eV; NaN where nothing was sampled,
        infinite where a resampling has nothing.
    resampled
        Values of the resamplings, relative to the same cell, shape (B, n1, ..., nd).
    temperature
        K.
    """

    axes: tuple[Floats, ...]
    values: Floats
    errors: Floats
    resampled: Floats
    temperature: float

    @property
    def sampled(self) -> NDArray[np.bool_]:
        """Which cells were sampled."""
        return np.isfinite(self.values)

    def places(self, cells: Ints) -> Floats:
        """Return the centres of cells by their flat index, shape (..., d)."""
        found = np.unravel_index(cells, self.values.shape)
        return np.stack([axis[k] for axis, k in zip(self.axes, found, strict=True)], axis=-1)

    def lowest(self, among: NDArray[np.bool_]) -> int:
        """Return the flat index of the lowest sampled cell among some.

        Parameters
        ----------
        among
            Which of all cells, in flat order, shape (n1 * ... * nd,).

        Raises
        ------
        ValueError
            If none of them was sampled.
        """
        values = np.where(among, self.values.ravel(), np.inf)
        cell = int(np.argmin(values))
        if not np.isfinite(values[cell]):
            raise ValueError("no frame there: raise `smoothing`, or sample more")
        return cell


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


@dataclass(frozen=True, eq=False)
class LowestPath:
    """Lowest path between two places of a surface.

    Attributes
    ----------
    coordinates
        Centres of the cells on the way, shape (P, d).
    values, errors
        Free energy there and its standard error, eV, relative to the first cell, shape (P,).
    highest
        Place on the path of its highest cell.
    barrier, barrier_error
        From the first to the highest cell, eV; the error is infinite where a resampling of the
        frames does not connect the two.
    back, back_error
        From the last to the highest cell, eV.
    """

    coordinates: Floats
    values: Floats
    errors: Floats
    highest: int
    barrier: float
    barrier_error: float
    back: float
    back_error: float


def lowest_path(surface: Surface, start: int, end: int) -> LowestPath:
    """Return the path between two cells whose highest point is lowest.

    The highest point that no path can avoid follows from the minimum spanning tree of the cells,
    whose edges are as high as the higher of their ends. Among the cells not higher than that, the
    path is the one of greatest flux: the least integral of exp(F / kT) along it (M. Berkowitz et
    al., J. Chem. Phys. 79, 5563 (1983)), for a diffusion that is the same everywhere.

    Parameters
    ----------
    surface
        Free energy.
    start, end
        Flat indices of two sampled cells, see :meth:`Surface.lowest`.

    Raises
    ------
    ValueError
        If sampled cells do not connect the two.
    """
    flat = surface.values.ravel()
    bottleneck = _bottleneck(surface, start, end)
    # Cells as high as the bottleneck itself belong to it, whatever the last digit says.
    allowed = flat <= bottleneck + 1e-9
    thermal = kB * surface.temperature
    pairs, lengths = _neighbours(surface, allowed)
    cost = np.exp(
        np.minimum(flat - bottleneck, 0.0, where=allowed, out=np.zeros_like(flat)) / thermal
    )
    # In deep valleys the flux does not care; the length decides there.
    edges = (cost[pairs[0]] + cost[pairs[1]]) / 2 + 1e-6
    graph = coo_array((edges * lengths, pairs), shape=(flat.size,) * 2).tocsr()
    _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    return _along(surface, _walk(before, start, end))


def _walk(before: Any, start: int, end: int) -> Ints:
    cells = [end]
    while cells[-1] != start:
        cells.append(int(before[cells[-1]]))
    return np.array(cells[::-1])


def _bottleneck(surface: Surface, start: int, end: int) -> float:
    """Lowest free energy (eV) that must be reached on the way."""
    flat = surface.values.ravel()
    pairs, _ = _neighbours(surface, surface.sampled.ravel())
    # An edge of weight 0 would be none to scipy.
    heights = np.maximum(flat[pairs[0]], flat[pairs[1]]) + 1.0
    graph = csr_array(coo_array((heights, pairs), shape=(flat.size,) * 2))
    tree = minimum_spanning_tree(graph)
    _, before = breadth_first_order(tree, start, directed=False, return_predecessors=True)
    if start != end and before[end] < 0:
        raise ValueError(
            "no sampled cells connect the two families: raise `smoothing`, take a higher "
            "temperature, or sample more"
        )
    return float(flat[_walk(before, start, end)].max())


def _neighbours(surface: Surface, allowed: NDArray[np.bool_]) -> tuple[tuple[Ints, Ints], Floats]:
    """Pairs of allowed neighbouring cells, diagonal ones included, and their distances."""
    shape = surface.values.shape
    index = np.arange(allowed.size).reshape(shape)
    steps = np.array([axis[1] - axis[0] if len(axis) > 1 else 1.0 for axis in surface.axes])
    firsts, seconds, lengths = [], [], []
    for step in product((-1, 0, 1), repeat=len(shape)):
        if step <= (0,) * len(shape):  # each pair once
            continue
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, shape, strict=True))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, shape, strict=True))
        a, b = index[here].ravel(), index[there].ravel()
        both = allowed[a] & allowed[b]
        firsts.append(a[both])
        seconds.append(b[both])
        lengths.append(np.full(int(both.sum()), np.linalg.norm(steps * np.array(step))))
    return (np.concatenate(firsts), np.concatenate(seconds)), np.concatenate(lengths)


def _along(surface: Surface, cells: Ints) -> LowestPath:
    values = surface.values.ravel()[cells]
    draws = surface.resampled.reshape(len(surface.resampled), -1)[:, cells]
    highest = int(np.argmax(values))

    def spread(rows: Floats) -> Floats:
        """Standard deviation over the resamplings; infinite where one has no value."""
        finite = np.isfinite(rows).all(axis=0)
        found = np.full(rows.shape[1:], np.inf)
        found[finite] = rows[:, finite].std(axis=0, ddof=1) if rows.ndim > 1 else 0.0
        return found

    with np.errstate(invalid="ignore"):
        relative = draws - draws[:, :1]
        top = draws.max(axis=1)
        heights = np.stack([top - draws[:, 0], top - draws[:, -1]], axis=1)
    errors = spread(heights)
    return LowestPath(
        coordinates=surface.places(cells),
        values=values - values[0],
        errors=spread(relative),
        highest=highest,
        barrier=float(values[highest] - values[0]),
        barrier_error=float(errors[0]),
        back=float(values[highest] - values[-1]),
        back_error=float(errors[1]),
    )
