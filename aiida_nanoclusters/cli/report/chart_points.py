"""The chart of a report as a script can draw it: points and clusters packed small."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.cli.report.chart_content import ChartPart
from aiida_nanoclusters.cli.report.palette import ATOMS, NONE, PACKINGS
from aiida_nanoclusters.cli.report.viewer import STEPS
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.transitions import running_mean
from aiida_nanoclusters.science.recognition.common_neighbours import CLASSES
from aiida_nanoclusters.science.recognition.packing_family import FAMILIES

#: Points of a chart that are drawn, and atoms of all clusters that a click shows.
MOST_POINTS, MOST_ATOMS = 12_000, 300_000
#: Points of the training set behind placed frames, and of a trajectory's path.
MOST_SEEN, MOST_STEPS = 6_000, 4_000


def drawn_points(families: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """Return the frames that are drawn, in their order: all, or a random share of each family.

    Every family keeps at least 100 frames, or all it has.
    """
    count = len(families)
    if count <= MOST_POINTS:
        return np.arange(count)
    rank, size = _rank_within(families, seed)
    share = MOST_POINTS / count
    kept = rank < np.maximum(100, np.ceil(share * size))
    return np.flatnonzero(kept)


def shown_frames(
    families: NDArray[np.int64], sizes: NDArray[Any], first: list[int], seed: int = 1
) -> list[int]:
    """Return the frames whose clusters are kept, as many as MOST_ATOMS allow.

    Those of `first` come first, then one of each family in turn.
    """
    rank, _ = _rank_within(families, seed)
    order = [*first, *(k for k in np.argsort(rank, kind="stable").tolist() if k not in set(first))]
    total = np.cumsum(np.asarray(sizes)[order])
    return order[: int(np.searchsorted(total, MOST_ATOMS, side="right"))]


def _rank_within(
    families: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random rank of each frame within its family, and the size of its family."""
    count = len(families)
    mixed = np.random.default_rng(seed).permutation(count)
    _, own, sizes = np.unique(families[mixed], return_inverse=True, return_counts=True)
    order = np.argsort(own, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(count, dtype=np.int64)
    rank[mixed[order]] = np.arange(count) - starts[own[order]]
    size = np.empty(count, dtype=np.int64)
    size[mixed] = sizes[own]
    return rank, size


def oriented(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return positions about their centre with the principal axes along z, y and x.

    The axis that stands out most from the others points upwards: that of a decahedron, the normal
    of the layers of a flat cluster.
    """
    centred = positions - positions.mean(axis=0)
    if len(centred) < 3:
        return np.asarray(centred)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    apart = values[0] - values[1] >= values[1] - values[2]
    order = [2, 1, 0] if apart else [0, 1, 2]
    turned = axes[order]
    turned[0] *= np.sign(np.linalg.det(turned))
    return np.asarray(centred @ turned.T)


def pack_chart(part: ChartPart) -> str:
    """Return JSON for the script of the chart; it may stand inside a script element."""
    points = part.points
    shown = {drawing.point: k for k, drawing in enumerate(part.drawings)}
    lowest: dict[int, float] = {}
    for size, energy in zip(points.size.tolist(), points.energy.tolist(), strict=True):
        if np.isfinite(energy):
            lowest[size] = min(energy, lowest.get(size, np.inf))
    above = [e - lowest.get(n, np.nan) for n, e in zip(points.size, points.energy, strict=True)]
    packed = {
        "count": len(points.family),
        "dimensions": int(points.coordinates.shape[1]),
        "coordinates": _packed(points.coordinates, "<f4"),
        "family": _packed(points.family, "<i2"),
        "packing": _packed(points.packing, "<i2"),
        "frame": _packed(points.frame, "<i4"),
        "size": _packed(points.size, "<i4"),
        "energy": _packed(above, "<f4"),
        "outside": _packed(points.outside, "<u1"),
        "structure": _packed([shown.get(k, -1) for k in range(len(points.family))], "<i4"),
        "families": [
            {"label": family.label, "colour": colour, "count": family.count}
            for family, colour in zip(part.families, part.colours, strict=True)
        ],
        "packings": [{"label": name, "colour": PACKINGS[name]} for name in FAMILIES],
        "none": NONE,
        "seen": _packed(part.seen[:: max(1, -(-len(part.seen) // MOST_SEEN))], "<f4"),
        "path": _path(part),
        "track": _track(part),
        "steps": STEPS,
        "classes": [{"label": name, "colour": ATOMS[name]} for name in CLASSES],
        "structures": [
            {
                "positions": _packed(np.round(oriented(d.positions) * STEPS), "<i2"),
                "classes": _packed(d.classes, "<u1"),
            }
            for d in part.drawings
        ],
    }
    return json.dumps(packed).replace("<", "\\u003c")


def _path(part: ChartPart) -> dict[str, Any] | None:
    """Lowest path between two families, if there is one."""
    if part.free_energy is None:
        return None
    places = part.free_energy.arrays.get(keys.PATH_COORDINATES)
    if places is None:
        return None
    found = part.free_energy
    return {
        "label": f"lowest path, {found.origin} to {found.target}",
        "coordinates": _packed(running_mean(places.T, 5), "<f4"),
    }


def _track(part: ChartPart) -> dict[str, Any] | None:
    """Running mean of a trajectory, if the frames are one."""
    if part.transitions is None:
        return None
    places = part.transitions.arrays[keys.SMOOTHED_COORDINATES].T
    times = part.transitions.arrays[keys.TIMES]
    kept = slice(None, None, max(1, -(-len(places) // MOST_STEPS)))
    return {"coordinates": _packed(places[kept], "<f4"), "times": _packed(times[kept], "<f4")}


def _packed(values: Any, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
