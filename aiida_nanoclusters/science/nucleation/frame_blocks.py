"""Averages over the frames of a trajectory with errors: correlated frames, weights of frames.

A trajectory is cut into blocks of time, and the errors are those of averages over blocks drawn with
replacement (block bootstrap: H. R. Künsch, Ann. Stat. 17, 1217 (1989)). A block is several times
longer than the frames are correlated for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.sampling.correlation import statistical_inefficiency
from aiida_nanoclusters.science.settings import Settings, quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Least length of a block in statistical inefficiencies, and resamplings.
BLOCK_LENGTH, RESAMPLINGS = 5.0, 400


class BlockSettings(Settings):
    """Errors of what is measured in the frames of a solution."""

    solvent: list[str] = quantity("Formulas of the solvent molecules.", default=["CH4O"])
    blocks: int = quantity(
        "Largest number of blocks of time for errors; fewer where frames are correlated for long.",
        default=20,
        ge=2,
    )
    seed: int = quantity("Random seed of the resampling.", default=0, ge=0)


@dataclass(frozen=True, eq=False)
class Average:
    """Weighted mean with its error.

    Attributes
    ----------
    value, error
        The error is a standard error, NaN where there are fewer than two blocks.
    resampled
        Means over resampled blocks, (R, ...), stretched about `value` so that their standard
        deviation is `error`; R is 0 where there are fewer than two blocks.
    """

    value: Floats
    error: Floats
    resampled: Floats


@dataclass(frozen=True, eq=False)
class FrameBlocks:
    """Blocks of a trajectory of F frames.

    Attributes
    ----------
    weights
        Of the frames, their sum one, (F,).
    owner
        Block of each frame, (F,).
    count
        Number of blocks B; 1 where the trajectory is too short for two.
    seed
        Of the resampling.
    """

    weights: Floats
    owner: Ints
    count: int
    seed: int = 0

    @classmethod
    def of(
        cls, weights: Floats, series: Sequence[Floats], most: int = 20, seed: int = 0
    ) -> FrameBlocks:
        """Return blocks that are longer than the memory of all series.

        Parameters
        ----------
        weights
            Of the frames, (F,), as of :func:`frame_weights`.
        series
            What is averaged, frame by frame; (F,) each. Blocks are at least :data:`BLOCK_LENGTH`
            statistical inefficiencies (one and twice the correlation time) of each of them.
        most
            Largest number of blocks.
        seed
            Of the resampling.
        """
        frames = len(weights)
        memory = max((statistical_inefficiency(np.asarray(one)) for one in series), default=1.0)
        count = max(1, min(most, int(frames / (BLOCK_LENGTH * memory))))
        return cls(weights, np.arange(frames, dtype=np.int64) * count // frames, count, seed)

    def sums(self, values: Floats) -> Floats:
        """Return the weighted sums over the frames of each block, (B, ...), of values (F, ...)."""
        found = np.zeros((self.count, *values.shape[1:]))
        np.add.at(found, self.owner, values * _as_column(self.weights, values.ndim))
        return found

    def mean(self, values: Floats) -> Average:
        """Return the mean over frames of values (F, ...)."""
        return self.ratio(self.sums(values), self.sums(np.ones(len(values))))

    def ratio(self, above: Floats, below: Floats) -> Average:
        """Return the ratio of two sums over frames, given in blocks.

        Parameters
        ----------
        above
            (B, ...).
        below
            (B,), not negative; NaN is returned where their sum is zero.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            value = above.sum(axis=0) / below.sum()
            # effective number of blocks (Kish): one that has all weight leaves no spread to see
            effective = below.sum() ** 2 / np.sum(below**2)
        if not effective > 1.0 + 1e-9:
            return Average(value, np.full(value.shape, np.nan), np.empty((0, *value.shape)))
        rng = np.random.default_rng(self.seed)
        drawn = rng.multinomial(self.count, np.full(self.count, 1 / self.count), RESAMPLINGS)
        divisors = drawn @ below
        drawn, divisors = drawn[divisors > 0], divisors[divisors > 0]
        means = np.tensordot(drawn, above, axes=1) / _as_column(divisors, above.ndim)
        # resampling B blocks has the variance of their spread about their own mean: B - 1 of B
        means = value + (means - value) * np.sqrt(effective / (effective - 1))
        return Average(value, means.std(axis=0), means)


def frame_weights(weights: ArrayLike | None, frames: int) -> Floats:
    """Return weights of frames with the sum one, (F,); by default all are equal.

    Raises
    ------
    ValueError
        If there is not one for each frame, or they are negative, not finite or all zero.
    """
    if frames < 1:
        raise ValueError("no frames: the trajectory is empty")
    if weights is None:
        return np.full(frames, 1.0 / frames)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (frames,):
        raise ValueError(f"weights of shape {given.shape} for {frames} frames: give one for each")
    if not np.isfinite(given).all() or (given < 0).any() or not given.sum() > 0:
        raise ValueError("weights of frames are finite, not negative, and not all zero")
    return np.asarray(given / given.sum())


def _as_column(values: Floats, dimensions: int) -> Floats:
    return values.reshape(-1, *(1,) * (dimensions - 1))
