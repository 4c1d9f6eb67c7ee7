"""Errors by blocks on chains of two states, whose free energy and memory are known."""

import numpy as np
import pytest

from aiida_nanoclusters.science.sampling.weighted_blocks import WeightedSamples

KT = 0.025
EDGES = [np.array([-0.5, 0.5, 1.5])]
LABEL = np.array([0, 1])
#: Probabilities of a step from 0 to 1 and from 1 to 0.
UP, DOWN = 0.02, 0.05


def chain(length, seed):
    draws, state, states = np.random.default_rng(seed).random(length), 0, np.empty(length)
    for k, draw in enumerate(draws):
        state = (1 if draw < UP else 0) if state == 0 else (0 if draw < DOWN else 1)
        states[k] = state
    return states[:, None]


def samples(length=20_000, seed=1, blocks=20, runs=1, weights=None):
    values = [chain(length, seed + k) for k in range(runs)]
    given = [np.ones(length) if weights is None else weights(own[:, 0]) for own in values]
    return WeightedSamples.of(values, given, EDGES, KT, blocks)


def test_the_memory_is_that_of_the_chain():
    """(1 + r)/(1 - r) for the correlation r = 1 - p(up) - p(down) of neighbours."""
    exact = (2 - UP - DOWN) / (UP + DOWN)
    found = samples(200_000).inefficiency(LABEL)
    assert found == pytest.approx(exact, rel=0.1)
    assert samples(50_000, runs=4).inefficiency(LABEL) == pytest.approx(exact, rel=0.1)


def test_weights_count():
    """Samples of the second state twice as heavy: k T ln 2 lower."""
    plain, heavy = samples(), samples(weights=lambda x: 1 + x)
    change = heavy.difference(LABEL)[0] - plain.difference(LABEL)[0]
    assert change == pytest.approx(-KT * np.log(2), abs=1e-12)
    energies, _ = heavy.free_energy()
    assert energies[1] - energies[0] == pytest.approx(heavy.difference(LABEL)[0], abs=1e-12)


def test_errors_hold_the_truth_as_often_as_they_say():
    exact = KT * np.log(DOWN / UP)
    found = np.array([samples(seed=s).difference(LABEL) for s in range(100, 160)])
    off = np.abs(found[:, 0] - exact) / found[:, 1]
    assert 0.55 < np.mean(off < 1) < 0.82 and np.mean(off < 2) > 0.87
    # of cells the error is relative to both together
    one = samples(seed=7)
    _, errors = one.free_energy()
    assert errors.sum() <= one.difference(LABEL)[1] * (1 + 1e-9)
    few = one.split(5)
    assert few.free_energy()[1].sum() == pytest.approx(few.difference(LABEL)[1], rel=1e-9)


def test_a_memory_longer_than_a_block_shows_in_longer_ones():
    """Blocks of 24, whose difference changes its sign at every fourth."""
    swing = 0.5 + 0.2 * np.sign(np.sin(2 * np.pi * (np.arange(24) + 0.5) / 8))
    rng = np.random.default_rng(5)
    values = np.concatenate([(rng.random(500) < p).astype(float) for p in swing])
    one = WeightedSamples.of([values[:, None]], [np.ones(12_000)], EDGES, KT, 24)
    _, cells = one.free_energy()  # these know of blocks of one length alone
    assert one.difference(LABEL)[1] > 1.8 * cells.sum()


def test_blocks_shorter_than_the_memory_give_errors_that_are_too_small():
    whole = samples(100_000)
    assert whole.split(50_000).difference(LABEL)[1] < 0.5 * whole.difference(LABEL)[1]


def test_resampling_spreads_as_the_error_says():
    one = samples(100_000, blocks=50)
    found = one.resampled()
    spread = (found[:, 1] - found[:, 0]).std(ddof=1)
    assert spread == pytest.approx(one.difference(LABEL)[1], rel=0.25)


def test_the_first_part_of_each_run():
    both = samples(1000, blocks=10, runs=2)
    half = both.until(0.5)
    assert both.number == 20 and half.number == 10 and len(half.cells) == 1000
    np.testing.assert_array_equal(half.cells[:500], both.cells[:500])
    np.testing.assert_array_equal(half.cells[500:], both.cells[1000:1500])
    assert both.until(0.0).difference(LABEL) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_too_few_samples():
    one = WeightedSamples.of([np.zeros((1, 1))], [np.ones(1)], EDGES, KT, 5)
    energies, errors = one.free_energy()
    assert energies[0] == 0 and np.isnan(errors).all() and one.number == 1
    assert np.isnan(one.difference(LABEL)[0]) and one.inefficiency(LABEL) == np.inf
