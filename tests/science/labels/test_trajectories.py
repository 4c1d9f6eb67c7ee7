"""Steps of one motion belong together; independent frames do not."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cluster import Icosahedron

from aiida_nanoclusters.science.labels.trajectories import displacements, find_trajectories


def walk(atoms: Atoms, steps: int = 40, seed: int = 1) -> list[Atoms]:
    """Return a motion: vibrations whose phases advance, and a turn if it is free."""
    rng = np.random.default_rng(seed)
    modes, phases = rng.normal(size=(6, len(atoms), 3)), rng.uniform(0, 6, 6)
    images = []
    for k in range(steps):
        new = atoms.copy()
        new.positions += 0.1 * np.einsum("m,mij->ij", np.sin(phases + 0.2 * k), modes) / 2
        if not atoms.pbc.any():
            new.rotate(3 * k, "z")
            new.translate([0.1 * k, 0, 0])
        images.append(new)
    return images


def rattled(atoms: Atoms, count: int = 60) -> list[Atoms]:
    rng = np.random.default_rng(2)
    return [
        Atoms(atoms.numbers, atoms.positions + rng.normal(0, 0.08, (len(atoms), 3)),
              cell=atoms.cell, pbc=atoms.pbc)
        for _ in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("atoms", [Icosahedron("Cu", 2), bulk("Cu", cubic=True) * 2])
def test_a_motion_is_one(atoms) -> None:
    assert set(find_trajectories(walk(atoms))) == {0}


def test_motions_of_two_clusters_in_turn() -> None:
    small, large = walk(Icosahedron("Cu", 2)), walk(Icosahedron("Cu", 3))
    mixed = [atoms for pair in zip(small, large, strict=True) for atoms in pair]
    assert find_trajectories(mixed) == [0, 1] * 40


@pytest.mark.parametrize("atoms", [Icosahedron("Cu", 2), bulk("Cu", cubic=True) * 2])
def test_independent_frames_are_alone(atoms) -> None:
    assert len(set(find_trajectories(rattled(atoms)))) == 60


def test_a_shuffled_motion_is_still_one() -> None:
    images = walk(Icosahedron("Cu", 2), 200)
    order = np.random.default_rng(5).permutation(200)
    assert set(find_trajectories([images[k] for k in order])) == {0}


def test_isomers_and_strained_cells_are_alone() -> None:
    rng = np.random.default_rng(3)
    isomers = [Atoms("Cu13", rng.uniform(0, 8, (13, 3))) for _ in range(20)]
    assert find_trajectories(isomers) == list(range(20))
    strained = [bulk("Cu", a=3.5 + 0.02 * k, cubic=True) for k in range(6)]
    assert find_trajectories(strained) == list(range(6))
    assert find_trajectories([Atoms("Cu")] * 3) == [0, 1, 2]


def test_charge_and_kind_tell_motions_apart() -> None:
    images = walk(Icosahedron("Cu", 2), 6)
    for atoms in images[3:]:
        atoms.info["charge"] = 1
    assert find_trajectories(images) == [0, 0, 0, 1, 1, 1]


def test_displacements_know_no_rotation_and_no_border() -> None:
    atoms = Icosahedron("Cu", 2)
    turned = atoms.copy()
    turned.rotate(70, "x")
    assert np.abs(displacements(atoms, turned)).max() < 1e-10
    crystal = bulk("Cu", cubic=True)
    wrapped = crystal.copy()
    wrapped.positions += [0.05, -0.05, 0]
    wrapped.wrap()
    assert np.abs(displacements(crystal, wrapped)).max() < 1e-10
