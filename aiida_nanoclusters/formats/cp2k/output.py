"""Output of a CP2K run: energies, forces, convergence of each step, and how the run ended."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.convergence import Convergence, energy_of
from aiida_nanoclusters.formats.cp2k.partial_charges import ChargeTables
from aiida_nanoclusters.formats.cp2k.trajectory import read_blocks
from aiida_nanoclusters.formats.faults import find_cause, short_line
from aiida_nanoclusters.science.units import BOHR, HARTREE

Floats = NDArray[np.float64]

_CLOCK = "exceeded requested execution time"
_END = "PROGRAM ENDED AT"
#: Lines of the box in which CP2K prints why it stops, and the drawing in them.
_BOX = re.compile(r"^ \*(.*)\*\s*$")
_DRAWING = re.compile(r"^[\s_/\\|O*-]*(?:\[ABORT\])?[\s_/\\|O-]*")
#: Number of last lines that are searched for messages of the operating system.
_LAST_LINES = 200
_SOURCE = re.compile(r"\s*\S+\.F:\d+\s*$")


@dataclass(frozen=True)
class Step:
    """One computed set of positions.

    Attributes
    ----------
    energy
        Total energy in eV; with smeared electrons the free energy, which matches the forces.
    converged
        Whether the self-consistent field converged; None where the output does not show it.
    charges
        Partial charges of the atoms in e by kind, (N,), as far as they are printed.
    """

    energy: float
    converged: bool | None
    charges: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Cp2kRun:
    """The standard output of a run.

    Attributes
    ----------
    steps
        In order; the forces of the last may be missing where the run was interrupted.
    ended
        Whether CP2K ended by itself, also where it ran out of time.
    out_of_time
        Whether it ended because it ran out of time.
    abort
        Error with which it stopped; empty where there was none.
    version
        Version of CP2K, e.g. ``2023.1``; empty where it was not printed.
    fault
        Message on an external failure (memory, disk); empty where there was none.
    """

    steps: list[Step] = field(default_factory=list)
    ended: bool = False
    out_of_time: bool = False
    abort: str = ""
    version: str = ""
    fault: str = ""

    @property
    def cut(self) -> bool:
        """Whether the run began and was ended by an external cause."""
        return bool(self.version) and not (self.ended or self.abort or self.out_of_time)


def read_output(lines: Iterable[str]) -> Cp2kRun:
    """Read the standard output of CP2K, complete or not."""
    steps: list[Step] = []
    ended = out_of_time = False
    version, box = "", list[str]()
    scf = Convergence()
    aborting = False
    tables = ChargeTables()
    last = deque[str](maxlen=_LAST_LINES)
    for whole in lines:
        line = short_line(whole)
        last.append(line)
        tables.read(line)
        scf.read(line)
        if (found := energy_of(line)) is not None:
            steps.append(Step(found[1], scf.converged, tables.charges))
            scf.clear()
            tables.clear()
        elif _CLOCK in line:
            out_of_time = True
        elif _END in line:
            ended = True
        elif line.startswith(" CP2K| version string:"):
            version = line.split()[-1]
        if "[ABORT]" in line:
            aborting = True
        if aborting:
            aborting = take_abort(line, box)
    abort, fault = " ".join(box), ""
    if not ended and (cause := find_cause("".join(last)) or find_cause(abort)):
        abort, fault = "", cause[1]
    return Cp2kRun(steps, ended, out_of_time, abort, version, fault)


def take_abort(line: str, box: list[str]) -> bool:
    """Add the text of a line of the box of an error; return whether the box continues."""
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
    # An incomplete block ends it: the place of a block among them is that of its frame.
    blocks = takewhile(lambda block: block.complete, read_blocks(lines))
    return [(block.energy, block.values * HARTREE / BOHR) for block in blocks]
