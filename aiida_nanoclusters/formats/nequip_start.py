"""A training that begins from the weights of a packaged model.

A training job carries this file to the machine it runs on, whose Python has nequip but need not
have this package: it imports nothing of it. ``nequip-train`` finds it in the job's folder, by
``_target_: nequip_start.StartFromPackage`` among the callbacks.

The model is built from its settings as in any other training and only its weights are replaced, so
that checkpoints and packages know nothing of where it began: they are resumed, aligned, packaged
and compiled as any other.
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from nequip.model.saved_models.load_utils import load_saved_model


class StartFromPackage(Callback):
    """Replace the random weights of a model, and their moving average, by those of a package.

    Parameters
    ----------
    package_path
        A ``.nequip.zip`` of a model of the same settings. It carries code, which is run.
    """

    def __init__(self, package_path: str) -> None:
        self.package_path = package_path

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Fill in the weights before a training; a checkpoint to resume is read after this."""
        if stage != "fit":
            return
        module: Any = pl_module
        (model,) = module.model.values()
        try:
            model.load_state_dict(load_saved_model(self.package_path).state_dict())
        except RuntimeError as error:
            raise RuntimeError(f"{self.package_path} is of another model: {error}") from error
        with torch.no_grad():
            averages = zip(module.ema.ema_weights, module.model.parameters(), strict=True)
            for average, weights in averages:
                average.copy_(weights)
