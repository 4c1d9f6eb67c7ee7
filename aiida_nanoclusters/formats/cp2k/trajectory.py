"""Trajectories that CP2K writes beside its output: positions, forces, cells.

A block is one step: the number of atoms, a line with number, time and energy, and a row for each
atom. A block that is damaged is told as such, and the next one is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.faults import short_line
from aiida_nanoclusters.science.units import HARTREE

Floats = NDArray[np.float64]

#: In units of CP2K; larger numbers are none.
LARGEST = 1e100
_COUNT = re.compile(r"[0-9]{1,15}")
_COMMENT = re.compile(r"\s*i =\s*(\d{1,15}),.*E =\s*([^\s,]+)")
#: Line of a block in extended XYZ (from 2025), with the cell.
_EXTENDED = re.compile(
    r'\s*Lattice="([^"]*)"(?=.*\bpbc="([TF] [TF] [TF])")'
    r"(?=.*\bStep=(\d{1,15})\b)(?=.*\bEnergy=(\S+))"
)
#: A name and three numbers; the count and the comment of a block are none.
_ROW = re.compile(r"\s*\S+(?:\s+[-+.\d*NnIi]\S*){3}")


@dataclass(frozen=True)
class Block:
    """One step of a trajectory, in the units of its file.

    Attributes
    ----------
    step
        Its number; -1 where it cannot be read.
    energy
        In eV; NaN where it is no number.
    symbols, values
        Name of the kind and three numbers of each atom, (N, 3).
    line
        Where it begins in its file, from 1.
    complete
        Whether it has all its atoms.
    problem
        What is wrong with it; empty where nothing is.
    cell, pbc
        Cell in Å, (3, 3), and periodic directions, where the file has them.
    """

    step: int
    energy: float
    symbols: list[str]
    values: Floats
    line: int = 0
    complete: bool = True
    problem: str = ""
    cell: Floats | None = None
    pbc: tuple[bool, bool, bool] | None = None


def number(text: str) -> float:
    """Return a number of CP2K; NaN for stars, where it needs more digits than the format has."""
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if abs(value) < LARGEST else float("nan")


def read_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Yield the blocks of a ``-pos-1.xyz`` or ``-frc-1.xyz`` file, damaged ones with the reason."""
    head, start, rows, previous = 0, 0, list[str](), ""
    comment: str | None = None
    for place, whole in enumerate(lines, 1):
        line = short_line(whole)
        begins = (_COMMENT.match(line) or _EXTENDED.match(line)) and _COUNT.fullmatch(
            previous.strip()
        )
        if begins:
            if comment is not None:  # its last row is the count of this block
                yield _block(head, comment, rows[:-1], start)
            head, comment, rows, start = int(previous), line, [], place - 1
        elif comment is not None:
            rows.append(line)
        previous = line
    if comment is not None:
        yield _block(head, comment, rows, start)


def _block(count: int, comment: str, rows: list[str], line: int) -> Block:
    """Return a block of the lines between its comment and the next block."""
    while rows and not rows[-1].strip():
        rows.pop()
    atoms = 0
    while atoms < len(rows) and _ROW.match(rows[atoms]):
        atoms += 1
    # What follows and is no row of an atom belongs to the next block, which lacks its count.
    words = [row.split() for row in rows[:atoms]]
    values = np.array([[number(x) for x in row[1:4]] for row in words]).reshape(-1, 3)
    symbols = [row[0] for row in words]
    step, energy, cell, pbc = _comment(comment)
    problem = ""
    if atoms != count:
        problem = f"{atoms} rows of atoms where it says {count}"
    elif words and not _is_whole(words[-1]):
        problem = "its last row is cut"
    complete = not problem
    if complete and not np.isfinite(energy):
        problem = "its energy is no number"
    elif complete and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        problem = f"`{' '.join(words[bad][1:4])[:80]}` of atom {bad + 1} are no numbers"
    return Block(step, energy, symbols, values, line, complete, problem, cell, pbc)


def _is_whole(row: list[str]) -> bool:
    """Whether the last number of a row has as many decimal places as the one before it."""
    places = [len(word.partition(".")[2]) for word in row[2:4]]
    return len(row) >= 4 and places[0] == places[1]


def _comment(
    text: str,
) -> tuple[int, float, Floats | None, tuple[bool, bool, bool] | None]:
    found = _COMMENT.match(text)
    if found is not None:
        return int(found[1]), number(found[2]) * HARTREE, None, None
    found = _EXTENDED.match(text)
    assert found is not None  # a block begins with one of both
    cell = np.array([number(word) for word in found[1].split()])
    axes = found[2].split()
    return (
        int(found[3]),
        number(found[4]) * HARTREE,
        cell.reshape(3, 3) if cell.size == 9 and np.isfinite(cell).all() else None,
        (axes[0] == "T", axes[1] == "T", axes[2] == "T"),
    )


def read_cells(lines: Iterable[str]) -> dict[int, list[Floats]]:
    """Read a ``-1.cell`` file: the cells in Å of each step, several where it was written again."""
    cells: dict[int, list[Floats]] = {}
    for line in lines:
        words = line.split()
        if len(words) != 12 or not _COUNT.fullmatch(words[0]):
            continue
        values = np.array([number(word) for word in words[2:]])
        cell = values[:9].reshape(3, 3)
        # The last column, the volume, shows a row that was cut or has stars.
        if np.isfinite(values).all() and np.isclose(abs(np.linalg.det(cell)), values[9], rtol=1e-6):
            cells.setdefault(int(words[0]), []).append(cell)
    return cells
