import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.recognition import neighbours, symmetry
from aiida_nanoclusters.science.recognition.neighbours import (
    CLASSES,
    common_neighbour_analysis,
    coordination_histogram,
    coordination_numbers,
    motif,
    neighbour_cutoff,
    point_group,
    same_structure,
    structure_fingerprint,
)
from aiida_nanoclusters.science.structures.crystals import (
    bulk_cell,
    close_packed_cell,
    surface_slab,
)
from aiida_nanoclusters.science.structures.motifs import (
    incomplete_icosahedron,
    mackay_icosahedron,
    marks_decahedron,
    truncated_octahedron,
)
from tests.counting import count_calls


def counts(atoms, **kwargs):
    classes = common_neighbour_analysis(atoms, **kwargs)
    found = {name: int((classes == k).sum()) for k, name in enumerate(CLASSES)}
    return {name: number for name, number in found.items() if number}


def shaken(atoms, amplitude, seed=0):
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(0, amplitude, moved.positions.shape)
    return moved


def moved(atoms, seed=0, mirror=False):
    rng = np.random.default_rng(seed)
    copy = atoms[rng.permutation(len(atoms))]
    copy.positions = Rotation.random(random_state=seed).apply(copy.positions) + rng.normal(size=3)
    if mirror:
        copy.positions[:, 0] *= -1
    return copy


def test_perfect_icosahedron_of_147():
    atoms = mackay_icosahedron("Cu", 3)
    expected = {"icosahedral": 1, "fivefold": 24, "hcp": 30, "surface": 92}
    assert counts(atoms) == expected
    assert coordination_numbers(atoms).sum() // 2 == 696
    assert point_group(atoms) == "Ih"
    assert motif(atoms).name == "icosahedral"
    assert motif(atoms).counts["fcc"] == 0
    assert counts(shaken(atoms, 0.08)) == expected


@pytest.mark.parametrize("shells", [1, 2, 3, 4, 5, 6])
def test_mackay_shells(shells):
    atoms = mackay_icosahedron("Ag", shells)
    faces, edges = 20, 30
    # The outer shell: vertices with 6 neighbours, edges with 8, facets with 9.
    outer = {6: 12, 8: edges * (shells - 1), 9: faces * (shells - 1) * (shells - 2) // 2}
    expected = {z: n for z, n in outer.items() if n}
    expected[12] = len(atoms) - sum(outer.values())
    assert coordination_histogram(atoms) == expected
    assert coordination_numbers(atoms).sum() // 2 == sum(z * n for z, n in expected.items()) // 2
    inner = {
        "icosahedral": 1,
        "fivefold": 12 * (shells - 1),
        # Twin planes through 30 edges, crystal inside 20 tetrahedra.
        "hcp": 30 * (shells - 1) * (shells - 2) // 2,
        "fcc": 20 * (shells - 1) * (shells - 2) * (shells - 3) // 6,
        "surface": sum(outer.values()),
    }
    assert counts(atoms) == {name: n for name, n in inner.items() if n}


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_regular_truncated_octahedra(order):
    atoms = truncated_octahedron("Pt", 3 * order + 1, order)
    surface = {
        6: 24,
        7: 36 * (order - 1),
        8: 6 * (order - 1) ** 2,
        9: 8 * (3 * order**2 - 3 * order + 1),
    }
    expected = {z: n for z, n in surface.items() if n}
    expected[12] = len(atoms) - sum(surface.values())
    assert coordination_histogram(atoms) == expected
    assert counts(atoms) == {"fcc": expected[12], "surface": sum(surface.values())}
    assert motif(atoms).name == "fcc"


@pytest.mark.parametrize("length", [3, 4, 5, 6, 7])
def test_complete_octahedra(length):
    atoms = truncated_octahedron("Au", length, 0)
    surface = {4: 6, 7: 12 * (length - 2), 9: 4 * (length - 2) * (length - 3)}
    expected = {z: n for z, n in surface.items() if n}
    expected[12] = len(atoms) - sum(surface.values())
    assert coordination_histogram(atoms) == expected


@pytest.mark.parametrize(
    ("crystal", "expected"),
    [
        (bulk_cell("Cu", cubic=False), {"fcc": 1}),
        (bulk_cell("Cu", repeat=(2, 2, 2)), {"fcc": 32}),
        (bulk_cell("Ru"), {"hcp": 2}),
        (bulk_cell("Ru", repeat=(3, 2, 2)), {"hcp": 24}),
        (bulk_cell("Fe", 2.87, structure="bcc"), {"bcc": 2}),
        (close_packed_cell("Cu", "ABCB"), {"fcc": 2, "hcp": 2}),
        (close_packed_cell("Cu", "ABCABACB"), {"fcc": 6, "hcp": 2}),
        (close_packed_cell("Cu", "ABCACB", repeat=(3, 3)), {"fcc": 36, "hcp": 18}),
        (close_packed_cell("Cu", "ABCABCAB"), {"fcc": 6, "hcp": 2}),
        (surface_slab("Cu", "111", 6, 12.0, repeat=(3, 3)), {"fcc": 36, "surface": 18}),
    ],
    ids=str,
)
def test_periodic_crystals(crystal, expected):
    assert counts(crystal) == expected
    # Atoms outside the cell are the same atoms.
    crystal.positions += crystal.cell.sum(axis=0) * 1.37
    assert counts(crystal) == expected


def test_coordination_of_crystals_against_geometry():
    assert coordination_histogram(bulk_cell("Cu", cubic=False)) == {12: 1}
    assert coordination_histogram(bulk_cell("Si")) == {4: 8}
    assert coordination_histogram(surface_slab("Cu", "100", 5, 10.0)) == {8: 2, 12: 3}
    assert coordination_histogram(surface_slab("Cu", "110", 7, 10.0)) == {7: 2, 11: 2, 12: 3}
    assert coordination_histogram(surface_slab("Cu", "111", 5, 10.0)) == {9: 2, 12: 3}


def test_small_things():
    assert coordination_numbers(Atoms("Cu")).tolist() == [0]
    assert CLASSES[common_neighbour_analysis(Atoms("Cu"))[0]] == "surface"
    chain = Atoms("Cu5", positions=[[2.5 * k, 0, 0] for k in range(5)])
    assert coordination_numbers(chain).tolist() == [1, 2, 2, 2, 1]
    bipyramid = Atoms("Cu5", positions=[
        [1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0], [0, 0, 2**0.5], [0, 0, -(2**0.5)],
    ])  # fmt: skip
    assert coordination_histogram(bipyramid) == {3: 2, 4: 3}
    assert coordination_numbers(bipyramid).sum() // 2 == 9
    assert coordination_numbers(bipyramid, cutoff=1.0).tolist() == [0] * 5


def test_cutoff_follows_the_structure():
    atoms = truncated_octahedron("Cu", 7, 2, 2.0)
    assert neighbour_cutoff(atoms) == pytest.approx(2.0 * (1 + 2**0.5) / 2)
    assert neighbour_cutoff(bulk_cell("Cu", 4.0)) == pytest.approx(2**1.5 * (1 + 2**0.5) / 2)
    evaporated = atoms + Atoms("Cu", positions=[[60.0, 0, 0]])
    assert neighbour_cutoff(evaporated) == pytest.approx(neighbour_cutoff(atoms))
    assert coordination_numbers(evaporated)[-1] == 0


def test_cutoff_says_what_is_wrong():
    with pytest.raises(ValueError, match="single atom"):
        neighbour_cutoff(Atoms("Cu"))
    with pytest.raises(ValueError, match="on top"):
        neighbour_cutoff(Atoms("Cu3", positions=[[0, 0, 0], [0, 0, 0], [2, 0, 0]]))


def test_motifs():
    assert motif(marks_decahedron("Cu", 2, 2, 1)).name == "decahedral"
    assert motif(marks_decahedron("Cu", 3, 3, 2)).name == "decahedral"
    assert motif(incomplete_icosahedron("Cu", 120)).name == "icosahedral"
    assert motif(mackay_icosahedron("Cu", 1)).name == "icosahedral"
    assert motif(bulk_cell("Ru")).name == "hcp-twinned"
    assert motif(bulk_cell("Fe", 2.87, structure="bcc")).name == "bcc"
    rng = np.random.default_rng(1)
    gas = Atoms("Cu80", positions=rng.uniform(0, 11, (80, 3)))
    assert motif(gas, cutoff=3.1).name == "disordered"
    assert motif(shaken(mackay_icosahedron("Cu", 3), 0.5), cutoff=3.1).name == "disordered"


def test_half_an_icosahedron_is_not_a_decahedron():
    # Cut through the centre: no atom has twelve fivefold bonds, but several axes remain.
    atoms = mackay_icosahedron("Cu", 5)
    half = atoms[atoms.positions @ np.array([0.3, 0.5, 0.8]) > 0.1]
    found = motif(half)
    assert found.counts["icosahedral"] == 0
    assert found.name == "icosahedral"
    assert "several axes" in found.reason


def test_twinned_octahedron():
    # Half of an octahedron turned by 60 degrees about its [111] axis.
    atoms = truncated_octahedron("Cu", 7, 2)
    axis = np.ones(3) / np.sqrt(3)
    upper = atoms.positions @ axis > 1e-6
    atoms.positions[upper] = Rotation.from_rotvec(np.pi / 3 * axis).apply(atoms.positions[upper])
    found = motif(atoms)
    assert found.name == "hcp-twinned"
    assert found.counts["fivefold"] == 0


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (mackay_icosahedron("Cu", 1), "Ih"),
        (mackay_icosahedron("Cu", 2), "Ih"),
        (mackay_icosahedron("Cu", 4), "Ih"),
        (truncated_octahedron("Cu", 4, 1), "Oh"),
        (truncated_octahedron("Cu", 7, 2), "Oh"),
        (marks_decahedron("Cu", 2, 2, 1), "D5h"),
        (incomplete_icosahedron("Cu", 146), "C5v"),
        (molecule("H2O"), "C2v"),
        (molecule("CH4"), "Td"),
        (molecule("C6H6"), "D6h"),
        (molecule("H2"), "D*h"),
        (Atoms("Cu"), "Kh"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.get_chemical_formula(),
)
def test_point_groups(atoms, expected):
    assert point_group(atoms) == expected
    if len(atoms) > 1:
        assert point_group(moved(atoms)) == expected


def test_point_group_of_a_random_cluster_needs_few_guesses_and_is_c1(monkeypatch):
    atoms = shaken(incomplete_icosahedron("Cu", 400), 0.3)
    guesses = count_calls(monkeypatch, symmetry, "_fit")
    assert point_group(atoms) == "C1"
    assert 0 < len(guesses) < 50


def test_point_group_tolerance():
    atoms = shaken(mackay_icosahedron("Cu", 2), 0.01)
    assert point_group(atoms, tolerance=0.2) == "Ih"
    assert point_group(shaken(atoms, 0.2), tolerance=0.02) == "C1"


def test_point_group_refuses_large_clusters():
    with pytest.raises(ValueError, match="max_atoms"):
        point_group(mackay_icosahedron("Cu", 9))
    with pytest.raises(ValueError, match="0 atoms"):
        point_group(Atoms())


@pytest.mark.parametrize("limit", [1500, 10])
def test_fingerprint_is_invariant(limit):
    atoms = shaken(incomplete_icosahedron("Cu", 60), 0.1)
    atoms.symbols[::3] = "Ag"
    here = structure_fingerprint(atoms, limit)
    assert here.shape == ((60 * 59 // 2,) if limit > 60 else (120,))
    for mirror in (False, True):
        there = structure_fingerprint(moved(atoms, 5, mirror), limit)
        np.testing.assert_allclose(there, here, atol=1e-9)
    swapped = atoms.copy()
    swapped.symbols[[0, 1]] = swapped.symbols[[1, 0]]
    assert np.abs(structure_fingerprint(swapped, limit) - here).max() > 0.01


def test_same_structure():
    a = incomplete_icosahedron("Cu", 54)
    assert same_structure(a, moved(shaken(a, 0.003)))
    assert not same_structure(a, shaken(a, 0.2))
    assert not same_structure(a, incomplete_icosahedron("Cu", 55))
    assert not same_structure(a, incomplete_icosahedron("Ag", 54, 2.5559))
    # 38 atoms, two motifs.
    assert not same_structure(truncated_octahedron("Cu", 4, 1), incomplete_icosahedron("Cu", 38))
    assert same_structure(Atoms("Cu"), Atoms("Cu", positions=[[1, 2, 3]]))


def test_a_large_cluster_needs_no_table_of_all_pairs(monkeypatch):
    atoms = mackay_icosahedron("Cu", 17)
    assert len(atoms) == 17885
    signatures = count_calls(monkeypatch, neighbours, "bond_signatures")
    found = motif(atoms)
    ((pairs, count),) = signatures
    assert count == len(atoms) and len(pairs) < 6 * len(atoms)  # bonds, of 12 neighbours at most
    assert found.counts["hcp"] == 30 * 16 * 15 // 2
    assert found.counts["fivefold"] == 12 * 16


def test_nothing_is_changed():
    atoms = close_packed_cell("Cu", "ABCACB")
    atoms.positions += 30
    before = atoms.copy()
    motif(atoms)
    point_group(atoms)
    structure_fingerprint(atoms)
    assert atoms == before
