"""Averaged SOAP: what must leave it alone, and what must not."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.cluster import Icosahedron, Octahedron
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition import soap
from aiida_nanoclusters.science.recognition.soap import bond_length, describe_frames


def describe(*images, **kwargs):
    return describe_frames(Frames.from_atoms(images), **kwargs)


@pytest.fixture
def cluster():
    atoms = Icosahedron("Cu", 3)
    atoms = Atoms(atoms.symbols, atoms.positions)
    atoms.rattle(0.15, seed=5)
    return atoms


def test_moving_turning_mirroring_and_reordering(cluster):
    rng = np.random.default_rng(2)
    moved = cluster.copy()
    moved.positions = moved.positions @ Rotation.random(random_state=1).as_matrix().T + [7, -3, 40]
    mirrored = cluster.copy()
    mirrored.positions *= [1, 1, -1]
    shuffled = cluster[rng.permutation(len(cluster))]
    found = describe(cluster, moved, mirrored, shuffled)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    assert np.abs(found - found[0]).max() < 1e-8


def test_distance_grows_with_the_displacement(cluster):
    start = Icosahedron("Cu", 3)
    images = [start.copy() for _ in range(4)]
    for atoms, size in zip(images[1:], (0.01, 0.1, 0.3), strict=True):
        atoms.rattle(size, seed=3)
    found = describe(*images, Octahedron("Cu", 5, 1))
    away = np.linalg.norm(found - found[0], axis=1)
    assert np.all(np.diff(away[:4]) > 0)
    assert away[4] > 10 * away[1]  # another packing


def test_supercells_and_slabs():
    """A supercell is its crystal; a slab is the same however much vacuum its cell has."""
    cell = bulk("Cu")
    slab = fcc111("Cu", (2, 2, 4), vacuum=8.0)
    bare, periodic = slab.copy(), slab.copy()
    bare.cell[2] = 0
    periodic.cell[2, 2] += 20.0
    periodic.pbc = True
    found = describe(cell, cell * (2, 3, 2), slab, bare, periodic)
    assert np.abs(found[1] - found[0]).max() < 1e-8
    assert np.abs(found[3:] - found[2]).max() < 1e-8
    assert np.linalg.norm(found[2] - found[0]) > 0.05


def test_elements_are_told_apart(cluster):
    alloy, other = cluster.copy(), cluster.copy()
    alloy.symbols[:10] = "Au"
    other.symbols[-10:] = "Au"
    found = describe(cluster, alloy, other)
    assert found.shape[1] == 3 * describe(cluster).shape[1]
    assert np.linalg.norm(found[0] - found[1]) > 0.1
    assert np.linalg.norm(found[1] - found[2]) > 0.01


def test_order_and_chunks_change_nothing(cluster, monkeypatch):
    images = [cluster, Icosahedron("Cu", 2), Atoms("Cu"), Octahedron("Cu", 4, 1), bulk("Cu")]
    whole = describe(*images)
    monkeypatch.setattr(soap, "_CHUNK", 20)
    np.testing.assert_allclose(describe(*images), whole, atol=1e-13)
    np.testing.assert_allclose(describe(*images[::-1]), whole[::-1], atol=1e-13)


def test_cutoff_scales_with_the_metal():
    """The same shape at another bond length has the same description."""
    copper, gold = Icosahedron("Cu", 3), Icosahedron("Cu", 3)
    gold.positions *= bond_length(["Au"]) / bond_length(["Cu"])
    gold.symbols[:] = "Au"
    assert np.abs(describe(copper) - describe(gold)).max() < 1e-6


def test_bond_length():
    assert bond_length(["Cu"]) == pytest.approx(2.5559, abs=1e-4)
    assert bond_length(["Cu", "Au"]) == pytest.approx(2.8837, abs=1e-4)
    assert bond_length(["H", "S"]) == pytest.approx(2.1)
    with pytest.raises(ValueError, match="must be positive"):
        describe(Atoms("Cu"), bond=0.0)
