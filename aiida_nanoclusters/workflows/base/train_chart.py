"""TrainChartBaseWorkChain: one training of a chart, with restarts after failures of its jobs."""

from __future__ import annotations

from aiida.engine import ProcessSpec

from aiida_nanoclusters.calculations.charts.train_chart import (
    TrainChartCalculation,
    lower_learning_rate,
    training_problem,
)
from aiida_nanoclusters.workflows.base.training_restart import TrainingRestartWorkChain


def validate_inputs(value, _) -> str | None:
    """Refuse frames that have no chart, before anything is submitted."""
    return training_problem(value.get("train", {}))


class TrainChartBaseWorkChain(TrainingRestartWorkChain):
    """Train one chart: continue from checkpoints, lower the rate of a loss that diverges."""

    _process_class = TrainChartCalculation
    _halve_learning_rate = staticmethod(lower_learning_rate)

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(TrainChartCalculation)
