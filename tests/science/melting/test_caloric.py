"""Means of correlated data, heat capacities and melting points that are known beforehand."""

import ase.units
import numpy as np
import pytest
from scipy.special import expit

from aiida_nanoclusters.science.melting.caloric import (
    correlated_mean,
    fluctuation_heat_capacity,
    melting_by_energy,
    melting_by_lindemann,
    slope_heat_capacity,
)

TEMPERATURES = np.arange(300.0, 1301.0, 50.0)
KB = ase.units.kB


def autoregressive(memory: float, count: int, seed: int) -> np.ndarray:
    """x_t = memory x_(t-1) + noise, of variance 1; 2 tau = (1 + memory) / (1 - memory)."""
    rng = np.random.default_rng(seed)
    values = np.empty(count)
    values[0] = rng.normal()
    noise = rng.normal(0, np.sqrt(1 - memory**2), count)
    for k in range(1, count):
        values[k] = memory * values[k - 1] + noise[k]
    return values


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_standard_error_of_correlated_values(memory):
    """The error is that which the correlation leaves, and means scatter by that much."""
    count, times = 4000, (1 + memory) / (1 - memory)
    exact = np.sqrt(times / count)
    means = [correlated_mean(autoregressive(memory, count, seed)) for seed in range(60)]
    assert np.mean([m.error for m in means]) == pytest.approx(exact, rel=0.1)
    assert np.std([m.value for m in means]) == pytest.approx(exact, rel=0.3)
    assert means[0].independent == pytest.approx(count / times, rel=0.35)


def test_means_of_hardly_anything():
    assert correlated_mean(np.full(10, 3.0)).error == 0
    assert np.isnan(correlated_mean(np.array([3.0])).error)


def test_heat_capacity_of_harmonic_oscillators():
    """Potential energy of f oscillators: k/2 each from its fluctuation, and k/2 from motion."""
    rng = np.random.default_rng(5)
    freedom, temperature = 33, 400.0
    energies = 0.5 * KB * temperature * rng.chisquare(freedom, 40_000)
    found = fluctuation_heat_capacity(energies, temperature, freedom)
    assert found == pytest.approx(freedom * KB, rel=0.02)
    rising = slope_heat_capacity(TEMPERATURES, freedom * KB * TEMPERATURES)
    assert rising == pytest.approx(np.full(len(TEMPERATURES), freedom * KB))


def curve(melting: float, width: float, noise: float, seed: int = 0, latent: float = 0.1):
    """Two branches, the liquid's steeper, in eV/atom, and errors of that noise."""
    share = expit((TEMPERATURES - melting) / width)
    energies = -3.3 + 3.2 * KB * TEMPERATURES
    energies += share * (latent + 0.3 * KB * (TEMPERATURES - melting))
    energies += np.random.default_rng(seed).normal(0, noise, len(TEMPERATURES))
    return energies, np.full(len(TEMPERATURES), noise)


@pytest.mark.parametrize(("melting", "width"), [(812, 1), (780, 20), (1010, 40), (520, 15)])
def test_melting_point_and_latent_heat_come_back(melting, width):
    found = [
        melting_by_energy(TEMPERATURES, *curve(melting, width, 1e-3, seed)) for seed in range(10)
    ]
    off = np.array([f.temperature - melting for f in found]) / [f.error for f in found]
    assert np.sqrt(np.mean(off**2)) < 1.3
    assert all(f.error <= 30 for f in found)
    assert np.mean([f.latent_heat for f in found]) == pytest.approx(0.1, abs=0.004)


def test_between_two_temperatures_nothing_is_known():
    """A step so sharp that no temperature lies on it: the interval is the gap it lies in."""
    found = melting_by_energy(TEMPERATURES, *curve(825, 0.1, 1e-4))
    assert found.temperature == pytest.approx(825, abs=3)
    assert 22 < found.error < 35


@pytest.mark.parametrize("bend", [0.0, 2e4, 3e3])
def test_without_a_step_there_is_no_melting(bend):
    """Straight and bent curves, as of a solid that only softens."""
    for seed in range(10):
        energies, errors = curve(5000, 1, 1e-3, seed)
        if bend:
            energies += 3 * KB * TEMPERATURES**2 / bend
        assert melting_by_energy(TEMPERATURES, energies, errors) is None


def test_a_step_down_is_no_melting():
    assert melting_by_energy(TEMPERATURES, *curve(800, 10, 1e-3, latent=-0.1)) is None


def test_too_few_temperatures():
    with pytest.raises(ValueError, match="7 temperatures"):
        melting_by_energy(*(np.arange(7.0) for _ in range(3)))


def test_lindemann_crossings_are_interpolated():
    temperatures = np.array([100.0, 200, 300, 400])
    found = melting_by_lindemann(temperatures, np.array([0.02, 0.05, 0.25, 0.3]), (0.10, 0.15))
    # 0.10 at 225 K, 0.15 at 250 K, both in one gap of 100 K.
    assert found.temperature == pytest.approx(237.5) and found.error == pytest.approx(50)
    apart = melting_by_lindemann(temperatures, np.array([0.02, 0.11, 0.13, 0.2]), (0.10, 0.15))
    assert apart.error == pytest.approx(50) or apart.error > 50


@pytest.mark.parametrize("indices", [[0.02, 0.03, 0.05, 0.09], [0.2, 0.3, 0.3, 0.3]])
def test_lindemann_that_does_not_cross(indices):
    """Solid throughout, or liquid from the first."""
    assert melting_by_lindemann(np.arange(1.0, 5.0), np.array(indices), (0.10, 0.15)) is None
