"""Results of parallel tempering as nodes: jobs that continue each other, and their analysis."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Data, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import sound_frames
from aiida_nanoclusters.science.sampling.distinct import distinct_structures
from aiida_nanoclusters.science.sampling.parallel_tempering import SwapTable, choose_ladder
from aiida_nanoclusters.science.sampling.reweighting import Reweighting
from aiida_nanoclusters.science.sampling.tempered_frames import as_minima, order_of
from aiida_nanoclusters.science.sampling.tempering_report import joined_report
from aiida_nanoclusters.science.sampling.tempering_settings import ParallelTemperingSettings

_SWAPS = (
    *(keys.TEMPERATURES, keys.SWAP_STEPS, keys.REPLICA_TEMPERATURES),
    *(keys.REPLICA_ENERGIES, keys.REPLICA_WALLS),
)


def swaps_node(table: SwapTable) -> ArrayData:
    """Return the table of swaps as a node; `science/keys.py` has the units of its arrays."""
    values = (
        *(table.temperatures, table.steps, table.replica_temperatures),
        *(table.replica_energies, table.replica_walls),
    )
    return arrays_node(dict(zip(_SWAPS, values, strict=True)))


def swap_table(node: ArrayData) -> SwapTable:
    """Return the table of swaps of a node."""
    return SwapTable(*(node.get_array(name) for name in _SWAPS))


@calcfunction
def join_tempering(**parts: Data) -> dict[str, Any]:
    """Join the jobs of one run.

    Parameters
    ----------
    parts
        ``swaps_<k>``, ``report_<k>`` and, where there are frames, ``trajectory_<k>`` of job k. What
        a job repeats of the one before replaces it.

    Returns
    -------
    dict
        ``swaps``, ``report`` and, where there are frames, ``trajectory``.
    """
    numbers = sorted(key.partition("_")[2] for key in parts if key.startswith("swaps_"))
    tables = [swap_table(parts[f"swaps_{k}"]) for k in numbers]
    frames = []
    for place, k in enumerate(numbers):
        if f"trajectory_{k}" not in parts:
            continue
        own = parts[f"trajectory_{k}"].frames
        later = [int(table.steps[0]) for table in tables[place + 1 :] if len(table)]
        steps = np.array([json.loads(str(text))["step"] for text in own.info])
        kept = steps < min(later, default=np.inf)
        if kept.any():
            frames.append(own.select(kept))
    reports = [parts[key].get_dict() for key in sorted(parts) if key.startswith("report_")]
    table = SwapTable.joined(tables)
    made: dict[str, Any] = {
        "swaps": swaps_node(table),
        "report": Dict(joined_report(table, reports)),
    }
    if frames:
        joined = Frames.concatenate(frames)
        made["trajectory"] = FramesData(joined.select(order_of(joined)))
    return made


@calcfunction
def choose_temperatures(swaps: ArrayData, report: Dict, settings: Dict) -> Dict:
    """Choose the ladder of a run from short ones.

    Parameters
    ----------
    swaps, report
        Of the short runs.
    settings
        Of the run, with ``ladder``.

    Returns
    -------
    Dict
        Settings of its jobs, with ``temperatures``.
    """
    own = ParallelTemperingSettings(**settings.get_dict())
    assert own.ladder is not None
    table = swap_table(swaps)
    energies = table.energies[report["equilibration"] :]
    ladder = choose_ladder(
        table.temperatures,
        energies.mean(axis=0),
        energies.std(axis=0, ddof=1),
        own.ladder.acceptance,
        own.ladder.most,
    )
    return Dict(own.job_values([round(float(t), 2) for t in ladder]))


@calcfunction
def analyse_tempering(swaps: ArrayData, report: Dict, frames: FramesData) -> ArrayData:
    """Reweight the energies of a run: mean energy and heat capacity against temperature.

    Parameters
    ----------
    swaps, report
        Of the run, of which the equilibration is left out.
    frames
        Starts of the cluster, which say how many atoms it has.
    """
    table, atoms = swap_table(swaps), int(frames.frames.sizes[0])
    energies = table.energies[report["equilibration"] :]
    found = Reweighting(table.temperatures, energies).thermodynamics(
        atoms=atoms, freedom=3 * atoms - 3
    )
    return arrays_node(found)


@calcfunction
def find_minima(
    trajectory: FramesData, settings: Dict, structures: FramesData, report: Dict
) -> dict[str, Any]:
    """Find the distinct minima of relaxed frames.

    Parameters
    ----------
    trajectory
        Sampled frames.
    settings
        With ``energy_tolerance`` (eV/atom) and ``distance_tolerance`` (Å).
    structures, report
        Of a StagesWorkChain that relaxed them.

    Returns
    -------
    dict
        ``minima``: by composition and energy, `info` with the ``count`` of frames in each.
        ``minimum_of``: array ``minimum_of``, the index of the minimum of each frame of the
        trajectory, -1 where the relaxation failed or did not converge.
    """
    own = ParallelTemperingSettings(**settings.get_dict())
    relaxed = structures.frames
    rows = [row for row in report["structures"] if row["state"] == "finished"]
    usable = np.array([row.get("converged") is not False for row in rows])
    usable &= sound_frames(relaxed)
    places = np.array([row["index"] for row in rows])[usable]
    minimum_of = np.full(len(trajectory), -1, dtype=np.int64)
    if not usable.any():
        return {"minimum_of": arrays_node({keys.MINIMUM_OF: minimum_of})}
    kept = relaxed.select(usable)
    chosen, number = distinct_structures(kept, own.energy_tolerance, own.distance_tolerance)
    minimum_of[places] = number
    minima = as_minima(kept.select(chosen), np.bincount(number[number >= 0]))
    return {
        "minima": FramesData(minima),
        "minimum_of": arrays_node({keys.MINIMUM_OF: minimum_of}),
    }


@calcfunction
def join_reports_of_runs(**reports: Dict) -> Dict:
    """Join the reports of the runs of several compositions, by composition."""
    return Dict({name: node.get_dict() for name, node in sorted(reports.items())})
