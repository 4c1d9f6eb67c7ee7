"""A map of atomic environments, and whether a training set covers those of a target.

Environments are SOAP vectors (:mod:`.soap`); the map is their principal component analysis,
fitted on the training set alone: I. T. Jolliffe, Principal Component Analysis, 2nd ed. (2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.soap import bond_length, describe_atoms

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Most environments of each set that are compared, and components whose variance is reported.
MOST, COMPONENTS = 4000, 10
#: A target environment is covered if it is as near to a training frame as this fraction of the
#: training environments are to another frame.
QUANTILE = 0.99
_BLOCK = 500


@dataclass(frozen=True)
class Components:
    """A principal component analysis.

    Attributes
    ----------
    mean
        Of the fitted vectors, shape (D,).
    axes
        Unit vectors by decreasing variance, shape (C, D); the largest entry of each is positive.
    explained
        Share of the variance along each axis, shape (C,).
    """

    mean: Floats
    axes: Floats
    explained: Floats

    @classmethod
    def fit(cls, vectors: Floats, count: int = COMPONENTS) -> Components:
        """Fit `count` components, or as many as there can be, to vectors of shape (S, D)."""
        mean = vectors.mean(axis=0)
        _, widths, axes = np.linalg.svd(vectors - mean, full_matrices=False)
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
        total = float((widths**2).sum()) or 1.0
        return cls(mean, (axes * np.sign(largest))[:count], (widths**2 / total)[:count])

    def project(self, vectors: Floats) -> Floats:
        """Return the coordinates of vectors (S, D) along the axes, shape (S, C)."""
        return np.asarray((vectors - self.mean) @ self.axes.T)


@dataclass(frozen=True)
class EnvironmentMap:
    """Environments of a training set and of a target, on one map.

    Attributes
    ----------
    training_atoms, target_atoms
        Which atoms: places in the flat arrays of the frames, shapes (S,) and (T,).
    training, target
        Coordinates along the components, shapes (S, C) and (T, C).
    explained
        Share of the training set's variance along each component, shape (C,).
    own_distances
        Of each training environment to the nearest in another training frame, shape (S,).
    distances
        Of each target environment to the nearest of the training set, shape (T,).
    threshold
        Distance up to which an environment counts as covered.
    """

    training_atoms: Ints
    target_atoms: Ints
    training: Floats
    target: Floats
    explained: Floats
    own_distances: Floats
    distances: Floats
    threshold: float

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Whether each target environment is covered, shape (T,)."""
        return np.asarray(self.distances <= self.threshold)

    @property
    def coverage(self) -> float:
        """Share of the target environments that are covered."""
        return float(self.covered.mean())


def map_environments(
    training: Frames,
    target: Frames,
    *,
    seed: int,
    most: int = MOST,
    quantile: float = QUANTILE,
    bond: float | None = None,
) -> EnvironmentMap:
    """Compare the atomic environments of a target with those of a training set.

    Distances are between SOAP vectors of length 1: 0 for equal environments, at most sqrt(2). The
    threshold follows from the training set: a fraction `quantile` of its environments have one in
    another frame within it.

    Parameters
    ----------
    training, target
        Frames; the target has no element that the training set lacks.
    seed
        Random seed of the sample, where a set has more atoms than `most`.
    most
        Largest number of environments of each set; at least 10.
    quantile
        Between 0 and 1.
    bond
        Å, see :func:`.describe_frames`; from the training set's elements by default.

    Raises
    ------
    ValueError
        If the training set has a single frame, the target other elements, or a number makes no
        sense.
    """
    if len(training) < 2:
        raise ValueError("the training set has one frame: distances need at least two")
    if other := sorted(set(target.elements) - set(training.elements)):
        raise ValueError(f"the training set has no {', '.join(other)}: choose another target")
    if not 0 < quantile < 1 or most < 10:
        raise ValueError(f"`quantile` {quantile}, `most` {most}: between 0 and 1, and at least 10")
    bond = bond_length(training.elements) if bond is None else bond
    rng = np.random.default_rng(seed)
    ours, theirs = _draw(training, most, rng), _draw(target, most, rng)
    known = describe_atoms(training, ours, bond)
    asked = describe_atoms(target, theirs, bond, training.elements)
    own_distances = _nearest(known, known, training.owners_of(ours))
    fitted = Components.fit(known)
    return EnvironmentMap(
        training_atoms=ours,
        target_atoms=theirs,
        training=fitted.project(known),
        target=fitted.project(asked),
        explained=fitted.explained,
        own_distances=own_distances,
        distances=_nearest(asked, known),
        threshold=float(np.quantile(own_distances, quantile)),
    )


def _draw(frames: Frames, most: int, rng: np.random.Generator) -> Ints:
    """Choose random atoms, all of them where there are no more than `most`."""
    count = len(frames.numbers)
    if count <= most:
        return np.arange(count)
    return np.sort(rng.choice(count, size=most, replace=False))


def _nearest(vectors: Floats, known: Floats, frame_of: Ints | None = None) -> Floats:
    """Distance of each vector to the nearest known one, of another frame where those are given."""
    found = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        distances = cdist(vectors[part], known)
        if frame_of is not None:
            distances[frame_of[part, None] == frame_of[None, :]] = np.inf
        found[part] = distances.min(axis=1)
    return found
