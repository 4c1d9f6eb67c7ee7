"""What the disagreement of a committee says about frames that have no label.

The largest force deviation of a frame sorts it into a class: ``good`` (the members agree, a label
would teach them little), ``decent`` (to be labelled) or ``poor`` (so far from all that was learnt
that the structure itself is doubtful): Zhang, Lin, Wang, Car, E, Phys. Rev. Materials 3, 023804
(2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite, log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from aiida_nanoclusters.science.errors import align, max_force_deviation
from aiida_nanoclusters.science.frames import Frames

Floats = NDArray[np.float64]

GOOD, DECENT, POOR = "good", "decent", "poor"


class TooFewLabelsError(ValueError):
    """Fewer labels than any statement of the wanted confidence needs."""


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
class Thresholds:
    """Largest force deviations (eV/Å) between the classes.

    Attributes
    ----------
    low
        Frames below are good; 0 where none shall be.
    high
        Frames above are poor.

    Raises
    ------
    ValueError
        Unless 0 <= low <= high and high > 0.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (isfinite(self.high) and 0 <= self.low <= self.high and self.high > 0):
            raise ValueError(
                f"thresholds {self.low} and {self.high} eV/Å: `low` must not be negative, and "
                "`high` must be positive and not below `low`"
            )


@dataclass(frozen=True)
class Calibration:
    """A threshold found from labels, see :func:`calibrate`.

    Attributes
    ----------
    low
        Force deviation (eV/Å) below which the statement holds; 0 where it holds nowhere.
    n_labels
        Labelled frames it was drawn from.
    n_below, n_wrong
        Of these, frames below `low`, and those among them with a larger error than wanted.
    """

    low: float
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
        raise ValueError(f"a committee of {len(members)} cannot disagree: give two members or more")
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

    Good below ``low``, poor above ``high``, decent from one to the other, both included. A frame
    that a member could not evaluate (NaN) is poor.
    """
    values = np.asarray(deviations, dtype=np.float64)
    classes = np.full(values.shape, DECENT)
    classes[values < thresholds.low] = GOOD
    classes[~(values <= thresholds.high)] = POOR
    return classes


def fewest_labels(share: float = 0.1, confidence: float = 0.9) -> int:
    """Return the number of labels that :func:`calibrate` asks for at least.

    If none of k frames has too large an error, a share above `share` is excluded where
    (1 - share)^k <= 1 - confidence; one more frame bounds the interval.
    """
    for name, value in (("share", share), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"`{name}` is {value}: it must lie between 0 and 1")
    return _start(share, 1 - confidence) + 1


def calibrate(
    deviations: ArrayLike,
    errors: ArrayLike,
    wanted: float,
    *,
    share: float = 0.1,
    confidence: float = 0.9,
) -> Calibration:
    """Find the largest deviation below which the true force errors are as small as wanted.

    With probability `confidence` over the labels drawn, at most the share `share` of the frames
    whose deviation is below ``low`` have an error above `wanted`. It holds for any relation of
    error to deviation and any number of labels, if the labelled frames were drawn by chance from
    those it is said of, and no member was trained on them.

    A candidate threshold t is tested by the k labelled frames below it, m of them in error: it is
    accepted where the binomial probability of m or fewer errors, at an error rate of `share`, is at
    most 1 - confidence (Clopper and Pearson, Biometrika 26, 404 (1934)). Thresholds are tested
    upwards until one fails, so that testing many of them costs no confidence: fixed-sequence
    testing of Angelopoulos, Bates, Candès, Jordan, Lei, Learn then Test, arXiv:2110.01052. To
    survive an early error the walk starts at several k, each with its part of 1 - confidence.

    Parameters
    ----------
    deviations
        Largest force deviations of labelled frames in eV/Å, shape (F,).
    errors
        Their largest true force errors in eV/Å, shape (F,), as
        :func:`aiida_nanoclusters.science.errors.max_force_error`. Frames with NaN are left out.
    wanted
        eV/Å.
    share, confidence
        Between 0 and 1.

    Raises
    ------
    TooFewLabelsError
        If even without an error the labels could not show it: says how many are needed.
    ValueError
        If the arrays differ in length, or a number is out of range.
    """
    x, y = np.asarray(deviations, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"{x.shape} deviations and {y.shape} errors: give one of each a frame")
    if not wanted > 0:
        raise ValueError(f"`wanted` is {wanted} eV/Å: the error must be positive")
    needed = fewest_labels(share, confidence)
    known = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[known], kind="stable")
    x, wrong = x[known][order], y[known][order] > wanted
    if len(x) < needed:
        raise TooFewLabelsError(
            f"{len(x)} labelled frames are too few to calibrate: {needed} show at best that "
            f"{100 * (1 - share):g} % of the frames are right with {100 * confidence:g} % "
            "confidence; label more, or give the threshold yourself"
        )
    # Frames strictly below a threshold that is itself a frame are a plain sample of what is below.
    thresholds, below = np.unique(x, return_index=True)
    mistakes = np.concatenate([[0], np.cumsum(wrong)])[below]
    starts, level = _starts(len(x), share, 1 - confidence)
    passes = binom.cdf(mistakes, below, share) <= level
    best = -1
    for start in starts:
        first = int(np.searchsorted(below, start))
        fails = np.flatnonzero(~passes[first:])
        last = first + (int(fails[0]) if len(fails) else len(passes) - first) - 1
        best = max(best, last if last >= first else -1)
    if best < 0:
        return Calibration(0.0, len(x), 0, 0)
    return Calibration(float(thresholds[best]), len(x), int(below[best]), int(mistakes[best]))


def _start(share: float, level: float) -> int:
    """Return the fewest frames that, all right, exclude a share of errors at a level."""
    return ceil(log(level) / log(1 - share) - 1e-9)


def _starts(count: int, share: float, level: float) -> tuple[list[int], float]:
    """Return numbers of frames to walk from, each four times the one before, and their level."""
    walks = 1
    while _start(share, level / (walks + 1)) * 4**walks < count:
        walks += 1
    first = _start(share, level / walks)
    return [first * 4**k for k in range(walks)], level / walks
