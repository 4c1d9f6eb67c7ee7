"""Basins of surfaces that are known exactly."""

import numpy as np
import pytest

from aiida_nanoclusters.science.sampling.basins import differences_over_time, find_basins
from aiida_nanoclusters.science.sampling.metadynamics import Hills
from tests.science.sampling.test_metadynamics import GAMMA, KT, dimer_free_energy, dimer_run

X = np.linspace(-2, 2, 161)


def double_well(x, tilt=0.0):
    """Wells at -1 and 1, a barrier of 8 k T."""
    return 8 * KT * (x**2 - 1) ** 2 + tilt * x


def test_a_double_well():
    energies = double_well(X, tilt=0.5 * KT)
    found = find_basins(energies, [X], KT)
    low, high = found.basins
    assert low.place[0] == pytest.approx(-1, abs=0.05)
    assert high.place[0] == pytest.approx(1, abs=0.05)
    assert low.depth == np.inf and high.depth == pytest.approx(7.5 * KT, rel=0.02)
    right = X > 0.0
    exact = -KT * np.log(np.exp(-energies[right] / KT).sum() / np.exp(-energies[~right] / KT).sum())
    assert found.difference(energies, KT, 0, 1) == pytest.approx(exact, abs=2e-3 * KT)
    assert high.free_energy - low.free_energy == pytest.approx(exact, abs=2e-3 * KT)


def test_noise_makes_no_basins():
    noisy = double_well(X) + 0.2 * KT * np.random.default_rng(1).normal(size=len(X))
    assert len(find_basins(noisy, [X], KT).basins) == 2
    assert len(find_basins(noisy, [X], KT, shallowest=0.0).basins) > 10
    assert len(find_basins(noisy, [X], KT, shallowest=9.0).basins) == 1


def test_noise_of_a_known_size_makes_no_basins():
    """However deep its hollows are; cells that were hardly sampled belong to none."""
    x = X[::2]
    exact = double_well(x)[:, None] + double_well(x)[None, :]
    errors = np.where(exact > 6 * KT, 0.5 * KT, 0.1 * KT)
    noisy = exact + errors * np.random.default_rng(1).normal(size=exact.shape)
    assert len(find_basins(noisy, [x, x], KT, 0.2).basins) > 10
    assert len(find_basins(noisy, [x, x], KT, 0.2, errors=errors).basins) == 4
    hardly = np.where(exact > 12 * KT, KT, errors)
    found = find_basins(noisy, [x, x], KT, errors=hardly)
    assert ((found.label == -1) == (exact > 12 * KT)).all()


def test_an_island_is_a_basin_if_it_is_large():
    energies = np.full(20, np.inf)
    energies[2:8], energies[12:14] = 0.0, KT
    assert len(find_basins(energies, [np.arange(20.0)], KT).basins) == 2
    _, other = find_basins(energies, [np.arange(20.0)], KT, smallest=2).basins
    assert other.depth == np.inf and other.lowest == KT
    found = find_basins(energies, [np.arange(20.0)], KT, smallest=3)
    assert len(found.basins) == 1 and (found.label[12:14] == -1).all()


def test_four_wells_and_what_was_not_sampled():
    x = X[::4]
    energies = double_well(x, 0.3 * KT)[:, None] + double_well(x, 0.7 * KT)[None, :]
    energies = np.where(energies > 12 * KT, np.inf, energies)
    found = find_basins(energies, [x, x], KT)
    places = np.array([basin.place for basin in found.basins])
    assert np.allclose(np.abs(places), 1, atol=0.06)
    assert np.allclose(places[0], -1, atol=0.06) and np.allclose(places[-1], 1, atol=0.06)
    assert ((found.label == -1) == ~np.isfinite(energies)).all()
    counts = np.bincount(found.label[found.label >= 0])
    assert len(counts) == 4 and counts.min() > 0.4 * counts.max()


def test_an_angle_is_one_circle():
    angles = np.linspace(-np.pi, np.pi, 72, endpoint=False)
    energies = 4 * KT * (1 + np.cos(angles))  # one well, at the ends
    assert len(find_basins(energies, [angles], KT).basins) == 2
    (only,) = find_basins(energies, [angles], KT, periodic=[True]).basins
    assert abs(only.place[0]) == pytest.approx(np.pi, abs=0.1)


def test_no_surface():
    with pytest.raises(ValueError, match="no cell was sampled"):
        find_basins(np.full(5, np.inf), [np.arange(5.0)], KT)
    with pytest.raises(ValueError, match="has no cells"):
        find_basins(np.zeros(5), [np.arange(4.0)], KT)
    one = find_basins(X**2, [X], KT)
    with pytest.raises(ValueError, match="there is no basin 1"):
        differences_over_time(one, dimer_run(steps=100)[0], [X], KT)


def test_the_difference_settles_at_the_exact_one():
    """Bound against dissociated Lennard-Jones dimer: exact by integration."""
    hills, *_ = dimer_run()
    assert isinstance(hills, Hills) and hills.bias_factor == GAMMA
    r = np.linspace(1.8, 4.9, 200)
    exact = dimer_free_energy(r)
    split = np.argmax(np.where((r > 2.4) & (r < 4), exact, -np.inf))
    label = np.where(np.arange(len(r)) < split, 0, 1)
    found = find_basins(exact, [r], KT)
    basins = type(found)(found.basins * 2, label)
    counts, differences = differences_over_time(basins, hills, [r], KT)
    assert counts[-1] == len(hills.heights) and len(counts) == len(differences) == 20
    reference = basins.difference(exact, KT, 0, 1)
    late = differences[len(differences) // 2 :]
    assert abs(late.mean() - reference) < 0.4 * KT
    assert np.ptp(late) < 0.6 * KT
