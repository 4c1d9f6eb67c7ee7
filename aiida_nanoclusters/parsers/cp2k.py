"""Parser of jobs of CP2K that label frames; each frame is judged by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import Dict
from aiida.parsers import Parser
from ase import Atoms

from aiida_nanoclusters.calculations.faults import OUT_OF_MEMORY
from aiida_nanoclusters.calculations.labels.cp2k import (
    forces_file,
    output_file,
    run_name,
    settings_of,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k.input import group_into_runs, prepare
from aiida_nanoclusters.formats.cp2k.output import Cp2kRun, read_forces, read_output
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.science.frames import Floats, Frames
from aiida_nanoclusters.science.labels.acceptance import label_problem
from aiida_nanoclusters.science.labels.retries import ADVANCED, LABELLED, REFUSED, UNFINISHED


class Cp2kParser(Parser):
    """Return every frame that has a label, also where the job was interrupted."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach all results, complete or not, and return the exit code."""
        folder = Path(kwargs["retrieved_temporary_folder"])
        frames = self.node.inputs.frames.frames
        settings = settings_of(self.node.inputs)
        prepared = [prepare(atoms, settings) for atoms in frames]
        energies = np.full(len(frames), np.nan)
        forces = np.full((len(frames.numbers), 3), np.nan)
        none = np.full(len(frames.numbers), np.nan)
        charges = {kind: none.copy() for kind in settings.partial_charges}
        entries: list[dict[str, Any]] = [{} for _ in prepared]
        runs: list[Cp2kRun] = []
        cut = [False] * len(prepared)
        for number, members in enumerate(group_into_runs([atoms for atoms, _ in prepared])):
            run, found = self._read(folder, run_name(number))
            runs.append(run)
            for place, i in enumerate(members):
                atoms, copies = prepared[i]
                entries[i] = _entry(place, atoms, run, found, settings.max_net_force)
                cut[i] = run.cut
                if entries[i]["state"] == LABELLED:
                    own = frames.atoms_of(i)
                    energies[i] = found[place][0] / copies
                    forces[own] = found[place][1][: own.stop - own.start]
                    _take_charges(charges, own, run.steps[place].charges, len(atoms))
        level = settings.level_of_theory
        labelled = _labelled(frames, energies, forces, level, charges)
        if labelled is not None:
            self.out("labelled", FramesData(labelled))
        fault = find_fault(self, entries, runs, cut)
        version = next((run.version for run in runs if run.version), None)
        rows = [{"index": i, **entry} for i, entry in enumerate(entries)]
        self.out("report", Dict({"frames": rows, "versions": {"cp2k": version} if version else {}}))
        return judge_job(self, entries, runs, fault)

    def _read(self, folder: Path, name: str) -> tuple[Cp2kRun, list[tuple[float, Floats]]]:
        repository = self.retrieved.base.repository
        run, forces = Cp2kRun(), []
        if output_file(name) in repository.list_object_names():
            text = repository.get_object_content(output_file(name), mode="rb")
            run = read_output(text.decode("utf-8", "replace").splitlines(keepends=True))
        if (folder / forces_file(name)).is_file():
            with (folder / forces_file(name)).open(encoding="utf-8") as handle:
                forces = read_forces(handle)
        return run, forces


def find_fault(
    parser: Parser,
    entries: Sequence[dict[str, Any]],
    runs: Sequence[Cp2kRun],
    cut: Sequence[bool],
) -> ExitCode | None:
    """Return the external failure of a job, or None; mark entries that ran out of memory.

    Each run is a process of its own; `cut` has, for each entry, whether its run was ended early.
    """
    if not any(entry["state"] in (UNFINISHED, ADVANCED) for entry in entries):
        return None
    fault = fault_of(parser, "\n".join(run.fault for run in runs))
    if fault is not None and fault.status == OUT_OF_MEMORY:
        for entry, ended_early in zip(entries, cut, strict=True):
            if entry["state"] == UNFINISHED and ended_early:
                entry.update(reason=fault.message, out_of_memory=True)
    return fault


def judge_job(
    parser: Parser,
    entries: Sequence[Mapping[str, Any]],
    runs: Sequence[Cp2kRun],
    fault: ExitCode | None,
) -> ExitCode | None:
    """Return the exit code of a job with these runs and states of its frames or structures."""
    codes = parser.exit_codes
    states = [entry["state"] for entry in entries]
    refused = [entry for entry in entries if entry["state"] == REFUSED]
    first = next((run.abort for run in runs if run.abort and not run.steps), "")
    if first and not any(run.steps for run in runs) and _is_input_error(first):
        return codes.ERROR_CP2K.format(message=first)
    if UNFINISHED in states or ADVANCED in states:
        if fault is not None:
            return fault
        if any(run.out_of_time for run in runs):
            return codes.ERROR_OUT_OF_WALLTIME
        if not any(run.version or run.steps or run.abort for run in runs):
            error = (parser.node.get_scheduler_stderr() or "").strip()[-500:]
            return codes.ERROR_NO_OUTPUT.format(message=error or "no message")
        if not refused:
            return codes.ERROR_DIED
    if refused:
        reason = refused[0]["reason"]
        return codes.ERROR_FRAMES_REFUSED.format(count=len(refused), reason=reason)
    return None


def _entry(
    place: int,
    atoms: Atoms,
    run: Cp2kRun,
    found: Sequence[tuple[float, Floats]],
    max_net_force: float,
) -> dict[str, Any]:
    """Return state and reason of the frame at this place of a run."""
    done = min(len(run.steps), len(found))
    if place < done:
        energy, forces = found[place]
        problem = label_problem(atoms, energy, forces, run.steps[place].converged, max_net_force)
        return {"state": REFUSED if problem else LABELLED, "reason": problem or ""}
    if run.abort and place == done:
        return {"state": REFUSED, "reason": f"CP2K stopped: {run.abort}"}
    if run.out_of_time:
        return {"state": UNFINISHED, "reason": "CP2K ran out of time", "out_of_time": True}
    return {"state": UNFINISHED, "reason": "CP2K did not reach it"}


def _is_input_error(message: str) -> bool:
    """Return whether CP2K stopped because of an error in its input, at any settings level."""
    text = message.lower()
    # Later versions stop where the self-consistent field does not converge, and name a keyword.
    if "not converged" in text:
        return False
    return any(word in text for word in ("input", "keyword", "section", "not found"))


def _take_charges(
    charges: Mapping[str, Floats], own: slice, printed: Mapping[str, Floats], count: int
) -> None:
    """Set the partial charges of the atoms of a frame, the first of the `count` that CP2K had."""
    for kind, values in charges.items():
        if len(printed.get(kind, ())) == count:
            values[own] = printed[kind][: own.stop - own.start]


def _labelled(
    frames: Frames, energies: Floats, forces: Floats, level: str, charges: Mapping[str, Floats]
) -> Frames | None:
    labelled = frames.with_labels(
        energies, forces, level_of_theory=level, atom_energies={}, partial_charges=charges
    )
    return labelled.select(labelled.labelled) if labelled.labelled.any() else None
