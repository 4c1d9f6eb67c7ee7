"""What runs of a double well say of it, and runs that are too short to say anything."""

import json
from dataclasses import replace

import numpy as np
import pytest

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun, analyse_runs
from aiida_nanoclusters.science.sampling.metadynamics_basins import energy_words, in_words
from tests.science.sampling.test_shared_bias import (
    KT,
    SETTINGS,
    double_well,
    runs_of,
    walk,
    walkers,
    whole,
)

__all__ = ["walkers"]  # a fixture

ONE = SETTINGS.model_copy(update={"walkers": 1})
#: Whole of the right well above the left one, and the barrier above the bottom of the left one.
X = np.linspace(-3, 3, 6001)
WEIGHTS = np.exp(-double_well(X) / KT)
TOP = X[2000:4000][np.argmax(double_well(X)[2000:4000])]
DIFFERENCE = -KT * np.log(WEIGHTS[X > TOP].sum() / WEIGHTS[X < TOP].sum())
BARRIER = double_well(TOP) - double_well(X).min()


def metadynamics(steps, seed=1):
    _, arrays = walk(-1.0, None, steps, np.random.default_rng(seed))
    return BiasedRun(
        arrays[keys.STEPS], arrays[keys.TIMES], arrays[keys.VARIABLES],
        arrays[keys.HILLS_ENERGIES], arrays[keys.HILL_STEPS], whole(arrays),
    )  # fmt: skip


@pytest.fixture(scope="module")
def long():
    return metadynamics(150_000)


def cut(run, samples):
    """The first samples of a run."""
    hills = int((run.hill_steps < run.steps[samples - 1]).sum()) if samples else 0
    return replace(
        run, steps=run.steps[:samples], times=run.times[:samples], bias=run.bias[:samples],
        variables=run.variables[:samples], hill_steps=run.hill_steps[:hills],
        hills=run.hills.upto(hills),
    )  # fmt: skip


def stored(answer):
    """As a database takes it: no infinity, no NaN."""
    return json.loads(json.dumps(answer, allow_nan=False))


def test_a_long_run(long):
    arrays, _, answer = analyse_runs({"run_000": long}, ONE)
    answer = stored(answer)
    low, high = answer["basins"]
    assert (low["name"], high["name"]) == ("A", "B")
    assert low["place"]["d"] == pytest.approx(-1, abs=0.2)
    assert high["place"]["d"] == pytest.approx(1, abs=0.2)
    own, path = answer["difference"], answer["path"]
    assert own["error"] < 0.3 * KT and own["error_by_hills"] < 0.6 * KT
    assert abs(own["by_reweighting"] - DIFFERENCE) < 3 * own["error"]
    assert abs(own["by_hills"] - DIFFERENCE) < 3 * own["error_by_hills"]
    assert high["free_energy"] == pytest.approx(own["by_reweighting"])
    assert own["crossings"] > 50 and answer["converged"], answer["reason"]
    assert path["barrier"] == pytest.approx(BARRIER, abs=3 * path["barrier_error"] + 0.1 * KT)
    assert path["barrier"] - path["barrier_back"] == pytest.approx(high["lowest"])
    assert arrays[keys.PATH_VARIABLES][0, 0] == pytest.approx(low["place"]["d"])
    assert arrays[keys.DIFFERENCE_TIMES][-1] == pytest.approx(long.times[-1])
    assert arrays[keys.BASIN_DIFFERENCES][-1] == pytest.approx(own["by_reweighting"])
    assert set(arrays[keys.BASIN_LABELS]) >= {0, 1}


def test_runs_that_are_too_short_say_so(long):
    for samples in (0, 1, 2, 3, 5, 10, 30, 100):
        for hills in (long.hills, None):
            run = (
                cut(long, samples) if hills is not None else replace(cut(long, samples), hills=None)
            )
            _, report, answer = analyse_runs({"run_000": run}, ONE)
            assert not stored(answer)["converged"], samples
            assert answer["reason"].startswith("not converged: ")
            assert stored(report)["run_000"]["hills"] == (
                0 if hills is None else len(run.hill_steps)
            )
            assert in_words(answer)[0].startswith("Not converged: ")
    arrays, _, answer = analyse_runs({"run_000": cut(long, 0)}, ONE)
    assert arrays == {} and "no run has a sample" in answer["reason"]
    _, _, answer = analyse_runs({"run_000": cut(long, 100)}, ONE)
    assert [own["name"] for own in answer["basins"]] == ["A"] and "one basin alone" in answer[
        "reason"
    ]


def test_a_run_without_samples_beside_one_that_has_some(long):
    alone = analyse_runs({"run_000": long}, ONE)
    beside = analyse_runs({"run_000": long, "run_001": cut(long, 0)}, ONE)
    assert beside[2] == alone[2] and beside[1]["run_001"]["ranges"] == {}


def test_walkers_with_one_bias_count_by_their_weights(walkers):
    """One that stays in a well would otherwise count as much as one that goes to and fro."""
    _, _, answer = analyse_runs(runs_of(walkers), SETTINGS)
    own = answer["difference"]
    assert abs(own["by_reweighting"] - DIFFERENCE) < 3 * own["error"] < KT


def test_a_static_bias_needs_no_hills():
    """As OPES has it: weights are those of the bias alone."""
    rng, samples = np.random.default_rng(3), 20_000
    grid = X[(X > -2) & (X < 2)]
    share = np.exp(-0.3 * double_well(grid) / KT)  # a bias of -0.7 of the energy
    values = rng.choice(grid, samples, p=share / share.sum())
    run = BiasedRun(
        np.arange(samples), np.arange(samples) * 0.01, values[:, None],
        -0.7 * double_well(values), np.empty(0, np.int64), None,
    )  # fmt: skip
    arrays, _, answer = analyse_runs({"run_000": run}, ONE)
    own = stored(answer)["difference"]
    assert own["by_hills"] is None and own["error_by_hills"] is None
    assert keys.BASIN_DIFFERENCES_BY_HILLS not in arrays
    assert abs(own["by_reweighting"] - DIFFERENCE) < 3 * own["error"] < 0.3 * KT
    assert answer["converged"] and "hills" not in " ".join(in_words(answer))


def test_energies_in_both_units():
    assert energy_words(-0.1, 0.01) == "−0.100 ± 0.010 eV (−2.31 ± 0.23 kcal/mol)"
    assert energy_words(0.1, None) == "0.100 eV (2.31 kcal/mol, of unknown error)"
    assert energy_words(None, None) == "an unknown energy"
