"""LammpsCalculation: stages of dynamics and minimisation on many structures in one job."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, List, RemoteData

from aiida_nanoclusters.calculations.job_options import set_job_options, set_report
from aiida_nanoclusters.calculations.lammps_job import (
    NamesModel,
    cmdline_problem,
    elements_problem,
    new_lammps_job,
    potential_copy,
    set_exit_codes,
    used_symbols,
    validate_potential,
    write_server,
)
from aiida_nanoclusters.calculations.sampling.ports import set_stage_results, set_stages
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.lammps.dump import embed_frame, write_structures
from aiida_nanoclusters.formats.lammps.input import (
    FINAL_FILE,
    INPUT_FILE,
    LOG_FILE,
    RESTART_FILES,
    RESUME_FILE,
    STRUCTURES_FILE,
    TRAJECTORY_FILE,
    render_stages,
)
from aiida_nanoclusters.formats.lammps.job import Job, Resume
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.settings import LammpsStagesSettings
from aiida_nanoclusters.science.sampling.stages import parse_stages


def validate_settings(value: Dict | None, _: Any) -> str | None:
    """Refuse settings that do not fit :class:`.LammpsStagesSettings`."""
    if value is None:
        return None
    return LammpsStagesSettings.problem(value.get_dict()) or cmdline_problem(value.get_dict())


def validate_resume(value: Dict | None, _: Any) -> str | None:
    """Refuse a point without a number, and a file that no job of this package leaves."""
    if value is None:
        return None
    try:
        Resume.of(value.get_dict())
    except (ValueError, TypeError) as error:
        return str(error)
    file = value.get("file")
    if file not in RESTART_FILES:
        return f"`resume`: its `file` is {file!r}, not one of {', '.join(RESTART_FILES)}"
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse inputs that are not consistent."""
    if "frames" not in value or "potential" not in value or "stages" not in value:
        return None  # their ports report this
    frames, potential = value["frames"], value["potential"]
    problem = elements_problem(frames, potential)
    if problem:
        return problem
    seeds = value["seeds"].get_list() if "seeds" in value else None
    if seeds is None and any(s.is_dynamic for s in parse_stages(value["stages"].get_list())):
        return "stages with temperatures need `seeds`: a list of integers, one per structure"
    if seeds is not None:
        if len(seeds) != len(frames):
            return f"{len(seeds)} seeds for {len(frames)} structures: give one seed per structure"
        if any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in seeds):
            return "seeds must be integers from 0"
    factors = value["timestep_factors"].get_list() if "timestep_factors" in value else []
    if factors and (len(factors) != len(frames) or not all(map(_is_positive, factors))):
        return "`timestep_factors` must hold one number above 0 per structure"
    if ("resume" in value) != ("parent_folder" in value):
        return "give `resume` and `parent_folder` together, or neither"
    try:
        make_job(value)
    except ValueError as error:
        return str(error)
    return None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf


def settings_of(inputs: Mapping[str, Any]) -> LammpsStagesSettings:
    """Return the settings among the inputs of a job, with their defaults."""
    given = inputs["settings"].get_dict() if "settings" in inputs else {}
    return LammpsStagesSettings.model_validate(given)


def make_job(inputs: Mapping[str, Any], timeout: int | None = None) -> tuple[Frames, Job]:
    """Return the structures and the job that the inputs of a calculation describe."""
    frames: Frames = inputs["frames"].frames
    potential: PotentialData = inputs["potential"]
    # Images of a slab must not interact; 1 Å is for the skin of the neighbour list.
    vacuum = max(settings_of(inputs).vacuum, potential.cutoff / 2 + 1.0)
    seeds = inputs["seeds"].get_list() if "seeds" in inputs else [0] * len(frames)
    factors = inputs["timestep_factors"].get_list() if "timestep_factors" in inputs else []
    resume = inputs["resume"].get_dict() if "resume" in inputs else None
    job = Job(
        stages=parse_stages(inputs["stages"].get_list()),
        boxes=[embed_frame(frames, i, vacuum) for i in range(len(frames))],
        sizes=[int(n) for n in frames.sizes],
        seeds=seeds,
        factors=factors or [1.0] * len(frames),
        interaction=potential.interaction,
        symbols=used_symbols(inputs["frames"], potential),
        resume=Resume.of(resume) if resume else None,
        timeout=timeout,
    )
    _ = job.plan  # raises ValueError where there are too many steps to number
    return frames, job


def timeout_of(settings: Any, walltime: int | None) -> int | None:
    """Return the time in s after which LAMMPS stops: `timeout`, or the walltime less a reserve."""
    if settings.timeout is not None:
        return max(1, int(settings.timeout))
    if walltime is None:
        return None
    return max(1, int(walltime - min(max(0.05 * walltime, 30.0), 600.0)))


class LammpsCalculation(NamesModel, CalcJob):  # type: ignore[misc]
    """Run stages (heat, hold, anneal, quench, relax) on many structures with one potential."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        set_stages(spec, seeds=False)
        spec.input(
            "potential",
            valid_type=PotentialData,
            validator=validate_potential,
            help="Potential by which the atoms move.",
        )
        spec.input(
            "timestep_factors",
            valid_type=List,
            required=False,
            help="Factor of the time step of each structure. Default: 1.",
        )
        spec.input(
            "parent_folder",
            valid_type=RemoteData,
            required=False,
            help="Folder of an interrupted job with the restart file that is named in `resume`.",
        )
        spec.input(
            "resume",
            valid_type=Dict,
            required=False,
            validator=validate_resume,
            help="`resume` in the report of the interrupted job: the point from which the first "
            "structure continues. Default: the start.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            required=False,
            validator=validate_settings,
            help="Settings of the job (docs/reference.md): vacuum (Å, 15), timeout (s), "
            "fragment_distance (Å, the cutoff of the potential), keep_failed (false), cmdline.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.lammps")

        set_stage_results(spec)
        spec.output(
            "thermo",
            valid_type=ArrayData,
            required=False,
            help="Time series of the stages; the attribute `units` has the units of the arrays.",
        )
        set_report(spec, "structures")
        set_exit_codes(spec)
        spec.exit_code(
            320,
            "ERROR_OUT_OF_WALLTIME",
            message="Out of walltime: {unfinished} structures are unfinished.",
        )
        spec.exit_code(
            330, "ERROR_UNSTABLE", message="Structures {structures} failed: see `report`."
        )
        spec.exit_code(
            350,
            "ERROR_NOT_CONVERGED",
            message="The minimisation of the structures {structures} did not converge.",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the structures and the input; list the files to copy and to retrieve."""
        frames, job = self._make_job()
        with folder.open(STRUCTURES_FILE, "w") as handle:
            write_structures(frames, job.boxes, job.symbols, handle, walls=True)
        with folder.open(INPUT_FILE, "w") as handle:
            handle.write(render_stages(job))

        copies = potential_copy(self.inputs.potential)
        info = new_lammps_job(self.inputs.code, settings_of(self.inputs), copies)
        info.remote_copy_list = []
        if "resume" in self.inputs:
            parent = self.inputs.parent_folder
            source = f"{parent.get_remote_path()}/{self.inputs.resume['file']}"
            info.remote_copy_list = [(parent.computer.uuid, source, RESUME_FILE)]
        info.retrieve_list = [LOG_FILE, *write_server(folder, [self.inputs.potential])]
        info.retrieve_temporary_list = [FINAL_FILE, TRAJECTORY_FILE]
        return info

    def _make_job(self) -> tuple[Frames, Job]:
        """Return the structures, and the job with the time limit of its options."""
        walltime = self.node.get_option("max_wallclock_seconds")
        return make_job(self.inputs, timeout_of(settings_of(self.inputs), walltime))
