"""Metrics, calibration and intervals: known answers, and sets that do not define them."""

import numpy as np
import pytest
from sklearn import metrics

from aiida_nanoclusters.science.ligands.classification import (
    METRICS,
    _quick_metrics,
    bootstrap_intervals,
    calibration,
    classification_metrics,
    summarise_seeds,
)


def drawn(count, seed=0, quality=1.0):
    """Labels and probabilities that are calibrated at a `quality` of 1."""
    random = np.random.default_rng(seed)
    chance = random.random(count)
    labels = (random.random(count) < 0.5 + quality * (chance - 0.5)).astype(int)
    return labels, chance


def test_known_table():
    """Four pairs of which one of each kind is told right and one wrong."""
    found = classification_metrics([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1])
    assert found["confusion"] == {
        "true_negative": 1, "false_positive": 1, "false_negative": 1, "true_positive": 1,
    }  # fmt: skip
    assert [found[name] for name in METRICS] == [0.75, 0.5, 0.5, 0.5, 0.5]
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert found["undefined"] == {}


def test_area_is_the_share_of_ordered_pairs():
    labels, chance = drawn(60)
    ones, zeros = chance[labels == 1], chance[labels == 0]
    share = np.mean(ones[:, None] > zeros[None])
    assert classification_metrics(labels, chance)["auc"] == pytest.approx(share)


@pytest.mark.parametrize(
    ("labels", "chances", "undefined"),
    [
        ([1, 1], [0.9, 0.2], {"auc": "all pairs have the label 1"}),
        (
            [0, 0],
            [0.1, 0.2],
            {
                "auc": "all pairs have the label 0",
                "precision": "no pair is predicted compatible",
                "recall": "no pair is compatible",
                "f1": "no pair is or is predicted compatible",
            },
        ),
    ],
)
def test_what_a_set_does_not_define_is_none_with_its_reason(labels, chances, undefined):
    found = classification_metrics(labels, chances)
    assert found["undefined"] == undefined
    assert all(found[name] is None for name in undefined)
    assert all(found[name] is not None for name in METRICS if name not in undefined)


def test_no_pairs():
    found = classification_metrics([], [])
    assert found["n"] == 0
    assert found["auc"] is None
    assert found["undefined"]["accuracy"] == "there are no pairs"
    assert calibration([], []) == {"table": [], "ece": None}
    assert bootstrap_intervals([], [], seed=0)["auc"]["low"] is None


def test_wrong_values_are_refused():
    for labels, chance, message in (
        ([0, 1], [0.5], "one of each"),
        ([0, 2], [0.5, 0.5], "labels are 1"),
        ([0, 1], [0.5, np.nan], "between 0 and 1"),
        ([0, 1], [0.5, 1.5], "between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            classification_metrics(labels, chance)


def test_calibrated_probabilities_have_no_error():
    labels, chance = drawn(40_000)
    found = calibration(labels, chance)
    assert found["ece"] < 0.015
    assert sum(row["n"] for row in found["table"]) == 40_000
    for row in found["table"]:
        assert row["low"] <= row["probability"] <= row["high"]


def test_error_of_calibration_by_hand():
    """All at 0.95 of which half are right: 0.45; and a probability of one has its place."""
    assert calibration([1, 0], [0.95, 0.95])["ece"] == pytest.approx(0.45)
    assert calibration([1], [1.0])["table"][0]["low"] == 0.9


def test_draws_have_the_metrics_of_scikit_learn():
    labels, chance = drawn(50, seed=4)
    chance = np.round(chance, 1)  # with ties
    quick, slow = _quick_metrics(labels, chance), classification_metrics(labels, chance)
    for name in METRICS:
        assert quick[name] == pytest.approx(slow[name])
    assert quick["auc"] == pytest.approx(metrics.roc_auc_score(labels, chance))
    alone = _quick_metrics(np.zeros(3, dtype=int), np.full(3, 0.1))
    assert all(np.isnan(alone[name]) for name in ("auc", "precision", "recall", "f1"))


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 90 % intervals of the accuracy of a coin about nine in ten hold one half."""
    held = 0
    for seed in range(60):
        labels, chance = drawn(80, seed=seed, quality=0.0)
        row = bootstrap_intervals(labels, chance, seed=seed, draws=200, confidence=0.9)["accuracy"]
        held += row["low"] <= 0.5 <= row["high"]
    assert 46 <= held <= 60  # four standard deviations of the binomial about 54


def test_groups_are_drawn_whole():
    """Ten copies of each pair add nothing: the interval by groups is that of single ones."""
    labels, chance = drawn(40, seed=1, quality=0.6)
    single = bootstrap_intervals(labels, chance, seed=0, draws=400)["auc"]
    many, chances = np.repeat(labels, 10), np.repeat(chance, 10)
    grouped = bootstrap_intervals(many, chances, np.repeat(np.arange(40), 10), seed=0, draws=400)
    assert grouped["auc"]["low"] == pytest.approx(single["low"])
    assert grouped["auc"]["high"] == pytest.approx(single["high"])
    ungrouped = bootstrap_intervals(many, chances, seed=0, draws=400)["auc"]
    assert ungrouped["high"] - ungrouped["low"] < 0.6 * (single["high"] - single["low"])


def test_equal_seeds_give_equal_intervals():
    labels, chance = drawn(30)
    first = bootstrap_intervals(labels, chance, seed=7, draws=50)
    assert bootstrap_intervals(labels, chance, seed=7, draws=50) == first
    assert bootstrap_intervals(labels, chance, seed=8, draws=50) != first


def test_interval_of_what_few_draws_define_is_none():
    row = bootstrap_intervals([1, 1], [0.9, 0.8], seed=0, draws=20)["auc"]
    assert row == {
        "low": None, "high": None, "draws": 0,
        "reason": "it is defined in 0 of 20 draws only",
    }  # fmt: skip


def test_mean_and_deviation_over_seeds():
    tables = [{"auc": 0.7, "accuracy": 0.5}, {"auc": 0.9, "accuracy": None}]
    found = summarise_seeds(tables)
    assert found["auc"]["mean"] == pytest.approx(0.8)
    assert found["auc"]["deviation"] == pytest.approx(np.sqrt(0.02))
    assert found["accuracy"] == {"mean": 0.5, "deviation": None, "n": 1}
    assert found["f1"] == {"mean": None, "deviation": None, "n": 0}
