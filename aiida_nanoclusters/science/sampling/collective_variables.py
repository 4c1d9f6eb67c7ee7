"""Collective variables of a solution, described by roles, and their values by numpy.

A variable is a sum of terms: coordination numbers, distances, angles. Groups of atoms are named by
their roles (:mod:`~aiida_nanoclusters.science.structures.molecules`); a fixed point may stand in
place of the second group. :mod:`aiida_nanoclusters.formats.lammps.colvars` and
:mod:`aiida_nanoclusters.formats.plumed.plumed_input` write the same variables for COLVARS and for
PLUMED; the values here hold all three to one definition. Centres of mass are those of whole
groups: here each atom is taken beside its nearest neighbour of the group, COLVARS and PLUMED follow
the atoms of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from ase.geometry import find_mic
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.settings import Settings, quantity
from aiida_nanoclusters.science.structures.molecules import Molecules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COORDINATION, DISTANCE, ANGLE = "coordination", "distance", "angle"
#: Names of variables and walls.
NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
#: Groups of each kind of term beside a point.
_GROUPS = {COORDINATION: 2, DISTANCE: 2, ANGLE: 3}


def check_exponents(exponents: tuple[int, int]) -> None:
    """Raise ValueError unless they are those of a switching function."""
    n, m = exponents
    if not 0 < n < m or n % 2 or m % 2:
        raise ValueError(f"`exponents` [{n}, {m}]: give two even numbers, the smaller first")


def check_bounds(lower: float | None, upper: float | None) -> None:
    """Raise ValueError if a lower wall is not below an upper one."""
    if lower is not None and upper is not None and lower >= upper:
        raise ValueError(f"`lower` {lower} is not below `upper` {upper}")


class TermSettings(Settings):
    """One term of a collective variable."""

    kind: Literal["coordination", "distance", "angle"] = quantity(
        "`coordination`, the sum of a switching function over pairs; `distance` (Å) and `angle` "
        "(rad, at the second group) of centres of mass."
    )
    groups: list[list[str]] = quantity(
        "Groups of atoms, each a list of roles such as Ag, O_solvent, N_ligand2: two of a "
        "coordination or a distance, three of an angle; one less with `point`.",
        min_length=1,
        max_length=3,
    )
    point: tuple[float, float, float] | None = quantity(
        "Fixed point in place of the last group.", unit="Å", default=None
    )
    r0: float | None = quantity(
        "Length of the switching function, only of `coordination`.", unit="Å", default=None, gt=0
    )
    exponents: tuple[int, int] = quantity(
        "Exponents n < m of the switching function (1 - (r/r0)^n) / (1 - (r/r0)^m).",
        default=(6, 12),
    )
    factor: float = quantity("By which the term is multiplied.", default=1.0)

    @model_validator(mode="after")
    def _check(self) -> TermSettings:
        wanted = _GROUPS[self.kind] - (self.point is not None)
        if len(self.groups) != wanted or not all(self.groups):
            raise ValueError(
                f"a {self.kind} has {_GROUPS[self.kind]} groups of atoms, or one less and a "
                f"`point`: got {len(self.groups)}"
            )
        if (self.kind == COORDINATION) != (self.r0 is not None):
            raise ValueError("give `r0` for a coordination, and only there")
        check_exponents(self.exponents)
        return self


class CollectiveVariableSettings(Settings):
    """A collective variable, the sum of its terms, with the width of its hills and its walls."""

    name: str = quantity("Name, letters, digits and `_`.", pattern=NAME_PATTERN)
    terms: list[TermSettings] = quantity("Terms of the sum.", min_length=1)
    width: float = quantity("Width of a hill, in the unit of the variable.", gt=0)
    lower: float | None = quantity("Value below which a wall acts.", default=None)
    upper: float | None = quantity("Value above which a wall acts.", default=None)
    stiffness: float = quantity(
        "Stiffness k of the walls, eV per squared unit: k d^2 / 2 at the distance d beyond.",
        default=100.0,
        gt=0,
    )

    @model_validator(mode="after")
    def _check(self) -> CollectiveVariableSettings:
        check_bounds(self.lower, self.upper)
        return self


class HillSettings(Settings):
    """Well-tempered hills."""

    height: float = quantity("Height of the first hill.", unit="eV", gt=0)
    bias_factor: float = quantity(
        "Bias factor g: the variables are sampled as if at this many times the temperature.", gt=1
    )
    temperature: float = quantity("Temperature.", unit="K", gt=0)
    pace: int = quantity("Time steps between two hills.", ge=1)

    @property
    def bias_temperature(self) -> float:
        """Temperature by which the hills become lower, (g - 1) T, K."""
        return (self.bias_factor - 1.0) * self.temperature


class OpesSettings(Settings):
    """Kernels of OPES, on-the-fly probability enhanced sampling.

    Source: Invernizzi and Parrinello, J. Phys. Chem. Lett. 11, 2731 (2020).
    """

    barrier: float = quantity(
        "Highest free-energy barrier that the bias should overcome.", unit="eV", gt=0
    )
    bias_factor: float = quantity(
        "Bias factor g: the variables are sampled as if at this many times the temperature.", gt=1
    )
    temperature: float = quantity("Temperature.", unit="K", gt=0)
    pace: int = quantity("Time steps between two kernels.", ge=1)


@dataclass(frozen=True)
class Term:
    """A term whose groups are atoms: indices from 0, each group sorted."""

    settings: TermSettings
    groups: tuple[Ints, ...]

    def value(self, atoms: Atoms) -> float:
        """Return the value without its factor; the nearest images of a periodic cell count."""
        own = self.settings
        if own.kind == COORDINATION:
            return self._coordination(atoms)
        places = [centre_of_mass(atoms, group) for group in self.groups]
        if own.point is not None:
            places.append(np.array(own.point))
        if own.kind == DISTANCE:
            return float(np.linalg.norm(_apart(atoms, places[0], places[1])))
        one, other = (_apart(atoms, places[1], places[k]) for k in (0, 2))
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        return float(np.arccos(np.clip(cosine, -1.0, 1.0)))

    def _coordination(self, atoms: Atoms) -> float:
        own, first = self.settings, self.groups[0]
        if own.point is not None:
            targets = np.array([own.point])
            same = np.zeros((len(first), 1), bool)
        else:
            targets = atoms.positions[self.groups[1]]
            same = first[:, None] == self.groups[1][None, :]
        shift = (targets[None, :] - atoms.positions[first][:, None]).reshape(-1, 3)
        _, lengths = find_mic(shift, atoms.cell, atoms.pbc)
        values = switching(lengths / own.r0, *own.exponents)
        return float(values[~same.ravel()].sum())


@dataclass(frozen=True)
class CollectiveVariable:
    """A collective variable of atoms."""

    settings: CollectiveVariableSettings
    terms: tuple[Term, ...]

    @classmethod
    def of(cls, settings: CollectiveVariableSettings, molecules: Molecules) -> CollectiveVariable:
        """Return the variable of the atoms that its roles name.

        Raises
        ------
        ValueError
            If no atom has one of the roles.
        """
        terms = [
            Term(term, tuple(molecules.select(group) for group in term.groups))
            for term in settings.terms
        ]
        return cls(settings, tuple(terms))

    def value(self, atoms: Atoms) -> float:
        """Return the value for a structure, in Å, rad or neighbours."""
        return sum(term.settings.factor * term.value(atoms) for term in self.terms)


def in_full(value: float) -> str:
    """Return a number as inputs take it: all its digits, also of numpy's."""
    return repr(float(value))


def switching(x: Floats, n: int, m: int) -> Floats:
    """Return (1 - x^n) / (1 - x^m), n / m where x is 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (1 - x**n) / (1 - x**m)
    return np.where(np.abs(x - 1) < 1e-9, n / m, found)


def variables_of(
    settings: Sequence[CollectiveVariableSettings], molecules: Molecules
) -> list[CollectiveVariable]:
    """Return several variables.

    Raises
    ------
    ValueError
        If two have one name, or no atom has a role.
    """
    names = [one.name for one in settings]
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)}: give each variable a name of its own")
    return [CollectiveVariable.of(one, molecules) for one in settings]


def centre_of_mass(atoms: Atoms, group: Ints) -> Floats:
    """Return the centre of mass of atoms, each by its image nearest to one that has its place."""
    masses = atomic_masses[atoms.numbers[group]]
    places = atoms.positions[group].copy()
    left, nearest = np.arange(1, len(group)), np.zeros(len(group), dtype=np.int64)
    shifts, lengths = find_mic(places - places[0], atoms.cell, atoms.pbc)
    while len(left):
        k = left[np.argmin(lengths[left])]
        places[k] = places[nearest[k]] + shifts[k]
        left = left[left != k]
        if not len(left):
            break
        nearer, distances = find_mic(
            atoms.positions[group[left]] - places[k], atoms.cell, atoms.pbc
        )
        closer = distances < lengths[left]
        found = left[closer]
        shifts[found], lengths[found], nearest[found] = nearer[closer], distances[closer], k
    return np.asarray(masses @ places / masses.sum())


def _apart(atoms: Atoms, one: Floats, other: Floats) -> Floats:
    shift, _ = find_mic((other - one)[None], atoms.cell, atoms.pbc)
    return np.asarray(shift[0])
