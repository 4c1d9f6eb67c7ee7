"""Maps of environments: against an analytic PCA, and against sets that hold each other or not."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.coverage import Components, map_environments
from aiida_nanoclusters.science.recognition.soap import bond_length, describe_atoms, describe_frames
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

BOND = bond_length(["Cu"])


def rattled(atoms: Atoms, count: int, size: float = 0.05, seed: int = 0) -> list[Atoms]:
    images = [atoms.copy() for _ in range(count)]
    for k, image in enumerate(images):
        image.rattle(size, seed=seed + k)
    return images


def test_components_of_points_whose_variances_are_known():
    """Eight corners of a box of half edges 3, 2, 1, turned: variances 9, 4 and 1."""
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    corners = np.array(np.meshgrid([-3, 3], [-2, 2], [-1, 1])).reshape(3, 8).T
    fitted = Components.fit(corners @ turn[:3] + 7.0)
    np.testing.assert_allclose(fitted.explained[:3], np.array([9, 4, 1]) / 14)
    np.testing.assert_allclose(np.abs(fitted.axes[:3] @ turn[:3].T), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(
        np.abs(fitted.project(corners @ turn[:3] + 7.0)[:, :3]), np.tile([3, 2, 1], (8, 1))
    )


def test_atoms_add_up_to_frames():
    """The averaged vector of a frame is the sum of those of its atoms, up to their lengths."""
    images = [bulk("Cu", cubic=True), mackay_icosahedron("Cu", 1)]
    frames = Frames.from_atoms(images)
    crystal = describe_atoms(frames, np.arange(4), BOND)
    np.testing.assert_allclose(crystal, np.tile(describe_frames(frames)[0], (4, 1)), atol=1e-12)
    ico = describe_atoms(frames, np.array([4, 9, 16]), BOND)
    alone = describe_atoms(frames.select([1]), np.array([0, 5, 12]), BOND)
    np.testing.assert_allclose(ico, alone, atol=1e-12)
    # Twelve atoms of an icosahedron are alike, its centre is like none of them.
    everything = describe_atoms(frames.select([1]), np.arange(13), BOND)
    counted = np.unique(np.round(everything, 6), axis=0, return_counts=True)[1]
    assert sorted(counted) == [1, 12]


def test_a_set_covers_itself_and_not_what_it_never_saw():
    crystals = Frames.from_atoms(rattled(bulk("Cu", cubic=True) * 2, 6))
    unseen = Frames.from_atoms(rattled(mackay_icosahedron("Cu", 1), 5))
    alike = Frames.from_atoms(rattled(bulk("Cu", cubic=True) * 2, 3, seed=100))
    itself = map_environments(crystals, crystals, seed=1)
    assert itself.coverage == 1 and itself.distances.max() < 1e-6
    assert map_environments(crystals, alike, seed=1).coverage > 0.9
    assert map_environments(crystals, unseen, seed=1).coverage == 0
    assert itself.explained.sum() <= 1 + 1e-12 and np.all(np.diff(itself.explained) <= 0)
    assert (itself.own_distances <= itself.threshold).mean() == pytest.approx(0.99, abs=0.01)


def test_the_draw_is_bounded_and_follows_its_seed():
    frames = Frames.from_atoms(rattled(bulk("Cu", cubic=True) * 2, 6))
    one, again, other = (map_environments(frames, frames, seed=s, most=50) for s in (1, 1, 2))
    assert one.training.shape[0] == one.target.shape[0] == len(one.distances) == 50
    assert np.array_equal(one.training_atoms, again.training_atoms)
    assert np.array_equal(one.distances, again.distances)
    assert not np.array_equal(one.training_atoms, other.training_atoms)


def test_a_pure_target_of_an_alloy():
    """Vectors of both sets have the columns of the training set's elements."""
    cell = bulk("Cu", cubic=True) * 2
    mixed = cell.copy()
    mixed.symbols[::2] = "Au"
    training = Frames.from_atoms(rattled(mixed, 3) + rattled(cell, 3))
    pure = Frames.from_atoms(rattled(cell, 2, seed=9))
    found = map_environments(training, pure, seed=1)
    assert found.coverage > 0.9
    with pytest.raises(ValueError, match="training set has no Au"):
        map_environments(pure, training, seed=1)


@pytest.mark.parametrize("change", [{"most": 2}, {"quantile": 1.0}])
def test_numbers_that_make_no_sense(change):
    frames = Frames.from_atoms([fcc111("Cu", (2, 2, 3), vacuum=5)] * 2)
    with pytest.raises(ValueError, match="between 0 and 1"):
        map_environments(frames, frames, seed=1, **change)
    with pytest.raises(ValueError, match="one frame"):
        map_environments(frames.select([0]), frames, seed=1)
