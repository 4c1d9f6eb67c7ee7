"""Engine `vasp` for stages: relaxations and molecular dynamics by VASP."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, List, ProcessNode
from aiida.plugins import WorkflowFactory

from aiida_nanoclusters.calculations.sampling.vasp_stages import (
    gather_vasp_stages,
    prepare_vasp_stage,
    read_stage,
)
from aiida_nanoclusters.formats.input_text import number_rows
from aiida_nanoclusters.formats.vasp.stages import thermostat_problem
from aiida_nanoclusters.science.labels.retries import ADVANCED, LABELLED, REFUSED, UNFINISHED
from aiida_nanoclusters.science.sampling.segments import cut_stages, seeds_problem, stages_problem
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.workflows.engines.contract import StagesEngine
from aiida_nanoclusters.workflows.engines.vasp import (
    VaspJobsWorkChain,
    child_message,
    one_job,
    retrieved_files,
)
from aiida_nanoclusters.workflows.engines.vasp import validate_inputs as validate_label


class VaspStagesEngineWorkChain(VaspJobsWorkChain, StagesEngine):
    """Run a batch of structures through stages by VASP; each run segment of a structure is a job.

    An interrupted job is followed by one that continues from its last complete step. Where the
    self-consistent field does not converge at the end of a stage, the stage is repeated with the
    next settings level.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.inputs.validator = validate_inputs

    def start(self) -> None:
        """Put all structures at their beginning and at the first settings level."""
        super().start()
        # Of each structure: its run segment, the steps done of it, and the job that did them.
        self.ctx.points = [[0, 0, None]] * len(self.inputs.frames)
        self.ctx.useful = []

    def plan(self) -> None:
        """Plan a job for each structure at the lowest settings level, from its latest point."""
        level, indices = self.sequence.next()
        for index in indices:
            segment, done, _ = self.ctx.points[index]
            task = {"index": index, "settings_level": level, "segment": segment, "done": done}
            self.ctx.batches = [*self.ctx.batches, task]

    def submit_batch(self, batch: dict[str, int]) -> ProcessNode:
        """Submit VASP for one run segment of one structure."""
        own = {key: self.inputs[key] for key in ("frames", "stages", "seeds", "settings")}
        source = self.ctx.points[batch["index"]][2]
        if source is not None:
            own["before"] = retrieved_files(self.child(source))
            own["earlier"] = Dict(self.ctx.batches[source])
        made = prepare_vasp_stage(task=Dict(batch), **own)
        velocities = made.pop("velocities").value
        options = _with_velocities(self.inputs.options, velocities)
        label = "structure_{index:05d}_segment_{segment:03d}_level_{settings_level}".format(**batch)
        return self.submit(
            WorkflowFactory("vasp.vasp"), **one_job(self.inputs, made, options, label)
        )

    def outcome_of(self, number: int) -> tuple[int, dict[str, Any]]:
        """Return structure and outcome of a job, and note the point that it reached."""
        task = self.ctx.batches[number]
        return task["index"], self._outcome(number, task, self.child(number))

    def _outcome(self, k: int, task: dict[str, int], child: ProcessNode) -> dict[str, Any]:
        retrieved = retrieved_files(child)
        if retrieved is None:
            return {"state": UNFINISHED, "reason": f"VASP did not run: {child_message(child)}"}
        inputs, frames = self.inputs, self.inputs.frames.frames
        run = read_stage(retrieved, frames, inputs.settings, inputs.stages, task)
        if run.refused:
            return {"state": REFUSED, "reason": run.refused}
        if run.problem and not run.reached:
            return {"state": UNFINISHED, "reason": run.problem}
        points, index = list(self.ctx.points), task["index"]
        segment, done = task["segment"], task["done"] + run.reached
        points[index] = [segment, done, k] if run.problem else [segment + 1, 0, k]
        self.ctx.points, self.ctx.useful = points, [*self.ctx.useful, k]
        count = len(cut_stages(parse_stages(inputs.stages.get_list())))
        state = LABELLED if points[index][0] == count else ADVANCED
        return {"state": state, "reason": run.problem or ""}

    def results(self) -> ExitCode | None:
        """Attach structures, trajectory and report."""
        children, useful = self.finished_batches(), self.ctx.useful
        rows = self.sequence.report()
        for row in rows:
            row["state"] = "finished" if row["state"] == LABELLED else "failed"
        runs = {f"run_{place:05d}": retrieved_files(children[k]) for place, k in enumerate(useful)}
        gathered = gather_vasp_stages(
            **{key: self.inputs[key] for key in ("frames", "stages", "seeds", "settings")},
            progress=Dict({"structures": rows}),
            tasks=List([self.ctx.batches[k] for k in useful]),
            **runs,
        )
        self.out_many(gathered)
        return None if "structures" in gathered else self.exit_codes.ERROR_NOTHING_FINISHED


def _with_velocities(options: Any, velocities: str) -> dict[str, Any]:
    """Return the options of a job, with a shell command that adds velocities to the POSCAR.

    aiida-vasp writes no velocities, and VASP would draw random ones.
    """
    changed = dict(options)
    if velocities:
        number_rows(velocities, 3, "the block of velocities")
        shell = f"cat >> POSCAR << 'VELOCITIES'\n{velocities}VELOCITIES"
        changed["prepend_text"] = "\n".join(filter(None, [options.get("prepend_text"), shell]))
    return changed


def validate_inputs(inputs, _) -> str | None:
    """Refuse structures and stages that VASP cannot compute, before anything is submitted."""
    if not {"frames", "stages", "seeds", "settings"} <= set(inputs):
        return None  # their ports report this
    stages = parse_stages(inputs["stages"].get_list())
    return (
        stages_problem(stages, inputs["frames"].frames.sizes.tolist())
        or thermostat_problem(stages)
        or seeds_problem(inputs["seeds"].get_list(), len(inputs["frames"]))
        or validate_label(inputs, None)
    )
