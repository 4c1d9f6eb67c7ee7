"""Partial charges of atoms by CP2K: what is asked for in its input, and read from its output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Sections of DFT/PRINT. The reference of Hirshfeld's charges is the density of the isolated atoms,
#: as he defined them; by default CP2K takes Gaussian functions.
_SECTIONS = {"mulliken": {"_": "ON"}, "hirshfeld": {"_": "ON", "SHAPE_FUNCTION": "DENSITY"}}
#: Line before a table of charges; tight binding has its own writing of it.
_TITLES = {
    "mulliken": re.compile(r"^\s{0,40}mulliken population analysis\s*$", re.IGNORECASE),
    "hirshfeld": re.compile(r"^\s{0,40}Hirshfeld Charges\s*$"),
}
_ROW = re.compile(r"^\s{1,20}\d{1,9}\s+[A-Z]")
_END = re.compile(r"^[ #]{0,10}Total charge", re.IGNORECASE)


def print_sections(kinds: Sequence[str]) -> dict[str, Any]:
    """Return the subsections of DFT/PRINT that print partial charges of these kinds."""
    return {kind.upper(): dict(_SECTIONS[kind]) for kind in kinds}


class ChargeTables:
    """Tables of partial charges in the output of CP2K, line by line.

    Attributes
    ----------
    charges
        In e by kind, each of shape (N,): the complete tables since :meth:`clear`.
    """

    def __init__(self) -> None:
        self.charges: dict[str, Floats] = {}
        self._kind = ""
        self._rows: dict[int, float] = {}

    def clear(self) -> None:
        """Forget all tables, at the end of a step."""
        self.charges, self._kind = {}, ""

    def read(self, line: str) -> None:
        """Read one line of the output."""
        if not self._kind:
            if "ulliken" in line or "ULLIKEN" in line or "irshfeld" in line:
                found = [kind for kind, title in _TITLES.items() if title.match(line)]
                self._kind, self._rows = (found or [""])[0], {}
        elif _ROW.match(line):
            words = line.split()
            self._rows[int(words[0])] = _net_charge(self._kind, words)
        elif _END.match(line):
            # Tight binding prints the atoms by their elements, not in their order.
            atoms = range(1, len(self._rows) + 1)
            if self._rows.keys() == set(atoms):
                self.charges[self._kind] = np.array([self._rows[k] for k in atoms])
            self._kind = ""


def _net_charge(kind: str, words: Sequence[str]) -> float:
    """Return the net charge in a row of a table; NaN where it is none.

    A row has number, element, kind and populations; it ends with the net charge, which in the
    Mulliken table of spin-polarised electrons comes before the spin moment.
    """
    place = 5 if kind == "mulliken" and len(words) == 7 else len(words) - 1
    try:
        return float(words[place])
    except ValueError:  # asterisks, where the number needs more digits than the format has
        return float("nan")
