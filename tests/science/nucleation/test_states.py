"""States by boundaries, and their shares."""

import numpy as np
import pytest

from aiida_nanoclusters.science.nucleation.states import (
    StateSettings,
    classify_by_boundaries,
    state_shares,
)


def test_states_of_solvent_numbers():
    assert classify_by_boundaries([0, 1, 2, 3, 12]).tolist() == [0, 1, 2, 3, 3]
    own = StateSettings(names=["dry", "wet"], boundaries=[0.5])
    assert classify_by_boundaries([0.49, 0.5, 7.0], own).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="not finite"):
        classify_by_boundaries([np.nan])


def two_states(seed, frames=3000, leave=0.05, enter=0.1):
    """A Markov chain that is in state 1 for leave / (leave + enter) of its time."""
    rng = np.random.default_rng(seed)
    state, found = 0, []
    for draw in rng.random(frames):
        state = int(draw < leave) if state == 0 else int(draw >= enter)
        found.append(state)
    return np.array(found)


def test_errors_cover_the_shares_of_a_markov_chain():
    own = StateSettings(names=["A", "B"], boundaries=[0.5])
    found = [state_shares(two_states(seed), own) for seed in range(80)]
    covered = [abs(one["B"].share - 1 / 3) < one["B"].error for one in found]
    assert 0.55 < np.mean(covered) < 0.8
    assert all(one["A"].share + one["B"].share == pytest.approx(1.0) for one in found)
    assert np.mean([one["B"].share for one in found]) == pytest.approx(1 / 3, abs=0.01)


def test_weights_and_states_that_were_not_visited():
    shares = state_shares([0, 1, 0, 1], weights=[3, 1, 3, 1])
    assert shares["A"].share == pytest.approx(0.75) and shares["B"].share == pytest.approx(0.25)
    assert shares["D"].share == 0.0
    with pytest.raises(ValueError, match="give one for each"):
        state_shares([0, 1], weights=[1.0])
    with pytest.raises(ValueError, match="empty"):
        state_shares([])


def test_settings_that_do_not_fit():
    for fix, wrong in {
        "3 `boundaries` between them": {"boundaries": [1.0]},
        "sort them": {"boundaries": [0.5, 2.5, 1.5]},
        "name of its own": {"names": ["A", "A"], "boundaries": [1.0]},
    }.items():
        assert fix in (StateSettings.problem(wrong) or "")
