"""What a file of VASP holds, as it was found: runs, and in each its ionic steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from aiida_nanoclusters.formats.limits import decimal_number

Floats = NDArray[np.float64]

#: Electrons; VASP writes four decimal places.
ELECTRON_TOLERANCE = 1e-2
#: Bohr magnetons by which a magnetisation may differ from a whole number of unpaired electrons.
_MOMENT_TOLERANCE = 0.02


@dataclass
class IonicStep:
    """One ionic step as it is in the file; None is what is not there.

    Attributes
    ----------
    line
        Where it begins, from 1.
    number
        Its number in the program.
    iterations
        Of its self-consistent field.
    change
        Of the energy in the last iteration, eV.
    verdict
        What VASP says of the self-consistent field; empty where it says nothing.
    cell, positions, forces, stress
        Å, Å, eV/Å, eV/Å^3 (sign and order of ASE).
    energy
        Extrapolated to zero smearing, eV.
    magnetisation
        Bohr magnetons; NaN where it has three components.
    added
        Part of the energy that came after the self-consistent field, eV.
    predicted
        Whether it is of the machine-learned force field.
    faults
        What is wrong with it.
    """

    line: int
    number: int | None = None
    iterations: int = 0
    change: float | None = None
    verdict: str = ""
    cell: Floats | None = None
    positions: Floats | None = None
    forces: Floats | None = None
    stress: Floats | None = None
    energy: float | None = None
    magnetisation: float | None = None
    added: float = 0.0
    predicted: bool = False
    faults: list[str] = field(default_factory=list)


@dataclass
class Section:
    """One run: its input as far as it is in the file, and its ionic steps.

    Attributes
    ----------
    line
        Where it begins, from 1.
    version
        Of VASP: first two numbers; (0, 0) where it is not told.
    tags
        Tags, names in capitals.
    elements, counts, valences, titles
        Of each kind of atoms; the valence electrons (ZVAL) and titles of the POTCARs.
    kpoints
        Number of irreducible k-points.
    ended
        Whether the program ended normally.
    speaks
        Whether the file is one in which VASP says of every self-consistent field how it ended.
    problem
        Why no step of it can be read, or None.
    """

    line: int
    version: tuple[int, int] = (0, 0)
    tags: dict[str, Any] = field(default_factory=dict)
    elements: list[str] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    valences: list[float] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    kpoints: int | None = None
    ended: bool = False
    speaks: bool = False
    problem: str | None = None
    steps: list[IonicStep] = field(default_factory=list)

    @property
    def symbols(self) -> list[str]:
        """Elements of all atoms, in order."""
        pairs = zip(self.elements, self.counts, strict=False)
        return [element for element, count in pairs for _ in range(count)]

    @property
    def charge(self) -> float | None:
        """Total charge (e) by the electrons and the valences; None where one is not told."""
        electrons = self.tags.get("NELECT")
        told = len(self.valences) == len(self.counts) > 0
        if not told or isinstance(electrons, bool) or not isinstance(electrons, int | float):
            return None
        whole = sum(v * n for v, n in zip(self.valences, self.counts, strict=True))
        charge = whole - float(electrons)
        if not np.isfinite(charge):
            return None
        near = round(charge)
        return float(near) if abs(charge - near) < ELECTRON_TOLERANCE else round(charge, 4)

    def multiplicity(self, step: IonicStep) -> int | None:
        """Return 2S + 1 of a step, S being half the number of unpaired electrons; None if unknown.

        It is that of NUPDOWN where that is set. Else it belongs to a finite system, computed at one
        k-point: a whole total magnetisation of a spin-polarised run, or 1 of a run without
        polarisation whose electrons are an even number, which all are paired. An odd number without
        polarisation is no state of any multiplicity, nor is one of noncollinear moments.
        """
        tags = self.tags
        if tags.get("LNONCOLLINEAR") is True or tags.get("LSORBIT") is True:
            return None
        electrons, fixed = tags.get("NELECT"), tags.get("NUPDOWN")
        polarised = tags.get("ISPIN") == 2
        if polarised and isinstance(fixed, int | float) and fixed >= 0:
            return round(fixed) + 1 if abs(fixed - round(fixed)) < _MOMENT_TOLERANCE else None
        if self.kpoints != 1 or "ISPIN" not in tags or not isinstance(electrons, int | float):
            return None
        moment = abs(step.magnetisation or 0.0) if polarised else 0.0
        if (polarised and step.magnetisation is None) or not np.isfinite(moment + electrons):
            return None
        whole = abs(moment - round(moment)) < _MOMENT_TOLERANCE
        whole = whole and abs(electrons - round(electrons)) < ELECTRON_TOLERANCE
        paired = (round(electrons) - round(moment)) % 2 == 0
        return round(moment) + 1 if whole and paired else None


def element_of(title: str) -> str:
    """Return the element of the title of a POTCAR, ``PAW_PBE Cu_pv 06Sep2000``; empty if none."""
    for name in title.split()[1:2] or title.split()[:1]:
        letters = "".join(c for c in name.split("_")[0].split(".")[0] if c.isalpha())
        for symbol in (letters[:2], letters[:1]):
            if symbol in atomic_numbers and symbol != "X":
                return symbol
    return ""


def read_rows(rows: Sequence[str], columns: int, what: str) -> tuple[Floats | None, str]:
    """Return rows of numbers as an array, or None and what is wrong."""
    values = []
    for i, row in enumerate(rows, 1):
        words = row.split()
        if len(words) != columns:
            return None, f"{len(words)} numbers in place of {columns} in row {i} of the {what}"
        try:
            values.append([float(word) for word in words])
        except ValueError:
            odd = next(word for word in words if decimal_number(word) is None)
            return None, f"`{odd[:20]}` in place of a number in row {i} of the {what}"
    return np.array(values, dtype=np.float64).reshape(len(values), columns), ""
