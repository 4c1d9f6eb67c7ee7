"""The part of a report about a chart, from frames and their places in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.cli.report.chart_content import ChartPart, Drawing, Family, Points
from aiida_nanoclusters.cli.report.chart_points import drawn_points, shown_frames
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.neighbours import common_neighbour_analysis

#: Largest cluster that is drawn.
LARGEST_DRAWN = 3000


def chart_part(
    frames: Frames,
    coordinates: Any,
    family: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    packing: Any = None,
    outside: Any = None,
    representatives: bool = True,
    **others: Any,
) -> ChartPart:
    """Return the part of a report about frames in a chart.

    Parameters
    ----------
    frames
        That were placed, F of them.
    coordinates, family
        Shapes (F, d) and (F,).
    rows
        Of the families: ``name``, ``subfamily``, ``count``, ``name_share``, ``centre``,
        ``representative``.
    packing
        Packing of each frame, -1 where not named, shape (F,).
    outside
        Whether each lies outside of what the chart has seen, shape (F,).
    representatives
        Whether `representative` of a row is an index into `frames`.
    others
        Further attributes of :class:`.ChartPart`.
    """
    own = np.asarray(family, dtype=np.int64)
    first = [int(r["representative"]) for r in rows if representatives and "representative" in r]
    drawn = np.union1d(drawn_points(own), np.array(first, dtype=np.int64))
    place = {int(frame): k for k, frame in enumerate(drawn)}
    none, inside = np.full(len(own), -1), np.zeros(len(own), bool)
    points = Points(
        coordinates=np.asarray(coordinates, float)[drawn],
        family=own[drawn],
        packing=np.asarray(none if packing is None else packing, dtype=np.int64)[drawn],
        frame=drawn,
        size=np.asarray(frames.sizes)[drawn],
        energy=np.asarray(frames.energies, float)[drawn],
        outside=np.asarray(inside if outside is None else outside, bool)[drawn],
    )
    families = tuple(
        _family(k, row, frames, place if representatives else {}) for k, row in enumerate(rows)
    )
    small = drawn[points.size <= LARGEST_DRAWN]
    chosen = shown_frames(own[small], np.asarray(frames.sizes)[small], _places(first, small))
    return ChartPart(
        families=families,
        points=points,
        drawings=tuple(drawing(place[int(small[k])], frames[int(small[k])]) for k in chosen),
        n_frames=len(own),
        **others,
    )


def _places(wanted: Sequence[int], within: Any) -> list[int]:
    found = {int(frame): k for k, frame in enumerate(within)}
    return [found[k] for k in dict.fromkeys(wanted) if k in found]


def _family(
    number: int, row: Mapping[str, Any], frames: Frames, place: Mapping[int, int]
) -> Family:
    point = place.get(int(row.get("representative", -1)))
    energy = float(frames.energies[row["representative"]]) if point is not None else np.nan
    share = row.get("name_share")
    return Family(
        number=number,
        packing=str(row.get("name", "")),
        subfamily=str(row.get("subfamily", "")),
        count=int(row["count"]),
        centre=tuple(map(float, row.get("centre", ()))),
        name_share=None if share is None else float(share),
        point=point,
        energy=energy if np.isfinite(energy) else None,
    )


def drawing(point: int, atoms: Atoms) -> Drawing:
    """Return a cluster with the packing around each of its atoms."""
    centred = atoms.positions - atoms.positions.mean(axis=0)
    return Drawing(point, centred, common_neighbour_analysis(atoms))
