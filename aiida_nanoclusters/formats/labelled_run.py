"""What every reader of finished calculations returns: labelled steps, and why others are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms


@dataclass(frozen=True)
class LabelledStep:
    """One set of positions that was computed.

    Attributes
    ----------
    index
        Place among the steps of the file, from 0.
    atoms
        Cell, periodicity and positions of this step. Its calculator holds the energy (eV), forces
        (eV/Å) and, where there is one, stress (eV/Å^3, sign and order of ASE).
    problem
        Why this step is not a label: what was found, in the words of the program where it has any;
        None for a label.
    charge, multiplicity
        Total charge (e) and spin multiplicity; None where the file does not say.
    level_of_theory
        That of this step; empty where the file does not name it.
    section
        Which of the runs in the file it belongs to, from 0.
    line
        Line of the file, from 1, where the step begins; None in files without lines.
    number
        The step's number in the program; None where it has none.
    electronic_steps
        Iterations of its self-consistent field; 0 where they are not told.
    """

    index: int
    atoms: Atoms
    problem: str | None = None
    charge: float | None = None
    multiplicity: int | None = None
    level_of_theory: str = ""
    section: int = 0
    line: int | None = None
    number: int | None = None
    electronic_steps: int = 0


@dataclass(frozen=True)
class LabelledRun:
    """All complete steps of a file.

    Attributes
    ----------
    path, program
        The file that was given, and the program that wrote it, such as ``VASP``.
    steps
        In order.
    problem
        Error of the file as a whole (no normal end, no complete step, not to be read), or None.
    beside
        Other files whose content was used.
    unused
        What is there and was not used, such as another energy in the same file: name, and why.
    parameters
        Input of the program as far as it is in the files; for the checks of labels made here.
    """

    path: Path
    program: str
    steps: tuple[LabelledStep, ...] = ()
    problem: str | None = None
    beside: tuple[Path, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def levels(self) -> list[str]:
        """Levels of theory of the labels, sorted; an empty one where one is not named."""
        return sorted({step.level_of_theory for step in self.steps if step.problem is None})
