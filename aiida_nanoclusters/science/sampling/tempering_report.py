"""What a run of parallel tempering is worth, in numbers that a reader wants first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.sampling.parallel_tempering import (
    SwapTable,
    pair_acceptance,
    replica_flow,
    round_trips,
)

#: Incidents of which the details are kept.
MOST_INCIDENTS = 100


def numbers_or_none(values: NDArray[Any]) -> list[float | None]:
    """Return numbers as JSON has them: None for NaN."""
    return [float(v) if np.isfinite(v) else None for v in values]


def joined_report(table: SwapTable, reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one report on a run and the jobs that it took.

    Parameters
    ----------
    table
        Of the whole run.
    reports
        Of its jobs, in order; the last knows the incidents of all.

    Returns
    -------
    dict
        ``temperatures`` (K), ``acceptance`` of each pair of neighbours, ``round_trips`` of each
        replica, ``flow`` (share of replicas at each temperature that come from the lowest one),
        ``touched`` (share of attempts at each temperature before which atoms were beyond the
        sphere), ``confinement_radius`` (Å), ``incidents`` and their ``counts`` by temperature,
        ``evaporated`` and ``halved`` in all, ``wall_seconds``, ``attempts``, ``attempts_done``,
        ``equilibration`` (attempts), ``jobs``.
    """
    last = reports[-1]
    acceptance, attempts = pair_acceptance(table)
    walls = table.by_temperature(table.replica_walls)
    counts = dict(last["counts"])
    return {
        "temperatures": [float(t) for t in table.temperatures],
        "acceptance": numbers_or_none(acceptance),
        "swaps_attempted": [int(n) for n in attempts],
        "round_trips": [int(n) for n in round_trips(table)],
        "flow": numbers_or_none(replica_flow(table)),
        "touched": numbers_or_none((walls > 0).mean(axis=0)) if len(table) else [],
        "confinement_radius": last["confinement_radius"],
        "incidents": list(last["incidents"])[:MOST_INCIDENTS],
        "counts": counts,
        "evaporated": int(sum(counts.get("evaporated", []))),
        "halved": int(sum(counts.get("halved", []))),
        "wall_seconds": round(float(sum(r["wall_seconds"] for r in reports)), 3),
        "attempts": last["attempts"],
        "attempts_done": last["attempts_done"],
        "equilibration": last["equilibration"],
        "driver": last["driver"],
        "jobs": len(reports),
    }
