"""Reference engine `cp2k`: labels from density functional theory or tight binding by CP2K."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec, WorkChain, while_
from aiida.orm import Dict, Int, List

from aiida_nanoclusters.calculations.cp2k import Cp2kCalculation, frames_problem
from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.calculations.label import join_jobs
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labelling import UNFINISHED, LabelLadder
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label_store import method_key
from aiida_nanoclusters.workflows.protocol import load_protocol

#: Jobs in a row that may do nothing, before it is CP2K and not a frame that is broken.
MAX_BARREN = 3
#: Settings that say how hard to try, not what a label is.
_EFFORT = ("ladder",)


class Cp2kEngineWorkChain(WorkChain):
    """Label one batch of frames by CP2K; keeps the contract told in `engines/potential.py`.

    A frame that is refused - its self-consistent field does not converge, CP2K stops at it, a net
    force shows a grid too coarse - climbs the settings' ladder; frames that a killed or timed-out
    job did not come to go into the next job; the rest keep their labels.
    """

    #: See `engines/potential.py`.
    needs_lone_atoms, cost_exponent, least_batches = True, 2.0, 1

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

    @staticmethod
    def builder_inputs(code, protocol=None, overrides=None, options=None) -> dict[str, Any]:
        """Return all inputs but the frames; the numbers are those of `protocols/cp2k.yaml`.

        Parameters
        ----------
        code
            CP2K.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        """
        settings = load_protocol("cp2k", protocol, overrides)
        return {"job": {**job(code, options), "settings": Dict(settings)}}

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything a label depends on besides its frame."""
        settings = inputs["job"]["settings"].get_dict()
        kept = {key: value for key, value in settings.items() if key not in _EFFORT}
        return method_key("cp2k", kept)

    def setup(self) -> None:
        """Begin with all frames on the lowest rung."""
        rungs = len(self.inputs.job.settings["ladder"])
        ladder = LabelLadder(len(self.inputs.frames), rungs, max_barren=MAX_BARREN)
        self.ctx.ladder = ladder.state
        self.ctx.jobs = []

    def has_frames(self) -> bool:
        """Whether frames wait for a job."""
        return not LabelLadder.from_state(self.ctx.ladder).is_finished

    def submit_job(self) -> None:
        """Submit the frames of the lowest rung."""
        rung, indices = LabelLadder.from_state(self.ctx.ladder).next()
        frames = self.inputs.frames
        if indices != list(range(len(frames))):
            frames = select_frames(frames, List(indices))
        inputs = self.exposed_inputs(Cp2kCalculation, namespace="job")
        inputs |= {"frames": frames, "rung": Int(rung)}
        self.ctx.jobs = [*self.ctx.jobs, indices]
        self.to_context(**{_key(len(self.ctx.jobs) - 1): self.submit(Cp2kCalculation, **inputs)})

    def inspect_job(self) -> None:
        """Settle what the last job labelled; the rest climbs, or goes again."""
        indices, node = self.ctx.jobs[-1], self.ctx[_key(len(self.ctx.jobs) - 1)]
        ladder = LabelLadder.from_state(self.ctx.ladder)
        reason = node.exit_message or f"its job is {node.process_state.value}"
        if "report" in node.outputs:
            outcomes = node.outputs.report["frames"]
        else:
            outcomes = [{"state": UNFINISHED, "reason": reason} for _ in indices]
        ladder.update(indices, outcomes)
        if node.exit_status == Cp2kCalculation.exit_codes.ERROR_CP2K.status:
            ladder.give_up(reason)  # no rung, and no repetition, mends an input
        self.ctx.ladder = ladder.state
        if not node.is_finished_ok:
            self.report(f"Cp2kCalculation<{node.pk}>: {reason}")

    def results(self) -> ExitCode | None:
        """Hand on labels and report."""
        parts: dict[str, Any] = {}
        for k in range(len(self.ctx.jobs)):
            outputs = self.ctx[_key(k)].outputs
            parts |= {f"{n}_{k:05d}": outputs[n] for n in ("report", "labelled") if n in outputs}
        frames, jobs = self.inputs.frames, List(self.ctx.jobs)
        joined = join_jobs(frames, jobs, Dict(self.ctx.ladder), **parts)
        self.out_many(joined)
        return None if "frames" in joined else self.exit_codes.ERROR_NOTHING_LABELLED


def validate_inputs(value, _) -> str | None:
    """Refuse frames that CP2K cannot compute, before anything is submitted."""
    if "frames" not in value or "settings" not in value.get("job", {}):
        return None  # the ports say so themselves
    return frames_problem(value["frames"], value["job"]["settings"].get_dict())


def _key(number: int) -> str:
    return f"job_{number:05d}"
