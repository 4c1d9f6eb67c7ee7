"""The bias of a run from its hills against their sum at each sample."""

import numpy as np
import pytest

from aiida_nanoclusters.science.sampling import bias_in_time as module
from aiida_nanoclusters.science.sampling.bias_in_time import bias_in_time
from aiida_nanoclusters.science.sampling.metadynamics import Hills


def walk(dimensions, hills=200, samples=500):
    rng = np.random.default_rng(dimensions)
    centres = rng.normal(size=(hills, dimensions))
    widths = np.tile(0.2 + 0.1 * np.arange(dimensions), (hills, 1))
    made = Hills(centres, widths, 0.02 + 0.01 * rng.random(hills), 8.0, stretched=False)
    return made, rng.normal(size=(samples, dimensions)), np.sort(rng.integers(0, hills, samples))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_each_sample_has_the_sum_of_the_hills_before_it(dimensions):
    hills, values, counts = walk(dimensions)
    exact = [
        hills.upto(int(n)).sum_at(place[None])[0] * hills.share
        for n, place in zip(counts, values, strict=True)
    ]
    assert np.max(exact) > 0.03
    np.testing.assert_allclose(bias_in_time(hills, values, counts), exact, atol=0.004)


def test_a_grid_that_would_be_too_large_is_coarser(monkeypatch):
    hills, values, counts = walk(2)
    fine = bias_in_time(hills, values, counts)
    monkeypatch.setattr(module, "_MOST_POINTS", 400)
    coarse = bias_in_time(hills, values, counts)
    assert 1e-3 < np.abs(coarse - fine).max() < 0.05


def test_without_hills_there_is_none():
    hills, values, _ = walk(1)
    found = bias_in_time(hills.upto(0), values, np.zeros(len(values), int))
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(bias_in_time(hills, values, np.zeros(len(values), int)), 0)
