"""Multistate reweighting of a run of parallel tempering: averages at any temperature of its range.

All samples at all temperatures contribute to every average. The free energies of the temperatures
are pymbar's solution of the equations of M. R. Shirts, J. D. Chodera, J. Chem. Phys. 129, 124105
(2008). Errors come from resampling blocks of time, which all temperatures have in common: they
hold for correlated samples, and for replicas that wander through all temperatures, as long as a
block is longer than the memory of the run. The largest error of blocks of three lengths counts,
since replicas that leave a funnel seldom remember it for long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import NDArray

from aiida_nanoclusters.science.keys import (
    HEAT_CAPACITIES,
    HEAT_CAPACITY_ERRORS,
    POPULATION_ERRORS,
    POPULATIONS,
    POTENTIAL_ENERGIES,
    POTENTIAL_ENERGY_ERRORS,
    TEMPERATURES,
)
from aiida_nanoclusters.science.sampling.correlation import load_pymbar

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Blocks of time that are resampled, how many are put together, and resamplings of each length.
BLOCKS, TOGETHER, RESAMPLINGS = 20, (1, 2, 4), 20
#: Samples beyond which attempts are thinned; neighbouring ones are similar.
MOST_SAMPLES = 10_000
#: Temperatures between neighbours of the ladder at which averages are given.
BETWEEN = 8


@dataclass(frozen=True, eq=False)
class Reweighting:
    """Samples of one run of parallel tempering, in a form that can be averaged at any temperature.

    Attributes
    ----------
    temperatures
        Ladder, K, shape (T,).
    energies
        Potential energies, that of the confinement included, eV, at each temperature at equal
        intervals of time after equilibration; shape (S, T).
    seed
        Of the resampling.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are fewer than two samples or any that is not finite.

    Examples
    --------
    Fifty harmonic degrees of freedom, each of which has half a Boltzmann constant:

    >>> ladder = np.array([300.0, 350.0, 400.0])
    >>> draws = np.random.default_rng(1).gamma(25, kB * ladder, size=(2000, 3))
    >>> found = Reweighting(ladder, draws).thermodynamics(np.array([320.0, 380.0]))
    >>> bool(np.all(np.abs(found["heat_capacities"] - 25) < 3 * found["heat_capacity_errors"]))
    True
    """

    temperatures: Floats
    energies: Floats
    seed: int = 0

    def __post_init__(self) -> None:
        if self.energies.ndim != 2 or self.energies.shape[1] != len(self.temperatures):
            raise ValueError(
                f"energies of shape {self.energies.shape} for {len(self.temperatures)} "
                "temperatures: give one column for each"
            )
        if len(self.energies) < 2:
            raise ValueError("one sample says nothing of fluctuations: run longer")
        if not np.isfinite(self.energies).all():
            raise ValueError("energies are not finite: leave out what failed")

    def grid(self) -> Floats:
        """Return the ladder and :data:`BETWEEN` temperatures between its neighbours, K."""
        ladder = self.temperatures
        parts = [np.linspace(a, b, BETWEEN + 1, endpoint=False) for a, b in pairwise(ladder)]
        return np.concatenate([*parts, ladder[-1:]])

    def thermodynamics(
        self, at: Floats | None = None, *, atoms: int = 1, freedom: int = 0
    ) -> dict[str, Floats]:
        """Return mean potential energies and heat capacities with standard errors.

        Parameters
        ----------
        at
            K, shape (G,). Default: :meth:`grid`.
        atoms
            Number of atoms by which both are divided.
        freedom
            Degrees of freedom of the motion, each of which adds k / 2 to the heat capacity; 0 for
            that of the potential energy alone.

        Returns
        -------
        dict
            Arrays of shape (G,) by the names of :mod:`~aiida_nanoclusters.science.keys`:
            temperatures (K), mean potential energies (eV/atom) and heat capacities (k/atom).
        """
        at = self.grid() if at is None else np.asarray(at, float)
        best = self._whole.moments(at)
        errors = self._error(lambda part, _: part.moments(at)) / atoms
        return {
            TEMPERATURES: at,
            POTENTIAL_ENERGIES: (best[0] + float(self.energies.min())) / atoms,
            POTENTIAL_ENERGY_ERRORS: errors[0],
            HEAT_CAPACITIES: (best[1] + freedom / 2) / atoms,
            HEAT_CAPACITY_ERRORS: errors[1],
        }

    def populations(self, classes: Any, number: int, at: Floats | None = None) -> dict[str, Floats]:
        """Return the share of classes of structures against temperature, with standard errors.

        Parameters
        ----------
        classes
            Class of each sample from 0, -1 where it has none, shape (S, T) as the energies.
        number
            Number of classes C.
        at
            K, shape (G,). Default: :meth:`grid`.

        Returns
        -------
        dict
            Temperatures (K, (G,)), populations and their errors, (C, G). They add up to 1 less the
            share of samples without a class.
        """
        at = self.grid() if at is None else np.asarray(at, float)
        given = np.asarray(classes, dtype=np.int64)
        if given.shape != self.energies.shape:
            raise ValueError(f"classes of shape {given.shape}, energies {self.energies.shape}")
        kept = given[:: self._stride]
        return {
            TEMPERATURES: at,
            POPULATIONS: self._whole.shares(kept, number, at),
            POPULATION_ERRORS: self._error(lambda p, rows: p.shares(kept[rows], number, at)),
        }

    def weights(self, temperature: float) -> tuple[Floats, list[Floats]]:
        """Return the weights of the samples at a temperature, and those of each resampling.

        Parameters
        ----------
        temperature
            K.

        Returns
        -------
        whole : numpy.ndarray, shape (S, T)
            They add up to 1; 0 for samples beyond :data:`MOST_SAMPLES`, which are left out.
        resampled : list of numpy.ndarray, shape (S, T)
            The same with blocks of time drawn anew, of which errors of any average follow; the
            blocks have the length for which the error of the mean energy is largest.
        """

        def spread(mixture: _Mixture, rows: Ints) -> Floats:
            found = np.zeros(self.energies.shape)
            np.add.at(found, rows * self._stride, mixture.weights(temperature))
            return found

        at = np.array([temperature])
        drawn = max(
            self._resamples, key=lambda own: np.std([part.moments(at)[0, 0] for part, _ in own])
        )
        every = np.arange(len(self._thinned))
        return spread(self._whole, every), [spread(part, rows) for part, rows in drawn]

    def _error(self, average: Callable[[_Mixture, Ints], Floats]) -> Floats:
        """Return the standard error of an average, the largest of those by length of blocks."""
        spreads = [[average(part, rows) for part, rows in own] for own in self._resamples]
        return np.asarray(np.std(spreads, axis=1, ddof=1).max(axis=0))

    @cached_property
    def _stride(self) -> int:
        return max(1, -(-self.energies.size // MOST_SAMPLES))

    @cached_property
    def _thinned(self) -> Floats:
        """Energies less the lowest, so that exponentials do not overflow, shape (S', T)."""
        return self.energies[:: self._stride] - self.energies.min()

    @cached_property
    def _whole(self) -> _Mixture:
        return _Mixture.of(self.temperatures, self._thinned)

    @cached_property
    def _resamples(self) -> list[list[tuple[_Mixture, Ints]]]:
        """Resamplings of blocks of time of each length, with their rows."""
        count = len(self._thinned)
        rng = np.random.default_rng(self.seed)
        return [
            [
                self._resample(np.array_split(np.arange(count), number), rng)
                for _ in range(RESAMPLINGS)
            ]
            for number in sorted({min(BLOCKS // together, count) for together in TOGETHER})
        ]

    def _resample(self, blocks: list[Ints], rng: np.random.Generator) -> tuple[_Mixture, Ints]:
        """Draw as many blocks as there are, with replacement."""
        rows = np.concatenate([blocks[k] for k in rng.integers(len(blocks), size=len(blocks))])
        return _Mixture.of(self.temperatures, self._thinned[rows], self._whole.free), rows


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Samples of all temperatures as those of one distribution.

    Attributes
    ----------
    energies
        eV, shape (S, T).
    free
        Reduced free energies of the temperatures, shape (T,).
    logs
        Logarithm of the density of the mixture at each sample, shape (S, T).
    """

    energies: Floats
    free: Floats
    logs: Floats

    @classmethod
    def of(cls, ladder: Floats, energies: Floats, initial: Floats | None = None) -> _Mixture:
        """Solve for the free energies, beginning from those of similar samples."""
        betas = 1 / (kB * ladder)
        counts = np.full(len(ladder), len(energies))
        reduced = betas[:, None] * energies.T.ravel()
        protocol = ({"method": "adaptive", "tol": 1e-9},)
        solved = load_pymbar().MBAR(reduced, counts, initial_f_k=initial, solver_protocol=protocol)
        free = np.asarray(solved.f_k, dtype=np.float64)
        terms = free - betas * energies[..., None]
        highest = terms.max(axis=-1)
        sums = np.exp(terms - highest[..., None]).sum(axis=-1)
        return cls(energies, free, highest + np.log(sums))

    def weights(self, temperature: float) -> Floats:
        """Return the normalised weights of the samples at a temperature (K), shape (S, T)."""
        logs = -self.energies / (kB * temperature) - self.logs
        weights = np.exp(logs - logs.max())
        return np.asarray(weights / weights.sum())

    def moments(self, at: Floats) -> Floats:
        """Return mean energies (eV) and their fluctuation as heat capacity (k), shape (2, G)."""
        found = np.empty((2, len(at)))
        for place, temperature in enumerate(at):
            weights = self.weights(float(temperature))
            mean = float((weights * self.energies).sum())
            variance = float((weights * (self.energies - mean) ** 2).sum())
            found[:, place] = mean, variance / (kB * temperature) ** 2
        return found

    def shares(self, classes: Ints, number: int, at: Floats) -> Floats:
        """Return the weight of each class, shape (C, G)."""
        flat, found = classes.ravel() + 1, np.empty((number, len(at)))
        for place, temperature in enumerate(at):
            weights = self.weights(float(temperature)).ravel()
            found[:, place] = np.bincount(flat, weights, minlength=number + 1)[1 : number + 1]
        return found
