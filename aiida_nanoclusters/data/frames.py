"""FramesData: an ordered set of configurations, labelled or not, as one node."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiida.common.exceptions import ValidationError
from ase import Atoms

from aiida_nanoclusters.data.level import LevelData
from aiida_nanoclusters.formats.data_frame import make_data_frame
from aiida_nanoclusters.formats.frames_file import FILENAME, read_frames, write_frames
from aiida_nanoclusters.formats.frames_table import frames_table
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.lowest import lowest_energies

if TYPE_CHECKING:
    import pandas


class FramesData(LevelData):
    """Configurations of any mix of sizes and compositions; one node for 1 or for 100,000.

    The attributes can be queried: ``n_frames``, ``n_atoms``, ``n_labelled``, ``sizes``,
    ``elements``, ``config_types``, ``level_of_theory``, ``atom_energies``, ``lowest_energies``.
    """

    #: Follows from what is hashed: nodes of versions that did not note it keep their hash.
    _hash_ignored_attributes = ("lowest_energies",)

    def __init__(self, frames: Frames | Iterable[Atoms] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if frames is not None:
            self.set_frames(frames)

    def set_frames(self, frames: Frames | Iterable[Atoms]) -> None:
        """Hold `frames`; refused once the node is stored."""
        if not isinstance(frames, Frames):
            frames = Frames.from_atoms(frames)
        buffer = io.BytesIO()
        write_frames(frames, buffer)
        buffer.seek(0)
        # Annotated as a file on disk, but any binary stream will do.
        self.base.repository.put_object_from_filelike(buffer, FILENAME)  # type: ignore[arg-type]
        self.base.attributes.set_many(
            {
                "n_frames": len(frames),
                "n_atoms": len(frames.numbers),
                "n_labelled": int(frames.labelled.sum()),
                "sizes": sorted({int(n) for n in frames.sizes}),
                "elements": frames.elements,
                "config_types": sorted({str(c) for c in frames.config_types if c}),
                "level_of_theory": frames.level_of_theory,
                "atom_energies": dict(sorted(frames.atom_energies.items())),
                "lowest_energies": lowest_energies(frames),
            }
        )

    @property
    def frames(self) -> Frames:
        """The configurations; read from the repository at each access."""
        with self.base.repository.open(FILENAME, "rb") as handle:
            return read_frames(handle)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a row for each frame, columns as in :mod:`aiida_nanoclusters.science.columns`.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed; the message names the extra.
        """
        return make_data_frame(frames_table(self.frames))

    def __len__(self) -> int:
        return int(self.base.attributes.get("n_frames"))

    @property
    def sizes(self) -> list[int]:
        """Sorted numbers of atoms that occur."""
        return list(self.base.attributes.get("sizes"))

    @property
    def is_labelled(self) -> bool:
        """True where every frame has an energy and forces."""
        return bool(self.base.attributes.get("n_labelled") == len(self))

    def _validate(self) -> bool:
        super()._validate()
        if FILENAME not in self.base.repository.list_object_names():
            raise ValidationError("FramesData holds no frames: call `set_frames` first")
        return True
