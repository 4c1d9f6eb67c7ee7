"""Engine `cp2k` for stages: relaxations and molecular dynamics by CP2K."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.sampling.cp2k_stages import Cp2kStagesCalculation
from aiida_nanoclusters.calculations.sampling.cp2k_stages import validate_inputs as validate_job
from aiida_nanoclusters.calculations.sampling.stages import continue_cp2k, join_stage_jobs
from aiida_nanoclusters.workflows.engines.contract import StagesEngine
from aiida_nanoclusters.workflows.engines.cp2k_jobs import Cp2kJobsWorkChain


class Cp2kStagesEngineWorkChain(Cp2kJobsWorkChain, StagesEngine):
    """Run one batch of structures through stages by CP2K, in as many jobs as it takes.

    A structure whose job was killed or ran out of walltime continues in the next job from its
    restart file. Where the self-consistent field does not converge at the end of a stage, the stage
    is repeated with the next settings level.
    """

    _job, _rows = Cp2kStagesCalculation, "structures"
    _own_ports = ("frames", "stages", "seeds", "points", "restarts")

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.inputs.validator = validate_inputs

    def submit_job(self) -> None:
        """Submit the structures at the lowest settings level, each from its latest point."""
        level, indices = self.sequence.next()
        own = {"frames": self.inputs.frames, "seeds": self.inputs.seeds}
        if self.ctx.jobs:
            chosen = [{"index": i, **self._last_job(i)} for i in indices]
            earlier = sorted({item["job"] for item in chosen} - {-1})
            held = self.outputs_of(earlier, ("report", "restarts"))
            own = continue_cp2k(self.inputs.frames, self.inputs.seeds, List(chosen), **held)
        self.submit_next(indices, **own, stages=self.inputs.stages, settings_level=Int(level))

    def _last_job(self, index: int) -> dict[str, int]:
        """Return the last job that reported on a structure, and the structure's place in it."""
        for k in reversed(range(len(self.ctx.jobs))):
            if index in self.ctx.jobs[k] and "report" in self.job_node(k).outputs:
                return {"job": k, "place": self.ctx.jobs[k].index(index)}
        return {"job": -1, "place": 0}

    def results(self) -> ExitCode | None:
        """Attach structures, trajectory and report of all jobs together."""
        names = ("report", "structures", "trajectory")
        parts = self.outputs_of(range(len(self.ctx.jobs)), names)
        joined = join_stage_jobs(List(self.ctx.jobs), Dict(self.ctx.progress), **parts)
        self.out_many(joined)
        return None if "structures" in joined else self.exit_codes.ERROR_NOTHING_FINISHED


def validate_inputs(value, _) -> str | None:
    """Refuse structures and stages that CP2K cannot compute, before anything is submitted."""
    if "settings" not in value.get("job", {}):
        return None  # its port reports this
    return validate_job({**value, "settings": value["job"]["settings"]}, None)
