"""Engine `cp2k` for stages: relaxations and molecular dynamics by CP2K."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec, WorkChain, while_
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.cp2k_stages import Cp2kStagesCalculation
from aiida_nanoclusters.calculations.cp2k_stages import validate_inputs as validate_job
from aiida_nanoclusters.calculations.lammps import validate_stages
from aiida_nanoclusters.calculations.stages import continue_cp2k, join_stage_jobs
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labelling import UNFINISHED, LabelLadder
from aiida_nanoclusters.workflows.engines.cp2k import MAX_BARREN, Cp2kEngineWorkChain


class Cp2kStagesEngineWorkChain(WorkChain):
    """Lead one batch of structures through stages, over as many jobs of CP2K as it takes.

    A structure whose job was killed or ran out of time goes on in the next from its restart file;
    one whose self-consistent field does not converge at the end of a stage does that again on the
    next rung of the settings' ladder. The contract is told in `workflows/stages.py`.
    """

    #: See `engines/potential.py`.
    needs_lone_atoms, cost_exponent, least_batches = True, 2.0, 1

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline; `job` is that of the engine that labels."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="The structures to start from.")
        spec.input("stages", valid_type=List, validator=validate_stages)
        spec.input("seeds", valid_type=List, help="One integer per structure.")
        spec.expose_inputs(
            Cp2kStagesCalculation,
            namespace="job",
            exclude=("frames", "stages", "seeds", "rung", "points", "restarts"),
        )
        spec.inputs.validator = validate_inputs
        spec.output("structures", valid_type=FramesData, required=False)
        spec.output("trajectory", valid_type=FramesData, required=False)
        spec.output("report", valid_type=Dict)
        spec.outline(
            cls.setup,
            while_(cls.has_structures)(cls.submit_job, cls.inspect_job),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_FINISHED", message="No structure came to its end.")

    builder_inputs = staticmethod(Cp2kEngineWorkChain.builder_inputs)
    method = staticmethod(Cp2kEngineWorkChain.method)

    def setup(self) -> None:
        """Begin with all structures on the lowest rung."""
        rungs = len(self.inputs.job.settings["ladder"])
        ladder = LabelLadder(len(self.inputs.frames), rungs, max_barren=MAX_BARREN)
        self.ctx.ladder, self.ctx.jobs = ladder.state, []

    def has_structures(self) -> bool:
        """Whether structures wait for a job."""
        return not LabelLadder.from_state(self.ctx.ladder).is_finished

    def submit_job(self) -> None:
        """Submit the structures of the lowest rung, each from where it stands."""
        rung, indices = LabelLadder.from_state(self.ctx.ladder).next()
        inputs = self.exposed_inputs(Cp2kStagesCalculation, namespace="job")
        own = {"frames": self.inputs.frames, "seeds": self.inputs.seeds}
        if self.ctx.jobs:
            chosen = [{"index": i, **self._last_job(i)} for i in indices]
            held = self._parts({item["job"] for item in chosen}, ("report", "restarts"))
            own = continue_cp2k(self.inputs.frames, self.inputs.seeds, List(chosen), **held)
        inputs |= {**own, "stages": self.inputs.stages, "rung": Int(rung)}
        self.ctx.jobs = [*self.ctx.jobs, indices]
        key = _key(len(self.ctx.jobs) - 1)
        self.to_context(**{key: self.submit(Cp2kStagesCalculation, **inputs)})

    def _last_job(self, index: int) -> dict[str, int]:
        """Return the last job that tells of a structure, and its place there."""
        for k in reversed(range(len(self.ctx.jobs))):
            if index in self.ctx.jobs[k] and "report" in self.ctx[_key(k)].outputs:
                return {"job": k, "place": self.ctx.jobs[k].index(index)}
        return {"job": -1, "place": 0}

    def _parts(self, jobs: Any, names: tuple[str, ...]) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        for k in sorted(k for k in jobs if k >= 0):
            outputs = self.ctx[_key(k)].outputs
            parts |= {f"{name}_{k:05d}": outputs[name] for name in names if name in outputs}
        return parts

    def inspect_job(self) -> None:
        """Settle what the last job finished; the rest climbs, or goes on."""
        indices, node = self.ctx.jobs[-1], self.ctx[_key(len(self.ctx.jobs) - 1)]
        ladder = LabelLadder.from_state(self.ctx.ladder)
        reason = node.exit_message or f"its job is {node.process_state.value}"
        if "report" in node.outputs:
            outcomes = node.outputs.report["structures"]
        else:
            outcomes = [{"state": UNFINISHED, "reason": reason} for _ in indices]
        ladder.update(indices, outcomes)
        if node.exit_status == Cp2kStagesCalculation.exit_codes.ERROR_CP2K.status:
            ladder.give_up(reason)  # no rung, and no repetition, mends an input
        self.ctx.ladder = ladder.state
        if not node.is_finished_ok:
            self.report(f"Cp2kStagesCalculation<{node.pk}>: {reason}")

    def results(self) -> ExitCode | None:
        """Hand on structures, trajectory and report of all jobs together."""
        names = ("report", "structures", "trajectory")
        parts = self._parts(range(len(self.ctx.jobs)), names)
        joined = join_stage_jobs(List(self.ctx.jobs), Dict(self.ctx.ladder), **parts)
        self.out_many(joined)
        return None if "structures" in joined else self.exit_codes.ERROR_NOTHING_FINISHED


def validate_inputs(value, _) -> str | None:
    """Refuse what CP2K cannot do, before anything is submitted."""
    if "settings" not in value.get("job", {}):
        return None  # the ports say so themselves
    return validate_job({**value, "settings": value["job"]["settings"]}, None)


def _key(number: int) -> str:
    return f"job_{number:05d}"
