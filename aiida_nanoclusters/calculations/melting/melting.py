"""From trajectories at ascending temperatures to a melting point."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, List

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.melting.lindemann import surface_mask
from aiida_nanoclusters.science.melting.melting import (
    bulk_melting_point,
    curve_arrays,
    judge_melting,
    measure,
)
from aiida_nanoclusters.science.melting.settings import MeltingAnalysisSettings
from aiida_nanoclusters.science.structures.motifs import motif_family


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
    """Determine the caloric curve, the Lindemann indices and the melting point of a cluster.

    Parameters
    ----------
    cluster
        One frame: the structure before any motion, which distinguishes surface and core.
    temperatures
        K, ascending.
    settings
        ``blocks`` and ``lindemann``, see :class:`.MeltingWorkChain`.
    trajectories
        ``trajectory_<k>``: frames sampled at temperature k, `info` with the index of
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
    given = settings.get_dict()
    names = MeltingAnalysisSettings.model_fields
    analysis = MeltingAnalysisSettings(**{k: v for k, v in given.items() if k in names})
    points = []
    for name in sorted(trajectories):
        temperature = float(temperatures[int(name.rsplit("_", 1)[1])])
        runs = _runs(trajectories[name].frames)
        points.append(measure(runs, temperature, surface, analysis.blocks))
    arrays = curve_arrays(points, surface, bulk)
    judged = judge_melting(arrays, analysis.lindemann, bulk)
    formula = start[0].get_chemical_formula()
    return {"curve": arrays_node(arrays), "melting": Dict({"cluster": formula, **judged})}


def _runs(frames: Frames) -> list[Frames]:
    owners = np.array([json.loads(str(text))["structure"] for text in frames.info])
    return [frames.select(owners == run) for run in np.unique(owners)]
