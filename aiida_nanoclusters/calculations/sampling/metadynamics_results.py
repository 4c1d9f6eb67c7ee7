"""Variables and hills of the jobs of a run as one, and the free energy of all runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.sampling.metadynamics import WHOLE_HILLS, hills_of
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun, analyse_runs
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings

_SERIES = (
    keys.STEPS,
    keys.TIMES,
    keys.VARIABLES,
    keys.BIAS_ENERGIES,
    keys.HILLS_ENERGIES,
)


_HILLS = (keys.HILL_STEPS, keys.HILL_CENTRES, keys.HILL_WIDTHS, keys.HILL_HEIGHTS)


@calcfunction
def join_bias(**parts: ArrayData) -> ArrayData:
    """Return variables and hills of consecutive jobs ``bias_<k>`` as those of one run.

    Each job of our plugin has all hills before it, one of COLVARS its own; a job that began anew
    replaces the ones before.
    """
    nodes = [parts[name] for name in sorted(parts)]
    ends = [int(node.get_array(keys.STEPS)[0]) for node in nodes[1:]] + [np.inf]
    keep = []
    for k, node in enumerate(nodes):
        keep.append(node.get_array(keys.STEPS) < min(ends[k:]))
    arrays = {name: nodes[-1].get_array(name) for name in nodes[-1].get_arraynames()}
    for name in _SERIES:
        rows = [node.get_array(name)[kept] for node, kept in zip(nodes, keep, strict=True)]
        arrays[name] = np.concatenate(rows)
    whole = nodes[-1].base.attributes.get(WHOLE_HILLS, False)
    if whole:
        # of jobs that were not continued, the hills after the point from which the next one began
        kept_hills = [
            node.get_array(keys.HILL_STEPS) <= min(ends[k:]) for k, node in enumerate(nodes)
        ]
        for name in _HILLS:
            own = [n.get_array(name)[kept] for n, kept in zip(nodes, kept_hills, strict=True)]
            arrays[name] = np.concatenate(own)
    joined = arrays_node(arrays)
    joined.base.attributes.set("names", nodes[-1].base.attributes.get("names"))
    if whole:
        joined.base.attributes.set(WHOLE_HILLS, True)
    return joined


@calcfunction
def analyse_metadynamics(settings: Dict, **bias: ArrayData) -> dict[str, Any]:
    """Return the free energy along the variables from all runs ``run_<k>``.

    Returns
    -------
    dict
        ``free_energy``: arrays as named in :mod:`aiida_nanoclusters.science.keys`. ``report``:
        hills, range of the variables and height of the last hill of each run. ``answer``: basins,
        their difference, the path between the two lowest, whether it has converged and why, as
        :func:`~.metadynamics_basins.describe_basins` has it.
    """
    values = MetadynamicsSettings(**settings.get_dict())
    runs = {name: run_of(bias[name], values) for name in sorted(bias)}
    arrays, report, answer = analyse_runs(runs, values)
    node = arrays_node(arrays)
    node.base.attributes.set("names", [variable.name for variable in values.ordered])
    return {"free_energy": node, "report": Dict(report), "answer": Dict(answer)}


def run_of(node: ArrayData, settings: MetadynamicsSettings) -> BiasedRun:
    """Return the run that a node of variables and hills holds; of OPES it has no hills."""
    hills, hill_steps = None, np.empty(0, dtype=np.int64)
    if keys.HILL_STEPS in node.get_arraynames():
        hill_steps, hills = node.get_array(keys.HILL_STEPS), hills_of(node, settings)
    return BiasedRun(
        steps=node.get_array(keys.STEPS),
        times=node.get_array(keys.TIMES),
        variables=node.get_array(keys.VARIABLES),
        bias=node.get_array(keys.HILLS_ENERGIES),
        hill_steps=hill_steps,
        hills=hills,
    )
