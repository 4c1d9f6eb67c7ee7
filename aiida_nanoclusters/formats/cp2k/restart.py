"""Restart files of CP2K, which hold the whole input: what an output with few words leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from glob import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.theory import SEMI_EMPIRICAL, Theory
from aiida_nanoclusters.formats.cp2k.trajectory import number

#: Bytes of a restart file, and how many of a run are looked at.
_LARGEST, _MOST = 100_000_000, 200
_DATE = re.compile(r"#\s*current date\s+(\S+ \S+)")
_KINDS_OF_GFN = {"0": "GFN0-xTB", "1": "GFN1-xTB", "2": "GFN2-xTB"}
#: Rows of these are no keywords.
_TABLES = ("COORD", "VELOCITY", "FORCE", "MASS", "POTENTIAL", "BASIS", "RNG_INIT")


@dataclass(frozen=True)
class Restart:
    """The input of a run with the values of one of its steps.

    Attributes
    ----------
    path, date
        The file, and when it was written.
    keywords
        Values by section and keyword, such as ``FORCE_EVAL/DFT/CHARGE``; the parameter of a section
        by the section alone.
    elements
        Element of each kind that is named otherwise.
    theory
        Level of theory.
    atoms
        Number of atoms.
    """

    path: Path
    date: datetime
    keywords: dict[str, str]
    elements: dict[str, str] = field(default_factory=dict)
    theory: Theory = field(default_factory=Theory)
    atoms: int = 0

    @property
    def cell(self) -> NDArray[np.float64] | None:
        """Cell in Å, (3, 3)."""
        rows = [self.keywords.get(f"FORCE_EVAL/SUBSYS/CELL/{axis}", "").split() for axis in "ABC"]
        if any(len(row) != 3 for row in rows):
            return None
        cell = np.array([[number(word) for word in row] for row in rows])
        return cell if np.isfinite(cell).all() else None

    @property
    def periodic(self) -> str:
        """Periodic directions, such as ``XYZ`` or ``NONE``."""
        return self.keywords.get("FORCE_EVAL/SUBSYS/CELL/PERIODIC", "")

    def whole_number(self, keyword: str, default: int) -> int | None:
        """Return a whole number of the section DFT; the default of CP2K where it is not given."""
        value = number(self.keywords.get(f"FORCE_EVAL/DFT/{keyword}", str(default)))
        return int(value) if value == round(value) else None

    def unit(self, trajectory: str) -> str:
        """Return the unit of a trajectory, ``TRAJECTORY`` or ``FORCES``; empty for the default."""
        return self.keywords.get(f"MOTION/PRINT/{trajectory}/UNIT", "")


def read_date(text: str) -> datetime | None:
    """Return a date of CP2K, such as ``2024-01-15 10:30:05.000``."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def find_restart(folder: Path, project: str, started: str, ended: str) -> Restart | None:
    """Return the last restart file of a project that was written within a run, or None."""
    begin, end = read_date(started), read_date(ended)
    if begin is None:
        return None
    found: Restart | None = None
    for path in sorted(folder.glob(f"{escape(project)}-1*.restart*"))[:_MOST]:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            continue
        restart = read_restart(path)
        if restart is None or restart.date < begin or (end is not None and restart.date > end):
            continue
        if found is None or restart.date > found.date:
            found = restart
    return found


def read_restart(path: Path) -> Restart | None:
    """Read a restart file; None for one without date or that is not complete."""
    keywords: dict[str, str] = {}
    elements: dict[str, str] = {}
    theory, atoms, date, complete = Theory(), 0, None, False
    kind = ""
    try:
        with path.open(encoding="utf-8", errors="replace") as handle:
            for place, words in _lines(handle):
                if place == "#":
                    found = _DATE.match(words)
                    date = read_date(found[1]) if found else date
                elif place == "FORCE_EVAL/SUBSYS/COORD":
                    atoms += bool(words)
                elif place == "FORCE_EVAL/SUBSYS/KIND":
                    kind = words
                elif place.startswith("FORCE_EVAL/SUBSYS/KIND/"):
                    _read_kind(place.rpartition("/")[2], words, kind, elements, theory)
                elif place == "END FORCE_EVAL":
                    complete = True
                else:
                    keywords.setdefault(place, words)
    except OSError:
        return None
    _read_theory(keywords, theory)
    if date is None or not complete:
        return None
    return Restart(path, date, keywords, elements, theory, atoms)


def _lines(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield section or section and keyword of each line, with the text that follows it."""
    sections: list[str] = []
    for line in lines:
        text = line[:1000].strip()
        if text.startswith("#"):
            yield "#", text
        elif text.startswith("&END"):
            if sections:
                yield f"END {'/'.join(sections)}", ""
                sections.pop()
        elif text.startswith("&"):
            name, _, rest = text[1:].partition(" ")
            sections.append(name.upper())
            yield "/".join(sections), rest.strip()
        elif text and sections and sections[-1] in _TABLES:
            yield "/".join(sections), text
        elif text:
            name, _, rest = text.partition(" ")
            yield "/".join([*sections, name.upper()]), rest.strip()


def _read_kind(
    keyword: str, value: str, kind: str, elements: dict[str, str], theory: Theory
) -> None:
    if keyword == "ELEMENT":
        elements[kind] = value.split()[0] if value else ""
    elif keyword in ("BASIS_SET", "BASIS") and value:
        theory.bases.setdefault(kind, value.split()[-1])
    elif keyword in ("POTENTIAL", "POT") and value and not value[0].isdigit():
        theory.pseudopotentials.setdefault(kind, value.split()[-1])
    elif keyword == "U_MINUS_J" and value:
        theory.hubbard[kind] = ""  # in a unit of its own
    elif keyword == "DFT_PLUS_U":
        theory.hubbard.setdefault(kind, "")


def _read_theory(keywords: dict[str, str], theory: Theory) -> None:
    """Set what the sections QS and XC say; only what has one meaning is taken."""
    dft = "FORCE_EVAL/DFT/"
    method = keywords.get(f"{dft}QS/METHOD", "GPW")
    if method == "XTB":
        theory.method = _KINDS_OF_GFN.get(keywords.get(f"{dft}QS/XTB/GFN_TYPE", ""), "xTB")
    elif method == "DFTB" or method in SEMI_EMPIRICAL:
        theory.method = method
    elif method in ("GPW", "GAPW", "GAPW_XC"):
        _read_functional(keywords, theory, f"{dft}XC/")


def _read_functional(keywords: dict[str, str], theory: Theory, xc: str) -> None:
    functional = f"{xc}XC_FUNCTIONAL/"
    names = [
        key.removeprefix(functional)
        for key in keywords
        if key.startswith(functional) and "/" not in key.removeprefix(functional)
    ]
    inside = [key for key in keywords if key.startswith(functional) and key.count("/") > 4]
    plain = all(key.endswith("/PARAMETRIZATION") for key in inside)
    # Exact exchange, correlation of wave functions and scaled functionals have too many settings to
    # be named from the input.
    if not plain or any(key.startswith((f"{xc}HF", f"{xc}WF_CORRELATION")) for key in keywords):
        return
    variants = {"REVPBE": "revPBE", "PBESOL": "PBEsol", "ORIG": ""}
    for name in names:
        variant = keywords.get(f"{functional}{name}/PARAMETRIZATION", "ORIG").upper()
        if variant not in variants:
            theory.functionals.clear()
            return
        theory.functionals[name] = variants[variant]
    potential = f"{xc}VDW_POTENTIAL/"
    if any(key.startswith(potential) for key in keywords):
        suffixes = {"DFTD2": "-D2", "DFTD3": "-D3", "DFTD3(BJ)": "-D3(BJ)", "DFTD4": "-D4"}
        suffixes |= {"RVV10": "+rVV10", "DRSLL": "+vdW-DF(DRSLL)", "LMKLL": "+vdW-DF2(LMKLL)"}
        kinds = ("PAIR_POTENTIAL", "NON_LOCAL")
        types = [
            keywords[f"{potential}{k}/TYPE"] for k in kinds if f"{potential}{k}/TYPE" in keywords
        ]
        if len(types) != 1 or types[0].upper() not in suffixes:
            theory.functionals.clear()
            return
        theory.dispersion = suffixes[types[0].upper()]
