"""A core beside itself, turned, shaken, torn apart."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.ligands.core_stability import compare_relaxed

ICO = Icosahedron("Cu", 2)
CORE = Atoms(ICO.numbers, ICO.positions)


def test_a_core_that_is_turned_has_not_changed():
    turn = Rotation.random(random_state=1).as_matrix()
    moved = Atoms(CORE.numbers, CORE.positions @ turn.T + 4.0)
    before = CORE.positions.copy()
    found = compare_relaxed(CORE, moved)
    assert found["displacement"] == pytest.approx(0, abs=1e-9)
    assert (found["kept_bonds"], found["pieces"]) == (1.0, 1)
    assert np.array_equal(CORE.positions, before)


def test_a_core_that_breathes_keeps_its_bonds():
    found = compare_relaxed(CORE, Atoms(CORE.numbers, 1.02 * CORE.positions))
    radii = np.linalg.norm(CORE.positions - CORE.positions.mean(axis=0), axis=1)
    assert found["displacement"] == pytest.approx(0.02 * np.sqrt(np.mean(radii**2)))
    assert found["kept_bonds"] == 1.0


def test_an_atom_that_leaves():
    torn = CORE.copy()
    outer = int(np.argmax(torn.positions[:, 2]))
    torn.positions[outer] += [0, 0, 20]
    found = compare_relaxed(CORE, torn)
    # 42 bonds of an icosahedron, six of them those of a vertex
    assert found["kept_bonds"] == pytest.approx(36 / 42)
    assert found["pieces"] == 2
    with pytest.raises(ValueError, match="other atoms"):
        compare_relaxed(CORE, CORE[:5])
