"""Molecules of a structure by its covalent bonds, and roles of atoms: Ag, N_ligand, O_solvent.

Roles name atoms in what is written about them, such as collective variables, by what they are and
not by an index: ``Ag`` all silver atoms, ``O_solvent`` those of oxygen in solvent molecules,
``N_ligand2`` the second nitrogen atom of the ligands, counted in the order of the structure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aiida_nanoclusters.science.compositions import cluster_formula, parse_composition

Ints = NDArray[np.int64]

#: Elements whose bonds make molecules; those of all others, metals, do not.
NONMETALS = frozenset("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn".split())
METALS = frozenset(chemical_symbols[1:]) - NONMETALS
#: Atoms are bonded up to this multiple of the sum of their covalent radii.
BOND = 1.25
SOLVENT, LIGAND = "solvent", "ligand"
_ROLE = re.compile(r"([A-Z][a-z]?)(?:_(solvent|ligand))?([1-9]\d*)?")


@dataclass(frozen=True)
class Molecules:
    """Which atom belongs to which molecule, and to which part.

    Attributes
    ----------
    symbols
        Chemical symbol of each atom, length N.
    molecule
        Number of the molecule of each atom, in the order of their first atoms; metals are -1.
    parts
        Part of each atom: `solvent`, `ligand`, or empty for metals; length N.
    """

    symbols: tuple[str, ...]
    molecule: Ints
    parts: tuple[str, ...]

    def formulas(self) -> list[str]:
        """Return the formula of each molecule, in the order of their numbers."""
        found: list[dict[str, int]] = [{} for _ in range(int(self.molecule.max(initial=-1)) + 1)]
        for symbol, number in zip(self.symbols, self.molecule, strict=True):
            if number >= 0:
                found[number][symbol] = found[number].get(symbol, 0) + 1
        return [cluster_formula(counts) for counts in found]

    def select(self, roles: Sequence[str]) -> Ints:
        """Return the indices of the atoms that roles name, in the order of the structure.

        Raises
        ------
        ValueError
            If a role is written otherwise, or no atom has it; the message lists those there are.

        Examples
        --------
        >>> water = Molecules(("O", "H", "H"), np.array([0, 0, 0]), ("solvent",) * 3)
        >>> water.select(["H_solvent2"])
        array([2])
        """
        found: set[int] = set()
        for role in roles:
            match = _ROLE.fullmatch(role)
            own = [] if match is None else self._atoms_of(match[1], match[2])
            if match is not None and match[3]:
                own = own[int(match[3]) - 1 : int(match[3])]
            if not own:
                raise ValueError(
                    f"no atom is `{role}`: there are {', '.join(self.known())}, and one of them by "
                    "its number, such as Ag1"
                )
            found |= {*own}
        return np.array(sorted(found), dtype=np.int64)

    def known(self) -> list[str]:
        """Return the roles that there are, with the numbers of their atoms."""
        counts: dict[str, int] = {}
        for symbol, part in zip(self.symbols, self.parts, strict=True):
            name = f"{symbol}_{part}" if part else symbol
            counts[name] = counts.get(name, 0) + 1
        return [f"{name} ({count})" for name, count in sorted(counts.items())]

    def _atoms_of(self, symbol: str, part: str | None) -> list[int]:
        return [
            k
            for k, (own, where) in enumerate(zip(self.symbols, self.parts, strict=True))
            if own == symbol and part in (None, where)
        ]


def bonds(atoms: Atoms, factor: float = BOND) -> tuple[Ints, Ints]:
    """Return the pairs of covalently bonded atoms, each twice, without those of metals."""
    symbols = np.array(atoms.get_chemical_symbols())
    radii = np.where(np.isin(symbols, list(METALS)), 0.0, covalent_radii[atoms.numbers])
    first, second = neighbor_list("ij", atoms, list(factor * radii))
    between = (radii[first] > 0) & (radii[second] > 0)
    return np.asarray(first[between]), np.asarray(second[between])


def find_molecules(atoms: Atoms, solvent: str | Sequence[str] = "CH4O") -> Molecules:
    """Return the molecules of a structure.

    Molecules with the formula of a solvent are solvent, all others are ligands; atoms of metals
    belong to none. A solvent molecule that has lost an atom counts as a ligand: compare
    :func:`changed_molecules`.

    Parameters
    ----------
    atoms
        Cell and periodic directions count.
    solvent
        Formula of the solvent molecule, or several.
    """
    first, second = bonds(atoms)
    n = len(atoms)
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    symbols = tuple(atoms.get_chemical_symbols())
    metal = np.array([symbol in METALS for symbol in symbols])
    molecule = np.full(n, -1, dtype=np.int64)
    numbers: dict[int, int] = {}
    for k in np.flatnonzero(~metal):
        molecule[k] = numbers.setdefault(int(label[k]), len(numbers))
    found = Molecules(symbols, molecule, ("",) * n)
    wanted = {_sorted(f) for f in ([solvent] if isinstance(solvent, str) else solvent)}
    kinds = [SOLVENT if formula in wanted else LIGAND for formula in found.formulas()]
    parts = tuple("" if number < 0 else kinds[number] for number in molecule)
    return Molecules(symbols, molecule, parts)


def changed_molecules(before: Molecules, atoms: Atoms, factor: float = 1.6) -> list[str]:
    """Return which molecules came apart, or took up or gave away atoms, with the bonds judged wide.

    Parameters
    ----------
    before
        Of the structure that a run began with; the same atoms in the same order.
    atoms
        A frame of the run.
    factor
        Bonds up to this multiple of the sum of covalent radii hold, so that vibrations count for
        nothing; new bonds are those of :data:`BOND`.

    Returns
    -------
    list of str
        ``CH4O 17 lost H``: formula and number of the molecule, and the atoms that it lost or took.
    """
    label = _pieces(before, atoms, factor)
    close, far = bonds(atoms)
    crossing = before.molecule[close] != before.molecule[far]
    taken: dict[int, set[int]] = {}
    for a, b in zip(close[crossing], far[crossing], strict=True):
        taken.setdefault(int(before.molecule[a]), set()).add(int(b))
    found = []
    for number, formula in enumerate(before.formulas()):
        own = np.flatnonzero(before.molecule == number)
        lost = [before.symbols[k] for k in _lost(own, label)]
        if lost:
            found.append(f"{formula} {number} lost {', '.join(sorted(lost))}")
        elif number in taken:
            words = ", ".join(sorted(before.symbols[k] for k in taken[number]))
            found.append(f"{formula} {number} bonds to {words}")
    return found


def broken_molecules(before: Molecules, atoms: Atoms, factor: float = 1.6) -> list[str]:
    """Return which molecules have come apart.

    An atom is lost where no bonds, judged wide, lead to the largest rest of its molecule. Hydrogen
    that another molecule has taken is a proton transfer, which is chemistry and no fault.

    Parameters
    ----------
    before, atoms, factor
        As of :func:`changed_molecules`.

    Returns
    -------
    list of str
        ``CH4O 17 lost H``: formula and number of the molecule, and the atoms that it lost.
    """
    label = _pieces(before, atoms, factor)
    close, far = bonds(atoms)
    # a hydrogen atom that merely touches that of another molecule has not been taken
    heavy = np.array(before.symbols)[far] != "H"
    taken = set(close[(before.molecule[close] != before.molecule[far]) & heavy].tolist())
    found = []
    for number, formula in enumerate(before.formulas()):
        own = np.flatnonzero(before.molecule == number)
        lost = [
            before.symbols[k]
            for k in _lost(own, label)
            if not (before.symbols[k] == "H" and int(k) in taken)
        ]
        if lost:
            found.append(f"{formula} {number} lost {', '.join(sorted(lost))}")
    return found


def _pieces(before: Molecules, atoms: Atoms, factor: float) -> Ints:
    """Return the number of the connected piece of its molecule that each atom belongs to."""
    first, second = bonds(atoms, factor)
    held = before.molecule[first] == before.molecule[second]
    n = len(atoms)
    graph = coo_array((np.ones(held.sum()), (first[held], second[held])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _lost(own: Ints, label: Ints) -> Ints:
    """Return the atoms of a molecule that are not in its largest piece."""
    labels, counts = np.unique(label[own], return_counts=True)
    return own[label[own] != labels[np.argmax(counts)]]


def _sorted(formula: str) -> str:
    return cluster_formula(parse_composition(formula))
