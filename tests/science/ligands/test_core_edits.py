"""Edits of cores whose symmetry, and so the number of distinct edits, is known."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron, Octahedron
from pymatgen.core.structure import Molecule
from pymatgen.symmetry.analyzer import PointGroupAnalyzer
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.ligands.bond_lengths import bond_length, bond_lengths
from aiida_nanoclusters.science.ligands.core_edits import atom_orbits, enumerate_edits
from aiida_nanoclusters.science.ligands.design_settings import EditSettings

BOND = 2.556  # Å, copper
TETRAHEDRON = BOND / np.sqrt(8) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
CORNERS = BOND / np.sqrt(2) * np.concatenate([np.eye(3), -np.eye(3)])


def bare(cluster) -> Atoms:
    return Atoms(cluster.numbers, cluster.positions)


CLUSTERS = {
    "tetrahedron": Atoms("Cu4", TETRAHEDRON),
    "octahedron": Atoms("Cu6", CORNERS),
    "icosahedron of 13": bare(Icosahedron("Cu", 2)),
    "icosahedron of 55": bare(Icosahedron("Cu", 3)),
    "cuboctahedron of 13": bare(Octahedron("Cu", 3, 1)),
    "truncated octahedron of 38": bare(Octahedron("Cu", 4, 1)),
}

#: Sizes of the orbits of atoms; of hollow sites. A face of Ih55 has four triangles, of which the
#: middle one is alone; a hexagon of TO38 six, three above atoms and three above holes.
KNOWN = {
    "tetrahedron": ([4], [4]),
    "octahedron": ([6], [8]),
    "icosahedron of 13": ([1, 12], [20]),
    "icosahedron of 55": ([1, 12, 12, 30], [20, 60]),
    "cuboctahedron of 13": ([1, 12], [6, 8]),
    "truncated octahedron of 38": ([6, 8, 24], [6, 24, 24]),
}


def multiplicities(core, kind, **settings):
    edits = enumerate_edits(core, EditSettings(kinds=[kind], **settings))
    return sorted(edit.multiplicity for edit in edits)


@pytest.mark.parametrize("name", CLUSTERS)
def test_distinct_edits_of_known_clusters(name):
    core, (atoms, sites) = CLUSTERS[name], KNOWN[name]
    assert multiplicities(core, "remove") == atoms
    assert multiplicities(core, "replace", replace=["Ag"]) == atoms
    assert multiplicities(core, "add") == sites
    assert sum(atoms) == len(core)


def test_bridge_and_top_sites_of_a_tetrahedron():
    core = CLUSTERS["tetrahedron"]
    assert multiplicities(core, "add", fewest_neighbours=2) == [4, 6]
    assert multiplicities(core, "add", fewest_neighbours=1) == [4, 4, 6]


def test_flat_and_linear_cores():
    triangle = Atoms("Cu3", [[0, 0, 0], [BOND, 0, 0], [BOND / 2, BOND * np.sqrt(0.75), 0]])
    assert multiplicities(triangle, "remove") == [3]
    assert multiplicities(triangle, "add") == [2]
    assert multiplicities(triangle, "add", fewest_neighbours=1) == [2, 3, 3]
    dimer = Atoms("CuAg", [[0, 0, 0], [2.7, 0, 0]])
    assert multiplicities(dimer, "remove") == [1, 1]
    assert multiplicities(Atoms("Cu"), "remove") == []
    assert multiplicities(Atoms("Cu"), "replace") == [1, 1]


def test_orbits_agree_with_pymatgen():
    """The groups of equal atoms, with dopants that break the symmetry."""
    for name in ("icosahedron of 13", "truncated octahedron of 38"):
        for doped in ([], [0], [0, 5]):
            core = CLUSTERS[name].copy()
            core.symbols[doped] = "Ag"
            molecule = Molecule(core.get_chemical_symbols(), core.positions)
            sets = PointGroupAnalyzer(molecule, 0.1).get_equivalent_atoms()["eq_sets"]
            expected = sorted(sorted(int(i) for i in group) for group in sets.values())
            assert sorted(atom_orbits(core, 0.1)) == expected


def test_edits_do_not_depend_on_order_and_place():
    core = CLUSTERS["truncated octahedron of 38"].copy()
    core.symbols[3] = "Au"
    turn = Rotation.random(random_state=4).as_matrix()
    order = np.random.default_rng(2).permutation(len(core))
    moved = Atoms(core.numbers[order], core.positions[order] @ turn.T + 3.0)
    assert summary(core) == summary(moved)


def summary(core):
    edits = enumerate_edits(core)
    return sorted((e.kind, e.multiplicity, e.neighbours, e.description) for e in edits)


def test_every_atom_of_a_shaken_core_is_an_edit():
    core = CLUSTERS["icosahedron of 13"].copy()
    core.positions += np.random.default_rng(1).normal(scale=0.15, size=(13, 3))
    edits = enumerate_edits(core, EditSettings(kinds=["remove"], tolerance=0.01))
    assert sorted(edit.atom for edit in edits) == list(range(13))
    assert {edit.multiplicity for edit in edits} == {1}


def test_edited_cores():
    core = CLUSTERS["icosahedron of 13"].copy()
    core.symbols[0] = "Cl"
    before = core.positions.copy()
    edits = enumerate_edits(core, EditSettings(replace=["Ag", "Br"], add=["Au", "S"]))
    for edit in edits:
        change = {"remove": -1, "add": 1, "replace": 0}[edit.kind]
        assert len(edit.atoms) == 13 + change
        assert not edit.atoms.pbc.any()
    replaced = {(e.replaced, e.element) for e in edits if e.kind == "replace"}
    assert replaced == {("Cu", "Ag"), ("Cl", "Br")}
    added = [edit for edit in edits if edit.kind == "add"]
    assert {edit.element for edit in added} == {"Au", "S"}
    for edit in added:
        numbers = edit.atoms.numbers
        reach = bond_lengths(numbers[-1:], numbers[:-1])[0]
        ratios = np.linalg.norm(edit.atoms.positions[:-1] - edit.site, axis=1) / reach
        assert ratios.min() > 0.85
        assert (ratios < 1.15).sum() == edit.neighbours >= 3
    assert np.array_equal(core.positions, before) and core.symbols[0] == "Cl"


def test_descriptions_name_atom_and_place():
    said = [e.description for e in enumerate_edits(CLUSTERS["icosahedron of 13"])]
    assert said[0] == "remove the central Cu (12 neighbours)"
    assert said[1] == "remove Cu at 2.6 Å (6 neighbours)"
    assert said[2] == "add Cu at 4.1 Å in a hollow of Cu3"
    assert said[-1] == "replace Cu at 2.6 Å (6 neighbours) by Au"


def test_a_vacancy_is_filled_again():
    """The icosahedron without its centre has a site there, with twelve neighbours."""
    core = CLUSTERS["icosahedron of 13"]
    hollow = core[[i for i in range(13) if i != _centre(core)]]
    inner, *outer = enumerate_edits(hollow, EditSettings(kinds=["add"], closest=0.8))
    assert (inner.neighbours, inner.multiplicity) == (12, 1)
    assert np.allclose(inner.site, core.positions[_centre(core)], atol=1e-3)
    assert [edit.multiplicity for edit in outer] == [20]


def _centre(core):
    return int(np.argmin(np.linalg.norm(core.positions - core.positions.mean(axis=0), axis=1)))


def test_cores_that_cannot_be_edited():
    periodic = Atoms("Cu4", TETRAHEDRON, cell=[9, 9, 9], pbc=True)
    with pytest.raises(ValueError, match="without its box"):
        enumerate_edits(periodic)
    with pytest.raises(ValueError, match="0 atoms"):
        enumerate_edits(Atoms())
    with pytest.raises(ValueError, match="choose `kinds`"):
        enumerate_edits(CLUSTERS["tetrahedron"], EditSettings(most=2))
    with pytest.raises(ValueError, match="`Xx` is no element"):
        EditSettings.from_values(replace=["Xx"])
    with pytest.raises(ValueError, match="give each once"):
        EditSettings.from_values(kinds=["add", "add"])


def test_bond_lengths():
    assert bond_length("Cu", "Au") == pytest.approx((2.556 + 2.884) / 2, abs=2e-3)
    assert bond_length("Cu", "Cl") == pytest.approx(1.32 + 1.02)
