"""From one job of stages to the next: what is left to do, and all jobs taken together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Data, Dict, Int, List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.lammps_output import THERMO_COLUMNS
from aiida_nanoclusters.science.frames import Frames

#: Failures that a shorter time step may mend, and those after which the same may be done anew.
MENDABLE = ("unstable", "evaporated")
REPEATABLE = ("stale",)
#: Failures that LAMMPS met itself: their frames are kept where `keep_failed` asks for them.
GIVEN_UP = ("unstable", "overlap", "error", "stale")
_SUMS = ("steps", "force_evaluations", "wall_time")


@dataclass(frozen=True)
class Pending:
    """A structure that is not settled: its index in the last job, and its next time step."""

    index: int
    factor: float
    halved: bool
    resumed: bool


def pending_structures(
    report: Mapping[str, Any], factors: Sequence[float] | None, max_halvings: int
) -> list[Pending]:
    """Return what is left to do after a job, the structure that can be resumed first.

    Unstable structures are repeated with half the time step as long as that is not below
    ``0.5**max_halvings`` of the stage's own.
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
    """Return the inputs of the job that follows one with these frames and this report."""
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
    """Join the outputs of consecutive jobs, in the order of the first one's input.

    Parameters
    ----------
    frames
        The input of the first job.
    settings
        Of the jobs.
    nodes
        Of job ``i``: ``report_i``, and where there are any ``structures_i``, ``trajectory_i``,
        ``thermo_i``, and ``factors_i`` of its input.
    """
    numbers = sorted(name.removeprefix("report_") for name in nodes if name.startswith("report_"))
    merged = _Merged(len(frames))
    origin = list(range(len(frames)))
    message = ""
    for number in numbers:
        report = nodes[f"report_{number}"].get_dict()
        factors = nodes[f"factors_{number}"].get_list() if f"factors_{number}" in nodes else None
        job = {
            key: nodes[f"{key}_{number}"]
            for key in ("structures", "trajectory", "thermo")
            if f"{key}_{number}" in nodes
        }
        merged.add(report, origin, factors, job)
        pending = pending_structures(report, factors, max_halvings.value)
        merged.resumed = origin[pending[0].index] if pending and pending[0].resumed else None
        origin = [origin[p.index] for p in pending]
        message = report.get("message", "")
    if settings is None or not settings.get("keep_failed", False):
        merged.drop_failed()
    return merged.outputs(message)


class _Merged:
    """Parts of each structure, by its index in the first job's input."""

    def __init__(self, n: int) -> None:
        self.entries: list[dict[str, Any]] = [
            {"index": i, "state": "unfinished", "attempts": 0} for i in range(n)
        ]
        self.structures: dict[int, Frames] = {}
        self.trajectory: dict[int, list[Frames]] = {i: [] for i in range(n)}
        self.thermo: dict[int, list[np.ndarray]] = {i: [] for i in range(n)}
        self.columns: dict[str, str] = {}
        self.resumed: int | None = None

    def add(
        self,
        report: Mapping[str, Any],
        origin: Sequence[int],
        factors: Sequence[float] | None,
        job: Mapping[str, Any],
    ) -> None:
        """Take in one job, whose structure ``i`` is structure ``origin[i]`` of the first."""
        for entry, index in zip(report["structures"], origin, strict=True):
            before = self.entries[index]
            again = {**entry, "index": index, "attempts": before["attempts"] + 1}
            again["timestep_factor"] = factors[entry["index"]] if factors else 1.0
            for key in _SUMS:
                again[key] = entry[key] + before.get(key, 0)
            self.entries[index] = again
            if index != self.resumed:  # begun anew: what went before is void
                self.trajectory[index], self.thermo[index] = [], []
        if "structures" in job:
            kept = [o for e, o in zip(report["structures"], origin, strict=True) if _is_kept(e)]
            found = job["structures"].frames
            for place, index in enumerate(kept):
                self.structures[index] = found.select([place])
        if "trajectory" in job:
            found = job["trajectory"].frames
            infos = [json.loads(str(text)) for text in found.info]
            local = np.array([info["structure"] for info in infos])
            texts = [
                json.dumps({**info, "structure": origin[info["structure"]]}, sort_keys=True)
                for info in infos
            ]
            found = replace(found, info=np.array(texts))
            for place in np.unique(local):
                self.trajectory[origin[place]].append(found.select(local == place))
        if "thermo" in job:
            units = job["thermo"].base.attributes.get("units")
            # PostgreSQL hands a mapping back in an order of its own.
            self.columns = {name: units[name] for name in THERMO_COLUMNS}
            rows = np.column_stack([job["thermo"].get_array(name) for name in self.columns])
            for place in np.unique(rows[:, 0]).astype(int):
                part = rows[rows[:, 0] == place]
                part[:, 0] = origin[place]
                self.thermo[origin[place]].append(part)

    def drop_failed(self) -> None:
        """Forget frames of structures that failed in a later job than made them."""
        for index, entry in enumerate(self.entries):
            if entry["state"] == "failed" and entry["reason"] in GIVEN_UP:
                self.trajectory[index] = []

    def outputs(self, message: str) -> dict[str, Data]:
        """Return the nodes of all jobs together."""
        made: dict[str, Data] = {
            "report": Dict({"structures": self.entries, "resume": None, "message": message})
        }
        if self.structures:
            parts = [self.structures[i] for i in sorted(self.structures)]
            made["structures"] = FramesData(Frames.concatenate(parts))
        frames = [part for i in sorted(self.trajectory) for part in self.trajectory[i]]
        if frames:
            made["trajectory"] = FramesData(Frames.concatenate(frames))
        rows = [part for i in sorted(self.thermo) for part in self.thermo[i]]
        if rows:
            table = np.concatenate(rows)
            made["thermo"] = thermo_node(table, self.columns)
        return made


def _is_kept(entry: Mapping[str, Any]) -> bool:
    return bool(entry["state"] == "finished")


def thermo_node(rows: np.ndarray, columns: Mapping[str, str]) -> ArrayData:
    """Return thermo rows (R, C) as one array a column; columns without a unit count things."""
    node = ArrayData()
    for place, (name, unit) in enumerate(columns.items()):
        values = rows[:, place]
        node.set_array(name, values if unit else values.astype(np.int64))
    node.base.attributes.set("units", dict(columns))
    return node
