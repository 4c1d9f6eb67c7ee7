"""Walls that act on the coordination of each atom of a group, as those that keep molecules whole.

The lowest coordination number of carbon with hydrogen, held above a value, keeps every methyl
group whole. PLUMED has the lowest (or the highest) of a group as a variable; COLVARS has not, so
that there each atom has the wall. The two are equal wherever one atom alone is beyond; of several,
PLUMED pushes the worst and COLVARS all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from pydantic import model_validator

from aiida_nanoclusters.science.sampling.collective_variables import (
    NAME_PATTERN,
    Floats,
    Ints,
    check_bounds,
    check_exponents,
    switching,
)
from aiida_nanoclusters.science.settings import Settings, quantity
from aiida_nanoclusters.science.structures.molecules import Molecules, bonds

#: Which atoms of the second group count.
ALL, BONDED = "all", "bonded"


class CoordinationWallSettings(Settings):
    """A wall on the coordination number of each atom of a group."""

    name: str = quantity("Name, letters, digits and `_`.", pattern=NAME_PATTERN)
    groups: tuple[list[str], list[str]] = quantity(
        "Two groups of atoms, each a list of roles: of every atom of the first one the "
        "coordination with the second."
    )
    partners: Literal["all", "bonded"] = quantity(
        "`all` atoms of the second group, or those alone to which the atom is covalently `bonded` "
        "in the first frame: cheap however large the group, and without what other molecules add.",
        default=ALL,
    )
    r0: float = quantity("Length of the switching function.", unit="Å", gt=0)
    exponents: tuple[int, int] = quantity(
        "Exponents n < m of the switching function (1 - (r/r0)^n) / (1 - (r/r0)^m).",
        default=(6, 12),
    )
    lower: float | None = quantity(
        "Value below which the wall acts, on the lowest of the coordination numbers.", default=None
    )
    upper: float | None = quantity(
        "Value above which the wall acts, on the highest of them.", default=None
    )
    stiffness: float = quantity(
        "Stiffness k of the wall, eV: k d^2 / 2 at the distance d beyond.", default=100.0, gt=0
    )

    @model_validator(mode="after")
    def _check(self) -> CoordinationWallSettings:
        if not all(self.groups):
            raise ValueError("a wall on coordination numbers has two groups of atoms: one is empty")
        check_exponents(self.exponents)
        check_bounds(self.lower, self.upper)
        if self.lower is None and self.upper is None:
            raise ValueError("give `lower`, `upper`, or both: no wall would act")
        return self


@dataclass(frozen=True)
class CoordinationWall:
    """A wall whose groups are atoms: indices from 0.

    Attributes
    ----------
    settings
        What it is.
    atoms
        The first group, sorted, length A.
    partners
        Of each of them the sorted atoms with which its coordination counts, length A.
    """

    settings: CoordinationWallSettings
    atoms: Ints
    partners: tuple[Ints, ...]

    @classmethod
    def of(
        cls, settings: CoordinationWallSettings, molecules: Molecules, atoms: Atoms
    ) -> CoordinationWall:
        """Return the wall of the atoms that its roles name.

        Parameters
        ----------
        settings
            What it is.
        molecules
            Of the structure.
        atoms
            The structure that a run begins with, by whose bonds `bonded` partners are chosen.

        Raises
        ------
        ValueError
            If no atom has one of the roles, or an atom of the first group has no partner.
        """
        own, others = (molecules.select(roles) for roles in settings.groups)
        if settings.partners == BONDED:
            first, second = bonds(atoms)
            partners = tuple(np.intersect1d(second[first == k], others) for k in own)
        else:
            partners = tuple(others[others != k] for k in own)
        for k, found in zip(own, partners, strict=True):
            if not len(found):
                raise ValueError(
                    f"`{settings.name}`: atom {k + 1}, {molecules.symbols[k]}, has no "
                    f"{settings.partners} partner among {', '.join(settings.groups[1])}: name "
                    "other groups, or begin with whole molecules"
                )
        return cls(settings, own, partners)

    @property
    def is_shared(self) -> bool:
        """Whether all atoms have the same partners."""
        first = self.partners[0]
        return all(np.array_equal(found, first) for found in self.partners[1:])

    def values(self, atoms: Atoms) -> Floats:
        """Return the coordination number of each atom of the first group, shape (A,)."""
        counts = [len(found) for found in self.partners]
        near, far = np.repeat(self.atoms, counts), np.concatenate(self.partners)
        _, lengths = find_mic(atoms.positions[far] - atoms.positions[near], atoms.cell, atoms.pbc)
        shares = switching(lengths / self.settings.r0, *self.settings.exponents)
        return np.add.reduceat(shares, np.cumsum([0, *counts[:-1]]))


def coordination_walls_of(
    settings: Sequence[CoordinationWallSettings], molecules: Molecules, atoms: Atoms
) -> list[CoordinationWall]:
    """Return several walls; see :meth:`CoordinationWall.of`."""
    return [CoordinationWall.of(one, molecules, atoms) for one in settings]
