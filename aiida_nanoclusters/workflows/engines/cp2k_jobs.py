"""What the engines of CP2K share: job after job until every frame is settled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from aiida.engine import CalcJob, WorkChain
from aiida.orm import Dict

from aiida_nanoclusters.calculations.cp2k import Cp2kCalculation
from aiida_nanoclusters.calculations.faults import DISK_FULL, INVALID_ACCOUNT, PREEMPTED
from aiida_nanoclusters.science.labelling import UNFINISHED, LabelLadder
from aiida_nanoclusters.workflows.job_restart import refusal, wait_for_space
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label_store import method_key
from aiida_nanoclusters.workflows.protocol import load_protocol

#: Jobs in a row that may do nothing, before it is CP2K and not a frame that is broken.
MAX_BARREN = 3
#: Settings that say how hard to try, not what a label is.
_EFFORT = ("ladder",)


class Cp2kLadderWorkChain(WorkChain):
    """Base of engines whose jobs carry many frames, each of which may climb the settings' ladder.

    A subclass names its CalcJob and the rows of that job's report, and submits in `submit_job` what
    :attr:`ladder` has next, by :meth:`submit_next`. Its outline has
    ``while_(cls.has_frames)(cls.submit_job, cls.inspect_job)`` after ``cls.setup``; its port `job`
    exposes the CalcJob.
    """

    _job: ClassVar[type[CalcJob]] = Cp2kCalculation
    _rows: ClassVar[str] = "frames"

    #: See `engines/potential.py`.
    needs_lone_atoms, cost_exponent, least_batches = True, 2.0, 1

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

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of the labels."""
        return str(inputs["job"]["settings"]["level_of_theory"])

    @property
    def ladder(self) -> LabelLadder:
        """Where every frame stands."""
        return LabelLadder.from_state(self.ctx.ladder)

    def setup(self) -> None:
        """Begin with all frames on the lowest rung."""
        rungs = len(self.inputs.job.settings["ladder"])
        ladder = LabelLadder(len(self.inputs.frames), rungs, max_barren=MAX_BARREN)
        self.ctx.ladder, self.ctx.jobs = ladder.state, []

    def has_frames(self) -> bool:
        """Whether frames wait for a job."""
        return not self.ladder.is_finished

    def submit_next(self, indices: list[int], **own: Any) -> None:
        """Submit a job for the frames of these indices; `own` are its inputs beside `job`."""
        inputs = self.exposed_inputs(self._job, namespace="job") | own
        self.ctx.jobs = [*self.ctx.jobs, indices]
        self.to_context(**{_key(len(self.ctx.jobs) - 1): self.submit(self._job, **inputs)})

    def inspect_job(self) -> None:
        """Settle what the last job did; the rest climbs, or goes on."""
        indices, node = self.ctx.jobs[-1], self.job_node(len(self.ctx.jobs) - 1)
        ladder = self.ladder
        reason = node.exit_message or f"its job is {node.process_state.value}"
        if "report" in node.outputs:
            outcomes = node.outputs.report[self._rows]
        else:
            outcomes = [{"state": UNFINISHED, "reason": reason} for _ in indices]
        if not node.is_finished_ok:
            self.report(f"{self._job.__name__}<{node.pk}>: {reason}")
        ladder.update(indices, outcomes, blameless=node.exit_status in (DISK_FULL, PREEMPTED))
        if node.exit_status == DISK_FULL:
            wait_for_space(self, node)
        elif node.exit_status == INVALID_ACCOUNT:
            ladder.give_up(refusal(node))
        elif node.exit_status == self._job.exit_codes.ERROR_CP2K.status:
            ladder.give_up(reason)  # no rung, and no repetition, mends an input
        self.ctx.ladder = ladder.state

    def job_node(self, number: int):
        """Return the process of a job by its number, from 0."""
        return self.ctx[_key(number)]

    def outputs_of(self, jobs: Iterable[int], names: Iterable[str]) -> dict[str, Any]:
        """Return outputs of jobs as ``<name>_<number>``, those there are."""
        return {
            f"{name}_{k:05d}": self.job_node(k).outputs[name]
            for k in jobs
            for name in names
            if name in self.job_node(k).outputs
        }


def _key(number: int) -> str:
    return f"job_{number:05d}"
