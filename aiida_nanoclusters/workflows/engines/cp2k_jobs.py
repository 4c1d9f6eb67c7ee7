"""Common base of the engines of CP2K: job after job until every frame is labelled or failed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from aiida.engine import CalcJob, ProcessSpec, while_
from aiida.orm import Dict

from aiida_nanoclusters.calculations.faults import DISK_FULL, INVALID_ACCOUNT, PREEMPTED
from aiida_nanoclusters.calculations.labels.cp2k import LEVEL_PORTS, Cp2kCalculation, settings_of
from aiida_nanoclusters.science.labels.retries import UNFINISHED
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.workflows.base.job_restart import refusal, wait_for_space
from aiida_nanoclusters.workflows.engines.contract import FallbackEngine
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.label_store import method_key
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

#: Number of jobs in a row without a finished frame after which the engine ends: CP2K itself fails.
MAX_FAILED_JOBS = 3
#: Settings, present and former names, that change how a label is sought, but not its value.
_EFFORT = ("fallbacks", "ladder")


class Cp2kJobsWorkChain(FallbackEngine):
    """Base of engines whose jobs of CP2K carry many frames.

    A subclass names its CalcJob, the rows in the report of that job and the ports that
    `submit_job` fills; `submit_job` submits the next frames of :attr:`sequence` by
    :meth:`submit_next`.
    """

    _job: ClassVar[type[CalcJob]] = Cp2kCalculation
    _rows: ClassVar[str] = "frames"
    _own_ports: ClassVar[tuple[str, ...]] = ("frames",)

    least_batches = 1

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the port `job` and the outline."""
        super().define(spec)
        spec.expose_inputs(cls._job, namespace="job", exclude=(*cls._own_ports, *LEVEL_PORTS))
        spec.outline(
            cls.setup,
            while_(cls.has_frames)(cls.submit_job, cls.inspect_job),
            cls.results,
        )

    @staticmethod
    def builder_inputs(code, protocol=None, overrides=None, options=None) -> dict[str, Any]:
        """Return all inputs except the frames, with the settings of `protocols/cp2k.yaml`.

        Parameters
        ----------
        code
            CP2K.
        protocol, overrides
            Name of a protocol, and the settings to change in it.
        options
            `metadata.options` of the jobs.
        """
        settings = load_protocol("cp2k", protocol, overrides)
        settings = Cp2kSettings.with_present_names(settings)
        return {"job": {**job(code, options), "settings": Dict(settings)}}

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything on which a label depends besides its frame."""
        settings = inputs["job"]["settings"].get_dict()
        kept = {key: value for key, value in settings.items() if key not in _EFFORT}
        if not kept.get("partial_charges"):  # as in labels of versions without this setting
            kept.pop("partial_charges", None)
        return method_key("cp2k", kept)

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of theory of the labels."""
        return str(inputs["job"]["settings"]["level_of_theory"])

    def setup(self) -> None:
        """Put all frames at the first settings level."""
        levels = len(settings_of(self.inputs.job).fallbacks)
        self.begin(levels, max_failed_jobs=MAX_FAILED_JOBS)
        self.ctx.jobs = []

    def submit_job(self) -> None:
        """Submit a job for the frames at the lowest settings level."""
        raise NotImplementedError

    def submit_next(self, indices: list[int], **own: Any) -> None:
        """Submit a job for the frames of these indices; `own` are its inputs besides `job`."""
        inputs = self.exposed_inputs(self._job, namespace="job") | own
        self.ctx.jobs = [*self.ctx.jobs, indices]
        self.to_context(**{_key(len(self.ctx.jobs) - 1): self.submit(self._job, **inputs)})

    def inspect_job(self) -> None:
        """Record the outcome of the last job; frames without a label wait for the next one."""
        indices, node = self.ctx.jobs[-1], self.job_node(len(self.ctx.jobs) - 1)
        sequence = self.sequence
        reason = node.exit_message or f"its job is {node.process_state.value}"
        if "report" in node.outputs:
            outcomes = node.outputs.report[self._rows]
        else:
            outcomes = [{"state": UNFINISHED, "reason": reason} for _ in indices]
        if not node.is_finished_ok:
            self.report(f"{self._job.__name__}<{node.pk}>: {reason}")
        sequence.update(indices, outcomes, external=node.exit_status in (DISK_FULL, PREEMPTED))
        if node.exit_status == DISK_FULL:
            wait_for_space(self, node)
        elif node.exit_status == INVALID_ACCOUNT:
            sequence.fail_all(refusal(node))
        elif node.exit_status == self._job.exit_codes.ERROR_CP2K.status:
            sequence.fail_all(reason)  # an error in the input occurs at every settings level
        self.ctx.progress = sequence.state

    def job_node(self, number: int):
        """Return the process of a job by its number, from 0."""
        return self.ctx[_key(number)]

    def outputs_of(self, jobs: Iterable[int], names: Iterable[str]) -> dict[str, Any]:
        """Return the existing outputs of jobs as ``<name>_<number>``."""
        return {
            f"{name}_{k:05d}": self.job_node(k).outputs[name]
            for k in jobs
            for name in names
            if name in self.job_node(k).outputs
        }


def _key(number: int) -> str:
    return f"job_{number:05d}"
