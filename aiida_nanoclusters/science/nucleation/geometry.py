"""Distances and angles between bonded atoms of a trajectory, chosen by the roles of atoms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pydantic import model_validator

from aiida_nanoclusters.science.labels.sanity import impossible
from aiida_nanoclusters.science.settings import Settings, quantity
from aiida_nanoclusters.science.structures.molecules import Molecules, find_molecules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Default standard deviation of the kernel: Å, degrees.
BANDWIDTHS = (0.05, 3.0)
_ELEMENT = re.compile(r"[A-Z][a-z]?")


class GeometrySettings(Settings):
    """A distance between bonded atoms, or an angle between two bonds."""

    name: str = quantity("Name, such as Ag-S.", min_length=1)
    groups: list[list[str]] = quantity(
        "Groups of atoms, each a list of roles such as Ag, S_ligand: the two ends of a distance; "
        "one end, the vertex and the other end of an angle.",
        min_length=2,
        max_length=3,
    )
    bonds: list[float] = quantity(
        "Distances up to which atoms are bonded: of a distance one, of an angle two, from the "
        "vertex to the first and to the last group.",
        unit="Å",
        min_length=1,
        max_length=2,
    )
    bandwidth: float | None = quantity(
        "Standard deviation of the Gaussian kernel, Å or degrees; null takes 0.05 Å or 3 degrees.",
        default=None,
        gt=0,
    )

    @model_validator(mode="after")
    def _check_groups(self) -> GeometrySettings:
        if not all(self.groups):
            raise ValueError(f"`{self.name}` has an empty group: name its roles, such as [Ag]")
        if len(self.bonds) != len(self.groups) - 1 or min(self.bonds) <= 0:
            raise ValueError(
                f"`{self.name}` has {len(self.groups)} groups: give {len(self.groups) - 1} "
                "positive `bonds`"
            )
        if self.width > self.span / 4:
            raise ValueError(f"`bandwidth` of `{self.name}` is wider than a quarter of its range")
        return self

    @property
    def is_angle(self) -> bool:
        """Whether it is an angle (degrees) and no distance (Å)."""
        return len(self.groups) == 3

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return "degrees" if self.is_angle else "Å"

    @property
    def width(self) -> float:
        """Bandwidth of the kernel, Å or degrees."""
        return self.bandwidth or BANDWIDTHS[self.is_angle]

    @property
    def span(self) -> float:
        """Largest possible value, Å or degrees; the least is zero."""
        return 180.0 if self.is_angle else self.bonds[0]

    @property
    def elements(self) -> str | None:
        """Elements in alphabetical direction, such as Ag-S; None where a group has several."""
        found = [{m[0] for role in g if (m := _ELEMENT.match(role))} for g in self.groups]
        if any(len(group) != 1 for group in found):
            return None
        names = [group.pop() for group in found]
        return "-".join(min(names, names[::-1]))


def ligand_geometries(
    metal: str = "Ag", metal_metal: float = 3.6, metal_s: float = 3.0, metal_n: float = 2.8
) -> list[GeometrySettings]:
    """Return the distances and angles that Tiwari and Karmakar give of Ag6(SCNH2)6.

    The distances of metal to metal, S and N, and the angles metal-metal-metal, S-metal-S,
    N-metal-metal and N-metal-S.

    Parameters
    ----------
    metal
        Element of the core.
    metal_metal, metal_s, metal_n
        Distances up to which atoms are bonded, Å. The defaults lie between the first and the second
        shell of Ag6(SCNH2)6.
    """
    core, s, n = [metal], ["S_ligand"], ["N_ligand"]
    table: list[tuple[list[list[str]], list[float]]] = [
        ([core, core], [metal_metal]),
        ([core, s], [metal_s]),
        ([core, n], [metal_n]),
        ([core, core, core], [metal_metal, metal_metal]),
        ([s, core, s], [metal_s, metal_s]),
        ([n, core, core], [metal_n, metal_metal]),
        ([n, core, s], [metal_n, metal_s]),
    ]
    return [
        GeometrySettings(
            name="-".join(role.split("_")[0] for (role,) in groups), groups=groups, bonds=bonds
        )
        for groups, bonds in table
    ]


@dataclass(frozen=True, eq=False)
class Samples:
    """Values of one distance or angle in a trajectory.

    Attributes
    ----------
    values
        Å or degrees, (V,).
    frames
        Frame of each value, ascending, (V,).
    """

    values: Floats
    frames: Ints


def measure(
    frames: Iterable[Atoms],
    geometries: Sequence[GeometrySettings],
    solvent: Sequence[str] = ("CH4O",),
) -> tuple[list[Samples], int]:
    """Return the values of distances and angles in all frames, and the number of frames.

    Each pair of atoms counts once for each of its periodic images within reach, and each pair of
    bonds of a vertex once.

    Parameters
    ----------
    frames
        The same atoms in the same order; cell and periodic directions count. Molecules are those of
        the first frame.
    geometries
        What is measured.
    solvent
        Formulas of solvent molecules, by which roles tell them from ligands.

    Raises
    ------
    ValueError
        If no atom has a role, or the frames are not those of one trajectory.
    """
    found: list[list[Floats]] = [[] for _ in geometries]
    rows: list[_Selection] = []
    reach = max(max(one.bonds) for one in geometries)
    for atoms in one_trajectory(frames):
        if not rows:
            molecules = find_molecules(atoms, solvent)
            rows = [_Selection.of(one, molecules) for one in geometries]
            used = np.flatnonzero(np.concatenate([row.members for row in rows]).any(axis=0))
            rows = [_Selection(row.settings, row.members[:, used]) for row in rows]
        bonds = _Bonds(*neighbor_list("ijdDS", atoms[used], reach))
        for own, row in zip(found, rows, strict=True):
            own.append(row.values(bonds))
    return [_samples(own) for own in found], len(found[0])


def one_trajectory(frames: Iterable[Atoms]) -> Iterator[Atoms]:
    """Yield the frames of a trajectory.

    Raises
    ------
    ValueError
        If there is no frame, one holds other atoms than the first, or no distances can be computed
        of one.
    """
    numbers = None
    for number, atoms in enumerate(frames):
        numbers = atoms.numbers if numbers is None else numbers
        if not np.array_equal(atoms.numbers, numbers):
            raise ValueError(
                f"frame {number} holds other atoms than the first, or in another order: give one "
                "trajectory of the same atoms"
            )
        if problem := impossible(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            raise ValueError(f"frame {number} {problem}")
        yield atoms
    if numbers is None:
        raise ValueError("no frames: the trajectory is empty")


def _samples(parts: list[Floats]) -> Samples:
    frames = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Samples(np.concatenate(parts), frames.astype(np.int64))


@dataclass(frozen=True, eq=False)
class _Bonds:
    """Pairs of near atoms, each in both directions."""

    first: Ints
    second: Ints
    lengths: Floats
    vectors: Floats
    images: Ints

    def backward(self) -> Flags:
        """Return which rows are the second direction of their pair."""
        later = np.sign(self.images) @ np.array([9, 3, 1])
        return (self.first > self.second) | ((self.first == self.second) & (later < 0))


@dataclass(frozen=True, eq=False)
class _Selection:
    """Atoms of a distance or an angle: which are in each group, (groups, N)."""

    settings: GeometrySettings
    members: Flags

    @classmethod
    def of(cls, settings: GeometrySettings, molecules: Molecules) -> _Selection:
        members = np.zeros((len(settings.groups), len(molecules.symbols)), bool)
        for own, roles in zip(members, settings.groups, strict=True):
            own[molecules.select(roles)] = True
        return cls(settings, members)

    def values(self, bonds: _Bonds) -> Floats:
        return self._angles(bonds) if self.settings.is_angle else self._distances(bonds)

    def _distances(self, bonds: _Bonds) -> Floats:
        one, other = self.members
        near = bonds.lengths < self.settings.bonds[0]
        forth = one[bonds.first] & other[bonds.second]
        back = other[bonds.first] & one[bonds.second]
        return bonds.lengths[near & forth & ~(back & bonds.backward())]

    def _angles(self, bonds: _Bonds) -> Floats:
        one, vertex, other = self.members
        first, last = (
            vertex[bonds.first] & group[bonds.second] & (bonds.lengths < reach)
            for group, reach in zip((one, other), self.settings.bonds, strict=True)
        )
        p, q = np.flatnonzero(first), np.flatnonzero(last)
        row, column = np.nonzero(bonds.first[p][:, None] == bonds.first[q][None, :])
        p, q = p[row], q[column]
        twice = first[q] & last[p]  # both orders of the pair are there
        kept = (p != q) & ~(twice & (p > q))
        p, q = p[kept], q[kept]
        dots = np.einsum("ij,ij->i", bonds.vectors[p], bonds.vectors[q])
        cosines = dots / (bonds.lengths[p] * bonds.lengths[q])
        return np.asarray(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))))
