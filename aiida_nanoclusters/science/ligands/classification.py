"""How well probabilities tell compatible pairs from others: metrics, calibration, intervals.

The numbers are those of scikit-learn. A metric that a set of pairs does not define, such as the
area under the curve where all pairs have one label, is None with its reason beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: Metrics of the table, as in the CoLiM paper.
METRICS = ("auc", "accuracy", "precision", "recall", "f1")
#: Probability from which on a pair counts as compatible.
THRESHOLD = 0.5
_NO_PAIRS = "there are no pairs"


def classification_metrics(
    labels: ArrayLike, probabilities: ArrayLike, threshold: float = THRESHOLD
) -> dict[str, Any]:
    """Return the metrics of some pairs.

    Parameters
    ----------
    labels
        1 compatible, 0 not; shape (P,).
    probabilities
        Shape (P,).
    threshold
        Probability from which on a pair counts as compatible.

    Returns
    -------
    dict
        ``n``, ``n_positive``, the :data:`METRICS`, ``brier``, ``log_loss``, ``confusion`` (counts
        ``true_negative``, ``false_positive``, ``false_negative``, ``true_positive``) and
        ``undefined``: the reason by the name of each metric that is None.

    Raises
    ------
    ValueError
        If labels or probabilities are none.
    """
    from sklearn import metrics

    truth, chance = _checked(labels, probabilities)
    result: dict[str, Any] = {"n": len(truth), "n_positive": int(truth.sum())}
    undefined: dict[str, str] = {}
    names = (*METRICS, "brier", "log_loss")
    if not len(truth):
        undefined = dict.fromkeys(names, _NO_PAIRS)
        return {**result, **dict.fromkeys(names), "confusion": None, "undefined": undefined}
    found = (chance >= threshold).astype(int)
    result["accuracy"] = float(metrics.accuracy_score(truth, found))
    result["brier"] = float(metrics.brier_score_loss(truth, chance, pos_label=1))
    result["log_loss"] = float(metrics.log_loss(truth, chance, labels=[0, 1]))
    if len(set(truth.tolist())) < 2:
        undefined["auc"] = f"all pairs have the label {truth[0]}"
        result["auc"] = None
    else:
        result["auc"] = float(metrics.roc_auc_score(truth, chance))
    reasons = {
        "precision": (found.any(), "no pair is predicted compatible"),
        "recall": (truth.any(), "no pair is compatible"),
        "f1": (found.any() or truth.any(), "no pair is or is predicted compatible"),
    }
    scores = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
    }
    for name, (defined, reason) in reasons.items():
        if defined:
            result[name] = float(scores[name](truth, found, zero_division=0.0))
        else:
            result[name], undefined[name] = None, reason
    counts = metrics.confusion_matrix(truth, found, labels=[0, 1]).ravel()
    kinds = ("true_negative", "false_positive", "false_negative", "true_positive")
    result["confusion"] = dict(zip(kinds, map(int, counts), strict=True))
    return {**result, "undefined": undefined}


def calibration(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> dict[str, Any]:
    """Return the reliability table and the expected calibration error.

    Parameters
    ----------
    labels, probabilities
        Shape (P,).
    bins
        Intervals of equal width between 0 and 1.

    Returns
    -------
    dict
        ``table``: of each interval with pairs ``low``, ``high``, ``n``, the mean ``probability``
        and the ``fraction`` that is compatible; ``ece``: the mean of their absolute differences,
        weighted by ``n`` (C. Guo et al., ICML 2017), None without pairs.
    """
    truth, chance = _checked(labels, probabilities)
    place = np.minimum((chance * bins).astype(int), bins - 1)
    table, total = [], 0.0
    for k in range(bins):
        own = place == k
        if own.any():
            mean, fraction = float(chance[own].mean()), float(truth[own].mean())
            row = {"low": k / bins, "high": (k + 1) / bins, "n": int(own.sum())}
            table.append({**row, "probability": mean, "fraction": fraction})
            total += int(own.sum()) * abs(mean - fraction)
    return {"table": table, "ece": total / len(truth) if len(truth) else None}


def bootstrap_intervals(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    draws: int = 1000,
    confidence: float = 0.95,
) -> dict[str, dict[str, Any]]:
    """Return percentile intervals of metrics by the bootstrap.

    Parameters
    ----------
    labels, probabilities
        Shape (P,).
    groups
        Which pairs belong together, such as those of one core: whole groups are drawn, since pairs
        of one core are not independent. Default: each pair alone.
    seed
        Random seed of the draws.
    draws
        How often the groups are drawn.
    confidence
        Probability of the interval.

    Returns
    -------
    dict
        ``low``, ``high`` and ``draws`` of each metric: the number of draws in which it is defined.
        Where fewer than half do, ``low`` and ``high`` are None and ``reason`` says so.
    """
    truth, chance = _checked(labels, probabilities)
    group = np.arange(len(truth)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if group.shape != truth.shape:
        raise ValueError(f"{group.shape} groups for {len(truth)} pairs: give one of each pair")
    members = [np.flatnonzero(group == g) for g in range(int(group.max(initial=-1)) + 1)]
    random = np.random.default_rng(seed)
    values: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(draws if members else 0):
        chosen = random.integers(len(members), size=len(members))
        rows = np.concatenate([members[k] for k in chosen])
        found = _quick_metrics(truth[rows], chance[rows])
        for name in METRICS:
            if not np.isnan(found[name]):
                values[name].append(found[name])
    tail = 50.0 * (1.0 - confidence)
    result = {}
    for name in METRICS:
        row: dict[str, Any] = {"low": None, "high": None, "draws": len(values[name])}
        if not members:
            row["reason"] = _NO_PAIRS
        elif len(values[name]) < draws / 2:
            row["reason"] = f"it is defined in {len(values[name])} of {draws} draws only"
        else:
            low, high = np.percentile(values[name], [tail, 100.0 - tail])
            row |= {"low": float(low), "high": float(high)}
        result[name] = row
    return result


def _quick_metrics(truth: NDArray[np.int64], chance: Floats) -> dict[str, float]:
    """Return the metrics of one draw, NaN where undefined: scikit-learn checks too much for it."""
    from scipy.stats import rankdata

    found = chance >= THRESHOLD
    positive = int(truth.sum())
    negative, right = len(truth) - positive, int((found & (truth == 1)).sum())
    ranks = rankdata(chance)[truth == 1].sum() - positive * (positive + 1) / 2

    def share(part: float, whole: int) -> float:
        return float(part / whole) if whole else float("nan")

    return {
        "auc": share(ranks, positive * negative),
        "accuracy": share(float((found == truth).sum()), len(truth)),
        "precision": share(right, int(found.sum())),
        "recall": share(right, positive),
        "f1": share(2 * right, int(found.sum()) + positive),
    }


def summarise_seeds(tables: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return mean and standard deviation of each metric over seeds, and how many define it."""
    summary: dict[str, dict[str, Any]] = {}
    for name in (*METRICS, "brier", "log_loss"):
        known = [table[name] for table in tables if table.get(name) is not None]
        summary[name] = {
            "mean": float(np.mean(known)) if known else None,
            "deviation": float(np.std(known, ddof=1)) if len(known) > 1 else None,
            "n": len(known),
        }
    return summary


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    truth = np.asarray(labels)
    chance = np.asarray(probabilities, dtype=np.float64)
    if truth.shape != chance.shape or truth.ndim != 1:
        raise ValueError(f"{truth.shape} labels and {chance.shape} probabilities: give one of each")
    if len(truth) and not np.isin(truth, (0, 1)).all():
        raise ValueError("labels are 1 (compatible) or 0 (not)")
    if not (np.isfinite(chance) & (chance >= 0) & (chance <= 1)).all():
        raise ValueError("probabilities lie between 0 and 1")
    return truth.astype(np.int64), chance
