"""Rows of a training: distributions of frames, normalised, and those that are held out.

Carried to the machine of a training job together with `training.py`: it imports nothing else of
this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kernel_density import densities, mean_lengths

Rows = NDArray[np.float32]
Job = Mapping[str, Any]


@dataclass(frozen=True)
class Data:
    """Distributions of a training, normalised.

    Attributes
    ----------
    inputs, targets
        What the network takes and what it reproduces, shape (R, bins).
    held_out
        Rows by which the best epoch is chosen, shape (R,).
    normalisation
        `minimum`, `scale`, `target_minimum` and `target_scale`, each of shape (bins,).
    """

    inputs: Rows
    targets: Rows
    held_out: NDArray[np.bool_]
    normalisation: Mapping[str, Rows]


def read_frames(path: Path, job: Job) -> Rows:
    """Return the distributions of a file of frames, shape (F, bins)."""
    with np.load(path, allow_pickle=False) as archive:
        numbers, positions, offsets = (archive[k] for k in ("numbers", "positions", "offsets"))
    table = {int(number): length for number, length in job["bond_lengths"].items()}
    lengths = mean_lengths(numbers, offsets, table)
    return densities(positions, offsets, lengths, job["distribution"])


def prepare(relaxed: Rows, thermal: Rows | None, minimum_of: Any, settings: Job) -> Data:
    """Return the rows of a training and those held out.

    Parameters
    ----------
    relaxed
        Distributions of minima, shape (M, bins).
    thermal, minimum_of
        Distributions (T, bins) of thermal frames and the index of the minimum of each, -1 for
        none. Minima are taken to themselves as well. None trains on the minima alone.
    settings
        As of ChartTrainingSettings.

    Returns
    -------
    Data
        All frames of a minimum are held out, or none.

    Raises
    ------
    ValueError
        If there are too few minima to hold some out.
    """
    group = np.arange(len(relaxed))
    source = np.zeros(len(relaxed), dtype=bool)  # whether a row is of a thermal frame
    index = group
    if thermal is not None:
        valid = np.flatnonzero(np.asarray(minimum_of) >= 0)
        group = np.concatenate([group, np.asarray(minimum_of)[valid]])
        source = np.concatenate([source, np.ones(len(valid), dtype=bool)])
        index = np.concatenate([index, valid])
    random = np.random.default_rng(settings["split_seed"])
    if len(group) > settings["most_frames"]:
        kept = np.sort(random.choice(len(group), settings["most_frames"], replace=False))
        group, source, index = group[kept], source[kept], index[kept]
    present = np.unique(group)
    count = round(settings["validation_share"] * len(present))
    if count < 1 or len(present) - count < 2:
        raise ValueError(f"{len(present)} minima are too few to train on: give 10 or more")
    chosen = random.permutation(present)[:count]
    inputs = relaxed[index] if thermal is None else np.empty((len(index), relaxed.shape[1]))
    if thermal is not None:
        inputs[source], inputs[~source] = thermal[index[source]], relaxed[index[~source]]
    held_out = np.isin(group, chosen)
    return _normalised(inputs, relaxed[group], held_out, settings["smallest_range"])


def _normalised(inputs: Any, targets: Any, held_out: Any, smallest_range: float) -> Data:
    """Return both normalised to 0..1 in each bin over the rows that are trained on."""
    numbers = {}
    for name, rows in (("", inputs), ("target_", targets)):
        known = rows[~held_out]
        low, span = known.min(axis=0), np.ptp(known, axis=0)
        widest = span.max() or 1.0
        scale = np.where(span < smallest_range * widest, widest, span)
        numbers[f"{name}minimum"] = low.astype(np.float32)
        numbers[f"{name}scale"] = scale.astype(np.float32)
    first = (inputs - numbers["minimum"]) / numbers["scale"]
    second = (targets - numbers["target_minimum"]) / numbers["target_scale"]
    return Data(first.astype(np.float32), second.astype(np.float32), held_out, numbers)
