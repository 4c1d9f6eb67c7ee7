"""Runs and ionic steps of a vasprun.xml, each ionic step parsed by itself.

One damaged element costs the ionic step that it is in; in the head, tags and tables are found by
their form, since VASP writes the title of a run as it is, also where that is no XML.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from ase.units import GPa

from aiida_nanoclusters.formats.limits import decimal_number
from aiida_nanoclusters.formats.vasp.outcar_scan import LONGEST_LINE
from aiida_nanoclusters.formats.vasp.sections import (
    Floats,
    IonicStep,
    Section,
    element_of,
    read_rows,
)
from aiida_nanoclusters.formats.vasp.tags import Tags, merged, read_value

_BORDER = re.compile(
    r"(<\?xml\b|<modeling>|</modeling>|<calculation\b[^<>]*>|</calculation>"
    r"|</?(?:eigenvalues|dos|projected|dielectricfunction)\b[^<>]*>)"
)
#: Large parts of a step that hold no label.
_SKIPPED = ("<eigenvalues", "<dos", "<projected", "<dielectricfunction")
#: Ionic steps that are no XML in a file that is damaged here and there: number, and part of all.
_MOST_BROKEN, _BROKEN_PART = 4, 0.1
#: Characters that XML may not hold.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_TAG = re.compile(r'<[iv]\b[^<>]{0,99}\bname="([A-Za-z0-9_]{1,99})"[^<>]{0,99}>([^<]*)</[iv]>')
_ROW = re.compile(r"<rc>((?:\s*<c>[^<]*</c>)+)\s*</rc>")
_COLUMN = re.compile(r"<c>([^<]*)</c>")
_VERSION = re.compile(r'name="version"[^<>]{0,99}>\s{0,99}(\d{1,4})\.(\d{1,4})')


def scan_xml(path: Path) -> list[Section]:
    """Return the runs in a vasprun.xml that is not compressed.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    scan = _Scan()
    with path.open(encoding="utf-8", errors="replace") as handle:
        number = 0
        while line := handle.readline(LONGEST_LINE):
            number += 1
            for piece in _BORDER.split(_CONTROL.sub(" ", line)):
                if piece:
                    scan.read(piece, number)
    return scan.finish()


class _Scan:
    """State of the reading."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.head: list[str] | None = []
        self.begun: int | None = None  # line where the ionic step begins that is read
        self.parts: list[str] = []
        self.skipping = ""
        self.loose = 0  # line of content of a step whose beginning is not there

    def read(self, piece: str, line: int) -> None:
        """Take the next piece: a border, or what is between two."""
        if piece.startswith(("<?xml", "<modeling")):
            self._begin(line)
        elif piece.startswith("<calculation"):
            self._close_cut()
            self._section(line)
            self._close_head()
            self.begun, self.parts, self.skipping = line, [], ""
        elif piece == "</calculation>":
            self._close_step(line)
        elif piece == "</modeling>":
            self._close_cut()
            self._section(line).ended = True
        elif self.skipping:
            if piece.startswith(f"</{self.skipping}"):
                self.skipping = ""
        elif piece.startswith(_SKIPPED):
            self.skipping = piece.strip("</>").split()[0]
        elif self.begun is not None:
            self.parts.append(piece)
        elif self.head is not None:
            self._section(line)
            self.head.append(piece)
        elif re.search("<structure *>", piece) and not self.loose:
            self.sections[-1].steps.append(IonicStep(line, predicted=True))
        elif "<scstep" in piece and not self.loose:
            self.loose = line

    def finish(self) -> list[Section]:
        """Return the runs, at the end of the file."""
        self._close_head()
        for section in self.sections:
            _refuse_interleaved(section)
        return [s for s in self.sections if s.steps or s.counts or s.ended]

    def _section(self, line: int) -> Section:
        if not self.sections:
            self.sections.append(Section(line))
        return self.sections[-1]

    def _begin(self, line: int) -> None:
        section = self._section(line)
        if section.steps or section.ended or self.begun is not None:
            self._close_cut()
            self._close_head()
            self.sections.append(Section(line))
            self.head = []

    def _close_head(self) -> None:
        if self.head is not None and self.sections:
            _read_head("".join(self.head), self.sections[-1])
        self.head = None

    def _close_cut(self) -> None:
        """Add a step that ends without its end; more of the file follows."""
        if self.begun is not None and any(part.strip() for part in self.parts):
            step = IonicStep(self.begun, faults=["its end (</calculation>) is not in the file"])
            self.sections[-1].steps.append(step)
        self.begun, self.loose, self.skipping = None, 0, ""

    def _close_step(self, line: int) -> None:
        section = self._section(line)
        if self.begun is None:
            fault = "its beginning (<calculation>) is not in the file"
            if self.head is not None or self.loose:
                section.steps.append(IonicStep(self.loose or line, faults=[fault]))
            self._close_head()
        else:
            section.steps.append(_read_step("".join(self.parts), self.begun))
        self.begun, self.parts, self.skipping, self.loose = None, [], "", 0


def _refuse_interleaved(section: Section) -> None:
    """Refuse a file that several images of an elastic band wrote at once: parts may be mixed."""
    broken = sum(bool(step.faults) and step.cell is None for step in section.steps)
    if broken >= _MOST_BROKEN and broken > _BROKEN_PART * len(section.steps):
        section.problem = (
            f"{broken} of {len(section.steps)} ionic steps are no XML: several images or processes "
            "wrote this file at once"
        )


def _read_head(text: str, section: Section) -> None:
    incar, _, rest = text.partition("</incar>")
    if not rest:
        incar, rest = "", text
    section.tags = merged(_tags(incar), _tags(rest))
    if "ENMAX" in section.tags:
        section.tags.setdefault("ENCUT", section.tags["ENMAX"])
    version = _VERSION.search(text)
    section.version = (int(version[1]), int(version[2])) if version else (0, 0)
    _, listed, points = text.partition('<varray name="kpointlist"')
    section.kpoints = points.partition("</varray>")[0].count("<v>") if listed else None
    rows = [_COLUMN.findall(row[1]) for row in _ROW.finditer(rest)]
    kinds = [row for row in rows if len(row) == 5]
    try:
        section.counts = [int(row[0]) for row in kinds]
        section.valences = [float(row[3]) for row in kinds]
    except ValueError:
        section.counts = []
    section.titles = [" ".join(row[4].split()) for row in kinds]
    section.elements = [_element(row) for row in kinds]
    atoms = [row[0].strip() for row in rows if len(row) == 2]
    if not section.counts or not all(section.elements):
        section.problem = "the atoms (atominfo) are not told"
    elif len(atoms) != sum(section.counts):
        section.problem = f"{len(atoms)} atoms (atominfo) of {sum(section.counts)}"
    else:
        named = zip(kinds, section.counts, strict=True)
        if atoms != [row[1].strip() for row, count in named for _ in range(count)]:
            section.problem = "the list of atoms (atominfo) is not that of their kinds"
    if section.problem:
        section.counts = []


def _element(row: list[str]) -> str:
    """Return the element of a kind of atoms: VASP cuts some symbols that the POTCAR has whole."""
    written, titled = element_of(row[1]), element_of(row[4])
    return written if len(row[1].strip()) == 2 else titled or written


def _tags(text: str) -> Tags:
    """Return the tags of a part of the head; of one that is there twice the first."""
    tags: Tags = {}
    for found in _TAG.finditer(text):
        tags.setdefault(found[1].upper(), read_value(found[2]))
    return tags


def _read_step(text: str, line: int) -> IonicStep:
    step = IonicStep(line)
    try:
        root = ElementTree.fromstring(f"<calculation>{text}</calculation>")
    except ElementTree.ParseError as error:
        place = line + error.position[0] - 1
        step.faults.append(f"line {place} is no XML: {str(error).partition(':')[0]}")
        return step
    step.cell = _array(root, "structure/crystal/varray[@name='basis']", step, "lattice vectors")
    places = _array(root, "structure/varray[@name='positions']", step, "positions")
    step.forces = _array(root, "varray[@name='forces']", step, "forces")
    stress = _array(root, "varray[@name='stress']", step, "stress")
    if step.cell is not None and step.cell.shape != (3, 3):
        step.faults.append(f"{len(step.cell)} lattice vectors")
        step.cell = None
    if stress is not None and stress.shape != (3, 3):
        step.faults.append(f"{len(stress)} rows of the stress")
    elif stress is not None:
        step.stress = -0.1 * GPa * stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    if places is not None and step.cell is not None:
        with np.errstate(invalid="ignore", over="ignore"):  # numbers beyond all use are told later
            step.positions = places @ step.cell
    _read_energies(root, step)
    return step


def _array(root: ElementTree.Element, path: str, step: IonicStep, what: str) -> Floats | None:
    """Return a table of three columns; None where it is not there, or not to be read."""
    found = root.findall(path)
    if not found:
        return None
    if len(found) > 1:
        step.faults.append(f"{len(found)} tables of {what}")
        return None
    values, fault = read_rows([row.text or "" for row in found[0].findall("v")], 3, what)
    if fault:
        step.faults.append(fault)
    return values


def _read_energies(root: ElementTree.Element, step: IonicStep) -> None:
    """Read the energy: the last one, with the extrapolation of the self-consistent field.

    In the last one VASP 5 writes the entropy where the extrapolated energy should be, and in the
    self-consistent field it leaves out the dispersion.
    """
    # What stands after the structure is linear response.
    children = list(root)
    end = next((i for i, child in enumerate(children) if child.tag == "structure"), len(children))
    fields = [child for child in children[:end] if child.tag == "scstep"]
    step.iterations = len(fields)
    free = [_energy(scf, "e_fr_energy", step) for scf in fields[-2:]]
    total = _energy(root, "e_fr_energy", step)
    if not fields:
        step.predicted = total is not None
        return
    if len(free) == 2 and free[0] is not None and free[1] is not None:
        step.change = free[1] - free[0]
    smeared = _energy(fields[-1], "e_0_energy", step)
    if total is not None and smeared is not None and free[-1] is not None:
        step.energy = total + (smeared - free[-1])
        step.added = total - free[-1]


def _energy(root: ElementTree.Element, name: str, step: IonicStep) -> float | None:
    found = root.find(f"energy/i[@name='{name}']")
    if found is None:
        return None
    energy = decimal_number(found.text or "")
    if energy is None:
        step.faults.append(f"`{(found.text or '').strip()[:20]}` in place of an energy")
    return energy
