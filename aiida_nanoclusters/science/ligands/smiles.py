"""Ligands as SMILES: one way of writing each, whether it comes from a structure or from a person.

A ligand is written as the neutral molecule that is free once the bonds to metals are cut: a
thiolate, alkynyl or carboxylate as a radical, ``[S]CCc1ccccc1``, ``[C]#Cc1ccccc1``, ``CC([O])=O``,
a phosphine, amine or nitrile as it is, a carbene with two unpaired electrons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike

from aiida_nanoclusters.science.ligands.bond_orders import BondOrderError, BondOrders, bond_orders
from aiida_nanoclusters.science.ligands.functional_groups import group_of
from aiida_nanoclusters.science.ligands.ligand_graph import LigandGraph, rdkit
from aiida_nanoclusters.science.structures.molecules import METALS

#: Characters and atoms of the largest ligand.
_LONGEST, _MOST_ATOMS = 2000, 600
_COUNTER_IONS = frozenset({"Li", "Na", "K", "Rb", "Cs"})
_WHITE = re.compile(r"\s")

#: What a person writes as an acid binds without its hydrogen; the first of these that a ligand has.
_ACIDS = (
    ("thiol", "[S,Se,Te;H1;X2;+0]"),
    ("acid", "[OX2H1;+0][$([#6,P,As,S,Se]=[O,S]),$([N+](=O)[O-]),$([NX2,Cl,Br,I]=O)]"),
    ("alkyne", "[CX2H1;+0]#[C,N]"),
    ("imidazolium", "[#6;H1;r5;$(*~[#7+;H0;X3])](~[#7+;H0;X3])~[#7,#16;+0]"),
    ("halide", "[F,Cl,Br,I;H1;+0]"),
)


@dataclass(frozen=True)
class Ligand:
    """A ligand as it is written.

    Attributes
    ----------
    smiles
        Canonical SMILES of RDKit.
    group
        Functional group by which it binds.
    n_carbon
        Number of its carbon atoms.
    """

    smiles: str
    group: str
    n_carbon: int


def ligand_of(
    graph: LigandGraph, positions: ArrayLike | None = None, keep_stereo: bool = False
) -> Ligand:
    """Return a ligand from its graph; each distinct one is determined once.

    Parameters
    ----------
    graph
        Atoms, bonds and which of them bind.
    positions
        Of the heavy atoms, Å, (n, 3); needed for stereo marks only.
    keep_stereo
        Whether to keep the stereo marks that the positions show.

    Raises
    ------
    BondOrderError
        If no bond orders fit.
    ValueError
        If it is too large; as of :func:`canonical_ligand`.
    """
    key, order = graph.key()
    found, molecule = _determine(key)
    # A thiol that binds as such is written as the thiolate: one ligand has one name.
    ligand = replace(found, smiles=canonical_ligand(found.smiles))
    if not keep_stereo or positions is None or ligand.smiles != found.smiles:
        return ligand
    chem = rdkit()
    placed = chem.Mol(molecule)
    conformer = chem.Conformer(placed.GetNumAtoms())
    for k, position in enumerate(np.asarray(positions, dtype=float)[order]):
        conformer.SetAtomPosition(k, position.tolist())
    placed.AddConformer(conformer)
    chem.AssignStereochemistryFrom3D(placed)
    return replace(ligand, smiles=chem.MolToSmiles(placed))


@lru_cache(maxsize=4096)
def _determine(key: str) -> tuple[Ligand, Any]:
    chem = rdkit()
    graph = LigandGraph.from_key(key)
    numbers, bonds = graph.all_atoms()
    made = [
        (chem.MolToSmiles(molecule), molecule)
        for form in bond_orders(numbers, bonds, graph.binding)
        for molecule in [_molecule(graph, form)]
    ]
    smiles, molecule = min(made, key=lambda pair: pair[0])
    group = group_of(molecule, graph.binding)
    return Ligand(smiles, group, graph.numbers.count(6)), molecule


def _molecule(graph: LigandGraph, form: BondOrders) -> Any:
    """Return a molecule of RDKit without stereo marks, neutral where protons allow it."""
    chem = rdkit()
    made = chem.RWMol()
    for k, number in enumerate(graph.numbers):
        atom = chem.Atom(number)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(graph.hydrogens[k])
        atom.SetFormalCharge(form.charges[k])
        atom.SetNumRadicalElectrons(form.unpaired[k])
        made.AddAtom(atom)
    kinds = {1: chem.BondType.SINGLE, 2: chem.BondType.DOUBLE, 3: chem.BondType.TRIPLE}
    for (a, b), order in zip(graph.bonds, form.orders, strict=False):
        made.AddBond(a, b, kinds[order])
    _neutralise(made)
    try:
        chem.SanitizeMol(made)
    except ValueError as error:  # what RDKit raises on valences
        raise BondOrderError("RDKit refuses its valences") from error
    chem.RemoveStereochemistry(made)
    return made.GetMol()


def _neutralise(made: Any) -> None:
    """Move protons, and write thiolates as radicals: salts and acids become one ligand."""
    charged = [atom for atom in made.GetAtoms() if atom.GetFormalCharge()]
    alone = [
        atom
        for atom in charged
        if not any(
            other.GetFormalCharge() * atom.GetFormalCharge() < 0 for other in atom.GetNeighbors()
        )
    ]
    onium = [a for a in alone if a.GetFormalCharge() == 1 and not a.GetNumExplicitHs()]
    for atom in alone:
        symbol, charge = atom.GetSymbol(), atom.GetFormalCharge()
        if charge == -1 and symbol in ("S", "Se", "Te"):
            atom.SetNumRadicalElectrons(1)
        elif charge == -1 and symbol in ("O", "N", "P") and not onium:
            atom.SetNumExplicitHs(atom.GetNumExplicitHs() + 1)
        elif charge == 1 and atom.GetNumExplicitHs():
            atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)
        else:
            continue
        atom.SetFormalCharge(0)


def canonical_ligand(smiles: str) -> str:
    """Return the one way in which a ligand is written here.

    Thiol, thiolate and thiyl radical are the same ligand; so are carboxylic acid and carboxylate,
    alkyne and alkynyl, imidazolium and carbene, halide and hydrogen halide. Where several groups
    of a molecule could lose a proton, the first of thiol, acid, alkyne, imidazolium does; unpaired
    electrons or charges that are written are followed instead. Stereo marks are dropped.

    Raises
    ------
    ValueError
        If RDKit cannot read it, or it is no ligand; the message names the fix.

    Examples
    --------
    >>> canonical_ligand("SCCc1ccccc1") == canonical_ligand("[S-]CCc1ccccc1") == "[S]CCc1ccccc1"
    True
    """
    return described_ligand(smiles).smiles


def functional_group(smiles: str) -> str:
    """Return the functional group by which a ligand binds, of those in `functional_groups.GROUPS`.

    Raises
    ------
    ValueError
        As of :func:`canonical_ligand`.

    Examples
    --------
    >>> functional_group("c1ccc(P(c2ccccc2)c2ccccc2)cc1")
    'phosphine'
    """
    return described_ligand(smiles).group


def carbon_count(smiles: str) -> int:
    """Return the number of carbon atoms of a ligand.

    Raises
    ------
    ValueError
        As of :func:`canonical_ligand`.
    """
    return described_ligand(smiles).n_carbon


@lru_cache(maxsize=4096)
def described_ligand(smiles: str) -> Ligand:
    """Return a ligand that is written in any way; see :func:`canonical_ligand`.

    Raises
    ------
    ValueError
        As of :func:`canonical_ligand`.
    """
    made, binding = _parsed(smiles)
    graph = LigandGraph(
        tuple(a.GetAtomicNum() for a in made.GetAtoms()),
        tuple(
            a.GetTotalNumHs() - int(a.GetIdx() in binding and binding[a.GetIdx()])
            for a in made.GetAtoms()
        ),
        tuple((b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in made.GetBonds()),
        frozenset(binding),
    )
    try:
        ligand, molecule = _determine(graph.key()[0])
    except BondOrderError as error:
        raise ValueError(f"`{smiles}` is no ligand: {error}") from error
    # Which atoms bind is not written, so that it is found again by the groups alone.
    return Ligand(ligand.smiles, group_of(molecule), ligand.n_carbon)


def _parsed(smiles: str) -> tuple[Any, dict[int, bool]]:
    """Return the molecule, and the atoms that bind as they are written: do they lose a proton?"""
    chem = rdkit()
    if not smiles or len(smiles) > _LONGEST or _WHITE.search(smiles):
        raise ValueError(
            f"`{smiles[:40]}` is no SMILES of a ligand: give up to {_LONGEST} characters without "
            "spaces"
        )
    made = chem.MolFromSmiles(smiles)
    if made is None:
        raise ValueError(f"`{smiles}` is no SMILES that RDKit reads: see its valences and rings")
    made = _without_counter_ions(made, smiles)
    if made.GetNumAtoms() > _MOST_ATOMS:
        raise ValueError(f"`{smiles[:40]}` has more than {_MOST_ATOMS} heavy atoms")
    found = {a.GetSymbol() for a in made.GetAtoms()}
    if wrong := sorted(found & METALS) or sorted(found & {"*"}):
        raise ValueError(f"`{smiles}` has {wrong[0]}: write the ligand alone, such as [S]CC")
    number = made.GetAtomWithIdx(0).GetAtomicNum()
    halogens = [atomic_numbers[s] for s in ("F", "Cl", "Br", "I", "At")]
    hydrogens = made.GetAtomWithIdx(0).GetTotalNumHs()
    if made.GetNumAtoms() == 1 and not hydrogens and number not in halogens:
        raise ValueError(f"`{smiles}` is a single atom, which belongs to the core and is no ligand")
    if unpaired := [a.GetIdx() for a in made.GetAtoms() if a.GetNumRadicalElectrons()]:
        return made, dict.fromkeys(unpaired, False)
    negative = [a for a in made.GetAtoms() if a.GetFormalCharge() < 0 and a.GetSymbol() != "B"]
    soft = [a.GetIdx() for a in negative if a.GetSymbol() in ("S", "Se", "Te")]
    if soft:
        return made, dict.fromkeys(soft, False)
    if chem.GetFormalCharge(made) < 0:
        return made, {a.GetIdx(): False for a in negative}
    for _, pattern in _ACIDS:
        matches = made.GetSubstructMatches(chem.MolFromSmarts(pattern))
        if matches:
            return made, {match[0]: True for match in matches}
    return made, {}


def _without_counter_ions(made: Any, smiles: str) -> Any:
    chem = rdkit()
    parts = chem.GetMolFrags(made, asMols=True)
    kept = [
        part
        for part in parts
        if part.GetNumAtoms() > 1 or part.GetAtomWithIdx(0).GetSymbol() not in _COUNTER_IONS
    ]
    positive = any(chem.GetFormalCharge(part) > 0 for part in kept)
    if positive and len(kept) > 1:  # the halide of an imidazolium
        kept = [part for part in kept if part.GetNumAtoms() > 1]
    if len(kept) != 1:
        raise ValueError(f"`{smiles}` has {len(kept)} molecules: give one ligand at a time")
    return kept[0]
