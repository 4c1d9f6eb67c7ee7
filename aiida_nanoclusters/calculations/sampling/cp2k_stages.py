"""Cp2kStagesCalculation: stages of dynamics and relaxation by CP2K, many structures in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import FolderData, List

from aiida_nanoclusters.calculations.job_options import set_job_options, set_report
from aiida_nanoclusters.calculations.labels.cp2k import (
    CLOCK,
    add_run,
    level_of,
    level_problem,
    new_serial_job,
    set_exit_codes,
    set_settings,
    settings_of,
    write_files,
)
from aiida_nanoclusters.calculations.sampling.ports import set_stage_results, set_stages
from aiida_nanoclusters.formats.cp2k.input import prepare, run_files
from aiida_nanoclusters.formats.cp2k.stages import (
    RESTART,
    frame_problem,
    segment_files,
    segment_input,
    segment_name,
    start_of,
)
from aiida_nanoclusters.formats.input_text import InputTextError, cp2k_restart
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.science.sampling.segments import (
    RAMP_STEPS,
    Segment,
    cut_stages,
    seeds_problem,
    stages_problem,
)
from aiida_nanoclusters.science.sampling.stages import Stage, parse_stages


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse structures and stages that CP2K cannot compute, and points without a restart file."""
    if not {"frames", "stages", "seeds", "settings"} <= set(value):
        return None  # their ports report this, or an engine adds them later
    frames, settings = value["frames"], settings_of(value)
    stages = parse_stages(value["stages"].get_list())
    problem = stages_problem(stages, frames.frames.sizes.tolist())
    problem = problem or seeds_problem(value["seeds"].get_list(), len(frames))
    if problem:
        return problem
    for i, atoms in enumerate(frames.frames):
        problem = frame_problem(atoms, settings)
        if problem:
            return f"frame {i}: {problem}"
    return level_problem(value, settings) or _points_problem(value)


def restarts_problem(restarts: FolderData, count: int) -> str | None:
    """Return which restart file is none that a job of this package leaves, or None.

    A restart file is an input of CP2K: one that was imported could direct it to other files.
    """
    known = {RESTART.format(i) for i in range(count)}
    for name in restarts.list_object_names():
        if name not in known:
            return f"`restarts` holds {name!r}, which is no restart file of a structure: remove it"
        try:
            cp2k_restart(restarts.get_object_content(name, "r"))
        except (InputTextError, UnicodeDecodeError, IsADirectoryError) as error:
            return f"`restarts`, {name}: {error}"
    return None


def _points_problem(value: Mapping[str, Any]) -> str | None:
    if "restarts" in value:
        problem = restarts_problem(value["restarts"], len(value["frames"]))
        if problem:
            return problem
    if "points" not in value:
        return None
    points = value["points"].get_list()
    if len(points) != len(value["frames"]):
        return f"{len(points)} points for {len(value['frames'])} structures: give one per structure"
    files = value["restarts"].list_object_names() if "restarts" in value else []
    for i, point in enumerate(points):
        if (point["segment"] or point["step"]) and RESTART.format(i) not in files:
            return (
                f"structure {i} has no restart file {RESTART.format(i)} in `restarts`: add it, or "
                "set its `segment` and `step` to 0"
            )
    return None


def segments_of(inputs: Mapping[str, Any]) -> tuple[list[Stage], list[Segment]]:
    """Return the stages, and the run segments into which CP2K divides them."""
    stages = parse_stages(inputs["stages"].get_list())
    return stages, cut_stages(stages, ramp_steps=RAMP_STEPS)


class Cp2kStagesCalculation(CalcJob):
    """Relax structures, or run molecular dynamics on them, stage by stage.

    Each run segment of a structure is a run of CP2K that continues from the restart file of the
    segment before. The failure of a structure does not affect the others.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        set_stages(spec)
        set_settings(spec)
        spec.input(
            "points",
            valid_type=List,
            required=False,
            help="Point from which each structure continues: `segment` and `step` as in an earlier "
            "report. Default: the start.",
        )
        spec.input(
            "restarts",
            valid_type=FolderData,
            required=False,
            help="Restart files of CP2K for the structures that continue.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.cp2k_stages")

        set_stage_results(spec)
        spec.output(
            "restarts",
            valid_type=FolderData,
            required=False,
            help="Restart files of CP2K for the structures that are not finished.",
        )
        set_report(spec, "structures")
        set_exit_codes(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the inputs of all runs."""
        info = new_serial_job()
        settings = settings_of(self.inputs)
        if "restarts" in self.inputs:
            held = self.inputs.restarts
            names = held.list_object_names()
            write_files(folder, {n: cp2k_restart(held.get_object_content(n)) for n in names})
        for structure, atoms in enumerate(self.inputs.frames.frames):
            boxed, _copies = prepare(atoms, settings)
            for name, content in self._runs(structure, boxed, settings):
                files = run_files(name, [boxed])
                del files[f"{name}-frames.xyz"]
                add_run(info, folder, self.inputs.code, name, content, files)
                info.retrieve_temporary_list += segment_files(name)
        return info

    def _runs(self, structure: int, boxed: Any, settings: Cp2kSettings) -> Any:
        """Yield project name and input of each run of a structure."""
        stages, segments = segments_of(self.inputs)
        walltime = self.inputs.metadata.options.get("max_wallclock_seconds")
        points = self.inputs.points.get_list() if "points" in self.inputs else None
        start = start_of(points, structure)
        file = RESTART.format(structure)
        for segment in segments[start.segment :]:
            done = start.step if segment.number == start.segment else 0
            earlier = segment if done else segments[segment.number - 1]
            before = (file, earlier.dynamic, earlier.stage == segment.stage)
            yield (
                segment_name(structure, segment.number),
                segment_input(
                    structure,
                    boxed,
                    stages[segment.stage],
                    segment,
                    done=done,
                    before=before if segment.number or done else None,
                    settings=settings,
                    level=level_of(self.inputs),
                    seed=self.inputs.seeds[structure],
                    seconds=int(CLOCK * walltime) if walltime else None,
                ),
            )
            file = f"{segment_name(structure, segment.number)}-1.restart"
