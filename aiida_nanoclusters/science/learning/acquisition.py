"""Which frames to label under a budget: those that stand for the others and for nothing labelled.

The same frames in another order give the same choice: frames are ordered by a hash of their content
before anything is compared, and chance enters by the rank of that hash salted with the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.committee import DECENT, GOOD, POOR, Thresholds, classify
from aiida_nanoclusters.science.descriptors import bond_length, describe_frames
from aiida_nanoclusters.science.frames import Frames

Floats = NDArray[np.float64]

#: Why a frame was chosen ...
CHECK, DIVERSE, CHANCE = "check", "diverse", "chance"
#: ... or left out, beside its class.
KNOWN, DUPLICATE, ALIKE, OVER_BUDGET = "already labelled", "duplicate", "alike", "over budget"

#: How the budget is spent, see :func:`choose`.
MEDOIDS, FARTHEST = "medoids", "farthest"
WAYS = (MEDOIDS, FARTHEST, CHANCE)
#: Medoids are sought among so many candidates, or so many times the budget, drawn by chance:
#: their distances are held at once, 100 MB of 5000.
_MOST, _TIMES = 5000, 5
#: Scores that differ by a smaller part are equal; so are all below this part of the first ones.
_ROUNDING, _NOISE = 1e-6, 1e-12

#: Frames are alike below this distance: that of copies rattled by some 0.02 Å, see :func:`choose`.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Choice:
    """What to label.

    Attributes
    ----------
    indices
        Chosen frames: first those drawn by chance, then the others, the most wanted first.
    classes
        Of each frame: good, decent or poor, shape (F,).
    reasons
        Of each frame, shape (F,). Chosen: ``check``, ``diverse`` or ``chance``. Left out: its class
        where that is not to be labelled, ``already labelled``, ``duplicate`` (the same as another),
        ``alike`` (nearly the same as a chosen or labelled one) or ``over budget``.
    """

    indices: NDArray[np.int64]
    classes: NDArray[np.str_]
    reasons: NDArray[np.str_]


def choose(
    frames: Frames,
    deviations: ArrayLike,
    thresholds: Thresholds,
    budget: int,
    *,
    known: Frames | None = None,
    checked: Frames | None = None,
    checks: int = 0,
    seed: int = 0,
    wanted: Sequence[str] = (DECENT,),
    tolerance: float = TOLERANCE,
    by: str = MEDOIDS,
) -> Choice:
    """Choose at most `budget` frames to label.

    Frames of the wanted classes are taken one by one, `by`

    - ``medoids``: each the one that shortens the distances of all candidates to the nearest frame
      chosen or learnt by most in sum. A candidate counts by the square of its deviation, a proxy of
      its squared error; no deviation counts for more than `high`. Greedy k-medoids: at `tolerance`
      0 they shorten the sum by at least 1 - 1/e of what is possible (Nemhauser, Wolsey, Fisher,
      Math. Program. 14, 265 (1978)); the idea of such weights is in Zhdanov, arXiv:1901.05954. Of
      more than 5000 candidates, and five times the budget, so many are drawn before by chance, in
      which rare doubt may be lost;
    - ``farthest``: each the one farthest from all chosen or learnt (farthest-point sampling:
      Gonzalez, Theor. Comput. Sci. 38, 293 (1985)): what is rare comes first, whatever it is;
    - ``chance``: neither deviation nor distance enters. What the others are compared with.

    Of equals, and of frames alike to the one so found, that of the largest deviation is taken.

    The distance of frames is that of their averaged SOAP vectors
    (:func:`aiida_nanoclusters.science.descriptors.describe_frames`). Frames of one composition are
    alike where it is below `tolerance` / sqrt(N): what happens to one atom of many must not pass
    for nothing.

    Parameters
    ----------
    frames
        The candidates.
    deviations
        Largest force deviation of each in eV/Å, shape (F,).
    thresholds
        Between the classes.
    budget
        Labels that can be afforded.
    known
        Frames that are learnt already. The choice keeps away from them.
    checked
        Frames that are labelled and not learnt, such as the checks of earlier choices. Neither they
        nor, but by chance, what is alike is chosen, but they teach nothing about what is near.
    checks
        How many of the budget to draw by chance from all good and decent frames: labels for
        :func:`aiida_nanoclusters.science.committee.calibrate`, which must not be picked.
    seed
        Of all that is drawn by chance.
    wanted
        Classes to label. ``poor`` may be named where a first committee finds everything poor.
    tolerance
        See above; 0 keeps all but duplicates.
    by
        ``medoids``, ``farthest`` or ``chance``.

    Raises
    ------
    ValueError
        If a number is out of range, or the deviations are not one a frame.
    """
    values = np.asarray(deviations, dtype=np.float64)
    if values.shape != (len(frames),):
        raise ValueError(f"{values.shape} deviations for {len(frames)} frames: give one a frame")
    if budget < 0 or not 0 <= checks <= budget or tolerance < 0:
        raise ValueError(
            f"budget {budget}, checks {checks}, tolerance {tolerance}: none may be negative, and "
            "the checks are part of the budget"
        )
    if unknown := sorted(set(wanted) - {GOOD, DECENT, POOR}):
        raise ValueError(f"unknown classes {', '.join(unknown)}: only good, decent and poor")
    if by not in WAYS:
        raise ValueError(f"`by` is {by!r}: only {', '.join(WAYS)}")
    classes = classify(values, thresholds)
    reasons = np.array(classes, dtype="<U16")
    new = _new_frames(frames, [f for f in (known, checked) if f], reasons)
    drawn = _draw(frames, new[np.isin(classes[new], (GOOD, DECENT))], checks, seed)
    reasons[drawn] = CHECK
    candidates = new[np.isin(classes[new], list(wanted)) & (reasons[new] != CHECK)]
    reasons[candidates] = OVER_BUDGET
    picked = candidates[:0]
    if by == CHANCE:
        picked = _draw(frames, candidates, budget - len(drawn), seed)
        reasons[picked] = CHANCE
    elif len(candidates) and len(drawn) < budget:
        most = max(_MOST, _TIMES * budget)
        if by == MEDOIDS and len(candidates) > most:
            candidates = _draw(frames, candidates, most, seed)
        learnt = [known] if known else []
        aside = [f for f in (checked, frames.select(drawn) if len(drawn) else None) if f]
        greedy = _Greedy(frames.select(candidates), values[candidates], tolerance, learnt, aside)
        picked = candidates[greedy.pick(budget - len(drawn), by, thresholds.high)]
        reasons[candidates[greedy.alike]] = ALIKE
        reasons[picked] = DIVERSE
    return Choice(np.concatenate([drawn, picked]), classes, reasons)


def _new_frames(
    frames: Frames, known: Sequence[Frames], reasons: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Return indices of frames that are neither labelled nor duplicates, ordered by content."""
    labelled = {digest for part in known for digest in part.content_hashes()}
    first: dict[str, int] = {}
    for i, digest in enumerate(frames.content_hashes()):
        if digest in labelled:
            reasons[i] = KNOWN
        elif digest in first:
            reasons[i] = DUPLICATE
        else:
            first[digest] = i
    return np.array([first[digest] for digest in sorted(first)], dtype=np.int64)


def _draw(frames: Frames, among: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Draw frames by chance, whatever their order."""
    if not count or not len(among):
        return np.zeros(0, dtype=np.int64)
    hashes = frames.select(among).content_hashes()
    ranks = [hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest() for digest in hashes]
    return among[np.argsort(ranks)[:count]]


def _compositions(frames: Frames) -> list[str]:
    """Return the formula of each frame, with a mark where it is periodic."""
    formulas = []
    for i in range(len(frames)):
        numbers, counts = np.unique(frames.numbers[frames.atoms_of(i)], return_counts=True)
        atoms = " ".join(f"{z}:{n}" for z, n in zip(numbers, counts, strict=True))
        formulas.append(f"{atoms} {frames.pbc[i].sum()}")
    return formulas


class _Greedy:
    """One candidate after another, each the best beside those before.

    Attributes
    ----------
    alike
        True where a candidate is nearly the same as one that is labelled or picked, shape (C,).
    """

    def __init__(
        self,
        candidates: Frames,
        deviations: Floats,
        tolerance: float,
        learnt: Sequence[Frames],
        aside: Sequence[Frames],
    ) -> None:
        count, own = len(candidates), _compositions(candidates)
        # What is aside matters to candidates of its composition alone: the rest is not described.
        matters = [np.isin(_compositions(f), own) for f in aside]
        twins = [f.select(rows) for f, rows in zip(aside, matters, strict=True) if rows.any()]
        parts = [f.without_labels() for f in (candidates, *learnt, *twins)]
        everything = Frames.concatenate(parts)  # vectors of other elements are others
        vectors = describe_frames(everything, bond_length(everything.elements))
        compositions = [*own, *(c for f in parts[1:] for c in _compositions(f))]
        self.vectors, self.compositions = vectors[:count], np.array(own)
        self.deviations = np.nan_to_num(deviations, nan=np.inf)
        self.limits = tolerance / np.sqrt(candidates.sizes)
        self.free = np.ones(count, dtype=bool)
        self.alike = np.zeros(count, dtype=bool)
        #: To the nearest frame learnt or picked, (C,); no two vectors are farther apart.
        self.nearest = np.full(count, np.sqrt(2.0))
        taught = count + sum(len(f) for f in learnt)
        for i in range(count, len(everything)):
            distances = _distances(self.vectors, vectors[i])
            self._mark_alike(distances, compositions[i])
            if i < taught:
                self.nearest = np.minimum(self.nearest, distances)

    def pick(self, budget: int, by: str, high: float) -> NDArray[np.int64]:
        """Return candidates in the order of picking; no deviation counts for more than `high`."""
        picked: list[int] = []
        gains = None
        if by == MEDOIDS:
            weights = np.minimum(self.deviations, high) ** 2
            if not weights.any():
                weights[:] = 1.0
            gains = _Gains(self._from, self.nearest, weights)
        noise = _NOISE * (self.nearest if gains is None else gains.sums).max()
        while len(picked) < budget and len(left := np.flatnonzero(self.free & ~self.alike)):
            best = self._best(left, self.nearest if gains is None else gains.sums, noise)
            picked.append(best)
            self.free[best] = False
            distances = self._from(best)
            self._mark_alike(distances, self.compositions[best])
            self.nearest = np.minimum(self.nearest, distances)
            if gains is not None:
                gains.update(self.nearest)
        return np.array(picked, dtype=np.int64)

    def _best(self, left: NDArray[np.int64], scores: Floats, noise: float) -> int:
        """Return the one of the highest score, or the worst of those alike to it."""
        highest = scores[left].max()
        equal = left[scores[left] >= highest - max(_ROUNDING * highest, noise)]
        found = equal[np.argmax(self.deviations[equal])]
        same = self.compositions[left] == self.compositions[found]
        twins = left[same & (self._from(found)[left] < self.limits[found]) | (left == found)]
        return int(twins[np.argmax(self.deviations[twins])])

    def _from(self, index: int) -> Floats:
        """Return distances of all candidates from one, (C,)."""
        distances = _distances(self.vectors, self.vectors[index])
        distances[index] = 0.0
        return distances

    def _mark_alike(self, distances: Floats, composition: str) -> None:
        same = self.compositions == composition
        self.alike |= self.free & same & (distances < self.limits)


class _Gains:
    """By how much each candidate would shorten the weighted distances of all: `sums`, (C,)."""

    def __init__(
        self, distances_from: Callable[[int], Floats], nearest: Floats, weights: Floats
    ) -> None:
        count = len(nearest)
        self.between = np.empty((count, count), dtype=np.float32)
        self.nearest, self.weights, self.sums = nearest, weights, np.zeros(count)
        for k in range(count):
            self.between[k] = distances_from(k)
            self.sums += weights[k] * np.maximum(0.0, nearest[k] - self.between[k])

    def update(self, nearest: Floats) -> None:
        """Take the distances that are left."""
        for k in np.flatnonzero(nearest < self.nearest):
            gone = self.nearest[k] - np.clip(self.between[k], nearest[k], self.nearest[k])
            self.sums -= self.weights[k] * gone
        self.nearest = nearest


def _distances(ours: Floats, other: Floats) -> Floats:
    """Return the distances of vectors of length 1 from another one, (A,)."""
    return np.asarray(np.sqrt(np.maximum(0.0, 2.0 - 2.0 * ours @ other)))
