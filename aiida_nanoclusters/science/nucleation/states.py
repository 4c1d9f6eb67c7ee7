"""States of a trajectory by boundaries of a number, and their shares of the frames with errors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.nucleation.frame_blocks import FrameBlocks, frame_weights
from aiida_nanoclusters.science.settings import Settings, quantity

Ints = NDArray[np.int64]


class StateSettings(Settings):
    """States by boundaries of a number, such as that of solvent molecules about the metal.

    The defaults are the states of two AgSCNH2 units of Tiwari and Karmakar: A the dimer without
    solvent between the units, B with one methanol that bridges them, C with two, D dispersed. That
    work tells the numbers and no boundaries: these lie halfway between.
    """

    names: list[str] = quantity(
        "Names, from the lowest number upward.", default=["A", "B", "C", "D"], min_length=1
    )
    boundaries: list[float] = quantity(
        "Numbers at which the next state begins, ascending, one less than names.",
        default=[0.5, 1.5, 2.5],
    )

    @model_validator(mode="after")
    def _check_states(self) -> StateSettings:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"{', '.join(self.names)}: give each state a name of its own")
        if len(self.boundaries) != len(self.names) - 1:
            raise ValueError(
                f"{len(self.names)} states have {len(self.names) - 1} `boundaries` between them: "
                f"got {len(self.boundaries)}"
            )
        if any(a >= b for a, b in pairwise(self.boundaries)):
            raise ValueError("`boundaries` ascend: sort them, without equal ones")
        return self


@dataclass(frozen=True)
class Share:
    """Share of the frames in a state; the standard error is NaN for fewer than two blocks."""

    share: float
    error: float


def classify_by_boundaries(values: ArrayLike, settings: StateSettings | None = None) -> Ints:
    """Return the state of each value, as an index into the names, (F,).

    Parameters
    ----------
    values
        Such as the counts of :class:`~aiida_nanoclusters.science.nucleation.drying.Drying`, (F,).
    settings
        Default: A to D by 0, 1, 2 and more solvent molecules.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> classify_by_boundaries([0, 1, 2, 7]).tolist()
    [0, 1, 2, 3]
    """
    own, given = settings or StateSettings(), np.asarray(values, dtype=np.float64)
    if not np.isfinite(given).all():
        raise ValueError("values are not finite: leave out these frames")
    return np.searchsorted(own.boundaries, given, side="right").astype(np.int64)


def state_shares(
    values: ArrayLike,
    settings: StateSettings | None = None,
    weights: ArrayLike | None = None,
    *,
    blocks: int = 20,
    seed: int = 0,
) -> dict[str, Share]:
    """Return the share of the frames in each state, by its name.

    Parameters
    ----------
    values, settings
        As of :func:`classify_by_boundaries`.
    weights
        Of the frames, not negative. Default: all are equal.
    blocks
        Largest number of blocks of time for errors.
    seed
        Random seed of the resampling.

    Raises
    ------
    ValueError
        If there is no value, one is not finite, or weights do not fit.
    """
    own = settings or StateSettings()
    found = classify_by_boundaries(values, own)
    given = frame_weights(weights, len(found))
    flags = (found[:, None] == np.arange(len(own.names))).astype(np.float64)
    mean = FrameBlocks.of(given, list(flags.T), blocks, seed).mean(flags)
    return {
        name: Share(float(value), float(error))
        for name, value, error in zip(own.names, mean.value, mean.error, strict=True)
    }
