"""Frames from extended XYZ and all other formats of ASE, and to extended XYZ."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.utils import string2index

from aiida_nanoclusters.formats.label_choice import DifferingLabelsError, choose_labels
from aiida_nanoclusters.formats.label_keys import LabelKeys, take
from aiida_nanoclusters.formats.labelled_frames import format_of, frames_of
from aiida_nanoclusters.formats.limits import check_count, unpacked, whole_number
from aiida_nanoclusters.formats.output_files import written_beside
from aiida_nanoclusters.formats.plain_text import one_line, said_by
from aiida_nanoclusters.formats.xyz_frames import LONGEST_HEAD, LONGEST_LINE
from aiida_nanoclusters.formats.xyz_frames import read_comment as read_comment
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.texts import text_of


def read_extxyz(
    path: str | Path,
    *,
    level_of_theory: str = "",
    atom_energies: Mapping[str, float] | None = None,
    index: str = ":",
    keys: LabelKeys | None = None,
    with_labels: bool = True,
) -> Frames:
    """Read configurations with their labels, as :func:`.labelled_frames.read_labels` knows them.

    A file with a frame that cannot be read is refused: `import-labels` leaves such frames out.

    Parameters
    ----------
    path
        Extended XYZ, or another format of :data:`.ase_files.READABLE`; may be compressed (.gz, .xz,
        .bz2). An ``@`` is part of the name, not ASE's choice of frames.
    level_of_theory
        Level of theory of the labels. Default: the `level_of_theory` in `info` that all frames
        share.
    atom_energies
        Isolated-atom energies in eV.
    index
        ASE's slice of frames to read.
    keys
        Names of the labels, where the table has none or several that differ.
    with_labels
        Whether labels are read.

    Raises
    ------
    DifferingLabelsError
        If a label is there under two names with different values, and none was chosen.
    ValueError
        If the file is missing, unknown, empty, damaged, or says that more is in it than is.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no file of frames at {path}")
    try:
        with unpacked(path) as plain:
            images = _read_images(plain, index)
        said = [take(atoms, keys or LabelKeys()) for atoms in images]
        places = [f"frame {k}" for k in range(len(images))]
        if with_labels:
            choose_labels(images, said, keys or LabelKeys(), places, path.name)
        for atoms, one, place in zip(images, said, places, strict=True):
            if one.problem:
                raise ValueError(f"{place}: {one.problem}")
            if one.charge is not None:
                atoms.info["charge"] = one.charge
            if one.multiplicity is not None:
                atoms.info["multiplicity"] = one.multiplicity
        levels = {text_of(a.info.pop("level_of_theory", None)) for a in images}
        if not level_of_theory and len(levels) == 1:
            level_of_theory = levels.pop()
        return Frames.from_atoms(
            images, level_of_theory=level_of_theory, atom_energies=atom_energies
        )
    except DifferingLabelsError:
        raise
    except Exception as error:  # what the readers of ASE raise on files that are wrong is any
        raise ValueError(f"{path.name} cannot be read as frames: {said_by(error, 300)}") from error


def _read_images(path: Path, index: str) -> list[Atoms]:
    """Read the chosen frames of a file that is not compressed."""
    chosen: Any = string2index(index)
    if isinstance(chosen, int):
        chosen = slice(chosen, chosen + 1 or None)
    last = chosen.stop
    read = list(frames_of(path, format_of(path), last if last is not None and last >= 0 else None))
    images = []
    for atoms, problem, _ in read[chosen]:
        if atoms is None:
            raise ValueError(problem)
        images.append(atoms)
    return images


def check_extxyz(path: Path) -> None:
    """Hold the number of atoms of every frame against the lines that are there.

    Raises
    ------
    ValueError
        If a number is wrong, a line too long, or a frame not complete.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        while (head := handle.readline(LONGEST_HEAD)).strip():
            if head.lstrip().startswith(b"VEC"):  # a vector of the cell, after a frame
                continue
            count = whole_number(head.decode("latin-1"), "number of atoms")
            check_count(count, size - handle.tell(), 2, "atoms")
            for row in range(count + 1):
                line = handle.readline(LONGEST_LINE)
                if not line:
                    raise ValueError(f"it ends after {row} of the {count + 1} lines of a frame")
                if len(line) == LONGEST_LINE:
                    raise ValueError(f"it has a line of more than {LONGEST_LINE // 10**6} MB")


def write_extxyz(frames: Frames, path: str | Path) -> None:
    """Write configurations with labels, charge and origin as extended XYZ, to full precision.

    A file that is there is replaced once the new one is complete.
    """
    write_images(_with_level(frames), path)


def _with_level(frames: Frames) -> Iterator[Atoms]:
    for atoms in frames:
        if frames.level_of_theory:
            atoms.info["level_of_theory"] = frames.level_of_theory
        yield atoms


def write_images(images: Iterable[Atoms], path: str | Path) -> None:
    """Write Atoms with all that is in their `info`, and their labels, as extended XYZ.

    A file that is there is replaced once the new one is complete.
    """
    with written_beside(path) as handle:
        for atoms in images:
            plain = atoms.copy()
            plain.calc = atoms.calc
            # A key without a value would be read back as true; a line end would end the comment.
            plain.info = {
                key: one_line(value) if isinstance(value, str) else value
                for key, value in atoms.info.items()
                if value is not None
            }
            handle.write(_exact(plain))


def _exact(atoms: Atoms) -> str:
    """Return one frame as ASE writes it, but numbers with more than 8 decimals."""
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    head = text.getvalue().split("\n", 2)[:2]
    named = (name for name in atoms.arrays if name not in ("numbers", "positions"))
    columns = [atoms.positions, *(atoms.arrays[name].reshape(len(atoms), -1) for name in named)]
    if atoms.calc is not None and "forces" in atoms.calc.results:
        columns.append(atoms.calc.results["forces"])
    rows = zip(atoms.get_chemical_symbols(), np.hstack(columns).tolist(), strict=True)
    lines = (f"{symbol:<2} {' '.join(map(repr, values))}" for symbol, values in rows)
    return "\n".join([*head, *lines, ""])
