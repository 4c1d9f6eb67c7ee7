"""Parser of jobs of LAMMPS that evaluate frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.faults import OUT_OF_MEMORY
from aiida_nanoclusters.calculations.labels.evaluate import (
    described_in,
    make_boxes,
    settings_of,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.calculators.calculator_server import charges_file
from aiida_nanoclusters.formats.calculators.charges_file import read_charges
from aiida_nanoclusters.formats.lammps.dump import Box, read_dump
from aiida_nanoclusters.formats.lammps.evaluate import (
    EvaluationLog,
    forces_file,
    read_evaluation_log,
)
from aiida_nanoclusters.formats.lammps.input import LOG_FILE
from aiida_nanoclusters.formats.lammps.output import explain_error
from aiida_nanoclusters.parsers.faults import fail_for_memory, fault_of, shorten
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.settings import EvaluationSettings


class EvaluateParser(Parser):
    """Return every frame that was evaluated, also where the job was interrupted."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach all results, complete or not, and return the exit code."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        frames = self.node.inputs.frames.frames
        potentials = {
            key: self.node.inputs.potentials[key] for key in sorted(self.node.inputs.potentials)
        }
        if not (folder / LOG_FILE).is_file():
            blank = EvaluationLog({}, {}, "", None, False)
            report, fault = _report(len(frames), {}, blank), fault_of(self)
            if fault is not None and fault.status == OUT_OF_MEMORY:
                fail_for_memory(report["frames"], frames.sizes.tolist())
            self.out("report", Dict(report))
            if fault is not None:
                return fault
            error = (self.node.get_scheduler_stderr() or "").strip()[-500:]
            return self.exit_codes.ERROR_NO_LOG.format(message=error or "no message")
        with (folder / LOG_FILE).open(encoding="utf-8") as handle:
            log = read_evaluation_log(handle, potentials, len(frames))
        boxes = make_boxes(frames, potentials)
        done: dict[str, np.ndarray] = {}
        for key, potential in potentials.items():
            forces, dumped = _read_forces(folder / forces_file(key), frames, boxes)
            log.reached[key] = min(log.reached.get(key, 0), dumped)
            stresses = np.full((len(frames), 6), np.nan)
            for i in np.flatnonzero(frames.pbc.all(axis=1)):
                stresses[i] = boxes[i].stress(log.pressures[key][i])
            labelled = frames.with_labels(
                log.energies[key],
                forces,
                stresses,
                level_of_theory=potential.computed_level,
                atom_energies=potential.atom_energies,
                partial_charges=_read_charges(
                    folder, described_in(key, potential), frames, settings_of(self.node.inputs)
                ),
            )
            done[key] = labelled.labelled
            if done[key].any():
                self.out(f"labelled.{key}", FramesData(labelled.select(done[key])))
        report = _report(len(frames), done, log)
        unfinished = any(entry["state"] == "unfinished" for entry in report["frames"])
        fault = fault_of(self, log.fault) if unfinished and not log.error else None
        if fault is not None and fault.status == OUT_OF_MEMORY:
            fail_for_memory(report["frames"], frames.sizes.tolist())
        self.out("report", Dict(report))
        return fault or self._exit_code(report, log)

    def _exit_code(self, report: dict[str, Any], log: EvaluationLog) -> ExitCode | None:
        codes = self.exit_codes
        states = [entry["state"] for entry in report["frames"]]
        if log.error and (log.failed is None or log.failed[1] == 0):
            message = explain_error(log.error)
            if "pair style" in log.error:
                return codes.ERROR_NO_PAIR_STYLE.format(message=message)
            return codes.ERROR_LAMMPS.format(message=message)
        if "unfinished" in states and not log.error:
            return codes.ERROR_DIED
        if "failed" in states:
            failed = [str(i) for i, state in enumerate(states) if state == "failed"]
            return codes.ERROR_FRAMES_FAILED.format(frames=shorten(failed))
        return None


def _read_forces(path: Path, frames: Frames, boxes: list[Box]) -> tuple[np.ndarray, int]:
    """Return forces (A, 3), NaN where missing, and the number of frames that were dumped."""
    dumped = 0
    forces = np.full((len(frames.numbers), 3), np.nan)
    if not path.is_file():
        return forces, dumped
    with path.open(encoding="utf-8") as handle:
        for snapshot in read_dump(handle):
            own = frames.atoms_of(snapshot.step)
            dumped = snapshot.step + 1
            if len(snapshot.values) == own.stop - own.start:
                forces[own] = boxes[snapshot.step].turned(snapshot.values[:, 1:])
    return forces, dumped


def _read_charges(
    folder: Path, name: str, frames: Frames, settings: EvaluationSettings
) -> dict[str, np.ndarray]:
    """Return the partial charges by kind that the calculator of this description file wrote."""
    path = folder / charges_file(name)
    if not settings.partial_charges or not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace") as handle:
        return {settings.partial_charges[0]: read_charges(handle, frames.offsets)}


def _report(n: int, done: dict[str, np.ndarray], log: EvaluationLog) -> dict[str, Any]:
    """Return the state of each frame, for all potentials together.

    A frame whose energy or forces are not finite has failed; one that LAMMPS did not reach is
    unfinished.
    """
    entries = []
    for index in range(n):
        entry: dict[str, Any] = {"index": index, "state": "labelled", "reason": ""}
        for key, labelled in done.items():
            if labelled[index]:
                continue
            if log.failed == (key, index):
                entry.update(state="failed", reason=f"`{key}`: {log.error}")
            elif index < log.reached.get(key, 0):
                entry.update(state="failed", reason=f"`{key}`: energy or forces are not finite")
            else:
                entry.update(state="unfinished", reason=f"`{key}`: not reached")
            break
        if not done:
            entry.update(state="unfinished", reason="no output")
        entries.append(entry)
    return {
        "frames": entries,
        "labelled": {key: np.flatnonzero(found).tolist() for key, found in done.items()},
        "message": explain_error(log.error),
    }
