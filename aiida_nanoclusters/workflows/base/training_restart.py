"""TrainingRestartWorkChain: a training that leaves checkpoints, despite failures of its jobs."""

from __future__ import annotations

from collections.abc import Callable

from aiida.engine import ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import CalcJobNode, Dict

from aiida_nanoclusters.calculations.faults import OUT_OF_MEMORY, OUT_OF_WALLTIME
from aiida_nanoclusters.calculations.training_codes import DIED, EPOCHS_LEFT, NAN_LOSS
from aiida_nanoclusters.workflows.base.job_restart import JobRestartWorkChain, give_up

#: A learning rate that has been halved more often is not what is wrong.
MAX_HALVINGS = 3
#: A job that dies more often without getting further is not unlucky.
MAX_LOSSES = 2


class TrainingRestartWorkChain(JobRestartWorkChain):
    """Base of work chains of one training: checkpoints, a diverging loss, lost jobs.

    The inputs of the job lie in the namespace `train`. Its report says whether there is a
    `checkpoint`, and how many epochs are done (`epochs_done` of `epochs`).
    """

    #: Calculation function that halves the learning rate of settings.
    _halve_learning_rate: Callable[[Dict], Dict]

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare inputs and exit codes."""
        super().define(spec)
        spec.expose_inputs(cls._process_class, namespace="train", exclude=("restart_from",))
        spec.exit_code(403, "ERROR_TRAINING_FAILED", message="The training failed: {message}")

    def setup(self) -> None:
        """Start from the inputs."""
        super().setup()
        self.ctx.inputs = self.exposed_inputs(self._process_class, "train")
        self.ctx.parts = []  # jobs that belong to one training, in order of time
        self.ctx.halvings = 0
        self.ctx.losses = 0

    @process_handler(priority=500)
    def handle_out_of_walltime(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Epochs are left: continue from the checkpoint, which holds weights and optimiser."""
        if node.exit_status not in (EPOCHS_LEFT, OUT_OF_WALLTIME) or not _has_checkpoint(node):
            return None
        return self._continue(node, "out of walltime")

    @process_handler(priority=490)
    def handle_nan_loss(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """The training diverged: repeat it from the start with half the learning rate."""
        if node.exit_status != NAN_LOSS or self.ctx.halvings >= MAX_HALVINGS:
            return None
        self.ctx.halvings += 1
        self.ctx.parts = []
        self.ctx.inputs.settings = self._halve_learning_rate(self.ctx.inputs.settings)
        self.ctx.inputs.pop("restart_from", None)
        rate = self.ctx.inputs.settings["training"]["learning_rate"]
        self.report(f"the loss is NaN: the training is repeated with a learning rate of {rate:g}")
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=480)
    def handle_lost_job(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Resubmit what a kill ended: nothing is wrong with the training."""
        if node.exit_status != DIED:
            return None
        return self.restart(node, "the job was lost")

    @process_handler(priority=470)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort: to need less memory would be another training."""
        if node.exit_status != OUT_OF_MEMORY:
            return None
        return give_up(self.exit_codes.ERROR_OUT_OF_MEMORY.format(what="The training ran"))

    @process_handler(priority=0)
    def handle_the_rest(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Nothing a restart could cure: stop, and return the message."""
        if node.is_finished_ok:
            return None
        return give_up(self.exit_codes.ERROR_TRAINING_FAILED.format(message=node.exit_message))

    def restart(
        self, node: CalcJobNode, reason: str, *, external: bool = False
    ) -> ProcessHandlerReport:
        """Go on from the checkpoint, where there is one; give up what gets no further."""
        if not external:
            self.ctx.losses = 1 if self._got_further(node) else self.ctx.losses + 1
        if self.ctx.losses > MAX_LOSSES:
            return give_up(self.exit_codes.ERROR_TRAINING_FAILED.format(message=node.exit_message))
        if _has_checkpoint(node):
            return self._continue(node, reason)
        self.report(f"{reason} before its first checkpoint: submitting it again")
        return ProcessHandlerReport(do_break=True)

    def _got_further(self, node: CalcJobNode) -> bool:
        if not _has_checkpoint(node):
            return False
        before = self.ctx.parts[-1].outputs.report["epochs_done"] if self.ctx.parts else 0
        return node.outputs.report["epochs_done"] > before

    def _continue(self, node: CalcJobNode, why: str) -> ProcessHandlerReport:
        self.ctx.parts.append(node)
        self.ctx.inputs.restart_from = node.outputs.remote_folder
        report = node.outputs.report
        self.report(f"{why} in epoch {report['epochs_done']} of {report['epochs']}: going on")
        return ProcessHandlerReport(do_break=True)


def _has_checkpoint(node: CalcJobNode) -> bool:
    return "report" in node.outputs and bool(node.outputs.report["checkpoint"])
