"""Hills of walkers that share one bias, and what each walker felt in time."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.sampling.metadynamics import WHOLE_HILLS
from aiida_nanoclusters.science.sampling import shared_bias
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings


@calcfunction
def pool_hills(**parts: ArrayData) -> ArrayData:
    """Return the hills of several nodes as one set, with which walkers begin."""
    arrays = [_arrays(parts[name]) for name in sorted(parts)]
    return _node(shared_bias.pool_hills(arrays), next(iter(parts.values())))


@calcfunction
def join_walkers(settings: Dict, **parts: ArrayData) -> dict[str, Any]:
    """Return ``walker_<k>``, what each felt in time, from ``bias_<round>_<walker>``."""
    durations = MetadynamicsSettings(**settings.get_dict()).rounds()
    rounds: dict[int, dict[int, Any]] = {}
    for name in sorted(parts):
        number, walker = (int(word) for word in name.split("_")[1:])
        rounds.setdefault(number, {})[walker] = _arrays(parts[name])
    found = shared_bias.join_walkers(
        [rounds[number] for number in sorted(rounds)], durations[: len(rounds)]
    )
    first = next(iter(parts.values()))
    return {f"walker_{walker:03d}": _node(arrays, first) for walker, arrays in found.items()}


def _arrays(node: ArrayData) -> dict[str, np.ndarray]:
    return {name: node.get_array(name) for name in node.get_arraynames()}


def _node(arrays: dict[str, np.ndarray], like: ArrayData) -> ArrayData:
    node = arrays_node(arrays)
    node.base.attributes.set("names", like.base.attributes.get("names"))
    node.base.attributes.set(WHOLE_HILLS, True)
    return node
