"""Frames of a trajectory file, one after the other: it may be larger than memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

import ase.io
from ase import Atoms
from ase.data import atomic_numbers
from ase.io.extxyz import read_xyz
from ase.io.formats import filetype

from aiida_nanoclusters.formats.extxyz import check_extxyz, read_comment, read_extxyz
from aiida_nanoclusters.formats.limits import check_count, unpacked, whole_number
from aiida_nanoclusters.formats.plain_text import said_by

_DUMP = "lammps-dump-text"
_FIRST, _COUNT, _ATOMS = "ITEM: TIMESTEP", "ITEM: NUMBER OF ATOMS", "ITEM: ATOMS"
#: Lines of the head of a snapshot, and characters of the longest line.
_HEAD, _LONGEST = 16, 100_000


def iterate_frames(path: str | Path, types: Sequence[str] = ()) -> Iterator[Atoms]:
    """Yield the frames of a file in their order.

    Extended XYZ and dumps of LAMMPS are read frame by frame, other formats that
    :func:`.extxyz.read_extxyz` reads as a whole. A dump that was cut short ends with its last whole
    frame.

    Parameters
    ----------
    path
        May be compressed (.gz, .xz, .bz2).
    types
        Elements of the atom types 1, 2, ... of a dump that does not name elements.

    Raises
    ------
    ValueError
        If there is no such file, or it cannot be read; the message names the fix.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no file of frames at {path}")
    if wrong := [symbol for symbol in types if atomic_numbers.get(symbol, 0) < 1]:
        raise ValueError(f"`{wrong[0]}` is no element: give symbols in the order of the types")
    try:
        with unpacked(path) as plain:
            yield from _frames(plain, types)
    except Exception as error:  # what the readers of ASE raise on files that are wrong is any
        if isinstance(error, ValueError) and str(error).startswith(path.name):
            raise
        raise ValueError(f"{path.name} cannot be read as frames: {said_by(error, 300)}") from error


def _frames(path: Path, types: Sequence[str]) -> Iterator[Atoms]:
    if not path.stat().st_size:
        raise ValueError("it is empty")
    with path.open("rb") as handle:
        name = filetype(handle)
    if name in ("extxyz", "xyz"):
        check_extxyz(path)
        with path.open(encoding="utf-8", newline="\n") as text:
            yield from read_xyz(text, slice(None), properties_parser=read_comment)
    elif name == _DUMP:
        with path.open(encoding="utf-8", errors="replace") as text:
            yield from _dump(text, path.stat().st_size, types)
    else:
        yield from read_extxyz(path)


def _dump(handle: IO[str], size: int, types: Sequence[str]) -> Iterator[Atoms]:
    """Yield the whole snapshots of a dump; ASE gets each by itself, its count held to the file."""
    while (head := _head(handle)) is not None:
        lines, count = head
        check_count(count, size, 2, "atoms")
        options = _elements(lines[-1].split()[2:], types)
        rows = list(islice(handle, count))
        if len(rows) < count or not rows[-1].endswith("\n"):
            return
        chunk = io.StringIO("".join([*lines, *rows]))
        found: Any = ase.io.read(chunk, index=0, format=_DUMP, **options)
        yield found


def _head(handle: IO[str]) -> tuple[list[str], int] | None:
    """Return the lines of a snapshot before those of its atoms, and their number."""
    lines: list[str] = []
    count = None
    while line := handle.readline(_LONGEST):
        if not lines and not line.strip():
            continue
        if not lines and not line.startswith(_FIRST):
            raise ValueError(f"where `{_FIRST}` is expected, it has `{line.strip()[:40]}`")
        lines.append(line)
        if len(lines) > 1 and lines[-2].startswith(_COUNT):
            count = whole_number(line, "number of atoms")
        if line.startswith(_ATOMS):
            if count is None:
                raise ValueError(f"a frame of it has no `{_COUNT}`")
            return lines, count
        if len(lines) > _HEAD:
            raise ValueError(f"a frame of it has no `{_ATOMS}`")
    return None


def _elements(columns: Sequence[str], types: Sequence[str]) -> dict[str, Any]:
    if "element" in columns or "mass" in columns:
        return {}
    if not types:
        raise ValueError(
            "its atoms have types and no elements: give the elements of the types 1, 2, ... in "
            "their order, or dump the column `element`"
        )
    return {"specorder": list(types)}
