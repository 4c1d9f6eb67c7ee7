"""Files with labels: their programs, and the labelled frames in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype

from aiida_nanoclusters.formats.ase_files import LABELLED
from aiida_nanoclusters.formats.frame_origin import config_type as config_type
from aiida_nanoclusters.formats.frame_origin import labelled_frame, set_parents
from aiida_nanoclusters.formats.label_keys import LabelKeys
from aiida_nanoclusters.formats.labelled_run import LabelledRun
from aiida_nanoclusters.formats.limits import ALWAYS_UNPACKED, DAMAGED, SUFFIXES, is_packed, unpack
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import impossible

#: Folders within each other that are searched.
_MOST_FOLDERS = 100
#: Thickness (Å) of vacuum above which a direction becomes non-periodic.
GAP = 8.0
#: Ends of names of files of CP2K that are read together with its output.
_OF_CP2K = ("-pos-1.xyz", "-frc-1.xyz")
#: Programs whose files are runs, and say the charge.
_PROGRAMS = ("VASP", "CP2K")
#: Bytes by which a file is known.
_HEAD = 8192


class LeftOut(NamedTuple):
    """A step that is no label: its number, why, and the line where it begins."""

    step: int
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        """Return the step and the reason; the line, unless the reason names one."""
        where = "" if self.line is None or "line " in self.reason else f" (line {self.line})"
        return f"step {self.step}{where}: {self.reason}"


@dataclass
class Source:
    """One file with labels.

    Attributes
    ----------
    path, program
        Path, and the program that wrote it.
    frames
        Labelled frames in order; `info` has their origin.
    levels
        Level of theory of each; empty where the file does not name it.
    left_out
        Steps that are not labels.
    problem
        Error of the file as a whole, or None.
    unused
        What is there and was not used: name and why.
    notes
        What else is to be known about its labels.
    potcars
        Titles of the POTCARs.
    """

    path: Path
    program: str
    frames: list[Atoms] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    problem: str | None = None
    unused: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    potcars: list[str] = field(default_factory=list)

    @property
    def level(self) -> str:
        """Levels of theory of its labels, as far as the file names them."""
        return ", ".join(sorted({level for level in self.levels if level}))


def find_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the files with labels, each with the name of its reader.

    Folders are searched with all subfolders for files of known names or contents; an OUTCAR next to
    a vasprun.xml belongs to the same run and is skipped. A file that is named itself is always
    yielded, with an empty name where there is no reader for it.
    """
    seen: set[Path] = set()
    for start in paths:
        for path in sorted(_below(start)) if start.is_dir() else [start]:
            real = Path(os.path.realpath(path))
            if real in seen or not path.is_file():
                continue
            seen.add(real)
            kind = detect(path, named=path == start)
            if kind == "outcar" and start.is_dir() and _partner(path, "OUTCAR", "vasprun.xml"):
                continue
            if kind or path == start:
                yield path, kind


def _below(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder and its subfolders; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= _MOST_FOLDERS:
            folders.clear()
        yield from (Path(place, name) for name in files)


def detect(path: Path, *, named: bool = False) -> str:
    """Return the name of the reader of a file; empty where there is none.

    A file that the user `named` may also be in another format of ASE.
    """
    name = path.name
    stem = name.removesuffix(path.suffix) if path.suffix in SUFFIXES[1:] else name
    if stem.endswith(_OF_CP2K):  # read together with its output
        return ""
    if stem.endswith((".extxyz", ".xyz")):
        return "extxyz"
    if stem.endswith("vasprun.xml"):
        return "vasp"
    if "OUTCAR" in stem:
        return "outcar"
    if stem.endswith(".traj"):
        return "ase"
    return _by_content(path, named)


def _by_content(path: Path, named: bool) -> str:
    """Return the name of the reader of a file whose name says nothing."""
    try:
        with path.open("rb") as handle:
            if is_packed(path):
                head = next(unpack(handle, path.suffix, ALWAYS_UNPACKED), b"")[:_HEAD]
                return "cp2k" if b"CP2K|" in head or b"PROGRAM STARTED AT" in head else ""
            head = handle.read(_HEAD)
            if b"CP2K|" in head or b"PROGRAM STARTED AT" in head:
                return "cp2k"
            if head.lstrip().startswith(b"<?xml") and b"<modeling>" in head:
                return "vasp"
            if re.match(rb"\s*vasp\.\d", head):
                return "outcar"
            if named and filetype(handle) in LABELLED:
                return "ase"
    # Not to be read or damaged, or none ASE knows.
    except (*DAMAGED, ValueError, UnknownFileTypeError):
        return ""
    return ""


def read_source(
    path: Path,
    kind: str,
    gap: float = GAP,
    keys: LabelKeys | None = None,
    origin: Path | None = None,
) -> Source:
    """Read the labels of a file.

    Parameters
    ----------
    path, kind
        File, and the name of its reader.
    gap
        Å; directions with thicker vacuum become non-periodic.
    keys
        Names of the labels in extended XYZ and other files of ASE, where the user chose.
    origin
        Path that is recorded with the frames. Default: `path`.
    """
    if not kind:
        known = ", ".join(READERS)
        text = f"no reader for this file: give one of {known}"
        if path.name.endswith(_OF_CP2K):
            text = "it is read together with the output of CP2K: give that"
        return Source(path, "", problem=text)
    try:
        return _from_run(READERS[kind](path, keys), gap, origin or path)
    except np.linalg.LinAlgError:
        return Source(path, "", problem="it cannot be read: a cell without volume")
    except (OSError, MemoryError) as error:
        return Source(path, "", problem=f"it cannot be read: {error or type(error).__name__}")


def read_dataset(
    path: Path,
    *,
    level_of_theory: str = "",
    atom_energies: Mapping[str, float] | None = None,
    gap: float = GAP,
    keys: LabelKeys | None = None,
    name: str = "",
) -> Frames:
    """Return the labels of one file, all of whose frames have to be labels.

    `name` is recorded as that of the file; other parameters as of :func:`read_source` and
    :func:`.extxyz.read_extxyz`.

    Raises
    ------
    ValueError
        If there is none, or a frame that is not: `import-labels` leaves such frames out.
    """
    origin = Path(name or path.name)
    source = read_source(path, detect(path, named=True), gap, keys, origin)
    if source.problem:
        raise ValueError(source.problem)
    if source.left_out or not source.frames:
        n, all_of_them = len(source.left_out), len(source.left_out) + len(source.frames)
        why = source.left_out[0] if source.left_out else "no frames"
        raise ValueError(
            f"{n} of {all_of_them} frames are no labels ({why}): `aiida-nanoclusters import-labels "
            f"{origin} --out labels.extxyz` leaves them out"
        )
    levels = set(source.levels)
    if not level_of_theory and len(levels) > 1:
        raise ValueError(f"levels of theory: {source.level}: give --level")
    return Frames.from_atoms(
        source.frames,
        level_of_theory=level_of_theory or levels.pop(),
        atom_energies=atom_energies,
    )


def _read_vasp(path: Path, _: LabelKeys | None) -> LabelledRun:
    from aiida_nanoclusters.formats.vasp.run import read_vasp

    return read_vasp(path, _partner(path, "vasprun.xml", "OUTCAR"))


def _read_outcar(path: Path, _: LabelKeys | None) -> LabelledRun:
    from aiida_nanoclusters.formats.vasp.run import read_outcar

    return read_outcar(path)


def _read_cp2k(path: Path, _: LabelKeys | None) -> LabelledRun:
    from aiida_nanoclusters.formats.cp2k.run import read_run

    return read_run(path)


def _read_frames(path: Path, keys: LabelKeys | None) -> LabelledRun:
    from aiida_nanoclusters.formats.labelled_frames import read_labels

    return read_labels(path, keys)


#: Readers by name; what `detect` returns.
READERS: dict[str, Callable[[Path, LabelKeys | None], LabelledRun]] = {
    "vasp": _read_vasp,
    "outcar": _read_outcar,
    "cp2k": _read_cp2k,
    "extxyz": _read_frames,
    "ase": _read_frames,
}


def _from_run(run: LabelledRun, gap: float, origin: Path) -> Source:
    """Return the frames of a run with their origin, and the steps that are none."""
    source = Source(origin, run.program, problem=run.problem, unused=list(run.unused))
    source.potcars = list(run.parameters.get("POTCARS", []))
    kept = []
    for step in run.steps:
        problem = step.problem or impossible(
            step.atoms.numbers, step.atoms.positions, step.atoms.cell.array, step.atoms.pbc
        )
        if problem:
            source.left_out.append(LeftOut(step.index, problem, step.line))
            continue
        source.frames.append(labelled_frame(step, origin, gap))
        source.levels.append(step.level_of_theory)
        kept.append(step)
    if run.program in _PROGRAMS and any(step.charge is None for step in kept):
        source.notes.append("charge not stated: taken as neutral")
    if run.beside:
        source.notes.append(f"with {', '.join(path.name for path in run.beside)}")
    sections = {step.section for step in run.steps}
    if run.program in _PROGRAMS:
        for atoms, step in zip(source.frames, kept, strict=True):
            # The steps of one run are similar: they must be in the same part of a data set.
            suffix = f"#{step.section}" if len(sections) > 1 else ""
            atoms.info["parent"] = origin.as_posix() + suffix
    else:
        source.notes += set_parents(source.frames, origin)
    return source


def _partner(path: Path, own: str, other: str) -> Path | None:
    """Return the other file of the same run in the same folder, compressed or not, or None."""
    stem = path.name.removesuffix(path.suffix) if path.suffix in SUFFIXES[1:] else path.name
    for suffix in SUFFIXES:
        found = path.with_name(stem.replace(own, other) + suffix)
        if found != path and found.is_file():
            return found
    return None
