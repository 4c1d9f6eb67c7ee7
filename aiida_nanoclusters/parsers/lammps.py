"""Parser of jobs of LAMMPS that run stages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.faults import OUT_OF_MEMORY
from aiida_nanoclusters.calculations.sampling.lammps import make_job, settings_of
from aiida_nanoclusters.calculations.sampling.lammps_batches import thermo_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.lammps.dump import Snapshot, read_dump
from aiida_nanoclusters.formats.lammps.input import (
    FINAL_FILE,
    HOT,
    HUGE,
    LOG_FILE,
    TRAJECTORY_FILE,
)
from aiida_nanoclusters.formats.lammps.job import Job, has_gone_on
from aiida_nanoclusters.formats.lammps.output import (
    THERMO_COLUMNS,
    Outcome,
    StagesLog,
    explain_error,
    is_converged,
    is_unstable,
    read_stages_log,
    resume_point,
)
from aiida_nanoclusters.parsers.faults import fail_for_memory, fault_of, shorten
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.stages import count_fragments, sample_info, sample_interval


class LammpsParser(Parser):
    """Return the results of every structure, also where the job was interrupted."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach all results, complete or not, and return the exit code."""
        inputs = self.node.inputs
        given = {key: inputs[key] for key in inputs}
        frames, job = make_job(given)
        if LOG_FILE not in self.retrieved.base.repository.list_object_names():
            entries, fault = _entries({}, frames), fault_of(self)
            if fault is not None and fault.status == OUT_OF_MEMORY:
                fail_for_memory(entries, job.sizes)
            self.out("report", Dict({"structures": entries, "resume": None}))
            return fault or self.exit_codes.ERROR_NO_LOG.format(message=self._stderr())
        with self.retrieved.base.repository.open(LOG_FILE, "r") as handle:
            log = read_stages_log(handle, job.plan)
        folder = Path(kwargs["retrieved_temporary_folder"])
        potential = given["potential"]
        labels = {
            "level_of_theory": potential.computed_level,
            "atom_energies": potential.atom_energies,
        }
        settings = settings_of(given)
        distance = settings.fragment_distance or potential.cutoff

        entries = _entries(log.outcomes, frames)
        final = {job.plan.locate(s.step)[0]: s for s in _snapshots(folder / FINAL_FILE)}
        structures = _final_frames(frames, job, log, final)
        for index, entry in enumerate(entries):
            if entry["state"] == "finished":
                _judge(entry, frames, structures, index, job, log.outcomes[index], distance)
        kept = [i for i, entry in enumerate(entries) if entry["state"] == "finished"]
        if kept:
            self.out("structures", FramesData(replace(structures.select(kept), **labels)))
        unfinished = any(entry["state"] == "unfinished" for entry in entries)
        fault = fault_of(self, log.fault) if unfinished and not log.error else None
        resume = _resume(log, entries, job)
        if fault is not None and fault.status == OUT_OF_MEMORY and not _has_moved(log, resume, job):
            fail_for_memory(entries, job.sizes)
            resume = None
        snapshots = _snapshots(folder / TRAJECTORY_FILE)
        sampled = _trajectory(frames, job, log, snapshots, resume, settings.keep_failed)
        if sampled is not None:
            self.out("trajectory", FramesData(replace(sampled, **labels)))
        if len(log.thermo):
            self.out("thermo", thermo_node(log.thermo, THERMO_COLUMNS))
        self.out(
            "report",
            Dict({"structures": entries, "resume": resume, "message": explain_error(log.error)}),
        )
        return self._exit_code(log, entries, fault)

    def _stderr(self) -> str:
        text = self.node.get_scheduler_stderr() or ""
        return text.strip()[-500:] or "see the output of the scheduler among the retrieved files"

    def _exit_code(
        self, log: StagesLog, entries: list[dict[str, Any]], fault: ExitCode | None
    ) -> ExitCode | None:
        codes = self.exit_codes

        def indices(condition: Any) -> str:
            return shorten([str(e["index"]) for e in entries if condition(e)])

        unfinished = sum(e["state"] == "unfinished" for e in entries)
        if log.error and not is_unstable(log.error):
            message = explain_error(log.error)
            if "pair style" in log.error:
                return codes.ERROR_NO_PAIR_STYLE.format(message=message)
            return codes.ERROR_LAMMPS.format(message=message)
        if fault is not None:
            return fault
        if unfinished and not log.error:
            if not log.complete:
                return codes.ERROR_DIED
            return codes.ERROR_OUT_OF_WALLTIME.format(unfinished=unfinished)
        if any(e["state"] == "failed" for e in entries):
            failed = indices(lambda e: e["state"] == "failed")
            return codes.ERROR_UNSTABLE.format(structures=failed)
        if any(e["converged"] is False for e in entries):
            rough = indices(lambda e: e["converged"] is False)
            return codes.ERROR_NOT_CONVERGED.format(structures=rough)
        return None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _entries(outcomes: dict[int, Outcome], frames: Frames) -> list[dict[str, Any]]:
    entries = []
    for index in range(len(frames)):
        outcome = outcomes.get(index, Outcome())
        entries.append(
            {
                "index": index,
                "state": outcome.state,
                "reason": outcome.reason,
                "detail": outcome.detail,
                "energy": _number(outcome.energy),
                "max_force": _number(outcome.max_force),
                "converged": None,
                "fragments": None,
                "steps": outcome.steps,
                "force_evaluations": outcome.force_evaluations,
                "wall_time": round(outcome.wall_time, 6),
            }
        )
    return entries


def _snapshots(path: Path) -> Iterator[Snapshot]:
    if path.is_file():
        with path.open(encoding="utf-8") as handle:
            yield from read_dump(handle)


def _placed(
    frames: Frames, job: Job, index: int, snapshot: Snapshot
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, forces and cell of a snapshot in the axes of input structure `index`."""
    box = job.boxes[index]
    positions = box.from_lammps(snapshot.values[:, 1:4], snapshot.cell)
    cell = box.turned(snapshot.cell) if box.is_periodic else frames.cells[index]
    return positions, box.turned(snapshot.values[:, 4:7]), cell


def _final_frames(frames: Frames, job: Job, log: StagesLog, final: dict[int, Snapshot]) -> Frames:
    """Return the frames of the job, those that finished with final positions and labels."""
    positions, forces = frames.positions.copy(), np.full_like(frames.positions, np.nan)
    cells, energies = frames.cells.copy(), np.full(len(frames), np.nan)
    for index, outcome in log.outcomes.items():
        snapshot = final.get(index)
        if (
            outcome.state != "finished"
            or snapshot is None
            or len(snapshot.values) != job.sizes[index]
        ):
            continue
        own = frames.atoms_of(index)
        positions[own], forces[own], cells[index] = _placed(frames, job, index, snapshot)
        energies[index] = outcome.energy
    return replace(
        frames,
        positions=positions,
        forces=forces,
        cells=cells,
        energies=energies,
        stresses=np.full((len(frames), 6), np.nan),
        partial_charges={},
    )


def _judge(
    entry: dict[str, Any],
    before: Frames,
    after: Frames,
    index: int,
    job: Job,
    outcome: Outcome,
    distance: float,
) -> None:
    """Add to the entry of a finished structure whether it converged and whether it fragmented."""
    own = after.atoms_of(index)
    entry["converged"] = is_converged(outcome, job)
    if not np.isfinite(after.energies[index]) or not np.isfinite(after.forces[own]).all():
        entry.update(state="unfinished", detail="its final positions are missing")
    elif job.boxes[index].is_isolated:
        entry["fragments"] = count_fragments(after.positions[own], distance)
        if entry["fragments"] > count_fragments(before.positions[own], distance):
            entry.update(
                state="failed",
                reason="evaporated",
                detail=f"in {entry['fragments']} parts more than {distance:.2f} Å apart",
            )


def _resume(log: StagesLog, entries: list[dict[str, Any]], job: Job) -> dict[str, Any] | None:
    """Return the point from which the interrupted structure can continue; None for its start."""
    for entry in entries:
        if entry["state"] == "unfinished":
            outcome = log.outcomes.get(entry["index"])
            if outcome is None or outcome.state != "unfinished":
                return None
            point = resume_point(outcome, job, entry["index"])
            return None if point is None else {"structure": entry["index"], **point}
    return None


def _has_moved(log: StagesLog, resume: dict[str, Any] | None, job: Job) -> bool:
    """Return whether this job went beyond the point from which its first structure continued."""
    if 0 in log.outcomes and log.outcomes[0].state != "unfinished":
        return True
    return has_gone_on(resume, job.resume)


def _trajectory(
    frames: Frames,
    job: Job,
    log: StagesLog,
    snapshots: Iterator[Snapshot],
    resume: dict[str, Any] | None,
    keep_failed: bool,
) -> Frames | None:
    """Return the sampled frames without those that a later job will compute again."""
    rows = {(int(r[0]), int(r[1]), int(r[2])): (r[3], r[4], r[8]) for r in log.thermo}
    hashes = frames.content_hashes()
    picked: list[tuple[int, float, np.ndarray, np.ndarray, np.ndarray, str]] = []
    broken: set[int] = set()
    for snapshot in snapshots:
        place = job.plan.locate(snapshot.step)
        index, stage, step = place
        if place not in rows or index in broken or not _is_wanted(place, job, log, resume):
            continue
        if log.outcomes[index].state == "failed":
            if not keep_failed or _is_broken(snapshot, rows[place], job.sizes[index]):
                broken.add(index)
                continue
        temperature, energy, _ = rows[place]
        positions, forces, cell = _placed(frames, job, index, snapshot)
        if not (np.isfinite(forces).all() and np.isfinite(energy)):
            continue
        info = sample_info(job.stages, index, stage, step, temperature, job.factors[index])
        picked.append((index, energy, positions, forces, cell, json.dumps(info, sort_keys=True)))
    if not picked:
        return None
    owners = np.array([p[0] for p in picked])
    origin = frames.select(owners)
    parents = [str(frames.parents[i]) or f"structure-{hashes[i][:12]}" for i in owners]
    return replace(
        origin,
        positions=np.concatenate([p[2] for p in picked]),
        forces=np.concatenate([p[3] for p in picked]),
        cells=np.array([p[4] for p in picked]),
        energies=np.array([p[1] for p in picked]),
        stresses=np.full((len(picked), 6), np.nan),
        partial_charges={},
        parents=np.array(parents),
        seeds=np.array([job.seeds[i] for i in owners], dtype=np.int64),
        info=np.array([p[5] for p in picked]),
    )


def _is_wanted(
    place: tuple[int, int, int], job: Job, log: StagesLog, resume: dict[str, Any] | None
) -> bool:
    """Return whether a step is sampled and belongs to neither an earlier nor a later job."""
    index, stage, step = place
    outcome = log.outcomes.get(index)
    # LAMMPS also writes the last step of a minimisation, which may not be one to sample.
    if outcome is None or step % sample_interval(job.stages[stage], job.factors[index]):
        return False
    resumed = job.resume if index == 0 else None
    # The first frame of a stage repeats the last of the stage or the job before.
    if step <= (resumed.step if resumed and resumed.stage == stage else 0):
        return False
    if outcome.state == "unfinished":
        if resume is None or resume["structure"] != index:
            return False
        return (stage, step) <= (resume["stage"], resume["step"])
    return True


def _is_broken(snapshot: Snapshot, row: tuple[float, float, float], atoms: int) -> bool:
    """Return whether a snapshot has diverged, by the criteria of the LAMMPS input."""
    temperature, energy, max_force = row
    sane = temperature < HOT and energy < HUGE and max_force < HUGE
    return len(snapshot.values) != atoms or not sane or not np.isfinite(snapshot.values).all()
