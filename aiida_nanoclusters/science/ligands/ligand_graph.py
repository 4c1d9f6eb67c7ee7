"""Atoms of a ligand and their bonds, without bond orders; equal ligands have equal keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from aiida_nanoclusters.science.ligands.bond_orders import BondOrderError

_FIX = 'pip install "aiida-nanoclusters[ligands]"'


class MissingRDKitError(ValueError):
    """RDKit is not installed; the message says how to install it."""


def rdkit() -> Any:
    """Return ``rdkit.Chem``, silent.

    Raises
    ------
    MissingRDKitError
        If it is not installed.
    """
    try:  # its stubs lack what its compiled modules have
        import_module("rdkit.RDLogger").DisableLog("rdApp.*")
        return import_module("rdkit.Chem")
    except ImportError as error:
        raise MissingRDKitError(f"ligands need RDKit: {_FIX}") from error


@dataclass(frozen=True)
class LigandGraph:
    """The heavy atoms of a ligand and their bonds, without bond orders.

    Attributes
    ----------
    numbers, hydrogens
        Atomic numbers of n heavy atoms, and how many hydrogen atoms each has, (n,).
    bonds
        Pairs of bonded atoms, (b, 2).
    binding
        Atoms that bind to a metal.
    """

    numbers: tuple[int, ...]
    hydrogens: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]
    binding: frozenset[int]

    @classmethod
    def from_atoms(
        cls,
        numbers: Sequence[int],
        bonds: Sequence[tuple[int, int]],
        binding: Collection[int],
    ) -> tuple[LigandGraph, list[int]]:
        """Return the graph of atoms of which some are hydrogen, and the index of each heavy atom.

        Raises
        ------
        BondOrderError
            If a hydrogen atom has not exactly one bond, to a heavy atom.
        """
        heavy = [k for k, number in enumerate(numbers) if number != 1]
        place = {k: n for n, k in enumerate(heavy)}
        hydrogens, inner = [0] * len(heavy), []
        ends = [0] * len(numbers)
        for a, b in bonds:
            ends[a] += 1
            ends[b] += 1
            if a in place and b in place:
                inner.append((place[a], place[b]))
            elif a in place or b in place:
                hydrogens[place[a if a in place else b]] += 1
            else:
                raise BondOrderError("two hydrogen atoms are bonded to one another")
        if [k for k, number in enumerate(numbers) if number == 1 and ends[k] != 1]:
            raise BondOrderError("a hydrogen atom bridges two atoms")
        graph = cls(
            tuple(int(numbers[k]) for k in heavy),
            tuple(hydrogens),
            tuple(inner),
            frozenset(place[k] for k in binding if k in place),
        )
        return graph, heavy

    def key(self) -> tuple[str, list[int]]:
        """Return SMILES of single bonds that tell this graph from all others, and their order.

        Atoms that bind are marked as isotopes. Equal ligands have equal keys, in whatever order
        their atoms are.
        """
        chem = rdkit()
        made = chem.RWMol()
        for k, (number, hydrogens) in enumerate(zip(self.numbers, self.hydrogens, strict=True)):
            atom = chem.Atom(number)
            atom.SetNoImplicit(True)
            atom.SetNumExplicitHs(hydrogens)
            atom.SetIsotope(int(k in self.binding))
            made.AddAtom(atom)
        for a, b in self.bonds:
            made.AddBond(a, b, chem.BondType.SINGLE)
        made.UpdatePropertyCache(strict=False)
        chem.FastFindRings(made)
        text = chem.MolToSmiles(made, allHsExplicit=True)
        return text, list(made.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])

    @classmethod
    def from_key(cls, key: str) -> LigandGraph:
        """Return the graph of a :meth:`key`, its atoms in the order of the key."""
        chem = rdkit()
        options = chem.SmilesParserParams()
        options.sanitize = options.removeHs = False
        made = chem.MolFromSmiles(key, options)
        return cls(
            tuple(a.GetAtomicNum() for a in made.GetAtoms()),
            tuple(a.GetNumExplicitHs() for a in made.GetAtoms()),
            tuple((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in made.GetBonds()),
            frozenset(a.GetIdx() for a in made.GetAtoms() if a.GetIsotope()),
        )

    def all_atoms(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Return atomic numbers and bonds with hydrogen atoms behind the heavy ones."""
        numbers, bonds = list(self.numbers), list(self.bonds)
        for k, count in enumerate(self.hydrogens):
            for _ in range(count):
                bonds.append((k, len(numbers)))
                numbers.append(1)
        return numbers, bonds
