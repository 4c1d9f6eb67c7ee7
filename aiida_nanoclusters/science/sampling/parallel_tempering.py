"""Parallel tempering: the ladder of temperatures, and what the table of swaps says of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree
from scipy.special import betainc, log_ndtr, ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Relative step of temperature below which a ladder is not refined.
_FINEST = 1e-4


@dataclass(frozen=True, eq=False)
class SwapTable:
    """What happened to the replicas of one run.

    Attributes
    ----------
    temperatures
        Ladder, K, ascending, shape (T,).
    steps
        Time step of each attempt to swap, ascending, shape (S,).
    replica_temperatures
        Index into the ladder of each replica after each attempt, shape (S, R); R = T.
    replica_energies
        Potential energy of each replica before each attempt, eV, shape (S, R). That of the
        confinement is included, as the swap rule needs it.
    replica_walls
        Part of it that is the confinement's, eV, shape (S, R).
    """

    temperatures: Floats
    steps: Ints
    replica_temperatures: Ints
    replica_energies: Floats
    replica_walls: Floats

    def __post_init__(self) -> None:
        shape = (len(self.steps), len(self.temperatures))
        for name in ("replica_temperatures", "replica_energies", "replica_walls"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"`{name}` has shape {getattr(self, name).shape}, not {shape}")

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def before(self) -> Ints:
        """Index into the ladder of each replica during the time before each attempt, (S, R)."""
        first = np.arange(len(self.temperatures))[None]
        return np.concatenate([first, self.replica_temperatures[:-1]])

    def by_temperature(self, values: Floats) -> Floats:
        """Return values of replicas before each attempt, (S, R), sorted by temperature, (S, T)."""
        order = np.argsort(self.before, axis=1)
        return np.take_along_axis(values, order, axis=1)

    @property
    def energies(self) -> Floats:
        """Potential energy at each temperature before each attempt, eV, shape (S, T)."""
        return self.by_temperature(self.replica_energies)

    def rows(self, first: int, last: int | None = None) -> SwapTable:
        """Return some attempts; the first of them needs the row before it, so it is for joining."""
        rows = slice(first, last)
        return replace(
            self,
            steps=self.steps[rows],
            replica_temperatures=self.replica_temperatures[rows],
            replica_energies=self.replica_energies[rows],
            replica_walls=self.replica_walls[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[SwapTable]) -> SwapTable:
        """Join the tables of jobs that continue each other.

        A later job repeats the attempts after the checkpoint from which it began: its rows count.

        Raises
        ------
        ValueError
            If there are none, or their ladders differ.
        """
        if not parts:
            raise ValueError("no table of swaps to join")
        if any(not np.array_equal(p.temperatures, parts[0].temperatures) for p in parts):
            raise ValueError("jobs of different ladders cannot be joined")
        found = parts[0]
        for part in parts[1:]:
            if not len(part):
                continue
            kept = found.rows(0, int(np.searchsorted(found.steps, part.steps[0])))
            names = ("steps", "replica_temperatures", "replica_energies", "replica_walls")
            found = replace(
                found,
                **{n: np.concatenate([getattr(kept, n), getattr(part, n)]) for n in names},
            )
        return found


def pair_acceptance(table: SwapTable, first: int = 0) -> tuple[Floats, Ints]:
    """Return the accepted fraction of swaps between neighbouring temperatures, and the attempts.

    Parameters
    ----------
    table
        Of a whole run: attempts are counted from its beginning.
    first
        Attempts before this one are left out.

    Returns
    -------
    acceptance : numpy.ndarray, shape (T - 1,)
        NaN where nothing was attempted.
    attempts : numpy.ndarray, shape (T - 1,)
        Number of attempts.
    """
    pairs = len(table.temperatures) - 1
    before = np.argsort(table.before, axis=1)[first:]
    after = np.argsort(table.replica_temperatures, axis=1)[first:]
    swapped = before[:, :-1] != after[:, :-1]
    swapped &= before[:, :-1] == after[:, 1:]
    number = np.arange(first, len(table))[:, None]
    tried = number % 2 == np.arange(pairs)[None] % 2
    attempts = tried.sum(axis=0)
    accepted = (swapped & tried).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return accepted / np.where(attempts, attempts, np.nan), attempts.astype(np.int64)


def round_trips(table: SwapTable) -> Ints:
    """Return how often each replica went from the lowest temperature to the highest and back.

    Returns
    -------
    numpy.ndarray, shape (R,)
        Whole round trips; the way to the first visit of the lowest temperature does not count.
    """
    path = np.concatenate([table.before[:1], table.replica_temperatures])
    top = len(table.temperatures) - 1
    trips = np.zeros(path.shape[1], dtype=np.int64)
    if top < 1:
        return trips
    for replica, own in enumerate(path.T):
        ends = own[(own == 0) | (own == top)]
        turns = ends[np.concatenate([[True], ends[1:] != ends[:-1]])] if len(ends) else ends
        trips[replica] = max(0, int((turns == 0).sum()) - 1)
    return trips


def replica_flow(table: SwapTable) -> Floats:
    """Return, for each temperature, the fraction of replicas that come from the lowest one.

    Of the replicas at a temperature that have visited an end of the ladder, those whose last
    visit was to the lowest temperature. The fraction falls from 1 to 0, linearly for an ideal
    ladder; a step shows where replicas do not get through. NaN where nothing is known.

    References
    ----------
    H. G. Katzgraber, S. Trebst, D. A. Huse, M. Troyer, J. Stat. Mech. (2006) P03018.
    """
    path = np.concatenate([table.before[:1], table.replica_temperatures])
    top = len(table.temperatures) - 1
    rows = np.arange(len(path))[:, None]
    last_low = np.maximum.accumulate(np.where(path == 0, rows, -1), axis=0)
    last_high = np.maximum.accumulate(np.where(path == top, rows, -1), axis=0)
    known = np.maximum(last_low, last_high) >= 0
    count = np.bincount(path[known], minlength=top + 1)
    from_low = np.bincount(path[known & (last_low > last_high)], minlength=top + 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(from_low / np.where(count, count, np.nan))


def harmonic_acceptance(cold: float, hot: float, freedom: int) -> float:
    """Return the exact mean acceptance of swaps of two harmonic replicas.

    Energies of `freedom` harmonic degrees of freedom are gamma distributed, and the mean
    acceptance is twice the probability that the colder replica has the higher energy: the
    regularised incomplete beta function 2 I_x(n / 2, n / 2) at x = T_cold / (T_cold + T_hot).

    Parameters
    ----------
    cold, hot
        Temperatures, K.
    freedom
        Number of degrees of freedom n.

    Examples
    --------
    >>> round(harmonic_acceptance(300.0, 300.0, 10), 6)
    1.0
    """
    return float(2 * betainc(freedom / 2, freedom / 2, cold / (cold + hot)))


def gaussian_acceptance(
    temperatures: tuple[float, float],
    energies: tuple[float, float],
    deviations: tuple[float, float],
) -> float:
    """Return the mean acceptance of swaps where both energies are normally distributed.

    Parameters
    ----------
    temperatures
        The colder and the hotter, K.
    energies, deviations
        Means and standard deviations of the potential energy at both, eV.
    """
    step = 1 / (kB * temperatures[0]) - 1 / (kB * temperatures[1])
    mean = step * (energies[0] - energies[1])
    deviation = step * float(np.hypot(*deviations))
    if deviation == 0:
        return float(min(1.0, np.exp(mean)))
    # E[min(1, e^x)] of a normal x.
    upper = ndtr(mean / deviation)
    tail = mean + deviation**2 / 2 + log_ndtr(-(mean + deviation**2) / deviation)
    return float(min(1.0, upper + np.exp(tail)))


def geometric_ladder(lowest: float, highest: float, count: int) -> Floats:
    """Return `count` temperatures (K) in geometric progression, both ends included.

    With a constant heat capacity all pairs have the same acceptance.
    """
    if count == 1:
        return np.array([lowest])
    ladder = np.geomspace(lowest, highest, count)
    ladder[0], ladder[-1] = lowest, highest
    return np.asarray(ladder)


def choose_ladder(
    temperatures: Floats, energies: Floats, deviations: Floats, acceptance: float, most: int
) -> Floats:
    """Choose a ladder with the same predicted acceptance of every pair of neighbours.

    Means and standard deviations of the potential energy, known from short runs, are interpolated
    monotonically in the temperature; energies are taken as normally distributed. The fewest
    temperatures are found with which every pair has at least the acceptance wanted, and then spread
    so that all have the same.

    Parameters
    ----------
    temperatures
        Of the short runs, K, ascending, shape (K,), K >= 2; the ladder has their ends.
    energies, deviations
        Mean and standard deviation of the potential energy, eV, shape (K,).
    acceptance
        Fraction of swaps that is wanted, between 0 and 1.
    most
        Largest number of temperatures; with fewer than are needed, the acceptance is lower.

    Returns
    -------
    numpy.ndarray, shape (T,)
        K, ascending.

    Raises
    ------
    ValueError
        If fewer than two temperatures are known.
    """
    known = np.asarray(temperatures, float)
    if len(known) < 2:
        raise ValueError("a ladder needs short runs at two temperatures or more")
    # Noise must not let the energy fall with temperature: the equations below would have no root.
    rising = np.maximum.accumulate(np.asarray(energies, float))
    mean = PchipInterpolator(known, rising)
    width = PchipInterpolator(known, np.asarray(deviations, float))
    predict = _Prediction(mean, width)
    lowest, highest = float(known[0]), float(known[-1])
    least = len(predict.climb(lowest, highest, acceptance, most))
    low, high = 0.0, 1.0
    for _ in range(40):  # the acceptance with which so many temperatures just reach the end
        middle = (low + high) / 2
        ladder = predict.climb(lowest, highest, middle, least)
        if len(ladder) <= least and ladder[-1] >= highest:
            low = middle
        else:
            high = middle
    ladder = predict.climb(lowest, highest, low, least)
    ladder[-1] = highest
    return np.asarray(ladder)


@dataclass(frozen=True)
class _Prediction:
    """Acceptance between any two temperatures."""

    mean: Any
    width: Any

    def acceptance(self, cold: float, hot: float) -> float:
        return gaussian_acceptance(
            (cold, hot),
            (float(self.mean(cold)), float(self.mean(hot))),
            (float(self.width(cold)), float(self.width(hot))),
        )

    def climb(self, lowest: float, highest: float, acceptance: float, most: int) -> list[float]:
        """Return temperatures from the lowest on, each as far from the last as allowed."""
        ladder = [lowest]
        while ladder[-1] < highest and len(ladder) < most:
            cold, low, high = ladder[-1], ladder[-1] * (1 + _FINEST), highest
            if low >= highest or self.acceptance(cold, highest) >= acceptance:
                ladder.append(highest)
                break
            while high - low > _FINEST * cold:
                middle = (low + high) / 2
                if self.acceptance(cold, middle) >= acceptance:
                    low = middle
                else:
                    high = middle
            ladder.append(low)
        return ladder


def confinement_radius(positions: Floats, gap: float) -> float:
    """Return the radius (Å) of a sphere around the centre of a cluster that confines it.

    Parameters
    ----------
    positions
        Å, shape (N, 3), N from 2 on.
    gap
        Distance from the farthest atom to the sphere, in bond lengths: medians of the distances to
        the nearest neighbour.
    """
    nearest = cKDTree(positions).query(positions, k=2)[0][:, 1]
    centred = positions - positions.mean(axis=0)
    farthest = np.linalg.norm(centred, axis=1).max()
    return float(farthest + gap * np.median(nearest))
