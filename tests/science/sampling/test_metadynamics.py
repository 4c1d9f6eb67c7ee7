"""Free energies from hills against PLUMED's own sum and against exact ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_nanoclusters.science.sampling.metadynamics import (
    Hills,
    bias_offsets,
    count_crossings,
    free_energy,
    sample_weights,
)
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.weighted_blocks import WeightedSamples

PLUMED = Path(__file__).resolve().parents[4] / "shared" / "data" / "plumed_regtest" / "rt44b"
KT = 0.05
GAMMA = 8.0


@pytest.mark.skipif(not PLUMED.exists(), reason="the reference data of PLUMED are not there")
def test_sum_of_hills_is_plumed_s():
    rows = np.loadtxt(PLUMED / "HILLS")
    hills = Hills(rows[:, 1:3], rows[:, 3:5], rows[:, 5], rows[0, 6], (2 * np.pi, 2 * np.pi))
    reference = np.loadtxt(PLUMED / "fes.dat.reference")
    found = -hills.sum_at(reference[:, :2])
    # PLUMED puts the hills on a grid, interpolates and prints seven decimals
    np.testing.assert_allclose(found, reference[:, 2], atol=2e-5)


def dimer_free_energy(r):
    """Lennard-Jones dimer in three dimensions: V - 2 kT ln r, up to a constant."""
    well, diameter = 0.2, 2.0
    return 4 * well * ((diameter / r) ** 12 - (diameter / r) ** 6) - 2 * KT * np.log(r)


def dimer_run(steps=60_000, pace=30, seed=4):
    """Monte Carlo of the distance between 1.7 and 5, with hills."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(1.2, 6.0, 961)
    energies, spacing = dimer_free_energy(grid), grid[1] - grid[0]
    total, width, height = np.zeros_like(grid), 0.1, 0.01
    moves, tries = 0.3 * rng.standard_normal(steps), KT * np.log(rng.random(steps))
    r, place, centres, heights = 2.3, round((2.3 - grid[0]) / spacing), [], []
    samples = []
    for step in range(steps):
        if step % pace == 0:
            w = height * np.exp(-total[place] / (KT * (GAMMA - 1)))
            centres.append(r)
            heights.append(w * GAMMA / (GAMMA - 1))
            near = slice(max(place - 75, 0), place + 76)
            one = Hills(np.array([[r]]), np.array([[width]]), np.array([w]))
            total[near] += one.sum_at(grid[near, None])
        if step % 10 == 0:
            samples.append((r, total[place], len(centres)))
        new = r + moves[step]
        if not 1.7 < new < 5.0:
            continue
        there = round((new - grid[0]) / spacing)
        before, after = energies[place] + total[place], energies[there] + total[there]
        if after - before < -tries[step]:
            r, place = new, there
    series, biases, counts = (np.array(column) for column in zip(*samples, strict=True))
    widths = np.full((len(centres), 1), width)
    return (
        Hills(np.array(centres)[:, None], widths, np.array(heights), GAMMA),
        series,
        biases,
        counts,
    )


@pytest.fixture(scope="module")
def dimer():
    return dimer_run()


def test_hills_give_the_dimer_s_free_energy(dimer):
    hills, *_ = dimer
    r = np.linspace(1.95, 4.6, 60)
    exact = dimer_free_energy(r)
    difference = free_energy(hills, r[:, None]) - exact
    assert np.std(difference) < 0.4 * KT
    assert np.ptp(exact) > 3 * KT


def test_reweighting_gives_it_too(dimer):
    """c(t) makes samples of a growing bias those of the unbiased system."""
    hills, series, bias, counts = dimer
    grid = np.linspace(1.6, 5.1, 351)[:, None]
    offsets = bias_offsets(hills, grid, KT, counts)
    assert offsets[-1] > offsets[0] + KT
    keep = slice(len(series) // 5, None)
    weights = sample_weights(bias[keep], offsets[keep], KT)
    edges = np.linspace(1.9, 4.6, 28)
    inside = (series[keep] > edges[0]) & (series[keep] < edges[-1])
    values, weights = series[keep][inside, None], weights[inside]
    energy, error = WeightedSamples.of([values], [weights], [edges], KT, 5).free_energy()
    exact = dimer_free_energy(0.5 * (edges[1:] + edges[:-1]))
    difference = energy - exact
    assert np.std(difference) < 0.5 * KT
    assert 0.2 < np.sqrt(np.mean((difference - difference.mean()) ** 2)) / np.median(error) < 5


def test_equal_samples_have_equal_weights():
    weights = sample_weights(np.full(10, 0.3), np.full(10, 0.1), KT)
    np.testing.assert_allclose(weights, 0.1)


def test_c_of_constant_hills_is_refused():
    one = Hills(np.zeros((1, 1)), np.ones((1, 1)), np.ones(1))
    with pytest.raises(ValueError, match="bias factor"):
        bias_offsets(one, np.zeros((1, 1)), KT, np.array([1]))


def test_crossings_need_both_sides():
    series = np.array([0.0, 0.5, 1.0, 0.6, 1.0, 0.5, 0.0, 0.4, 0.0, 1.0])
    assert count_crossings(series, 0.2, 0.9) == 3
    assert count_crossings(np.full(5, 0.5), 0.2, 0.9) == 0


def settings(**changes):
    values = {
        "variables": [{"kind": "q6", "width": 0.02}],
        "temperature": 300,
        "height": 0.05,
        "bias_factor": 10,
        "pace": 0.5,
        "duration": 100,
    }
    return {**values, **changes}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"variables": []}, "variables"),
        ({"variables": [{"kind": "chart", "width": 0.1}]}, "give `coordinate`"),
        ({"variables": [{"kind": "q6", "width": 0.1, "coordinate": 1}]}, "give `coordinate`"),
        ({"variables": [{"kind": "q6", "width": 0.1}] * 2}, "name each once"),
        ({"variables": [{"kind": "q6", "width": 0.1, "neighbours": [2, 1]}]}, "ascending"),
        ({"bias_factor": 1}, "bias_factor"),
        ({"pace": 0.001}, "shorter than the time step"),
        ({"duration": 0.1}, "no hill would be added"),
    ],
)
def test_settings_are_checked(changes, expected):
    assert MetadynamicsSettings.problem(settings()) is None
    assert expected in MetadynamicsSettings.problem(settings(**changes))
