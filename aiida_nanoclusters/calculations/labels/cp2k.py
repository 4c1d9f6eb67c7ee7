"""Cp2kCalculation: labels for any mix of frames by CP2K, in one job of many runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.datastructures import CodeRunMode
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import AbstractCode, Dict, Int
from aiida_cp2k.utils import Cp2kInput

from aiida_nanoclusters.calculations.faults import new_job, set_program_codes
from aiida_nanoclusters.calculations.job_options import set_job_options, set_report
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k.input import group_into_runs, prepare, run_files, run_input
from aiida_nanoclusters.formats.cp2k.partial_charges import print_sections
from aiida_nanoclusters.formats.input_text import InputTextError, cp2k_input, plain_name
from aiida_nanoclusters.science.labels.settings import Cp2kSettings

#: Part of the walltime of the job after which CP2K itself stops, between two frames.
CLOCK = 0.95
#: Names of the port that chooses the settings level: present and former.
LEVEL_PORTS = ("settings_level", "rung")


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that do not fit :class:`.Cp2kSettings`, or that direct more than CP2K."""
    problem = Cp2kSettings.problem(value.get_dict())
    if problem:
        return problem
    settings = Cp2kSettings.model_validate(value.get_dict())
    try:
        for section in (settings.force_eval, *settings.fallbacks, *settings.kinds.values()):
            cp2k_input(section)
    except InputTextError as error:
        return str(error)
    return None


def validate_rung(value: Int | None, _: Any) -> None:
    """Warn of the former name of a port."""
    if value is not None:
        message = "the input `rung` of jobs of CP2K is called `settings_level` now"
        warnings.warn(message, DeprecationWarning, stacklevel=2)


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames without a box that CP2K can compute, and a settings level that is missing."""
    if not {"frames", "settings", "settings_level"} <= set(value):
        return None  # their ports report this, or an engine adds them later
    settings = settings_of(value)
    return level_problem(value, settings) or frames_problem(value["frames"], settings)


def settings_of(inputs: Mapping[str, Any]) -> Cp2kSettings:
    """Return the settings among the inputs of a job."""
    return Cp2kSettings.model_validate(inputs["settings"].get_dict())


def level_of(inputs: Mapping[str, Any]) -> int:
    """Return the settings level among the inputs of a job, also under its former name."""
    given = [inputs[name].value for name in reversed(LEVEL_PORTS) if name in inputs]
    return int(given[0]) if given else 0


def level_problem(inputs: Mapping[str, Any], settings: Cp2kSettings) -> str | None:
    """Return why the settings level does not exist, or None."""
    level, count = level_of(inputs), len(settings.fallbacks)
    if not 0 <= level < count:
        return f"settings_level {level}: the settings have {count} `fallbacks`, counted from 0"
    return None


def frames_problem(frames: FramesData, settings: Cp2kSettings) -> str | None:
    """Return why a frame fits in no box, or None."""
    for i, atoms in enumerate(frames.frames):
        try:
            prepare(atoms, settings)
        except ValueError as error:
            return f"frame {i}: {error}"
    return None


def run_name(number: int) -> str:
    """Return the project name of a run in CP2K."""
    return f"run{number:04d}"


def output_file(name: str) -> str:
    """Return the file of the standard output of a run."""
    return f"{name}.out"


def forces_file(name: str) -> str:
    """Return the file to which CP2K writes the forces of a run."""
    return f"{name}-frc-1.xyz"


def new_serial_job() -> CalcInfo:
    """Return a job without runs; runs that are added are executed one after another."""
    info = new_job()
    info.codes_info, info.retrieve_list, info.retrieve_temporary_list = [], [], []
    info.codes_run_mode = CodeRunMode.SERIAL
    return info


def write_files(folder: Folder, files: Mapping[str, str]) -> None:
    """Write the texts of files by name, into the folder itself."""
    for name, text in files.items():
        with folder.open(plain_name(name, "a file"), "w", encoding="utf-8") as handle:
            handle.write(text)


def add_run(
    info: CalcInfo, folder: Folder, code: AbstractCode, name: str, content: dict, files: Mapping
) -> None:
    """Add a run of CP2K with this project name, input and further files to a job."""
    write_files(folder, {f"{name}.inp": Cp2kInput(cp2k_input(content)).render(), **files})
    run = CodeInfo()
    run.code_uuid = code.uuid
    run.cmdline_params = ["-i", f"{name}.inp"]
    run.stdout_name = output_file(name)
    run.join_files = True
    info.codes_info.append(run)


def set_settings(spec: CalcJobProcessSpec) -> None:
    """Declare the ports with the settings of CP2K."""
    spec.input(
        "settings",
        valid_type=Dict,
        validator=validate_settings,
        help="Settings as in a protocol of `protocols/cp2k.yaml`.",
    )
    spec.input(
        "settings_level",
        valid_type=Int,
        default=lambda: Int(0),
        help="Index, from 0, of the entry of `fallbacks` in the settings that is merged into "
        "`force_eval`. Default: 0.",
    )
    spec.input(
        "rung",
        valid_type=Int,
        required=False,
        validator=validate_rung,
        help="Former name of `settings_level`.",
    )


def set_exit_codes(spec: CalcJobProcessSpec) -> None:
    """Declare the failures of jobs of CP2K."""
    set_program_codes(spec, "CP2K", "output")
    spec.exit_code(330, "ERROR_FRAMES_REFUSED", message="{count} frames have no label: {reason}")
    spec.exit_code(340, "ERROR_CP2K", message="CP2K does not accept its input: {message}")
    spec.exit_code(
        400,
        "ERROR_OUT_OF_WALLTIME",
        message="CP2K ran out of walltime.",
        invalidates_cache=True,
    )


class Cp2kCalculation(CalcJob):
    """Label frames of any sizes, cells, charges and spins by CP2K.

    Frames that differ in their positions only share a run of CP2K (a reference trajectory). The
    runs of a job follow each other, and the failure of one does not affect the others.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="Frames of any sizes and periodicity.")
        set_settings(spec)
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.cp2k")
        spec.output(
            "labelled",
            valid_type=FramesData,
            required=False,
            help="The frames that have a label, in input order.",
        )
        set_report(spec, "frames")
        set_exit_codes(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the inputs of all runs."""
        settings, level = settings_of(self.inputs), level_of(self.inputs)
        walltime = self.inputs.metadata.options.get("max_wallclock_seconds")
        seconds = int(CLOCK * walltime) if walltime else None
        images = [prepare(atoms, settings)[0] for atoms in self.inputs.frames.frames]
        info = new_serial_job()
        for number, members in enumerate(group_into_runs(images)):
            name = run_name(number)
            content = run_input(name, images[members[0]], len(members), settings, level, seconds)
            if settings.partial_charges:
                prints = content["FORCE_EVAL"]["DFT"].setdefault("PRINT", {})
                prints.update(print_sections(settings.partial_charges))
            coordinates = run_files(name, [images[i] for i in members])
            add_run(info, folder, self.inputs.code, name, content, coordinates)
            info.retrieve_list.append(output_file(name))
            info.retrieve_temporary_list.append(forces_file(name))
        return info
