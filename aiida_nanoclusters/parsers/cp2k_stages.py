"""Parser of jobs of CP2K that run stages."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import Dict, FolderData
from aiida.parsers import Parser
from ase import Atoms

from aiida_nanoclusters.calculations.labels.cp2k import settings_of
from aiida_nanoclusters.calculations.sampling.cp2k_stages import segments_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k.input import prepare
from aiida_nanoclusters.formats.cp2k.output import Cp2kRun
from aiida_nanoclusters.formats.cp2k.stages import (
    RESTART,
    SegmentRun,
    read_segment,
    segment_name,
    shift_of,
    start_of,
)
from aiida_nanoclusters.formats.labelled_run import LabelledStep
from aiida_nanoclusters.parsers.cp2k import find_fault, judge_job
from aiida_nanoclusters.science.labels.acceptance import label_problem
from aiida_nanoclusters.science.labels.retries import ADVANCED, LABELLED, REFUSED, UNFINISHED
from aiida_nanoclusters.science.sampling.segments import (
    Point,
    Sample,
    Segment,
    end_points,
    is_converged,
    is_sampled,
    largest_force,
    sampled_frames,
)
from aiida_nanoclusters.science.structures.boxes import outgrown


@dataclass
class _Course:
    """Progress of one structure in this job."""

    point: Point
    restart: str | None
    state: str = UNFINISHED
    reason: str = "CP2K did not reach it"
    end: Sample | None = None
    samples: list[Sample] = field(default_factory=list)
    steps: int = 0
    evaluations: int = 0
    unconverged: int = 0
    cut: bool = False


class Cp2kStagesParser(Parser):
    """Return the results of every structure, also where the job was interrupted."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach all results, complete or not, and return the exit code."""
        self.folder = Path(kwargs["retrieved_temporary_folder"])
        inputs = {key: self.node.inputs[key] for key in self.node.inputs}
        self.settings = settings_of(inputs)
        self.stages, self.segments = segments_of(inputs)
        self.runs: list[Cp2kRun] = []
        frames = inputs["frames"].frames
        points = inputs["points"].get_list() if "points" in inputs else None
        courses = [self._follow(i, frames[i], start_of(points, i)) for i in range(len(frames))]
        level = self.settings.level_of_theory
        ends = end_points(frames, [c.end for c in courses if c.end is not None], level)
        if ends is not None:
            self.out("structures", FramesData(ends))
        samples = [sample for course in courses for sample in course.samples]
        seeds = inputs["seeds"].get_list()
        sampled = sampled_frames(frames, samples, seeds, self.stages, level)
        if sampled is not None:
            self.out("trajectory", FramesData(sampled))
        self._attach_restarts(courses)
        entries = [self._entry(i, course) for i, course in enumerate(courses)]
        fault = find_fault(self, entries, self.runs, [course.cut for course in courses])
        version = next((run.version for run in self.runs if run.version), None)
        versions = {"cp2k": version} if version else {}
        self.out("report", Dict({"structures": entries, "versions": versions}))
        return judge_job(self, entries, self.runs, fault)

    def _follow(self, structure: int, atoms: Atoms, start: Point) -> _Course:
        """Read the runs of a structure up to the first one that is not complete."""
        began = None
        if "restarts" in self.node.inputs:
            restarts, name = self.node.inputs.restarts, RESTART.format(structure)
            began = (
                restarts.get_object_content(name) if name in restarts.list_object_names() else None
            )
        course = _Course(start, began)
        boxed, _ = prepare(atoms, self.settings)
        for segment in self.segments[start.segment :]:
            done = start.step if segment.number == start.segment else 0
            name = segment_name(structure, segment.number)
            run = read_segment(self.folder, name, segment, done, boxed)
            self.runs.append(run.output)
            course.cut = run.output.cut
            if not self._take(course, structure, atoms, boxed, segment, done, run):
                break
        else:
            course.state, course.reason = LABELLED, ""
        if course.state == UNFINISHED and course.point != start:
            course.state = ADVANCED
        return course

    def _take(
        self,
        course: _Course,
        structure: int,
        atoms: Atoms,
        boxed: Atoms,
        segment: Segment,
        done: int,
        run: SegmentRun,
    ) -> bool:
        """Add the results of a run to the course; return whether the next run is to be read."""
        course.evaluations += len(run.output.steps)
        course.unconverged += sum(step.converged is False for step in run.output.steps)
        problem: str | None = run.output.abort and f"CP2K stopped: {run.output.abort}"
        if run.complete and run.last is not None:
            problem = self._problem(boxed, run.last)
        if problem:
            course.state, course.reason = REFUSED, problem
            return False
        reached = max(run.steps) if run.complete else run.restart[1] if run.restart else 0
        shift = shift_of(atoms, boxed)
        samples = [
            self._sample(structure, segment, done, step, run, shift)
            for number, step in run.steps.items()
            if number <= reached and self._is_wanted(segment, done, number, step, boxed)
        ]
        course.samples += samples
        course.steps += reached
        if not run.complete:
            course.reason = _why_unfinished(run)
            if run.restart and reached:
                course.point = Point(segment.number, done + reached)
                course.restart = run.restart[0].read_text(encoding="utf-8")
            return False
        course.point = Point(segment.number + 1, 0)
        course.restart = run.restart[0].read_text(encoding="utf-8") if run.restart else None
        if run.last is not None:
            course.end = None
            if segment.number == len(self.segments) - 1:
                course.end = self._sample(structure, segment, done, run.last, run, shift)
        return True

    def _problem(self, boxed: Atoms, step: LabelledStep) -> str | None:
        if step.problem:
            return step.problem
        results = step.atoms.calc.results
        limit = self.settings.max_net_force
        problem = label_problem(boxed, results["energy"], results["forces"], True, limit)
        return problem or outgrown(step.atoms.positions, boxed, self.settings.vacuum)

    def _is_wanted(
        self, segment: Segment, done: int, number: int, step: LabelledStep, boxed: Atoms
    ) -> bool:
        """Return whether a step is sampled and accepted as a label.

        The first frame of a run repeats the last one of the run before, except in a run that
        continues an interrupted one, whose last frame may not have been written.
        """
        if (number == 0 and not done) or not is_sampled(self.stages, segment, done + number):
            return False
        return self._problem(boxed, step) is None

    def _sample(
        self,
        structure: int,
        segment: Segment,
        done: int,
        step: LabelledStep,
        run: SegmentRun,
        shift: np.ndarray,
    ) -> Sample:
        results = step.atoms.calc.results
        return Sample(
            structure=structure,
            stage=segment.stage,
            step=segment.first + done + step.number,
            positions=step.atoms.positions - shift,
            forces=results["forces"],
            energy=results["energy"],
            temperature=run.temperatures.get(step.number) if segment.dynamic else None,
        )

    def _attach_restarts(self, courses: list[_Course]) -> None:
        folder = FolderData()
        for i, course in enumerate(courses):
            if course.state != LABELLED and course.restart is not None:
                content = io.BytesIO(course.restart.encode())
                folder.base.repository.put_object_from_filelike(content, RESTART.format(i))
        if folder.base.repository.list_object_names():
            self.out("restarts", folder)

    def _entry(self, index: int, course: _Course) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "index": index,
            "state": course.state,
            "reason": course.reason,
            "point": {"segment": course.point.segment, "step": course.point.step},
            "energy": None,
            "max_force": None,
            "converged": None,
            "steps": course.steps,
            "force_evaluations": course.evaluations,
            "unconverged": course.unconverged,
        }
        if course.end is not None:
            entry.update(energy=course.end.energy, max_force=largest_force(course.end.forces))
            entry["converged"] = is_converged(self.stages[-1], entry["max_force"])
        return entry


def _why_unfinished(run: SegmentRun) -> str:
    if run.output.out_of_time:
        return "CP2K ran out of time"
    return "CP2K was interrupted" if run.output.steps else "CP2K did not reach it"
