"""Lines of the output of CP2K that give an energy, and whether its electrons converged."""

from __future__ import annotations

import re

from aiida_nanoclusters.formats.cp2k.trajectory import number
from aiida_nanoclusters.formats.cp2k.units import energy_unit
from aiida_nanoclusters.science.units import HARTREE

_ENERGY = re.compile(
    r"\s*ENERGY\| Total FORCE_EVAL \( (\w{1,20}) \) energy [\[(]([^\])]{1,40})[\])]:?\s+(\S+)\s*$"
)
_BEGIN = "SCF WAVEFUNCTION OPTIMIZATION"
_INNER = re.compile(r"SCF run converged in\s+(\d{1,9}) steps")
_OUTER = re.compile(r"outer SCF loop converged in\s+\d{1,9} iterations or\s+(\d{1,9}) steps")
_TERM = re.compile(r"  (\w[\w +-]{0,60}?):\s+(-?\d+\.\d{6,})\s*$")
_FAILED = ("SCF run NOT converged", "outer SCF loop FAILED to converge", "SCF not converged!")


def energy_of(line: str) -> tuple[str, float] | None:
    """Return the part of CP2K that computed an energy, such as ``QS``, and the energy in eV.

    Later versions print a gap and a free energy in lines of the same beginning, which are none.
    The energy is NaN where it is no number, or its unit is not known. None for other lines.
    """
    if "ENERGY|" not in line:
        return None
    found = _ENERGY.match(line)
    if found is None:
        return None
    unit = energy_unit(found[2])
    return found[1], number(found[3]) * (unit if unit is not None else float("nan"))


class Convergence:
    """What CP2K says of the self-consistent field of one step, line by line.

    Where there are outer loops, only they decide: inner ones are stopped before they converge, and
    may converge although the whole does not. A field that is begun again is judged anew.

    Attributes
    ----------
    words, line
        The last statement of CP2K, and its line in the file; empty and 0 where there is none.
    steps
        Iterations of the field; 0 where they are not told.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, at the end of a step."""
        self._inner: bool | None = None
        self._whole: bool | None = None
        self.words, self.line, self.steps = "", 0, 0

    def read(self, line: str, place: int = 0) -> None:
        """Read one line of the output, the `place`-th."""
        if "SCF" not in line:
            return
        if _BEGIN in line:
            self.clear()
        elif found := _INNER.search(line):
            self._inner, self._whole = True, None  # after the last word on a field another begins
            self._say(line, place, int(found[1]))
        elif found := _OUTER.search(line):
            self._whole = True
            self._say(line, place, int(found[1]))
        elif "outer SCF loop converged in" in line:
            self._whole = True
            self._say(line, place, self.steps)
        elif any(text in line for text in _FAILED):
            self._whole = False
            self._say(line, place, self.steps)

    def _say(self, line: str, place: int, steps: int) -> None:
        self.words, self.line, self.steps = " ".join(line.split()).strip("* "), place, steps

    @property
    def converged(self) -> bool | None:
        """Whether the field converged; None where the output does not say it."""
        return self._inner if self._whole is None else self._whole


class EnergyTerms:
    """The terms of an energy, which show whether it holds the entropy of smeared electrons.

    The energy of tight binding leaves the entropic energy out (seen in 2023.1), although the forces
    are derivatives of the free energy; that of density functionals holds it.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, at the end of a step."""
        self._sum, self._entropic, self._total = 0.0, 0.0, float("nan")

    def read(self, line: str) -> None:
        """Read one line of the output."""
        if ":" not in line or not line.startswith("  ") or (found := _TERM.match(line)) is None:
            return
        name, value = found[1], number(found[2])
        if name == "Total energy":
            self._total = value
        elif name == "Electronic entropic energy":
            self._entropic = value
        elif name != "Fermi energy":
            if self._total == self._total:  # of the next iteration
                self.clear()
            self._sum += value

    @property
    def left_out(self) -> float:
        """Entropic energy in eV that the total energy leaves out; 0 where it holds it."""
        without = abs(self._total - self._sum)
        within = abs(self._total - self._sum - self._entropic)
        return self._entropic * HARTREE if without < within else 0.0
