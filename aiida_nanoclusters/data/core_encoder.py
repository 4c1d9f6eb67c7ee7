"""CoreEncoderData: a core encoder that was pretrained on formation energies, as numbers."""

from __future__ import annotations

from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data

from aiida_nanoclusters.science.ligands.core_encoder import PretrainedEncoder
from aiida_nanoclusters.science.ligands.training_files import ENCODER_ARRAYS_FILE, ENCODER_FILE


class CoreEncoderData(Data):
    """A core encoder with its head for formation energies.

    It is data: JSON and arrays, read in bounded time and memory, without pickle. Nothing in it is
    executed. The attributes can be queried: ``elements``, ``kind``, ``features``, ``layers``,
    ``cutoff`` (Å), ``references`` (eV/atom), ``references_from``, ``seed``, ``validation_loss``.
    """

    def __init__(self, encoder: PretrainedEncoder | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if encoder is not None:
            self.set_encoder(encoder)

    def set_encoder(self, encoder: PretrainedEncoder) -> None:
        """Hold `encoder`; refused once the node is stored."""
        text, arrays = encoder.content()
        self.base.repository.put_object_from_bytes(text.encode(), ENCODER_FILE)
        self.base.repository.put_object_from_bytes(arrays, ENCODER_ARRAYS_FILE)
        self.base.attributes.set_many(describe_encoder(encoder))

    @property
    def encoder(self) -> PretrainedEncoder:
        """The encoder; read from the repository at each access.

        Raises
        ------
        ValueError
            If the files of the node are no encoder.
        """
        text = self.base.repository.get_object_content(ENCODER_FILE, mode="rb")
        with self.base.repository.open(ENCODER_ARRAYS_FILE, "rb") as arrays:
            return PretrainedEncoder.from_content(text, arrays)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the structures of the training, sorted."""
        return list(self.base.attributes.get("elements"))

    def _validate(self) -> bool:
        super()._validate()
        names = set(self.base.repository.list_object_names())
        if {ENCODER_FILE, ENCODER_ARRAYS_FILE} - names:
            raise ValidationError("CoreEncoderData holds no encoder: call `set_encoder` first")
        return True


def describe_encoder(encoder: PretrainedEncoder) -> dict[str, Any]:
    """Return the attributes that follow from an encoder."""
    head = encoder.head
    return {
        "elements": sorted(head.elements),
        "kind": head.core.kind,
        "features": head.core.features,
        "layers": head.core.layers,
        "cutoff": head.core.cutoff,
        "references": dict(sorted(head.references.items())),
        "references_from": head.references_from,
        "seed": head.seed,
        "validation_loss": head.validation_loss,
    }
