"""Calculation functions on sets of frames."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict, List, SinglefileData, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames


@calcfunction
def import_frames(
    file: SinglefileData, level_of_theory: Str, atom_energies: Dict | None = None
) -> FramesData:
    """Read frames from a file; isolated-atom energies (eV) that are not given are read from it."""
    with file.as_path() as path:
        frames = read_extxyz(
            path,
            level_of_theory=level_of_theory.value,
            atom_energies=None if atom_energies is None else atom_energies.get_dict(),
        )
    check_frames(frames)
    return FramesData(frames)


@calcfunction
def select_frames(frames: FramesData, indices: List) -> FramesData:
    """Return the frames of these indices, in this order."""
    return FramesData(frames.frames.select(indices.get_list()))


@calcfunction
def concatenate_frames(**parts: FramesData) -> FramesData:
    """Join sets in the order of their keys."""
    return FramesData(Frames.concatenate([parts[key].frames for key in sorted(parts)]))
