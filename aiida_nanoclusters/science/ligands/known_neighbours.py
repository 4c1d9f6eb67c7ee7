"""What a committee of matching models knows that is like what it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.matching_model import MatchingModel

Floats = NDArray[np.float64]

#: Distances that are held at once.
_AT_ONCE = 10_000_000


@dataclass(frozen=True)
class Known:
    """A core or a set of ligands of the training near to one that is asked about.

    Attributes
    ----------
    name
        Name and formula of a core; SMILES of a set, joined by ``.``.
    distance
        In units of the limit beyond which it lies outside, mean over the models that know it;
        infinite where a model knows one only, from which no limit follows.
    """

    name: str
    distance: float


def nearest_known(
    models: Sequence[MatchingModel],
    what: Literal["core", "ligand"],
    asked: Sequence[Any],
    count: int,
) -> list[tuple[Known, ...]]:
    """Return for each core, or set of ligands, the nearest known ones, nearest first.

    Parameters
    ----------
    models
        Committee; each has its own vectors of what it knows.
    what
        ``core`` or ``ligand``.
    asked
        Cores, or sets of canonical SMILES.
    count
        How many are named.
    """
    members = [_Member(model, what, asked) for model in models]
    names = sorted({name for member in members for name in member.names})
    place = {name: k for k, name in enumerate(names)}
    step = max(1, _AT_ONCE // max(1, len(names)))
    found: list[tuple[Known, ...]] = []
    for first in range(0, len(asked), step):
        rows = slice(first, first + step)
        shape = (len(members[0].vectors[rows]), len(names))
        total, times = np.zeros(shape), np.zeros(len(names))
        for member in members:
            own = np.array([place[name] for name in member.names])
            total[:, own] += member.distances(rows)
            times[own] += 1
        means = total / times
        order = np.argsort(means, axis=1, kind="stable")[:, :count]
        found += [
            tuple(Known(names[k], round(float(mean[k]), 6)) for k in nearest)
            for mean, nearest in zip(means, order, strict=True)
        ]
    return found


class _Member:
    """Vectors of what one model knows and is asked about; a name that it knows twice is once."""

    def __init__(self, model: MatchingModel, what: str, asked: Sequence[Any]) -> None:
        head = model.head
        if what == "core":
            given = [f"{core.name} ({core.formula})" for core in head.known_cores]
            self.vectors = model.embed_cores(asked)
        else:
            given = [".".join(own) for own in head.known_ligands]
            self.vectors = model.embed_ligands(asked)
        self.names, self._index = np.unique(given, return_inverse=True)
        self._known = np.asarray(model.arrays[f"known_{what}s"], dtype=np.float64)
        self._unit = getattr(head, f"{what}_scale") * getattr(head, f"{what}_distance")

    def distances(self, rows: slice) -> Floats:
        """Return the distances of some of what is asked about from each name, in limits."""
        apart = cdist(self.vectors[rows], self._known)
        nearest = np.full((len(apart), len(self.names)), np.inf)
        for column, name in enumerate(self._index):
            np.minimum(nearest[:, name], apart[:, column], out=nearest[:, name])
        return nearest / self._unit if self._unit else np.full_like(nearest, np.inf)
