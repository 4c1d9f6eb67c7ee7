"""The bias that acted on a run, from its hills."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from aiida_nanoclusters.science.sampling.metadynamics import Floats, Hills

#: Points of the grid in the width of a hill, and widths beyond which a hill is left out.
_POINTS, _REACH = 3, 5.0
#: Most points of the grid: where it would have more it is coarser.
_MOST_POINTS = 20_000_000


def bias_in_time(hills: Hills, values: Floats, counts: NDArray[np.int_]) -> Floats:
    """Return the bias at each sample of a run when it was taken, eV, (S,).

    What COLVARS writes is that in the middle of the cell of its grid, half a width long: on a slope
    it is off by some tenths of k T, differently in each cell of a histogram, and the errors of its
    cells, which know nothing of that, are too small by a third. The sum of the hills themselves has
    no cells.

    Parameters
    ----------
    hills
        Whole Gaussians along variables without a period.
    values
        Of the samples in the order of time, (S, D).
    counts
        Hills that were there before each, ascending, (S,).

    Notes
    -----
    The sum is kept on a grid of three points in a width, to which each hill is added where it is,
    and interpolated between them: for a hill alone within two hundredths of its height.
    """
    found = np.zeros(len(values))
    if not len(hills.heights) or not len(values):
        return found
    spacing = hills.widths.min(axis=0) / _POINTS
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    excess = np.prod(span / spacing + 2) / _MOST_POINTS
    spacing = spacing * max(1.0, excess ** (1 / len(spacing)))
    axes = [a + d * np.arange(int(s / d) + 2) for a, d, s in zip(low, spacing, span, strict=True)]
    total, done = np.zeros([len(axis) for axis in axes]), 0
    distinct, firsts = np.unique(counts, return_index=True)
    for count, start, end in zip(distinct, firsts, [*firsts[1:], len(values)], strict=True):
        for k in range(done, int(count)):
            _add(total, axes, hills.centres[k], hills.widths[k], float(hills.heights[k]))
        done = int(count)
        places = ((values[start:end] - low) / spacing).T
        found[start:end] = map_coordinates(total, places, order=1, mode="nearest")
    return found * hills.share


def _add(total: Floats, axes: list[Floats], centre: Floats, width: Floats, height: float) -> None:
    """Add one hill to the points within its reach."""
    where, shape = [], np.array(height)
    for axis, x, own in zip(axes, centre, width, strict=True):
        near = slice(*np.searchsorted(axis, [x - _REACH * own, x + _REACH * own]))
        shape = shape[..., None] * np.exp(-0.5 * ((axis[near] - x) / own) ** 2)
        where.append(near)
    total[tuple(where)] += shape
