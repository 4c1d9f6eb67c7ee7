import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.ranking import describe, lowest_structures, success_rates
from aiida_nanoclusters.science.structures.motifs import (
    mackay_icosahedron,
    truncated_octahedron,
)


def at(atoms: Atoms, energy: float, seed: int | None = None) -> Atoms:
    """The same structure with an energy; turned, mirrored and shuffled where seeded."""
    moved = atoms.copy()
    if seed is not None:
        rng = np.random.default_rng(seed)
        turned = Rotation.random(random_state=seed).apply(-atoms.positions)
        moved = Atoms(atoms.numbers, rng.permutation(turned))
    moved.calc = SinglePointCalculator(moved, energy=energy, forces=np.zeros((len(atoms), 3)))
    return moved


def test_one_structure_counts_once_however_it_is_turned() -> None:
    ball = mackay_icosahedron("Cu", 1, 2.55)
    rng = np.random.default_rng(0)
    worse = Atoms(ball.numbers, ball.positions + rng.normal(scale=0.4, size=(13, 3)))
    other = truncated_octahedron("Cu", 4, 1, 2.55)
    images = [
        at(worse, -40.0),
        at(ball, -43.0),
        at(ball, -43.0, seed=1),
        at(other, -120.0),
        at(ball, -43.0, seed=2),
    ]
    frames = Frames.from_atoms(images)
    ranked = lowest_structures(frames, keep=3)
    assert [frames.sizes[r[0]] for r in ranked] == [13, 38]
    assert ranked[0] == [1, 0]
    annealed = np.array([True, True, True, False, False])  # the last ball was built
    assert success_rates(frames, ranked, annealed) == {13: (2, 3), 38: (0, 0)}


def test_degenerate_but_unlike_structures_are_both_kept() -> None:
    chain = Atoms("Cu3", positions=[[0, 0, 0], [2.3, 0, 0], [4.6, 0, 0]])
    triangle = Atoms("Cu3", positions=[[0, 0, 0], [2.4, 0, 0], [1.2, 2.1, 0]])
    frames = Frames.from_atoms([at(chain, -5.0), at(triangle, -5.0)])
    assert len(lowest_structures(frames, keep=5)[0]) == 2


def test_unlabelled_structures_are_passed_over() -> None:
    ball = mackay_icosahedron("Cu", 1, 2.55)
    frames = Frames.from_atoms([ball, at(ball, -43.0)])
    assert lowest_structures(frames, keep=2) == [[1]]


def test_collapsed_structures_are_passed_over() -> None:
    ball = mackay_icosahedron("Cu", 1, 2.55)
    collapsed = ball.copy()
    collapsed.positions[1] = collapsed.positions[2] + 0.01
    frames = Frames.from_atoms([at(collapsed, -99.0), at(ball, -43.0)])
    assert lowest_structures(frames, keep=2) == [[1]]


def test_description_of_a_perfect_icosahedron() -> None:
    found = describe(mackay_icosahedron("Cu", 2, 2.55))
    assert found["point_group"] == "Ih"
    assert found["motif"] == "icosahedral"
    assert found["n_12_coordinated"] == 13
    assert found["coordination"] == {"6": 12, "8": 30, "12": 13}
