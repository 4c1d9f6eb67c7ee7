"""What CP2K wrote of a run: energies, forces, convergence of each step, and how it ended."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.faults import find_cause
from aiida_nanoclusters.science.units import BOHR, HARTREE

Floats = NDArray[np.float64]

_ENERGY = "ENERGY| Total FORCE_EVAL"
_CONVERGED = ("SCF run converged in", "outer SCF loop converged in")
_NOT_CONVERGED = ("SCF run NOT converged", "outer SCF loop FAILED to converge")
_CLOCK = "exceeded requested execution time"
_END = "PROGRAM ENDED AT"
#: Lines of the box in which CP2K says why it stops, less its drawing.
_BOX = re.compile(r"^ \*(.*)\*\s*$")
_DRAWING = re.compile(r"^[\s_/\\|O*-]*(?:\[ABORT\])?[\s_/\\|O-]*")
_COMMENT = re.compile(r"\s*i =\s*(\d+),.*E =\s*([^\s,]+)")
#: Lines at the end in which the system says why it ended a run, with all that Fortran adds.
_LAST_WORDS = 200
_SOURCE = re.compile(r"\s*\S+\.F:\d+\s*$")


@dataclass(frozen=True)
class Step:
    """One set of positions CP2K has been through.

    Attributes
    ----------
    energy
        Total energy in eV; where electrons are smeared the free energy, to which the forces belong.
    converged
        Whether the self-consistent field converged; None where the output does not tell.
    """

    energy: float
    converged: bool | None


@dataclass(frozen=True)
class Cp2kRun:
    """The standard output of a run.

    Attributes
    ----------
    steps
        In order; the last may lack its forces where the run was cut short.
    ended
        Whether CP2K came to its end, also where that was for want of time.
    out_of_time
        Whether it says that it ran out of time.
    abort
        Why it stopped itself; empty where it did not.
    version
        As it says, e.g. ``2023.1``; empty where it was not printed.
    fault
        What was said of a fault from outside (memory, disk); empty where nothing was.
    """

    steps: list[Step] = field(default_factory=list)
    ended: bool = False
    out_of_time: bool = False
    abort: str = ""
    version: str = ""
    fault: str = ""

    @property
    def cut(self) -> bool:
        """Whether it began, and something else than CP2K ended it."""
        return bool(self.version) and not (self.ended or self.abort or self.out_of_time)


def read_output(lines: Iterable[str]) -> Cp2kRun:
    """Read the standard output of CP2K, complete or not."""
    steps: list[Step] = []
    ended = out_of_time = False
    version, box = "", list[str]()
    converged: bool | None = None
    aborting = False
    last = deque[str](maxlen=_LAST_WORDS)
    for line in lines:
        last.append(line)
        if _ENERGY in line:
            steps.append(Step(_number(line.split()[-1]) * HARTREE, converged))
            converged = None
        elif any(text in line for text in _CONVERGED):
            converged = True
        elif any(text in line for text in _NOT_CONVERGED):
            converged = False
        elif _CLOCK in line:
            out_of_time = True
        elif _END in line:
            ended = True
        elif line.startswith(" CP2K| version string:"):
            version = line.split()[-1]
        if "[ABORT]" in line:
            aborting = True
        if aborting:
            aborting = _take(line, box)
    abort, fault = " ".join(box), ""
    if not ended and (told := find_cause("".join(last)) or find_cause(abort)):
        abort, fault = "", told[1]
    return Cp2kRun(steps, ended, out_of_time, abort, version, fault)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # stars, where the number does not fit
        return float("nan")


def _take(line: str, box: list[str]) -> bool:
    """Add what a line of the box of an error says; return whether the box goes on."""
    found = _BOX.match(line)
    if found is None or set(found[1].strip()) == {"*"}:
        return False
    words = _SOURCE.sub("", _DRAWING.sub("", found[1])).strip()
    if words:
        box.append(words)
    return True


def read_forces(lines: Iterable[str]) -> list[tuple[float, Floats]]:
    """Read a ``-frc-1.xyz`` file, complete or not.

    Returns
    -------
    list of (float, array)
        Energy in eV and forces in eV/Å, shape (N, 3), of every complete block.
    """
    blocks = read_blocks(lines)
    return [(block.energy, block.values * HARTREE / BOHR) for block in blocks]


@dataclass(frozen=True)
class Block:
    """One step of a trajectory file: its number, energy (eV), symbols, and three values an atom."""

    step: int
    energy: float
    symbols: list[str]
    values: Floats


def read_blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Yield every complete block of a ``-pos-1.xyz`` or ``-frc-1.xyz`` file, in its own units."""
    rows = iter(lines)
    for head in rows:
        if not head.strip().isdigit():
            return
        count, comment = int(head), _COMMENT.match(next(rows, ""))
        block = [line.split() for _, line in zip(range(count), rows, strict=False)]
        if len(block) < count or any(len(row) < 4 for row in block) or comment is None:
            return
        values = np.array([[_number(x) for x in row[1:4]] for row in block])
        energy = _number(comment[2]) * HARTREE
        yield Block(int(comment[1]), energy, [row[0] for row in block], values)
