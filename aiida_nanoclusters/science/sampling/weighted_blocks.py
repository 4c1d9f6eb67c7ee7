"""Weighted samples of biased runs in blocks of time: free energies of cells, and their errors.

Neighbouring samples resemble each other, so that errors come from blocks of time. A block has to be
longer than the memory of the run; the more blocks, the better the error itself is known: of five it
is off by a third. So there are as many as their length allows, see :meth:`WeightedSamples.split`.

The memory has two parts. One is that of the samples, which their autocorrelation shows. The other
is that of the bias, t/(g - 1) after the time t for the bias factor g, often a tenth of a run: the
weights follow its hills, and are off by little but for long. So the error of a difference is also
taken from blocks twice and four times as long, and the largest counts
(:meth:`WeightedSamples.difference`): short blocks alone give errors that are too small by a tenth
to a fifth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.sampling.correlation import statistical_inefficiency
from aiida_nanoclusters.science.sampling.metadynamics import Floats

Ints = NDArray[np.int64]

#: A block is at least this many statistical inefficiencies long: its error is low by a twentieth.
MEMORIES = 10
#: Blocks of a run at most, and how many of them are also taken together.
MOST_BLOCKS, TOGETHER = 24, (1, 2, 4)
#: Fewest blocks from which an error is compared with that of more: of fewer it scatters too much.
_FEWEST_BLOCKS = 6
#: Samples of a run from which its memory is found; of more only each second, third, ... is taken.
_MOST_SAMPLES = 50_000
#: Resamplings of blocks.
RESAMPLINGS = 100


@dataclass(frozen=True, eq=False)
class WeightedSamples:
    """Samples of one or several runs, in the order of time within each.

    Attributes
    ----------
    cells
        Flat index of the cell of each sample, (S,).
    weights
        In the unbiased ensemble, of any norm, (S,).
    runs
        Number of the run of each sample, from 0, ascending, (S,).
    shares
        Part of its run that was over when a sample was taken, above 0 to 1, (S,).
    shape
        Of the grid of cells.
    kt
        Thermal energy, eV.
    blocks
        Number of the block of each sample, from 0, (S,).
    """

    cells: Ints
    weights: Floats
    runs: Ints
    shares: Floats
    shape: tuple[int, ...]
    kt: float
    blocks: Ints

    @classmethod
    def of(
        cls,
        values: Sequence[Floats],
        weights: Sequence[Floats],
        edges: Sequence[Floats],
        kt: float,
        blocks: int,
    ) -> WeightedSamples:
        """Return the samples of several runs.

        Parameters
        ----------
        values
            Of each run the variables in the order of time, (S, D).
        weights
            Of each run those of its samples, (S,), on one scale.
        edges
            Of the cells along each variable; they hold all values.
        kt
            Thermal energy, eV.
        blocks
            Of each run, 1 or more; fewer where there are fewer samples.
        """
        shape = tuple(len(edge) - 1 for edge in edges)
        places = np.concatenate(values)
        along = [
            np.clip(np.searchsorted(edge, places[:, d], side="right") - 1, 0, shape[d] - 1)
            for d, edge in enumerate(edges)
        ]
        lengths = [len(own) for own in weights]
        one = cls(
            cells=np.ravel_multi_index(tuple(along), shape),
            weights=np.concatenate(weights),
            runs=np.repeat(np.arange(len(lengths)), lengths),
            shares=np.concatenate([np.arange(1, n + 1) / n for n in lengths]),
            shape=shape,
            kt=kt,
            blocks=np.zeros(sum(lengths), dtype=np.int64),
        )
        return one.split(blocks)

    def split(self, blocks: int) -> WeightedSamples:
        """Return the same with another number of blocks of each run."""
        place = np.ceil(self.shares * blocks - 1e-9).astype(np.int64) - 1
        _, numbers = np.unique(self.runs * blocks + place, return_inverse=True)
        return replace(self, blocks=numbers)

    def until(self, share: float) -> WeightedSamples:
        """Return those of a first part of each run, in the same blocks."""
        kept = self.shares <= share + 1e-9
        _, numbers = np.unique(self.blocks[kept], return_inverse=True)
        return replace(
            self, cells=self.cells[kept], weights=self.weights[kept], runs=self.runs[kept],
            shares=self.shares[kept], blocks=numbers,
        )  # fmt: skip

    @property
    def number(self) -> int:
        """Number of blocks."""
        return int(self.blocks[-1]) + 1 if len(self.blocks) else 0

    def free_energy(self) -> tuple[Floats, Floats]:
        """Return free energy and standard error of each cell, eV, above the lowest.

        Infinite and NaN where nothing was sampled; NaN from less than two blocks.

        Notes
        -----
        F = -k T ln p, and the error is k T times that of p as a share of p: it is that of F
        relative to the free energy of all cells together, not to the lowest cell, whose own noise
        would be part of every error. p is a ratio of two sums over blocks, and its error follows
        from the residuals h - p w of the blocks, h and w their weights in the cell and in all.
        """
        sums, totals = self._sums(self.cells, int(np.prod(self.shape))), self._totals()
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = sums.sum(axis=0) / totals.sum()
            residuals = sums / totals.sum() - mean * (totals / totals.sum())[:, None]
            error = self.kt * self._error(residuals, totals) / mean
            energy = -self.kt * np.log(mean)
        error[mean <= 0] = np.nan
        lowest = energy.min() if np.isfinite(energy).any() else 0.0
        return (energy - lowest).reshape(self.shape), error.reshape(self.shape)

    def resampled(self, seed: int = 0) -> Floats:
        """Return free energies from blocks drawn anew, with replacement, eV, (R, ...)."""
        sums = self._sums(self.cells, int(np.prod(self.shape)))
        count = self.number
        rng = np.random.default_rng(seed)
        times = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLINGS)
        with np.errstate(divide="ignore"):
            found = -self.kt * np.log(times @ sums)
        return np.asarray(found.reshape(RESAMPLINGS, *self.shape))

    def difference(self, label: Ints, pair: tuple[int, int] = (0, 1)) -> tuple[float, float]:
        """Return the free energy of one part of the cells above another, and its error, eV.

        Parameters
        ----------
        label
            Number of the part of each cell, with the shape of the grid.
        pair
            The two parts.

        Returns
        -------
        tuple
            NaN, or an error that is NaN, where one of the two or a second block is missing. The
            error is the largest of those from blocks of three lengths.
        """
        sums = self._of_parts(label, pair)
        both = sums.sum(axis=0)
        if not (both > 0).all():
            return np.nan, np.nan
        rows = np.column_stack([(sums / both) @ np.array([1.0, -1.0]), self._totals()])
        lengths = [n for n in TOGETHER if n == 1 or len(rows) // n >= _FEWEST_BLOCKS]
        longer = [np.add.reduceat(rows, np.arange(0, len(rows), n)) for n in lengths]
        error = max(float(self._error(own[:, 0], own[:, 1])) for own in longer)
        return -self.kt * float(np.log(both[1] / both[0])), self.kt * error

    def inefficiency(self, label: Ints, pair: tuple[int, int] = (0, 1)) -> float:
        """Return how many samples count as one for the difference of two parts of the cells.

        From the autocorrelation of what each sample adds to the difference, by pymbar, the mean of
        the runs; infinite where one of the parts was not sampled.
        """
        sums = self._of_parts(label, pair).sum(axis=0)
        if not (sums > 0).all():
            return np.inf
        own = np.ravel(label)[self.cells]
        series = self.weights * ((own == pair[0]) / sums[0] - (own == pair[1]) / sums[1])
        found = []
        for run in range(int(self.runs[-1]) + 1):
            part = series[self.runs == run]
            if np.ptp(part) > 0:
                found.append(_inefficiency(part))
        return float(np.mean(found))

    def _of_parts(self, label: Ints, pair: tuple[int, int]) -> Floats:
        """Weights of the two parts in each block, (B, 2)."""
        own = np.ravel(label)[self.cells]
        place = np.where(own == pair[0], 0, np.where(own == pair[1], 1, 2))
        return self._sums(place, 3)[:, :2]

    def _totals(self) -> Floats:
        """Weight of each block, (B,)."""
        return self._sums(np.zeros_like(self.cells), 1)[:, 0]

    def _sums(self, place: Ints, count: int) -> Floats:
        """Weights of each block by place, (B, count)."""
        flat = self.blocks * count + place
        found = np.bincount(flat, self.weights, minlength=self.number * count)
        return np.asarray(found, dtype=np.float64).reshape(self.number, count)

    @staticmethod
    def _error(residuals: Floats, totals: Floats) -> Floats:
        """Standard error of a sum over blocks; the effective number of blocks counts."""
        effective = totals.sum() ** 2 / (totals**2).sum()
        if effective <= 1.0 + 1e-9:
            return np.full(residuals.shape[1:], np.nan)
        return np.asarray(np.sqrt((residuals**2).sum(axis=0) * effective / (effective - 1.0)))


def _inefficiency(series: Floats) -> float:
    stride = max(1, len(series) // _MOST_SAMPLES)
    return stride * statistical_inefficiency(series[::stride])
