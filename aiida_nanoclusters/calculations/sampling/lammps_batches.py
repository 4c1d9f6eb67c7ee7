"""Calcfunctions that continue and join consecutive jobs of stages by LAMMPS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Data, Dict, Int, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.lammps.output import THERMO_COLUMNS
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.ledger import (
    BatchLedger,
    places_of,
    single_frames,
    trajectory_parts,
)

#: Failures that a shorter time step may prevent, and failures after which a repetition may succeed.
MENDABLE = ("unstable", "evaporated")
REPEATABLE = ("stale",)
#: Failures found by LAMMPS itself, for which `keep_failed` keeps the sampled frames.
GIVEN_UP = ("unstable", "overlap", "error", "stale")
_SUMS = ("steps", "force_evaluations", "wall_time")
_NOT_DONE = {"state": "unfinished", "attempts": 0}


@dataclass(frozen=True)
class Pending:
    """A structure for the next job: its index in the last one, and the factor of its time step."""

    index: int
    factor: float
    halved: bool
    resumed: bool


def pending_structures(
    report: Mapping[str, Any], factors: Sequence[float] | None, max_halvings: int
) -> list[Pending]:
    """Return the structures for the next job; one that can be resumed comes first.

    Unstable structures are repeated with half the time step, down to ``0.5**max_halvings`` of the
    time step of the stage.
    """
    resume = report.get("resume")
    pending = []
    for entry in report["structures"]:
        index = entry["index"]
        factor = factors[index] if factors else 1.0
        if entry["state"] == "unfinished":
            resumed = resume is not None and resume["structure"] == index
            pending.append(Pending(index, factor, False, resumed))
        elif entry["state"] == "failed" and entry["reason"] in MENDABLE:
            if factor / 2 >= 0.5**max_halvings * (1 - 1e-9):
                pending.append(Pending(index, factor / 2, True, False))
        elif entry["state"] == "failed" and entry["reason"] in REPEATABLE:
            pending.append(Pending(index, factor, False, False))
    return sorted(pending, key=lambda p: not p.resumed)


@calcfunction
def continue_batch(
    frames: FramesData,
    report: Dict,
    max_halvings: Int,
    seeds: List | None = None,
    factors: List | None = None,
) -> dict[str, Data]:
    """Return the inputs of the job after one with these frames and this report."""
    content = report.get_dict()
    pending = pending_structures(content, factors and factors.get_list(), max_halvings.value)
    chosen = [p.index for p in pending]
    outputs: dict[str, Data] = {
        "frames": FramesData(frames.frames.select(chosen)),
        "timestep_factors": List([p.factor for p in pending]),
    }
    if seeds is not None:
        outputs["seeds"] = List([seeds.get_list()[i] for i in chosen])
    if pending[0].resumed:
        outputs["resume"] = Dict({**content["resume"], "structure": 0})
    return outputs


@calcfunction
def merge_batches(
    frames: FramesData, max_halvings: Int, settings: Dict | None = None, **nodes: Data
) -> dict[str, Data]:
    """Join the outputs of consecutive jobs in the order of the frames of the first one.

    Parameters
    ----------
    frames
        Frames of the first job.
    settings
        Settings of the jobs.
    nodes
        ``report_<i>`` of job i, and where they exist ``structures_<i>``, ``trajectory_<i>``,
        ``thermo_<i>``, and its input ``factors_<i>``.
    """
    numbers = sorted(name.removeprefix("report_") for name in nodes if name.startswith("report_"))
    merged = _Merged(len(frames))
    message = ""
    for number in numbers:
        report = nodes[f"report_{number}"].get_dict()
        factors = nodes[f"factors_{number}"].get_list() if f"factors_{number}" in nodes else None
        job = {
            key: nodes[f"{key}_{number}"]
            for key in ("structures", "trajectory", "thermo")
            if f"{key}_{number}" in nodes
        }
        merged.add(report, factors, job)
        merged.follow(pending_structures(report, factors, max_halvings.value))
        message = report.get("message", "")
    if settings is None or not settings.get("keep_failed", False):
        merged.drop_failed()
    return merged.outputs(message)


class _Merged:
    """Rows and results of each structure by its index in the first job."""

    def __init__(self, n: int) -> None:
        self.ledger = BatchLedger(range(n))
        self.columns: dict[str, str] = {}
        self.resumed: int | None = None

    def add(
        self,
        report: Mapping[str, Any],
        factors: Sequence[float] | None,
        job: Mapping[str, Any],
    ) -> None:
        """Add one job: its report, the factors of its time steps, and its other outputs."""
        ledger, rows = self.ledger, report["structures"]
        scaled = [
            {**row, "timestep_factor": factors[k] if factors else 1.0} for k, row in enumerate(rows)
        ]
        ledger.record(scaled, combine=_added)
        for name in (
            "trajectory",
            "thermo",
        ):  # of restarted structures, earlier parts are discarded
            ledger.discard(name, [i for i in ledger.batch if i != self.resumed])
        if "structures" in job:
            ledger.keep(
                "structures",
                single_frames(job["structures"].frames),
                places_of(rows, "finished"),
            )
        if "trajectory" in job:
            ledger.append("trajectory", trajectory_parts(job["trajectory"].frames, ledger.batch))
        if "thermo" in job:
            self._add_thermo(job["thermo"])

    def _add_thermo(self, thermo: ArrayData) -> None:
        units = thermo.base.attributes.get("units")
        # PostgreSQL does not keep the order of the keys of a mapping.
        self.columns = {name: units[name] for name in THERMO_COLUMNS}
        rows = np.column_stack([thermo.get_array(name) for name in self.columns])
        parts = {}
        for place in np.unique(rows[:, 0]).astype(int).tolist():
            part = rows[rows[:, 0] == place]
            part[:, 0] = self.ledger.batch[place]
            parts[place] = part
        self.ledger.append("thermo", parts)

    def follow(self, pending: Sequence[Pending]) -> None:
        """Begin the next job, which holds these structures of the last one."""
        self.ledger.follow(p.index for p in pending)
        self.resumed = self.ledger.batch[0] if pending and pending[0].resumed else None

    def drop_failed(self) -> None:
        """Drop the sampled frames of structures that failed in a later job."""
        rows = self.ledger.rows(missing=_NOT_DONE)
        failed = [
            row["index"] for row in rows if row["state"] == "failed" and row["reason"] in GIVEN_UP
        ]
        self.ledger.discard("trajectory", failed)

    def outputs(self, message: str) -> dict[str, Data]:
        """Return the nodes of all jobs together."""
        rows = self.ledger.rows(missing=_NOT_DONE)
        made: dict[str, Data] = {
            "report": Dict({"structures": rows, "resume": None, "message": message})
        }
        structures = self.ledger.results("structures")
        if structures:
            made["structures"] = FramesData(Frames.concatenate(list(structures.values())))
        sampled = [part for parts in self.ledger.results("trajectory").values() for part in parts]
        if sampled:
            made["trajectory"] = FramesData(Frames.concatenate(sampled))
        tables = [part for parts in self.ledger.results("thermo").values() for part in parts]
        if tables:
            made["thermo"] = thermo_node(np.concatenate(tables), self.columns)
        return made


def _added(before: Mapping[str, Any] | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a structure after one more job, with its costs added up."""
    earlier = before or _NOT_DONE
    sums = {key: row[key] + earlier.get(key, 0) for key in _SUMS}
    return {**row, **sums, "attempts": earlier["attempts"] + 1}


def thermo_node(rows: np.ndarray, columns: Mapping[str, str]) -> ArrayData:
    """Return thermo rows (R, C) as one array per column; columns without a unit are integers."""
    node = ArrayData()
    for place, (name, unit) in enumerate(columns.items()):
        values = rows[:, place]
        node.set_array(name, values if unit else values.astype(np.int64))
    node.base.attributes.set("units", dict(columns))
    return node
