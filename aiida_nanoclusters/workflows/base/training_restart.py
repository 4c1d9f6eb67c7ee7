"""TrainBaseWorkChain: one training to its last epoch, through whatever befalls its jobs."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec, process_handler
from aiida.orm import ArrayData, CalcJobNode, Dict

from aiida_nanoclusters.calculations.faults import OUT_OF_MEMORY, OUT_OF_WALLTIME
from aiida_nanoclusters.calculations.train import (
    TrainCalculation,
    frames_problem,
    halve_learning_rate,
    join_learning_curves,
    join_reports,
)
from aiida_nanoclusters.workflows.job_restart import JobRestartWorkChain, give_up

_EXIT = TrainCalculation.exit_codes
_FROM_CHECKPOINT = (_EXIT.ERROR_OUT_OF_WALLTIME.status, OUT_OF_WALLTIME)
#: A learning rate that has been halved more often is not what is wrong.
MAX_HALVINGS = 3
#: A job that dies more often without getting further is not unlucky.
MAX_LOSSES = 2


def validate_inputs(value, _) -> str | None:
    """Refuse frames that cannot be trained on, before anything is submitted."""
    inputs = value.get("train", {})
    return frames_problem(inputs) if "training" in inputs and "validation" in inputs else None


class TrainBaseWorkChain(JobRestartWorkChain):
    """Train one model; continue from checkpoints, tame a diverging loss, outlive a lost node."""

    _process_class = TrainCalculation

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(TrainCalculation, namespace="train", exclude=("restart_from",))
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(TrainCalculation, exclude=("learning_curve", "report"))
        spec.output(
            "learning_curve", valid_type=ArrayData, help="Of all jobs of the training together."
        )
        spec.output("report", valid_type=Dict, help="Of all jobs of the training together.")
        spec.exit_code(403, "ERROR_TRAINING_FAILED", message="The training failed: {message}")

    def setup(self) -> None:
        """Start from the inputs."""
        super().setup()
        self.ctx.inputs = self.exposed_inputs(TrainCalculation, "train")
        self.ctx.parts = []  # jobs that belong to one training, in order of time
        self.ctx.halvings = 0
        self.ctx.losses = 0

    def results(self) -> ExitCode | None:
        """Attach the last package, and the learning curve from the first epoch to the last."""
        self.ctx.parts.append(self.ctx.children[self.ctx.iteration - 1])
        return super().results()

    def get_outputs(self, node):
        """Join what the jobs of the training logged."""
        parts = [part for part in self.ctx.parts if "learning_curve" in part.outputs]
        keyed = {f"part_{k:03d}": part for k, part in enumerate(parts)}
        outputs = dict(super().get_outputs(node))
        curve = join_learning_curves(**{k: p.outputs.retrieved for k, p in keyed.items()})
        reports = {k: p.outputs.report for k, p in keyed.items()}
        return outputs | {
            "learning_curve": curve,
            "report": join_reports(learning_curve=curve, **reports),
        }

    @process_handler(priority=500)
    def handle_out_of_walltime(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Epochs are left: go on from the checkpoint, which holds weights and optimiser."""
        if node.exit_status not in _FROM_CHECKPOINT:
            return None
        if not _has_checkpoint(node):
            return None
        return self._continue(node, "out of walltime")

    @process_handler(priority=490)
    def handle_nan_loss(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Too large a step has thrown the weights out of reach: start anew with half the rate."""
        if node.exit_status != _EXIT.ERROR_NAN_LOSS.status or self.ctx.halvings >= MAX_HALVINGS:
            return None
        self.ctx.halvings += 1
        self.ctx.parts = []
        self.ctx.inputs.settings = halve_learning_rate(self.ctx.inputs.settings)
        self.ctx.inputs.pop("restart_from", None)
        rate = self.ctx.inputs.settings["training"]["learning_rate"]
        self.report(f"the loss became no number: starting anew with a learning rate of {rate:g}")
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=480, exit_codes=_EXIT.ERROR_DIED)
    def handle_lost_job(self, node: CalcJobNode) -> ProcessHandlerReport:
        """Resubmit what a kill ended: nothing is wrong with the training."""
        return self.go_on(node, "the job was lost")

    @process_handler(priority=470)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Abort: to need less memory would be another training, with smaller batches."""
        if node.exit_status != OUT_OF_MEMORY:
            return None
        return give_up(self.exit_codes.ERROR_OUT_OF_MEMORY.format(what="The training ran"))

    @process_handler(priority=0)
    def handle_the_rest(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """Nothing a restart could cure: stop, and hand the message on."""
        if node.is_finished_ok:
            return None
        return give_up(self.exit_codes.ERROR_TRAINING_FAILED.format(message=node.exit_message))

    def go_on(
        self, node: CalcJobNode, reason: str, *, blameless: bool = False
    ) -> ProcessHandlerReport:
        """Go on from the checkpoint, where there is one; give up what gets no further."""
        if not blameless:
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
