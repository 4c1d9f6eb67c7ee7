"""Walkers that share one bias: what each of them felt, from its pieces between exchanges.

Walkers run side by side, each with the hills of all up to the last exchange and its own since.
Raiteri et al., J. Phys. Chem. B 110, 3533 (2006), where they exchange at every hill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science import keys

Arrays = Mapping[str, NDArray[Any]]

_SERIES = (keys.VARIABLES, keys.BIAS_ENERGIES, keys.HILLS_ENERGIES)
#: What a hill is, without the step from which it acts.
HILL = (keys.HILL_CENTRES, keys.HILL_WIDTHS, keys.HILL_HEIGHTS)


def pool_hills(parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
    """Return the hills of several parts as one set."""
    return {name: np.concatenate([part[name] for part in parts]) for name in HILL}


def join_walkers(
    rounds: Sequence[Mapping[int, Arrays]], durations: Sequence[float]
) -> dict[int, dict[str, NDArray[Any]]]:
    """Return what each walker felt in time, with all hills of all walkers.

    Parameters
    ----------
    rounds
        Between two exchanges, of each walker by its number: variables in time and its own hills,
        steps and times from the beginning of the round. The last one may lack walkers, or their
        ends.
    durations
        Of the rounds, ps.

    Returns
    -------
    dict
        By the number of the walker: arrays named as those of a run alone. `HILL_STEPS` are those
        from which a hill acts on this walker: its own from when it was added, those of others from
        the end of the round. Every hill is there once.
    """
    return {walker: _joined(walker, rounds, durations) for walker in sorted(rounds[0])}


def _joined(
    walker: int, rounds: Sequence[Mapping[int, Arrays]], durations: Sequence[float]
) -> dict[str, NDArray[Any]]:
    steps, times, acting = [], [], []
    series: dict[str, list[NDArray[Any]]] = {name: [] for name in _SERIES}
    hills: dict[str, list[NDArray[Any]]] = {name: [] for name in HILL}
    first, begun = 0, 0.0
    for number, (parts, duration) in enumerate(zip(rounds, durations, strict=True)):
        if walker in parts:
            own = parts[walker]
            # the first value of a later round is the last one of the round before
            kept = own[keys.STEPS] > 0 if number else np.full(len(own[keys.STEPS]), True)
            steps.append(first + own[keys.STEPS][kept])
            times.append(begun + own[keys.TIMES][kept])
            for name in _SERIES:
                series[name].append(own[name][kept])
            last = first + round(duration / (own[keys.TIMES][-1] / own[keys.STEPS][-1]))
        for other, part in parts.items():
            alone = other == walker
            count = len(part[keys.HILL_STEPS])
            acting.append(first + part[keys.HILL_STEPS] if alone else np.full(count, last))
            for name in HILL:
                hills[name].append(part[name])
        first, begun = last, begun + duration
    order = np.argsort(np.concatenate(acting), kind="stable")
    return {
        keys.STEPS: np.concatenate(steps),
        keys.TIMES: np.concatenate(times),
        **{name: np.concatenate(values) for name, values in series.items()},
        keys.HILL_STEPS: np.concatenate(acting)[order],
        **{name: np.concatenate(values)[order] for name, values in hills.items()},
    }
