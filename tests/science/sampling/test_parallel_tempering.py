"""Swaps, ladders and reweighting of parallel tempering against what is known exactly."""

import itertools

import numpy as np
import pytest
from ase.units import kB

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.parallel_tempering import (
    SwapTable,
    choose_ladder,
    gaussian_acceptance,
    geometric_ladder,
    harmonic_acceptance,
    pair_acceptance,
    replica_flow,
    round_trips,
)
from aiida_nanoclusters.science.sampling.replica_swaps import (
    swap_probability,
    swapped_temperatures,
)
from aiida_nanoclusters.science.sampling.reweighting import Reweighting


def harmonic_run(ladder: np.ndarray, freedom: int, attempts: int, seed: int) -> SwapTable:
    """Replicas whose energies are drawn from the exact distribution before each attempt."""
    rng, betas = np.random.default_rng(seed), 1 / (kB * ladder)
    indices, rows, energies = np.arange(len(ladder)), [], []
    for attempt in range(attempts):
        energies.append(rng.gamma(freedom / 2, kB * ladder[indices]))
        indices = swapped_temperatures(indices, energies[-1], betas, attempt, seed)
        rows.append(indices)
    steps = 10 * np.arange(1, attempts + 1)
    table = np.array(energies)
    return SwapTable(ladder, steps, np.array(rows), table, np.zeros_like(table))


@pytest.mark.parametrize(("cold", "hot", "freedom"), [(300, 400, 6), (300, 330, 108), (50, 90, 20)])
def test_acceptance_of_two_harmonic_replicas_is_the_exact_one(cold, hot, freedom) -> None:
    attempts = 8000
    table = harmonic_run(np.array([cold, hot], float), freedom, attempts, seed=3)
    (accepted,), (tried,) = pair_acceptance(table)
    exact = harmonic_acceptance(cold, hot, freedom)
    assert tried == attempts / 2  # the other half of the attempts is for pairs that do not exist
    assert accepted == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / tried))
    # the temperatures keep their own energies
    means = table.energies.mean(axis=0)
    errors = np.sqrt(freedom / 2) * kB * table.temperatures / np.sqrt(attempts)
    assert np.all(np.abs(means - freedom / 2 * kB * table.temperatures) < 4 * errors)


def test_exact_acceptance_is_the_mean_of_the_rule() -> None:
    """The incomplete beta function, by an integral over both energies."""
    cold, hot, freedom = 300.0, 380.0, 7
    rng = np.random.default_rng(0)
    first, second = (rng.gamma(freedom / 2, kB * t, size=200_000) for t in (cold, hot))
    step = 1 / (kB * cold) - 1 / (kB * hot)
    sampled = np.minimum(1, np.exp(step * (first - second)))
    error = sampled.std() / np.sqrt(len(sampled))
    assert harmonic_acceptance(cold, hot, freedom) == pytest.approx(sampled.mean(), abs=4 * error)


def test_rule_is_detailed_balance() -> None:
    """Ratio of both directions is the ratio of the weights of both states."""
    cold, hot, a, b = 40.0, 31.0, -1.25, -1.1
    ratio = swap_probability(cold, hot, a, b) / swap_probability(cold, hot, b, a)
    assert ratio == pytest.approx(np.exp(-cold * b - hot * a + cold * a + hot * b))


def test_large_harmonic_systems_are_gaussian() -> None:
    cold, hot, freedom = 300.0, 315.0, 1200
    energies = tuple(freedom / 2 * kB * t for t in (cold, hot))
    widths = tuple(np.sqrt(freedom / 2) * kB * t for t in (cold, hot))
    found = gaussian_acceptance((cold, hot), energies, widths)
    assert found == pytest.approx(harmonic_acceptance(cold, hot, freedom), abs=2e-3)
    assert gaussian_acceptance((300.0, 400.0), (1.0, 1.0), (0.0, 0.0)) == 1.0


def test_ladder_of_a_constant_heat_capacity_is_geometric() -> None:
    freedom, probes = 300, geometric_ladder(300, 900, 8)
    means, widths = freedom / 2 * kB * probes, np.sqrt(freedom / 2) * kB * probes
    ladder = choose_ladder(probes, means, widths, acceptance=0.3, most=40)
    assert ladder[0] == 300 and ladder[-1] == 900
    ratios = ladder[1:] / ladder[:-1]
    assert ratios == pytest.approx(np.full(len(ratios), ratios.mean()), rel=5e-3)
    exact = [harmonic_acceptance(a, b, freedom) for a, b in itertools.pairwise(ladder)]
    assert min(exact) > 0.29
    # one temperature fewer would not do
    fewer = geometric_ladder(300, 900, len(ladder) - 1)
    assert harmonic_acceptance(fewer[0], fewer[1], freedom) < 0.3


def test_ladder_of_too_few_temperatures_spreads_them() -> None:
    probes = geometric_ladder(300, 900, 5)
    means, widths = 500 * kB * probes, np.sqrt(500) * kB * probes
    ladder = choose_ladder(probes, means, widths, acceptance=0.5, most=6)
    assert len(ladder) == 6 and ladder[-1] == 900
    assert np.ptp(ladder[1:] / ladder[:-1]) < 0.02


def test_round_trips_and_flow_of_a_known_path() -> None:
    """One replica climbs and returns twice, the other does the opposite."""
    path = np.array([1, 0, 1, 0])  # after each attempt, of a replica that begins at 0
    rows = np.stack([path, 1 - path], axis=1)
    zeros = np.zeros(rows.shape)
    table = SwapTable(np.array([300.0, 400.0]), np.arange(4) + 1, rows, zeros, zeros)
    assert round_trips(table).tolist() == [2, 1]
    assert replica_flow(table).tolist() == [1.0, 0.0]
    assert pair_acceptance(table)[0].tolist() == [1.0]


def test_repeated_attempts_of_a_later_job_count_once() -> None:
    table = harmonic_run(np.array([300.0, 350.0, 420.0]), 12, 30, seed=1)
    parts = [table.rows(0, 14), table.rows(10, 20), table.rows(20)]
    joined = SwapTable.joined(parts)
    assert np.array_equal(joined.steps, table.steps)
    assert np.array_equal(joined.replica_temperatures, table.replica_temperatures)
    assert np.array_equal(joined.replica_energies, table.replica_energies)


# -- reweighting ---------------------------------------------------------------------------

LADDER = np.array([280.0, 320.0, 370.0, 430.0])


def schottky(temperature: np.ndarray, gap: float, degeneracy: float) -> np.ndarray:
    """Share of the upper of two levels."""
    weight = degeneracy * np.exp(-gap / (kB * temperature))
    return weight / (1 + weight)


def two_levels(seed: int, gap: float = 0.3, degeneracy: float = 3e4, samples: int = 1000):
    """Independent samples of a system with two levels, at each temperature of the ladder."""
    rng = np.random.default_rng(seed)
    upper = rng.random((samples, len(LADDER))) < schottky(LADDER, gap, degeneracy)
    return gap * upper, upper.astype(int)


def test_heat_capacity_of_harmonic_energies_with_errors() -> None:
    freedom, at = 60, np.array([280.0, 300.0, 345.0, 400.0, 430.0])
    rng = np.random.default_rng(5)
    energies = rng.gamma(freedom / 2, kB * LADDER, size=(1500, 4)) - 130.0
    found = Reweighting(LADDER, energies).thermodynamics(at, atoms=10, freedom=freedom)
    means, capacities = found[keys.POTENTIAL_ENERGIES], found[keys.HEAT_CAPACITIES]
    exact = (freedom / 2 * kB * at - 130.0) / 10
    assert np.all(np.abs(means - exact) < 4 * found[keys.POTENTIAL_ENERGY_ERRORS])
    assert np.all(np.abs(capacities - freedom / 10) < 4 * found[keys.HEAT_CAPACITY_ERRORS])
    assert np.all(found[keys.HEAT_CAPACITY_ERRORS] < 0.05 * freedom / 10)


def test_heat_capacity_and_populations_of_two_levels() -> None:
    """Schottky's peak lies between temperatures of the ladder."""
    gap, degeneracy = 0.3, 3e4
    energies, classes = two_levels(2)
    run, at = Reweighting(LADDER, energies), np.linspace(280, 430, 16)
    upper = schottky(at, gap, degeneracy)
    found = run.thermodynamics(at)
    exact = (gap / (kB * at)) ** 2 * upper * (1 - upper)
    errors = found[keys.HEAT_CAPACITY_ERRORS]
    assert np.all(np.abs(found[keys.HEAT_CAPACITIES] - exact) < 4 * errors)
    shares = run.populations(classes, 2, at)
    assert shares[keys.POPULATIONS].sum(axis=0) == pytest.approx(np.ones(16))
    assert np.all(
        np.abs(shares[keys.POPULATIONS][1] - upper) < 4 * shares[keys.POPULATION_ERRORS][1]
    )
    assert run.grid()[[0, -1]].tolist() == [280.0, 430.0]


def test_errors_are_those_of_repetitions() -> None:
    at = np.array([300.0, 345.0, 400.0])
    runs = [
        Reweighting(LADDER, two_levels(seed, samples=200)[0]).thermodynamics(at)
        for seed in range(7)
    ]
    spread = np.std([run[keys.HEAT_CAPACITIES] for run in runs], axis=0, ddof=1)
    stated = np.mean([run[keys.HEAT_CAPACITY_ERRORS] for run in runs], axis=0)
    assert np.all(stated / spread > 0.4) and np.all(stated / spread < 2.5)


def test_correlation_widens_errors() -> None:
    """Each sample ten times in a row tells nothing new."""
    energies = two_levels(4, samples=160)[0]  # blocks of eight
    once = Reweighting(LADDER, energies).thermodynamics(np.array([345.0]))
    repeated = Reweighting(LADDER, np.repeat(energies, 10, axis=0))
    again = repeated.thermodynamics(np.array([345.0]))
    ratio = again[keys.HEAT_CAPACITY_ERRORS] / once[keys.HEAT_CAPACITY_ERRORS]
    assert ratio == pytest.approx(1.0, abs=1e-3)  # independent samples would give 0.32


def test_unusable_energies_are_refused() -> None:
    with pytest.raises(ValueError, match="one column for each"):
        Reweighting(LADDER, np.zeros((5, 3)))
    with pytest.raises(ValueError, match="run longer"):
        Reweighting(LADDER, np.zeros((1, 4)))
    with pytest.raises(ValueError, match="not finite"):
        Reweighting(LADDER, np.full((5, 4), np.nan))
