"""Methods that know everything, nothing or the contrary; maps of features of known shape."""

import numpy as np
import pytest

from aiida_nanoclusters.science.ligands.method_settings import MethodSettings
from aiida_nanoclusters.science.ligands.method_table import (
    Predictions,
    accuracy_words,
    comparison_words,
    method_table,
    noise_words,
)
from aiida_nanoclusters.science.ligands.pair_map import (
    neighbour_map,
    principal_components,
    separation,
)

PAIRS, SEEDS = 120, (1, 2, 3)


def predicted(method, split="core"):
    """Three trainings, each with its own quarter of the pairs held out; two pairs of each core."""
    label = np.arange(PAIRS) % 2
    family = np.arange(PAIRS) // 2
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        subset = random.choice([0, 1, 2], PAIRS, p=[0.5, 0.25, 0.25])
        noise = random.random(PAIRS)
        probability = {
            "knows": 0.25 + 0.5 * label + 0.2 * noise,
            "guesses": noise,
            "inverts": 0.95 - (0.25 + 0.5 * label + 0.2 * noise),
        }[method]
        # what it says of pairs that are not held out must not count
        probability = np.where(subset == 2, probability, label)
        yield Predictions(split, method, seed, probability, label, subset, family)


def test_methods_of_known_quality():
    given = [p for name in ("knows", "guesses", "inverts") for p in predicted(name)]
    rows = {row["method"]: row for row in method_table(given, MethodSettings(draws=200))}
    assert list(rows) == ["knows", "guesses", "inverts"]
    knows, guesses, inverts = rows.values()
    assert knows["metrics"]["auc"] == {"mean": 1.0, "deviation": 0.0, "n": 3}
    assert knows["metrics"]["f1"]["mean"] == 1.0 and knows["better_than_chance"]
    assert inverts["metrics"]["auc"]["mean"] == 0.0 and not inverts["better_than_chance"]
    low, high = guesses["intervals"]["auc"]["low"], guesses["intervals"]["auc"]["high"]
    assert low < 0.5 < high and not guesses["better_than_chance"]
    assert knows["n_test"] == [int((p.subset == 2).sum()) for p in predicted("knows")]
    assert knows["pooled"]["n"] == sum(knows["n_test"])
    assert knows["seeds"] == list(SEEDS)


def test_splits_keep_their_order_and_are_not_mixed():
    given = [*predicted("guesses", "published"), *predicted("knows", "core")]
    given += [*predicted("knows", "published")]
    rows = method_table(given, MethodSettings(draws=20))
    assert [(row["split"], row["method"]) for row in rows] == [
        ("published", "guesses"),
        ("published", "knows"),
        ("core", "knows"),
    ]


def test_a_split_without_test_pairs_is_told():
    (one, *_) = predicted("knows")
    empty = Predictions("core", "m", 1, one.probability, one.label, 0 * one.subset, one.family)
    (row,) = method_table([empty], MethodSettings(draws=20))
    assert row["metrics"]["auc"]["mean"] is None and not row["better_than_chance"]
    assert "no method is above chance" in comparison_words([row], 60, 0.95)
    assert "no method was tested" in comparison_words([], 60, 0.95)


def test_words_of_a_comparison():
    rows = method_table(list(predicted("knows")), MethodSettings(draws=50))
    text = comparison_words(rows, 60, 0.95)
    assert "above chance with 95 % confidence: knows (core)" in text
    assert text.startswith("60 compatible pairs, tested on pairs of ")
    assert noise_words(rows) == ""
    assert "too few pairs" in noise_words([])


def test_words_on_what_the_models_are_worth():
    given = [*predicted("knows", "published"), *predicted("guesses", "core")]
    said = accuracy_words(method_table(given, MethodSettings(draws=100)))
    assert said.startswith("models trained alike have an AUC of 0.")
    assert "(whole families of cores): no better than chance" in said
    said = accuracy_words(method_table(list(predicted("knows")), MethodSettings(draws=50)))
    assert said.startswith("models trained alike have an AUC of 1.00") and "chance" not in said
    assert accuracy_words([]) == ""


def test_wide_intervals_are_warned_of():
    def row(low, high):
        return {"intervals": {"auc": {"low": low, "high": high}}}

    assert noise_words([row(0.85, 0.95)]) == ""
    assert noise_words([row(0.85, 0.95), row(0.7, 0.9), row(None, None)]) == (
        "intervals of the AUC are up to 0.20 wide: methods whose intervals overlap are not told "
        "apart"
    )
    assert "an AUC is noise" in noise_words([row(0.4, 0.8)])


def test_principal_components_of_a_line():
    along = np.linspace(-1, 1, 41)
    features = np.stack([along, 3 * along, np.full(41, 7.0)], axis=1)
    places, shares = principal_components(features)
    assert shares == pytest.approx((1.0, 0.0), abs=1e-12)
    assert np.allclose(places[:, 1], 0, atol=1e-9)
    assert np.corrcoef(places[:, 0], along)[0, 1] == pytest.approx(1.0)
    constant, shares = principal_components(np.ones((5, 3)))
    assert not constant.any() and shares == (0.0, 0.0)


def test_separation_and_map_of_two_clouds():
    random = np.random.default_rng(1)
    labels = np.arange(60) % 2
    apart = random.normal(size=(60, 5)) + 20.0 * labels[:, None]
    mixed = random.normal(size=(60, 5))
    near, far = separation(mixed, labels), separation(apart, labels)
    assert far["davies_bouldin"] < 0.2 < near["davies_bouldin"]
    assert far["calinski_harabasz"] > 100 * near["calinski_harabasz"]
    places = neighbour_map(apart, seed=3)
    assert np.array_equal(places, neighbour_map(apart, seed=3))
    middle = [places[labels == k].mean(axis=0) for k in (0, 1)]
    own = [np.linalg.norm(places - m, axis=1) for m in middle]
    assert np.array_equal((own[1] < own[0]).astype(int), labels)
    assert separation(mixed, np.zeros(60, int))["davies_bouldin"] is None
