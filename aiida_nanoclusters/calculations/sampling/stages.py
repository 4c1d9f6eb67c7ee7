"""Stages by programs of first principles: from one job to the next, and all jobs together."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Data, Dict, FolderData, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k_stages import RESTART
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labelling import LABELLED, LabelLadder

#: What is added up over the jobs of a structure.
_SUMS = ("steps", "force_evaluations", "unconverged")
_START = {"segment": 0, "step": 0}
_BLANK = {"energy": None, "max_force": None, "converged": None}


@calcfunction
def continue_cp2k(frames: FramesData, seeds: List, chosen: List, **jobs: Data) -> dict[str, Data]:
    """Return what the next job of CP2K does: ``frames``, ``seeds``, ``points``, ``restarts``.

    Parameters
    ----------
    frames, seeds
        Of all structures.
    chosen
        Of each structure to do its ``index``; the number of the ``job`` that had it last, -1 where
        none has; and its ``place`` in that.
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
def join_stage_jobs(jobs: List, ladder: Dict, **parts: Data) -> dict[str, Data]:
    """Join the jobs it took to lead one batch of structures through their stages.

    Parameters
    ----------
    jobs
        For each job the indices of the structures it was given.
    ladder
        State of the :class:`.LabelLadder` after the last.
    parts
        ``report_<k>``, ``structures_<k>`` and ``trajectory_<k>`` of job k, where there are any.

    Returns
    -------
    dict
        ``report``, and where there are any ``structures`` and ``trajectory``, in input order.
    """
    found: dict[int, dict[str, Any]] = {}
    for k, indices in enumerate(jobs.get_list()):
        report = parts.get(f"report_{k:05d}")
        for index, entry in zip(indices, report["structures"] if report else [], strict=False):
            sums = {key: entry[key] + found.get(index, {}).get(key, 0) for key in _SUMS}
            found[index] = {key: entry[key] for key in _BLANK} | sums
    nothing: dict[str, Any] = {**_BLANK, **dict.fromkeys(_SUMS, 0)}
    rows = [
        {**nothing, **found.get(row["index"], {}), **row, "state": _state(row)}
        for row in LabelLadder.from_state(ladder.get_dict()).report()
    ]
    return {"report": Dict({"structures": rows}), **_joined(jobs.get_list(), parts)}


@calcfunction
def join_stage_batches(
    batches: List, atoms: FramesData | None = None, **parts: Data
) -> dict[str, Data]:
    """Join batches of structures; `parts` as in :func:`join_stage_jobs`.

    Parameters
    ----------
    batches
        For each batch the indices of its structures.
    atoms
        Labelled isolated atoms: the reference of energies.
    """
    rows: dict[int, dict[str, Any]] = {}
    for k, indices in enumerate(batches.get_list()):
        report = parts.get(f"report_{k:05d}")
        lost = {"state": "failed", "reason": "its whole batch failed", **_BLANK}
        entries = report["structures"] if report else [lost] * len(indices)
        rows |= {i: {**e, "index": i} for i, e in zip(indices, entries, strict=True)}
    ordered = [rows[i] for i in sorted(rows)]
    summary = {
        "n_finished": sum(row["state"] == "finished" for row in ordered),
        "n_failed": sum(row["state"] != "finished" for row in ordered),
        "n_unconverged": sum(row.get("converged") is False for row in ordered),
        "structures": ordered,
    }
    joined = _joined(batches.get_list(), parts, atoms.atom_energies if atoms else {})
    return {"report": Dict(summary), **joined}


def _state(row: Mapping[str, Any]) -> str:
    return "finished" if row["state"] == LABELLED else "failed"


def _joined(
    groups: Sequence[Sequence[int]],
    parts: Mapping[str, Any],
    atoms: Mapping[str, float] | None = None,
) -> dict[str, FramesData]:
    """Return ``structures`` and ``trajectory`` of all groups, by index in the whole set."""
    ends: dict[int, Frames] = {}
    paths: dict[int, list[Frames]] = {}
    for k, indices in enumerate(groups):
        if f"structures_{k:05d}" in parts:
            frames = parts[f"structures_{k:05d}"].frames
            entries = parts[f"report_{k:05d}"]["structures"]
            done = [
                i
                for i, entry in zip(indices, entries, strict=True)
                if entry["state"] in (LABELLED, "finished")
            ]
            ends |= {index: frames.select([place]) for place, index in enumerate(done)}
        if f"trajectory_{k:05d}" in parts:
            frames = parts[f"trajectory_{k:05d}"].frames
            owners = np.array([json.loads(str(text))["structure"] for text in frames.info])
            for place in np.unique(owners).tolist():
                own = _renumbered(frames.select(owners == place), indices[place])
                paths.setdefault(indices[place], []).append(own)
    made = {}
    if ends:
        made["structures"] = _with_atoms([ends[i] for i in sorted(ends)], atoms)
    if paths:
        merged = [_once(Frames.concatenate(paths[i])) for i in sorted(paths)]
        made["trajectory"] = _with_atoms(merged, atoms)
    return made


def _renumbered(frames: Frames, index: int) -> Frames:
    texts = [
        json.dumps({**json.loads(str(text)), "structure": index}, sort_keys=True)
        for text in frames.info
    ]
    return replace(frames, info=np.array(texts))


def _once(frames: Frames) -> Frames:
    """Return each moment once: two jobs may both hold the one at which they meet."""
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
