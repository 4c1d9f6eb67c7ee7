"""Tables of coordinates and forces in the output of CP2K, in the units they are printed in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.trajectory import number
from aiida_nanoclusters.formats.cp2k.units import force_unit, length_unit

Floats = NDArray[np.float64]

_COORDINATES = re.compile(r"\s*MODULE (\w+):\s+ATOMIC COORDINATES IN\s+(\S+)\s*$", re.IGNORECASE)
_FORCES = re.compile(r"\s*ATOMIC FORCES in \[([^\]]{1,40})\]\s*$")
#: From 2025; there are others of the same form, such as of the shells of atoms.
_NEW_FORCES = re.compile(r"\s*FORCES\| (\w[\w ]{0,30}) forces \[([^\]]{1,40})\]\s*$")
_KIND = re.compile(r"^\s+(\d{1,6})\. Atomic kind: (\S+)")
#: Number, kind, element, atomic number, coordinates, charge of the core, mass.
_ATOM = re.compile(
    r"\s*(\d{1,9})\s+(\d{1,6})\s+([A-Z][a-z]?)\s+(\d{1,3})\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)"
)
_FORCE = re.compile(r"\s*(\d{1,9})\s+\d{1,6}\s+[A-Z][a-z]?\s+(\S+)\s+(\S+)\s+(\S+)\s*$")
_NEW_FORCE = re.compile(r"\s*FORCES\|\s+(\d{1,9})\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+\S+)?\s*$")


@dataclass
class Coordinates:
    """A table of coordinates.

    Attributes
    ----------
    line
        Where it begins in the file.
    symbols, values
        Elements, and positions in Å, (N, 3).
    cores
        Sum of the charges of the cores in e.
    elements
        Element of each kind by its number.
    problem
        What is wrong with it; empty where nothing is.
    """

    line: int
    symbols: list[str]
    values: Floats
    cores: float
    elements: dict[int, str]
    problem: str = ""


@dataclass
class PrintedForces:
    """A table of forces in eV/Å, (N, 3), or what is wrong with it."""

    values: Floats
    problem: str = ""


@dataclass
class Tables:
    """The tables of an output, line by line.

    Attributes
    ----------
    coordinates, forces
        The last complete ones.
    kind_names
        Name of each kind by its number.
    done
        Whether a table was completed with the last line.
    """

    coordinates: Coordinates | None = None
    forces: PrintedForces | None = None
    kind_names: dict[int, str] = field(default_factory=dict)
    done: bool = False
    _kind: str = ""
    _unit: float | None = None
    _unit_name: str = ""
    _line: int = 0
    _rows: list[tuple[str, ...]] = field(default_factory=list)

    def taken(self) -> None:
        """Forget the forces; coordinates stay, until the next energy is theirs."""
        self.forces, self.done = None, False

    def read(self, line: str, place: int) -> None:
        """Read one line of the output, the `place`-th."""
        if "ATOMIC COORDINATES IN" in line and (found := _COORDINATES.match(line)):
            self._begin("coordinates", found[2], place)
        elif "ATOMIC FORCES in" in line and (found := _FORCES.match(line)):
            self._begin("forces", found[1], place)
        elif "forces [" in line and (found := _NEW_FORCES.match(line)):
            if found[1] == "Atomic":
                self._begin("new forces", found[2], place)
        elif "Atomic kind:" in line and (found := _KIND.match(line)):
            self.kind_names[int(found[1])] = found[2]
        elif self._kind:
            self._read_row(line)

    def _begin(self, kind: str, unit: str, place: int) -> None:
        convert = length_unit if kind == "coordinates" else force_unit
        self._kind, self._unit, self._unit_name = kind, convert(unit), unit
        self._line, self._rows = place, []

    def _read_row(self, line: str) -> None:
        pattern = {"coordinates": _ATOM, "forces": _FORCE, "new forces": _NEW_FORCE}[self._kind]
        if found := pattern.match(line):
            if line.endswith("\n"):  # else it may be cut within a number
                self._rows.append(found.groups())
        elif self._rows or "SUM OF" in line:
            self._finish()
        # Before the first row are titles and empty lines.

    def _finish(self) -> None:
        rows = self._rows
        numbers = [int(row[0]) for row in rows]
        problem = ""
        if numbers != list(range(1, len(rows) + 1)):
            bad = next(k for k, n in enumerate(numbers, 1) if n != k)
            problem = f"its row {bad} is that of atom {numbers[bad - 1]}"
        elif self._unit is None:
            problem = f"its unit `{self._unit_name}` is not known"
        place = 4 if self._kind == "coordinates" else 1
        values = np.array([[number(x) for x in row[place : place + 3]] for row in rows])
        values = values.reshape(-1, 3)
        if not problem and not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            words = " ".join(rows[bad][place : place + 3])
            problem = f"`{words[:80]}` of atom {bad + 1} are no numbers"
        if problem:
            problem = f"{problem} (table of line {self._line})"
        values = values * (self._unit if self._unit is not None else 1.0)
        if self._kind == "coordinates":
            cores = sum(number(row[7]) for row in rows)
            elements = {int(row[1]): row[2] for row in rows}
            symbols = [row[2] for row in rows]
            self.coordinates = Coordinates(self._line, symbols, values, cores, elements, problem)
        else:
            self.forces = PrintedForces(values, problem)
        self._kind, self.done = "", True
