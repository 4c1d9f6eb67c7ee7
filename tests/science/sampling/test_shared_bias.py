"""Walkers with one bias: every hill once, and each acts from when the walker knew of it."""

import numpy as np
import pytest
from ase.units import kB

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics import Hills
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun, analyse_runs
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.shared_bias import join_walkers, pool_hills

TEMPERATURE = 300.0
KT = kB * TEMPERATURE
SETTINGS = MetadynamicsSettings(
    **{
        "collective_variables": [
            {"name": "d", "width": 0.2,
             "terms": [{"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}]}
        ],
        "walkers": 3, "exchange_every": 100, "duration": 1000, "pace": 0.05, "timestep": 0.001,
        "print_every": 0.01, "temperature": TEMPERATURE, "height": 0.5 * KT, "bias_factor": 6,
        "cells": 30, "discard": 0.2,
    }
)  # fmt: skip


def part(steps, hill_steps, number):
    """Values and hills that are told apart by the number."""
    steps, hill_steps = np.array(steps), np.array(hill_steps)
    return {
        keys.STEPS: steps, keys.TIMES: steps * 0.001,
        keys.VARIABLES: (number + steps / 1000)[:, None],
        keys.BIAS_ENERGIES: steps * 1.0, keys.HILLS_ENERGIES: steps * 2.0,
        keys.HILL_STEPS: hill_steps,
        keys.HILL_CENTRES: (number + hill_steps / 1000)[:, None],
        keys.HILL_WIDTHS: np.full((len(hill_steps), 1), 0.2),
        keys.HILL_HEIGHTS: np.full(len(hill_steps), 0.1),
    }  # fmt: skip


def test_every_hill_is_there_once_and_acts_from_when_it_was_known():
    rounds = [
        {0: part([0, 10, 20], [5, 15], 100), 1: part([0, 10, 20], [5, 15], 200)},
        {0: part([0, 10], [5], 300), 1: part([0, 10], [5, 9], 400)},
    ]
    found = join_walkers(rounds, [0.02, 0.01])
    one = found[0]
    np.testing.assert_array_equal(one[keys.STEPS], [0, 10, 20, 30])
    np.testing.assert_allclose(one[keys.TIMES], [0, 0.01, 0.02, 0.03])
    np.testing.assert_allclose(one[keys.VARIABLES][:, 0], [100, 100.01, 100.02, 300.01])
    np.testing.assert_array_equal(one[keys.HILL_STEPS], [5, 15, 20, 20, 25, 30, 30])
    order = [100.005, 100.015, 200.005, 200.015, 300.005, 400.005, 400.009]
    np.testing.assert_allclose(one[keys.HILL_CENTRES][:, 0], order)
    np.testing.assert_array_equal(found[1][keys.HILL_STEPS], [5, 15, 20, 20, 25, 29, 30])
    for name in (keys.HILL_CENTRES, keys.HILL_HEIGHTS):
        np.testing.assert_allclose(np.sort(found[1][name], axis=0), np.sort(one[name], axis=0))
    pooled = pool_hills([part for parts in rounds for part in parts.values()])
    assert len(pooled[keys.HILL_HEIGHTS]) == 7


def test_a_walker_that_is_missing_in_the_last_round():
    rounds = [
        {0: part([0, 10, 20], [5], 100), 1: part([0, 10, 20], [5], 200)},
        {1: part([0, 10], [5], 400)},
    ]
    found = join_walkers(rounds, [0.02, 0.02])
    np.testing.assert_array_equal(found[0][keys.STEPS], [0, 10, 20])
    assert len(found[0][keys.HILL_STEPS]) == 3 and found[0][keys.HILL_STEPS].max() >= 20
    np.testing.assert_array_equal(found[1][keys.STEPS], [0, 10, 20, 30])


def double_well(x):
    return 4 * KT * (x**2 - 1) ** 2 + KT * x


def walk(x, hills, steps, rng):
    """Monte Carlo on the double well under hills, own ones every fifty steps; as one round."""
    settings = SETTINGS.hills
    grid = np.linspace(-4, 4, 1601)
    total = hills.share * hills.sum_at(grid[:, None]) if hills is not None else np.zeros(1601)
    energies = double_well(grid)
    moves, tries = 0.4 * rng.standard_normal(steps), np.log(rng.random(steps))
    rows, own = [], []
    place = round((x + 4) / 0.005)
    for step in range(1, steps + 1):
        there = round((x + moves[step - 1] + 4) / 0.005)
        if 0 <= there < 1601:
            rise = energies[there] + total[there] - energies[place] - total[place]
            if rise < -KT * tries[step - 1]:
                x, place = x + moves[step - 1], there
        if step % 10 == 0:
            rows.append((step, x, total[place]))
        if step % settings.pace == 0:
            height = settings.height * np.exp(-total[place] / (kB * settings.bias_temperature))
            total += height * np.exp(-0.5 * ((grid - x) / 0.2) ** 2)
            own.append((step, x, height * settings.bias_factor / (settings.bias_factor - 1)))
    (at, series, bias), (hill_steps, centres, heights) = np.array(rows).T, np.array(own).T
    return x, {
        keys.STEPS: at.astype(int), keys.TIMES: at * 0.001, keys.VARIABLES: series[:, None],
        keys.BIAS_ENERGIES: bias, keys.HILLS_ENERGIES: bias,
        keys.HILL_STEPS: hill_steps.astype(int), keys.HILL_CENTRES: centres[:, None],
        keys.HILL_WIDTHS: np.full((len(own), 1), 0.2), keys.HILL_HEIGHTS: heights,
    }  # fmt: skip


def whole(arrays):
    found = (arrays[name] for name in (keys.HILL_CENTRES, keys.HILL_WIDTHS, keys.HILL_HEIGHTS))
    return Hills(*found, SETTINGS.bias_factor, stretched=False)


@pytest.fixture(scope="module")
def walkers():
    """Three of them, of which two begin on the left; eight exchanges."""
    rng, rounds, places = np.random.default_rng(5), [], [-1.0, -1.0, 1.0]
    pooled = None
    for _ in range(8):
        parts = {}
        for k in range(3):
            before = None if pooled is None else whole(pooled)
            places[k], parts[k] = walk(places[k], before, 5000, rng)
        rounds.append(parts)
        pooled = pool_hills([*([pooled] if pooled else []), *parts.values()])
    return join_walkers(rounds, [5.0] * 8)


def runs_of(walkers):
    return {
        f"run_000_walker_{k:03d}": BiasedRun(
            arrays[keys.STEPS], arrays[keys.TIMES], arrays[keys.VARIABLES],
            arrays[keys.BIAS_ENERGIES], arrays[keys.HILL_STEPS], whole(arrays),
        )
        for k, arrays in walkers.items()
    }  # fmt: skip


def test_the_bias_of_each_value_is_that_of_the_hills_that_acted(walkers):
    for run in runs_of(walkers).values():
        for place in (100, 499, 500, 501, 1700, 3999):
            count = int(np.searchsorted(run.hill_steps, run.steps[place], side="left"))
            hills = run.hills.upto(count)
            expected = hills.share * hills.sum_at(run.variables[place][None])[0]
            assert run.bias[place] == pytest.approx(expected, rel=0.02, abs=0.03 * KT)


def test_the_free_energy_is_that_of_the_well(walkers):
    arrays, *_ = analyse_runs(runs_of(walkers), SETTINGS)
    (edges,) = arrays[keys.CELL_EDGES]
    middle = 0.5 * (edges[1:] + edges[:-1])
    inside = np.abs(middle) < 1.3
    exact = double_well(middle)[inside]
    for name, most in ((keys.FREE_ENERGIES, 0.3), (keys.FREE_ENERGIES_BY_HILLS, 0.4)):
        assert np.std(arrays[name][inside] - exact) < most * KT
