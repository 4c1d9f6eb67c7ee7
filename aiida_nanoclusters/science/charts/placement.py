"""New structures in a chart: where they lie, their family, whether the chart knows the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.charts.chart import Chart
from aiida_nanoclusters.science.charts.distributions import (
    BondLengths,
    bond_lengths_of,
    pair_distributions,
)
from aiida_nanoclusters.science.charts.families import nearest_centre
from aiida_nanoclusters.science.frames import Frames

Floats = NDArray[np.float64]

#: What a frame that lies outside is told, by the criterion that it fails.
CRITERION = (
    "a frame lies outside of what the chart has seen where its distribution of pair distances is "
    "reconstructed worse, or its nearest training frame in the chart is farther, than for "
    "{share:g} % of the frames that were held out of the training"
)


@dataclass(frozen=True, eq=False)
class Placements:
    """Frames in a chart; all arrays have one row per frame.

    Attributes
    ----------
    coordinates
        Shape (F, dimensions).
    families
        Index of the family with the nearest centre, shape (F,).
    errors
        Root mean square deviation of the distribution from its reconstruction, shape (F,).
    distances
        To the nearest training frame, in the lengths of the chart, shape (F,).
    beyond
        Share of the pairs of atoms whose distance is out of the range of the chart, shape (F,).
    outside
        Whether the frame lies outside of what the chart has seen, shape (F,).
    """

    coordinates: Floats
    families: NDArray[np.int64]
    errors: Floats
    distances: Floats
    beyond: Floats
    outside: NDArray[np.bool_]


def place(
    frames: Frames,
    chart: Chart,
    centres: Sequence[Sequence[float]],
    bond_lengths: BondLengths | None = None,
) -> Placements:
    """Place frames in a chart.

    Parameters
    ----------
    frames
        Clusters of any sizes and elements.
    chart
        The chart.
    centres
        Of its families, shape (K, dimensions).
    bond_lengths
        Å, as of :func:`.bond_lengths_of`. Default: for each element that the chart was trained on
        the length of the training, for others that of the bulk metal.

    Raises
    ------
    ValueError
        If a frame is periodic, a single atom, or of an element whose bond length is not known.
    """
    if bond_lengths is None or isinstance(bond_lengths, Mapping):
        bond_lengths = {**chart.bond_lengths, **(bond_lengths or {})}
    lengths = bond_lengths_of(frames, bond_lengths)
    rows = pair_distributions(frames, chart.distribution, lengths)
    where = chart.coordinates(rows)
    errors, distances = chart.reconstruction_errors(rows, where), chart.distances(where)
    # What the bins miss of the integral, which is one where all pairs are in range.
    beyond = np.clip(1.0 - rows.sum(axis=1, dtype=np.float64) * chart.distribution.width, 0.0, 1.0)
    outside = (errors > chart.head.largest_error) | (distances > chart.head.largest_distance)
    families = nearest_centre(where, np.asarray(centres, dtype=np.float64))
    return Placements(where, families, errors, distances, beyond, outside)


def summary(placed: Placements, names: Sequence[str], chart: Chart) -> dict[str, Any]:
    """Return a table of placements: frames by family, how many lie outside, and what that means."""
    counts = np.bincount(placed.families, minlength=len(names))
    within = np.bincount(placed.families[~placed.outside], minlength=len(names))
    return {
        "n_frames": len(placed.families),
        "n_outside": int(placed.outside.sum()),
        "criterion": CRITERION.format(share=100 * chart.head.outside_quantile),
        "largest_error": chart.head.largest_error,
        "largest_distance": chart.head.largest_distance,
        "families": [
            {"family": k, "name": name, "count": int(counts[k]), "within": int(within[k])}
            for k, name in enumerate(names)
        ],
    }
