"""Extended XYZ and other files of ASE as labelled steps; one bad frame costs that one only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ase import Atoms
from ase.io.formats import filetype

from aiida_nanoclusters.formats.ase_files import READABLE, not_converged, read_images
from aiida_nanoclusters.formats.label_choice import choose_labels, missing_labels
from aiida_nanoclusters.formats.label_keys import LabelKeys, take
from aiida_nanoclusters.formats.labelled_run import LabelledRun, LabelledStep
from aiida_nanoclusters.formats.limits import is_packed, unpacked
from aiida_nanoclusters.formats.plain_text import said_by
from aiida_nanoclusters.formats.xyz_frames import read_frame, text_frames

#: A frame, or what is wrong with it, and the line where it begins.
Read = tuple[Atoms | None, str | None, int | None]


def read_labels(path: str | Path, keys: LabelKeys | None = None) -> LabelledRun:
    """Read a file of frames with their labels, under the names of the table or those chosen.

    Parameters
    ----------
    path
        Extended XYZ, or another format of :data:`.ase_files.READABLE`; may be compressed.
    keys
        Names of the labels.

    Returns
    -------
    LabelledRun
        Its atoms keep their `info`. Without steps, and with the reason in ``problem``, where the
        file cannot be read, or has two labels that differ and none was chosen.
    """
    path, keys = Path(path), keys or LabelKeys()
    try:
        with unpacked(path) as plain:
            program = format_of(plain)
            read = list(frames_of(plain, program))
            wrong = not_converged(plain, program)
        if wrong:
            return LabelledRun(path, program, problem=wrong)
        good = [(k, atoms) for k, (atoms, _, _) in enumerate(read) if atoms is not None]
        images = [atoms for _, atoms in good]
        said = [take(atoms, keys) for atoms in images]
        places = [_place(k, read[k][2]) for k, _ in good]
        unused = choose_labels(images, said, keys, places, path.name)
    except (RecursionError, MemoryError) as error:
        return LabelledRun(path, "file", problem=f"it cannot be read: {said_by(error, 300)}")
    except Exception as error:  # what the readers of ASE raise on files that are wrong is any
        return LabelledRun(path, "file", problem=said_by(error, 500))
    told = dict(zip((k for k, _ in good), said, strict=True))
    heads = {str(atoms.info["head"]) for atoms in images if "head" in atoms.info}
    steps = []
    for index, (atoms, problem, line) in enumerate(read):
        if atoms is None:
            steps.append(LabelledStep(index, Atoms(), problem, line=line))
            continue
        level = str(atoms.info.pop("level_of_theory", ""))
        if len(heads) > 1:  # of MACE, each for a level of theory of its own
            level = level or f"head {atoms.info.get('head', '')}".strip()
        one = told[index]
        problem = missing_labels(atoms, one)
        steps.append(
            LabelledStep(index, atoms, problem, one.charge, one.multiplicity, level, line=line)
        )
    problem = None if read else "it has no frames"
    if problem and is_packed(path):
        problem += " that can be unpacked"
    return LabelledRun(path, program, tuple(steps), problem, unused=tuple(unused))


def _place(index: int, line: int | None) -> str:
    return f"frame {index}" if line is None else f"frame {index}, line {line}"


def format_of(path: Path) -> str:
    """Return ASE's name of the format of a file that is not compressed.

    Raises
    ------
    ValueError
        If it is none that is read here.
    """
    if path.suffix in (".xyz", ".extxyz"):
        return "extxyz"
    with path.open("rb") as handle:
        name = str(filetype(handle))
    if name not in READABLE:
        raise ValueError(f"ASE takes it for `{name}`, which is not read here: give extended XYZ")
    return "extxyz" if name == "xyz" else name


def frames_of(path: Path, program: str, most: int | None = None) -> Iterator[Read]:
    """Yield the (first) frames of a file that is not compressed."""
    if program != "extxyz":
        for atoms in read_images(path, program):
            yield atoms, None, None
        return
    for text in islice(text_frames(path), most):
        try:
            yield read_frame(text), None, text.line
        except ValueError as error:
            yield None, said_by(error, 300), text.line
