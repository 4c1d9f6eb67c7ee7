"""Steps that are known, under noise that is correlated as that of dynamics is."""

import numpy as np
import pytest

from aiida_nanoclusters.science.nucleation.steps import find_steps


def noise(rng, count, memory):
    """Gaussian noise of unit variance whose correlation falls by exp(-1 / memory) a frame."""
    kept = np.exp(-1 / memory) if memory else 0.0
    values = np.zeros(count)
    for k, kick in enumerate(rng.normal(0, np.sqrt(1 - kept**2), count)):
        values[k] = kept * values[k - 1] + kick
    return values


def test_steps_without_noise():
    found = find_steps(np.repeat([1.0, 4 / 3, 2.5], [10, 10, 20]), 0.05, 9)
    assert [step.frame for step in found] == [10, 20]
    assert [step.after for step in found] == pytest.approx([4 / 3, 2.5])
    assert find_steps(np.ones(50), 0.05) == [] and find_steps(np.ones(1), 0.05) == []
    assert find_steps(np.repeat([1.0, 1.04], 20), 0.05) == []


@pytest.mark.parametrize("memory", [0, 5, 10])
def test_a_staircase_and_nothing_else(memory):
    """Nine steps of 0.3 every 200 frames, noise of 0.06; found within 12 frames."""
    rng = np.random.default_rng(7)
    heights = 1 + 0.3 * np.arange(10)
    for _ in range(5):
        series = np.repeat(heights, 200) + 0.06 * noise(rng, 2000, memory)
        found = find_steps(series, 0.05, 50)
        assert len(found) == 9
        for number, step in enumerate(found, start=1):
            assert abs(step.frame - 200 * number) <= 12
            assert step.after == pytest.approx(heights[number], abs=0.06)


def test_up_and_down():
    rng = np.random.default_rng(2)
    series = np.repeat([2.0, 3.0, 2.0], [400, 80, 520]) + 0.1 * noise(rng, 1000, 5)
    up, down = find_steps(series, 0.05, 25)
    assert abs(up.frame - 400) <= 2 and abs(down.frame - 480) <= 2
    assert up.after == down.before == pytest.approx(3.0, abs=0.1)


def test_noise_has_no_steps():
    """In 40 series of 1000 frames with a memory of 5 frames, at most one step is seen."""
    rng = np.random.default_rng(1)
    found = [find_steps(2 + 0.1 * noise(rng, 1000, 5), 0.05, 25) for _ in range(40)]
    assert sum(map(len, found)) <= 1
