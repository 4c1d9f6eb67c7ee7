"""Bond orders against those of RDKit's own algorithm, and against structures known by heart."""

import numpy as np
import pytest

from aiida_nanoclusters.science.ligands.bond_orders import BondOrderError, bond_orders
from aiida_nanoclusters.science.ligands.hydrogens import missing_hydrogens
from aiida_nanoclusters.science.ligands.ligand_graph import LigandGraph
from aiida_nanoclusters.science.ligands.smiles import canonical_ligand, ligand_of

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

from rdkit import Chem, RDLogger
from rdkit.Chem import AllChem, rdDetermineBonds

RDLogger.DisableLog("rdApp.*")

#: Free ligands as closed shells, with the charge that they bind with. Selenolates are not among
#: them: RDKit lays their charge on carbon.
FREE = [
    ("[S-]CCc1ccccc1", -1),
    ("[S-]c1ccc(C(C)(C)C)cc1", -1),
    ("[S-]c1ccccn1", -1),
    ("[S-]c1ccc([N+](=O)[O-])cc1", -1),
    ("c1ccc(P(c2ccccc2)c2ccccc2)cc1", 0),
    ("c1ccc(P(CCP(c2ccccc2)c2ccccc2)c2ccccc2)cc1", 0),
    ("[C-]#Cc1ccc(F)cc1", -1),
    ("[O-]C(=O)C(C)(C)C", -1),
    ("[O-]S(=O)(=O)c1ccccc1", -1),
    ("CC#N", 0),
    ("[C-]#[N+]c1ccccc1", 0),
    ("c1ccc2ncccc2c1", 0),
    ("c1ccc(-c2ccccn2)nc1", 0),
    ("NC(CCC(=O)NC(C[S-])C(=O)NCC(=O)O)C(=O)O", -1),
    ("CN(C)C=O", 0),
    ("c1cc2cccc3ccc4cccc1c4c32", 0),
    ("CCOP(=S)([S-])OCC", -1),
    ("[S-]C(=S)N(CC)CC", -1),
    ("S=C(N)Nc1ccccc1", 0),
]


def embedded(smiles):
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=3, useRandomCoords=True) == 0
    return molecule


def graph(molecule):
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()]
    return numbers, bonds


@pytest.mark.parametrize(("smiles", "charge"), FREE)
def test_an_independent_method_agrees(smiles, charge):
    """RDKit's enumeration of valences at the known charge, from connections without orders."""
    molecule = embedded(smiles)
    numbers, bonds = graph(molecule)
    bare = Chem.RWMol()
    for number in numbers:
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        bare.AddAtom(atom)
    for a, b in bonds:
        bare.AddBond(a, b, Chem.BondType.SINGLE)
    bare.AddConformer(molecule.GetConformer())
    rdDetermineBonds.DetermineBondOrders(bare, charge=charge)
    theirs = canonical_ligand(Chem.MolToSmiles(Chem.RemoveHs(bare)))
    negative = [
        a.GetIdx()
        for a in molecule.GetAtoms()
        if a.GetFormalCharge() < 0 and not any(n.GetFormalCharge() > 0 for n in a.GetNeighbors())
    ]
    own, heavy = LigandGraph.from_atoms(numbers, bonds, negative)
    assert ligand_of(own).smiles == theirs == canonical_ligand(smiles)
    assert missing_hydrogens(numbers, bonds, negative, molecule.GetConformer().GetPositions()) == ""
    assert len(heavy) == sum(number != 1 for number in numbers)


@pytest.mark.parametrize(("smiles", "charge"), FREE)
def test_the_order_of_atoms_changes_nothing(smiles, charge):
    numbers, bonds = graph(embedded(smiles))
    binding = [k for k, number in enumerate(numbers) if number in (16, 34)][:1]
    own = LigandGraph.from_atoms(numbers, bonds, binding)[0]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(numbers))
        place = np.argsort(order)
        moved = LigandGraph.from_atoms(
            [numbers[k] for k in order],
            [(int(place[b]), int(place[a])) for a, b in reversed(bonds)],
            [int(place[k]) for k in binding],
        )[0]
        assert moved.key()[0] == own.key()[0]


def test_decalin_and_bicyclopentyl_have_different_keys():
    """Their atoms cannot be told apart by their neighbours, at any depth."""
    keys = []
    for smiles in ("C1CCC2CCCCC2C1", "C1CCC(C1)C1CCCC1"):
        keys.append(LigandGraph.from_atoms(*graph(Chem.AddHs(Chem.MolFromSmiles(smiles))), [])[0])
    assert keys[0].key()[0] != keys[1].key()[0]
    assert LigandGraph.from_key(keys[0].key()[0]).key()[0] == keys[0].key()[0]


def test_a_carboxylate_has_two_equal_forms():
    numbers, bonds = [6, 8, 8, 1], [(0, 1), (0, 2), (0, 3)]
    for binding in ([1], [2], [1, 2]):
        forms = bond_orders(numbers, bonds, binding)
        assert {form.orders for form in forms} == {(1, 2, 1), (2, 1, 1)}
        assert {form.unpaired for form in forms} == {(0, 1, 0, 0), (0, 0, 1, 0)}
        assert all(form.charges == (0, 0, 0, 0) for form in forms)


def test_valences_that_do_not_fit_are_named():
    with pytest.raises(BondOrderError, match="C has 5 bonds"):
        bond_orders([6, 1, 1, 1, 1, 1], [(0, k) for k in range(1, 6)], [])
    with pytest.raises(BondOrderError, match="unpaired electrons on C"):
        bond_orders([6, 1, 1, 1], [(0, k) for k in range(1, 4)], [])
    with pytest.raises(BondOrderError, match="a hydrogen atom"):
        bond_orders([5, 1, 5], [(0, 1), (1, 2)], [])
    with pytest.raises(BondOrderError, match="bridges"):
        LigandGraph.from_atoms([5, 1, 5], [(0, 1), (1, 2)], [])
    with pytest.raises(BondOrderError, match="not known"):
        bond_orders([2, 6], [(0, 1)], [])


@pytest.mark.parametrize("smiles", ["c1ccccc1", "CCS", "C1CCCCC1", "C=CC", "NC"])
def test_missing_hydrogen_is_seen_by_geometry(smiles):
    molecule = embedded(smiles)
    numbers, bonds = graph(molecule)
    heavy = [k for k, number in enumerate(numbers) if number != 1]
    positions = molecule.GetConformer().GetPositions()
    assert missing_hydrogens(numbers, bonds, [], positions) == ""
    inner = [(a, b) for a, b in bonds if a in heavy and b in heavy]
    bare = [numbers[k] for k in heavy]
    assert missing_hydrogens(bare, inner, [], positions[heavy]).startswith("C (")
