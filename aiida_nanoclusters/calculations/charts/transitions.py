"""A trajectory in a chart: transitions between families and how long these last."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.charts.families import family_label
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.analysis_settings import TransitionSettings
from aiida_nanoclusters.science.charts.transitions import (
    core_of,
    core_radii,
    find_transitions,
    running_mean,
)
from aiida_nanoclusters.science.frames import Frames

#: Windows of the running mean in a whole trajectory.
_WINDOWS = 100
#: Frames that make a trajectory.
_FEWEST = 10


def times_of(frames: Frames) -> tuple[Any, Any] | None:
    """Return time (ps) and trajectory of each frame; None if frames do not tell their time.

    Frames of one trajectory follow each other and have the same parent and structure.
    """
    read = [json.loads(str(text)) if text else {} for text in frames.info]
    if not read or any("time" not in row for row in read):
        return None
    times = np.array([float(row["time"]) for row in read])
    names = [
        f"{parent} {row.get('structure', '')}"
        for parent, row in zip(frames.parents, read, strict=True)
    ]
    changes = [a != b for a, b in zip(names[1:], names[:-1], strict=True)]
    # A time that does not ascend begins a trajectory as well.
    starts = np.array([True, *changes]) | np.concatenate([[True], np.diff(times) <= 0])
    return times, np.cumsum(starts) - 1


def is_trajectory(frames: Frames) -> bool:
    """Whether frames tell their time and at least ten, on average, follow each other."""
    found = times_of(frames)
    return found is not None and len(frames) >= _FEWEST * (int(found[1][-1]) + 1)


@calcfunction
def chart_transitions(
    frames: FramesData,
    placements: ArrayData,
    coordinates: ArrayData,
    families: Dict,
    settings: Dict,
) -> dict[str, Any]:
    """Find the transitions between families along trajectories.

    Parameters
    ----------
    frames
        With ``time`` (ps) in `info`, in order.
    placements
        Of these in the chart.
    coordinates, families
        Of the chart itself: its frames make the cores.
    settings
        See :class:`.TransitionSettings`.

    Returns
    -------
    dict
        ``trajectory``: arrays as named in :mod:`aiida_nanoclusters.science.keys`. ``transitions``:
        ``events`` and ``dwells``, see :mod:`aiida_nanoclusters.science.charts.transitions`, with
        the ``names`` of the families and the settings.
    """
    own = TransitionSettings(**settings.get_dict())
    found = times_of(frames.frames)
    if found is None:
        raise ValueError("the frames do not tell their time: only trajectories have transitions")
    # Frames that could not be relaxed have no place.
    index = placements.get_array(keys.PLACED_FRAMES)
    times, runs = found[0][index], found[1][index]
    rows = families["families"]
    centres = np.array([row["centre"] for row in rows])
    radii = core_radii(
        coordinates.get_array(keys.CHART_COORDINATES),
        coordinates.get_array(keys.FAMILY),
        centres,
        own.core,
    )
    places = placements.get_array(keys.CHART_COORDINATES)
    family = placements.get_array(keys.FAMILY)
    cores = core_of(places, family, centres, radii)
    result = find_transitions(
        cores, times, len(rows), families=family, runs=runs, residence=own.residence,
        confidence=own.confidence,
    )  # fmt: skip
    window = max(1, len(times) // (_WINDOWS * (int(runs[-1]) + 1)))
    smooth = np.concatenate([running_mean(places[runs == k], window) for k in np.unique(runs)])
    return {
        "trajectory": arrays_node(
            {
                keys.TIMES: times,
                keys.RUNS: runs,
                keys.CORES: cores,
                keys.STATES: result.states,
                keys.SMOOTHED_COORDINATES: smooth.T,
            }
        ),
        "transitions": Dict(
            {
                **own.model_dump(),
                "names": [family_label(row) for row in rows],
                "core_radii": radii.tolist(),
                "counts": result.counts.tolist(),
                "events": [asdict(event) for event in result.events],
                "dwells": [asdict(dwell) for dwell in result.dwells],
            }
        ),
    }
