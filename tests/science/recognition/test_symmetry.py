"""Point groups of orbits of points under groups made from their generators."""

from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.core.structure import Molecule
from pymatgen.symmetry.analyzer import PointGroupAnalyzer
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.recognition import symmetry
from aiida_nanoclusters.science.recognition.neighbours import point_group
from aiida_nanoclusters.science.recognition.symmetry import (
    schoenflies,
    superpositions,
    symmetry_operations,
)
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from tests.counting import count_calls

PHI = (1 + np.sqrt(5)) / 2
INVERSION = -np.eye(3)
HORIZONTAL, VERTICAL = np.diag([1.0, 1.0, -1.0]), np.diag([1.0, -1.0, 1.0])


def turn(fold: int, axis=(0, 0, 1)) -> np.ndarray:
    axis = np.array(axis) / np.linalg.norm(axis)
    return Rotation.from_rotvec(2 * np.pi / fold * axis).as_matrix()


def between(n: int) -> np.ndarray:
    """A mirror between the twofold axes of Dn, of which one is x."""
    return turn(2 * n) @ VERTICAL


TETRAHEDRAL = [turn(2), turn(3, (1, 1, 1))]
GROUPS = {
    "C1": [np.eye(3)],
    "Ci": [INVERSION],
    "Cs": [HORIZONTAL],
    **{f"C{n}": [turn(n)] for n in (2, 3, 5, 6)},
    **{f"C{n}v": [turn(n), VERTICAL] for n in (2, 3, 5)},
    **{f"C{n}h": [turn(n), HORIZONTAL] for n in (2, 3, 4)},
    **{f"S{n}": [turn(n) @ HORIZONTAL] for n in (4, 6, 8)},
    **{f"D{n}": [turn(n), turn(2, (1, 0, 0))] for n in (2, 3, 5, 6, 12)},
    **{f"D{n}h": [turn(n), turn(2, (1, 0, 0)), HORIZONTAL] for n in (2, 3, 5, 6)},
    **{f"D{n}d": [turn(n), turn(2, (1, 0, 0)), between(n)] for n in (2, 3, 4, 5)},
    "T": TETRAHEDRAL,
    "Th": [*TETRAHEDRAL, INVERSION],
    "Td": [*TETRAHEDRAL, turn(4) @ HORIZONTAL],
    "O": [turn(4), turn(3, (1, 1, 1))],
    "Oh": [turn(4), turn(3, (1, 1, 1)), INVERSION],
    "I": [turn(5, (0, 1, PHI)), turn(3, (1, 1, 1))],
    "Ih": [turn(5, (0, 1, PHI)), turn(3, (1, 1, 1)), INVERSION],
}


def orbit(generators, seeds) -> np.ndarray:
    """All images of points under the group."""
    points = [np.array(p) for p in seeds]
    for point in points:  # grows while it is walked
        for matrix in generators:
            image = matrix @ point
            if min(np.linalg.norm(image - other) for other in points) > 1e-6:
                points.append(image)
    return np.array(points)


def cluster(symbol: str, seed: int, shake: float = 0.0) -> Atoms:
    rng = np.random.default_rng(seed)
    # Two kinds of general points, so that an orbit has no more symmetry than its group.
    parts = [orbit(GROUPS[symbol], rng.normal(size=(2, 3)) * scale) for scale in (4.0, 6.0)]
    positions = np.concatenate(parts) @ Rotation.random(random_state=seed).as_matrix().T
    positions += rng.normal(scale=shake, size=positions.shape) + 3.0
    return Atoms(["Cu"] * len(parts[0]) + ["Au"] * len(parts[1]), positions=positions)


@pytest.mark.parametrize(("symbol", "seed"), list(product(GROUPS, (1, 2))))
def test_every_group(symbol, seed):
    atoms = cluster(symbol, seed, shake=0.002)
    found = symmetry_operations(atoms.positions, atoms.numbers, 0.05)
    assert schoenflies(found) == symbol
    if len(atoms) <= 64 and symbol != "D4d":  # in which pymatgen sees no symmetry
        molecule = Molecule(atoms.get_chemical_symbols(), atoms.positions)
        assert PointGroupAnalyzer(molecule, tolerance=0.05).sch_symbol == symbol


def test_operations_map_the_cluster_on_itself():
    atoms = cluster("Oh", 3)
    found = symmetry_operations(atoms.positions, atoms.numbers, 0.05)
    assert len(found) == 48
    centred = atoms.positions - atoms.positions.mean(axis=0)
    for operation in found:
        image = centred[list(operation.permutation)]
        assert np.allclose(centred @ operation.matrix.T, image, atol=1e-8)
        assert np.allclose(operation.matrix @ operation.matrix.T, np.eye(3))


def composed(one, other):
    return tuple(other[k] for k in one)


def is_closed(permutations):
    return all(composed(a, b) in permutations for a in permutations for b in permutations)


@pytest.mark.parametrize(
    ("shells", "seed", "shake", "matches", "symbol"),
    [
        (1, 1, 0.02, 107, "C2"),
        (1, 4, 0.03, 33, "Cs"),
        (2, 3, 0.02, 51, "Cs"),
        (2, 5, 0.025, 61, "C2"),
        (2, 5, 0.02, 120, "Ih"),
    ],
)
def test_what_is_found_in_a_shaken_cluster_is_a_group(shells, seed, shake, matches, symbol):
    atoms = mackay_icosahedron("Cu", shells)
    atoms.positions += np.random.default_rng(seed).normal(scale=shake, size=(len(atoms), 3))
    given = (atoms.positions, atoms.numbers)
    near = {o.permutation for o in superpositions(*given, *given, 0.1)}
    assert len(near) == matches
    assert is_closed(near) == (matches == 120)  # operations within the tolerance need be no group
    found = symmetry_operations(*given, 0.1)
    permutations = {o.permutation for o in found}
    assert permutations <= near and len(permutations) == len(found)
    assert is_closed(permutations)
    assert schoenflies(found) == symbol


def test_a_ball_of_a_crystal_needs_few_guesses(monkeypatch):
    """Many atoms equally far out, in a cluster of no symmetry."""
    ball = bulk("Cu", cubic=True).repeat(8)
    away = np.linalg.norm(ball.positions - ball.positions.mean(axis=0), axis=1).round(4)
    ball = Atoms("Cu700", positions=ball.positions[np.argsort(away, kind="stable")[:700]])
    guesses = count_calls(monkeypatch, symmetry, "_fit")
    assert point_group(ball) == "C1"
    # All images of two anchors would be 2 * 700 * 699 guesses, each fitted to all atoms.
    assert 0 < len(guesses) < 100


def test_a_plane_is_refused():
    with pytest.raises(ValueError, match="plane"):
        symmetry_operations(np.eye(3, 3)[[0, 1, 1, 0]] * 2, np.ones(4, dtype=int), 0.1)
