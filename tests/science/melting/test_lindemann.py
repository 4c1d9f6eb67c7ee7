"""Lindemann index against fluctuations that are known analytically."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.melting.lindemann import lindemann, surface_mask
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron


def einstein_crystal(size: int, count: int, width: float, seed: int = 0):
    """Atoms that vibrate independently: each coordinate is normal with this standard deviation."""
    places = mackay_icosahedron("Cu", size).positions
    return places + np.random.default_rng(seed).normal(0, width, (count, *places.shape))


def test_an_oscillating_pair():
    """r = 2 + 0.1 sin(w t) over full periods: sqrt(<r^2> - <r>^2) / <r> = 0.1 / sqrt(2) / 2."""
    time = np.arange(200) / 200
    positions = np.zeros((200, 2, 3))
    positions[:, 1, 0] = 2 + 0.1 * np.sin(2 * np.pi * 3 * time)
    found = lindemann(positions)
    assert found.index == pytest.approx(0.05 / np.sqrt(2), rel=1e-12)
    assert found.atoms == pytest.approx([found.index] * 2)


def test_an_einstein_crystal():
    """Small independent vibrations: each distance fluctuates by sqrt(2) sigma along its bond."""
    width = 0.01
    places = mackay_icosahedron("Cu", 2).positions
    found = lindemann(einstein_crystal(2, 4000, width), blocks=4)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    exact = (np.sqrt(2) * width / distances).sum(axis=1) / (len(places) - 1)
    np.testing.assert_allclose(found.atoms, exact, rtol=0.01)
    assert found.index == pytest.approx(exact.mean(), rel=0.003)
    # A solid's index does not grow with time: blocks agree with the whole.
    assert found.blocks == pytest.approx([found.index] * 4, rel=0.01)
    assert found.error < 0.005 * found.index


def test_turning_and_drifting_do_not_enter():
    still = einstein_crystal(1, 50, 0.05)
    turns = Rotation.random(50, random_state=1)
    moved = np.array([t.apply(p) for t, p in zip(turns, still, strict=True)])
    moved += np.random.default_rng(2).normal(0, 100, (50, 1, 3))
    np.testing.assert_allclose(lindemann(moved).atoms, lindemann(still).atoms, rtol=1e-6)


def test_only_the_surface_of_a_liquid_shell():
    """Core at rest, surface atoms that change places: their index tells them apart."""
    rng = np.random.default_rng(3)
    atoms = mackay_icosahedron("Cu", 2)
    surface = surface_mask(atoms)
    assert surface.sum() == 42  # 55 less the 13 inside
    positions = np.tile(atoms.positions, (60, 1, 1))
    outer = np.flatnonzero(surface)
    for frame in positions:
        frame[outer] = frame[rng.permutation(outer)]
    found = lindemann(positions, parts={"surface": surface, "core": ~surface})
    assert found.parts["surface"] > 0.3 and found.parts["core"] < 1e-12
    # By atom the core is not at rest: its distances to the surface change.
    assert found.atoms[surface].mean() > found.index > found.atoms[~surface].mean() > 0.05


def test_parts_and_whole():
    """All pairs are those within either part and those between them; one atom has no pair."""
    positions = einstein_crystal(1, 100, 0.1)
    everything, one = np.ones(13, bool), np.arange(13) == 0
    found = lindemann(positions, parts={"all": everything, "one": one, "shell": ~one})
    assert found.parts["all"] == pytest.approx(found.index)
    assert np.isnan(found.parts["one"])
    assert found.parts["shell"] == pytest.approx(lindemann(positions[:, 1:]).index)


def test_the_index_of_wandering_atoms_grows_with_time():
    steps = np.random.default_rng(4).normal(0, 0.02, (400, 13, 3))
    found = lindemann(mackay_icosahedron("Cu", 1).positions + steps.cumsum(axis=0), blocks=8)
    assert found.index > 1.5 * found.blocks.mean()


@pytest.mark.parametrize(
    ("shape", "blocks", "message"),
    [((5, 1, 3), 1, "single atom"), ((5, 2, 3), 3, "5 frames in 3 blocks"), ((1, 2, 3), 1, "1 fr")],
)
def test_too_little_to_tell(shape, blocks, message):
    with pytest.raises(ValueError, match=message):
        lindemann(np.random.default_rng(0).normal(size=shape), blocks)
