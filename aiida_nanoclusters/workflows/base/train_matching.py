"""TrainMatchingBaseWorkChain: one training of a matching model, with restarts of its jobs."""

from __future__ import annotations

from aiida.engine import ProcessSpec

from aiida_nanoclusters.calculations.ligands.train_matching import (
    TrainMatchingCalculation,
    lower_encoder_rate,
    matching_problem,
)
from aiida_nanoclusters.workflows.base.training_restart import TrainingRestartWorkChain


def validate_inputs(value, _) -> str | None:
    """Refuse pairs that cannot be trained on, before anything is submitted."""
    return matching_problem(value.get("train", {}))


class TrainMatchingBaseWorkChain(TrainingRestartWorkChain):
    """Train one model: continue from checkpoints, lower the rate of a loss that diverges."""

    _process_class = TrainMatchingCalculation
    _halve_learning_rate = staticmethod(lower_encoder_rate)

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(TrainMatchingCalculation)
