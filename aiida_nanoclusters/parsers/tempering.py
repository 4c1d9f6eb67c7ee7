"""Parser of jobs of parallel tempering."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.orm import Dict, FolderData
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.sampling.tempering import (
    checkpoint_point,
    make_job,
    settings_of,
)
from aiida_nanoclusters.calculations.sampling.tempering_results import swaps_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.lammps.output import explain_error
from aiida_nanoclusters.formats.lammps.temper_input import (
    POINT_FILE,
    last_checkpoint,
    read_partition_run,
    restart_name,
)
from aiida_nanoclusters.formats.lammps.tempering import CHECKPOINT_FILE, STATUS_FILE
from aiida_nanoclusters.formats.lammps.tempering_job import TemperingJob
from aiida_nanoclusters.formats.lammps.tempering_results import (
    SIGN,
    TemperingResults,
    read_python_run,
)
from aiida_nanoclusters.parsers.faults import fault_of


class TemperingParser(Parser):
    """Return what is done of a run, also where the job was interrupted."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach all results, complete or not, and return the exit code."""
        inputs = {key: self.node.inputs[key] for key in self.node.inputs}
        job, folder = make_job(inputs), Path(kwargs["retrieved_temporary_folder"])
        repository = self.retrieved.base.repository
        if STATUS_FILE in repository.list_object_names():
            text = repository.get_object_content(STATUS_FILE, mode="rb")
            (folder / STATUS_FILE).write_bytes(text)
        if settings_of(inputs).driver == "python":
            found, checkpoint = read_python_run(folder, job), self._python_checkpoint(folder)
        else:
            found = read_partition_run(folder, job, checkpoint_point(inputs))
            checkpoint = self._temper_checkpoint(folder, job)
        if checkpoint is not None:
            self.out("checkpoint", checkpoint)
        self._attach(found, job)
        return self._exit_code(found, job)

    def _python_checkpoint(self, folder: Path) -> FolderData | None:
        path = folder / CHECKPOINT_FILE
        return _folder({CHECKPOINT_FILE: path.read_bytes()}) if path.is_file() else None

    def _temper_checkpoint(self, folder: Path, job: TemperingJob) -> FolderData | None:
        found = last_checkpoint(folder, job)
        if found is None:
            return None
        point, paths = found
        content = {restart_name(k): path.read_bytes() for k, path in enumerate(paths)}
        return _folder({POINT_FILE: point.as_json().encode(), **content})

    def _attach(self, found: TemperingResults, job: TemperingJob) -> None:
        potential = self.node.inputs.potential
        labels = {
            "level_of_theory": potential.computed_level,
            "atom_energies": potential.atom_energies,
        }
        frames = found.sampled(job, **labels)
        if frames is not None:
            self.out("trajectory", FramesData(frames))
        if len(found.table):
            self.out("swaps", swaps_node(found.table))
        report = {
            "state": found.state or "none",
            "message": found.message,
            "attempts": job.attempts,
            "attempts_done": found.attempts_done,
            "equilibration": job.equilibration,
            "incidents": found.incidents,
            "counts": dict(found.counts),
            "confinement_radius": job.radius,
            "wall_seconds": found.seconds,
            "driver": settings_of(self.node.inputs).driver,
        }
        self.out("report", Dict(report))

    def _exit_code(self, found: TemperingResults, job: TemperingJob) -> ExitCode | None:
        codes = self.exit_codes
        if found.state == "finished":
            return None
        if found.state == "stopped":
            done = found.attempts_done
            return codes.ERROR_OUT_OF_WALLTIME.format(done=done, attempts=job.attempts)
        said = self.node.get_scheduler_stderr() or ""
        fault = fault_of(self)
        if fault is not None:
            return fault
        if found.state == "failed":
            return codes.ERROR_REPLICA_FAILED.format(message=found.message)
        lines = [line for line in said.splitlines() if line.startswith(SIGN)]
        if lines:
            message = lines[-1].removeprefix(SIGN)[:500]
            if "pair style" in message:
                return codes.ERROR_NO_PAIR_STYLE.format(message=message)
            return codes.ERROR_LAMMPS.format(message=explain_error(message))
        if not found.state:
            return codes.ERROR_NO_LOG.format(message=said.strip()[-500:] or "no message")
        return codes.ERROR_DIED


def _folder(files: Mapping[str, bytes]) -> FolderData:
    """Return files by name as a node."""
    node = FolderData()
    for name, content in files.items():
        node.base.repository.put_object_from_bytes(content, name)
    return node
