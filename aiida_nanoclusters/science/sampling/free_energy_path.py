"""Free energy on a grid, and the lowest path between two places on it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, dijkstra, minimum_spanning_tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
            "no sampled cells connect the two: sample more, take a higher temperature, or coarser "
            "cells (of a chart a larger `smoothing`)"
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
