"""LigandBaselinesBaseWorkChain: baselines of a matching model, with restarts of their jobs."""

from __future__ import annotations

from aiida.engine import ProcessHandlerReport, ProcessSpec
from aiida.orm import CalcJobNode

from aiida_nanoclusters.calculations.ligands.baselines import (
    LigandBaselinesCalculation,
    baselines_problem,
)
from aiida_nanoclusters.workflows.base.training_restart import TrainingRestartWorkChain


def validate_inputs(value, _) -> str | None:
    """Refuse pairs that cannot be trained on, before anything is submitted."""
    return baselines_problem(value.get("train", {}))


class LigandBaselinesBaseWorkChain(TrainingRestartWorkChain):
    """Train all baselines of one split: a job continues with what the one before has left."""

    _process_class = LigandBaselinesCalculation

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(LigandBaselinesCalculation)

    def _got_further(self, node: CalcJobNode) -> bool:
        before = self.ctx.parts[-1].outputs.report["trainings_done"] if self.ctx.parts else 0
        return "report" in node.outputs and node.outputs.report["trainings_done"] > before

    def _continue(self, node: CalcJobNode, why: str) -> ProcessHandlerReport:
        self.ctx.parts.append(node)
        self.ctx.inputs.restart_from = node.outputs.remote_folder
        report = node.outputs.report
        done, planned = report["trainings_done"], report["trainings"]
        self.report(f"{why} after {done} of {planned} trainings: going on")
        return ProcessHandlerReport(do_break=True)
