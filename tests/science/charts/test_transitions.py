"""Dwell times and transitions against systems whose answers are exact."""

import numpy as np
import pytest

from aiida_nanoclusters.science.charts.transitions import (
    core_of,
    core_radii,
    find_transitions,
    running_mean,
    without_loops,
)


def chain(leave, steps, seed):
    """States of a Markov chain that leaves state k for the other with probability leave[k]."""
    rng = np.random.default_rng(seed)
    states, own = np.empty(steps, int), 0
    for step, draw in enumerate(rng.random(steps)):
        states[step] = own
        own = 1 - own if draw < leave[own] else own
    return states


def test_dwell_times_of_a_markov_chain():
    leave, interval = (0.02, 0.05), 2.0
    states = chain(leave, 50_000, 1)
    found = find_transitions(states, interval * np.arange(len(states)), 2)
    assert np.array_equal(found.states, states)
    assert len(found.events) == np.count_nonzero(np.diff(states)) == found.counts.sum()
    for dwell in found.dwells:
        exact = interval / leave[dwell.family]
        assert abs(dwell.mean - exact) < 3 * dwell.error
        assert dwell.error == pytest.approx(dwell.mean / np.sqrt(dwell.exits))
        # a geometric distribution has a deviation of sqrt(1 - p) means
        assert dwell.variation == pytest.approx(np.sqrt(1 - leave[dwell.family]), abs=0.1)
    total = interval * (len(states) - 1)
    assert sum(d.time for d in found.dwells) == pytest.approx(total)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Few exits, of which the last visit is always unfinished."""
    inside = 0
    for seed in range(300):
        states = chain((0.01, 0.5), 400, seed)
        dwell = find_transitions(states, np.arange(400), 2, confidence=0.9).dwells[0]
        inside += dwell.low <= 100 and (dwell.high is None or dwell.high >= 100)
    assert 0.87 <= inside / 300 <= 0.99  # such intervals are at least as wide as they say


def test_noise_across_the_border_makes_no_transitions():
    states = chain((0.002, 0.002), 40_000, 3)
    places = np.where(states, 1.0, -1.0) + np.random.default_rng(0).normal(0, 0.4, len(states))
    families = (places > 0).astype(int)
    centres = np.array([[-1.0], [1.0]])
    radii = core_radii(places[:, None], families, centres, 0.5)
    cores = core_of(places[:, None], families, centres, radii)
    assert 0.45 < np.mean(cores >= 0) < 0.55
    times = np.arange(len(states), dtype=float)
    true = np.count_nonzero(np.diff(states))
    assert len(find_transitions(families, times, 2).events) > 5 * true
    found = find_transitions(cores, times, 2)
    assert abs(len(found.events) - true) <= 2
    for dwell in found.dwells:
        assert abs(dwell.mean - 500) < 3 * dwell.error


def test_a_visit_counts_only_if_it_lasts():
    cores = [0, 0, 1, 0, 0, 1, 1, 1, 1, 0]
    times = np.arange(10.0)
    assert find_transitions(cores, times, 2).counts.tolist() == [[0, 2], [2, 0]]
    found = find_transitions(cores, times, 2, residence=3)
    (event,) = found.events
    assert (event.left, event.entered, event.origin, event.target) == (4, 5, 0, 1)
    # the last visit to 0 may still have been short
    assert found.states.tolist() == [0] * 5 + [1] * 5
    assert find_transitions(cores, times, 2, residence=20).events == ()


def test_unfinished_visits_and_several_trajectories():
    cores, runs = [0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 7, 7, 7, 7]
    times = [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0]
    found = find_transitions(cores, times, 3, runs=runs)
    (event,) = found.events  # none between the trajectories
    assert (event.run, event.left_at, event.entered_at) == (7, 1.0, 2.0)
    never, left = found.dwells
    assert (never.time, never.visits, never.exits, never.mean) == (4.0, 2, 0, None)
    assert never.high is None
    assert never.low == pytest.approx(4.0 / 3.689, rel=1e-3)  # no event seen: fewer than 3.7
    assert (left.time, left.exits, left.mean, left.error) == (2.0, 1, 2.0, 2.0)


def test_the_path_goes_through_families_that_have_no_visited_core():
    families = [4, 4, 2, 4, 2, 7, 2, 7, 3, 3]
    cores = [4, 4, -1, -1, -1, -1, -1, -1, -1, 3]
    (event,) = find_transitions(cores, np.arange(10.0), 8, families=families).events
    assert event.path == (4, 2, 7, 3)
    assert without_loops([1, 2, 3, 1, 5]) == (1, 5)


def test_frames_outside_of_all_families_are_in_no_core():
    radii = core_radii([[0.0], [1.0], [9.0]], [0, 0, -1], [[0.0], [5.0]], 1.0)
    assert radii.tolist() == [1.0, 0.0]
    cores = core_of([[0.5], [5.0], [5.1], [0.5]], [0, 1, 1, -1], [[0.0], [5.0]], radii)
    assert cores.tolist() == [0, 1, -1, -1]


def test_running_mean_of_a_line_is_the_line():
    line = np.stack([np.arange(9.0), -2 * np.arange(9.0)], axis=1)
    assert np.allclose(running_mean(line, 5), line)
    assert running_mean([1.0, 5.0, 0.0], 1).tolist() == [1.0, 5.0, 0.0]


@pytest.mark.parametrize(
    ("cores", "times", "message"),
    [([0, 1], [0.0, 0.0], "ascend"), ([0, 2], [0, 1], "from -1 to 1"), ([0], [0, 1], "2 times")],
)
def test_what_is_no_trajectory_is_refused(cores, times, message):
    with pytest.raises(ValueError, match=message):
        find_transitions(cores, times, 2)


def test_nothing_and_a_single_frame():
    assert find_transitions([], [], 2).dwells == ()
    (dwell,) = find_transitions([1], [0.0], 2).dwells
    assert (dwell.time, dwell.exits) == (0.0, 0)
