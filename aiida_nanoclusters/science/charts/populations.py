"""Populations of classes of structures against temperature, from a run of parallel tempering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.keys import POPULATION_ERRORS, POPULATIONS, TEMPERATURES
from aiida_nanoclusters.science.sampling.parallel_tempering import SwapTable
from aiida_nanoclusters.science.sampling.reweighting import Reweighting

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Relative difference of temperatures that are the same one of the ladder.
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class SampledFrames:
    """Frames of a run of parallel tempering, one for each temperature at each time.

    Attributes
    ----------
    temperatures
        Ladder, K, ascending, shape (T,).
    frames
        Index of the frame at each time and temperature, shape (S, T).
    energies
        Their potential energies, eV, shape (S, T).
    left_out
        Number of frames of times at which a temperature has none.
    """

    temperatures: Floats
    frames: Ints
    energies: Floats
    left_out: int

    @classmethod
    def sort(
        cls, ladder: ArrayLike, temperatures: ArrayLike, steps: ArrayLike, energies: ArrayLike,
        *, first_step: int = 0,
    ) -> SampledFrames:  # fmt: skip
        """Sort frames by time and temperature.

        Parameters
        ----------
        ladder
            K, ascending, shape (T,).
        temperatures, steps, energies
            Of each frame: thermostat (K), time step, potential energy (eV), shape (F,).
        first_step
            Frames before it are equilibration and left out.

        Raises
        ------
        ValueError
            If a frame's temperature is none of the ladder, two frames share time and temperature,
            or fewer than two times are complete.
        """
        rungs, own = np.asarray(ladder, float), np.asarray(temperatures, float)
        when, values = np.asarray(steps, dtype=np.int64), np.asarray(energies, float)
        if not len(own):
            raise ValueError("no frames: nothing was sampled")
        column = np.abs(own[:, None] - rungs).argmin(axis=1)
        strange = np.abs(own - rungs[column]) > _SAME * rungs[column]
        if strange.any():
            raise ValueError(f"{own[strange][0]:g} K is none of the temperatures of the ladder")
        kept = np.flatnonzero(when >= first_step)
        times, row = np.unique(when[kept], return_inverse=True)
        table = np.full((len(times), len(rungs)), -1, dtype=np.int64)
        counts = np.zeros(table.shape, dtype=np.int64)
        np.add.at(counts, (row, column[kept]), 1)
        if (counts > 1).any():
            raise ValueError("two frames of one time and temperature: give one run at a time")
        table[row, column[kept]] = kept
        complete = (table >= 0).all(axis=1) & np.isfinite(
            np.where(table >= 0, values[table], np.nan)
        ).all(axis=1)
        if complete.sum() < 2:
            raise ValueError(
                f"{int(complete.sum())} times have a frame at every temperature: sample more often"
            )
        left_out = len(kept) - int(complete.sum()) * len(rungs)
        chosen = table[complete]
        return cls(rungs, chosen, values[chosen], left_out)

    def reweighting(self, seed: int = 0) -> Reweighting:
        """Return the samples as one distribution, that gives averages at any temperature."""
        return Reweighting(self.temperatures, self.energies, seed)


def wall_energies(table: SwapTable, steps: ArrayLike, replicas: ArrayLike) -> Floats:
    """Return the energy that the confinement adds to that of frames, eV, shape (F,).

    Parameters
    ----------
    table
        Swaps of the run; frames are taken before attempts to swap.
    steps, replicas
        Time step and replica of each frame, shape (F,).

    Raises
    ------
    ValueError
        If no swap was attempted at the step of a frame.
    """
    when, own = np.asarray(steps, dtype=np.int64), np.asarray(replicas, dtype=np.int64)
    rows = np.minimum(np.searchsorted(table.steps, when), max(len(table.steps) - 1, 0))
    if not len(table.steps) or (table.steps[rows] != when).any():
        raise ValueError("frames and swaps are not of the same run: their time steps differ")
    return np.asarray(table.replica_walls[rows, own], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Populations:
    """Shares of classes against temperature.

    Attributes
    ----------
    names
        Of the classes, C.
    temperatures
        K, (G,), of the ladder and between.
    shares, errors
        By reweighting of all frames, and standard errors; (C, G).
    ladder
        K, (T,).
    counts
        Frames of each class at each temperature of the ladder, (C, T), not reweighted.
    unclassified
        Frames without a class, (T,).
    """

    names: tuple[str, ...]
    temperatures: Floats
    shares: Floats
    errors: Floats
    ladder: Floats
    counts: Ints
    unclassified: Ints


def populations(
    sampled: SampledFrames,
    classes: ArrayLike,
    names: Sequence[str],
    at: Floats | None = None,
    *,
    reweighting: Reweighting | None = None,
) -> Populations:
    """Return the populations of classes against temperature, and the frames counted as they are.

    Parameters
    ----------
    sampled
        Frames sorted by time and temperature.
    classes
        Class of each frame, -1 without one, shape (F,).
    names
        Of the classes.
    at
        K, shape (G,). Default: the ladder and temperatures between.
    reweighting
        That of the same frames; it is costly, and several classifications can share one.

    Raises
    ------
    ValueError
        If a class has no name.

    Examples
    --------
    >>> sampled = SampledFrames.sort([100, 200], [100, 200] * 3, [0, 0, 1, 1, 2, 2], [0, 1] * 3)
    >>> populations(sampled, [0, 0, 0, 1, 0, -1], ["A", "B"]).counts.tolist()
    [[3, 1], [0, 1]]
    """
    own = np.asarray(classes, dtype=np.int64)
    if len(own) and own.max() >= len(names):
        raise ValueError(f"class {own.max()} has no name")
    table = own[sampled.frames]
    whole = sampled.reweighting() if reweighting is None else reweighting
    found = whole.populations(table, len(names), at)
    counts = np.array([(table == k).sum(axis=0) for k in range(-1, len(names))], dtype=np.int64)
    return Populations(
        names=tuple(names),
        temperatures=found[TEMPERATURES],
        shares=found[POPULATIONS],
        errors=found[POPULATION_ERRORS],
        ladder=sampled.temperatures,
        counts=counts[1:],
        unclassified=counts[0],
    )
