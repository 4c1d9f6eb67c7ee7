"""Duplicates among relaxed frames are found by geometry, whatever their place and order."""

from dataclasses import replace

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.distinct import distinct_structures
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron as icosahedron
from aiida_nanoclusters.science.structures.motifs import (
    marks_decahedron,
    truncated_octahedron,
)


def moved(atoms: Atoms, seed: int, mirrored: bool = False) -> Atoms:
    """The same cluster elsewhere, turned, with its atoms in another order and a little noise."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    if (np.linalg.det(turn) < 0) != mirrored:
        turn[0] *= -1
    copy = atoms.copy()
    copy.positions = copy.positions @ turn.T + rng.normal(size=3) * 5
    copy.positions += rng.normal(scale=1e-3, size=copy.positions.shape)
    return copy[rng.permutation(len(copy))]


def test_copies_are_counted_once() -> None:
    kinds = [
        icosahedron("Cu", 2),
        marks_decahedron("Cu", 2, 3, 1),
        truncated_octahedron("Cu", 4, 1),
    ]
    images, energies, kind_of = [], [], []
    for k, energy in zip(
        (0, 1, 0, 2, 1, 0, 2), (-5.0, -4.0, -5.00001, -4.0, -4.0, -5.0, -4.0), strict=False
    ):
        images.append(moved(kinds[k], len(images), mirrored=len(images) % 2 == 1))
        energies.append(energy * len(images[-1]))
        kind_of.append(k)
    frames = replace(Frames.from_atoms(images), energies=np.array(energies))
    chosen, structure_of = distinct_structures(frames, 2e-5, 0.1)
    assert len(chosen) == 3
    pairs = {(k, int(s)) for k, s in zip(kind_of, structure_of, strict=False)}
    assert len(pairs) == 3
    # the lowest of each is its representative; sizes ascend
    assert chosen[structure_of[0]] == 2
    assert frames.sizes[chosen].tolist() == sorted(frames.sizes[chosen].tolist())


def test_equal_energies_of_unlike_structures_are_two() -> None:
    first = icosahedron("Cu", 2)
    second = first.copy()
    second.positions[0] += [0.0, 0.0, 1.5]
    frames = Frames.from_atoms([first, second, first])
    frames = replace(frames, energies=np.array([-50.0, -50.0, np.nan]))
    chosen, structure_of = distinct_structures(frames, 1e-3, 0.1)
    assert len(chosen) == 2 and structure_of[2] == -1


def test_structures_between_whose_energies_lie_others() -> None:
    """A structure is still known when another one comes between its two frames."""
    first, second = icosahedron("Cu", 2), truncated_octahedron("Cu", 4, 1)
    other = first.copy()
    other.positions[5] *= 1.3
    frames = Frames.from_atoms([first, other, first, second])
    energies = np.array([-55.0, -54.9999, -54.9998, -38.0])
    chosen, structure_of = distinct_structures(replace(frames, energies=energies), 1e-5, 0.1)
    assert structure_of[0] == structure_of[2] != structure_of[1]
    assert len(chosen) == 3
