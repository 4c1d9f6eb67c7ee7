"""Runs and ionic steps of an OUTCAR, line by line: of VASP 4.6 to 6.4, also several in one file.

One damaged line costs the ionic step that it is in. A step begins with its first electronic
iteration; its energy stands after its forces (VASP 5 and 6) or before them (VASP 4.6 to 5.2). What
the machine-learned force field prints (VASP 6), and linear response after the energy, is no part of
it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from ase.units import GPa

from aiida_nanoclusters.formats.limits import decimal_number
from aiida_nanoclusters.formats.vasp.outcar_head import BYTES_OF_ATOM, Head
from aiida_nanoclusters.formats.vasp.sections import Floats, IonicStep, Section, read_rows

#: Characters of a line that are looked at together.
LONGEST_LINE = 1_000_000
#: Characters of a row of numbers.
_LONGEST_ROW = 500
#: Lines that change what is being read.
_MARK = re.compile(
    r"^ vasp\.\d|^ INCAR:|POTCAR:|Iteration|aborting loop|hard stop encountered|TOTAL-FORCE"
    r"|direct lattice vectors|^  in kB|FREE ENERGIE OF|energy  ?without|free energy    TOTEN"
    r"| ML FORCE| ML energy|magnetization |General timing and accounting"
    r"|IVDW +=|Edisp|^ Linear response .*progress"
)
_OF_NUMBERS = " .-+0123456789\n"
_ITERATION = re.compile(r"Iteration\s*(\d{1,9}|\*+)\(\s*(\d{1,9}|\*+)\)")
_ENERGY = re.compile(r"energy\(sigma->0\)\s*=\s*(\S+)")
_TOTEN = re.compile(r"free energy    TOTEN\s*=\s*(\S+)")
_MOMENT = re.compile(r"magnetization\s+(\S+)(\s+\S+\s+\S+)?\s*$")
#: A component of a vector of the cell, of which neighbours may touch.
_COMPONENT = re.compile(r"-?\d+\.\d{9}")
#: A component of the stress, likewise.
_STRESS = re.compile(r"-?\d*\.\d{5}|\S*\*+\S*|\S*[nN]a[nN]")
_UNTOLD = "the numbers of ions and their kinds are not told"
_VERSION = re.compile(r"^ vasp\.(\d+)\.(\d+)")


def scan_outcar(path: Path) -> list[Section]:
    """Return the runs in an OUTCAR that is not compressed.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    scan = _Scan(path.stat().st_size)
    with path.open(encoding="utf-8", errors="replace") as handle:
        number = 0
        while line := handle.readline(LONGEST_LINE):
            if line.endswith("\n"):  # a number may be cut in a line that has no end
                number += 1
                scan.read(line, number)
    return scan.finish()


class _Scan:
    """State of the reading.

    Parameters
    ----------
    size
        Bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.sections: list[Section] = []
        self.head: Head | None = None  # while no ionic step of the run has begun
        self.step: IonicStep | None = None  # the one that is not complete
        self.prediction: IonicStep | None = None
        self.in_prediction = False
        self.in_response = False
        self.table: list[str] | None = None
        self.cell: tuple[int, list[str]] | None = None
        self.fixed_cell: Floats | None = None
        self.energy_follows = False
        self.last_energy: float | None = None
        self.totals = 0  # energies of electronic iterations
        self.columns = 6

    def read(self, line: str, number: int) -> None:
        """Take the next line."""
        if not self.sections:
            self._begin(number)
        if self.table is not None and self._read_table(line):
            return
        if self.cell is not None:
            self._read_cell(line)
            return
        if self.head is not None:
            self.head.read(line)
        if not line.strip(_OF_NUMBERS):  # most lines: a row of some table
            return
        found = _MARK.search(line)
        if found:
            self._read_mark(found[0], line, number)

    def finish(self) -> list[Section]:
        """Return the runs, at the end of the file."""
        self._end_run(cut=True)
        known = (s for s in self.sections if s.problem != _UNTOLD or s.steps or s.ended)
        return [s for s in known if s.steps or s.counts or s.ended or s.problem]

    def _begin(self, line: int) -> None:
        """Begin another run."""
        self._end_run(cut=True)
        self.sections.append(Section(line, speaks=True))
        self.head, self.fixed_cell = Head(), None

    def _end_run(self, cut: bool) -> None:
        self._close_step(cut)
        self._close_head()
        if self.prediction is not None:
            self.sections[-1].steps.append(self.prediction)
        self.prediction, self.in_prediction, self.in_response = None, False, False

    def _close_head(self) -> None:
        section, head, self.head = self.sections[-1] if self.sections else None, self.head, None
        if section is None or head is None:
            return
        try:
            head.fill(section, self.size)
            if not section.counts:
                section.problem = _UNTOLD
        except ValueError as error:
            section.counts, section.problem = [], str(error)

    def _read_mark(self, mark: str, line: str, number: int) -> None:
        if mark in (" INCAR:", "POTCAR:") or mark.startswith(" vasp."):
            section = self.sections[-1]
            if section.steps or section.ended or self.head is None:
                self._begin(number)
            if self.head is not None and self.head.is_empty:  # it began in this line
                self.head.read(line)
            if found := _VERSION.search(line):
                self.sections[-1].version = (int(found[1][:4]), int(found[2][:4]))
        elif mark == "Iteration":
            self._read_iteration(line, number)
        elif mark.startswith("General"):
            section = self.sections[-1]
            self._end_run(cut=False)
            section.ended = True
        elif "ML" in mark:
            self._read_prediction(mark, number)
        elif mark == "direct lattice vectors":
            self.cell = (3, [])
        elif mark.startswith(" Linear"):
            self.in_response = True
        elif mark.startswith(("IVDW", "Edisp")):
            self._read_dispersion(mark, line, number)
        elif mark == "TOTAL-FORCE":
            self._begin_table(line, number)
        elif not self.in_prediction:
            self._read_electronic(mark, line, number)

    def _read_iteration(self, line: str, number: int) -> None:
        found = _ITERATION.search(line[:_LONGEST_ROW])
        if found is None or self.in_response:
            return
        ionic = int(found[1]) if found[1].isdigit() else None
        iteration = int(found[2]) if found[2].isdigit() else 0
        section, step = self.sections[-1], self.step
        self.in_prediction = False
        if step is None or step.number != ionic or (ionic is None and iteration < step.iterations):
            before = step or (section.steps[-1] if section.steps else None)
            known = None if before is None else before.number
            if section.ended:
                self._begin(number)
            elif ionic is not None and known is not None and ionic < known:
                return  # of no ionic step: what follows, if anything, has none
            elif before is not None and section.tags.get("LCHIMAG") is True:
                return  # response to a magnetic field
            self._close_step()
            self._close_head()
            step = self.step = IonicStep(number, ionic)
            self.prediction, self.last_energy, self.totals = None, None, 0
        if step.energy is None:
            step.iterations = max(step.iterations, iteration)
            step.magnetisation = None

    def _read_dispersion(self, mark: str, line: str, number: int) -> None:
        """Read the kind of a dispersion correction, which VASP 5 tells in the ionic steps only."""
        tags = self.sections[-1].tags
        if self.head is None and mark == "Edisp":
            tags["EDISP"] = True
        elif self.head is None and not tags.get("IVDW"):
            words = line.partition("=")[2].split()
            if words and words[0].isdecimal():
                tags["IVDW"] = int(words[0])

    def _read_electronic(self, mark: str, line: str, number: int) -> None:
        if mark == "aborting loop" and self.in_response:
            self.in_response = False
        elif mark.startswith("FREE ENERGIE"):
            self._require_step(number, lambda step: step.energy)
            self.energy_follows = True
        elif self.step is None:
            return
        elif mark.startswith("  in kB"):
            self._read_stress(self.step, line)
        elif self.energy_follows and (found := _ENERGY.search(line)):
            self.step.energy = decimal_number(found[1])
            if self.step.energy is None:
                self.step.faults.append(f"line {number}: the energy is `{found[1][:20]}`")
            self.energy_follows = False
        elif self.step.energy is None:
            self._read_iterations(self.step, mark, line)

    def _read_iterations(self, step: IonicStep, mark: str, line: str) -> None:
        """Read what VASP says of the self-consistent field, before the energy."""
        if mark == "aborting loop":
            step.verdict = " ".join(line.strip(" -\n").split())
        elif mark.startswith("hard stop"):
            step.verdict = step.verdict or "hard stop encountered"
        elif mark.startswith("free energy"):
            found = _TOTEN.search(line)
            energy = decimal_number(found[1]) if found else None
            self.totals += 1
            step.iterations = max(step.iterations, self.totals)
            if energy is not None:
                step.change = None if self.last_energy is None else energy - self.last_energy
                self.last_energy = energy
        elif mark.startswith("magnetization") and "number of electron" in line:
            found = _MOMENT.search(line[:_LONGEST_ROW])
            if found:
                step.magnetisation = np.nan if found[2] else decimal_number(found[1])

    def _read_stress(self, step: IonicStep, line: str) -> None:
        if step.stress is not None:
            return
        components = line[:_LONGEST_ROW].partition("in kB")[2]
        if len(components.split()) != 6:
            components = " ".join(_STRESS.findall(components))
        rows, fault = read_rows([components], 6, "stress")
        if rows is None:
            step.faults.append(fault)
        else:
            step.stress = -0.1 * GPa * rows[0, [0, 1, 2, 4, 5, 3]]

    def _read_prediction(self, mark: str, number: int) -> None:
        """Read the marks of a block of the machine-learned force field, of which none is a label.

        A block that is followed by electronic iterations is the prediction for the same positions.
        """
        if "FORCE" in mark:
            self.in_prediction = True
        elif "energy" in mark:
            self.in_prediction = False
            section = self.sections[-1]
            self._close_step()
            if self.prediction is not None:
                section.steps.append(self.prediction)
            self.prediction = IonicStep(number, predicted=True)

    def _require_step(self, number: int, has: Callable[[IonicStep], object]) -> None:
        """Make a step for what belongs to none: its electronic iterations are not there."""
        if self.step is not None and has(self.step) is not None:
            self._close_step()
        if self.step is None:
            self._close_head()
            self.step = IonicStep(number)
            self.step.faults.append("its electronic iterations are not in the file")

    def _begin_table(self, line: str, number: int) -> None:
        if "POSITION" not in line or "(ML)" in line or self.in_prediction:
            return
        self._require_step(number, lambda step: step.forces)
        self.columns = 9 if "FORCE-w/o" in line else 6
        self.table = []

    def _read_table(self, line: str) -> bool:
        """Take a line of positions and forces; False where it ends the table and is more."""
        assert self.table is not None and self.step is not None
        if line.lstrip().startswith("-----") and "Iteration" not in line and "abort" not in line:
            if self.table:
                self._close_table()
            return True
        if _MARK.search(line) or len(self.table) > self.size // BYTES_OF_ATOM:
            self.step.faults.append("the table of positions and forces has no end")
            self.table = None
            return False
        self.table.append(line)
        return True

    def _close_table(self) -> None:
        assert self.table is not None and self.step is not None
        rows = [" ".join(row.split()[:6]) for row in self.table]
        if any(len(row.split()) != self.columns for row in self.table):
            rows = self.table
        values, fault = read_rows(rows, 6, "table of positions and forces")
        self.table = None
        if values is None:
            self.step.faults.append(fault)
            return
        self.step.positions, self.step.forces = values[:, :3].copy(), values[:, 3:].copy()

    def _read_cell(self, line: str) -> None:
        assert self.cell is not None
        left, rows = self.cell
        rows.append(line)
        self.cell = (left - 1, rows) if left > 1 else None
        if self.cell is not None or self.in_prediction:
            return
        cell = _cell(rows)
        if self.step is not None and self.step.cell is None:
            self.step.cell = cell
            if cell is None:
                self.step.faults.append("its lattice vectors cannot be read")
        elif self.step is None and self.head is not None:
            self.fixed_cell = cell

    def _close_step(self, cut: bool = False) -> None:
        """Add the step to its run; one that the end of the file cut off is none."""
        self.table, self.cell, self.energy_follows = None, None, False
        step, self.step = self.step, None
        if step is None or (cut and (step.energy is None or step.forces is None)):
            return
        section = self.sections[-1]
        if step.cell is None and section.tags.get("ISIF") in (0, 1, 2):
            step.cell = self.fixed_cell
        section.steps.append(step)


def _cell(rows: Iterable[str]) -> Floats | None:
    """Return lattice vectors, checked by the reciprocal ones that stand beside them."""
    values = [_COMPONENT.findall(row[:_LONGEST_ROW]) for row in rows]
    if any(len(row) != 6 for row in values):
        return None
    both = np.array(values, dtype=np.float64)
    cell, reciprocal = both[:, :3], both[:, 3:]
    product = cell @ reciprocal.T
    # Nine decimals of vectors, the longer ones of some hundred Å.
    return cell.copy() if np.abs(product - np.eye(3)).max() < 1e-4 else None
