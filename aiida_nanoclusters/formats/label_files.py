"""Which files hold labels, what program wrote them, and the configurations in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_nanoclusters.science.isolation import out_of_box

_COMPRESSED = ("", ".gz", ".xz", ".bz2")
_KINDS_BY_DIMENSION = {0: "cluster", 1: "chain", 2: "slab", 3: "bulk"}


@dataclass
class Source:
    """One file.

    Attributes
    ----------
    path, program
        Where, and of what.
    level
        Of theory, as far as the file says; empty where it does not.
    frames
        Labelled, in order; `info` has their origin.
    left_out
        Steps that are no labels: number and reason.
    problem
        Of the file as a whole, or None.
    potcars
        Titles of the potentials.
    """

    path: Path
    program: str
    level: str = ""
    frames: list[Atoms] = field(default_factory=list)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    problem: str | None = None
    potcars: list[str] = field(default_factory=list)


def find_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the files that hold labels, each with the name of its reader.

    Folders are searched to their depths, for files of known names or beginnings; an OUTCAR beside
    a vasprun.xml is of the same run and not counted again. A file that was named is always
    yielded, with an empty name where nothing can read it.
    """
    seen: set[Path] = set()
    for start in paths:
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path in seen or not path.is_file():
                continue
            seen.add(path)
            kind = detect(path)
            if kind == "outcar" and start.is_dir() and _partner(path, "OUTCAR", "vasprun.xml"):
                continue
            if kind or path == start:
                yield path, kind


def detect(path: Path) -> str:
    """Return the name of the reader for a file, or nothing."""
    name = path.name
    stem = name.removesuffix(path.suffix) if path.suffix in _COMPRESSED[1:] else name
    if stem.endswith("vasprun.xml"):
        return "vasp"
    if "OUTCAR" in stem:
        return "outcar"
    if stem.endswith(("-pos-1.xyz", "-frc-1.xyz")):  # of CP2K, read with its output
        return ""
    if stem.endswith((".extxyz", ".xyz")):
        return "extxyz"
    if path.suffix in (".out", ".log", ""):
        with path.open("rb") as handle:
            head = handle.read(4096)
        if b"CP2K|" in head or b"PROGRAM STARTED AT" in head:
            return "cp2k"
    return ""


def read_source(path: Path, kind: str, gap: float) -> Source:
    """Read a file; vacuum thicker than `gap` (Å) makes a frame non-periodic."""
    if not kind:
        known = ", ".join(READERS)
        return Source(path, "", problem=f"not a file with labels (known are {known})")
    return READERS[kind](path, gap)


def _read_vasp(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.vasp import read_vasp

    return _from_run(read_vasp(path, _partner(path, "vasprun.xml", "OUTCAR")), "VASP", gap)


def _read_outcar(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.vasp import read_outcar

    return _from_run(read_outcar(path), "VASP", gap)


def _read_cp2k(path: Path, gap: float) -> Source:
    from aiida_nanoclusters.formats.cp2k_run import read_run

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
            _tell_origin(atoms, path, index)
            source.frames.append(atoms)
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
    """Take a run's `path`, `steps` (`index`, `atoms`, `problem`), `problem`, `level_of_theory`."""
    source = Source(run.path, program, run.level_of_theory, problem=run.problem)
    source.potcars = list(getattr(run, "parameters", {}).get("POTCARS", []))
    for step in run.steps:
        if step.problem:
            source.left_out.append((step.index, step.problem))
            continue
        atoms = out_of_box(step.atoms, gap)
        kind = _KINDS_BY_DIMENSION[int(atoms.pbc.sum())]
        atoms.info["config_type"] = "atom" if kind == "cluster" and len(atoms) == 1 else kind
        # The steps of one run resemble each other: they must not be split.
        atoms.info["parent"] = run.path.as_posix()
        _tell_origin(atoms, run.path, step.index)
        source.frames.append(atoms)
    return source


def _tell_origin(atoms: Atoms, path: Path, step: int) -> None:
    atoms.info.setdefault("source", path.as_posix())
    atoms.info.setdefault("step", step)


def _partner(path: Path, own: str, other: str) -> Path | None:
    """Return the other file of the same run, compressed or not, where it lies beside this one."""
    stem = path.name.removesuffix(path.suffix) if path.suffix in _COMPRESSED[1:] else path.name
    for suffix in _COMPRESSED:
        found = path.with_name(stem.replace(own, other) + suffix)
        if found != path and found.is_file():
            return found
    return None
