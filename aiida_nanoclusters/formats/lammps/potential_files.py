"""Potential files of LAMMPS: what they say of themselves, and that they are numbers only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from aiida_nanoclusters.formats.lammps.potential_lines import Interaction

#: Size in bytes above which a file is refused; the largest that LAMMPS ships with has 3 MB.
_LARGEST = 200_000_000
_LATTICE = re.compile(r"[A-Za-z0-9_.:+/-]*", re.ASCII)


def check_potential_file(path: Path, interaction: Interaction) -> None:
    """Refuse an EAM file that LAMMPS must not read: of more than numbers, or of other elements.

    Files of Allegro models are not looked into: they are code and run only where they are trusted.

    Raises
    ------
    ValueError
        If the file does not have the form of its kind, or has other elements or another cutoff.
    """
    if interaction.kind in ("eam/alloy", "eam/fs", "eam"):
        symbols, cutoff = read_eam_metadata(path, interaction.kind)
        problem = eam_difference(symbols, cutoff, interaction.elements, interaction.cutoff)
        if problem:
            raise ValueError(problem)


def eam_difference(
    symbols: Sequence[str], cutoff: float, elements: Sequence[str], other: float
) -> str | None:
    """Return how an EAM file differs from the elements and the cutoff (Å) that are said of it.

    Parameters
    ----------
    symbols, cutoff
        As :func:`read_eam_metadata` returns them.
    elements, other
        What is said.
    """
    if list(symbols) != list(elements):
        return (
            f"its file is of other elements ({', '.join(symbols)}) than the node says "
            f"({', '.join(elements)}): make the potential again from its file"
        )
    if abs(cutoff - other) > 1e-9 * cutoff:
        return (
            f"its file has another cutoff ({cutoff:g} Å) than the node says ({other:g} Å): make "
            "the potential again from its file"
        )
    return None


def read_eam_metadata(path: str | Path, kind: str) -> tuple[list[str], float]:
    """Return the elements and the cutoff (Å) of a DYNAMO EAM file, all of which is checked.

    Parameters
    ----------
    path
        File to read.
    kind
        ``eam/alloy`` or ``eam/fs`` (setfl: three comments, elements, grid, tables) or ``eam``
        (funcfl: comment, element's atomic number, grid, tables).

    Raises
    ------
    ValueError
        If the file does not have that form, or holds anything but a header and numbers.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST // 10**6} MB")
        lines = path.read_bytes().decode("latin-1").splitlines()  # names of authors in comments
        symbols, cutoff = (_funcfl if kind == "eam" else _setfl)(lines, kind)
    except (IndexError, OverflowError, ValueError, OSError) as error:
        raise ValueError(f"{path.name} is no `{kind}` potential file: {error}") from error
    if not symbols or any(s not in chemical_symbols[1:] for s in symbols) or not cutoff > 0:
        raise ValueError(f"{path.name} names no chemical elements or no cutoff")
    return symbols, cutoff


def _funcfl(lines: Sequence[str], kind: str) -> tuple[list[str], float]:
    """Read a file of one element; see https://docs.lammps.org/pair_eam.html."""
    number, _ = _element(lines[1])
    grid, cutoff = _grid(lines[2], lines)
    rest = iter(lines[3:])
    _numbers(rest, grid[0] + 2 * grid[1])
    _end(rest)
    return [chemical_symbols[number]], cutoff


def _setfl(lines: Sequence[str], kind: str) -> tuple[list[str], float]:
    """Read a file of several elements; see https://docs.lammps.org/pair_eam.html."""
    count, *symbols = lines[3].split()
    if len(symbols) != int(count):
        raise ValueError("line 4 does not list as many elements as it says")
    grid, cutoff = _grid(lines[4], lines)
    rest = iter(lines[5:])
    densities = len(symbols) if kind == "eam/fs" else 1
    for _ in symbols:
        _element(next((line for line in rest if line.strip()), ""))
        _numbers(rest, grid[0] + densities * grid[1])
    _numbers(rest, grid[1] * len(symbols) * (len(symbols) + 1) // 2)
    _end(rest)
    return symbols, cutoff


def _grid(line: str, lines: Sequence[str]) -> tuple[tuple[int, int], float]:
    """Return the numbers of points in density and distance, and the cutoff (Å)."""
    words = line.split()
    points, cutoff = (int(words[0]), int(words[2])), float(words[4])
    # A number takes two characters at least: larger tables are not in the file.
    if min(points) < 1 or 2 * sum(points) > sum(len(line) + 1 for line in lines):
        raise ValueError(f"its tables of {points[0]} and {points[1]} points are not in it")
    if not all(np.isfinite(float(word)) for word in words[:5]):
        raise ValueError("its grid is not finite")
    return points, cutoff


def _element(line: str) -> tuple[int, float]:
    """Return atomic number and mass of the header of an element."""
    words = line.split()
    if len(words) < 2 or not all(map(_LATTICE.fullmatch, words[3:])):
        raise ValueError(f"{line[:60]!r} is no header of an element")
    numbers = [float(word) for word in words[:3]]
    if not np.isfinite(numbers).all() or not 0 <= numbers[0] < len(chemical_symbols):
        raise ValueError(f"{line[:60]!r} is no header of an element")
    return int(numbers[0]), numbers[1]


def _numbers(lines: Iterator[str], count: int) -> None:
    """Consume the lines of a table of `count` finite numbers."""
    words: list[str] = []
    while len(words) < count:
        line = next(lines, None)
        if line is None:
            raise ValueError(f"a table ends after {len(words)} of {count} numbers")
        words += line.split()
    if len(words) > count:
        raise ValueError(f"a line of a table goes beyond its {count} numbers")
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:  # Fortran's double precision
        values = np.array([re.sub("[dD]", "e", word) for word in words], dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a table holds numbers that are not finite")


def _end(lines: Iterator[str]) -> None:
    extra = next((line for line in lines if line.strip()), None)
    if extra is not None:
        raise ValueError(f"after its tables it holds {extra[:60]!r}: remove all that follows them")
