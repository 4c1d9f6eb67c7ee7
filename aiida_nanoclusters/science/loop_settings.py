"""Settings of the training of a network, which `training_loop.py` reads."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator
from typing_extensions import Self

from aiida_nanoclusters.science.settings import Settings, quantity


class LoopSettings(Settings):
    """How a network is trained: epochs, early stopping, learning rate."""

    epochs: int = quantity("Largest number of epochs.", default=200, ge=1)
    fewest_epochs: int = quantity("Epochs before the training may stop early.", default=20, ge=1)
    patience: int = quantity(
        "Epochs without a lower validation loss after which the training stops.", default=20, ge=1
    )
    smallest_gain: float = quantity(
        "Decrease of the validation loss that counts as lower, as a fraction of it.",
        default=1e-3,
        ge=0,
        lt=1,
    )
    batch_size: int = quantity("Structures or pairs of a batch.", default=32, ge=2)
    learning_rate: float = quantity("Learning rate of the first epoch.", default=1e-3, gt=0, le=1)
    milestones: list[int] = quantity(
        "Epochs at which the learning rate is multiplied by `decay`.", default=[50, 100, 150]
    )
    decay: float = quantity("Factor of the learning rate.", default=0.5, gt=0, le=1)
    device: Literal["cpu", "cuda"] = quantity("Where the network is trained.", default="cpu")
    threads: int = quantity(
        "Threads of a training; equal results need equal numbers of them.", default=1, ge=1, le=256
    )

    @field_validator("milestones")
    @classmethod
    def _check_milestones(cls, milestones: list[int]) -> list[int]:
        if milestones != sorted(set(milestones)) or any(epoch < 1 for epoch in milestones):
            raise ValueError(f"{milestones}: give ascending epochs from 1")
        return milestones

    @model_validator(mode="after")
    def _check_epochs(self) -> Self:
        if self.fewest_epochs > self.epochs:
            raise ValueError(
                f"`fewest_epochs` {self.fewest_epochs} are more than `epochs` {self.epochs}: lower "
                "the one or raise the other"
            )
        return self
