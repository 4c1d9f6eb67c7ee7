"""A run of parallel tempering in a chart: populations against temperature, free energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Data, Dict, List

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.charts.families import family_label
from aiida_nanoclusters.calculations.sampling.tempering_results import swap_table
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.analysis_settings import FreeEnergySettings
from aiida_nanoclusters.science.charts.naming import name_frame
from aiida_nanoclusters.science.charts.paths import competing_families, path_between
from aiida_nanoclusters.science.charts.populations import (
    SampledFrames,
    populations,
    wall_energies,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.packing_family import FAMILIES
from aiida_nanoclusters.science.sampling.tempered_frames import compositions, origins

#: Link labels of the tables of swaps: this and the composition.
SWAPS = "swaps_"


@dataclass(frozen=True)
class _Run:
    """Frames of one composition: sorted by time and temperature, and the minimum of each."""

    sampled: SampledFrames
    minimum_of: Any


def _run_of(
    composition: str, frames: Frames, minimum_of: Any, swaps: ArrayData, first_attempt: int
) -> _Run:
    """Sort the frames of a composition; raise ValueError if they are too few."""
    own = compositions(frames).get(composition, [])
    chosen = frames.select(own)
    table, held = swap_table(swaps), origins(chosen)
    energies = chosen.energies + wall_energies(table, held["step"], held["replica"])
    first_step = int(table.steps[first_attempt]) if first_attempt < len(table.steps) else 2**62
    sampled = SampledFrames.sort(
        table.temperatures, held["temperature"], held["step"], energies, first_step=first_step
    )
    return _Run(sampled, np.asarray(minimum_of)[own])


@calcfunction
def frames_of_sizes(
    trajectory: FramesData, minima: FramesData, minimum_of: ArrayData, sizes: List
) -> dict[str, Any]:
    """Return what of a ParallelTemperingWorkChain is of clusters of some sizes.

    Parameters
    ----------
    trajectory, minima, minimum_of
        Of the run.
    sizes
        Numbers of atoms.

    Returns
    -------
    dict
        ``trajectory``, ``minima`` and ``minimum_of``, in the order of the run.

    Raises
    ------
    ValueError
        If no minimum has one of the sizes.
    """
    wanted = sizes.get_list()
    kept = np.flatnonzero(np.isin(minima.frames.sizes, wanted))
    if missing := sorted(set(wanted) - set(minima.frames.sizes[kept].tolist())):
        there = ", ".join(str(n) for n in np.unique(minima.frames.sizes))
        raise ValueError(f"the run has no minima of {missing[0]} atoms: it has {there}")
    rows = np.flatnonzero(np.isin(trajectory.frames.sizes, wanted))
    renumbered = np.full(len(minima) + 1, -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    # A frame without a minimum has -1, the last place.
    own = renumbered[minimum_of.get_array(keys.MINIMUM_OF)[rows]]
    return {
        "trajectory": FramesData(trajectory.frames.select(rows)),
        "minima": FramesData(minima.frames.select(kept)),
        "minimum_of": arrays_node({keys.MINIMUM_OF: own}),
    }


def _classes(run: _Run, of_minima: Any) -> Any:
    """Class of each frame from that of its minimum; -1 without a minimum."""
    return np.append(np.asarray(of_minima, dtype=np.int64), -1)[run.minimum_of]


@calcfunction
def chart_populations(
    trajectory: FramesData,
    minima: FramesData,
    minimum_of: ArrayData,
    report: Dict,
    coordinates: ArrayData,
    families: Dict,
    **swaps: Data,
) -> dict[str, ArrayData]:
    """Return the populations of families and of packings against temperature, by composition.

    Parameters
    ----------
    trajectory, minima, minimum_of, report
        Of a ParallelTemperingWorkChain.
    coordinates
        Of the minima in the chart, with the ``family`` of each.
    families
        Of the chart.
    swaps
        ``swaps_<composition>``: the table of swaps of each composition.

    Returns
    -------
    dict
        By composition arrays as named in :mod:`aiida_nanoclusters.science.keys`; the attribute
        ``families`` has the names of the rows, ``packings`` those by common neighbours.
        Compositions with frames at fewer than two times have none.
    """
    frames = trajectory.frames
    names = [family_label(row) for row in families["families"]]
    family = coordinates.get_array(keys.FAMILY)
    packing = _packings(minima.frames, coordinates)
    made = {}
    for label in sorted(swaps):
        composition = label.removeprefix(SWAPS)
        try:
            run = _run_of(
                composition, frames, minimum_of.get_array(keys.MINIMUM_OF), swaps[label],
                report[composition]["equilibration"],
            )  # fmt: skip
        except ValueError:
            continue  # too short a run: the report of the run says how long it was
        whole = run.sampled.reweighting()
        by_family = populations(run.sampled, _classes(run, family), names, reweighting=whole)
        by_packing = populations(run.sampled, _classes(run, packing), FAMILIES, reweighting=whole)
        node = arrays_node(
            {
                keys.TEMPERATURES: by_family.temperatures,
                keys.POPULATIONS: by_family.shares,
                keys.POPULATION_ERRORS: by_family.errors,
                keys.PACKING_POPULATIONS: by_packing.shares,
                keys.PACKING_POPULATION_ERRORS: by_packing.errors,
                keys.LADDER: by_family.ladder,
                keys.FAMILY_FRAMES: by_family.counts,
                keys.PACKING_FRAMES: by_packing.counts,
                keys.FRAMES_WITHOUT_MINIMUM: by_family.unclassified,
            }
        )
        node.base.attributes.set_many({"families": names, "packings": list(FAMILIES)})
        made[composition] = node
    return made


def _packings(minima: Frames, coordinates: ArrayData) -> Any:
    """Packing of every minimum; those that the chart has named are known."""
    known = np.full(len(minima), -1, dtype=np.int64)
    if keys.PACKING in coordinates.get_arraynames():
        known = np.array(coordinates.get_array(keys.PACKING), dtype=np.int64)
    for index in np.flatnonzero(known < 0):
        known[index] = FAMILIES.index(name_frame(minima[int(index)]).family)
    return known


@calcfunction
def chart_free_energy(
    trajectory: FramesData,
    minimum_of: ArrayData,
    swaps: ArrayData,
    report: Dict,
    coordinates: ArrayData,
    families: Dict,
    shares: ArrayData,
    settings: Dict,
    composition: Data,
) -> dict[str, Any]:
    """Return the free energy over the chart and the lowest path between two families.

    Parameters
    ----------
    trajectory, minimum_of, swaps, report
        Of a ParallelTemperingWorkChain; `swaps` of the composition.
    coordinates, families
        Of the minima in the chart.
    shares
        Of the composition, see :func:`chart_populations`.
    settings
        See :class:`.FreeEnergySettings`.
    composition
        Formula.

    Returns
    -------
    dict
        ``free_energy``: arrays as named in :mod:`aiida_nanoclusters.science.keys`. ``path``: see
        :func:`.path_between`. Empty where fewer than two families compete.
    """
    own = FreeEnergySettings(**settings.get_dict())
    values, grid = shares.get_array(keys.POPULATIONS), shares.get_array(keys.TEMPERATURES)
    chosen = competing_families(values, grid)
    if chosen is None and (own.between is None or own.temperature is None):
        return {}
    pair = own.between or (chosen[0], chosen[1])
    temperature = own.temperature or _most_competing(values, grid, pair)
    run = _run_of(
        composition.value, trajectory.frames, minimum_of.get_array(keys.MINIMUM_OF), swaps,
        report[composition.value]["equilibration"],
    )  # fmt: skip
    weights, resampled = run.sampled.reweighting().weights(temperature)
    minimum = run.minimum_of[run.sampled.frames]
    known = minimum >= 0
    arrays, answer = path_between(
        coordinates.get_array(keys.CHART_COORDINATES)[minimum[known]],
        weights[known],
        [draw[known] for draw in resampled],
        [row["centre"] for row in families["families"]],
        pair,
        temperature,
        own,
    )
    names = [family_label(row) for row in families["families"]]
    answer |= {"names": [names[k] for k in pair], "composition": composition.value}
    return {"free_energy": arrays_node(arrays), "path": Dict(answer)}


def _most_competing(shares: Any, grid: Any, pair: tuple[int, int]) -> float:
    """Temperature at which two families compete most."""
    return float(grid[int(np.argmax(shares[pair[0]] * shares[pair[1]]))])
