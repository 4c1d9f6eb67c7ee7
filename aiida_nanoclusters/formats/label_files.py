"""Files with labels: their programs, and the labelled frames in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.labels.sanity import impossible
from aiida_nanoclusters.science.structures.isolation import out_of_box

_COMPRESSED = ("", ".gz", ".xz", ".bz2")
#: Folders within each other that are searched.
_MOST_FOLDERS = 100
#: Thickness (Å) of vacuum above which a direction becomes non-periodic.
GAP = 8.0
_KINDS_BY_DIMENSION = {0: "cluster", 1: "chain", 2: "slab", 3: "bulk"}


@dataclass
class Source:
    """One file with labels.

    Attributes
    ----------
    path, program
        Path, and the program that wrote it.
    level
        Level of theory; empty where the file does not name it.
    frames
        Labelled frames in order; `info` has their origin.
    left_out
        Steps that are not labels: number and reason.
    problem
        Error of the file as a whole, or None.
    potcars
        Titles of the POTCARs.
    """

    path: Path
    program: str
    level: str = ""
    frames: list[Atoms] = field(default_factory=list)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    problem: str | None = None
    potcars: list[str] = field(default_factory=list)


def config_type(atoms: Atoms) -> str:
    """Return what a frame is by its size and its periodic directions."""
    kind = _KINDS_BY_DIMENSION[int(atoms.pbc.sum())]
    return "atom" if kind == "cluster" and len(atoms) == 1 else kind


def find_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the files with labels, each with the name of its reader.

    Folders are searched with all subfolders for files of known names or contents; an OUTCAR next to
    a vasprun.xml belongs to the same run and is skipped. A file that is named itself is always
    yielded, with an empty name where there is no reader for it.
    """
    seen: set[Path] = set()
    for start in paths:
        for path in sorted(_below(start)) if start.is_dir() else [start]:
            if path in seen or not path.is_file():
                continue
            seen.add(path)
            kind = detect(path)
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


def detect(path: Path) -> str:
    """Return the name of the reader of a file; empty where there is none."""
    name = path.name
    stem = name.removesuffix(path.suffix) if path.suffix in _COMPRESSED[1:] else name
    if stem.endswith("vasprun.xml"):
        return "vasp"
    if "OUTCAR" in stem:
        return "outcar"
    if stem.endswith(("-pos-1.xyz", "-frc-1.xyz")):  # of CP2K, read together with its output
        return ""
    if stem.endswith((".extxyz", ".xyz")):
        return "extxyz"
    if path.suffix in (".out", ".log", ""):
        try:
            with path.open("rb") as handle:
                head = handle.read(4096)
        except OSError:  # not to be read by this user
            return ""
        if b"CP2K|" in head or b"PROGRAM STARTED AT" in head:
            return "cp2k"
    return ""


def read_source(path: Path, kind: str, gap: float) -> Source:
    """Read a file; directions with vacuum thicker than `gap` (Å) become non-periodic."""
    if not kind:
        known = ", ".join(READERS)
        return Source(path, "", problem=f"no reader for this file: give one of {known}")
    try:
        return READERS[kind](path, gap)
    except np.linalg.LinAlgError:
        return Source(path, "", problem="it cannot be read: a cell without volume")
    except (OSError, MemoryError) as error:
        return Source(path, "", problem=f"it cannot be read: {error or type(error).__name__}")


def _read_vasp(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.vasp.run import read_vasp

    return _from_run(read_vasp(path, _partner(path, "vasprun.xml", "OUTCAR")), "VASP", gap)


def _read_outcar(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.vasp.run import read_outcar

    return _from_run(read_outcar(path), "VASP", gap)


def _read_cp2k(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.cp2k.run import read_run

    return _from_run(read_run(path), "CP2K", gap)


def _read_extxyz(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.extxyz import read_extxyz

    try:
        frames = read_extxyz(path)
    except ValueError as error:
        return Source(path, "file", problem=str(error))
    source = Source(path, "file", level=frames.level_of_theory)
    for index, (atoms, labelled) in enumerate(zip(frames, frames.labelled, strict=True)):
        if labelled:
            _add_frame(source, atoms, index, gap)
        else:
            source.left_out.append((index, "no energy, or not all forces"))
    return source


#: Readers by name; what `detect` returns.
READERS: dict[str, Callable[[Path, float], Source]] = {
    "vasp": _read_vasp,
    "outcar": _read_outcar,
    "cp2k": _read_cp2k,
    "extxyz": _read_extxyz,
}


def _from_run(run: Any, program: str, gap: float) -> Source:
    """Return the frames of a run with `path`, `steps`, `problem` and `level_of_theory`."""
    source = Source(run.path, program, run.level_of_theory, problem=run.problem)
    source.potcars = list(getattr(run, "parameters", {}).get("POTCARS", []))
    for step in run.steps:
        if step.problem:
            source.left_out.append((step.index, step.problem))
            continue
        atoms = _add_frame(source, step.atoms, step.index, gap)
        if atoms is None:
            continue
        atoms.info["config_type"] = config_type(atoms)
        # The steps of one run are similar: they must be in the same part of a data set.
        atoms.info["parent"] = run.path.as_posix()
    return source


def _add_frame(source: Source, atoms: Atoms, step: int, gap: float) -> Atoms | None:
    """Add a labelled frame with its origin; directions with vacuum become non-periodic.

    One of which no distances can be computed is left out, with the reason.
    """
    problem = impossible(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    if problem:
        source.left_out.append((step, problem))
        return None
    free = out_of_box(atoms, gap)
    free.info.setdefault("source", source.path.as_posix())
    free.info.setdefault("step", step)
    source.frames.append(free)
    return free


def _partner(path: Path, own: str, other: str) -> Path | None:
    """Return the other file of the same run in the same folder, compressed or not, or None."""
    stem = path.name.removesuffix(path.suffix) if path.suffix in _COMPRESSED[1:] else path.name
    for suffix in _COMPRESSED:
        found = path.with_name(stem.replace(own, other) + suffix)
        if found != path and found.is_file():
            return found
    return None
