"""Frames in one uncompressed binary file; equal content gives equal bytes."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import IO

import numpy as np
from ase.data import chemical_symbols

from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.science.ase_labels import CHARGE_KINDS, charges_name
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.number_files import WRONG

#: The same for all nodes, so that caching recognises equal content.
FILENAME = "frames.npz"
_HEAD = ("level_of_theory", "atom_energies")
_ARRAYS = [f.name for f in fields(Frames) if f.name not in (*_HEAD, "partial_charges")]


def write_frames(frames: Frames, target: str | Path | IO[bytes]) -> None:
    """Write `frames` as an uncompressed npz archive."""
    head = {
        "level_of_theory": frames.level_of_theory,
        "atom_energies": dict(sorted(frames.atom_energies.items())),
    }
    arrays = {name: np.ascontiguousarray(getattr(frames, name)) for name in _ARRAYS}
    # Absent where there are none, so that files of other versions have the same bytes.
    arrays |= {charges_name(kind): charges for kind, charges in frames.partial_charges.items()}
    np.savez(target, head=np.array(json.dumps(head)), **arrays)  # type: ignore[arg-type]


def read_frames(source: str | Path | IO[bytes]) -> Frames:
    """Read a file of :func:`write_frames`; nothing in it is executed.

    Raises
    ------
    ValueError
        If it is not a file of frames.
    """
    try:
        _check_sizes(source)
        with np.load(source, allow_pickle=False) as archive:
            head = load_json(str(archive["head"]))
            arrays = {name: archive[name] for name in _ARRAYS}
            held = [kind for kind in CHARGE_KINDS if charges_name(kind) in archive]
            charges = {k: np.asarray(archive[charges_name(k)], dtype=np.float64) for k in held}
        frames = Frames(
            **arrays,
            level_of_theory=str(head["level_of_theory"]),
            atom_energies={str(k): float(v) for k, v in head["atom_energies"].items()},
            partial_charges=charges,
        )
        if not np.all((frames.numbers >= 0) & (frames.numbers < len(chemical_symbols))):
            raise ValueError("an atomic number that no element has")
        for text in set(frames.info.tolist()):
            if not isinstance(load_json(text), dict):
                raise ValueError("`info` holds something else than JSON objects")
    except WRONG as error:
        raise ValueError(f"not a file of frames: {error}") from error
    return frames


def _check_sizes(source: str | Path | IO[bytes]) -> None:
    """Hold the shape that each array says it has against its bytes, none of them compressed."""
    with zipfile.ZipFile(source) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise ValueError(f"`{member.filename}` is compressed or encrypted")
            with archive.open(member) as handle:
                version = np.lib.format.read_magic(handle)
                read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                shape, _, dtype = read(handle)
                n_bytes = math.prod(shape) * dtype.itemsize
                if n_bytes != member.file_size - handle.tell():
                    raise ValueError(f"`{member.filename}` has not the size that it says")
    if not isinstance(source, str | Path):
        source.seek(0)
