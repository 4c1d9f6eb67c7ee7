"""Which frames to label under a budget: those that represent the others and resemble no label.

Frames of the classes to label are taken one by one, by

- ``medoids``: each the one that most reduces the sum of the distances of all candidates to the
  nearest frame chosen or learnt. A candidate counts by the square of its deviation, a proxy of
  its squared error; no deviation counts for more than `failed_above`. Greedy k-medoids: at
  tolerance 0 they reduce the sum by at least 1 - 1/e of what is possible (Nemhauser, Wolsey,
  Fisher, Math. Program. 14, 265 (1978)); the idea of such weights is in Zhdanov,
  arXiv:1901.05954. Of more than 5000 candidates, and five times the budget, a random sample of
  that size is taken first, which may miss a rare uncertain frame;
- ``farthest``: each the one farthest from all chosen or learnt (farthest-point sampling:
  Gonzalez, Theor. Comput. Sci. 38, 293 (1985)): what is rare comes first, whatever it is;
- ``random``: neither deviation nor distance enters. The others are compared with this.

Of equals, and of frames alike to the one so found, that of the largest deviation is taken. The
distance of frames is that of their averaged SOAP vectors, see
:func:`.recognition.soap.describe_frames`. Frames of one composition are alike where it is below
`tolerance` / sqrt(N), so that a change at one of many atoms still counts.

The same frames in another order give the same choice: frames are ordered by a hash of their content
before anything is compared, and a random draw ranks them by that hash salted with the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.classes import ACCURATE, CANDIDATE, Thresholds
from aiida_nanoclusters.science.learning.committee import classify
from aiida_nanoclusters.science.learning.settings import MEDOIDS, RANDOM, SelectionSettings
from aiida_nanoclusters.science.recognition.soap import bond_length, describe_frames

Floats = NDArray[np.float64]

#: Why a frame was chosen: for the calibration set, as representative or rare, at random ...
CALIBRATION, DIVERSE = "calibration", "diverse"
#: ... or left out, other than by its class.
KNOWN, DUPLICATE, ALIKE, OVER_BUDGET = "already labelled", "duplicate", "alike", "over budget"

#: Medoids are sought among so many candidates, or so many times the budget, drawn at random:
#: their distances are held at once, 100 MB of 5000.
_MOST, _TIMES = 5000, 5
#: Scores that differ by a smaller part are equal; so are all below this part of the first ones.
_ROUNDING, _NOISE = 1e-6, 1e-12


@dataclass(frozen=True)
class Choice:
    """What to label.

    Attributes
    ----------
    indices
        Chosen frames: first the calibration frames, then the others in the order of choice.
    classes
        Of each frame: accurate, candidate or failed, shape (F,).
    reasons
        Of each frame, shape (F,). Chosen: ``calibration``, ``diverse`` or ``random``. Left out: its
        class where that is not to be labelled, ``already labelled``, ``duplicate`` (the same as
        another), ``alike`` (nearly the same as a chosen or labelled one) or ``over budget``.
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
    held_out: Frames | None = None,
    seed: int = 0,
    **settings: Any,
) -> Choice:
    """Choose at most `budget` frames to label, as the head of this module describes.

    Parameters
    ----------
    frames
        The candidates.
    deviations
        Largest force deviation of each in eV/Å, shape (F,).
    thresholds
        Between the classes.
    known, held_out
        Frames that are labelled, learnt or not. Neither they nor, except at random, frames alike
        to them are chosen; the choice keeps away from those that are learnt.
    seed
        Of all random draws.
    budget, settings
        As of :class:`.learning.settings.SelectionSettings`.

    Raises
    ------
    ValueError
        If a setting is out of its limits, or there is not one deviation a frame.
    """
    given = SelectionSettings.from_values(budget=budget, **settings)
    values = _checked(deviations, len(frames))
    classes = classify(values, thresholds)
    reasons = np.array(classes, dtype="<U16")
    new = _new_frames(frames, _given((known, held_out)), reasons)
    plausible = new[np.isin(classes[new], (ACCURATE, CANDIDATE))]
    drawn = _draw(frames, plausible, given.calibration_frames, seed)
    reasons[drawn] = CALIBRATION
    candidates = new[np.isin(classes[new], given.classes) & (reasons[new] != CALIBRATION)]
    reasons[candidates] = OVER_BUDGET
    left = budget - len(drawn)
    if given.by == RANDOM or not len(candidates) or not left:
        picked = _draw(frames, candidates, left, seed)
        reasons[picked] = RANDOM
        return Choice(np.concatenate([drawn, picked]), classes, reasons)
    if given.by == MEDOIDS and len(candidates) > (most := max(_MOST, _TIMES * budget)):
        candidates = _draw(frames, candidates, most, seed)
    aside = (held_out, _part(frames, drawn))
    greedy = _Greedy(frames.select(candidates), values[candidates], given.tolerance, known, aside)
    picked = candidates[greedy.pick(left, given.by, thresholds.failed_above)]
    reasons[candidates[greedy.alike]] = ALIKE
    reasons[picked] = DIVERSE
    return Choice(np.concatenate([drawn, picked]), classes, reasons)


def _checked(deviations: ArrayLike, count: int) -> Floats:
    """Return the deviations as an array, one a frame."""
    values = np.asarray(deviations, dtype=np.float64)
    if values.shape != (count,):
        raise ValueError(f"{values.shape} deviations for {count} frames: give one a frame")
    return values


def _part(frames: Frames, indices: NDArray[np.int64]) -> Frames | None:
    return frames.select(indices) if len(indices) else None


def _given(sets: Sequence[Frames | None]) -> list[Frames]:
    """Return the sets that hold any frames."""
    return [frames for frames in sets if frames]


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
    """Draw frames at random, whatever their order."""
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
    """Candidates picked one after another, each the best in addition to those before.

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
        known: Frames | None,
        aside: Sequence[Frames | None],
    ) -> None:
        count, own = len(candidates), _compositions(candidates)
        learnt, held_out = _given([known]), _given(aside)
        # A held-out frame is alike only to candidates of its composition: no others are described.
        of_composition = [np.flatnonzero(np.isin(_compositions(f), own)) for f in held_out]
        similar = _given([_part(f, n) for f, n in zip(held_out, of_composition, strict=True)])
        parts = [f.without_labels() for f in (candidates, *learnt, *similar)]
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
        n_learnt = count + sum(len(f) for f in learnt)
        for i in range(count, len(everything)):
            distances = _distances(self.vectors, vectors[i])
            self._mark_alike(distances, compositions[i])
            if i < n_learnt:
                self.nearest = np.minimum(self.nearest, distances)

    def pick(self, budget: int, by: str, largest: float) -> NDArray[np.int64]:
        """Return candidates in the order of picking; deviations count up to `largest`, eV/Å."""
        picked: list[int] = []
        gains = None
        if by == MEDOIDS:
            weights = np.minimum(self.deviations, largest) ** 2
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
        """Return that of the highest score, or of those alike to it that of largest deviation."""
        highest = scores[left].max()
        equal = left[scores[left] >= highest - max(_ROUNDING * highest, noise)]
        found = equal[np.argmax(self.deviations[equal])]
        same = self.compositions[left] == self.compositions[found]
        alike = left[same & (self._from(found)[left] < self.limits[found]) | (left == found)]
        return int(alike[np.argmax(self.deviations[alike])])

    def _from(self, index: int) -> Floats:
        """Return distances of all candidates from one, (C,)."""
        distances = _distances(self.vectors, self.vectors[index])
        distances[index] = 0.0
        return distances

    def _mark_alike(self, distances: Floats, composition: str) -> None:
        same = self.compositions == composition
        self.alike |= self.free & same & (distances < self.limits)


class _Gains:
    """By how much each candidate would reduce the weighted distances of all: `sums`, (C,)."""

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
        """Take the distances that remain, (C,)."""
        for k in np.flatnonzero(nearest < self.nearest):
            gone = self.nearest[k] - np.clip(self.between[k], nearest[k], self.nearest[k])
            self.sums -= self.weights[k] * gone
        self.nearest = nearest


def _distances(ours: Floats, other: Floats) -> Floats:
    """Return the distances of vectors of length 1 from another one, (A,)."""
    return np.asarray(np.sqrt(np.maximum(0.0, 2.0 - 2.0 * ours @ other)))
