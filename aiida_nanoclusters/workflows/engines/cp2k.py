"""Reference engine `cp2k`: labels from density functional theory or tight binding by CP2K."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.cp2k import Cp2kCalculation, frames_problem
from aiida_nanoclusters.calculations.label import join_jobs
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.batches import take
from aiida_nanoclusters.workflows.engines.cp2k_ladder import Cp2kLadderWorkChain


class Cp2kEngineWorkChain(Cp2kLadderWorkChain):
    """Label one batch of frames by CP2K; keeps the contract told in `engines/potential.py`.

    A frame that is refused - its self-consistent field does not converge, CP2K stops at it, a net
    force shows a grid too coarse - climbs the settings' ladder; frames that a killed or timed-out
    job did not come to go into the next job; the rest keep their labels.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="What to label.")
        spec.expose_inputs(Cp2kCalculation, namespace="job", exclude=("frames", "rung"))
        spec.inputs.validator = validate_inputs
        spec.output("frames", valid_type=FramesData, required=False)
        spec.output("report", valid_type=Dict)
        spec.outline(
            cls.setup,
            while_(cls.has_frames)(cls.submit_job, cls.inspect_job),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_LABELLED", message="No frame could be labelled.")

    def submit_job(self) -> None:
        """Submit the frames of the lowest rung."""
        rung, indices = self.ladder.next()
        self.submit_next(indices, frames=take(self.inputs.frames, indices), rung=Int(rung))

    def results(self) -> ExitCode | None:
        """Hand on labels and report."""
        parts = self.outputs_of(range(len(self.ctx.jobs)), ("report", "labelled"))
        frames, jobs = self.inputs.frames, List(self.ctx.jobs)
        joined = join_jobs(frames, jobs, Dict(self.ctx.ladder), **parts)
        self.out_many(joined)
        return None if "frames" in joined else self.exit_codes.ERROR_NOTHING_LABELLED


def validate_inputs(value, _) -> str | None:
    """Refuse frames that CP2K cannot compute, before anything is submitted."""
    if "frames" not in value or "settings" not in value.get("job", {}):
        return None  # the ports say so themselves
    return frames_problem(value["frames"], value["job"]["settings"].get_dict())
