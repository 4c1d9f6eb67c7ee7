"""Cp2kCalculation: labels for any mix of frames by CP2K, in one job of many runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.datastructures import CodeRunMode
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import AbstractCode, Dict, Int
from aiida_cp2k.utils import Cp2kInput

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k_input import (
    deal_runs,
    prepare,
    run_files,
    run_input,
    settings_problem,
)

#: Share of the job's time after which CP2K itself ends, between two frames.
CLOCK = 0.95


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that are not those of a CP2K protocol."""
    return settings_problem(value.get_dict())


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames without a box that CP2K can compute, and a rung that is not there."""
    if not {"frames", "settings", "rung"} <= set(value):
        return None  # the ports say so themselves, or an engine gives them
    settings = value["settings"].get_dict()
    return rung_problem(value, settings) or frames_problem(value["frames"], settings)


def rung_problem(value: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """Return why there is no such rung, or None."""
    count = len(settings["ladder"])
    if "rung" in value and not 0 <= value["rung"].value < count:
        return f"rung {value['rung'].value}: the ladder has {count}, from 0"
    return None


def frames_problem(frames: FramesData, settings: Mapping[str, Any]) -> str | None:
    """Return why a frame fits in no box, or None."""
    for i, atoms in enumerate(frames.frames):
        try:
            prepare(atoms, settings)
        except ValueError as error:
            return f"frame {i}: {error}"
    return None


def run_name(number: int) -> str:
    """Return CP2K's project name of a run."""
    return f"run{number:04d}"


def output_file(name: str) -> str:
    """Return the file of a run's standard output."""
    return f"{name}.out"


def forces_file(name: str) -> str:
    """Return the file CP2K writes a run's forces to."""
    return f"{name}-frc-1.xyz"


def new_serial_job() -> CalcInfo:
    """Return a job without runs, which will follow each other."""
    info = new_job()
    info.codes_info, info.retrieve_list, info.retrieve_temporary_list = [], [], []
    info.codes_run_mode = CodeRunMode.SERIAL
    return info


def one_run(code: AbstractCode, name: str) -> CodeInfo:
    """Return a run of CP2K by its project name."""
    run = CodeInfo()
    run.code_uuid = code.uuid
    run.cmdline_params = ["-i", f"{name}.inp"]
    run.stdout_name = output_file(name)
    run.join_files = True
    return run


def set_settings(spec: CalcJobProcessSpec) -> None:
    """Declare how CP2K is to compute."""
    spec.input(
        "settings",
        valid_type=Dict,
        validator=validate_settings,
        help="A protocol of `protocols/cp2k.yaml`.",
    )
    spec.input(
        "rung",
        valid_type=Int,
        default=lambda: Int(0),
        help="Which changes of the settings' `ladder` to make.",
    )


def set_exit_codes(spec: CalcJobProcessSpec) -> None:
    """Declare how a job of CP2K can end badly."""
    # What another try may mend must not come from the cache.
    spec.exit_code(
        310,
        "ERROR_NO_OUTPUT",
        message="CP2K wrote nothing: {message}",
        invalidates_cache=True,
    )
    spec.exit_code(
        311,
        "ERROR_DIED",
        message="CP2K ended without a word: it was killed or crashed.",
        invalidates_cache=True,
    )
    spec.exit_code(330, "ERROR_FRAMES_REFUSED", message="{count} frames have no label: {reason}")
    spec.exit_code(340, "ERROR_CP2K", message="CP2K does not understand its input: {message}")
    spec.exit_code(
        400, "ERROR_OUT_OF_WALLTIME", message="CP2K ran out of time.", invalidates_cache=True
    )


class Cp2kCalculation(CalcJob):
    """Label frames of any sizes, cells, charges and spins by CP2K.

    Frames that differ in positions only share a run of CP2K (a reference trajectory); runs follow
    each other in the job, and one that fails leaves the others alone.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="Of any sizes, cells and periodicity.")
        set_settings(spec)
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.cp2k")

        spec.output(
            "labelled",
            valid_type=FramesData,
            required=False,
            help="The frames that have a label, in input order.",
        )
        spec.output("report", valid_type=Dict, help="What became of each frame, and why.")
        spec.default_output_node = "report"

        set_exit_codes(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the inputs of all runs."""
        settings, rung = self.inputs.settings.get_dict(), self.inputs.rung.value
        walltime = self.inputs.metadata.options.get("max_wallclock_seconds")
        seconds = int(CLOCK * walltime) if walltime else None
        images = [prepare(atoms, settings)[0] for atoms in self.inputs.frames.frames]
        info = new_serial_job()
        for number, members in enumerate(deal_runs(images)):
            name = run_name(number)
            content = run_input(name, images[members[0]], len(members), settings, rung, seconds)
            coordinates = run_files(name, [images[i] for i in members])
            files = {f"{name}.inp": Cp2kInput(content).render(), **coordinates}
            for filename, text in files.items():
                with folder.open(filename, "w", encoding="utf-8") as handle:
                    handle.write(text)
            info.codes_info.append(one_run(self.inputs.code, name))
            info.retrieve_list.append(output_file(name))
            info.retrieve_temporary_list.append(forces_file(name))
        return info
