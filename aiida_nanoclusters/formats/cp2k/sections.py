"""The runs in one output of CP2K, each with all that it says of the sets of positions it computed.

Several runs may be appended in a file. Each is a section: it has its own cell, charge, functional
and trajectories.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.convergence import Convergence, EnergyTerms, energy_of
from aiida_nanoclusters.formats.cp2k.output import take_abort
from aiida_nanoclusters.formats.cp2k.printed_tables import Coordinates, Tables
from aiida_nanoclusters.formats.cp2k.theory import Theory
from aiida_nanoclusters.formats.cp2k.trajectory import number
from aiida_nanoclusters.formats.cp2k.units import length_unit
from aiida_nanoclusters.formats.faults import short_line
from aiida_nanoclusters.science.units import BOHR

Floats = NDArray[np.float64]

#: Lines of the head of a run; one that comes again begins the next run.
_HEADS = ("PROGRAM STARTED AT", "CP2K| version string", "GLOBAL| Project name")
_HEAD = re.compile("|".join(map(re.escape, _HEADS)))
_VALUE = re.compile(
    r"\s*(GLOBAL\| Project name|GLOBAL\| Run type|DFT\| Multiplicity|DFT\| Charge|"
    r"CELL\| Periodicity|POISSON\| Periodicity|MD_PAR\| Ensemble type|MD\| Ensemble Type)"
    r"\s+(\S.*?)\s*$"
)
_VECTOR = re.compile(
    r"\s*CELL\| Vector ([abc]) \[(\w+)\]:\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+\|[abc]\| =\s+(\S+))?"
)
_LENGTHS = re.compile(
    r"\s*(?:MD\| Cell lengths \[(ang|bohr)\]|CELL LNTHS\[(bohr)\]\s+=)\s+(\S+)\s+(\S+)\s+(\S+)\s*$"
)
_ANGLES = re.compile(
    r"\s*(?:MD\| Cell angles \[deg\]|CELL ANGLS\[deg\]\s+=)\s+(\S+)\s+(\S+)\s+(\S+)\s*$"
)
_ELECTRONS = re.compile(r"\s*Number of electrons:\s+(\d{1,9})\s*$")
_SPIN = re.compile(r"\s*Spin ([12])\s*$")
_ATOMS = re.compile(r"\s*(?:Total number of\s+)?- Atoms:\s+(\d{1,12})\s*$")
_AXES = re.compile(r"NONE|(?=[XYZ])X?Y?Z?")


@dataclass
class Evaluation:
    """One energy that a run printed.

    Attributes
    ----------
    line, energy_line
        Lines of the file where its electrons begin, and of its energy.
    program, energy
        Part of CP2K that computed it, such as ``QS``; eV.
    converged, words, words_line, electronic_steps
        As of :class:`Convergence`.
    cell, own_cell
        In Å, (3, 3), None where it is not known; whether it was printed for this very step, else it
        is the one before.
    coordinates
        Printed since the energy before; None where there are none.
    forces
        In eV/Å, (N, 3); None where there are none.
    forces_problem
        What is wrong with the printed forces; empty where nothing is.
    entropic
        As `left_out` of :class:`EnergyTerms`.
    stress
        Whether a stress is printed.
    """

    line: int
    energy_line: int
    program: str
    energy: float
    converged: bool | None
    words: str
    words_line: int
    electronic_steps: int
    cell: Floats | None = None
    own_cell: bool = False
    coordinates: Coordinates | None = None
    forces: Floats | None = None
    forces_problem: str = ""
    entropic: float = 0.0
    stress: bool = False


@dataclass
class Section:
    """One run.

    Attributes
    ----------
    line
        Where it begins in the file, from 1.
    head
        What its head says, by the first words of the line, such as ``DFT| Charge``.
    theory
        Level of theory.
    evaluations
        In order.
    kinds
        Element of each kind of atom.
    electrons, cores, atoms
        Number of electrons by spin (one without spin where they are paired), charge of all cores
        in e, number of atoms; as far as they are printed.
    follows
        Whether the cell is printed after steps, which it changes.
    ended, abort, out_of_time
        As of :class:`~aiida_nanoclusters.formats.cp2k.output.Cp2kRun`.
    """

    line: int
    head: dict[str, str] = field(default_factory=dict)
    theory: Theory = field(default_factory=Theory)
    evaluations: list[Evaluation] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    electrons: dict[str, int] = field(default_factory=dict)
    cores: float | None = None
    atoms: int | None = None
    follows: bool = False
    ended: str = ""
    abort: str = ""
    out_of_time: bool = False

    @property
    def version(self) -> str:
        """Version of CP2K, such as ``2023.1``; empty where it is not told."""
        found = re.search(r"version (\d[\w.-]*)", self.head.get("CP2K| version string", ""))
        return found[1] if found else ""

    @property
    def project(self) -> str:
        """Name of the project; empty where it is not told, as the other two."""
        return self.head.get("GLOBAL| Project name", "")

    @property
    def run_type(self) -> str:
        """Such as ``MD``."""
        return self.head.get("GLOBAL| Run type", "")

    @property
    def ensemble(self) -> str:
        """Of dynamics, such as ``NPT_I``."""
        return self.head.get("MD_PAR| Ensemble type") or self.head.get("MD| Ensemble Type", "")

    @property
    def charge(self) -> float | None:
        """Total charge in e: as printed, or that of the cores less the electrons."""
        printed = number(self.head.get("DFT| Charge", ""))
        if np.isfinite(printed):
            return printed
        if self.cores is None or not self.electrons:
            return None
        if len(self.electrons) > 1 and set(self.electrons) != {"1", "2"}:
            return None
        return float(round(self.cores - sum(self.electrons.values()), 6))

    @property
    def multiplicity(self) -> int | None:
        """Spin multiplicity as printed, or that of the electrons of each spin."""
        printed = number(self.head.get("DFT| Multiplicity", ""))
        if printed >= 1 and printed == round(printed):
            return int(printed)
        if set(self.electrons) == {"1", "2"}:
            return abs(self.electrons["1"] - self.electrons["2"]) + 1
        return None

    @property
    def periodic(self) -> tuple[bool, bool, bool] | None:
        """Periodic directions; None where they are not told."""
        for key in ("CELL| Periodicity", "POISSON| Periodicity"):
            axes = self.head.get(key, "")
            if axes and _AXES.fullmatch(axes):
                axes = axes.replace("NONE", "")
                return "X" in axes, "Y" in axes, "Z" in axes
        return None


def read_sections(lines: Iterable[str]) -> list[Section]:
    """Read all runs in an output, complete or not."""
    return [reader.section for reader in _split(lines) if reader.told]


def _split(lines: Iterable[str]) -> Iterator[_Reader]:
    reader, previous = _Reader(1), ""
    for place, whole in enumerate(lines, 1):
        line = short_line(whole)
        found = _HEAD.search(line)
        head = found[0] if found else ""
        if head and line != previous:
            seen = reader.section.head
            if head in seen or reader.section.evaluations or reader.section.ended:
                yield reader
                reader = _Reader(place)
            reader.section.head[head] = line.partition(head)[2].strip(" :\n\r")
        reader.read(line, place)
        previous = line
    yield reader


class _Reader:
    """Reads the lines of one run."""

    def __init__(self, line: int) -> None:
        self.section = Section(line)
        self._scf, self._terms = Convergence(), EnergyTerms()
        self._tables = Tables()
        self._begin, self._spin = 0, ""
        self._cell: Floats | None = None
        self._vectors: dict[str, Floats] = {}
        self._is_new = False
        self._moved: Evaluation | None = None
        self._box: list[str] = []
        self._aborting = False

    @property
    def told(self) -> bool:
        """Whether anything was read of a run."""
        return bool(self.section.head or self.section.evaluations or self._box)

    def read(self, line: str, place: int) -> None:
        """Read one line."""
        section = self.section
        if "SCF WAVEFUNCTION OPTIMIZATION" in line:
            self._begin = place
        self._scf.read(line, place)
        self._terms.read(line)
        if (found := energy_of(line)) is not None:
            self._add(found, place)
        elif "|" in line:
            self._read_tagged(line)
        elif "Spin" in line and (found_ := _SPIN.match(line)):
            self._spin = found_[1]
        elif "of electrons:" in line and (found_ := _ELECTRONS.match(line)):
            if not section.evaluations:
                section.electrons[self._spin] = int(found_[1])
            self._spin = ""
        elif section.atoms is None and (found_ := _ATOMS.match(line)):
            section.atoms = int(found_[1])
        elif "exceeded requested execution time" in line:
            section.out_of_time = True
        elif "PROGRAM ENDED AT" in line:
            section.ended = line.partition("PROGRAM ENDED AT")[2].strip() or "?"
        elif "LNTHS" in line or "ANGLS" in line:
            self._read_motion(line)
        section.theory.read(line)
        self._tables.read(line, place)
        if self._tables.done:
            self._take_table()
        if "[ABORT]" in line:
            self._aborting = True
        if self._aborting:
            self._aborting = take_abort(line, self._box)
            section.abort = " ".join(self._box)

    def _add(self, found: tuple[str, float], place: int) -> None:
        section, scf = self.section, self._scf
        section.evaluations.append(
            Evaluation(
                min(self._begin or place, place), place, *found, scf.converged, scf.words, scf.line,
                scf.steps, self._cell, self._is_new or not section.evaluations,
                self._tables.coordinates, entropic=self._terms.left_out,
            )
        )  # fmt: skip
        self._begin, self._is_new, self._tables.coordinates = 0, False, None
        scf.clear()
        self._terms.clear()

    def _read_tagged(self, line: str) -> None:
        if found := _VALUE.match(line):
            key = found[1]
            if not (self.section.evaluations and key.startswith(("CELL|", "POISSON|"))):
                self.section.head[key] = found[2]
        elif found := _VECTOR.match(line):
            self._read_vector(found)
        elif line.lstrip().startswith("MD| Cell"):
            self._read_motion(line)
        elif line.lstrip().startswith("STRESS|") and self.section.evaluations:
            self.section.evaluations[-1].stress = True

    def _read_vector(self, found: re.Match[str]) -> None:
        """Take a vector of the cell; from version 8 its length has more places than its parts."""
        unit = length_unit(found[2])
        vector = np.array([number(found[k]) for k in (3, 4, 5)])
        length = number(found[6] or "")
        norm = float(np.linalg.norm(vector))
        if found[1] == "a":
            self._vectors = {}
        if norm > 0 and abs(length - norm) < 2e-3 and len(found[6].partition(".")[2]) > 3:
            vector = vector * length / norm
        self._vectors[found[1]] = vector * (unit if unit is not None else float("nan"))
        if found[1] == "c" and len(self._vectors) > 1:  # else a line that comes twice
            cell = np.array(list(self._vectors.values()))
            known = list(self._vectors) == ["a", "b", "c"] and np.isfinite(cell).all()
            self._cell, self._is_new, self._vectors = (cell if known else None), True, {}

    def _read_motion(self, line: str) -> None:
        """Take lengths and angles of the cell, printed after each step of dynamics that change it.

        Its directions are not printed; they are those it had as long as its angles do not change.
        """
        if not self.section.evaluations[1:] or self._cell is None:
            return  # the first step has the cell of the input
        last = self.section.evaluations[-1]
        if last is not self._moved and (found := _LENGTHS.match(line)):
            if found[1] == "ang" or found[2]:
                unit = 1.0 if found[1] == "ang" else BOHR
                lengths = unit * np.array([number(found[k]) for k in (3, 4, 5)])
                norms = np.linalg.norm(self._cell, axis=1)
                if np.isfinite(lengths).all():
                    self._moved = last
                    last.cell = self._cell * (lengths / norms)[:, None]
                    last.own_cell = self.section.follows = True
        elif (found := _ANGLES.match(line)) and last.cell is not None:
            angles = np.array([number(found[k]) for k in (1, 2, 3)])
            unit_vectors = self._cell / np.linalg.norm(self._cell, axis=1)[:, None]
            cosines = [unit_vectors[i] @ unit_vectors[j] for i, j in ((1, 2), (0, 2), (0, 1))]
            if not np.allclose(np.cos(np.radians(angles)), cosines, atol=5e-5):
                last.cell = None

    def _take_table(self) -> None:
        section, tables = self.section, self._tables
        if tables.forces is not None and section.evaluations:
            last = section.evaluations[-1]
            last.forces, last.forces_problem = tables.forces.values, tables.forces.problem
        elif tables.coordinates is not None:
            found = tables.coordinates
            section.kinds.update(
                {name: found.elements[k] for k, name in tables.kind_names.items()
                 if k in found.elements}
            )  # fmt: skip
            if not found.problem and section.atoms in (None, len(found.symbols)):
                section.cores = section.cores if section.cores is not None else found.cores
        tables.taken()
