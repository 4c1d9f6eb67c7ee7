"""What a search for the lowest structures says of itself: who found them, and how sure they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Energies are equal within this, eV per atom.
_EQUAL = 1e-5


@dataclass(frozen=True)
class Found:
    """How the lowest structure of one size was found.

    Attributes
    ----------
    size, energy
        Number of atoms, eV.
    source
        What found it first.
    hits
        Lineages that ended in it.
    chance_of_lower
        See :func:`.lowest_pool.chance_of_lower`.
    energies
        Source -> the lowest energy that it gave, eV.
    """

    size: int
    energy: float
    source: str
    hits: int
    chance_of_lower: float
    energies: Mapping[str, float]

    def above(self, source: str) -> float | None:
        """Energy (eV) above the lowest at which one source alone ends; None: it gave nothing."""
        energy = self.energies.get(source)
        return None if energy is None else max(0.0, energy - self.energy)

    @property
    def only_a_motif(self) -> bool:
        """Whether a motif that was built is lower than all that was searched from it or beside."""
        others = [energy for source, energy in self.energies.items() if source != "motif"]
        motif = self.energies.get("motif")
        return motif is not None and motif < min(others, default=np.inf) - _EQUAL * self.size


def read_searches(rows: Iterable[Mapping[str, Any]]) -> list[Found]:
    """Return how each lowest structure was found, of the rows of a table; none of annealing runs.

    Parameters
    ----------
    rows
        Of the output `table` of a search or of a scan of sizes.
    """
    return [
        Found(
            size=int(row["size"]),
            energy=float(row["energy"]),
            source=str(row["origin"]),
            hits=int(row["hits"]),
            chance_of_lower=float(row["chance_of_lower"]),
            energies=row["lowest_by_source"],
        )
        for row in rows
        if row.get("chance_of_lower") is not None
    ]


def chances_of_change(sizes: npt.ArrayLike, found: Iterable[Found]) -> npt.NDArray[np.float64]:
    """Return the estimated probability that N - 1, N or N + 1 has a lower structure.

    Then the second difference of N changes. The three are taken as independent; NaN where a search
    says nothing of one of them.
    """
    chances = {own.size: own.chance_of_lower for own in found}
    near = [[chances.get(int(n) + k, np.nan) for k in (-1, 0, 1)] for n in np.atleast_1d(sizes)]
    return np.asarray(1 - np.prod(1 - np.array(near, dtype=np.float64).reshape(-1, 3), axis=1))
