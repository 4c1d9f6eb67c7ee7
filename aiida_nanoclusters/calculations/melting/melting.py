"""From trajectories at a ladder of temperatures to a melting point."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.clusters import motif_family
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.lindemann import surface_mask
from aiida_nanoclusters.science.melting import (
    bulk_melting_point,
    curve_arrays,
    judge_melting,
    measure,
)


@calcfunction
def build_cluster(cluster: Dict) -> FramesData:
    """Build a closed shell: ``element``, ``motif`` and ``size``, at the crystal's bond length."""
    symbol, motif, size = (cluster[key] for key in ("element", "motif", "size"))
    (member,) = motif_family(motif, size, size, shape="regular")
    atoms = member.build(symbol, element(symbol).nearest_neighbour)
    atoms.info.update(config_type=motif, parent=f"{motif} {size}")
    return FramesData([atoms])


@calcfunction
def find_melting(
    cluster: FramesData, temperatures: List, settings: Dict, **trajectories: FramesData
) -> dict[str, Any]:
    """Make the caloric curve and the Lindemann indices, and judge where the cluster melts.

    Parameters
    ----------
    cluster
        One frame: the structure before any motion, which tells surface from core.
    temperatures
        The ladder, K, ascending.
    settings
        ``blocks`` and ``lindemann``, see :class:`.MeltingWorkChain`.
    trajectories
        ``trajectory_<k>``: frames sampled at temperature k of the ladder, `info` with the index of
        the run as ``structure`` and the instantaneous ``temperature``.

    Returns
    -------
    dict
        ``curve``: arrays as named in :mod:`aiida_nanoclusters.science.keys`. ``melting``: see
        :func:`.judge_melting`.
    """
    start = cluster.frames
    surface = surface_mask(start[0])
    bulk = bulk_melting_point(start)
    points = []
    for name in sorted(trajectories):
        temperature = float(temperatures[int(name.rsplit("_", 1)[1])])
        runs = _runs(trajectories[name].frames)
        points.append(measure(runs, temperature, surface, settings["blocks"]))
    arrays = curve_arrays(points, surface, bulk)
    curve = ArrayData()
    for name, array in arrays.items():
        curve.set_array(name, np.asarray(array))
    low, high = settings["lindemann"]
    judged = judge_melting(arrays, (low, high), bulk)
    formula = start[0].get_chemical_formula()
    return {"curve": curve, "melting": Dict({"cluster": formula, **judged})}


def _runs(frames: Frames) -> list[Frames]:
    owners = np.array([json.loads(str(text))["structure"] for text in frames.info])
    return [frames.select(owners == run) for run in np.unique(owners)]
