"""Methods of a comparison side by side, and maps of the features of pairs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.method_settings import MethodSettings
from aiida_nanoclusters.science.ligands.method_table import (
    SPLITS,
    Predictions,
    comparison_words,
    method_table,
    noise_words,
)
from aiida_nanoclusters.science.ligands.pair_map import (
    MOST_PAIRS,
    neighbour_map,
    principal_components,
    separation,
)
from aiida_nanoclusters.science.ligands.training_files import PAIR_PREDICTIONS

#: Names of the arrays of a map: places by principal components and by t-SNE, (P, 2) each; label
#: and core of each pair, (P,).
COMPONENTS, NEIGHBOURS, LABELS, CORES = "components", "neighbours", "labels", "cores"
_FIRST = ("pretrained", "scratch")
_KEY = re.compile(r"seed_(\d+)_([a-z]+)_(\w+)")


def predictions_key(split: str, method: str, seed: int) -> str:
    """Return the name under which predictions are compared."""
    return f"seed_{seed}_{split}_{method}"


def _read(
    predictions: Mapping[str, ArrayData], families: np.ndarray[Any, np.dtype[np.int64]]
) -> list[Predictions]:
    """Return the predictions by kind of split, method and seed, in an order of their own."""
    found = []
    for key, node in predictions.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError(f"`{key}` is no name of predictions: write seed_1_core_matching")
        probability, label, subset = (node.get_array(name) for name in PAIR_PREDICTIONS)
        seed, split, method = int(match[1]), match[2], match[3]
        found.append(Predictions(split, method, seed, probability, label, subset, families))
    splits = list(SPLITS)
    return sorted(found, key=lambda p: (splits.index(p.split), _place(p.method), p.seed))


def _place(method: str) -> tuple[int, str]:
    """Return a key by which the matching models come first, then the others by name."""
    return (_FIRST.index(method) if method in _FIRST else len(_FIRST), method)


@calcfunction
def compare_methods(pairs: PairsData, settings: Dict, **predictions: ArrayData) -> Dict:
    """Compare methods on held-out pairs.

    Parameters
    ----------
    pairs
        The labelled pairs.
    settings
        Of the comparison, see :class:`.MethodSettings`.
    predictions
        ``seed_<n>_<split>_<method>``: probability, label and subset of each pair.

    Returns
    -------
    Dict
        ``rows``, see :func:`.method_table`, ``sentence``, ``warning`` (empty where intervals are
        narrow), ``confidence``, ``n_pairs``, ``n_positive``.
    """
    values = MethodSettings(**settings.get_dict())
    own = pairs.pairs
    positive = int(own.labels.sum())
    rows = method_table(_read(predictions, own.families[own.core_of]), values)
    return Dict(
        {
            "sentence": comparison_words(rows, positive, values.confidence),
            "warning": noise_words(rows),
            "confidence": values.confidence,
            "n_pairs": len(own),
            "n_positive": positive,
            "rows": rows,
        }
    )


@calcfunction
def map_pairs(pairs: PairsData, model: MatchingModelData) -> dict[str, Any]:
    """Return the features of pairs in two dimensions, and how well they separate the labels.

    Returns
    -------
    dict
        ``map``: arrays ``components`` and ``neighbours``, (P, 2), ``labels`` and ``cores``, (P,);
        ``neighbours`` only up to 5000 pairs. ``separation``: Davies-Bouldin and Calinski-Harabasz
        index, and the shares of the variance along the components.
    """
    held, trained = pairs.pairs, model.model
    cores = list(held.cores)
    features = trained.pair_features(
        [cores[pair.core] for pair in held.pairs], [pair.ligands for pair in held.pairs]
    )
    labels = held.labels.astype(np.int64)
    places, shares = principal_components(features)
    arrays = {
        COMPONENTS: places,
        LABELS: labels,
        CORES: held.core_of,
    }
    if len(labels) <= MOST_PAIRS:
        arrays[NEIGHBOURS] = neighbour_map(features, trained.head.seed)
    found = {**separation(features, labels), "variance": list(shares)}
    return {"map": arrays_node(arrays), "separation": Dict(found)}
