"""Calculation functions on sets of frames."""

from __future__ import annotations

from pathlib import Path

from aiida.engine import calcfunction
from aiida.orm import Dict, List, SinglefileData, Str

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.label_choice import DifferingLabelsError
from aiida_nanoclusters.formats.label_files import GAP, read_dataset
from aiida_nanoclusters.formats.label_keys import LabelKeys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames


@calcfunction
def import_frames(
    file: SinglefileData,
    level_of_theory: Str,
    atom_energies: Dict | None = None,
    reading: Dict | None = None,
) -> FramesData:
    """Read frames from a file; isolated-atom energies (eV) that are not given are read from it.

    Parameters
    ----------
    file
        Extended XYZ, or another file that ASE reads.
    level_of_theory
        That of the labels; empty for structures.
    atom_energies
        By element, eV.
    reading
        How labels are read, as `import-labels` does: `gap` (Å; directions with more vacuum become
        non-periodic), and the names `energy`, `forces`, `stress` that were chosen. Every frame has
        to be a label. Default: frames as they are, labels where there are any; none where there are
        two that differ and no level of theory is given.
    """
    energies = None if atom_energies is None else atom_energies.get_dict()
    level = level_of_theory.value
    with file.as_path() as path:
        if reading is None:
            frames = _as_they_are(path, level, energies)
        else:
            chosen = reading.get_dict()
            gap = float(chosen.pop("gap", GAP))
            frames = read_dataset(
                path,
                level_of_theory=level,
                atom_energies=energies,
                gap=gap,
                keys=LabelKeys(**chosen),
                name=file.filename,
            )
    check_frames(frames)
    return FramesData(frames)


def _as_they_are(path: Path, level: str, energies: dict[str, float] | None) -> Frames:
    try:
        return read_extxyz(path, level_of_theory=level, atom_energies=energies)
    except DifferingLabelsError:
        if level:
            raise
        return read_extxyz(path, with_labels=False)


@calcfunction
def select_frames(frames: FramesData, indices: List) -> FramesData:
    """Return the frames of these indices, in this order."""
    return FramesData(frames.frames.select(indices.get_list()))


@calcfunction
def concatenate_frames(**parts: FramesData) -> FramesData:
    """Join sets in the order of their keys."""
    return FramesData(Frames.concatenate([parts[key].frames for key in sorted(parts)]))
