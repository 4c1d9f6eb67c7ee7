"""Families of known groups, and the bandwidth that is chosen."""

import numpy as np
import pytest

from aiida_nanoclusters.science.charts.families import (
    Trial,
    agreement_of,
    choose_bandwidth,
    choose_by_seeds,
    find_families,
    nearest_centre,
    sizes_alone,
)
from aiida_nanoclusters.science.charts.naming import name_families
from aiida_nanoclusters.science.charts.settings import FamilySettings
from tests.small_charts import rattled


def groups(sizes, width=0.03, seed=0):
    """Return points around the corners of a cube, and the corner of each."""
    random = np.random.default_rng(seed)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return corners[labels] + width * random.normal(size=(len(labels), 3)), labels


def test_well_separated_groups_are_the_families():
    points, labels = groups([200, 150, 100, 60, 40, 30])
    found = find_families(points, FamilySettings(smallest=0.1, tried=8))
    assert agreement_of(found.labels, labels) == 1.0
    assert found.counts == [200, 150, 100, 60, 40, 30]  # the largest first
    assert found.plateau is not None
    assert found.plateau[0] < found.bandwidth < found.plateau[1]
    assert np.abs(found.centres[0]).max() < 0.02


def test_small_groups_belong_to_the_nearest_family():
    points, _ = groups([100, 100, 3])
    settings = FamilySettings(bandwidth=0.2, fewest=10)
    found = find_families(points, settings)
    assert found.counts == [103, 100] or found.counts == [100, 103]
    assert found.plateau is None
    assert len(find_families(points, FamilySettings(bandwidth=0.2, fewest=1)).centres) == 3


def test_families_of_a_sample_are_those_of_all():
    points, labels = groups([400, 300, 200, 100])
    found = find_families(points, FamilySettings(smallest=0.1, tried=6, fitted=200))
    assert agreement_of(found.labels, labels) == 1.0


def test_equal_settings_give_equal_families():
    points, _ = groups([60, 50, 40], width=0.1)
    settings = FamilySettings(smallest=0.2, tried=5)
    first, second = (find_families(points, settings) for _ in range(2))
    assert (first.labels == second.labels).all()
    assert first.bandwidth == second.bandwidth


def test_wide_plateau_of_many_families_is_taken():
    """Five families over three bandwidths, against two over as many; other numbers vary."""
    numbers = [40, 21, 12, 5, 5, 5, 3, 2, 2, 2]
    trials = [
        Trial(0.05 * 1.2**k, number, 1.0 if k and number == numbers[k - 1] else 0.5)
        for k, number in enumerate(numbers)
    ]
    chosen, plateau = choose_bandwidth(trials)
    assert trials[chosen].families == 5
    assert plateau == (trials[3].bandwidth, trials[5].bandwidth)
    assert chosen == 4


def test_equal_numbers_of_unlike_families_are_no_plateau():
    trials = [Trial(0.1 * 1.2**k, 5, 0.4) for k in range(5)]
    assert choose_bandwidth(trials)[1] is None
    single = [Trial(0.1 * 1.2**k, 1, 1.0) for k in range(5)]
    assert choose_bandwidth(single) == (1, None) or choose_bandwidth(single)[1] is None


def test_nearest_centre_and_agreement():
    assert list(nearest_centre(np.array([[0.1], [0.9]]), np.array([[0.0], [1.0]]))) == [0, 1]
    assert agreement_of([0, 0, 1, 1], [5, 5, 2, 2]) == 1.0
    assert agreement_of([0, 0, 1, 1], [0, 1, 0, 1]) < 0.01


def test_no_frames_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        find_families(np.empty((0, 3)), FamilySettings())


def test_families_have_the_names_of_their_motifs():
    frames = rattled(copies=8)
    places = np.repeat(np.eye(3), 8, axis=0)
    settings = FamilySettings(bandwidth=0.3, fewest=1, nearest=3, named=6)
    found = find_families(places, settings)
    named = name_families(frames, places, found, settings)
    by_label = {
        int(found.labels[8 * k]): name
        for k, name in enumerate(("icosahedral", "fcc", "decahedral"))
    }
    for k, row in enumerate(named.rows):
        assert row["name"] == by_label[k]
        assert row["name_share"] == 1.0
        assert row["count"] == 8
        assert found.labels[row["representative"]] == k
        assert sum(row["shares"].values()) == pytest.approx(1.0)
    assert 6 <= (named.packing_families >= 0).sum() <= 15


def test_sizes_that_are_families_of_their_own():
    sizes = np.array([90, 90, 147, 147, 148])
    assert sizes_alone(sizes, np.array([0, 0, 1, 2, 2])) == [90]
    assert sizes_alone(sizes, np.array([0, 1, 1, 2, 2])) == []
    assert sizes_alone(sizes[:2], np.array([0, 0])) == []


def test_the_finest_division_that_other_seeds_find_too():
    """Three groups are in both charts; groups within them are in one of them only."""
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(3), 400)
    places = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0]])[groups]
    charts = []
    for seed in (1, 2):
        within = np.random.default_rng(seed).integers(0, 4, size=len(groups))
        corners = 0.35 * np.array([[1, 1, 0], [-1, 1, 0], [1, -1, 0], [-1, -1, 0]])[within]
        charts.append(places + corners + rng.normal(scale=0.02, size=places.shape))
    settings = FamilySettings(smallest=0.1, largest=1.5)
    alone = find_families(charts[0], settings)
    assert len(alone.centres) == 12
    assert all(np.isnan(trial.between_seeds) for trial in alone.trials)
    found = find_families(charts[0], settings, charts[1:])
    assert len(found.centres) == 3
    assert found.plateau is None
    assert agreement_of(found.labels, groups) == 1
    assert agreement_of(found.others[0], groups) == 1


def test_one_family_is_no_agreement():
    trials = [Trial(0.1, 5, 0.9, 0.2), Trial(0.2, 2, 0.9, 0.5), Trial(0.4, 1, 0.9, float("nan"))]
    assert choose_by_seeds(trials) == 1
    assert choose_by_seeds(trials, 0.3) == 0
    assert choose_by_seeds([Trial(0.1, 5, 0.9), Trial(0.2, 1, 0.9)]) is None
