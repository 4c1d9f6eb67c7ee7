"""What is a label, and what is none."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.data import ground_state_magnetic_moments

from aiida_nanoclusters.science.labels.acceptance import forces_vanish, isolated_atom, label_problem
from aiida_nanoclusters.science.structures.boxes import in_box, kpoint_mesh, repeats

DIMER = Atoms("Cu2", positions=[[0, 0, 0], [2.2, 0, 0]])
PULL = np.array([[0.5, 0, 0], [-0.5, 0, 0]])


@pytest.mark.parametrize(
    ("energy", "forces", "converged", "problem"),
    [
        (-1.0, PULL, True, None),
        (-1.0, PULL, False, "did not converge"),
        (-1.0, PULL, None, "does not show whether"),
        (np.nan, PULL, True, "not finite"),
        (-1.0, np.full((2, 3), np.inf), True, "not finite"),
        (-1.0, PULL * 0, True, "all forces are zero"),
        (-1.0, PULL + np.array([0.002, 0, 0]), True, "net force of 2.0e-03"),
    ],
)
def test_label_problem(energy, forces, converged, problem):
    found = label_problem(DIMER, energy, forces, converged, 1e-3)
    assert found is None if problem is None else problem in found


def test_symmetry_may_forbid_forces():
    """In a perfect crystal all forces are zero; with an atom moved, or in a slab, they are not."""
    crystal = bulk("Cu", cubic=True)
    assert forces_vanish(crystal)
    assert label_problem(crystal, -1.0, np.zeros((4, 3)), True, 1e-3) is None
    moved = crystal.copy()
    moved.positions[0, 0] += 0.01
    assert not forces_vanish(moved)
    assert not forces_vanish(fcc111("Cu", (1, 1, 3), vacuum=5.0))
    assert forces_vanish(bulk("Si"))  # tetrahedral sites, no inversion
    # wurtzite leaves the polar axis free
    assert not forces_vanish(bulk("ZnO", "wurtzite", a=3.25, c=5.2, u=0.38))


def test_lone_atom_is_in_its_ground_state():
    atom = isolated_atom("Cu")
    assert atom.info["multiplicity"] == round(ground_state_magnetic_moments[29]) + 1 == 2
    assert not atom.pbc.any()
    assert isolated_atom("Pd").info["multiplicity"] == 1
    # 2S, 3P, 4S, 3P, 3P, 2S: term symbols of the free atoms
    spins = {"H": 2, "C": 3, "N": 4, "O": 3, "S": 3, "Ag": 2}
    for symbol, multiplicity in spins.items():
        assert isolated_atom(symbol).info["multiplicity"] == multiplicity


def test_a_box_leaves_room_along_open_directions_only():
    box = in_box(DIMER, 10.0)
    assert box.cell.lengths() == pytest.approx([13, 10, 10])
    assert in_box(DIMER, 10.0, cubic=True).cell.lengths() == pytest.approx([13, 13, 13])
    assert box.positions.mean(axis=0) == pytest.approx([6.5, 5, 5])
    assert np.allclose(box.positions[1] - box.positions[0], [2.2, 0, 0])
    crystal = bulk("Cu")
    assert in_box(crystal, 10.0) == crystal
    slab = fcc111("Cu", (1, 1, 3), vacuum=1.0)
    boxed = in_box(slab, 12.0)
    assert boxed.cell[:2] == pytest.approx(slab.cell[:2])
    assert boxed.cell[2, 2] == pytest.approx(np.ceil(np.ptp(slab.positions[:, 2]) + 12.0))
    slab.cell[2, 0] = 3.0
    with pytest.raises(ValueError, match="oblique along direction 2"):
        in_box(slab, 12.0)


def test_meshes_and_repeats():
    crystal = bulk("Cu", cubic=True)
    assert kpoint_mesh(crystal, 2 * np.pi / 3.61 / 4) == (4, 4, 4)
    slab = fcc111("Cu", (1, 1, 3), vacuum=5.0)
    assert kpoint_mesh(slab, 0.3)[2] == 1
    assert repeats(crystal, 7.0) == (2, 2, 2) and repeats(crystal, 7.3) == (3, 3, 3)
    assert repeats(slab, 7.0)[2] == 1


@pytest.mark.parametrize("cell", [np.diag([1e-3] * 3), [[9, 0, 0], [9, 0, 0], [0, 0, 9]]])
def test_structures_without_distances_do_not_end_the_process(cell) -> None:
    positions = [[0.0, 0.0, 0.0], [0.0, 0.0, 2.5]]
    assert not forces_vanish(Atoms("Cu2", positions=positions, cell=cell, pbc=True))
