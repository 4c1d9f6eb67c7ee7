"""PretrainCoreBaseWorkChain: one pretraining of the core encoder, with restarts of its jobs."""

from __future__ import annotations

from aiida.engine import ProcessSpec

from aiida_nanoclusters.calculations.ligands.train_matching import (
    PretrainCoreCalculation,
    lower_encoder_rate,
    pretraining_problem,
)
from aiida_nanoclusters.workflows.base.training_restart import TrainingRestartWorkChain


def validate_inputs(value, _) -> str | None:
    """Refuse structures without formation energies, before anything is submitted."""
    return pretraining_problem(value.get("train", {}))


class PretrainCoreBaseWorkChain(TrainingRestartWorkChain):
    """Pretrain one encoder: continue from checkpoints, lower the rate of a loss that diverges."""

    _process_class = PretrainCoreCalculation
    _halve_learning_rate = staticmethod(lower_encoder_rate)

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs.validator = validate_inputs
        spec.expose_outputs(PretrainCoreCalculation)
