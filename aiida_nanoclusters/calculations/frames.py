"""What is done with sets of frames: each a calcfunction, so that provenance never breaks."""

from __future__ import annotations

from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List, SinglefileData, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.science import selection
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.science.frames import Frames


@calcfunction
def import_frames(
    file: SinglefileData, level_of_theory: Str, atom_energies: Dict | None = None
) -> FramesData:
    """Read frames from a file; isolated-atom energies (eV) are taken from the file if not given."""
    with file.as_path() as path:
        frames = read_extxyz(
            path,
            level_of_theory=level_of_theory.value,
            atom_energies=None if atom_energies is None else atom_energies.get_dict(),
        )
    check_frames(frames)
    return FramesData(frames)


@calcfunction
def filter_frames(frames: FramesData, conditions: Dict) -> FramesData:
    """Keep the frames that meet `conditions`, the arguments of `selection.filter_frames`."""
    return FramesData(selection.filter_frames(frames.frames, **conditions.get_dict()))


@calcfunction
def select_frames(frames: FramesData, indices: List) -> FramesData:
    """Keep the frames of these indices, in this order."""
    return FramesData(frames.frames.select(indices.get_list()))


@calcfunction
def concatenate_frames(**parts: FramesData) -> FramesData:
    """Join sets in the order of their keys."""
    return FramesData(Frames.concatenate([parts[key].frames for key in sorted(parts)]))


@calcfunction
def split_frames(frames: FramesData, fractions: List, seed: Int) -> dict[str, FramesData]:
    """Split by trajectory, kind and size into `part_0`, `part_1`, ..."""
    parts = selection.split_frames(frames.frames, fractions.get_list(), seed.value)
    return {f"part_{i}": FramesData(part) for i, part in enumerate(parts)}
