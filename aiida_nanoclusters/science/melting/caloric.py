"""Caloric curve of a cluster: energy against temperature, heat capacity, and where it melts."""

from __future__ import annotations

from dataclasses import dataclass

import ase.units
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from aiida_nanoclusters.science.sampling.correlation import statistical_inefficiency

Floats = NDArray[np.float64]

#: Fewest temperatures that a curve with two branches and a step between them can be fitted to.
FEWEST = 8
#: Positions of the step, and widths of it, that are tried.
_PLACES, _WIDTHS = 400, 25


@dataclass(frozen=True)
class Mean:
    """Mean of a correlated series.

    Attributes
    ----------
    value
        In the unit of the series.
    error
        Standard error; NaN for a single value.
    independent
        How many independent values it is worth.
    """

    value: float
    error: float
    independent: float


def correlated_mean(values: Floats) -> Mean:
    """Return the mean of a stationary series with the standard error that its correlation leaves.

    The variance of the mean is that of the values times g / n; the statistical inefficiency g, one
    and twice the correlation time, is that of ``pymbar.timeseries``.

    Parameters
    ----------
    values
        At equal intervals of time, shape (n,).

    Examples
    --------
    >>> found = correlated_mean(np.repeat([1.0, 3.0, 2.0, 1.0, 3.0, 2.0], 50))
    >>> found.value, found.independent < 30  # 300 values, of which 50 after one another are equal
    (2.0, True)

    References
    ----------
    J. D. Chodera et al., J. Chem. Theory Comput. 3, 26 (2007).
    """
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Mean(mean, float("nan"), float(count))
    if np.ptp(values) == 0:
        return Mean(mean, 0.0, float(count))
    inefficiency = min(statistical_inefficiency(np.asarray(values, float)), float(count))
    error = np.std(values, ddof=1) * np.sqrt(inefficiency / count)
    return Mean(mean, float(error), count / inefficiency)


def fluctuation_heat_capacity(potential: Floats, temperature: float, freedom: int) -> float:
    """Return the canonical heat capacity (eV/K) from the fluctuation of the potential energy.

    Parameters
    ----------
    potential
        eV, total, at one temperature, shape (n,).
    temperature
        K.
    freedom
        Degrees of freedom of the motion: each has k/2.
    """
    variance = float(np.var(potential, ddof=1))
    return ase.units.kB * freedom / 2 + variance / (ase.units.kB * temperature**2)


def slope_heat_capacity(temperatures: Floats, energies: Floats) -> Floats:
    """Return dE/dT, shape (S,), by differences of second order; temperatures ascend."""
    return np.asarray(np.gradient(energies, temperatures))


@dataclass(frozen=True)
class Melting:
    """Where a cluster melts.

    Attributes
    ----------
    temperature, error
        K; the error is a standard deviation, or half of an interval that takes its place.
    latent_heat, latent_heat_error
        eV/atom; None where not determined.
    width
        K, over which energy goes from one branch to the other (from 12 to 88 %); None where not
        determined.
    """

    temperature: float
    error: float
    latent_heat: float | None = None
    latent_heat_error: float | None = None
    width: float | None = None


def melting_by_energy(temperatures: Floats, energies: Floats, errors: Floats) -> Melting | None:
    """Return where the energy steps from the solid's branch to the liquid's; None if it does not.

    Both branches are straight lines, weighted with x and 1 - x, where x = 1 / (1 + exp(-(T - Tm) /
    w)). For each Tm and w the lines follow by least squares. The interval of Tm is that in which
    the sum of squares stays within one standard deviation of its least, and a rounding error of the
    gap between temperatures is added, because the branches are not exactly straight.

    A step counts if it describes the energies better than a parabola does (Bayesian information
    criterion), is upwards, and leaves two temperatures on either side.

    Parameters
    ----------
    temperatures
        K, ascending, shape (S,), at least 8.
    energies
        eV/atom, shape (S,).
    errors
        Standard errors of these, shape (S,).

    Raises
    ------
    ValueError
        If there are fewer temperatures.
    """
    count = len(temperatures)
    if count < FEWEST:
        raise ValueError(f"{count} temperatures: two branches and a step need {FEWEST} or more")
    weights = _weights(errors)
    span = float(np.ptp(temperatures))
    t = (temperatures - temperatures.mean()) / span
    gap = float(np.diff(t).min())
    places = np.linspace(t[1], t[-2], _PLACES)
    widths = np.geomspace(0.02 * gap, 0.06, _WIDTHS)
    squares, lines = _all_steps(t, energies, weights, places, widths)
    heats = lines[..., 2] + lines[..., 3] * places[:, None]
    squares[heats <= 0] = np.inf  # a step down is none
    place, width = np.unravel_index(np.argmin(squares), squares.shape)
    least = squares[place, width]
    if not np.isfinite(least):
        return None
    scale = max(1.0, float(least) / (count - 6))
    if (_parabola(t, energies, weights) - least) / scale <= 3 * np.log(count):
        return None
    profile = squares.min(axis=1)
    inside = places[profile <= least + scale]
    step = places[1] - places[0]
    middle, half = (inside[0] + inside[-1]) / 2, (inside[-1] - inside[0] + step) / 2
    above = int(np.searchsorted(t, middle).clip(1, count - 1))
    around = temperatures[above] - temperatures[above - 1]
    likely = heats[squares <= least + scale]
    return Melting(
        temperature=float(temperatures.mean() + span * middle),
        error=float(np.hypot(span * half, around / np.sqrt(12))),
        latent_heat=float(heats[place, width]),
        latent_heat_error=float(np.ptp(likely) / 2),
        width=float(4 * widths[width] * span),
    )


def _parabola(t: Floats, energies: Floats, weights: Floats) -> float:
    """Weighted sum of squares that a parabola leaves."""
    fitted = np.polynomial.polynomial.polyfit(t, energies, 2, w=weights)
    residuals = (energies - np.polynomial.polynomial.polyval(t, fitted)) * weights
    return float((residuals**2).sum())


def _weights(errors: Floats) -> Floats:
    """Inverse errors, of which none counts as less than 0.3 times the median: that is scatter."""
    known = np.where(np.isfinite(errors), errors, np.nan)
    typical = float(np.nanmedian(known)) if np.isfinite(known).any() else 0.0
    if typical <= 0:
        return np.ones(len(errors))
    return np.asarray(1 / np.maximum(np.nan_to_num(known, nan=typical), 0.3 * typical))


def _all_steps(
    t: Floats, energies: Floats, weights: Floats, places: Floats, widths: Floats
) -> tuple[Floats, Floats]:
    """Sums of squares (P, W) and lines (P, W, 4): a, b of the solid; of liquid less solid."""
    share = expit((t - places[:, None, None]) / widths[:, None])  # (P, W, S)
    columns = np.stack([np.ones_like(share), np.broadcast_to(t, share.shape), share, share * t], -1)
    design = columns * weights[:, None]
    wanted = energies * weights
    lines = np.linalg.pinv(design) @ wanted
    residuals = wanted - np.einsum("pwsk,pwk->pws", design, lines)
    return np.asarray((residuals**2).sum(axis=-1)), np.asarray(lines)


def melting_by_lindemann(
    temperatures: Floats, indices: Floats, thresholds: tuple[float, float]
) -> Melting | None:
    """Return where a Lindemann index rises through two thresholds; None if it does not.

    The temperature is midway between the two crossings. The error is half their distance, and
    at least half the gap between the temperatures around it.

    Parameters
    ----------
    temperatures
        K, ascending, shape (S,).
    indices
        Lindemann indices, shape (S,).
    thresholds
        The lower and the upper.
    """
    crossings, gaps = [], []
    for threshold in thresholds:
        below = np.flatnonzero(~(indices > threshold))
        if not len(below) or below[-1] == len(indices) - 1:
            return None
        k = int(below[-1])  # above it the index stays
        share = (threshold - indices[k]) / (indices[k + 1] - indices[k])
        gaps.append(temperatures[k + 1] - temperatures[k])
        crossings.append(temperatures[k] + share * gaps[-1])
    error = max(crossings[1] - crossings[0], *gaps) / 2
    return Melting(float(np.mean(crossings)), float(error))
