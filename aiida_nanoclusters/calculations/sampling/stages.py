"""Calcfunctions that continue and join jobs of stages by programs of first principles."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Data, Dict, FolderData, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k.stages import RESTART
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.ledger import (
    BatchLedger,
    Combine,
    places_of,
    single_frames,
    trajectory_parts,
)
from aiida_nanoclusters.science.labels.retries import LABELLED, FallbackSequence

#: Quantities that are added up over the jobs of a structure.
_SUMS = ("steps", "force_evaluations", "unconverged")
_START = {"segment": 0, "step": 0}
_BLANK = {"energy": None, "max_force": None, "converged": None}


@calcfunction
def continue_cp2k(frames: FramesData, seeds: List, chosen: List, **jobs: Data) -> dict[str, Data]:
    """Return ``frames``, ``seeds``, ``points`` and ``restarts`` of the next job of CP2K.

    Parameters
    ----------
    frames, seeds
        Of all structures.
    chosen
        For each structure of the job its ``index``; the number of the last ``job`` that reported on
        it, -1 where there is none; and its ``place`` in that job.
    jobs
        ``report_<k>`` and, where there is one, ``restarts_<k>`` of these jobs.
    """
    folder, points = FolderData(), []
    for new, item in enumerate(chosen.get_list()):
        key = f"{item['job']:05d}"
        if item["job"] < 0:
            points.append(_START)
            continue
        points.append(jobs[f"report_{key}"]["structures"][item["place"]]["point"])
        held = jobs.get(f"restarts_{key}")
        name = RESTART.format(item["place"])
        if held is not None and name in held.list_object_names():
            content = io.BytesIO(held.get_object_content(name).encode())
            folder.base.repository.put_object_from_filelike(content, RESTART.format(new))
    indices = [item["index"] for item in chosen.get_list()]
    made: dict[str, Data] = {
        "frames": FramesData(frames.frames.select(indices)),
        "seeds": List([seeds[i] for i in indices]),
        "points": List(points),
    }
    if folder.base.repository.list_object_names():
        made["restarts"] = folder
    return made


@calcfunction
def join_stage_jobs(jobs: List, progress: Dict, **parts: Data) -> dict[str, Data]:
    """Join the jobs that ran the stages of one batch of structures.

    Parameters
    ----------
    jobs
        Indices of the structures of each job.
    progress
        State of the :class:`.FallbackSequence` after the last job.
    parts
        ``report_<k>``, ``structures_<k>`` and ``trajectory_<k>`` of job k, where there are any.

    Returns
    -------
    dict
        ``report``, and where there are any ``structures`` and ``trajectory``, in input order.
    """
    states = FallbackSequence.from_state(progress.get_dict()).report()
    ledger = BatchLedger(row["index"] for row in states)
    _collect(ledger, jobs.get_list(), parts, combine=_added)
    found = ledger.rows(missing={**_BLANK, **dict.fromkeys(_SUMS, 0)})
    rows = [{**done, **row, "state": _state(row)} for done, row in zip(found, states, strict=True)]
    return {"report": Dict({"structures": rows}), **_joined(ledger)}


@calcfunction
def join_stage_batches(
    batches: List, atoms: FramesData | None = None, **parts: Data
) -> dict[str, Data]:
    """Join batches of structures; `parts` as in :func:`join_stage_jobs`.

    Parameters
    ----------
    batches
        Indices of the structures of each batch.
    atoms
        Labelled isolated atoms, the reference of all energies.
    """
    groups = batches.get_list()
    ledger = BatchLedger(sorted(index for indices in groups for index in indices))
    lost = {"state": "failed", "reason": "its whole batch failed", **_BLANK}
    _collect(ledger, groups, parts, lost=lost)
    ordered = ledger.rows()
    summary = {
        "n_finished": sum(row["state"] == "finished" for row in ordered),
        "n_failed": sum(row["state"] != "finished" for row in ordered),
        "n_unconverged": sum(row.get("converged") is False for row in ordered),
        "structures": ordered,
    }
    joined = _joined(ledger, atoms.atom_energies if atoms else {})
    return {"report": Dict(summary), **joined}


def _state(row: Mapping[str, Any]) -> str:
    return "finished" if row["state"] == LABELLED else "failed"


def _added(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a structure after one more job, with its costs added up."""
    sums = {key: row[key] + (before or {}).get(key, 0) for key in _SUMS}
    return {key: row[key] for key in _BLANK} | sums


def _collect(
    ledger: BatchLedger,
    groups: Sequence[Sequence[int]],
    parts: Mapping[str, Any],
    *,
    combine: Combine | None = None,
    lost: Mapping[str, Any] | None = None,
) -> None:
    """Record reports, final structures and trajectories of all batches or jobs in the ledger.

    Parameters
    ----------
    groups
        Indices of the structures of each batch or job.
    parts
        As in :func:`join_stage_jobs`.
    combine
        As in :meth:`.BatchLedger.record`.
    lost
        Row of the structures of a batch without a report; their earlier row is kept where None.
    """
    for k, indices in enumerate(groups):
        ledger.start(indices)
        report = parts.get(f"report_{k:05d}")
        if report is None:
            if lost is not None:
                ledger.record_all(lost)
            continue
        rows = report["structures"]
        ledger.record(rows, combine=combine)
        if f"structures_{k:05d}" in parts:
            frames = single_frames(parts[f"structures_{k:05d}"].frames)
            ledger.keep("structures", frames, places_of(rows, LABELLED, "finished"))
        if f"trajectory_{k:05d}" in parts:
            sampled = trajectory_parts(parts[f"trajectory_{k:05d}"].frames, ledger.batch)
            ledger.append("trajectory", sampled)


def _joined(ledger: BatchLedger, atoms: Mapping[str, float] | None = None) -> dict[str, FramesData]:
    """Return ``structures`` and ``trajectory``, where there are any, in input order."""
    made = {}
    ends, paths = ledger.results("structures"), ledger.results("trajectory")
    if ends:
        made["structures"] = _with_atoms(ends.values(), atoms)
    if paths:
        merged = [_once(Frames.concatenate(path)) for path in paths.values()]
        made["trajectory"] = _with_atoms(merged, atoms)
    return made


def _once(frames: Frames) -> Frames:
    """Return each step once: the last of one job may be the first of the next."""
    moments: dict[tuple[int, float, int], int] = {}
    for place, text in enumerate(frames.info):
        info = json.loads(str(text))
        # Minimisations take no time.
        moments.setdefault((info["stage"], info["time"], info.get("step", 0)), place)
    return frames.select([moments[key] for key in sorted(moments)])


def _with_atoms(parts: Iterable[Frames], atoms: Mapping[str, float] | None) -> FramesData:
    joined = Frames.concatenate(list(parts))
    if atoms is None:
        return FramesData(joined)
    known = {symbol: atoms[symbol] for symbol in joined.elements if symbol in atoms}
    return FramesData(replace(joined, atom_energies={**joined.atom_energies, **known}))
