"""Frames as the LMDB file that nequip trains on. Written for ``nequip`` 0.19."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiida_nanoclusters.science.frames import Frames

#: Bytes that a frame and its pages may take, generously: room is reserved, not used.
_PER_FRAME, _PER_ATOM, _LEAST = 16_384, 256, 16 * 1024**2


def write_lmdb(frames: Frames, path: str | Path) -> None:
    """Write labelled frames for :class:`nequip.data.dataset.NequIPLMDBDataset`, by nequip itself.

    Each entry is nequip's dictionary of one frame in double precision, without neighbour list:
    positions in Å, energy in eV, forces in eV/Å, stress in eV/Å^3. An LMDB of nequip holds pickled
    Python objects: read only those whose maker you trust.
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
            environment.copy(str(path), compact=True)
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
