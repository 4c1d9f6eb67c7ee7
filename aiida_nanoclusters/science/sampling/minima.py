"""Minima that a search has found: checked, distinct, each with its origin."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.compositions import symbols_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import sound_frames
from aiida_nanoclusters.science.recognition.neighbours import structure_fingerprint
from aiida_nanoclusters.science.sampling.ranking import SAME_DISTANCES, SAME_ENERGY
from aiida_nanoclusters.science.sampling.stages import count_fragments
from aiida_nanoclusters.science.structures.isolation import out_of_box


def refusal(atoms: Atoms, closest: float, farthest: float) -> str | None:
    """Return why a cluster cannot be a minimum, or None.

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
        The walker that found it first, the seed and number of its proposal, and the move.
    hits
        How often it was found.
    formula
        Composition of a cluster of several elements, whose atoms are in the alphabetical order of
        the elements; empty where the search has one element.
    """

    energy: float
    positions: list[list[float]]
    forces: list[list[float]] | None
    parent: str
    seed: int
    step: int
    move: str
    hits: int = 1
    formula: str = ""

    @classmethod
    def read(
        cls, atoms: Atoms, closest: float, farthest: float, *origin: Any, formula: str = ""
    ) -> Minimum | str:
        """Read a relaxed cluster, periodic box or not, or return why it is discarded.

        Parameters
        ----------
        atoms
            Energy and forces on its calculator; left untouched.
        closest, farthest
            As of :func:`refusal`.
        origin
            `parent`, `seed`, `step` and `move`.
        formula
            As the attribute.
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
        found = cls(float(read.energies[0]), centred.tolist(), forces, *origin)
        found.formula = formula
        return found

    @cached_property
    def fingerprint(self) -> NDArray[np.float64]:
        """Sorted interatomic distances (Å), one pair of elements after the other."""
        symbols = symbols_of(self.formula) if self.formula else ["X"] * len(self.positions)
        return structure_fingerprint(Atoms(symbols, positions=self.positions))

    @property
    def composition(self) -> str | int:
        """Formula, or number of atoms where the search has one element."""
        return self.formula or len(self.positions)

    def is_like(self, other: Minimum) -> bool:
        """Return whether another minimum of this composition is the same isomer and homotop."""
        if abs(self.energy - other.energy) > SAME_ENERGY * len(self.positions):
            return False
        return float(np.abs(self.fingerprint - other.fingerprint).max()) <= SAME_DISTANCES

    def atoms(self, symbols: Sequence[str]) -> Atoms:
        """Return the cluster of these chemical symbols with its labels and origin."""
        atoms = Atoms(list(symbols), positions=self.positions)
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
            **({"formula": self.formula} if self.formula else {}),
            "positions": [list(row) for row in self.positions],
            "forces": None if self.forces is None else [list(row) for row in self.forces],
        }


class Minima:
    """Distinct minima, those of a composition by energy; at most `keep` of each, or all.

    A composition is a formula, or a number of atoms where the search has one element.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._found: dict[str | int, list[Minimum]] = {}

    @property
    def compositions(self) -> list[str | int]:
        """Compositions with at least one minimum, by size and name."""
        return sorted(self._found, key=lambda key: (len(self._found[key][0].positions), str(key)))

    def of(self, composition: str | int) -> list[Minimum]:
        """Return the minima of a composition, the lowest first."""
        return list(self._found.get(composition, ()))

    def add(self, minimum: Minimum) -> None:
        """Add a minimum; a known one counts as another hit."""
        known = self._found.setdefault(minimum.composition, [])
        window = SAME_ENERGY * len(minimum.positions)
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
        """All minima, JSON-able."""
        return [minimum.as_dict() for key in self.compositions for minimum in self._found[key]]

    @classmethod
    def from_state(cls, state: Iterable[Mapping[str, Any]], keep: int | None = None) -> Minima:
        """Continue from :attr:`state`."""
        minima = cls(keep)
        for entry in state:
            minimum = Minimum(**entry)
            minima._found.setdefault(minimum.composition, []).append(minimum)
        return minima


def _energy(minimum: Minimum) -> float:
    return minimum.energy
