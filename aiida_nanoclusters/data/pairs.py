"""PairsData: labelled pairs of inorganic cores and ligand sets, as one node."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data

from aiida_nanoclusters.formats.data_frame import make_data_frame
from aiida_nanoclusters.formats.frames_file import FILENAME, read_frames, write_frames
from aiida_nanoclusters.formats.frames_table import pairs_table
from aiida_nanoclusters.science.ligands.pairs import PAIRS_FILE, PairSet

if TYPE_CHECKING:
    import pandas


class PairsData(Data):
    """Pairs of cores and ligand sets with labels: compatible (1) or not (0).

    It is data: the cores as a file of frames, the pairs as JSON, read in bounded time and memory.
    The attributes can be queried: ``n_pairs``, ``n_positive``, ``n_cores``, ``n_ligands``,
    ``elements`` of the cores, functional ``groups`` of the ligands, ``tolerance`` (Å) by which
    cores are the same.
    """

    def __init__(self, pairs: PairSet | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if pairs is not None:
            self.set_pairs(pairs)

    def set_pairs(self, pairs: PairSet) -> None:
        """Hold `pairs`; refused once the node is stored."""
        buffer = io.BytesIO()
        write_frames(pairs.cores, buffer)
        self.base.repository.put_object_from_bytes(buffer.getvalue(), FILENAME)
        self.base.repository.put_object_from_bytes(pairs.content().encode(), PAIRS_FILE)
        self.base.attributes.set_many(describe_pairs(pairs))

    @property
    def pairs(self) -> PairSet:
        """The pairs; read from the repository at each access.

        Raises
        ------
        ValueError
            If the files of the node are no set of pairs.
        """
        text = self.base.repository.get_object_content(PAIRS_FILE, mode="rb")
        with self.base.repository.open(FILENAME, "rb") as cores:
            return read_pairs(text, cores)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a row for each pair: core, ligands, ``compatible`` (1 or 0), origin, counts.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; the message names the extra.
        """
        return make_data_frame(pairs_table(self.pairs))

    def __len__(self) -> int:
        return int(self.base.attributes.get("n_pairs"))

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of the cores, sorted."""
        return list(self.base.attributes.get("elements"))

    def _validate(self) -> bool:
        super()._validate()
        if {FILENAME, PAIRS_FILE} - set(self.base.repository.list_object_names()):
            raise ValidationError("PairsData holds no pairs: call `set_pairs` first")
        return True


def read_pairs(text: str | bytes, cores: IO[bytes]) -> PairSet:
    """Return the pairs of two files: JSON, and the frames of the cores.

    Raises
    ------
    ValueError
        If they are none.
    """
    return PairSet.from_content(text, read_frames(cores))


def describe_pairs(pairs: PairSet) -> dict[str, Any]:
    """Return the attributes that follow from a set of pairs."""
    return {
        "n_pairs": len(pairs),
        "n_positive": int(pairs.labels.sum()),
        "n_cores": len(pairs.cores),
        "n_ligands": len(pairs.ligands),
        "elements": pairs.cores.elements,
        "groups": sorted({pairs.group_of(smiles) for smiles in pairs.ligands}),
        "tolerance": pairs.tolerance,
    }
