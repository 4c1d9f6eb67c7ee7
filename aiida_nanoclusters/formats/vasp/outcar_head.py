"""The head of an OUTCAR: the INCAR that VASP 6 repeats, the POTCARs, the list of parameters."""

from __future__ import annotations

import re

from aiida_nanoclusters.formats.limits import check_count, whole_number
from aiida_nanoclusters.formats.vasp.sections import Section, element_of
from aiida_nanoclusters.formats.vasp.tags import Tags, merged, read_incar, read_parameters

_INTERESTING = re.compile(r"POTCAR:|VRHFIN|TITEL|ZVAL|ions per type|NKPTS|INCAR:|LDA\+U|=")
_VALENCE = re.compile(r"POMASS\s*=.*;\s*ZVAL\s*=\s*([\d.]+)")
#: Bytes that an OUTCAR holds at least for each atom: a line of its position and force.
BYTES_OF_ATOM = 30
#: Characters of a line of the head that are looked at.
_LONGEST_LINE = 2000
#: Lines of the longest INCAR that is looked at.
_MOST_LINES = 200_000


class Head:
    """What the head of a run says, line by line."""

    def __init__(self) -> None:
        self.incar: list[str] = []
        self.in_incar = False
        self.parameters: Tags = {}
        self.potcars: list[str] = []
        self.titles: list[str] = []
        self.names: list[str] = []
        self.valences: list[float] = []
        self.all_valences: list[float] = []
        self.ions: list[str] | None = None
        self.in_ions = False
        self.kpoints: int | None = None

        self.is_empty = True

    def read(self, line: str) -> None:
        """Take a line."""
        self.is_empty, line = False, line[:_LONGEST_LINE]
        if self.in_incar and "POTCAR:" not in line:
            if len(self.incar) < _MOST_LINES:
                self.incar.append(line)
        elif self.in_ions and re.fullmatch(r"[ \d]*\d\s*", line):
            self.ions = [*(self.ions or []), *line.split()]  # ten of them stand in a line
        elif not _INTERESTING.search(line):
            self.in_ions = False
        elif " INCAR:" in line:
            self.in_incar = True
        elif "POTCAR:" in line:
            self.in_incar = False
            self.potcars.append(line.partition("POTCAR:")[2].strip())
        elif "VRHFIN" in line:
            self.names.append(line.partition("=")[2].partition(":")[0].strip())
        elif "TITEL" in line:
            self.titles.append(" ".join(line.partition("=")[2].split()))
        elif found := _VALENCE.search(line):
            self.valences.append(float(found[1]))
        elif line.lstrip().startswith("ZVAL") and not self.all_valences:
            words = line.partition("=")[2].split()
            if all(re.fullmatch(r"\d+\.\d*", word) for word in words):
                self.all_valences = [float(word) for word in words]
        elif "ions per type" in line:
            self.in_ions = self.ions is None
            if self.ions is None:
                self.ions = line.partition("ions per type")[2].replace("=", " ").split()
        elif "NKPTS" in line:
            words = line.partition("NKPTS")[2].replace("=", " ").split()
            self.kpoints = int(words[0]) if words and words[0].isdecimal() else None
        else:
            if "LDA+U is selected" in line:
                self.parameters["LDAU"] = True
            for name, value in read_parameters(line).items():
                self.parameters.setdefault(name, value)

    def fill(self, section: Section, size: int) -> None:
        """Write what was found into a run of a file of `size` bytes.

        Raises
        ------
        ValueError
            If its numbers of ions are none, more than the file can hold, or not as many as its
            POTCARs.
        """
        section.tags = merged(read_incar(self.incar), self.parameters)
        section.kpoints = self.kpoints
        section.counts = [whole_number(word, "number of atoms") for word in self.ions or []]
        check_count(sum(section.counts), size, BYTES_OF_ATOM, "atoms")
        kinds = len(section.counts)
        section.elements = self._elements(kinds)
        section.titles = self.titles or sorted(set(self.potcars))
        for valences in (self.valences, self.all_valences):
            if len(valences) == kinds:
                section.valences = valences
                break

    def _elements(self, kinds: int) -> list[str]:
        """Return the element of each kind of ions, of the first list that has as many."""
        doubled = self.potcars[: len(self.potcars) // 2 + len(self.potcars) % 2]
        for titles in (self.titles, [f"x {n}" for n in self.names], self.potcars, doubled):
            elements = [element_of(title) for title in titles]
            if len(elements) == kinds and all(elements):
                return elements
        if kinds:
            raise ValueError(f"it has {kinds} kinds of ions and {len(self.titles)} POTCARs")
        return []
