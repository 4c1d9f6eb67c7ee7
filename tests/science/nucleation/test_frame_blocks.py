"""Errors of averages over correlated frames, against series whose spread is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from aiida_nanoclusters.science.nucleation.frame_blocks import (
    BLOCK_LENGTH,
    FrameBlocks,
    frame_weights,
)


def correlated(seed, frames, memory):
    """An AR(1) series of variance one with statistical inefficiency (1 + memory)/(1 - memory)."""
    steps = np.random.default_rng(seed).normal(size=frames + 1000) * np.sqrt(1 - memory**2)
    return lfilter([1], [1, -memory], steps)[1000:]


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_errors_cover_the_mean_in_the_stated_share(memory):
    found = []
    for seed in range(150):
        series = correlated(seed, 2000, memory)
        mean = FrameBlocks.of(frame_weights(None, 2000), [series]).mean(series)
        found.append((float(mean.value), float(mean.error)))
    values, errors = np.array(found).T
    covered = np.mean(np.abs(values) < errors)
    assert 0.57 < covered < 0.78  # 68 %, with the spread of 150 trials
    assert np.mean(np.abs(values) < 2 * errors) > 0.88
    exact = np.sqrt((1 + memory) / (1 - memory) / 2000)
    assert np.mean(errors) == pytest.approx(exact, rel=0.1)


def test_weights_count_frames_as_often_as_they_stand_there():
    series = correlated(1, 400, 0.5)
    weights = np.repeat([1.0, 3.0], 200)
    blocks = FrameBlocks.of(frame_weights(weights, 400), [series])
    expected = (series[:200].mean() + 3 * series[200:].mean()) / 4
    assert blocks.mean(series).value == pytest.approx(expected)
    assert blocks.mean(series[:, None] * [1.0, 2.0]).value == pytest.approx(
        [expected, 2 * expected]
    )


def test_weights_that_leave_few_blocks_make_errors_wide():
    """All weight on a quarter of the frames: the errors are those of a quarter of them."""
    ratios = []
    for seed in range(60):
        series = correlated(seed, 2000, 0.5)
        weights = np.where(np.arange(2000) < 500, 1.0, 0.0)
        part = FrameBlocks.of(frame_weights(weights, 2000), [series]).mean(series)
        whole = FrameBlocks.of(frame_weights(None, 2000), [series]).mean(series)
        ratios.append(part.error / whole.error)
    assert np.mean(ratios) == pytest.approx(2.0, rel=0.2)


def test_blocks_are_longer_than_the_memory_of_every_series():
    fast, slow = correlated(2, 4000, 0.0), correlated(2, 4000, 0.97)
    weights = frame_weights(None, 4000)
    assert FrameBlocks.of(weights, [fast]).count == 20
    both = FrameBlocks.of(weights, [fast, slow])
    inefficiency = 1.97 / 0.03
    assert 2 <= both.count <= 2 * 4000 / (BLOCK_LENGTH * inefficiency)
    lengths = np.bincount(both.owner)
    assert (np.diff(both.owner) >= 0).all() and np.ptp(lengths) <= 1


def test_a_trajectory_too_short_has_a_mean_without_an_error():
    drift = np.linspace(0, 1, 50)
    blocks = FrameBlocks.of(frame_weights(None, 50), [drift])
    mean = blocks.mean(drift)
    assert blocks.count == 1 and mean.value == pytest.approx(0.5) and np.isnan(mean.error)
    assert mean.resampled.shape == (0,)


def test_equal_seeds_give_equal_errors():
    series, weights = correlated(3, 500, 0.5), frame_weights(None, 500)
    one, same, other = (FrameBlocks.of(weights, [series], seed=s).mean(series) for s in (1, 1, 2))
    assert one.error == same.error and one.error != other.error


def test_what_are_no_weights():
    with pytest.raises(ValueError, match="trajectory is empty"):
        frame_weights(None, 0)
    with pytest.raises(ValueError, match="give one for each"):
        frame_weights([1.0], 2)
    for wrong in ([-1.0, 2.0], [np.nan, 1.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match="not all zero"):
            frame_weights(wrong, 2)
