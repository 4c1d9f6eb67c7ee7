"""What the disagreement of a committee says about frames that have no label.

The largest force deviation of a frame decides its class, see :mod:`.learning.classes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.classes import ACCURATE, CANDIDATE, FAILED, Thresholds
from aiida_nanoclusters.science.learning.metrics import align, max_force_deviation

Floats = NDArray[np.float64]


class TooFewLabelsError(ValueError):
    """Fewer labels than any statement at this level of confidence needs."""


@dataclass(frozen=True)
class Deviation:
    """How far the members of a committee are from their mean, frame by frame.

    Attributes
    ----------
    forces
        Largest force deviation in eV/Å, shape (F,); NaN where a member has no forces.
    energies
        Standard deviation of the total energies over the members, per atom, in eV/atom, shape (F,).
    mean_forces
        Forces of the committee's mean in eV/Å, shape (A, 3).
    """

    forces: Floats
    energies: Floats
    mean_forces: Floats


@dataclass(frozen=True)
class Calibration:
    """A threshold determined from labels, see :func:`calibrate`.

    Attributes
    ----------
    accurate_below
        Force deviation (eV/Å) below which the statement holds; 0 where it holds nowhere.
    n_labels
        Labelled frames it was determined from.
    n_below, n_wrong
        Of these, frames below the threshold, and those among them with a larger error than
        `max_error`.
    """

    accurate_below: float
    n_labels: int
    n_below: int
    n_wrong: int


def committee_deviation(frames: Frames, members: Mapping[str, Frames]) -> Deviation:
    """Compare the members of a committee with their mean.

    Parameters
    ----------
    frames
        What was evaluated; labels do not enter.
    members
        By key: the same frames, in the same order, with that member's labels. Frames that a member
        could not evaluate may be missing.

    Raises
    ------
    ValueError
        If there are fewer than two members, or a member has other frames.
    """
    if len(members) < 2:
        raise ValueError(f"a committee of {len(members)} has no deviation: give two or more")
    aligned = [align(frames, members[key]) for key in sorted(members)]
    energies = np.array([own for own, _ in aligned])
    forces = np.array([own for _, own in aligned])
    return Deviation(
        forces=max_force_deviation(forces, frames.offsets),
        energies=np.asarray(energies.std(axis=0) / frames.sizes),
        mean_forces=np.asarray(forces.mean(axis=0)),
    )


def classify(deviations: ArrayLike, thresholds: Thresholds) -> NDArray[np.str_]:
    """Return the class of each frame, shape (F,).

    Accurate below ``accurate_below``, failed above ``failed_above``, candidate from one to the
    other, both included. A frame that a member could not evaluate (NaN) has failed.
    """
    values = np.asarray(deviations, dtype=np.float64)
    classes = np.full(values.shape, CANDIDATE)
    classes[values < thresholds.accurate_below] = ACCURATE
    classes[~(values <= thresholds.failed_above)] = FAILED
    return classes


def fewest_labels(share: float = 0.1, confidence: float = 0.9) -> int:
    """Return the smallest number of labels with which :func:`calibrate` can work.

    If none of k frames has too large an error, a fraction above `share` is excluded where
    (1 - share)^k <= 1 - confidence; one more frame bounds the interval.

    Raises
    ------
    ValueError
        If a number does not lie between 0 and 1.
    """
    for name, value in (("share", share), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"`{name}` is {value}: it must lie between 0 and 1")
    return _start(share, 1 - confidence) + 1


def calibrate(
    deviations: ArrayLike,
    errors: ArrayLike,
    max_error: float,
    *,
    share: float = 0.1,
    confidence: float = 0.9,
) -> Calibration:
    """Find the largest deviation below which true force errors are at most `max_error`.

    With probability `confidence` over the random sample of labels, at most the fraction `share` of
    the frames whose deviation is below the threshold have an error above `max_error`. This holds
    for any relation of error to deviation and any number of labels, if the labelled frames are a
    random sample of the frames of which it is stated, and no member was trained on them.

    Parameters
    ----------
    deviations
        Largest force deviations of labelled frames in eV/Å, shape (F,).
    errors
        Their largest true force errors in eV/Å, shape (F,), as
        :func:`.learning.metrics.max_force_error`. Frames with NaN are left out.
    max_error
        eV/Å.
    share, confidence
        Between 0 and 1.

    Raises
    ------
    TooFewLabelsError
        If the labels could not show it even without an error; names the number that is needed.
    ValueError
        If the arrays differ in length, or a number is out of range.
    """
    x, y = np.asarray(deviations, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"{x.shape} deviations and {y.shape} errors: give one of each a frame")
    if not max_error > 0:
        raise ValueError(f"`max_error` is {max_error} eV/Å: the error must be positive")
    needed = fewest_labels(share, confidence)
    known = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[known], kind="stable")
    x, is_wrong = x[known][order], y[known][order] > max_error
    if len(x) < needed:
        raise TooFewLabelsError(
            f"{len(x)} labelled frames are too few to calibrate: {needed} show at best that "
            f"{100 * (1 - share):g} % of the frames are right with {100 * confidence:g} % "
            "confidence; label more, or give the threshold yourself"
        )
    return _largest_threshold(x, is_wrong, share, 1 - confidence)


def _largest_threshold(
    deviations: Floats, is_wrong: NDArray[np.bool_], share: float, level: float
) -> Calibration:
    """Return the largest threshold that is accepted at a significance level.

    A candidate threshold is tested by the k labelled frames below it, m of them in error: it is
    accepted where the binomial probability of m or fewer errors, at an error rate of `share`, is at
    most `level` (Clopper and Pearson, Biometrika 26, 404 (1934)). Thresholds are tested
    upwards until one fails, so that many tests cost no confidence: fixed-sequence
    testing of Angelopoulos, Bates, Candès, Jordan, Lei, Learn then Test, arXiv:2110.01052. So that
    an early error does not end the test, sequences start at several k, each with its part of
    `level`.

    Parameters
    ----------
    deviations
        eV/Å, ascending, shape (F,).
    is_wrong
        Whether the error of the frame is too large, shape (F,).
    """
    # Frames strictly below a threshold that is itself a frame are a plain sample of what is below.
    thresholds, below = np.unique(deviations, return_index=True)
    mistakes = np.concatenate([[0], np.cumsum(is_wrong)])[below]
    starts, own_level = _starts(len(deviations), share, level)
    passes = binom.cdf(mistakes, below, share) <= own_level
    best = -1
    for start in starts:
        first = int(np.searchsorted(below, start))
        fails = np.flatnonzero(~passes[first:])
        last = first + (int(fails[0]) if len(fails) else len(passes) - first) - 1
        best = max(best, last if last >= first else -1)
    if best < 0:
        return Calibration(0.0, len(deviations), 0, 0)
    return Calibration(
        float(thresholds[best]), len(deviations), int(below[best]), int(mistakes[best])
    )


def _start(share: float, level: float) -> int:
    """Return the fewest frames that, all right, exclude a share of errors at a level."""
    return ceil(log(level) / log(1 - share) - 1e-9)


def _starts(count: int, share: float, level: float) -> tuple[list[int], float]:
    """Return numbers of frames at which sequences of tests start, and the level of each sequence.

    Each number is four times the one before.
    """
    sequences = 1
    while _start(share, level / (sequences + 1)) * 4**sequences < count:
        sequences += 1
    first = _start(share, level / sequences)
    return [first * 4**k for k in range(sequences)], level / sequences
