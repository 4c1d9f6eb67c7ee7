"""When a difference of basins counts as converged, and how often runs go to and fro."""

from dataclasses import replace

import numpy as np
import pytest

from aiida_nanoclusters.science.sampling.basin_difference import (
    MOMENTS,
    DifferenceOverTime,
    crossings,
    difference_over_time,
    judge,
    late_height,
)
from aiida_nanoclusters.science.sampling.basins import find_basins
from aiida_nanoclusters.science.sampling.metadynamics import Hills
from aiida_nanoclusters.science.sampling.weighted_blocks import WeightedSamples

KT = 0.025
SHARES = np.arange(1, MOMENTS + 1) / MOMENTS


def settled(**changes):
    """0.1 eV by both."""
    early = SHARES <= 0.2
    one = DifferenceOverTime(
        SHARES, np.where(early, np.nan, 0.1), np.where(early, np.nan, 0.004),
        0.1 + 0.002 * (-1.0) ** np.arange(MOMENTS), 0.002,
    )  # fmt: skip
    return replace(one, **changes)


def test_one_that_has_settled():
    converged, reason = judge(settled(), KT, 0.03, 40)
    assert converged and reason == (
        "converged: by reweighting B is 0.100 ± 0.004 eV above A, by hills 0.098 ± 0.002 eV; over "
        "the last third it changed by 0.000 eV; the last hills have 3 % of the height of the first"
    )
    converged, reason = judge(settled(by_hills=None, error_by_hills=np.nan), KT, None, 40)
    assert converged and "hills" not in reason


#: Known in the last tenth only.
LATE = np.where(SHARES < 0.9, np.nan, 0.1)


@pytest.mark.parametrize(
    "changes, last, count, expected",
    [
        ({"by_hills": np.full(MOMENTS, 0.12)}, 0.03, 40, "they differ by more than twice"),
        ({"differences": np.linspace(0.0, 0.1, MOMENTS)}, 0.03, 40, "over the last third"),
        ({}, 0.3, 40, "the last hills have 30 % of the height of the first"),
        ({}, 0.03, 4, "left for each other 4 times"),
        ({"errors": np.full(MOMENTS, 0.03)}, 0.03, 40, "with an error above kT"),
        ({"differences": LATE}, 0.03, 40, "its change is unknown"),
        ({"by_hills": np.full(MOMENTS, np.nan)}, 0.03, 40, "hills tell no difference"),
        ({"errors": np.full(MOMENTS, np.nan)}, 0.03, 40, "too few samples"),
    ],
)
def test_one_that_has_not(changes, last, count, expected):
    converged, reason = judge(settled(**changes), KT, last, count)
    assert not converged and reason.startswith("not converged: ") and expected in reason
    assert reason.endswith("run longer") and "nan" not in reason


def test_the_last_hill_alone_may_be_high():
    heights = np.concatenate([np.geomspace(1.0, 0.02, 99), [0.9]])
    hills = Hills(np.zeros((100, 1)), np.ones((100, 1)), heights, 8.0)
    assert late_height(hills) == pytest.approx(0.024, abs=0.003)
    assert late_height(hills.upto(0)) is None


#: Two wells at 1 and 5 of seven cells, a barrier of 8 k T at 3.
ENERGIES = KT * np.array([4.5, 0.0, 4.5, 8.0, 5.0, 1.0, 5.0])
CENTRES = [np.arange(7.0)]
EDGES = [np.arange(8) - 0.5]


def visits(*places):
    values = [np.array(own, float)[:, None] for own in places]
    return WeightedSamples.of(values, [np.ones(len(own)) for own in places], EDGES, KT, 2)


def test_crossings_are_between_the_lower_halves():
    basins = find_basins(ENERGIES, CENTRES, KT)
    to_and_fro = [1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 5, 4, 3, 2, 4, 5, 1]  # two turns on the way
    assert crossings(visits(to_and_fro), basins, ENERGIES) == 2
    assert crossings(visits(to_and_fro, to_and_fro), basins, ENERGIES) == 4
    assert crossings(visits([1, 1], [5, 5]), basins, ENERGIES) == 0


def test_the_error_by_hills_is_the_standard_deviation_in_the_second_half():
    """Hills in turn in the one well and in the other, so that their difference goes to and fro."""
    basins = find_basins(ENERGIES, CENTRES, KT)
    centres = np.tile([1.0, 5.0], 200)[: 2 * MOMENTS, None]
    hills = Hills(centres, np.full((len(centres), 1), 0.1), np.full(len(centres), KT), 8.0)
    half = Hills(centres[:MOMENTS], hills.widths[:MOMENTS], hills.heights[:MOMENTS], 8.0)
    even = difference_over_time(visits([1, 5] * 20), basins, [hills], CENTRES, 0.2)
    assert even.error_by_hills == pytest.approx(0, abs=1e-6)  # two hills a moment: one in each
    one = difference_over_time(visits([1, 5] * 20), basins, [half], CENTRES, 0.2)
    late = one.by_hills[MOMENTS // 2 :]
    values = 7 * np.log(2)  # independent ones in half a run, of a bias factor of 8
    spread = np.ptp(late) / 2 * np.sqrt(values / (values - 1))
    assert one.error_by_hills == pytest.approx(spread, rel=0.01) and spread > 0.2 * KT
    both = difference_over_time(visits([1, 5] * 20), basins, [half, half], CENTRES, 0.2)
    assert both.error_by_hills == pytest.approx(one.error_by_hills / np.sqrt(2))
    assert np.isnan(one.differences[:4]).all() and np.isfinite(one.differences[4:]).all()
