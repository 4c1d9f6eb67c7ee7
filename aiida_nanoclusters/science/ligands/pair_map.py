"""Pair features in two dimensions, and how well they separate compatible pairs from others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Neighbours that t-SNE regards, at most.
_PERPLEXITY = 30.0
#: Pairs of a map by t-SNE at most: more take minutes.
MOST_PAIRS = 5000


def principal_components(features: Floats) -> tuple[Floats, tuple[float, float]]:
    """Return the two principal components of features, and the shares of the variance they have.

    Parameters
    ----------
    features
        Shape (P, d); each is scaled to its own standard deviation, constant ones are left out.

    Returns
    -------
    numpy.ndarray, shape (P, 2)
        The sign of a component is that in which its largest weight is positive.
    tuple of float
        Shares of the variance.
    """
    scaled = _scaled(features)
    if not scaled.shape[1] or len(scaled) < 2:
        return np.zeros((len(features), 2)), (0.0, 0.0)
    u, values, vt = np.linalg.svd(scaled, full_matrices=False)
    signs = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    places = np.zeros((len(features), 2))
    count = min(2, len(values))
    places[:, :count] = (u * (values * signs))[:, :count]
    shares = values**2 / max(float((values**2).sum()), 1e-30)
    return places, (float(shares[0]), float(shares[1]) if len(shares) > 1 else 0.0)


def neighbour_map(features: Floats, seed: int) -> Floats:
    """Return a map by t-SNE, shape (P, 2): near in it is near in the features, far means little.

    L. van der Maaten and G. Hinton, J. Mach. Learn. Res. 9, 2579 (2008); scikit-learn.
    """
    from sklearn.manifold import TSNE

    scaled = _scaled(features)
    if len(scaled) < 4 or not scaled.shape[1]:
        return principal_components(features)[0]
    perplexity = min(_PERPLEXITY, (len(scaled) - 1) / 3)
    start, _ = principal_components(features)
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-4
    made = TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(scaled)
    return np.asarray(made, dtype=np.float64)


def _scaled(features: Floats) -> Floats:
    centred = features - features.mean(axis=0)
    deviations = centred.std(axis=0)
    varies = deviations > 1e-9 * max(float(deviations.max(initial=0.0)), 1e-30)
    return np.asarray(centred[:, varies] / deviations[varies])


def separation(features: Floats, labels: NDArray[np.int_]) -> dict[str, Any]:
    """Return how well two classes are separated by features.

    Returns
    -------
    dict
        ``davies_bouldin``: the smaller the better; ``calinski_harabasz``: the larger the better;
        None where only one class is there.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    counts = np.bincount(labels, minlength=2)
    scaled = _scaled(features)
    if counts[:2].min() < 1 or len(labels) < 3 or not scaled.shape[1]:
        return {"davies_bouldin": None, "calinski_harabasz": None}
    return {
        "davies_bouldin": float(davies_bouldin_score(scaled, labels)),
        "calinski_harabasz": float(calinski_harabasz_score(scaled, labels)),
    }
