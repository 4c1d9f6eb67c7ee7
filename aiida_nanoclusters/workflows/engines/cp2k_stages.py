"""Engine `cp2k` for stages: relaxations and molecular dynamics by CP2K."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.cp2k_stages import Cp2kStagesCalculation
from aiida_nanoclusters.calculations.cp2k_stages import validate_inputs as validate_job
from aiida_nanoclusters.calculations.lammps import validate_stages
from aiida_nanoclusters.calculations.stages import continue_cp2k, join_stage_jobs
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.engines.cp2k_ladder import Cp2kLadderWorkChain


class Cp2kStagesEngineWorkChain(Cp2kLadderWorkChain):
    """Lead one batch of structures through stages, over as many jobs of CP2K as it takes.

    A structure whose job was killed or ran out of time goes on in the next from its restart file;
    one whose self-consistent field does not converge at the end of a stage does that again on the
    next rung of the settings' ladder. The contract is told in `workflows/stages.py`.
    """

    _job, _rows = Cp2kStagesCalculation, "structures"

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
            while_(cls.has_frames)(cls.submit_job, cls.inspect_job),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_FINISHED", message="No structure came to its end.")

    def submit_job(self) -> None:
        """Submit the structures of the lowest rung, each from where it stands."""
        rung, indices = self.ladder.next()
        own = {"frames": self.inputs.frames, "seeds": self.inputs.seeds}
        if self.ctx.jobs:
            chosen = [{"index": i, **self._last_job(i)} for i in indices]
            earlier = sorted({item["job"] for item in chosen} - {-1})
            held = self.outputs_of(earlier, ("report", "restarts"))
            own = continue_cp2k(self.inputs.frames, self.inputs.seeds, List(chosen), **held)
        self.submit_next(indices, **own, stages=self.inputs.stages, rung=Int(rung))

    def _last_job(self, index: int) -> dict[str, int]:
        """Return the last job that tells of a structure, and its place there."""
        for k in reversed(range(len(self.ctx.jobs))):
            if index in self.ctx.jobs[k] and "report" in self.job_node(k).outputs:
                return {"job": k, "place": self.ctx.jobs[k].index(index)}
        return {"job": -1, "place": 0}

    def results(self) -> ExitCode | None:
        """Hand on structures, trajectory and report of all jobs together."""
        names = ("report", "structures", "trajectory")
        parts = self.outputs_of(range(len(self.ctx.jobs)), names)
        joined = join_stage_jobs(List(self.ctx.jobs), Dict(self.ctx.ladder), **parts)
        self.out_many(joined)
        return None if "structures" in joined else self.exit_codes.ERROR_NOTHING_FINISHED


def validate_inputs(value, _) -> str | None:
    """Refuse what CP2K cannot do, before anything is submitted."""
    if "settings" not in value.get("job", {}):
        return None  # the ports say so themselves
    return validate_job({**value, "settings": value["job"]["settings"]}, None)
