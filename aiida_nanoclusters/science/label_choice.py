"""Which frames to label under a budget: unlike each other, unlike what is labelled, of all kinds.

The same frames in another order give the same choice: frames are ordered by a hash of their content
before anything is compared, and chance enters by the rank of that hash salted with the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    checks: int = 0,
    seed: int = 0,
    wanted: Sequence[str] = (DECENT,),
    tolerance: float = TOLERANCE,
    by_chance: bool = False,
) -> Choice:
    """Choose at most `budget` frames to label.

    Frames of the wanted classes are dealt with by stratum (configuration type and composition),
    in turns: each stratum gives one frame a turn until the budget is spent, those with the largest
    deviations first, so that no kind of frame takes it all. A stratum gives the frame farthest from
    everything chosen or labelled before (farthest-point sampling: Gonzalez, Theor. Comput. Sci. 38,
    293 (1985)), or of those alike to it the one of the largest deviation; where nothing was chosen
    or labelled, the one of the largest deviation of all.

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
        Frames that are labelled already. The choice keeps away from them.
    checks
        How many of the budget to draw by chance from all good and decent frames: labels for
        :func:`aiida_nanoclusters.science.committee.calibrate`, which must not be picked.
    seed
        Of that chance.
    wanted
        Classes to label. ``poor`` may be named where a first committee finds everything poor.
    tolerance
        See above; 0 keeps all but duplicates.
    by_chance
        Draw the whole budget by chance from the wanted classes: what the choice is to be compared
        with. Neither deviation nor distance enters.

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
    classes = classify(values, thresholds)
    reasons = np.array(classes, dtype="<U16")
    new = _new_frames(frames, known, reasons)
    drawn = _draw(frames, new[np.isin(classes[new], (GOOD, DECENT))], checks, seed)
    reasons[drawn] = CHECK
    candidates = new[np.isin(classes[new], list(wanted)) & (reasons[new] != CHECK)]
    reasons[candidates] = OVER_BUDGET
    picked = candidates[:0]
    if by_chance:
        picked = _draw(frames, candidates, budget - len(drawn), seed)
        reasons[picked] = CHANCE
    elif len(candidates) and len(drawn) < budget:
        labelled = _near_to(frames.select(candidates), known)
        near = [p for p in (labelled, frames.select(drawn) if len(drawn) else None) if p]
        turns = _Turns(frames.select(candidates), values[candidates], near, tolerance)
        picked = candidates[turns.pick(budget - len(drawn))]
        reasons[candidates[turns.alike]] = ALIKE
        reasons[picked] = DIVERSE
    return Choice(np.concatenate([drawn, picked]), classes, reasons)


def _new_frames(
    frames: Frames, known: Frames | None, reasons: NDArray[np.str_]
) -> NDArray[np.int64]:
    """Return indices of frames that are neither labelled nor duplicates, ordered by content."""
    labelled = set(known.content_hashes()) if known is not None else set()
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


def _near_to(candidates: Frames, known: Frames | None) -> Frames | None:
    """Return the labelled frames of the candidates' compositions."""
    if known is None:
        return None
    own = set(_compositions(candidates))
    same = np.array([c in own for c in _compositions(known)])
    return known.select(same) if same.any() else None


def _compositions(frames: Frames) -> list[str]:
    """Return the formula of each frame, with a mark where it is periodic."""
    formulas = []
    for i in range(len(frames)):
        numbers, counts = np.unique(frames.numbers[frames.atoms_of(i)], return_counts=True)
        atoms = " ".join(f"{z}:{n}" for z, n in zip(numbers, counts, strict=True))
        formulas.append(f"{atoms} {frames.pbc[i].sum()}")
    return formulas


class _Turns:
    """Farthest-point sampling over several strata in turns.

    Attributes
    ----------
    alike
        True where a candidate is nearly the same as one that is labelled or picked, shape (C,).
    """

    def __init__(
        self, candidates: Frames, deviations: Floats, near: Sequence[Frames], tolerance: float
    ) -> None:
        everything = Frames.concatenate([f.without_labels() for f in (candidates, *near)])
        vectors = describe_frames(everything, bond_length(everything.elements))
        count = len(candidates)
        self.vectors = vectors[:count]
        self.deviations = np.nan_to_num(deviations, nan=np.inf)
        self.compositions = np.array(_compositions(everything))
        self.limits = tolerance / np.sqrt(candidates.sizes)
        self.distances = np.full(count, np.inf)
        self.alike = np.zeros(count, dtype=bool)
        self.free = np.ones(count, dtype=bool)
        self.strata = np.array(
            [f"{k} {c}" for k, c in zip(candidates.config_types, self.compositions, strict=False)]
        )
        for vector, composition in zip(vectors[count:], self.compositions[count:], strict=True):
            self._keep_away(vector, composition)

    def pick(self, budget: int) -> NDArray[np.int64]:
        """Return candidates in the order of picking."""
        picked: list[int] = []
        names = np.unique(self.strata)
        worst = [self.deviations[self.strata == name].max() for name in names]
        members = {k: np.flatnonzero(self.strata == names[k]) for k in np.argsort(worst)[::-1]}
        while members and len(picked) < budget:
            for k in list(members):
                left = members[k] = members[k][(self.free & ~self.alike)[members[k]]]
                if not len(left):
                    del members[k]
                elif len(picked) < budget:
                    best = self._best(left)
                    picked.append(best)
                    self.free[best] = False
                    self._keep_away(self.vectors[best], self.compositions[best])
        return np.array(picked, dtype=np.int64)

    def _best(self, left: NDArray[np.int64]) -> int:
        """Return the candidate farthest from all before, or the worst of those alike to it."""
        # Of those equally far, as all are at first, the one of the largest deviation.
        far = left[np.lexsort((self.deviations[left], self.distances[left]))[-1]]
        away = np.linalg.norm(self.vectors[left] - self.vectors[far], axis=1)
        twins = left[(away < self.limits[far]) | (left == far)]
        return int(twins[np.argmax(self.deviations[twins])])

    def _keep_away(self, vector: Floats, composition: str) -> None:
        away = np.linalg.norm(self.vectors - vector, axis=1)
        same = self.compositions[: len(away)] == composition
        self.alike |= self.free & same & (away < self.limits)
        self.distances = np.minimum(self.distances, away)
