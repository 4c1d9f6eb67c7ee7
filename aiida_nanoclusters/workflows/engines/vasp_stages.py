"""Engine `vasp` for stages: relaxations and molecular dynamics by VASP."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import Dict, List, ProcessNode
from aiida.plugins import WorkflowFactory

from aiida_nanoclusters.calculations.lammps import validate_stages
from aiida_nanoclusters.calculations.vasp_stages import (
    gather_vasp_stages,
    prepare_vasp_stage,
    read_stage,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.vasp_stages import thermostat_problem
from aiida_nanoclusters.science.labelling import (
    ADVANCED,
    LABELLED,
    REFUSED,
    UNFINISHED,
    LabelLadder,
)
from aiida_nanoclusters.science.segments import cut_stages, seeds_problem, stages_problem
from aiida_nanoclusters.science.stages import parse_stages
from aiida_nanoclusters.workflows.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.engines.vasp import VaspEngineWorkChain, left_behind, one_job
from aiida_nanoclusters.workflows.engines.vasp import validate_inputs as validate_label


class VaspStagesEngineWorkChain(BatchedWorkChain):
    """Lead a batch of structures through stages by VASP; a stage of a structure is a job.

    A job that was cut short is followed by one that goes on from its last complete step; where the
    self-consistent field does not converge at the end of a stage, that is done again with the
    next rung of the ladder. The contract is told in `workflows/stages.py`.
    """

    #: See `engines/potential.py`.
    needs_lone_atoms, cost_exponent, least_batches = True, 2.0, 0

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="The structures to start from.")
        spec.input("stages", valid_type=List, validator=validate_stages)
        spec.input("seeds", valid_type=List, help="One integer per structure.")
        spec.expose_inputs(VaspEngineWorkChain, exclude=("frames", "max_concurrent"))
        spec.inputs.validator = validate_inputs
        spec.output("structures", valid_type=FramesData, required=False)
        spec.output("trajectory", valid_type=FramesData, required=False)
        spec.output("report", valid_type=Dict)
        spec.outline(
            cls.start,
            while_(cls.has_structures)(
                cls.plan,
                while_(cls.has_batches)(cls.submit_batches),
                cls.judge,
            ),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_FINISHED", message="No structure came to its end.")

    builder_inputs = staticmethod(VaspEngineWorkChain.builder_inputs)
    method = staticmethod(VaspEngineWorkChain.method)

    def start(self) -> None:
        """Put all structures at the beginning, on the first rung."""
        count = len(self.inputs.frames)
        rungs = len(self.inputs.settings["ladder"])
        self.ctx.ladder = LabelLadder(count, rungs, max_deaths=1).state
        # Where each stands: its segment, the steps done of that, and the job that brought it there.
        self.ctx.points = [[0, 0, None]] * count
        self.ctx.batches, self.ctx.useful = [], []

    def has_structures(self) -> bool:
        """Whether a structure has not come to its end."""
        return not LabelLadder.from_state(self.ctx.ladder).is_finished

    def plan(self) -> None:
        """Plan a job for each structure of the lowest rung, from where it stands."""
        rung, indices = LabelLadder.from_state(self.ctx.ladder).next()
        self.ctx.n_judged = len(self.ctx.batches)
        for index in indices:
            segment, done, _ = self.ctx.points[index]
            task = {"index": index, "rung": rung, "segment": segment, "done": done}
            self.ctx.batches = [*self.ctx.batches, task]

    def submit_batch(self, batch: dict[str, int]) -> ProcessNode:
        """Submit VASP for one stage of one structure."""
        own = {key: self.inputs[key] for key in ("frames", "stages", "seeds", "settings")}
        source = self.ctx.points[batch["index"]][2]
        if source is not None:
            own["before"] = left_behind(self.child(source))
            own["earlier"] = Dict(self.ctx.batches[source])
        made = prepare_vasp_stage(task=Dict(batch), **own)
        velocities = made.pop("velocities").value
        options = _with_velocities(self.inputs.options, velocities)
        label = "structure_{index:05d}_segment_{segment:03d}_rung_{rung}".format(**batch)
        return self.submit(
            WorkflowFactory("vasp.vasp"), **one_job(self.inputs, made, options, label)
        )

    def judge(self) -> None:
        """Judge the jobs of this round: each structure is done, goes on, climbs or has failed."""
        ladder = LabelLadder.from_state(self.ctx.ladder)
        for k in range(self.ctx.n_judged, len(self.ctx.children)):
            task = self.ctx.batches[k]
            outcome = self._outcome(k, task, self.child(k))
            if outcome["state"] not in (LABELLED, ADVANCED):
                self.report(f"structure {task['index']}: {outcome['reason']}")
            ladder.update([task["index"]], [outcome])
        self.ctx.ladder = ladder.state

    def _outcome(self, k: int, task: dict[str, int], child: ProcessNode) -> dict[str, Any]:
        retrieved = left_behind(child)
        if retrieved is None:
            said = child.exit_message or f"{child.process_label} {child.process_state.value}"
            return {"state": UNFINISHED, "reason": f"VASP did not run: {said}"}
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
        """Hand on structures, trajectory and report."""
        children, useful = self.finished_batches(), self.ctx.useful
        rows = LabelLadder.from_state(self.ctx.ladder).report()
        for row in rows:
            row["state"] = "finished" if row["state"] == LABELLED else "failed"
        runs = {f"run_{place:05d}": left_behind(children[k]) for place, k in enumerate(useful)}
        gathered = gather_vasp_stages(
            **{key: self.inputs[key] for key in ("frames", "stages", "seeds", "settings")},
            ladder=Dict({"structures": rows}),
            tasks=List([self.ctx.batches[k] for k in useful]),
            **runs,
        )
        self.out_many(gathered)
        return None if "structures" in gathered else self.exit_codes.ERROR_NOTHING_FINISHED


def _with_velocities(options: Any, velocities: str) -> dict[str, Any]:
    """Return the jobs' options, with a line of shell that adds velocities to the POSCAR.

    aiida-vasp writes none, and VASP draws new ones where there are none.
    """
    changed = dict(options)
    if velocities:
        shell = f"cat >> POSCAR << 'VELOCITIES'\n{velocities}VELOCITIES"
        changed["prepend_text"] = "\n".join(filter(None, [options.get("prepend_text"), shell]))
    return changed


def validate_inputs(inputs, _) -> str | None:
    """Refuse, before anything is submitted, what VASP could not run."""
    if not {"frames", "stages", "seeds", "settings"} <= set(inputs):
        return None  # the ports say so themselves
    stages = parse_stages(inputs["stages"].get_list())
    return (
        stages_problem(stages, inputs["frames"].frames.sizes.tolist())
        or thermostat_problem(stages)
        or seeds_problem(inputs["seeds"].get_list(), len(inputs["frames"]))
        or validate_label(inputs, None)
    )
