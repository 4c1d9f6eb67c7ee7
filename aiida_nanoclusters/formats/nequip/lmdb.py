"""Frames as an LMDB file for trainings by nequip. Written for ``nequip`` 0.19."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiida_nanoclusters.formats.output_files import path_beside
from aiida_nanoclusters.science.frames import Frames

#: Upper bounds (bytes) of what a frame and an atom take in the file, and the least size reserved.
_PER_FRAME, _PER_ATOM, _LEAST = 16_384, 256, 16 * 1024**2


def write_lmdb(frames: Frames, path: str | Path) -> None:
    """Write labelled frames for :class:`nequip.data.dataset.NequIPLMDBDataset`, with nequip.

    Each entry is nequip's dictionary of one frame in double precision, without neighbour list:
    positions in Å, energy in eV, forces in eV/Å, stress in eV/Å^3. An LMDB of nequip holds pickled
    Python objects: read only files of trusted origin.
    """
    import lmdb
    from nequip.data.dataset import NequIPLMDBDataset

    path = Path(path)
    room = _LEAST + 2 * (_PER_FRAME * len(frames) + _PER_ATOM * len(frames.numbers))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        roomy = str(Path(folder) / "frames.lmdb")
        NequIPLMDBDataset.save_from_iterator(roomy, _entries(frames), map_size=room)
        environment = lmdb.open(roomy, subdir=False, readonly=True, lock=False)
        try:
            with path_beside(path) as beside:
                environment.copy(str(beside), compact=True)
        finally:
            environment.close()


def _entries(frames: Frames) -> Iterator[dict[str, Any]]:
    import torch
    from nequip.data.ase import from_ase

    before = torch.get_default_dtype()
    for atoms in frames:
        torch.set_default_dtype(torch.float64)  # what from_ase casts to
        try:
            entry = from_ase(atoms)
        finally:
            torch.set_default_dtype(before)
        yield entry
