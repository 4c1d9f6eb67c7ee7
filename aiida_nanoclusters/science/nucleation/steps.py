"""Steps of a noisy series: the frames at which its mean changes for good."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: A step is larger than this multiple of the scatter of the series about its plateaus.
_VISIBLE = 2.0


@dataclass(frozen=True)
class Step:
    """A change of the mean.

    Attributes
    ----------
    frame
        Number of the first frame after it.
    before, after
        Means of the plateaus on both sides.
    """

    frame: int
    before: float
    after: float


def find_steps(values: Floats, smallest: float, shortest: int = 3) -> list[Step]:
    """Return the steps between the plateaus of a series.

    The series is divided where this lowers the sum of squared deviations from the means of the
    parts most, and the parts again (binary segmentation: A. J. Scott and M. Knott, Biometrics 30,
    507 (1974)). Then the division between the plateaus that differ least is given up, one after the
    other, until all differ by more than `smallest` and by twice the standard deviation of the
    series about its plateaus. This deviation and no standard error, as the noise of dynamics is
    correlated for as long as a short plateau lasts.

    Parameters
    ----------
    values
        (F,).
    smallest
        Smallest difference between the means of two plateaus that follow each other.
    shortest
        Frames of the shortest plateau.
    """
    series = np.asarray(values, float)
    ends = [0, *_divided(series, 0, len(series), shortest), len(series)]
    while len(ends) > 2:
        parts = [series[a:b] for a, b in pairwise(ends)]
        scatter = np.sqrt(sum(part.var() * len(part) for part in parts) / len(series))
        heights = [abs(one.mean() - other.mean()) for one, other in pairwise(parts)]
        least = int(np.argmin(heights))
        if heights[least] >= max(smallest, _VISIBLE * scatter):
            break
        del ends[least + 1]
    for k in range(1, len(ends) - 1):  # found while other steps blurred the means
        ends[k] = _split(series, ends[k - 1], ends[k + 1], shortest)
    means = [float(np.mean(series[a:b])) for a, b in pairwise(ends)]
    return [Step(end, *both) for end, both in zip(ends[1:-1], pairwise(means), strict=True)]


def _divided(values: Floats, begin: int, end: int, shortest: int) -> list[int]:
    """Return places between `begin` and `end` at which the mean may change, ascending."""
    if end - begin < 2 * shortest:
        return []
    place = _split(values, begin, end, shortest)
    return [
        *_divided(values, begin, place, shortest),
        place,
        *_divided(values, place, end, shortest),
    ]


def _split(values: Floats, begin: int, end: int, shortest: int) -> int:
    """Return the place at which a division lowers the squared deviations from the means most."""
    count = end - begin
    sums = np.cumsum(values[begin:end])
    left = np.arange(shortest, count - shortest + 1)
    gain = (sums[left - 1] - sums[-1] * left / count) ** 2 / (left * (count - left))
    return begin + int(left[np.argmax(gain)])
