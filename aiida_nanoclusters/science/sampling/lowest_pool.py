"""The isomers of one size that a search knows, who found them, and how sure the lowest is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_nanoclusters.science.sampling.minima import Minimum

#: A lower energy counts as a gain beyond this, eV per atom.
_GAIN = 1e-5
#: Isomers from which structures are made: each rank is drawn less often by this factor.
_RANK_WEIGHT = 0.75


def chance_of_lower(hits: int) -> float:
    """Return the estimated chance that a lower structure exists.

    Every independent way that ends at the lowest energy so far, or below, either finds the known
    structure again or a lower one. By Laplace's rule of succession the next one finds a lower one
    with probability 1 / (h + 1), where h counts the ways that have ended in the structure since it
    was found, the first included. It holds for a search that can reach the lower one at all.

    Parameters
    ----------
    hits
        Lineages that ended in the lowest structure; 0 where there is none.
    """
    return 1.0 / (hits + 1)


@dataclass
class Isomer:
    """A minimum, and the lineages in which it was found.

    Attributes
    ----------
    minimum
        The structure, and where it was found first.
    lineages
        What the structures that became it were made from in the end, such as ``decahedron`` or a
        random cluster, in the order of their finds. Structures of one lineage are similar, so that
        a second way within one says nothing new.
    hits
        Source -> in how many lineages it found this one first.
    """

    minimum: Minimum
    lineages: list[str]
    hits: dict[str, int]

    @property
    def lineage(self) -> str:
        """The first one."""
        return self.lineages[0]


class Pool:
    """Distinct isomers of one size, the lowest first: some of the lowest and that of each lineage.

    Parameters
    ----------
    most
        Lowest isomers that are kept.

    Attributes
    ----------
    isomers
        The lowest first.
    tried, gains
        Source -> relaxations, and how many of them gave a structure below all before.
    refused
        Reason -> relaxations without a minimum.
    quiet
        Rounds since the lowest structure was found.
    energies
        Source -> lowest energy that it gave, eV.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.isomers: list[Isomer] = []
        self.tried: dict[str, int] = {}
        self.gains: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.quiet = 0
        self.energies: dict[str, float] = {}

    def begin_round(self) -> None:
        """Count a round; a lower structure sets the count back."""
        self.quiet += 1

    def add(self, found: Minimum | str, source: str, lineage: str) -> None:
        """Take the result of a relaxation: a minimum, or why there is none.

        Parameters
        ----------
        found
            The minimum, or the reason.
        source, lineage
            What made the structure, and what it was made from in the end.
        """
        self.tried[source] = self.tried.get(source, 0) + 1
        if isinstance(found, str):
            self.refused[found] = self.refused.get(found, 0) + 1
            return
        size = len(found.positions)
        self.energies[source] = min(found.energy, self.energies.get(source, found.energy))
        if not self.isomers or found.energy < self.isomers[0].minimum.energy - _GAIN * size:
            self.gains[source] = self.gains.get(source, 0) + 1
            self.quiet = 0
        known = next((own for own in self.isomers if own.minimum.is_like(found)), None)
        if known is None:
            self.isomers.append(Isomer(found, [lineage], {source: 1}))
            self.isomers.sort(key=lambda own: own.minimum.energy)
            self._prune()
            return
        if lineage not in known.lineages:
            known.lineages.append(lineage)
            known.hits[source] = known.hits.get(source, 0) + 1

    def draw(self, rng: np.random.Generator) -> Isomer:
        """Draw an isomer: in half of all cases a low one, else the lowest of any lineage."""
        if rng.random() < 0.5:
            firsts = self._first_of_lineages()
            return self.isomers[firsts[int(rng.integers(len(firsts)))]]
        offered = self.isomers[: self._most]
        weights = _RANK_WEIGHT ** np.arange(len(offered))
        return offered[int(rng.choice(len(offered), p=weights / weights.sum()))]

    def is_settled(self, patience: int, hits: int) -> bool:
        """Whether the lowest was found in enough ways, and nothing lower for some rounds."""
        if not self.isomers:
            return False
        return self.quiet >= patience and sum(self.isomers[0].hits.values()) >= hits

    def row(self) -> dict[str, Any]:
        """Return the result; see :meth:`.LowestSearch.table`."""
        lowest = self.isomers[0] if self.isomers else None
        hits = {} if lowest is None else dict(sorted(lowest.hits.items()))
        return {
            "lowest": None if lowest is None else lowest.minimum.energy,
            "motif": None if lowest is None else lowest.lineage,
            "found_by": None if lowest is None else lowest.minimum.move,
            "found_in": None if lowest is None else lowest.minimum.step,
            "hits": hits,
            "chance_of_lower": chance_of_lower(sum(hits.values())),
            "energies": dict(sorted(self.energies.items())),
            "relaxations": sum(self.tried.values()),
            "refused": dict(sorted(self.refused.items())),
        }

    @property
    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "isomers": [
                {
                    "minimum": own.minimum.as_dict(),
                    "lineages": list(own.lineages),
                    "hits": dict(own.hits),
                }
                for own in self.isomers
            ],
            "tried": dict(self.tried),
            "gains": dict(self.gains),
            "refused": dict(self.refused),
            "quiet": self.quiet,
            "energies": dict(self.energies),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], most: int) -> Pool:
        """Continue from :attr:`state`."""
        pool = cls(most)
        pool.isomers = [
            Isomer(Minimum(**own["minimum"]), list(own["lineages"]), dict(own["hits"]))
            for own in state["isomers"]
        ]
        for name in ("tried", "gains", "refused", "quiet", "energies"):
            setattr(pool, name, state[name])
        return pool

    def _first_of_lineages(self) -> list[int]:
        """Return the place of the lowest isomer of each lineage."""
        firsts: dict[str, int] = {}
        for k, isomer in enumerate(self.isomers):
            firsts.setdefault(isomer.lineage, k)
        return sorted(firsts.values())

    def _prune(self) -> None:
        """Keep the lowest isomers, and the lowest of each lineage."""
        kept = {*range(min(self._most, len(self.isomers))), *self._first_of_lineages()}
        self.isomers = [self.isomers[k] for k in sorted(kept)]
