"""Clusters built with ligands of known kind, and what is none protected cluster."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aiida_nanoclusters.science.ligands.core_split import (
    REASONS,
    NotACluster,
    canonical_ligand,
    functional_group,
    split_cluster,
)
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings
from tests import protected_clusters as made
from tests.protected_clusters import octahedron, tetrahedron, with_ligand

TRIPHENYLPHOSPHINE = "c1ccc(P(c2ccccc2)c2ccccc2)cc1"
PHENYLETHANETHIOLATE = "[S]CCc1ccccc1"


def one(atoms, **settings):
    (found,) = split_cluster(atoms, settings=SplitSettings(**settings))
    return found


def protected(smiles, places, core=None):
    atoms = tetrahedron() if core is None else core
    for metals in places:
        atoms = with_ligand(atoms, smiles, *metals)
    return atoms


CORNERS, EDGES = [(0,), (1,), (2,), (3,)], [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("drawn", "places", "smiles", "group", "sites", "formula"),
    [
        (made.PPH3, CORNERS, TRIPHENYLPHOSPHINE, "phosphine", {"P:1": 4}, "Au4(C18H15P)4"),
        (
            made.DPPM,
            EDGES,
            "c1ccc(P(CP(c2ccccc2)c2ccccc2)c2ccccc2)cc1",
            "phosphine",
            {"P:1": 4},
            "Au4(C25H22P2)2",
        ),
        (made.PHENYLALKYNYL, CORNERS, "[C]#Cc1ccccc1", "alkynyl", {"C:1": 4}, "Au4(C8H5)4"),
        (made.PET, EDGES, PHENYLETHANETHIOLATE, "thiolate", {"S:2": 2}, "Au4(C8H9S)2"),
        (made.SELENOLATE, EDGES, "[Se]c1ccccc1", "selenolate", {"Se:2": 2}, "Au4(C6H5Se)2"),
        (made.ACETATE, EDGES, "CC([O])=O", "carboxylate", {"O:1": 4}, "Au4(C2H3O2)2"),
        (made.ACETATE_BY_ONE, CORNERS, "CC([O])=O", "carboxylate", {"O:1": 4}, "Au4(C2H3O2)4"),
        (made.CARBENE, CORNERS, "CN1[C]N(C)C=C1", "carbene", {"C:1": 4}, "Au4(C5H8N2)4"),
        (made.PYRIDINE, CORNERS, "c1ccncc1", "pyridine", {"N:1": 4}, "Au4(C5H5N)4"),
        (made.AMINE, CORNERS, "CCN", "amine", {"N:1": 4}, "Au4(C2H7N)4"),
        (made.THIOCYANATE, CORNERS, "N#C[S]", "thiocyanate", {"S:1": 4}, "Au4(CNS)4"),
        (
            made.DITHIOPHOSPHATE,
            EDGES,
            "CCOP([S])(=S)OCC",
            "dithiophosphate",
            {"S:1": 4},
            "Au4(C4H10O2PS2)2",
        ),
    ],
)
def test_ligands_of_each_kind(drawn, places, smiles, group, sites, formula):
    atoms = protected(drawn, places)
    found = one(atoms)
    (ligand,) = found.ligands
    assert (ligand.smiles, ligand.group, ligand.sites) == (smiles, group, sites)
    assert ligand.count == len(places)
    assert found.formula == formula
    assert found.core.get_chemical_formula() == "Au4"
    assert found.removed == () and found.charge is None
    assert canonical_ligand(smiles) == smiles and functional_group(smiles) == group


def test_what_is_found_does_not_depend_on_order_place_or_mirror():
    atoms = protected(made.PPH3, CORNERS[:2])
    atoms = with_ligand(atoms, made.PET, 2, 3)
    expected = one(atoms)
    shuffled = atoms[np.random.default_rng(3).permutation(len(atoms))]
    shuffled.rotate(77, (1, 2, 3))
    shuffled.positions = shuffled.positions * [1, 1, -1] + [5, -3, 40]
    before = shuffled.copy()
    found = one(shuffled)
    assert (found.ligands, found.formula) == (expected.ligands, expected.formula)
    assert shuffled == before
    assert np.allclose(found.core.positions.mean(axis=0), 0)
    lengths = np.sort(expected.core.get_all_distances(), axis=None)
    assert np.allclose(np.sort(found.core.get_all_distances(), axis=None), lengths)


def test_an_alkynyl_bound_by_both_of_its_carbon_atoms_stays_whole():
    """Sigma to one silver atom, pi to another: distances of crystals, 2.1 and 2.2 to 2.5 Å."""
    carbon = np.array([[1.35, 0, 1.6], [2.265, 0, 2.405]])
    axis = (carbon[1] - carbon[0]) / np.linalg.norm(carbon[1] - carbon[0])
    methyl = carbon[1] + 1.46 * axis
    across = np.array([-axis[2], 0, axis[0]])
    turns = np.radians([0, 120, 240])
    ring = [np.cos(t) * across + np.sin(t) * np.array([0, 1, 0]) for t in turns]
    hydrogens = [methyl + 0.36 * axis + 1.03 * direction for direction in ring]
    atoms = Atoms(
        "Ag4C3H3",
        [[0, 0, 0], [2.9, 0, 0], [1.45, 2.5, 0], [1.45, 0.8, -2.4], *carbon, methyl, *hydrogens],
    )
    (ligand,) = one(atoms).ligands
    assert (ligand.smiles, ligand.group) == ("[C]#CC", "alkynyl")
    assert ligand.sites == {"C:1": 1, "C:2": 1}


def test_a_mixed_shell_around_a_chloride():
    """As in Cu20Cl of the paper: the chloride that metals enclose belongs to the core."""
    atoms = tetrahedron("Cu", 3.9) + Atoms("Cl")
    atoms = with_ligand(atoms, made.PPH3, 0)
    atoms = with_ligand(atoms, made.PPH3, 1)
    atoms = with_ligand(atoms, made.ACETATE_BY_ONE, 2)
    atoms = with_ligand(atoms, made.PET, 2, 3)
    found = one(atoms)
    assert found.formula == "Cu4Cl(C2H3O2)(C8H9S)(C18H15P)2"
    assert found.core.get_chemical_formula() == "ClCu4"
    assert found.ligand_set == ("CC([O])=O", PHENYLETHANETHIOLATE, TRIPHENYLPHOSPHINE)
    assert [ligand.count for ligand in found.ligands] == [1, 1, 2]
    assert [ligand.n_carbon for ligand in found.ligands] == [2, 8, 18]


@pytest.mark.parametrize("metals", [1, 2, 3])
def test_halides_outside_are_ligands(metals):
    atoms = octahedron("Ag")
    face = atoms.positions[:metals]
    middle = face.mean(axis=0)
    outward = middle / np.linalg.norm(middle)
    height = np.sqrt(2.55**2 - np.sum((face[0] - middle) ** 2))
    found = one(atoms + Atoms("Cl", [middle + height * outward]))
    (ligand,) = found.ligands
    assert (ligand.smiles, ligand.group) == ("[Cl]", "halide")
    assert ligand.sites == {f"Cl:{metals}": 1}
    assert found.formula == "Ag6(Cl)"


def test_a_halide_loosely_enclosed_belongs_to_the_core():
    """Eight silver atoms 3.2 Å away, beyond the contacts of ligands."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    atoms = Atoms("Ag8", corners * 3.2 / np.sqrt(3)) + Atoms("Cl")
    atoms = with_ligand(atoms, made.PPH3, 0)
    assert one(atoms, metal_bond=1.3).formula == "Ag8Cl(C18H15P)"
    with pytest.raises(NotACluster, match="no connected group"):
        one(atoms, interstitial_reach=1.2)


@pytest.mark.parametrize("symbol", ["C", "N", "S", "Se", "O", "P", "H"])
def test_single_atoms_inside_belong_to_the_core(symbol):
    atoms = octahedron("Au", 3.0) + Atoms(symbol)
    atoms = with_ligand(atoms, made.PPH3, 0)
    found = one(atoms)
    assert found.formula == f"Au6{symbol}(C18H15P)"
    assert found.ligand_set == (TRIPHENYLPHOSPHINE,)


def test_hydrides_and_sulfides_on_the_surface_belong_to_the_core():
    atoms = tetrahedron("Cu", 2.6)
    outside = -atoms.positions[3] / np.linalg.norm(atoms.positions[3])
    atoms += Atoms("HS", [1.2 * outside, -0.2 * outside])
    atoms.positions[-1] = 3.0 * -outside
    atoms = with_ligand(atoms, made.PPH3, 0)
    assert one(atoms).formula == "Cu4HS(C18H15P)"


def test_two_hydrides_are_no_molecule_of_hydrogen():
    atoms = tetrahedron("Cu", 2.6)
    atoms += Atoms("H2", [[0, 0, 1.4], [0, 0, -1.4]])
    atoms = with_ligand(atoms, made.PPH3, 0)
    assert one(atoms).formula == "Cu4H2(C18H15P)"


def test_solvent_and_ions_are_removed_and_named():
    atoms = protected(made.PPH3, CORNERS)
    water, methanol = molecule("H2O"), molecule("CH3OH")
    water.positions += [0, 0, 14]
    methanol.positions += [0, 14, 0]
    atoms += water + methanol
    atoms += Atoms("NaClClAgCl", [[15, 0, 0], [18, 0, 0], [20.5, 0, 0], [22.8, 0, 0], [25.1, 0, 0]])
    found = one(atoms)
    assert found.formula == "Au4(C18H15P)4"
    assert found.removed == ("AgCl2", "CH4O", "Cl", "H2O", "Na")


def test_sodium_on_a_carboxylate_is_a_counter_ion():
    atoms = protected("[Au:1][S+]([Au:2])CC(=O)[O-]", EDGES[:1])
    oxygens = [k for k in range(len(atoms)) if atoms.symbols[k] == "O"]
    away = atoms.positions[oxygens].mean(axis=0)
    atoms += Atoms("Na", [away + 2.0 * away / np.linalg.norm(away)])
    found = one(atoms)
    assert found.ligand_set == ("O=C(O)C[S]",)
    assert found.removed == ("Na",)


def test_solvents_that_bind_can_be_left_out():
    atoms = protected(made.PYRIDINE, CORNERS[:2])
    atoms = with_ligand(atoms, made.PPH3, 2)
    assert one(atoms).formula == "Au4(C18H15P)(C5H5N)2"
    found = one(atoms, leave_out=["n1ccccc1"])
    assert found.formula == "Au4(C18H15P)"
    assert found.removed == ("C5H5N",)


def crystal(*clusters, edge=24.0):
    """Clusters in a cubic cell, moved and wrapped so that boundaries cut them."""
    atoms = Atoms(cell=[edge * len(clusters), edge, edge], pbc=True)
    for k, cluster in enumerate(clusters):
        moved = cluster.copy()
        moved.positions += [edge * k - 1.0, 0.5, edge - 0.7]
        atoms += moved
    atoms.wrap()
    return atoms


def test_molecules_across_the_boundaries_of_a_cell_are_whole():
    alone = protected(made.PPH3, CORNERS)
    expected, found = one(alone), one(crystal(alone))
    assert (found.formula, found.ligands) == (expected.formula, expected.ligands)
    assert np.allclose(found.core.get_all_distances(), expected.core.get_all_distances(), atol=1e-6)
    assert not found.core.pbc.any() and not found.core.cell.rank


def test_equal_clusters_of_a_cell_are_one_and_distinct_ones_are_two():
    first = protected(made.PPH3, CORNERS)
    same = first.copy()
    same.rotate(40, (0, 1, 2))
    same.positions += 0.02 * np.sin(np.arange(3 * len(same))).reshape(-1, 3)
    other = protected(made.PHENYLALKYNYL, CORNERS)
    stretched = protected(made.PPH3, CORNERS, tetrahedron("Au", 3.2))
    assert len(split_cluster(crystal(first, same))) == 1
    found = split_cluster(crystal(first, same, other), charge=1)
    assert [c.formula for c in found] == ["Au4(C18H15P)4", "Au4(C8H5)4"]
    assert [c.charge for c in found] == [None, None], "it is not known whose charge it is"
    assert len(split_cluster(crystal(first, stretched))) == 2


def test_charge():
    atoms = protected(made.PPH3, CORNERS)
    assert split_cluster(atoms, charge=2)[0].charge == 2
    atoms.info["charge"] = -1.0
    assert split_cluster(atoms)[0].charge == -1
    assert split_cluster(atoms, charge=0)[0].charge == 0
    atoms.info["charge"] = "unknown"
    assert split_cluster(atoms)[0].charge is None


def reason(atoms, **settings):
    with pytest.raises(NotACluster) as caught:
        split_cluster(atoms, settings=SplitSettings(**settings))
    assert caught.value.reason in REASONS
    return caught.value.reason


def test_salts_networks_and_bare_clusters_are_refused():
    pair = Atoms("AgAg", [[0, 0, 0], [2.9, 0, 0]])
    assert reason(with_ligand(pair, made.ACETATE, 0, 1)) == "salt"
    assert reason(tetrahedron()) == "no_ligands"
    assert reason(molecule("C6H6")) == "no_metal"
    assert reason(bulk("Cu", cubic=True)) == "network"
    chain = protected(made.THIOCYANATE, CORNERS[:2], tetrahedron("Ag"))
    end = chain.positions[[k for k in range(len(chain)) if chain.symbols[k] == "N"]]
    chain.cell = np.diag([40.0, 40.0, 40.0])
    chain.cell[0] = end[0] - chain.positions[1] + [0, 0, 2.0]
    chain.pbc = [True, False, False]
    assert reason(chain) == "network"


def test_missing_hydrogen_is_named():
    atoms = protected(made.PPH3, CORNERS)
    bare = atoms[[k for k in range(len(atoms)) if atoms.symbols[k] != "H"]]
    with pytest.raises(NotACluster, match=r"C18P lacks hydrogen atoms on C \(15 of 18\)") as caught:
        split_cluster(bare)
    assert caught.value.reason == "hydrogens_missing"
    water = octahedron("Ag") + Atoms("O", [[0, 0, 2.05 + 2.3]])
    assert reason(water) == "hydrogens_missing"
    thiolate = protected(made.PET, EDGES[:1])
    del thiolate[next(k for k in range(len(thiolate)) if thiolate.symbols[k] == "H")]
    assert reason(thiolate) == "hydrogens_missing"


def test_disorder_is_named():
    atoms = protected(made.PPH3, CORNERS)
    double = atoms.copy()
    double += Atoms("C", [atoms.positions[4] + [0.3, 0.2, 0.1]])
    assert reason(double) == "disorder"
    # of a solvent that is removed it does not matter
    water = molecule("H2O")
    water.positions += [0, 0, 15]
    moved = water.copy()
    moved.positions += 0.2
    assert one(atoms + water + moved).formula == "Au4(C18H15P)4"


def test_cages_and_sandwiches_are_refused_by_name():
    gold = tetrahedron()
    corners = np.array([[0, x, 1.618 * y] for x in (-1, 1) for y in (-1, 1)])
    icosahedron = 0.89 * np.concatenate([np.roll(corners, k, axis=1) for k in range(3)])
    cage = Atoms("B12", icosahedron) + Atoms("S", [icosahedron[0] * (1 + 1.85 / 1.69)])
    outward = icosahedron[0] / np.linalg.norm(icosahedron[0])
    cage.rotate(-outward, gold.positions[0])
    top = gold.positions[0] / np.linalg.norm(gold.positions[0])
    cage.positions += gold.positions[0] + 2.35 * top - cage.positions[-1]
    assert reason(gold + cage) == "boron_cage"

    ring = np.array([[np.cos(t), np.sin(t), 0] for t in 2 * np.pi * np.arange(5) / 5])
    half = Atoms("C5H5", np.concatenate([1.22 * ring, 2.3 * ring]))
    other = half.copy()
    half.positions[:, 2] += 1.66
    other.positions[:, 2] -= 1.66
    ferrocene = half + other + Atoms("Fe")
    sulfur = Atoms("S", [ferrocene.positions[0] + [1.76, 0, 0]])
    del ferrocene[5]
    ferrocene += sulfur
    ferrocene.positions += gold.positions[0] + [2.4, 0, 0] - sulfur.positions[0]
    ferrocene.positions[:, 0] = 2 * ferrocene.positions[-1, 0] - ferrocene.positions[:, 0]
    assert reason(gold + ferrocene) == "metal_in_ligand"


def test_sizes_and_positions_are_bounded():
    atoms = protected(made.PPH3, CORNERS)
    assert reason(atoms, most_atoms=10) == "too_large"
    heap = Atoms("Au4H500", np.zeros((504, 3)))
    assert reason(heap) == "unphysical"
    tight = atoms.copy()
    tight.cell, tight.pbc = [0.1, 40, 40], True
    assert reason(tight) == "unphysical"
    broken = atoms.copy()
    broken.positions[3] = np.nan
    assert reason(broken) == "unphysical"


def test_stereo_marks_are_kept_only_where_they_are_wanted():
    atoms = protected("[Au:1][S+]([Au:2])[C@@H](C)C(=O)O", EDGES[:1])
    mirrored = atoms.copy()
    mirrored.positions *= -1
    assert one(atoms).ligand_set == one(mirrored).ligand_set == ("CC([S])C(=O)O",)
    (hand,) = one(atoms, keep_stereo=True).ligand_set
    (other,) = one(mirrored, keep_stereo=True).ligand_set
    assert {hand, other} == {"C[C@@H]([S])C(=O)O", "C[C@H]([S])C(=O)O"}


def test_settings_name_the_fix():
    assert "write it as Au" in SplitSettings.problem({"metals": ["Gold"]})
    assert "did you mean `contact`" in SplitSettings.problem({"contacts": 1.2})
    with pytest.raises(ValueError, match="no SMILES that RDKit reads"):
        split_cluster(protected(made.PPH3, CORNERS), settings=SplitSettings(leave_out=["xx"]))
