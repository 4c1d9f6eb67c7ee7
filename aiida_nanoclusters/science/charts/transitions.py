"""Transitions between families along a trajectory that was placed in a chart.

A trajectory is in the family whose core it visited last, and a transition is the entry into the
core of another one; frames between cores do not count. Thermal motion crosses the border between
two families back and forth many times, and these crossings are no transitions (core sets: N.-V.
Buchete, G. Hummer, J. Phys. Chem. B 112, 6057 (2008); C. Schuette et al., J. Chem. Phys. 134,
204105 (2011)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: No core, no family.
NONE = -1
#: Complete dwells from which their distribution is compared with an exponential one.
_FEWEST_DWELLS = 5


def core_radii(
    coordinates: ArrayLike, families: ArrayLike, centres: ArrayLike, share: float
) -> Floats:
    """Return the radius around each centre that holds a share of the family's frames.

    Parameters
    ----------
    coordinates, families
        Of the frames of the chart itself, shapes (F, d) and (F,); -1 is no family.
    centres
        Of the families, shape (C, d).
    share
        From 0 to 1.

    Returns
    -------
    numpy.ndarray, shape (C,)
        In the lengths of the chart; 0 for a family without frames.
    """
    middles, own = np.asarray(centres, float), np.asarray(families)
    distances = _distances(np.asarray(coordinates, float), own, middles)
    return np.array(
        [
            np.quantile(distances[own == k], share, method="inverted_cdf")
            if (own == k).any()
            else 0.0
            for k in range(len(middles))
        ]
    )


def core_of(
    coordinates: ArrayLike, families: ArrayLike, centres: ArrayLike, radii: ArrayLike
) -> Ints:
    """Return the family in whose core each frame lies, -1 between the cores, shape (F,).

    A frame lies in the core of its family if its distance from the centre is at most the radius.
    """
    own = np.asarray(families, dtype=np.int64)
    distances = _distances(np.asarray(coordinates, float), own, np.asarray(centres, float))
    inside = distances <= np.append(np.asarray(radii, float), -1.0)[own]
    return np.where(inside, own, NONE)


def _distances(coordinates: Floats, families: NDArray[np.int64], centres: Floats) -> Floats:
    """Distance of each frame from the centre of its own family; infinite without one."""
    found = np.full(len(coordinates), np.inf)
    known = families >= 0
    found[known] = np.linalg.norm(coordinates[known] - centres[families[known]], axis=1)
    return found


@dataclass(frozen=True)
class Event:
    """One transition.

    Attributes
    ----------
    run
        Number of the trajectory.
    origin, target
        Families.
    left, entered
        Indices of the last frame in the core of the origin and of the first in that of the target.
    left_at, entered_at
        Their times, ps.
    path
        Families on the way, loops taken out; the first is the origin, the last the target.
    """

    run: int
    origin: int
    target: int
    left: int
    entered: int
    left_at: float
    entered_at: float
    path: tuple[int, ...]


@dataclass(frozen=True)
class Dwell:
    """How long a trajectory stays in a family.

    Attributes
    ----------
    family
        Its number.
    time
        Time in it altogether, ps, unfinished visits included.
    visits, exits
        Number of visits, and of those that ended.
    mean
        Mean dwell time, ps: time / exits, which accounts for unfinished visits if dwell times are
        exponentially distributed. None without exits.
    error
        Standard error of it: mean / sqrt(exits).
    low, high
        Confidence interval of the mean, ps: exits are a Poisson process. `high` is None without
        exits.
    variation
        Standard deviation of the complete dwell times divided by their mean: 1 if they are
        exponentially distributed; larger if a family holds states of different lifetimes. None for
        fewer than five.
    """

    family: int
    time: float
    visits: int
    exits: int
    mean: float | None
    error: float | None
    low: float
    high: float | None
    variation: float | None


@dataclass(frozen=True, eq=False)
class Transitions:
    """Transitions of one or several trajectories.

    Attributes
    ----------
    states
        Family of each frame by its last core, shape (F,); -1 before the first.
    events
        In the order of the frames.
    dwells
        One for each family that was visited.
    counts
        Number of transitions from the row to the column, shape (C, C).
    """

    states: Ints
    events: tuple[Event, ...]
    dwells: tuple[Dwell, ...]
    counts: Ints


@dataclass(frozen=True)
class _Visit:
    """Consecutive visits to one core, from its first frame to its last one there."""

    core: int
    first: int
    last: int


def find_transitions(
    cores: ArrayLike,
    times: ArrayLike,
    number: int,
    *,
    families: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    residence: float = 0.0,
    confidence: float = 0.95,
) -> Transitions:
    """Find the transitions between families, and how long each family lasts.

    Parameters
    ----------
    cores
        Family in whose core each frame lies, -1 between cores, shape (F,); see :func:`core_of`.
    times
        Time of each frame, ps, ascending in each run, shape (F,).
    number
        Number of families C.
    families
        Family of each frame, cores or not, shape (F,): the path of a transition goes through these.
        Default: the cores.
    runs
        Number of the trajectory of each frame, shape (F,); frames of one follow each other.
    residence
        Shortest time from entering a core to entering another one, ps; shorter visits are left out,
        and so is one that begins less than this before the end. The first visit always counts.
    confidence
        Of the intervals.

    Raises
    ------
    ValueError
        If the arrays have different lengths, times do not ascend, or a core is not below `number`.

    Examples
    --------
    Between the cores (-1) nothing is decided, and the short visit to 1 is not counted:

    >>> found = find_transitions([0, 0, -1, 1, 0, 1, 1, 1], np.arange(8), 2, residence=2)
    >>> [(event.left, event.entered) for event in found.events]
    [(4, 5)]
    """
    own = np.asarray(cores, dtype=np.int64)
    clock = np.asarray(times, dtype=float)
    groups = np.zeros(len(own), int) if runs is None else np.asarray(runs, dtype=np.int64)
    along = own if families is None else np.asarray(families, dtype=np.int64)
    _check(own, clock, groups, along, number)
    states = np.full(len(own), NONE, dtype=np.int64)
    events: list[Event] = []
    spent: list[list[tuple[float, bool]]] = [[] for _ in range(number)]
    borders = np.flatnonzero(np.diff(groups)) + 1
    for frames in np.split(np.arange(len(own)), borders) if len(own) else ():
        visits = _visits(own, clock, frames, residence)
        for k, visit in enumerate(visits):
            following = visits[k + 1] if k + 1 < len(visits) else None
            end = int(frames[-1]) + 1 if following is None else following.first
            states[visit.first : end] = visit.core
            stay = clock[min(end, int(frames[-1]))] - clock[visit.first]
            spent[visit.core].append((float(stay), following is not None))
            if following is not None:
                events.append(_event(int(groups[visit.first]), visit, following, clock, along))
    counts = np.zeros((number, number), dtype=np.int64)
    for event in events:
        counts[event.origin, event.target] += 1
    dwells = tuple(_dwell(k, stays, confidence) for k, stays in enumerate(spent) if stays)
    return Transitions(states, tuple(events), dwells, counts)


def _check(cores: Ints, times: Floats, runs: Ints, families: Ints, number: int) -> None:
    lengths = {"times": len(times), "runs": len(runs), "families": len(families)}
    for name, length in lengths.items():
        if length != len(cores):
            raise ValueError(f"{length} {name} for {len(cores)} frames")
    if len(cores) and (cores.max() >= number or cores.min() < NONE):
        raise ValueError(f"cores must be from -1 to {number - 1}")
    same = np.diff(runs) == 0
    if not np.isfinite(times).all() or (np.diff(times)[same] <= 0).any():
        raise ValueError("times do not ascend along a trajectory: give its frames in their order")


def _visits(cores: Ints, times: Floats, frames: Ints, residence: float) -> list[_Visit]:
    """Visits to cores that last, those to the same core in succession joined."""
    inside = frames[cores[frames] != NONE]
    if not len(inside):
        return []
    starts = np.flatnonzero(np.diff(cores[inside], prepend=NONE - 1) != 0)
    bounds = [*starts.tolist(), len(inside)]
    end = float(times[frames[-1]])
    lasting: list[_Visit] = []
    for first, stop in pairwise(bounds):
        visit = _Visit(int(cores[inside[first]]), int(inside[first]), int(inside[stop - 1]))
        until = float(times[inside[stop]]) if stop < len(inside) else end
        if lasting and lasting[-1].core == visit.core:
            lasting[-1] = _Visit(visit.core, lasting[-1].first, visit.last)
        elif not lasting or until - times[visit.first] >= residence:
            lasting.append(visit)
    return lasting


def _event(run: int, origin: _Visit, target: _Visit, times: Floats, families: Ints) -> Event:
    between = families[origin.last + 1 : target.first]
    return Event(
        run=run,
        origin=origin.core,
        target=target.core,
        left=origin.last,
        entered=target.first,
        left_at=float(times[origin.last]),
        entered_at=float(times[target.first]),
        path=without_loops([origin.core, *between[between != NONE].tolist(), target.core]),
    )


def without_loops(families: Sequence[int]) -> tuple[int, ...]:
    """Return a sequence of families in which each occurs once: every loop is taken out.

    >>> without_loops([4, 4, 2, 4, 2, 7, 2, 3])
    (4, 2, 3)
    """
    path: list[int] = []
    for family in families:
        if family in path:
            del path[path.index(family) + 1 :]
        else:
            path.append(family)
    return tuple(path)


def _dwell(family: int, stays: list[tuple[float, bool]], confidence: float) -> Dwell:
    time = sum(stay for stay, _ in stays)
    complete = np.array([stay for stay, ended in stays if ended])
    exits, tail = len(complete), (1 - confidence) / 2
    # Limits of the expected number of exits: F. Garwood, Biometrika 28, 437 (1936).
    most = float(chi2.ppf(1 - tail, 2 * exits + 2)) / 2
    least = float(chi2.ppf(tail, 2 * exits)) / 2 if exits else 0.0
    known = exits >= _FEWEST_DWELLS
    return Dwell(
        family=family,
        time=time,
        visits=len(stays),
        exits=exits,
        mean=time / exits if exits else None,
        error=time / exits**1.5 if exits else None,
        low=time / most,
        high=time / least if exits else None,
        variation=float(complete.std(ddof=1) / complete.mean()) if known else None,
    )


def running_mean(values: ArrayLike, window: int) -> Floats:
    """Return the mean of a series over windows of frames around each, shape of `values`.

    At both ends the window is cut to what there is, symmetrically.

    Parameters
    ----------
    values
        Shape (F,) or (F, d).
    window
        Frames; an even number counts as the next odd one.

    Examples
    --------
    >>> running_mean([0.0, 3.0, 0.0, 3.0], 3).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    series = np.asarray(values, float)
    count = len(series)
    half = np.minimum(max(window, 1) // 2, np.minimum(np.arange(count), np.arange(count)[::-1]))
    sums = np.concatenate([np.zeros_like(series[:1]), np.cumsum(series, axis=0)])
    place = np.arange(count)
    widths = (2 * half + 1).reshape(-1, *[1] * (series.ndim - 1))
    return np.asarray((sums[place + half + 1] - sums[place - half]) / widths)
