"""TrainBaseWorkChain: one training to its last epoch, with restarts after failures of its jobs."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessHandlerReport, ProcessSpec
from aiida.orm import ArrayData, CalcJobNode, Dict

from aiida_nanoclusters.calculations.learning.train import (
    TrainCalculation,
    frames_problem,
    halve_learning_rate,
    join_learning_curves,
    join_reports,
)
from aiida_nanoclusters.data.trust import trust_as_made_here
from aiida_nanoclusters.workflows.base.training_restart import TrainingRestartWorkChain


def validate_inputs(value, _) -> str | None:
    """Refuse frames that cannot be trained on, before anything is submitted."""
    inputs = value.get("train", {})
    return frames_problem(inputs) if "training" in inputs and "validation" in inputs else None


class TrainBaseWorkChain(TrainingRestartWorkChain):
    """Train one model; continue from checkpoints, tame a diverging loss, outlive a lost node."""

    _process_class = TrainCalculation
    _halve_learning_rate = staticmethod(halve_learning_rate)

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.expose_inputs(TrainCalculation, namespace="train")  # `restart_from` too
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(TrainCalculation, exclude=("learning_curve", "report"))
        spec.output(
            "learning_curve", valid_type=ArrayData, help="Of all jobs of the training together."
        )
        spec.output("report", valid_type=Dict, help="Of all jobs of the training together.")

    def setup(self) -> None:
        """Start from the inputs; where another training is continued, its jobs are the first."""
        super().setup()
        folder = self.ctx.inputs.get("restart_from")
        before: list[CalcJobNode] = []
        while folder is not None and folder.creator is not None:
            if "learning_curve" in folder.creator.outputs:  # a killed job has none
                before.append(folder.creator)
            folder = folder.creator.inputs.restart_from if _continues(folder.creator) else None
        self.ctx.parts = before[::-1]

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

    def _continue(self, node: CalcJobNode, why: str) -> ProcessHandlerReport:
        trust_as_made_here(node.outputs.remote_folder)  # a job from the cache was not parsed
        return super()._continue(node, why)


def _continues(job: CalcJobNode) -> bool:
    return "restart_from" in job.inputs
