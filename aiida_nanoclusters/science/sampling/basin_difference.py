"""The free energy between two basins of biased runs over time, and whether it has converged.

Two estimates come from the same runs: the sum of hills, which wanders about the free energy with an
amplitude that falls as the hills do, and reweighted samples, which are averages over the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_nanoclusters.science.sampling.basins import Basins, differences_over_time
from aiida_nanoclusters.science.sampling.metadynamics import Floats, Hills, count_crossings
from aiida_nanoclusters.science.sampling.weighted_blocks import WeightedSamples

#: Moments of a run at which the difference is given, evenly spaced.
MOMENTS = 20
#: Standard errors up to which two values are the same.
_ERRORS = 2.0
#: Height of the last hills, as a share of the first, above which the bias still grows.
STILL_GROWING = 0.1
#: Fewest crossings between two basins from which the error of their difference can be known.
FEWEST_CROSSINGS = 10
#: Error of a converged difference, in k T, at most.
_MOST_ERROR = 1.0


@dataclass(frozen=True, eq=False)
class DifferenceOverTime:
    """Free energy of the second basin above the first, eV, at the :data:`MOMENTS` of a run.

    Attributes
    ----------
    shares
        Parts of the run that were over, to 1, (T,).
    differences, errors
        From the samples until then, reweighted, with standard errors; NaN before there were enough.
    by_hills
        From the hills until then, (T,), NaN before the first; None where there are no hills.
    error_by_hills
        Of the last of them, NaN where there are none.
    """

    shares: Floats
    differences: Floats
    errors: Floats
    by_hills: Floats | None
    error_by_hills: float


def difference_over_time(
    samples: WeightedSamples,
    basins: Basins,
    hills: Sequence[Hills],
    centres: Sequence[Floats],
    discard: float,
) -> DifferenceOverTime:
    """Return how the difference of the two lowest basins settled.

    Parameters
    ----------
    samples
        Of all runs, with blocks longer than their memory.
    basins
        Two or more.
    hills
        Of independent runs; none for OPES.
    centres
        Of the cells along each variable.
    discard
        Share of the runs before their samples.

    Notes
    -----
    In the stationary state the difference by hills fluctuates about the free energy, with a memory
    of t/(g - 1) after the time t, for the bias factor g: the second half of a run holds as many as
    (g - 1) ln 2 independent values. Its error is their standard deviation, divided by the root of
    the number of runs, which are averaged.
    """
    shares = np.arange(1, MOMENTS + 1) / MOMENTS
    rows = [
        samples.until((share - discard) / (1 - discard)).difference(basins.label)
        if share > discard
        else (np.nan, np.nan)
        for share in shares
    ]
    differences, errors = np.array(rows).T
    if not hills:
        return DifferenceOverTime(shares, differences, errors, None, np.nan)
    each = np.array(
        [differences_over_time(basins, own, centres, samples.kt, times=MOMENTS)[1] for own in hills]
    )
    late = each[:, MOMENTS // 2 :]
    values = max(2.0, (hills[0].bias_factor - 1.0) * np.log(2.0))
    error = float(np.sqrt(late.var(axis=1).mean() * values / (values - 1.0) / len(hills)))
    return DifferenceOverTime(shares, differences, errors, each.mean(axis=0), error)


def crossings(samples: WeightedSamples, basins: Basins, energies: Floats) -> int:
    """Return how often the runs went from one of the two lowest basins to the other.

    A basin is reached in its lower half: below the middle between its lowest cell and the barrier.

    Parameters
    ----------
    samples
        Of all runs.
    basins
        Two or more.
    energies
        The surface, eV.
    """
    first, second = basins.basins[:2]
    barrier = second.lowest + second.depth
    side = np.zeros(energies.shape)
    for number, basin, value in ((0, first, -1.0), (1, second, 1.0)):
        lower = energies <= 0.5 * (basin.lowest + barrier)
        side[(basins.label == number) & lower] = value
    series = side.ravel()[samples.cells]
    runs = range(int(samples.runs[-1]) + 1)
    return sum(count_crossings(series[samples.runs == run], -1.0, 1.0) for run in runs)


def late_height(hills: Hills) -> float | None:
    """Return the median height of the last tenth of the hills, as a share of the first.

    The last one alone may lie where none was before, and be as high as the first. None where there
    are no hills, or all have no height.
    """
    heights = hills.heights
    if not len(heights) or not heights[0]:
        return None
    return float(np.median(heights[-max(1, len(heights) // 10) :]) / heights[0])


def judge(
    found: DifferenceOverTime, kt: float, last_height: float | None, count: int
) -> tuple[bool, str]:
    """Return whether a difference of basins has converged, and the reason in words.

    It has if the two basins were left for each other often enough for an error to be known, the
    error is below k T, both estimates agree within their errors, the reweighted one changed by less
    than its error over the last third of the run, and the last hills are low.

    Parameters
    ----------
    found
        The difference over time.
    kt
        Thermal energy, eV.
    last_height
        See :func:`late_height`, the largest of all runs; None for OPES.
    count
        Crossings between the two.

    Notes
    -----
    Values are the same within two standard errors. Combined errors are the root of the sum of
    squares; as both estimates come from the same runs, they rather differ by less.
    """
    value, error = float(found.differences[-1]), float(found.errors[-1])
    if not np.isfinite(error):
        return False, "not converged: there are too few samples for an error: run longer"
    words = f"by reweighting B is {_text(value)} ± {error:.3f} eV above A"
    faults = []
    if count < FEWEST_CROSSINGS:
        faults.append(
            f"A and B were left for each other {count} times, fewer than the {FEWEST_CROSSINGS} "
            "from which an error can be known"
        )
    if error > _MOST_ERROR * kt:
        faults.append(f"{words}, with an error above kT")
    if found.by_hills is not None:
        hills, own = float(found.by_hills[-1]), found.error_by_hills
        by_hills = f"by hills {_text(hills)} ± {own:.3f} eV"
        if not np.isfinite(hills):
            faults.append(f"{words}; hills tell no difference")
        elif not abs(hills - value) <= _ERRORS * np.hypot(error, own):
            faults.append(f"{words}, {by_hills}: they differ by more than twice their errors")
        words += f", {by_hills}"
    third = int(np.argmin(np.abs(found.shares - 2 / 3)))
    drift = value - float(found.differences[third])
    if not np.isfinite(drift):
        faults.append("two thirds of the run have no difference yet, so that its change is unknown")
    elif not abs(drift) <= _ERRORS * error:
        faults.append(
            f"the difference changed by {_text(drift)} eV over the last third, more than twice "
            f"its error of {error:.3f} eV"
        )
    if last_height is not None and last_height > STILL_GROWING:
        faults.append(
            f"the last hills have {100 * last_height:.0f} % of the height of the first: the bias "
            "still grows"
        )
    if faults:
        return False, f"not converged: {'; '.join(faults)}; run longer"
    words += f"; over the last third it changed by {_text(drift)} eV"
    if last_height is not None:
        words += f"; the last hills have {100 * last_height:.0f} % of the height of the first"
    return True, f"converged: {words}"


def _text(energy: float) -> str:
    return f"{energy:.3f}".replace("-", "−")
