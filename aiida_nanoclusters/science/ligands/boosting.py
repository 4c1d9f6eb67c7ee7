"""Gradient-boosted trees that classify pairs by fixed features.

T. Chen, C. Guestrin, Proc. 22nd ACM SIGKDD, 785 (2016), or the histogram-based trees of
scikit-learn. Carried to the machine of a job: it imports nothing of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


def boosted_probabilities(
    features: Rows,
    labels: NDArray[Any],
    training: NDArray[np.int64],
    settings: Mapping[str, Any],
    seed: int,
    threads: int,
) -> NDArray[np.float64]:
    """Train boosted trees on some pairs, and return the probabilities of all.

    Parameters
    ----------
    features
        Shape (P, D).
    labels
        1 compatible, 0 not; shape (P,).
    training
        Pairs that are trained on.
    settings
        As of `BoostingSettings`.
    seed
        Random seed of the shares of pairs and features; equal seeds give equal trees.
    threads
        Of ``xgboost``.

    Returns
    -------
    numpy.ndarray, shape (P,)

    Raises
    ------
    ImportError
        If the program is missing; the message names the extra to install.
    """
    # What is the same in all of them tells nothing.
    varied = np.ptp(features[training], axis=0) > 0
    known, truth = features[training][:, varied], np.asarray(labels)[training]
    train = _xgboost if settings["classifier"] == "xgboost" else _histograms
    found = train(known, truth, features[:, varied], settings, seed, threads)
    return np.asarray(found, dtype=np.float64)


def _xgboost(
    known: Rows, truth: Any, rows: Rows, settings: Mapping[str, Any], seed: int, threads: int
) -> Any:
    try:
        import xgboost
    except ModuleNotFoundError as error:
        raise ImportError(
            "the descriptors need xgboost: pip install 'aiida-nanoclusters[ligands]', or set "
            "`boosting.classifier` to `gradient_boosting`"
        ) from error
    options = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": settings["depth"],
        "eta": settings["learning_rate"],
        "subsample": settings["row_share"],
        "colsample_bytree": settings["feature_share"],
        "seed": seed,
        "nthread": threads,
    }
    trees = xgboost.train(options, xgboost.DMatrix(known, label=truth), settings["trees"])
    return trees.predict(xgboost.DMatrix(rows))


def _histograms(
    known: Rows, truth: Any, rows: Rows, settings: Mapping[str, Any], seed: int, threads: int
) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        max_iter=settings["trees"],
        max_depth=settings["depth"],
        learning_rate=settings["learning_rate"],
        max_features=settings["feature_share"],
        early_stopping=False,
        random_state=seed,
    )
    return trees.fit(known, truth).predict_proba(rows)[:, 1]


def boosting_version(classifier: str) -> dict[str, str]:
    """Return name and version of the program of the trees."""
    if classifier == "xgboost":
        import xgboost

        return {"xgboost": xgboost.__version__}
    import sklearn

    return {"scikit-learn": sklearn.__version__}
