"""Minima that a search has found: whole or refused, told apart, each with its origin."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.annealing import SAME_DISTANCES, SAME_ENERGY
from aiida_nanoclusters.science.checks import sound_frames
from aiida_nanoclusters.science.environments import structure_fingerprint
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.isolation import out_of_box
from aiida_nanoclusters.science.stages import count_fragments


def refusal(atoms: Atoms, closest: float, farthest: float) -> str | None:
    """Return why a cluster is of no use, or None.

    Parameters
    ----------
    atoms
        Not periodic.
    closest, farthest
        Å; no two atoms may be nearer, no group of atoms farther from the rest.

    Returns
    -------
    str or None
        ``not finite``, ``collapsed`` or ``evaporated``.
    """
    if not np.isfinite(atoms.positions).all():
        return "not finite"
    if len(atoms) > 1 and pdist(atoms.positions).min() < closest * (1 - 1e-4):
        return "collapsed"
    if not sound_frames(Frames.from_atoms([atoms]))[0]:
        return "collapsed"
    return "evaporated" if count_fragments(atoms.positions, farthest) > 1 else None


@dataclass(eq=False)
class Minimum:
    """A relaxed cluster and where it was first found.

    Attributes
    ----------
    energy, positions, forces
        eV, Å (N, 3), eV/Å (N, 3) or None, as plain lists.
    parent, seed, step, move
        The walker that was there first, the seed and number of its proposal, and how it was made.
    hits
        How often it was found.
    """

    energy: float
    positions: list[list[float]]
    forces: list[list[float]] | None
    parent: str
    seed: int
    step: int
    move: str
    hits: int = 1

    @classmethod
    def read(cls, atoms: Atoms, closest: float, farthest: float, *origin: Any) -> Minimum | str:
        """Read a relaxed cluster, in or out of a periodic box, or tell why it is refused.

        Parameters
        ----------
        atoms
            Energy and forces on its calculator; left untouched.
        closest, farthest
            As of :func:`refusal`.
        origin
            `parent`, `seed`, `step` and `move`.
        """
        if not np.isfinite(atoms.positions).all():
            return "not finite"
        free = out_of_box(atoms) if atoms.pbc.any() else atoms
        if free.pbc.any():
            return "fills its box"
        read = Frames.from_atoms([free])
        if not np.isfinite(read.energies[0]):
            return "without energy"
        problem = refusal(free, closest, farthest)
        if problem:
            return problem
        centred = free.positions - free.positions.mean(axis=0)
        forces = read.forces.tolist() if read.labelled[0] else None
        return cls(float(read.energies[0]), centred.tolist(), forces, *origin)

    @cached_property
    def fingerprint(self) -> NDArray[np.float64]:
        """Sorted interatomic distances, Å."""
        positions = np.array(self.positions)
        return structure_fingerprint(Atoms(["X"] * len(positions), positions=positions))

    def is_like(self, other: Minimum) -> bool:
        """Tell whether another minimum of this size is the same, however it is turned."""
        if abs(self.energy - other.energy) > SAME_ENERGY * len(self.positions):
            return False
        return float(np.abs(self.fingerprint - other.fingerprint).max()) <= SAME_DISTANCES

    def atoms(self, symbol: str) -> Atoms:
        """Return the cluster with its labels and origin."""
        atoms = Atoms([symbol] * len(self.positions), positions=self.positions)
        origin = {"parent": self.parent, "seed": self.seed, "step": self.step, "move": self.move}
        atoms.info.update(config_type="minimum", hits=self.hits, **origin)
        labels: dict[str, Any] = {"energy": self.energy}
        if self.forces is not None:
            labels["forces"] = np.array(self.forces)
        atoms.calc = SinglePointCalculator(atoms, **labels)
        return atoms

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            **{key: getattr(self, key) for key in ("energy", "parent", "seed", "step", "move")},
            "hits": self.hits,
            "positions": [list(row) for row in self.positions],
            "forces": None if self.forces is None else [list(row) for row in self.forces],
        }


class Minima:
    """Unlike minima of any sizes, those of a size by energy; at most `keep` of each, or all."""

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._found: dict[int, list[Minimum]] = {}

    @property
    def sizes(self) -> list[int]:
        """Sizes of which there are any, ascending."""
        return sorted(self._found)

    def of(self, size: int) -> list[Minimum]:
        """Return the minima of a size, the lowest first."""
        return list(self._found.get(size, ()))

    def add(self, minimum: Minimum) -> None:
        """Take a minimum; one that is known counts as another hit of it."""
        size = len(minimum.positions)
        known, window = self._found.setdefault(size, []), SAME_ENERGY * size
        first = bisect_left(known, minimum.energy - window, key=_energy)
        for place in range(first, len(known)):
            if known[place].energy > minimum.energy + window:
                break
            if known[place].is_like(minimum):
                known[place].hits += minimum.hits
                return
        insort(known, minimum, key=_energy)
        if self._keep is not None:
            del known[self._keep :]

    @property
    def state(self) -> list[dict[str, Any]]:
        """Everything, JSON-able."""
        return [minimum.as_dict() for size in self.sizes for minimum in self._found[size]]

    @classmethod
    def from_state(cls, state: Iterable[Mapping[str, Any]], keep: int | None = None) -> Minima:
        """Continue from :attr:`state`."""
        minima = cls(keep)
        for entry in state:
            minimum = Minimum(**entry)
            minima._found.setdefault(len(minimum.positions), []).append(minimum)
        return minima


def _energy(minimum: Minimum) -> float:
    return minimum.energy
