"""MatchingModelData: a trained matching model of cores and ligands, as one node of numbers."""

from __future__ import annotations

from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data

from aiida_nanoclusters.science.ligands.matching_model import MatchingModel
from aiida_nanoclusters.science.ligands.training_files import MODEL_ARRAYS_FILE, MODEL_FILE


class MatchingModelData(Data):
    """A matching model: the probability that a core and a ligand set form a cluster.

    It is data: JSON and arrays, read in bounded time and memory, without pickle. Nothing in it is
    executed. The attributes can be queried: ``elements``, ``core_encoder`` and ``ligand_encoder``
    (their kinds), ``pretrained``, ``n_known_cores``, ``n_known_ligands``, ``ligands`` (SMILES of
    the ligands of the known sets), ``seed``, ``validation_loss``.
    """

    def __init__(self, model: MatchingModel | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if model is not None:
            self.set_model(model)

    def set_model(self, model: MatchingModel) -> None:
        """Hold `model`; refused once the node is stored."""
        text, arrays = model.content()
        self.base.repository.put_object_from_bytes(text.encode(), MODEL_FILE)
        self.base.repository.put_object_from_bytes(arrays, MODEL_ARRAYS_FILE)
        self.base.attributes.set_many(describe_model(model))

    @property
    def model(self) -> MatchingModel:
        """The model; read from the repository at each access.

        Raises
        ------
        ValueError
            If the files of the node are no model.
        """
        text = self.base.repository.get_object_content(MODEL_FILE, mode="rb")
        with self.base.repository.open(MODEL_ARRAYS_FILE, "rb") as arrays:
            return MatchingModel.from_content(text, arrays)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the cores of the training, sorted."""
        return list(self.base.attributes.get("elements"))

    def _validate(self) -> bool:
        super()._validate()
        if {MODEL_FILE, MODEL_ARRAYS_FILE} - set(self.base.repository.list_object_names()):
            raise ValidationError("MatchingModelData holds no model: call `set_model` first")
        return True


def describe_model(model: MatchingModel) -> dict[str, Any]:
    """Return the attributes that follow from a model."""
    head = model.head
    return {
        "elements": sorted(head.elements),
        "core_encoder": head.core.kind,
        "ligand_encoder": head.ligand.kind,
        "pretrained": head.pretrained,
        "n_known_cores": len(head.known_cores),
        "n_known_ligands": len(head.known_ligands),
        "ligands": sorted({smiles for known in head.known_ligands for smiles in known}),
        "seed": head.seed,
        "validation_loss": head.validation_loss,
    }
