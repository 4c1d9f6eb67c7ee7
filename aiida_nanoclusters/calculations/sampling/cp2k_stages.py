"""Cp2kStagesCalculation: stages of dynamics and relaxation by CP2K, many structures in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import Dict, FolderData, List
from aiida_cp2k.utils import Cp2kInput

from aiida_nanoclusters.calculations.cp2k import (
    CLOCK,
    new_serial_job,
    one_run,
    rung_problem,
    set_exit_codes,
    set_settings,
)
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.calculations.lammps import validate_stages
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k_input import prepare, run_files
from aiida_nanoclusters.formats.cp2k_stages import (
    RESTART,
    frame_problem,
    segment_files,
    segment_input,
    segment_name,
    start_of,
)
from aiida_nanoclusters.science.segments import (
    TREADS,
    Segment,
    cut_stages,
    seeds_problem,
    stages_problem,
)
from aiida_nanoclusters.science.stages import Stage, parse_stages


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse structures and stages that CP2K cannot do, and points that lead nowhere."""
    if not {"frames", "stages", "seeds", "settings"} <= set(value):
        return None  # the ports say so themselves, or an engine gives them
    frames, settings = value["frames"], value["settings"].get_dict()
    stages = parse_stages(value["stages"].get_list())
    problem = stages_problem(stages, frames.frames.sizes.tolist())
    problem = problem or seeds_problem(value["seeds"].get_list(), len(frames))
    if problem:
        return problem
    for i, atoms in enumerate(frames.frames):
        problem = frame_problem(atoms, settings)
        if problem:
            return f"frame {i}: {problem}"
    return rung_problem(value, settings) or _points_problem(value)


def _points_problem(value: Mapping[str, Any]) -> str | None:
    if "points" not in value:
        return None
    points = value["points"].get_list()
    if len(points) != len(value["frames"]):
        return f"{len(points)} points for {len(value['frames'])} structures: give one each"
    files = value["restarts"].list_object_names() if "restarts" in value else []
    for i, point in enumerate(points):
        if (point["segment"] or point["step"]) and RESTART.format(i) not in files:
            return f"structure {i} is to go on, but `restarts` has no {RESTART.format(i)}"
    return None


def segments_of(inputs: Mapping[str, Any]) -> tuple[list[Stage], list[Segment]]:
    """Return the stages, and the runs of CP2K that they are cut into."""
    stages = parse_stages(inputs["stages"].get_list())
    return stages, cut_stages(stages, treads=TREADS)


class Cp2kStagesCalculation(CalcJob):
    """Relax structures, or run molecular dynamics on them, stage by stage.

    Each segment of a structure is a run of CP2K that goes on from the restart file of the one
    before; the runs of a structure that fails leave the other structures alone.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="The structures to start from.")
        spec.input(
            "stages",
            valid_type=List,
            validator=validate_stages,
            help="What is done to each structure, one mapping a stage; `science/stages.py`.",
        )
        spec.input("seeds", valid_type=List, help="One integer per structure.")
        set_settings(spec)
        spec.input(
            "points",
            valid_type=List,
            required=False,
            help="Where each structure goes on: `segment` and `step`, from an earlier report.",
        )
        spec.input(
            "restarts",
            valid_type=FolderData,
            required=False,
            help="CP2K's restart files of the structures that go on.",
        )
        spec.inputs.validator = validate_inputs
        set_job_options(spec, "nanoclusters.cp2k_stages")

        spec.output(
            "structures",
            valid_type=FramesData,
            required=False,
            help="Finished structures in input order, labelled.",
        )
        spec.output(
            "trajectory", valid_type=FramesData, required=False, help="Frames sampled on the way."
        )
        spec.output(
            "restarts",
            valid_type=FolderData,
            required=False,
            help="Restart files of the structures that are not finished.",
        )
        spec.output("report", valid_type=Dict, help="What became of each structure, and why.")
        spec.default_output_node = "report"
        set_exit_codes(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the inputs of all runs."""
        info = new_serial_job()
        settings = self.inputs.settings.get_dict()
        if "restarts" in self.inputs:
            for name in self.inputs.restarts.list_object_names():
                with folder.open(name, "w", encoding="utf-8") as handle:
                    handle.write(self.inputs.restarts.get_object_content(name))
        for structure, atoms in enumerate(self.inputs.frames.frames):
            boxed, _copies = prepare(atoms, settings)
            for name, content in self._runs(structure, boxed, settings):
                files = {f"{name}.inp": Cp2kInput(content).render(), **run_files(name, [boxed])}
                del files[f"{name}-frames.xyz"]
                for filename, text in files.items():
                    with folder.open(filename, "w", encoding="utf-8") as handle:
                        handle.write(text)
                info.codes_info.append(one_run(self.inputs.code, name))
                info.retrieve_temporary_list += segment_files(name)
        return info

    def _runs(self, structure: int, boxed: Any, settings: Mapping[str, Any]) -> Any:
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
                    rung=self.inputs.rung.value,
                    seed=self.inputs.seeds[structure],
                    seconds=int(CLOCK * walltime) if walltime else None,
                ),
            )
            file = f"{segment_name(structure, segment.number)}-1.restart"
