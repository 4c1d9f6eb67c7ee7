"""Clusters with defects have the size, the distances and the defect that are asked for."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.recognition.neighbours import motif, same_structure
from aiida_nanoclusters.science.recognition.packing_family import name_family
from aiida_nanoclusters.science.structures.crystals import bulk_cell
from aiida_nanoclusters.science.structures.defects import (
    DEFECTIVE,
    adatom_sites,
    defective_cluster,
    move_surface_atoms,
    rosettes,
)
from aiida_nanoclusters.science.structures.lattice_cuts import (
    compact_cut,
    off_centre_decahedron,
    stacked_cluster,
)
from aiida_nanoclusters.science.structures.motifs import (
    mackay_icosahedron,
    marks_decahedron,
    truncated_octahedron,
)
from aiida_nanoclusters.science.structures.recipe import build_entry
from aiida_nanoclusters.science.structures.recipe_checks import recipe_problem

#: What the common neighbours say of each kind before relaxation.
NAMES = {
    "icosahedron": "icosahedral",
    "icosahedron without its centre": "icosahedral, central vacancy",
    "icosahedron with rosettes": "icosahedral, surface defects",
    "decahedron": "decahedral, axis at the centre",
    "decahedron with its axis off the centre": "decahedral, axis off the centre",
    "fcc": "fcc",
    "one twin plane": "twin, one twin plane",
    "two parallel twin planes": "twin, 2 parallel twin planes",
    "two converging twin planes": "twin, 2 converging hcp planes",
    "hcp island": "twin, hcp island",
    "hcp": "twin, hcp",
    "disordered": "amorphous",
}


def bonds(positions, distance):
    return len(cKDTree(positions).query_pairs(1.2 * distance))


@pytest.mark.parametrize("kind", DEFECTIVE)
def test_a_cluster_has_its_size_its_defect_and_no_overlapping_atoms(kind):
    for size, seed in ((146, 0), (141, 1)):
        atoms = defective_cluster("Au", kind, size, seed)
        assert len(atoms) == size
        assert atoms == defective_cluster("Au", kind, size, seed)
        assert name_family(atoms).label.startswith(NAMES[kind])
        if kind != "disordered":
            assert pdist(atoms.positions).min() > (0.65 if "rosettes" in kind else 0.8) * 2.88


@pytest.mark.parametrize("kind", sorted(set(DEFECTIVE) - {"icosahedron"}))
def test_seeds_give_different_structures(kind):
    first, second = (defective_cluster("Ag", kind, 142, seed) for seed in (1, 2))
    assert not same_structure(first, second)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="unknown kind 'cube': choose from icosahedron"):
        defective_cluster("Au", "cube", 147, 1)
    with pytest.raises(ValueError, match="at least 30"):
        defective_cluster("Au", "fcc", 29, 1)
    with pytest.raises(ValueError, match="atop an equal one"):
        stacked_cluster("Au", "ABBA", 50)
    with pytest.raises(ValueError, match="letters A, B, C"):
        stacked_cluster("Au", "ABD", 50)
    with pytest.raises(ValueError, match="do not fit"):
        compact_cut(np.zeros((2, 3)), 3, np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="rosettes need as many"):
        rosettes(truncated_octahedron("Au", 4, 1), 1, 2.88, np.random.default_rng(0))


def test_compact_cuts_at_magic_sizes_are_the_known_motifs():
    cut = off_centre_decahedron("Au", 75, 0.0, 2.88)
    marks = marks_decahedron("Au", 2, 2, 1, 2.88)
    assert bonds(cut.positions, 2.88) >= bonds(marks.positions, 2.88)
    crystal = bulk_cell("Au", 4.08, repeat=(6, 6, 6)).positions
    hole = crystal[np.linalg.norm(crystal - 12.24, axis=1).argmin()] + [2.04, 0, 0]
    cut = compact_cut(crystal, 38, hole, 4.08 / np.sqrt(2))
    assert bonds(cut, 4.08 / np.sqrt(2)) == 144  # of the truncated octahedron
    assert len(compact_cut(cut, 38, hole, 2.88)) == 38


def test_layers_are_stacked_as_they_are_written():
    # Seven layers with a mirror plane: the cluster equals its mirror image.
    atoms = stacked_cluster("Au", "ABCDCBA".replace("D", "A"), 150, 2.88)
    levels = np.unique((atoms.positions[:, 2] / (2.88 * np.sqrt(2 / 3))).round(3))
    assert np.diff(levels) == pytest.approx(np.ones(len(levels) - 1), abs=2e-3)
    assert name_family(atoms).name == "twin"
    assert motif(stacked_cluster("Au", "ABCABCA", 150, 2.88)).name == "fcc"
    hcp = motif(stacked_cluster("Au", "ABABABA", 150, 2.88))
    assert hcp.counts["fcc"] == 0 and hcp.counts["hcp"] > 30


@pytest.mark.parametrize("offset", [0.0, 0.8, 1.4])
def test_the_axis_lies_where_it_is_asked_for(offset):
    found = name_family(off_centre_decahedron("Au", 147, offset))
    assert found.name == "decahedral"
    # The faceted cluster's centroid is near the centre of the cut.
    assert found.axis_offset == pytest.approx(offset, abs=0.35)


def test_hollows_of_a_tetrahedron_and_an_octahedron_are_on_their_faces():
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(8)
    octahedron = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) / np.sqrt(2)
    octahedron = np.concatenate([octahedron, -octahedron])
    for positions, faces in ((tetrahedron, 4), (octahedron, 8)):
        sites = adatom_sites(2.9 * positions, 2.9)
        assert len(sites) == faces
        gaps = np.linalg.norm(sites[:, None] - 2.9 * positions, axis=2)
        assert np.sort(gaps, axis=1)[:, :3] == pytest.approx(np.full((faces, 3), 2.9))


def test_moved_atoms_keep_the_rest_in_place():
    atoms = truncated_octahedron("Au", 7, 2, 2.88)
    moved = move_surface_atoms(atoms, 2, 2.88, np.random.default_rng(1))
    assert len(moved) == 201
    shift = moved.positions[:199].mean(axis=0)
    kept = cKDTree(atoms.positions + moved.positions[0] - atoms.positions[0])
    assert (kept.query(moved.positions)[0] < 1e-6).sum() == 199
    assert np.isfinite(shift).all()
    assert same_structure(move_surface_atoms(atoms, 0, 2.88, np.random.default_rng(1)), atoms)


def test_a_rosette_has_six_atoms_about_a_hollow():
    atoms = mackay_icosahedron("Au", 3, 2.88)
    changed = rosettes(atoms, 1, 2.88, np.random.default_rng(1))
    assert len(changed) == 147
    assert name_family(changed).surface_defects > 0
    assert name_family(atoms).surface_defects == 0


def test_a_recipe_builds_them():
    entry = {"kind": "defective", "defects": ["hcp", "fcc"], "sizes": [60, 70], "structures": 2}
    assert recipe_problem([entry]) is None
    frames = build_entry(entry, 0, "Au", 2.88, seed=3)
    assert frames.sizes.tolist() == [60, 60, 70, 70] * 2
    with pytest.raises(ValueError, match="unknown kind 'cube'"):
        build_entry(entry | {"defects": ["cube"]}, 0, "Au", 2.88, seed=3)
