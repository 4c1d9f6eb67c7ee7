import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.recognition.packing_family import FAMILIES, name_family
from aiida_nanoclusters.science.structures.motifs import (
    incomplete_icosahedron,
    mackay_icosahedron,
    marks_decahedron,
    truncated_octahedron,
)
from aiida_nanoclusters.science.structures.starts import random_cluster


def without(atoms, index):
    fewer = atoms.copy()
    del fewer[index]
    return fewer


def shaken(atoms, amplitude, seed=1):
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(scale=amplitude, size=(len(atoms), 3))
    return moved


@pytest.mark.parametrize(
    "atoms, label",
    [
        (mackay_icosahedron("Au", 2), "icosahedral, perfect"),
        (mackay_icosahedron("Au", 3), "icosahedral, perfect"),
        (incomplete_icosahedron("Au", 130), "icosahedral, incomplete shell"),
        (without(mackay_icosahedron("Au", 3), 0), "icosahedral, central vacancy"),
        (marks_decahedron("Au", 2, 2, 1), "decahedral, axis at the centre"),
        (marks_decahedron("Au", 3, 2, 1), "decahedral, axis at the centre"),
        (truncated_octahedron("Au", 4, 1), "fcc, perfect"),
        (truncated_octahedron("Au", 7, 2), "fcc, perfect"),
        (random_cluster("Au", 147, 2.88, 1), "amorphous"),
        (Atoms("Au3", positions=[[0, 0, 0], [2.9, 0, 0], [0, 2.9, 0]]), "amorphous"),
        (Atoms("Au"), "amorphous"),
    ],
)
def test_motifs_have_their_names(atoms, label):
    found = name_family(atoms)
    assert found.label == label
    assert found.name in FAMILIES
    assert sum(found.counts.values()) == len(atoms)


@pytest.mark.parametrize(
    "build", [lambda: mackay_icosahedron("Ag", 3), lambda: marks_decahedron("Ag", 3, 2, 1)]
)
def test_names_do_not_depend_on_place_order_or_size_of_bonds(build):
    atoms = build()
    expected = name_family(atoms)
    moved = atoms[np.random.default_rng(0).permutation(len(atoms))]
    moved.rotate(40, (1, 2, 3))
    moved.positions = 1.07 * moved.positions + 5
    found = name_family(moved)
    assert found.label == expected.label and found.counts == expected.counts
    assert name_family(shaken(atoms, 0.03)).label == expected.label


def test_a_missing_atom_inside_is_found_where_it_is():
    complete = mackay_icosahedron("Ag", 3)
    assert name_family(complete).vacancies == 0
    found = name_family(without(complete, 0))
    assert found.vacancies == 1 and found.central_vacancy and found.surface_defects == 0
    inside = truncated_octahedron("Ag", 7, 2)
    middle = int(np.linalg.norm(inside.positions, axis=1).argmin())
    found = name_family(without(inside, middle))
    assert found.vacancies == 1 and not found.central_vacancy
    assert found.name == "fcc"


def test_the_cell_of_a_cluster_is_ignored():
    atoms = mackay_icosahedron("Au", 2)
    boxed = atoms.copy()
    boxed.center(vacuum=2)
    boxed.pbc = True
    assert (
        name_family(boxed) == name_family(atoms)
        or name_family(boxed).label == "icosahedral, perfect"
    )
