"""LammpsCalculation: stages of dynamics and minimisation on many structures in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, List, RemoteData

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust_problem
from aiida_nanoclusters.formats.lammps import embed_frame, write_structures
from aiida_nanoclusters.formats.lammps_input import (
    FINAL_FILE,
    INPUT_FILE,
    LOG_FILE,
    RESUME_FILE,
    STRUCTURES_FILE,
    TRAJECTORY_FILE,
    render_stages,
)
from aiida_nanoclusters.formats.lammps_job import Job, Resume
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.stages import parse_stages

#: Å between a cluster and its walls, or around a slab.
DEFAULT_VACUUM = 15.0
SETTINGS = {
    "vacuum": "Å between a cluster and the reflecting walls around it (15)",
    "timeout": "seconds after which LAMMPS stops by itself (from `max_wallclock_seconds`)",
    "fragment_distance": "Å; parts further away have evaporated (the potential's cutoff)",
    "keep_failed": "true keeps frames of structures that LAMMPS gave up, up to there (false)",
    "cmdline": "further options of the LAMMPS command line, such as `-sf kk -k on g 1`",
}


def validate_potential(value: PotentialData, _: Any) -> str | None:
    """Refuse what LAMMPS cannot run, and code of makers that are not trusted."""
    if not value.runs_in_lammps:
        return (
            "the potential is an Allegro package, which LAMMPS cannot run: compile it first "
            "(`nanoclusters.compile`)"
        )
    return trust_problem(value)


def validate_stages(value: List, _: Any) -> str | None:
    """Refuse stages that are unknown or make no sense."""
    try:
        parse_stages(value.get_list())
    except ValueError as error:
        return str(error)
    return None


def validate_settings(value: Dict | None, _: Any) -> str | None:
    """Refuse unknown settings, and a `keep_failed` that is neither true nor false."""
    settings = value.get_dict() if value is not None else {}
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        known = "; ".join(f"`{k}`: {v}" for k, v in SETTINGS.items())
        return f"unknown settings {', '.join(unknown)}: choose from {known}"
    if not isinstance(settings.get("keep_failed", False), bool):
        return f"`keep_failed` must be true or false, not {settings['keep_failed']!r}"
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse inputs that do not fit together."""
    if "frames" not in value or "potential" not in value or "stages" not in value:
        return None  # the ports say so themselves
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
    if factors and (len(factors) != len(frames) or min(factors) <= 0):
        return "`timestep_factors` must hold one number above 0 per structure"
    if ("resume" in value) != ("parent_folder" in value):
        return "give `resume` and `parent_folder` together, or neither"
    try:
        make_job(value)
    except ValueError as error:
        return str(error)
    return None


def elements_problem(frames: FramesData, potential: PotentialData) -> str | None:
    """Return what is wrong where frames hold an element that the potential does not know."""
    missing = [e for e in frames.elements if e not in potential.elements]
    if missing:
        return (
            f"the potential knows {', '.join(potential.elements)} but not {', '.join(missing)}: "
            "choose a potential of these elements"
        )
    return None


def used_symbols(frames: FramesData, potential: PotentialData) -> list[str]:
    """Return the elements that occur, in the potential's order: the atom types."""
    return [e for e in potential.elements if e in frames.elements]


def make_job(inputs: Mapping[str, Any], timeout: int | None = None) -> tuple[Frames, Job]:
    """Return the structures and the job that the inputs of a calculation describe."""
    frames: Frames = inputs["frames"].frames
    potential: PotentialData = inputs["potential"]
    settings = inputs["settings"].get_dict() if "settings" in inputs else {}
    # Images of a slab must be out of each other's reach, with the neighbour list's skin.
    vacuum = max(settings.get("vacuum", DEFAULT_VACUUM), potential.cutoff / 2 + 1.0)
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
    _ = job.plan  # raises where the numbering of steps does not fit
    return frames, job


def timeout_of(settings: Mapping[str, Any], walltime: int | None) -> int | None:
    """Return the seconds LAMMPS may take: those asked for, or the walltime less a reserve."""
    if "timeout" in settings:
        return max(1, int(settings["timeout"]))
    if walltime is None:
        return None
    return max(1, int(walltime - min(max(0.05 * walltime, 30.0), 600.0)))


def set_exit_codes(spec: CalcJobProcessSpec) -> None:
    """Declare how any job of LAMMPS can end badly."""
    # What another try, or a mended machine, may cure must not come from the cache.
    again = {"invalidates_cache": True}
    spec.exit_code(310, "ERROR_NO_LOG", message="LAMMPS wrote no log: {message}", **again)
    spec.exit_code(
        311,
        "ERROR_DIED",
        message="LAMMPS ended without a word: it was killed or crashed.",
        **again,
    )
    spec.exit_code(340, "ERROR_LAMMPS", message="LAMMPS stopped: {message}")
    spec.exit_code(341, "ERROR_NO_PAIR_STYLE", message="LAMMPS stopped: {message}", **again)


class LammpsCalculation(CalcJob):
    """Run stages (heat, hold, anneal, quench, relax) on many structures with one potential."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="The structures to start from.")
        spec.input("potential", valid_type=PotentialData, validator=validate_potential)
        spec.input(
            "stages",
            valid_type=List,
            validator=validate_stages,
            help="What is done to each structure, one mapping a stage; `science/stages.py`.",
        )
        spec.input(
            "seeds",
            valid_type=List,
            required=False,
            help="Of velocities and random forces, one integer per structure.",
        )
        spec.input(
            "timestep_factors",
            valid_type=List,
            required=False,
            help="By which the time step of each structure is multiplied; 1 where not given.",
        )
        spec.input(
            "parent_folder",
            valid_type=RemoteData,
            required=False,
            help="Folder of a job that was cut short, with the restart file named in `resume`.",
        )
        spec.input(
            "resume",
            valid_type=Dict,
            required=False,
            help="`resume` of that job's report: the first structure goes on from there.",
        )
        spec.input("settings", valid_type=Dict, required=False, validator=validate_settings)
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.lammps")

        spec.output(
            "structures",
            valid_type=FramesData,
            required=False,
            help="Finished structures in input order, labelled by the potential.",
        )
        spec.output(
            "trajectory", valid_type=FramesData, required=False, help="Frames sampled on the way."
        )
        spec.output("thermo", valid_type=ArrayData, required=False)
        spec.output("report", valid_type=Dict, help="What became of each structure, and why.")
        spec.default_output_node = "report"

        set_exit_codes(spec)
        spec.exit_code(
            320, "ERROR_OUT_OF_WALLTIME", message="Out of walltime: {unfinished} unfinished."
        )
        spec.exit_code(
            330, "ERROR_UNSTABLE", message="Structures failed: {structures}; the report says why."
        )
        spec.exit_code(
            350, "ERROR_NOT_CONVERGED", message="Minimisation not converged: {structures}."
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the structures and the input; say what to bring along and back."""
        settings = self.inputs.settings.get_dict() if "settings" in self.inputs else {}
        timeout = timeout_of(settings, self.node.get_option("max_wallclock_seconds"))
        frames, job = make_job(self.inputs, timeout)
        with folder.open(STRUCTURES_FILE, "w") as handle:
            write_structures(frames, job.boxes, job.symbols, handle, walls=True)
        with folder.open(INPUT_FILE, "w") as handle:
            handle.write(render_stages(job))

        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = [*command_line(settings)]
        info = new_job()
        info.codes_info = [code]
        info.local_copy_list = []
        filename = job.interaction.filename
        if filename is not None:
            info.local_copy_list = [(self.inputs.potential.uuid, filename, filename)]
        info.remote_copy_list = []
        if "resume" in self.inputs:
            parent = self.inputs.parent_folder
            source = f"{parent.get_remote_path()}/{self.inputs.resume['file']}"
            info.remote_copy_list = [(parent.computer.uuid, source, RESUME_FILE)]
        info.retrieve_list = [LOG_FILE]
        info.retrieve_temporary_list = [FINAL_FILE, TRAJECTORY_FILE]
        return info


def command_line(settings: Mapping[str, Any]) -> list[str]:
    """Return LAMMPS's command line options."""
    fixed = ["-in", INPUT_FILE, "-log", LOG_FILE, "-screen", "none", "-nocite"]
    return [*fixed, *(str(option) for option in settings.get("cmdline", []))]
