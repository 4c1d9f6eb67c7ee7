"""Where crystals become lower in energy than icosahedra, with a confidence interval.

The quantity is the difference per atom of the lowest family on either side,

    dE(N) = (E_cluster(N) - E_crystal(N)) / N ,

negative where the icosahedral mode wins (H. Liu et al., "From cluster to nanocrystal", eq. 4).
Because dE/N changes by only some meV/atom over a decade in N, an error of 1 meV/atom moves the
answer by tens of percent: the size means nothing without its interval.

The interval combines three sources by drawing whole curves dE(N) and finding where each crosses:
the uncertainty of the fits, the committee's disagreement (both :meth:`FamilyFits.sample`), and a
systematic error of the motif difference, which shifts a curve as a whole. Curves that do not
cross below ``n_max`` count as crossing beyond it, so the interval may be open.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from aiida_nanoclusters.science.stability.expansion import FamilyFits
from aiida_nanoclusters.science.stability.least_squares import FloatArray, design
from aiida_nanoclusters.science.structures.motif_kinds import is_multiply_twinned
from aiida_nanoclusters.science.units import MEV_PER_EV, NM_PER_ANGSTROM

Verdict = Literal["crossing", "no crossing below n_max", "always crystal", "undecided"]
#: Sizes between n_min and n_max at which a curve is evaluated, evenly spaced in log N.
GRID = 200


@dataclass(frozen=True)
class Crossing:
    """Answer to "at what size does a cluster become a crystal?".

    Attributes
    ----------
    verdict
        'crossing': the best curve crosses between n_min and n_max. 'no crossing below n_max' and
        'always crystal': at least the fraction ``confidence`` of all drawn curves agrees.
        'undecided': none of these.
    size
        N from which crystals are lower up to n_max; None without a crossing of the best curve.
    low, high
        Confidence interval. ``low`` None: reaches below n_min; ``high`` None: beyond n_max.
    confidence
        Probability that the interval claims to hold, e.g. 0.9.
    members
        Crossing of each committee member's own curves: None beyond n_max, n_min where its
        crystals are lower throughout.
    probability_beyond
        Share of the drawn curves that do not cross below n_max.
    n_min, n_max
        Range of sizes in which a crossing was sought.
    cluster, crystal
        Motifs on either side.
    systematic_mev
        Standard deviation (meV/atom) of the systematic shift that the interval includes.
    atomic_volume
        Å^3 per atom of the bulk crystal, for the diameter.
    """

    verdict: Verdict
    size: float | None
    low: float | None
    high: float | None
    confidence: float
    members: tuple[float | None, ...]
    probability_beyond: float
    n_min: int
    n_max: int
    cluster: tuple[str, ...]
    crystal: tuple[str, ...]
    systematic_mev: float = 0.0
    atomic_volume: float | None = None

    @property
    def half_width(self) -> float:
        """Half the interval relative to the size; infinite for an open one or none."""
        if self.size is None or self.low is None or self.high is None:
            return float("inf")
        return (self.high - self.low) / (2 * self.size)

    @property
    def diameter_nm(self) -> float | None:
        """Diameter (nm) of the sphere that holds ``size`` atoms."""
        if self.size is None or self.atomic_volume is None:
            return None
        return sphere_diameter_nm(self.size, self.atomic_volume)

    def as_dict(self) -> dict[str, Any]:
        """Every field, JSON-able, with the diameter and the sentence."""
        fields = asdict(self) | {
            "members": list(self.members),
            "cluster": list(self.cluster),
            "crystal": list(self.crystal),
        }
        return fields | {"diameter_nm": self.diameter_nm, "sentence": self.describe()}

    def describe(self) -> str:
        """Return the answer in one or two sentences."""
        cluster, crystal = " or ".join(self.cluster), " or ".join(self.crystal)
        percent = f"{100 * self.confidence:.0f} %"
        if self.verdict == "no crossing below n_max":
            text = (
                f"{cluster} stays lower in energy than {crystal} up to N = {self.n_max} "
                f"({percent} confidence): no crossing below that size."
            )
        elif self.verdict == "always crystal":
            text = (
                f"{crystal} is lower in energy than {cluster} at every size from N = {self.n_min} "
                f"on ({percent} confidence)."
            )
        elif self.size is None:
            text = (
                f"Undecided: no crossing from {cluster} to {crystal} is seen between "
                f"N = {self.n_min} and {self.n_max}, but the uncertainty allows one "
                f"({percent} interval {self._interval()})."
            )
        else:
            diameter = "" if self.diameter_nm is None else f", {self.diameter_nm:.2g} nm across"
            text = (
                f"{crystal} becomes lower in energy than {cluster} at N = {self.shown(self.size)}"
                f"{diameter} ({percent} interval {self._interval()})."
            )
        if len(self.members) > 1:
            found = [size for size in self.members if size is not None]
            verb = "crosses" if len(found) == 1 else "cross"
            text += f" {len(found)} of {len(self.members)} committee members {verb}"
            ends = sorted({self.shown(n) for n in found}, key=int)
            ends = [ends[0], ends[-1]] if len(ends) > 1 else ends
            text += f", at N = {' to '.join(ends)}." if ends else "."
        return text

    def shown(self, n: float) -> str:
        """Return a number of atoms with the digits that the interval allows, two of its half-width.

        Of an interval with an open end the other side counts.
        """
        ends = [end for end in (self.low, self.high) if end is not None]
        if self.size is None or not ends:
            return f"{n:.0f}"
        half = max(abs(self.size - end) for end in ends)
        left_out = 0 if half < 100 else int(np.floor(np.log10(half))) - 1
        return f"{round(n, -left_out):.0f}"

    def _interval(self) -> str:
        low = f"below n_min = {self.n_min}" if self.low is None else self.shown(self.low)
        return f"{low} to " + (
            f"beyond n_max = {self.n_max}" if self.high is None else self.shown(self.high)
        )


@dataclass(frozen=True)
class DifferenceCurve:
    """dE/N (eV/atom) over sizes: best curve, median and confidence band, and the members' own.

    ``n``, ``best``, ``median``, ``low`` and ``high`` are (G,), ``members`` is (M, G).
    """

    n: FloatArray
    best: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray
    members: FloatArray


def sphere_diameter_nm(n_atoms: float, atomic_volume: float) -> float:
    """Diameter (nm) of a sphere of ``n_atoms`` times ``atomic_volume`` (Å^3).

    >>> round(sphere_diameter_nm(1003, 11.81), 2)
    2.83
    """
    return float(np.cbrt(6 * n_atoms * atomic_volume / np.pi)) * NM_PER_ANGSTROM


def two_sides(
    motifs: Collection[str],
    cluster: Sequence[str] | None = None,
    crystal: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cluster and crystal motifs; where not given, multiply twinned and single-crystal ones.

    Raises
    ------
    ValueError
        A side is empty or not given for motifs of unknown kind; a motif is on both sides.
    """
    if cluster is None and crystal is not None:
        left = tuple(m for m in motifs if m not in crystal and is_multiply_twinned(m))
    elif cluster is None:
        left = tuple(m for m in motifs if is_multiply_twinned(m))
    else:
        left = tuple(cluster)
    right = tuple(m for m in motifs if m not in left) if crystal is None else tuple(crystal)
    if unknown := sorted({*left, *right} - set(motifs)):
        raise ValueError(f"unknown motifs {', '.join(unknown)}: there are {', '.join(motifs)}")
    if not left or not right or set(left) & set(right):
        raise ValueError(
            f"name the icosahedral motifs as cluster and the others as crystal: got {left} "
            f"and {right} out of {', '.join(motifs)}"
        )
    return left, right


def find_crossing(
    fits: FamilyFits,
    n_min: int,
    n_max: int,
    *,
    cluster: Sequence[str] | None = None,
    crystal: Sequence[str] | None = None,
    confidence: float = 0.9,
    systematic_mev: float = 0.0,
    committee: bool = True,
    atomic_volume: float | None = None,
    n_samples: int = 4000,
    seed: int = 0,
) -> Crossing:
    """Find the size from which crystals stay lower up to n_max, with its confidence interval.

    Parameters
    ----------
    fits
        Fitted families of one metal.
    n_min, n_max
        Range of sizes in which a crossing is sought.
    cluster, crystal
        Motifs of either side, of which the lowest counts; default: multiply twinned, and others.
    confidence
        Probability of the interval: quantiles (1 -+ confidence) / 2 of the drawn crossings.
    systematic_mev
        Standard deviation (meV/atom) of the potential's error in the difference of motifs.
    committee
        False leaves the members' disagreement out, which more relaxations cannot narrow.
    atomic_volume
        Å^3 per atom, for the diameter.
    n_samples, seed
        Random curves to draw.

    Raises
    ------
    ValueError
        Unknown motifs, an empty side, an empty range or a confidence outside (0, 1).
    """
    _check_limits(n_min, n_max, confidence, systematic_mev)
    sides = two_sides(fits.fits, cluster, crystal)
    n = np.geomspace(n_min, n_max, GRID)
    best, members = (_upward_crossing(n, curves) for curves in _fitted(fits, n, sides))
    drawn = _upward_crossing(n, _draw(fits, n, sides, systematic_mev, committee, n_samples, seed))
    verdict = _verdict(float(best[0]), drawn, confidence)
    return Crossing(
        verdict,
        float(best[0]) if verdict == "crossing" else None,
        *_confidence_interval(drawn, confidence, n_min, n_max),
        confidence=confidence,
        members=tuple(None if np.isinf(m) else float(max(m, n_min)) for m in members),
        probability_beyond=float(np.mean(np.isinf(drawn))),
        n_min=n_min,
        n_max=n_max,
        cluster=sides[0],
        crystal=sides[1],
        systematic_mev=systematic_mev,
        atomic_volume=atomic_volume,
    )


def _check_limits(n_min: int, n_max: int, confidence: float, systematic_mev: float) -> None:
    if not 0 < n_min < n_max or not 0 < confidence < 1 or systematic_mev < 0:
        raise ValueError(
            "needs 0 < n_min < n_max, a confidence between 0 and 1 and systematic_mev >= 0, not "
            f"{n_min}, {n_max}, {confidence}, {systematic_mev}"
        )


def _verdict(size: float, drawn: FloatArray, confidence: float) -> Verdict:
    """Verdict from the best curve's crossing and those of all drawn curves (inf none, 0 always)."""
    if float(np.mean(np.isinf(drawn))) >= confidence:
        return "no crossing below n_max"
    if float(np.mean(drawn == 0.0)) >= confidence:
        return "always crystal"
    return "crossing" if 0.0 < size < np.inf else "undecided"


def _confidence_interval(
    drawn: FloatArray, confidence: float, n_min: int, n_max: int
) -> tuple[float | None, float | None]:
    """Quantiles of the drawn crossings (atoms); None for an end beyond the range of sizes."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="inverted_cdf")
    return (
        None if low == 0.0 else float(min(low, n_max)),
        None if np.isinf(high) else float(max(high, n_min)),
    )


def difference_curve(
    fits: FamilyFits,
    n_grid: ArrayLike,
    *,
    cluster: Sequence[str] | None = None,
    crystal: Sequence[str] | None = None,
    confidence: float = 0.9,
    systematic_mev: float = 0.0,
    n_samples: int = 4000,
    seed: int = 0,
) -> DifferenceCurve:
    """Curve and pointwise band of dE/N to plot; arguments as :func:`find_crossing`."""
    n = np.asarray(n_grid, dtype=float)
    sides = two_sides(fits.fits, cluster, crystal)
    curves = _draw(fits, n, sides, systematic_mev, True, n_samples, seed)
    tail = (1 - confidence) / 2
    low, median, high = np.quantile(curves, [tail, 0.5, 1 - tail], axis=0)
    best, members = _fitted(fits, n, sides)
    return DifferenceCurve(n=n, best=best[0], median=median, low=low, high=high, members=members)


def _fitted(
    fits: FamilyFits, n: FloatArray, sides: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[FloatArray, FloatArray]:
    """Difference curves (eV/atom) of the fits, (1, G), and of each committee member, (M, G)."""
    best = _difference({m: f.coefficients[None] for m, f in fits.fits.items()}, n, *sides)
    return best, _difference(fits.member_coefficients, n, *sides)


def _draw(
    fits: FamilyFits,
    n: FloatArray,
    sides: tuple[tuple[str, ...], tuple[str, ...]],
    systematic_mev: float,
    committee: bool,
    n_samples: int,
    seed: int,
) -> FloatArray:
    """Random difference curves (n_samples, G), eV/atom."""
    curves = _difference(fits.sample(n_samples, seed, committee=committee), n, *sides)
    # A stream of its own, so that the fits' draws stay the same with and without the shift.
    shift = np.random.default_rng([seed, 1]).standard_normal((n_samples, 1))
    return curves + shift * (systematic_mev / MEV_PER_EV)


def _difference(
    coefficients: Mapping[str, FloatArray],
    n: FloatArray,
    cluster: Sequence[str],
    crystal: Sequence[str],
) -> FloatArray:
    """dE/N (C, G), eV/atom, of coefficients (C, 4): lowest cluster minus lowest crystal motif."""
    per_atom = (design(n) / n[:, None]).T

    def lowest(motifs: Sequence[str]) -> FloatArray:
        return reduce(np.minimum, [coefficients[motif] @ per_atom for motif in motifs])

    return lowest(cluster) - lowest(crystal)


def _upward_crossing(n: FloatArray, curves: FloatArray) -> FloatArray:
    """Size above which each curve (C, G) stays positive: inf never, 0 everywhere, else in log N."""
    lower = curves <= 0.0
    last = curves.shape[1] - 1 - np.argmax(lower[:, ::-1], axis=1)  # last grid point not positive
    ever = lower.any(axis=1)
    left = np.minimum(last, curves.shape[1] - 2)
    rows = np.arange(len(curves))
    before, after = curves[rows, left], curves[rows, left + 1]
    inside = ever & ~lower[:, -1]
    share = np.where(inside, -before, 0.0) / np.where(inside, after - before, 1.0)
    log_n = np.log(n)
    root = np.exp(log_n[left] + share * (log_n[left + 1] - log_n[left]))
    return np.where(lower[:, -1], np.inf, np.where(ever, root, 0.0))
