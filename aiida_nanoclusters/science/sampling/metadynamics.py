"""Metadynamics: the free energy from its hills, and averages of the unbiased system from its run.

Hills are as PLUMED writes them: Gaussians of finite reach, stretched so that they end at zero, with
well-tempered heights times g/(g - 1) for the bias factor g, so that minus their sum estimates the
free energy. `fix nanoclusters/chart` writes and sums the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Half the squared distance in widths beyond which a hill is zero, as in PLUMED.
REACH = 6.25
_STRETCH = 1.0 / (1.0 - np.exp(-REACH))
#: Hills that are added to a grid at once.
_BLOCK = 64


@dataclass(frozen=True)
class Hills:
    """Hills of one run, in the order in which they were added.

    Attributes
    ----------
    centres, widths
        Shape (H, D), in the units of the variables.
    heights
        eV, shape (H,), as written: well-tempered ones times g/(g - 1).
    bias_factor
        g; 0 for hills of constant height.
    periods
        Period of each variable, 0 for none; shape (D,). Default: none.
    stretched
        Whether they end at zero; whole Gaussians, as those of COLVARS, do not. Default: they do.
    """

    centres: Floats
    widths: Floats
    heights: Floats
    bias_factor: float = 0.0
    periods: Sequence[float] = ()
    stretched: bool = True

    @property
    def share(self) -> float:
        """Share of a written height by which the bias grew: (g - 1)/g."""
        return 1.0 - 1.0 / self.bias_factor if self.bias_factor > 1 else 1.0

    def upto(self, count: int) -> Hills:
        """Return the first `count` hills."""
        return self.between(0, count)

    def between(self, start: int, end: int) -> Hills:
        """Return the hills from number `start`, from 0, to before `end`."""
        own = slice(start, end)
        return replace(
            self, centres=self.centres[own], widths=self.widths[own], heights=self.heights[own]
        )

    def sum_at(self, points: Floats) -> Floats:
        """Return the sum of the written hills at points (P, D), eV, shape (P,)."""
        total = np.zeros(len(points))
        for start in range(0, len(self.heights), _BLOCK):
            total += self._shapes(points, slice(start, start + _BLOCK)).sum(axis=1)
        return total

    def _shapes(self, points: Floats, which: slice) -> Floats:
        """Return the hills of a slice at the points, shape (P, hills)."""
        half = np.zeros((len(points), len(self.heights[which])))
        for k in range(self.centres.shape[1]):
            shift = points[:, k, None] - self.centres[None, which, k]
            if len(self.periods) and self.periods[k]:
                shift -= self.periods[k] * np.round(shift / self.periods[k])
            half += 0.5 * (shift / self.widths[None, which, k]) ** 2
        if not self.stretched:
            return np.asarray(np.exp(-half) * self.heights[None, which])
        shape = _STRETCH * (np.exp(-half) - np.exp(-REACH))
        return np.where(half < REACH, shape, 0.0) * self.heights[None, which]


def free_energy(hills: Hills, points: Floats) -> Floats:
    """Return the free energy at points (P, D) from the sum of hills, eV, zero at its lowest.

    Source: Barducci, Bussi, Parrinello, Phys. Rev. Lett. 100, 020603 (2008).
    """
    values = -hills.sum_at(points)
    return np.asarray(values - values.min())


def bias_offsets(hills: Hills, grid: Floats, kt: float, counts: NDArray[np.int_]) -> Floats:
    """Return c(t), the free energy that the bias added until after `counts` hills, eV.

    Parameters
    ----------
    hills
        Well-tempered.
    grid
        Points (P, D), evenly spaced, that cover what was visited.
    kt
        Temperature, eV.
    counts
        Ascending numbers of hills, shape (T,).

    Raises
    ------
    ValueError
        If the hills are not well-tempered.

    Notes
    -----
    exp(c/kT) is the integral of exp(g/(g - 1) V/kT) over that of exp(V/(g - 1)/kT), V the bias
    (Tiwary and Parrinello, J. Phys. Chem. B 119, 736 (2015)). With heights as written, V is
    (g - 1)/g of their sum S, and the exponents are S/kT and S/(g kT).
    """
    if not hills.bias_factor > 1:
        raise ValueError("c(t) is that of well-tempered metadynamics: give a bias factor above 1")
    distinct, places = np.unique(counts, return_inverse=True)
    total, done, offsets = np.zeros(len(grid)), 0, np.zeros(len(distinct))
    for k, count in enumerate(distinct):
        while done < count:
            end = min(int(count), done + _BLOCK)
            total += hills._shapes(grid, slice(done, end)).sum(axis=1)
            done = end
        highest = total.max()  # taken out of both sums, so that no exponential overflows
        share = 1.0 / hills.bias_factor
        upper, lower = (np.exp((total - highest) * f / kt).sum() for f in (1.0, share))
        offsets[k] = highest * (1.0 - share) + kt * np.log(upper / lower)
    return np.asarray(offsets[places])


def sample_weights(bias: Floats, offsets: Floats, kt: float) -> Floats:
    """Return the weights exp((V - c(t))/kT) of samples, shape (S,), their sum one.

    Parameters
    ----------
    bias
        Bias of each sample when it was taken, eV, shape (S,).
    offsets
        c(t) then, eV, shape (S,).
    kt
        Temperature, eV.
    """
    exponents = (bias - offsets) / kt
    weights = np.exp(exponents - exponents.max())
    return np.asarray(weights / weights.sum())


def count_crossings(values: Floats, low: float, high: float) -> int:
    """Return how often a series goes from at most `low` to at least `high`, or back.

    What lies between the two is neither; a return to the same side counts nothing.
    """
    side = np.where(values >= high, 1, np.where(values <= low, -1, 0))
    visited = side[side != 0]
    return int(np.count_nonzero(np.diff(visited)))
