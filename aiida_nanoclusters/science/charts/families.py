"""Families of structures: groups of frames in a chart, by mean shift.

Mean shift (D. Comaniciu and P. Meer, IEEE Trans. Pattern Anal. Mach. Intell. 24, 603 (2002)) moves
every point to the place of highest density within a bandwidth. The bandwidth sets the resolution.
E. Telari et al. (ACS Nano 17, 21287 (2023)) took one from an interval in which the number of
families is almost constant. Here a committee of charts tells the resolution: the finest at which
charts trained with other seeds have the same families (:func:`choose_by_seeds`). Of a single chart
that interval is found by :func:`choose_bandwidth`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.charts.settings import FamilySettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Relative change of the number of families that still counts as constant.
_ALMOST = 0.2
#: Steps between bandwidths that a plateau spans for its families to count as stable.
_LONG = 2
#: Points of a bin from which a mode is sought. Bins of single points cost the most time and give
#: modes that are too small to be families.
_SEED_POINTS = 2
#: Adjusted Rand index between seeds below which families depend on the seed, and what that means.
UNSTABLE = 0.6
UNSTABLE_WORDS = (
    "The seeds divide the frames differently: do not rely on single families, but on what all "
    "members have in common; more frames or a longer training help."
)


@dataclass(frozen=True)
class Trial:
    """What one bandwidth gives.

    Attributes
    ----------
    bandwidth
        In the lengths of the chart.
    families
        Number of families with enough frames.
    agreement
        Adjusted Rand index with the families at the bandwidth before; nan for the first.
    between_seeds
        Mean adjusted Rand index of the families of every two charts at this bandwidth; nan for one
        chart, and where one of them has a single family.
    """

    bandwidth: float
    families: int
    agreement: float
    between_seeds: float = float("nan")


@dataclass(frozen=True, eq=False)
class Families:
    """Families of the frames of a chart, largest first.

    Attributes
    ----------
    centres
        Places of highest density, shape (K, dimensions).
    labels
        Family of each frame, that of the nearest centre, shape (F,).
    bandwidth
        Of the mean shift.
    plateau
        Lowest and highest bandwidth of the plateau from which it was taken; None where it was
        given or chosen by the seeds, or there is no plateau.
    trials
        All bandwidths that were tried, ascending.
    others
        Family of each frame in each of the other charts, at the same bandwidth.
    """

    centres: Floats
    labels: Ints
    bandwidth: float
    plateau: tuple[float, float] | None
    trials: tuple[Trial, ...]
    others: tuple[Ints, ...] = ()

    @property
    def counts(self) -> list[int]:
        """Frames of each family, descending."""
        return [int(n) for n in np.bincount(self.labels, minlength=len(self.centres))]


def find_families(
    coordinates: Floats, settings: FamilySettings, others: Sequence[Floats] = ()
) -> Families:
    """Group the frames of a chart.

    Parameters
    ----------
    coordinates
        Shape (F, dimensions).
    settings
        Bandwidths, smallest family, frames that are fitted.
    others
        Coordinates of the same frames in charts with other seeds.

    Returns
    -------
    Families
        At least one; frames of groups that are too small belong to the nearest family.

    Raises
    ------
    ValueError
        If there are no frames, or a coordinate is not finite.
    """
    charts = [np.asarray(where, dtype=np.float64) for where in (coordinates, *others)]
    own = charts[0]
    for where in charts:
        if where.ndim != 2 or len(where) == 0 or not np.isfinite(where).all():
            raise ValueError("families need finite coordinates of at least one frame")
    rows = np.arange(len(own))
    if len(own) > settings.fitted:
        random = np.random.default_rng(settings.seed)
        rows = random.choice(len(own), settings.fitted, replace=False)
    fewest = max(1, round(settings.fewest * len(rows) / len(own)))
    fitted = [where[rows] for where in charts]
    found = [
        [_large(centres, points, fewest) for centres in _search(points, settings.bandwidths)]
        for points in fitted
    ]
    trials = _trials(settings.bandwidths, found, fitted)
    # A bandwidth that is given is the only one that is tried.
    chosen: int | None = 0
    plateau = None
    if settings.bandwidth is None:
        chosen = choose_by_seeds(trials, settings.seed_share)
    if chosen is None:
        chosen, plateau = choose_bandwidth(trials, settings.agreement)
    labels = nearest_centre(own, found[0][chosen])
    counts = np.bincount(labels, minlength=len(found[0][chosen]))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    centres = found[0][chosen][order]
    return Families(
        centres=centres,
        labels=nearest_centre(own, centres),
        bandwidth=trials[chosen].bandwidth,
        plateau=plateau,
        trials=tuple(trials),
        others=tuple(
            nearest_centre(where, modes[chosen])
            for where, modes in zip(charts[1:], found[1:], strict=True)
        ),
    )


def choose_by_seeds(trials: Sequence[Trial], share: float = 0.9) -> int | None:
    """Return the index of the finest bandwidth at which charts with other seeds agree.

    That is, whose adjusted Rand index between the seeds is at least `share` of the highest at any
    bandwidth; None where there are no other charts, or none with two families. Finer families are
    those of one training and not of the structures.
    """
    known = [trial.between_seeds for trial in trials if not np.isnan(trial.between_seeds)]
    if not known or max(known) <= 0:
        return None
    return next(k for k, t in enumerate(trials) if t.between_seeds >= share * max(known))


def choose_bandwidth(
    trials: Sequence[Trial], agreement: float = 0.9
) -> tuple[int, tuple[float, float] | None]:
    """Return the index of the bandwidth that is chosen, and the plateau that it lies in.

    A plateau is a run of neighbouring bandwidths in which the number of families is at least two
    and differs by at most a fifth (or by one) from its largest, and the families of neighbours
    agree: their adjusted Rand index is at least `agreement`. Of the plateaus of three bandwidths or
    more the one at the smallest is taken, the finest division that is stable; where there is none,
    the widest, the logarithm of its width times that of its number of families. The bandwidth is
    the one in its middle. Without a plateau it is the bandwidth whose families agree best with
    those before.

    That the finest stable division is the right one, and not the widest plateau, was found on
    built structures of known families (`benchmarks/families.py`): wide kernels join families in a
    very stable way.

    Parameters
    ----------
    trials
        By ascending bandwidth.
    agreement
        Smallest adjusted Rand index of neighbours.
    """
    plateaus = [run for run in map(partial(_plateau, trials, agreement), range(len(trials))) if run]
    long = [run for run in plateaus if run[1] - run[0] >= _LONG]
    if not plateaus:
        agreements = [-1.0 if np.isnan(t.agreement) else t.agreement for t in trials]
        several = [a if t.families > 1 else -2.0 for a, t in zip(agreements, trials, strict=True)]
        return int(np.argmax(several)), None
    first, last = long[0] if long else max(plateaus, key=partial(_score, trials))
    return (first + last) // 2, (trials[first].bandwidth, trials[last].bandwidth)


def _plateau(trials: Sequence[Trial], agreement: float, first: int) -> tuple[int, int] | None:
    """Return the longest plateau that begins at a bandwidth, None where there is none."""
    last = first
    for candidate in range(first + 1, len(trials)):
        counts = [trial.families for trial in trials[first : candidate + 1]]
        spread = max(counts) - min(counts)
        if min(counts) < 2 or spread > max(1.0, _ALMOST * max(counts)):
            break
        if trials[candidate].agreement < agreement:
            break
        last = candidate
    return (first, last) if last > first else None


def _score(trials: Sequence[Trial], run: tuple[int, int]) -> float:
    """Return the width of a plateau times its number of families, in logarithms."""
    first, last = run
    counts = [trial.families for trial in trials[first : last + 1]]
    width = np.log(trials[last].bandwidth / trials[first].bandwidth)
    return float(width * np.log(np.mean(counts)))


def nearest_centre(coordinates: Floats, centres: Floats) -> Ints:
    """Return the index of the nearest of the centres (K, d) for each place (F, d), shape (F,)."""
    from scipy.spatial import KDTree

    return np.asarray(KDTree(centres).query(coordinates)[1], dtype=np.int64)


def agreement_of(labels: Any, others: Any) -> float:
    """Return the adjusted Rand index of two divisions of the same frames, each of shape (F,).

    One where they are the same but for the numbers, zero on average for independent ones (L. Hubert
    and P. Arabie, J. Classif. 2, 193 (1985)).
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(labels, others))


def _search(points: Floats, bandwidths: Sequence[float]) -> list[Floats]:
    """Return the places of highest density at each of the ascending bandwidths.

    The first search begins in all bins that hold enough points, each later one where the one before
    ended: a wider kernel joins modes and makes no new ones, but for rare exceptions.
    """
    from sklearn.cluster import MeanShift, get_bin_seeds

    found: list[Floats] = []
    seeds = get_bin_seeds(points, bandwidths[0], _SEED_POINTS)
    if len(seeds) == 0 or len(seeds) == len(points):
        seeds = points
    for bandwidth in bandwidths:
        shift = MeanShift(bandwidth=bandwidth, seeds=seeds).fit(points)
        seeds = np.asarray(shift.cluster_centers_)
        found.append(seeds)
    return found


def _large(centres: Floats, points: Floats, fewest: int) -> Floats:
    """Return the centres of the groups of at least `fewest` points, shape (K, dimensions)."""
    while len(centres) > 1:
        counts = np.bincount(nearest_centre(points, centres), minlength=len(centres))
        if counts.min() >= fewest:
            break
        # The smallest goes first: its points may make a neighbour large enough.
        centres = np.delete(centres, int(np.argmin(counts)), axis=0)
    return centres


def _trials(
    bandwidths: Sequence[float],
    found: Sequence[Sequence[Floats]],
    charts: Sequence[Floats],
) -> list[Trial]:
    """Return what each bandwidth gives; the modes of each chart in `found`, the chart first."""
    labels = [
        [nearest_centre(points, centres) for centres in modes]
        for modes, points in zip(found, charts, strict=True)
    ]
    agreements = [float("nan"), *(agreement_of(a, b) for a, b in pairwise(labels[0]))]
    return [
        Trial(bandwidth, len(found[0][k]), agreements[k], _between([own[k] for own in labels]))
        for k, bandwidth in enumerate(bandwidths)
    ]


def _between(labels: Sequence[Ints]) -> float:
    """Return the mean agreement of every two divisions; nan if one does not divide."""
    if len(labels) < 2 or any(len(np.unique(own)) < 2 for own in labels):
        return float("nan")
    return float(np.mean([agreement_of(a, b) for a, b in combinations(labels, 2)]))


def sizes_alone(sizes: NDArray[Any], family: NDArray[Any]) -> list[int]:
    """Return the sizes whose frames are all in one family, which has no other size.

    Parameters
    ----------
    sizes, family
        Number of atoms and family of each frame, shape (F,).

    Returns
    -------
    list
        Ascending; none where all frames have one size.
    """
    own = {int(n): np.unique(family[sizes == n]) for n in np.unique(sizes)}
    if len(own) == 1:
        return []
    return [n for n, k in own.items() if len(k) == 1 and bool(np.all(sizes[family == k[0]] == n))]
