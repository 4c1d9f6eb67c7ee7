"""Methods side by side: metrics on held-out pairs by kind of split, over seeds, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.classification import (
    bootstrap_intervals,
    calibration,
    classification_metrics,
    summarise_seeds,
)
from aiida_nanoclusters.science.ligands.encoder_settings import TEST
from aiida_nanoclusters.science.ligands.method_settings import MethodSettings

#: Width of the interval of an AUC up to which it tells methods apart, and beyond which it is noise.
_NARROW, _NOISE = 0.1, 0.3
#: What is held out by the kind of a split.
SPLITS = {
    "random": "single pairs",
    "published": "pairs of one nuclearity and one ligand set together, as published",
    "core": "whole families of cores",
    "ligand": "whole ligands",
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one training of one method says of all pairs.

    Attributes
    ----------
    split, method
        Kind of the split, and name of the method.
    seed
        Random seed of the training.
    probability
        Shape (P,).
    label
        1 compatible, 0 not, shape (P,).
    subset
        0 training, 1 validation, 2 test, shape (P,).
    family
        Family of the core of each pair, shape (P,): its pairs are drawn together.
    """

    split: str
    method: str
    seed: int
    probability: NDArray[np.float64]
    label: NDArray[np.int64]
    subset: NDArray[np.int64]
    family: NDArray[np.int64]


def method_table(
    predictions: Sequence[Predictions], settings: MethodSettings | None = None
) -> list[dict[str, Any]]:
    """Return a row for each kind of split and method.

    Parameters
    ----------
    predictions
        Of all trainings.
    settings
        Intervals and calibration.

    Returns
    -------
    list of dict
        ``split``, ``method``, ``seeds``; ``metrics``, of each name mean and deviation over the
        seeds; ``members``, the metrics of each seed on its test pairs; and of the test pairs of
        all seeds together ``pooled`` metrics, ``intervals``, ``calibration`` and
        ``better_than_chance``, whether the interval of the AUC lies above 0.5. In the order of the
        splits and of the methods in which they were given.
    """
    settings = MethodSettings() if settings is None else settings
    groups: dict[tuple[str, str], list[Predictions]] = {}
    for own in predictions:
        groups.setdefault((own.split, own.method), []).append(own)
    order = list(dict.fromkeys(key[0] for key in groups))
    rows = [_row(split, method, own, settings) for (split, method), own in groups.items()]
    return sorted(rows, key=lambda row: order.index(row["split"]))


def _row(
    split: str, method: str, members: Sequence[Predictions], settings: MethodSettings
) -> dict[str, Any]:
    members = sorted(members, key=lambda own: own.seed)
    held_out = [own.subset == TEST for own in members]
    of_seeds = [
        classification_metrics(own.label[test], own.probability[test])
        for own, test in zip(members, held_out, strict=True)
    ]
    label, probability, family = (
        np.concatenate([getattr(o, name)[t] for o, t in zip(members, held_out, strict=True)])
        for name in ("label", "probability", "family")
    )
    intervals = bootstrap_intervals(
        label, probability, family, seed=settings.seed, draws=settings.draws,
        confidence=settings.confidence,
    )  # fmt: skip
    low = intervals["auc"]["low"]
    return {
        "split": split,
        "method": method,
        "seeds": [own.seed for own in members],
        "n_test": [int(test.sum()) for test in held_out],
        "n_families": len(np.unique(family)),
        "metrics": summarise_seeds(of_seeds),
        "members": of_seeds,
        "pooled": classification_metrics(label, probability),
        "intervals": intervals,
        "calibration": calibration(label, probability, settings.bins),
        "better_than_chance": low is not None and low > 0.5,
    }


def comparison_words(rows: Sequence[dict[str, Any]], n_positive: int, confidence: float) -> str:
    """Return in one sentence what the table is worth."""
    tested = sorted({row["n_families"] for row in rows})
    if not tested:
        return "no method was tested: no split left pairs of both labels to test on"
    above = [f"{row['method']} ({row['split']})" for row in rows if row["better_than_chance"]]
    families = f"{tested[0]}" + (f" to {tested[-1]}" if len(tested) > 1 else "")
    found = (
        f"above chance with {100 * confidence:g} % confidence: {', '.join(above)}"
        if above
        else f"no method is above chance with {100 * confidence:g} % confidence"
    )
    return (
        f"{n_positive} compatible pairs, tested on pairs of {families} families of cores: {found}"
    )


def accuracy_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the models for use are worth for a new core; empty where nothing was measured.

    Told is the first method of the split that is nearest to a question about a new core.
    """
    for split in ("core", "ligand", "published", "random"):
        own = next((row for row in rows if row["split"] == split), None)
        if own is None or own["metrics"]["auc"]["mean"] is None:
            continue
        ends = own["intervals"]["auc"]
        between = "" if ends["low"] is None else f", {ends['low']:.2f} to {ends['high']:.2f}"
        text = (
            f"models trained alike have an AUC of {own['metrics']['auc']['mean']:.2f}{between} on "
            f"what was held out ({SPLITS[split]})"
        )
        if own["better_than_chance"]:
            return text
        return f"{text}: no better than chance, so that this order may mean nothing"
    return ""


def noise_words(rows: Sequence[dict[str, Any]]) -> str:
    """Return a warning where intervals are wide, or so wide that an AUC is noise; else nothing."""
    widths = [
        row["intervals"]["auc"]["high"] - row["intervals"]["auc"]["low"]
        for row in rows
        if row["intervals"]["auc"]["low"] is not None
    ]
    if not widths:
        return "no AUC has an interval: there are too few pairs to test on"
    if max(widths) <= _NARROW:
        return ""
    noise = "with so few pairs an AUC is noise, and " if max(widths) > _NOISE else ""
    return (
        f"intervals of the AUC are up to {max(widths):.2f} wide: {noise}methods whose intervals "
        "overlap are not told apart"
    )
