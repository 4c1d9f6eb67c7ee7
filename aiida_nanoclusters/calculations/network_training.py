"""Jobs that train a network in a Python that need not have this package."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import ArrayData, Int, RemoteData

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import carry_packages, validate_seed
from aiida_nanoclusters.calculations.training_codes import set_training_codes
from aiida_nanoclusters.science.training_files import (
    CHECKPOINT_FILE,
    CURVE_FILE,
    PREVIOUS_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
)

JOB_FILE, LOG = "job.json", "train"
LOGS = (f"{LOG}.out", f"{LOG}.err")


def restart_problem(value: Mapping[str, Any]) -> str | None:
    """Return why a restart has no checkpoint, or None."""
    remote = value.get("restart_from")
    if remote is None:
        return None
    if remote.is_cleaned:
        return "`restart_from` was cleaned, its checkpoint is deleted: start again without it"
    if "code" in value and value["code"].computer.uuid != remote.computer.uuid:
        return (
            f"`restart_from` lies on {remote.computer.label}, the code on "
            f"{value['code'].computer.label}: continue on the same computer"
        )
    return None


def write_job(folder: Folder, job: Mapping[str, Any]) -> None:
    """Write what a job is to do."""
    with folder.open(JOB_FILE, "w", encoding="utf-8") as handle:
        json.dump(job, handle, indent=1, sort_keys=True)


def write_arrays(folder: Folder, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the arrays of each file, as npz, by its name."""
    for name, arrays in files.items():
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        with folder.open(name, "wb") as handle:
            handle.write(buffer.getvalue())


def training_seconds(walltime: float | None) -> float | None:
    """Return the time (s) for the training; a tenth is left for what follows."""
    return None if walltime is None else 0.9 * walltime


def python_job(
    inputs: Mapping[str, Any], module: str, restart: tuple[str, str], temporary: Sequence[str]
) -> CalcInfo:
    """Return the job that runs a module on what has been written.

    Parameters
    ----------
    inputs
        Of the process: `code`, and `restart_from` where it continues another.
    module
        Name of the module.
    restart
        What is copied from the folder of an interrupted job, and the name it gets.
    temporary
        Results that the parser reads.
    """
    info = new_job()
    if "restart_from" in inputs:
        remote, (old, new) = inputs["restart_from"], restart
        info.remote_copy_list = [(remote.computer.uuid, f"{remote.get_remote_path()}/{old}", new)]
    step = CodeInfo()
    step.code_uuid = inputs["code"].uuid
    step.cmdline_params = ["-m", module, JOB_FILE]
    step.stdout_name, step.stderr_name = LOGS
    info.codes_info = [step]
    info.retrieve_list = [REPORT_FILE, PROGRESS_FILE, *LOGS]
    info.retrieve_temporary_list = list(temporary)
    return info


class NetworkTrainingJob(CalcJob):
    """Base of jobs that train one network: what they carry, retrieve and report."""

    #: Module that is run, what is carried by package, files of the result, libraries in words.
    _module: str
    _carried: Mapping[str, Sequence[str]]
    _results: tuple[str, ...]
    _needs: str

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare the ports and exit codes of all."""
        super().define(spec)
        spec.inputs["code"].help = f"A Python that has {cls._needs}."
        spec.input(
            "seed",
            valid_type=Int,
            validator=validate_seed,
            help="Random seed of the initial weights, of the batches and of a dropout, from 0.",
        )
        spec.input(
            "restart_from",
            valid_type=RemoteData,
            required=False,
            help="Remote folder of an interrupted training of the same inputs, which is continued.",
        )
        spec.output(
            "learning_curve",
            valid_type=ArrayData,
            required=False,
            help="`train_loss`, `val_loss` and `learning_rate`, one value per epoch.",
        )
        spec.exit_code(
            310,
            "ERROR_NO_REPORT",
            message="The training ended with an error: {message}",
            invalidates_cache=True,
        )
        set_training_codes(
            spec,
            "The training was killed or crashed without an error message.",
            "lower `training.learning_rate`",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write program, settings and arrays; files of nodes go as they are."""
        carry_packages(folder, self._carried)
        walltime = self.node.get_option("max_wallclock_seconds")
        job = self._write(folder)
        job |= {"seed": self.inputs.seed.value, "max_seconds": training_seconds(walltime)}
        write_job(folder, job)
        restart = (CHECKPOINT_FILE, PREVIOUS_FILE)
        info = python_job(self.inputs, self._module, restart, self._results)
        info.retrieve_list.append(CURVE_FILE)
        info.local_copy_list = self._copied()
        return info

    def _write(self, folder: Folder) -> dict[str, Any]:
        """Write the arrays of the training, and return its job."""
        raise NotImplementedError

    def _copied(self) -> list[tuple[str, str, str]]:
        """Return the files of nodes that the job has as they are."""
        return []
