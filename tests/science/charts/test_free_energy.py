"""Free energies and lowest paths on surfaces that are known."""

import numpy as np
import pytest
from ase.units import kB

from aiida_nanoclusters.science.charts.free_energy import free_energy, resampled_weights
from aiida_nanoclusters.science.sampling.free_energy_path import Surface, lowest_path

#: K. D. Mueller, L. D. Brown, Theor. Chim. Acta 53, 75 (1979): minima and saddle points.
REACTANT, PRODUCT, MIDDLE = (-0.558, 1.442), (0.623, 0.028), (-0.050, 0.467)
UPPER, LOWER = ((-0.822, 0.624), -40.665), ((0.212, 0.293), -72.249)


def mueller_brown(x, y):
    a = np.array([-200, -100, -170, 15])
    b = np.array([(-1, 0, -10), (-1, 0, -10), (-6.5, 11, -6.5), (0.7, 0.6, 0.7)])
    c = np.array([(1, 0), (0, 0.5), (-0.5, 1.5), (-1, 1)])
    total = 0.0
    for amplitude, (xx, xy, yy), (x0, y0) in zip(a, b, c, strict=True):
        total = total + amplitude * np.exp(
            xx * (x - x0) ** 2 + xy * (x - x0) * (y - y0) + yy * (y - y0) ** 2
        )
    return total


def known_surface(step=0.02, temperature=15 / kB):
    x, y = np.arange(-1.6, 1.2, step), np.arange(-0.3, 2.1, step)
    values = mueller_brown(x[:, None], y[None])
    values -= values.min()
    return Surface((x, y), values, np.zeros_like(values), np.stack([values] * 3), temperature)


def test_lowest_path_goes_over_both_saddle_points_of_mueller_and_brown():
    surface = known_surface()
    start, end = (lowest_near(surface, place, 0.3) for place in (REACTANT, PRODUCT))
    assert np.allclose(surface.places(np.array([start, end])), [REACTANT, PRODUCT], atol=0.02)
    path = lowest_path(surface, start, end)
    depth = mueller_brown(*REACTANT)
    assert path.barrier == pytest.approx(UPPER[1] - depth, abs=0.4)
    assert np.allclose(path.coordinates[path.highest], UPPER[0], atol=0.04)
    for place in (UPPER[0], MIDDLE, LOWER[0]):
        assert np.linalg.norm(path.coordinates - place, axis=1).min() < 0.06
    second = path.values[np.linalg.norm(path.coordinates - LOWER[0], axis=1) < 0.1].max()
    assert second + depth == pytest.approx(LOWER[1], abs=0.4)
    assert path.values[0] == 0
    assert path.back == pytest.approx(UPPER[1] - mueller_brown(*PRODUCT), abs=0.4)


def test_the_way_back_is_the_same():
    surface = known_surface(0.04)
    ends = [lowest_near(surface, place, 0.3) for place in (REACTANT, PRODUCT)]
    there, back = lowest_path(surface, *ends), lowest_path(surface, *ends[::-1])
    assert np.allclose(there.coordinates, back.coordinates[::-1])
    assert there.barrier == pytest.approx(back.back)


def test_a_path_to_where_it_is_has_no_barrier():
    surface = known_surface(0.1)
    cell = lowest_near(surface, PRODUCT, 0.3)
    path = lowest_path(surface, cell, cell)
    assert (path.barrier, len(path.values)) == (0, 1)


def lowest_near(surface, place, reach):
    apart = surface.places(np.arange(surface.values.size)) - np.asarray(place)
    return surface.lowest(np.linalg.norm(apart, axis=1) <= reach)


def harmonic(count, temperature, stiffness, seed):
    """Draws of three oscillators of energy stiffness x^2 / 2 (eV)."""
    width = np.sqrt(kB * temperature / np.array(stiffness))
    return np.random.default_rng(seed).normal(size=(count, len(stiffness))) * width


def test_free_energy_of_oscillators_is_their_energy():
    """Smoothing adds its variance to that of the density, exactly."""
    stiffness, temperature, smoothing = (1.0, 4.0), 600.0, 0.05
    draws = harmonic(40_000, temperature, stiffness, 4)
    surface = free_energy(draws, temperature, smoothing=smoothing, cell=0.04, fewest=20)
    softened = [kB * temperature / (kB * temperature / k + smoothing**2) for k in stiffness]
    exact = sum(
        k * axis**2 / 2
        for k, axis in zip(softened, np.meshgrid(*surface.axes, indexing="ij"), strict=True)
    )
    known = surface.sampled & (surface.values < 3 * kB * temperature)
    exact -= exact.ravel()[np.argmin(surface.values)]
    off = (surface.values - exact)[known]
    assert known.sum() > 100
    assert np.mean(np.abs(off) < 2 * surface.errors[known] + 1e-6) > 0.85
    assert np.sqrt(np.mean(off**2)) < 0.1 * kB * temperature


def test_weights_take_frames_to_another_temperature():
    """Frames at 800 K, weighted for 500 K, are as those at 500 K."""
    hot, cold, stiffness = 800.0, 500.0, (2.0,)
    draws = harmonic(60_000, hot, stiffness, 5)
    energies = (np.array(stiffness) * draws**2).sum(axis=1) / 2
    weights = np.exp(-energies * (1 / (kB * cold) - 1 / (kB * hot)))
    surface = free_energy(draws, cold, weights=weights, smoothing=0.03, cell=0.02, fewest=20)
    softened = kB * cold / (kB * cold / stiffness[0] + 0.03**2)
    exact = softened * surface.axes[0] ** 2 / 2
    known = surface.sampled & (surface.values < 3 * kB * cold)
    off = (surface.values - exact + exact[np.argmin(surface.values)])[known]
    assert np.abs(off).max() < 0.15 * kB * cold


def test_barrier_of_a_double_well_from_frames():
    """Exact draws of exp(-F / kT) by its cumulative sum; a flat second coordinate."""
    temperature, height = 1000.0, 0.25
    x = np.linspace(-2, 2, 4001)
    density = np.exp(-height * (x**2 - 1) ** 2 / (kB * temperature))
    rng = np.random.default_rng(6)
    places = np.interp(rng.random(60_000), np.cumsum(density) / density.sum(), x)
    frames = np.stack([places, rng.normal(0, 0.05, len(places))], axis=1)
    surface = free_energy(frames, temperature, smoothing=0.05, cell=0.04)
    ends = [lowest_near(surface, (side, 0.0), 0.3) for side in (-1.0, 1.0)]
    path = lowest_path(surface, *ends)
    assert abs(path.barrier - height) < 3 * path.barrier_error + 0.01
    assert 0 < path.barrier_error < 0.03
    assert abs(path.coordinates[path.highest, 0]) < 0.15


def test_families_that_no_frame_connects_have_no_path():
    frames = np.concatenate([np.zeros((50, 2)), np.ones((50, 2))])
    surface = free_energy(frames, 300.0, smoothing=0.05, cell=0.05)
    ends = [lowest_near(surface, (side, side), 0.2) for side in (0.0, 1.0)]
    with pytest.raises(ValueError, match="no sampled cells connect"):
        lowest_path(surface, *ends)
    with pytest.raises(ValueError, match="no frame there"):
        lowest_near(surface, (0.5, 0.5), 0.1)


def test_resampled_blocks_keep_together_and_keep_the_number_of_blocks():
    weights = np.arange(1.0, 13.0)
    for draw in resampled_weights(weights, np.repeat([0, 1, 2], 4), number=5):
        times = draw / weights
        assert all(np.ptp(times[k : k + 4]) == 0 for k in (0, 4, 8))
        assert times[::4].sum() == 3


def test_frames_that_lie_alone_are_no_sample():
    alone = np.array([[0.0, 0.0], [2.0, 0.0]])
    with pytest.raises(ValueError, match="raise `smoothing`"):
        free_energy(alone, 300.0, smoothing=0.1, cell=0.1, fewest=2)
    frames = np.concatenate([np.zeros((5, 2)), alone])
    surface = free_energy(frames, 300.0, smoothing=0.1, cell=0.1, fewest=2)
    assert np.abs(surface.places(np.flatnonzero(surface.sampled))).max() < 0.3


def test_grids_that_are_too_large_are_refused():
    with pytest.raises(ValueError, match="larger `cell`"):
        free_energy([[0.0] * 3, [9.0] * 3], 300.0, smoothing=0.02, cell=0.02)
    with pytest.raises(ValueError, match="not negative"):
        free_energy([[0.0]], 300.0, weights=[-1.0], smoothing=0.1, cell=0.1)
