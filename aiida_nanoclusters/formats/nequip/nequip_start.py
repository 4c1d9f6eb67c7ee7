"""A training with the initial weights of a packaged model.

This file is copied into the folder of a training job, whose Python has nequip but need not have
this package: it imports nothing of it. ``nequip-train`` finds it in the job's folder, by
``_target_: nequip_start.StartFromPackage`` among the callbacks.

The model is built from its settings as in any other training and only its weights are replaced:
checkpoints and packages are resumed, aligned, packaged and compiled as any others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from nequip.model.saved_models.load_utils import load_saved_model

#: Ends of the names of tensors with one row for each atom type.
_BY_TYPE = ("center_embed.weight", "neighbor_embed.weight", ".scales", ".shifts")


class StartFromPackage(Callback):
    """Replace the random weights of a model, and their moving average, by those of a package.

    Parameters
    ----------
    package_path
        A ``.nequip.zip`` of a model of the same settings. Its code is run.
    types
        Atom type of the package for each type of the model, which may have fewer. Default: all.
    keep_shifts
        Whether the model keeps its own energies of isolated atoms.
    """

    def __init__(
        self, package_path: str, types: Sequence[str] | None = None, keep_shifts: bool = False
    ) -> None:
        self.package_path = package_path
        self.types = types
        self.keep_shifts = keep_shifts

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the weights before a training; a checkpoint to resume is read after this."""
        if stage != "fit":
            return
        module: Any = pl_module
        (model,) = module.model.values()
        try:
            model.load_state_dict(self._weights(model.state_dict()))
        except RuntimeError as error:
            raise RuntimeError(f"{self.package_path} has another model: {error}") from error
        with torch.no_grad():
            averages = zip(module.ema.ema_weights, module.model.parameters(), strict=True)
            for average, weights in averages:
                average.copy_(weights)

    def _weights(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the weights of the package for the types of the model."""
        given = load_saved_model(self.package_path)
        names = list(given.type_names)
        rows = [names.index(name) for name in self.types or names]
        found = {}
        for name, tensor in given.state_dict().items():
            if self.keep_shifts and name.endswith(".shifts"):
                tensor = own[name]
            elif name.endswith(_BY_TYPE) and len(tensor) == len(names):
                tensor = tensor[rows]
            found[name] = tensor
        return found
