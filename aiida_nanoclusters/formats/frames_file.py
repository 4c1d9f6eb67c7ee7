"""Frames in one binary file: uncompressed, the same bytes for the same content."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import IO

import numpy as np

from aiida_nanoclusters.science.frames import Frames

#: Fixed, so that equal content gives equal nodes and caching finds them.
FILENAME = "frames.npz"
_ARRAYS = [f.name for f in fields(Frames) if f.name not in ("level_of_theory", "atom_energies")]


def write_frames(frames: Frames, target: str | Path | IO[bytes]) -> None:
    """Write `frames` as an uncompressed npz archive."""
    head = {
        "level_of_theory": frames.level_of_theory,
        "atom_energies": dict(sorted(frames.atom_energies.items())),
    }
    arrays = {name: np.ascontiguousarray(getattr(frames, name)) for name in _ARRAYS}
    np.savez(target, head=np.array(json.dumps(head)), **arrays)  # type: ignore[arg-type]


def read_frames(source: str | Path | IO[bytes]) -> Frames:
    """Read what :func:`write_frames` wrote; nothing in the file is executed.

    Raises
    ------
    ValueError
        If the file is no frames file.
    """
    try:
        with np.load(source, allow_pickle=False) as archive:
            head = json.loads(str(archive["head"]))
            arrays = {name: archive[name] for name in _ARRAYS}
    except (KeyError, OSError, ValueError, EOFError) as error:
        raise ValueError(f"not a file of frames: {error}") from error
    return Frames(
        **arrays, level_of_theory=head["level_of_theory"], atom_energies=head["atom_energies"]
    )
