"""Populations of harmonic wells against temperature: exact."""

import numpy as np
import pytest
from ase.units import kB

from aiida_nanoclusters.science.charts.populations import SampledFrames, populations

#: Two wells of n oscillators each: the upper one is softer, and wins when it is hot.
LADDER = np.array([250.0, 300.0, 360.0, 430.0])
GAP, FREEDOM, SOFTER = 0.35, 12, 3.5


def exact(temperatures):
    """Share of the upper well: its partition function is (ratio of frequencies)^n larger."""
    ratio = np.exp(-GAP / (kB * temperatures)) * SOFTER**FREEDOM
    return ratio / (1 + ratio)


def replicas(times=1000, seed=0):
    """Independent draws at each temperature of the ladder, one frame a time, shuffled."""
    rng = np.random.default_rng(seed)
    upper = rng.random((times, len(LADDER))) < exact(LADDER)
    energies = GAP * upper + rng.gamma(FREEDOM / 2, kB * LADDER, size=upper.shape)
    steps, temperatures = np.meshgrid(100 * np.arange(times), LADDER, indexing="ij")
    order = rng.permutation(upper.size)
    columns = (temperatures, steps, energies, upper.astype(int))
    return [np.asarray(column).ravel()[order] for column in columns]


@pytest.fixture(scope="module")
def found():
    temperatures, steps, energies, upper = replicas()
    sampled = SampledFrames.sort(LADDER, temperatures, steps, energies)
    whole = sampled.reweighting()
    shares = populations(sampled, upper, ["low", "high"], reweighting=whole)
    return sampled, shares, upper, whole


def test_wells_change_places_within_the_ladder():
    assert exact(LADDER[0]) < 0.3 < 0.8 < exact(LADDER[-1])


def test_populations_are_the_exact_ones_between_the_temperatures_as_well(found):
    _, shares, _, _ = found
    off = shares.shares[1] - exact(shares.temperatures)
    assert np.all(np.abs(off) < 3.5 * shares.errors[1])
    assert np.all(shares.errors < 0.03)
    assert np.allclose(shares.shares.sum(axis=0), 1)
    assert len(shares.temperatures) > 2 * len(LADDER)


def test_counts_are_the_frames_themselves(found):
    sampled, shares, upper, _ = found
    assert shares.counts.sum(axis=0).tolist() == [1000] * 4
    assert shares.counts[1].tolist() == upper[sampled.frames].sum(axis=0).tolist()
    reweighted = np.interp(LADDER, shares.temperatures, shares.shares[1])
    assert np.abs(shares.counts[1] / 1000 - reweighted).max() < 0.04


def test_reweighting_has_smaller_errors_than_counting(found):
    _, shares, _, _ = found
    counted = np.sqrt(exact(LADDER) * (1 - exact(LADDER)) / 1000)
    at = np.interp(LADDER, shares.temperatures, shares.errors[1])
    assert np.mean(at / counted) < 1


def test_frames_without_a_class_are_counted(found):
    sampled, _, upper, whole = found
    classes = np.where(upper == 1, 0, -1)
    at = np.array([300.0])
    shares = populations(sampled, classes, ["high"], at, reweighting=whole)
    assert shares.unclassified.tolist() == (1000 - shares.counts[0]).tolist()
    with pytest.raises(ValueError, match="class 1 has no name"):
        populations(sampled, upper, ["low"], reweighting=whole)


def test_times_with_a_missing_frame_are_left_out_and_told():
    temperatures, steps, energies, _ = replicas(20)
    gone = np.flatnonzero((steps == 300) & (temperatures == LADDER[2]))
    rest = [np.delete(column, gone) for column in (temperatures, steps, energies)]
    sampled = SampledFrames.sort(LADDER, *rest)
    assert sampled.frames.shape == (19, 4)
    assert sampled.left_out == 3
    later = SampledFrames.sort(LADDER, *rest, first_step=1000)
    assert later.frames.shape == (10, 4)
    assert np.all(np.asarray(rest[1])[later.frames] >= 1000)


def test_what_is_no_run_of_the_ladder_is_refused():
    with pytest.raises(ValueError, match="290 K is none"):
        SampledFrames.sort(LADDER, [290.0], [0], [0.0])
    with pytest.raises(ValueError, match="two frames"):
        SampledFrames.sort(LADDER, [250.0, 250.0], [0, 0], [0.0, 0.0])
    with pytest.raises(ValueError, match="every temperature"):
        SampledFrames.sort(LADDER, [250.0], [0], [0.0])


def test_weights_give_the_populations_and_their_errors(found):
    """The share of the upper well from the weights of single frames, and of each resampling."""
    sampled, shares, upper, whole = found
    at = float(shares.temperatures[5])
    weights, draws = whole.weights(at)
    above = upper[sampled.frames] == 1
    assert weights.sum() == pytest.approx(1)
    assert weights[above].sum() == pytest.approx(shares.shares[1, 5])
    spread = [draw[above].sum() for draw in draws]
    assert np.std(spread, ddof=1) == pytest.approx(shares.errors[1, 5])
