"""TemperingCalculation: parallel tempering of one cluster in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, FolderData, Int

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options, validate_seed
from aiida_nanoclusters.calculations.lammps_job import (
    NamesModel,
    cmdline_problem,
    elements_problem,
    potential_copy,
    set_exit_codes,
    validate_potential,
    write_server,
)
from aiida_nanoclusters.calculations.sampling.lammps import timeout_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.input_text import lammps_options, plain_name
from aiida_nanoclusters.formats.lammps.input import INPUT_FILE, LOG_FILE
from aiida_nanoclusters.formats.lammps.temper_input import (
    POINT_FILE,
    STARTS_FILE,
    Point,
    frames_name,
    log_name,
    render_temper,
    write_starts,
)
from aiida_nanoclusters.formats.lammps.tempering import (
    CHECKPOINT_FILE,
    FRAMES_FILE,
    JOB_FILE,
    STATUS_FILE,
    SWAPS_FILE,
)
from aiida_nanoclusters.formats.lammps.tempering_job import (
    SCRIPTS,
    TemperingJob,
    driver_scripts,
)
from aiida_nanoclusters.formats.lammps.tempering_run import job_of
from aiida_nanoclusters.science.sampling.tempering_settings import TemperingSettings


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that do not fit :class:`.TemperingSettings`, or have no ladder."""
    given = value.get_dict()
    problem = TemperingSettings.problem(given) or cmdline_problem(given)
    if problem:
        return f"settings: {problem}"
    if given.get("temperatures") is None:
        return "settings: give `temperatures`, the ladder in K"
    return None


def validate_frames(value: FramesData, _: Any) -> str | None:
    """Refuse starts that are not clusters of one composition of two atoms or more."""
    frames = value.frames
    if frames.pbc.any():
        return "parallel tempering is for clusters: `frames` holds periodic structures"
    if frames.sizes[0] < 2:
        return "a single atom has nothing to sample: give clusters of two atoms or more"
    first = frames.numbers[frames.atoms_of(0)]
    for k in range(1, len(frames)):
        own = frames.numbers[frames.atoms_of(k)]
        if not np.array_equal(np.sort(own), np.sort(first)):
            return "`frames` holds several compositions: give the starts of one of them"
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse elements that the potential does not know, and resources that do not fit."""
    if not {"frames", "potential", "settings"} <= set(value):
        return None  # their ports report this
    problem = elements_problem(value["frames"], value["potential"])
    if problem or "checkpoint" not in value:
        return problem
    settings = settings_of(value)
    needed = CHECKPOINT_FILE if settings.driver == "python" else POINT_FILE
    if needed not in value["checkpoint"].base.repository.list_object_names():
        return f"`checkpoint` holds no {needed}: it is of another driver, begin without it"
    try:
        checkpoint_point(value)
    except ValueError as error:
        return str(error)
    return None


def checkpoint_point(inputs: Mapping[str, Any]) -> Point | None:
    """Return the checkpoint of `temper` among the inputs of a job, None without one.

    Raises
    ------
    ValueError
        If it is not one of this ladder.
    """
    if "checkpoint" not in inputs or settings_of(inputs).driver == "python":
        return None
    text = inputs["checkpoint"].base.repository.get_object_content(POINT_FILE, mode="rb")
    return Point.read(text, len(settings_of(inputs).temperatures or []))


def settings_of(inputs: Mapping[str, Any]) -> TemperingSettings:
    """Return the settings among the inputs of a job, with their defaults."""
    return TemperingSettings.model_validate(inputs["settings"].get_dict())


def make_job(inputs: Mapping[str, Any], walltime: int | None = None) -> TemperingJob:
    """Return the job that the inputs of a calculation describe."""
    settings = settings_of(inputs)
    timeout = settings.timeout or timeout_of(settings, walltime)
    return job_of(
        inputs["frames"].frames,
        inputs["potential"].interaction,
        settings,
        inputs["seed"].value,
        timeout,
    )


class TemperingCalculation(NamesModel, CalcJob):  # type: ignore[misc]
    """Run replicas of a cluster on a ladder of temperatures, which they swap."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs[
            "code"
        ].help = (
            "A Python with the module `lammps` for the driver `python`, LAMMPS for `partition`."
        )
        spec.input(
            "frames",
            valid_type=FramesData,
            validator=validate_frames,
            help="Starts of one composition; replica r begins with start r modulo their number.",
        )
        spec.input(
            "potential",
            valid_type=PotentialData,
            validator=validate_potential,
            help="Potential by which the atoms move.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="The fields of `TemperingSettings` in `science/sampling/tempering_settings.py`.",
        )
        spec.input(
            "seed",
            valid_type=Int,
            validator=validate_seed,
            help="Random seed of velocities, random forces and swaps, from 0.",
        )
        spec.input(
            "checkpoint",
            valid_type=FolderData,
            required=False,
            help="Of an interrupted job of the same inputs, which continues. Default: the start.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.tempering")
        cls._set_outputs(spec)
        set_exit_codes(spec)
        spec.exit_code(
            320,
            "ERROR_OUT_OF_WALLTIME",
            message="Out of walltime: {done} of {attempts} attempts to swap are done.",
        )
        spec.exit_code(330, "ERROR_REPLICA_FAILED", message="{message}")

    @classmethod
    def _set_outputs(cls, spec: CalcJobProcessSpec) -> None:
        for name, valid_type, what in (
            (
                "trajectory",
                FramesData,
                "Sampled frames with their potential energy, sorted by temperature; `info`: "
                "temperature (K), replica, step, time (ps).",
            ),
            (
                "swaps",
                ArrayData,
                "Ladder, and of each attempt to swap the temperatures and energies of the "
                "replicas; names in `science/keys.py`.",
            ),
            ("checkpoint", FolderData, "State of all replicas, from which a job continues."),
            ("report", Dict, "Attempts done, incidents, confinement radius (Å), wall time (s)."),
        ):
            spec.output(name, valid_type=valid_type, required=name == "report", help=what)
        spec.default_output_node = "report"

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the job and the driver; list the files to copy and to retrieve."""
        inputs = self.inputs
        job = make_job(inputs, self.node.get_option("max_wallclock_seconds"))
        info, run = new_job(), CodeInfo()
        info.local_copy_list = potential_copy(inputs.potential)
        info.retrieve_list = [*write_server(folder, [inputs.potential])]
        if "checkpoint" in inputs:
            held = inputs.checkpoint
            names = sorted(held.base.repository.list_object_names())
            info.local_copy_list += [(held.uuid, plain_name(name), name) for name in names]
        run.code_uuid = inputs.code.uuid
        write = self._write_python if settings_of(inputs).driver == "python" else self._write_temper
        run.cmdline_params = write(folder, job, info)
        info.codes_info = [run]
        return info

    def _write_python(self, folder: Folder, job: TemperingJob, info: CalcInfo) -> list[str]:
        """Write the driver in Python and what it reads; return its command line."""
        for name, text in {JOB_FILE: job.as_json(), **driver_scripts()}.items():
            with folder.open(name, "w", encoding="utf-8") as handle:
                handle.write(text)
        info.retrieve_list += [STATUS_FILE]
        info.retrieve_temporary_list = [SWAPS_FILE, FRAMES_FILE, CHECKPOINT_FILE]
        return [SCRIPTS[0]]

    def _write_temper(self, folder: Folder, job: TemperingJob, info: CalcInfo) -> list[str]:
        """Write the input of LAMMPS and the starts; return its command line."""
        settings, replicas = settings_of(self.inputs), len(job.temperatures)
        with folder.open(INPUT_FILE, "w", encoding="utf-8") as handle:
            handle.write(render_temper(job, checkpoint_point(self.inputs)))
        with folder.open(STARTS_FILE, "w", encoding="utf-8") as handle:
            write_starts(job, handle)
        info.retrieve_list += [LOG_FILE]
        logs = [log_name(k) for k in range(replicas)]
        dumps = [frames_name(k) for k in range(replicas)]
        names: list[str | tuple[str, str, int]] = [LOG_FILE, *logs, *dumps, ("state.*", ".", 0)]
        info.retrieve_temporary_list = names
        words = ["-in", INPUT_FILE, "-log", LOG_FILE, "-screen", "none", "-pscreen", "none"]
        words += ["-nocite", "-partition", f"{replicas}x{settings.ranks}"]
        return words + lammps_options(settings.cmdline)
