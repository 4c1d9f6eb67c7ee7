"""Reference engine `cp2k`: labels from density functional theory or tight binding by CP2K."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.labels.cp2k import frames_problem, settings_of
from aiida_nanoclusters.calculations.labels.label import join_jobs
from aiida_nanoclusters.workflows.engines.contract import LabelEngine
from aiida_nanoclusters.workflows.engines.cp2k_jobs import Cp2kJobsWorkChain
from aiida_nanoclusters.workflows.parts.batches import take


class Cp2kEngineWorkChain(Cp2kJobsWorkChain, LabelEngine):
    """Label one batch of frames by CP2K.

    A frame that is refused (the self-consistent field does not converge, CP2K stops at it, a net
    force shows that the grid is too coarse) is repeated with the next settings level. Frames that a
    killed or timed-out job did not reach go into the next job; all others keep their labels.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.inputs.validator = validate_inputs

    def submit_job(self) -> None:
        """Submit the frames at the lowest settings level."""
        level, indices = self.sequence.next()
        frames = take(self.inputs.frames, indices)
        self.submit_next(indices, frames=frames, settings_level=Int(level))

    def results(self) -> ExitCode | None:
        """Attach labels and report."""
        parts = self.outputs_of(range(len(self.ctx.jobs)), ("report", "labelled"))
        frames, jobs = self.inputs.frames, List(self.ctx.jobs)
        joined = join_jobs(frames, jobs, Dict(self.ctx.progress), **parts)
        self.out_many(joined)
        return None if "frames" in joined else self.exit_codes.ERROR_NOTHING_LABELLED


def validate_inputs(value, _) -> str | None:
    """Refuse frames that CP2K cannot compute, before anything is submitted."""
    if "frames" not in value or "settings" not in value.get("job", {}):
        return None  # their ports report this
    return frames_problem(value["frames"], settings_of(value["job"]))
