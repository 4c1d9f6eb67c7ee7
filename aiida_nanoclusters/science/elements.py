"""Data of the elements for builders and analyses, one row per element.

Lattice constants are the usual tabulated values at room temperature (argon: 4 K), within 0.5 % of
those in ase.data (argon 1.2 %), as the tests check. They are starting geometries: a study relaxes
the lattice at its own level of theory. Melting points at ambient pressure are those of the
CRC Handbook of Chemistry and Physics, 97th ed. (2016), "Physical Constants of Inorganic Compounds";
for Au, Ag, Cu and Al they are fixed points of ITS-90, argon has its triple point.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

__all__ = ["ELEMENTS", "Element", "element"]


@dataclass(frozen=True)
class Element:
    """Tabulated data of one element.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    structure : str
        Crystal structure: ``'fcc'``, ``'hcp'``, ``'bcc'`` or ``'diamond'``.
    lattice_constant : float
        Experimental lattice constant a (Å).
    c_over_a : float or None
        Axial ratio of an hcp crystal; None for cubic ones.
    valence : int or None
        Delocalised electrons per atom in the jellium picture of a cluster; None where that picture
        does not hold (open d shells, covalent bonds, closed shells).
    melting_point : float
        Melting point of the bulk crystal at ambient pressure (K).
    """

    symbol: str
    structure: str
    lattice_constant: float
    c_over_a: float | None = None
    valence: int | None = None
    melting_point: float = nan

    @property
    def nearest_neighbour(self) -> float:
        """Nearest-neighbour distance in the crystal (Å)."""
        a = self.lattice_constant
        if self.structure == "fcc":
            return a / sqrt(2)
        if self.structure == "bcc":
            return a * sqrt(3) / 2
        if self.structure == "diamond":
            return a * sqrt(3) / 4
        assert self.c_over_a is not None
        # hcp: the shorter of the in-plane and the out-of-plane neighbour.
        return min(a, a * sqrt(1 / 3 + self.c_over_a**2 / 4))

    @property
    def shell_cutoff(self) -> float:
        """Distance midway between the first and the second shell of neighbours (Å).

        In bcc the first two shells, which lie close together, count as one.
        """
        second = {"fcc": sqrt(2), "hcp": sqrt(2), "diamond": sqrt(8 / 3)}
        if self.structure == "bcc":
            return self.nearest_neighbour * (2 / sqrt(3) + sqrt(8 / 3)) / 2
        return self.nearest_neighbour * (1 + second[self.structure]) / 2

    @property
    def atomic_volume(self) -> float:
        """Volume per atom in the crystal (Å^3)."""
        a = self.lattice_constant
        if self.structure == "hcp":
            assert self.c_over_a is not None
            return a**3 * self.c_over_a * sqrt(3) / 4
        return a**3 / {"fcc": 4, "bcc": 2, "diamond": 8}[self.structure]


ELEMENTS: dict[str, Element] = {
    row.symbol: row
    for row in (
        Element("Au", "fcc", 4.0782, valence=1, melting_point=1337.33),
        Element("Ag", "fcc", 4.0857, valence=1, melting_point=1234.93),
        Element("Cu", "fcc", 3.6146, valence=1, melting_point=1357.77),
        Element("Pt", "fcc", 3.9236, melting_point=2041.35),
        Element("Pd", "fcc", 3.8903, melting_point=1827.95),
        Element("Ni", "fcc", 3.5236, melting_point=1728.15),
        Element("Ru", "hcp", 2.7058, c_over_a=4.2816 / 2.7058, melting_point=2606.15),
        Element("Rh", "fcc", 3.8032, melting_point=2236.15),
        Element("Si", "diamond", 5.4306, melting_point=1687.15),
        Element("Al", "fcc", 4.0496, valence=3, melting_point=933.473),
        Element("Ar", "fcc", 5.3111, melting_point=83.8058),
    )
}


def element(symbol: str) -> Element:
    """Look up one element.

    Parameters
    ----------
    symbol : str
        Chemical symbol, e.g. ``'Cu'``.

    Returns
    -------
    Element
        The row of the table.

    Raises
    ------
    ValueError
        If the element is not in the table.
    """
    try:
        return ELEMENTS[symbol]
    except KeyError:
        known = ", ".join(sorted(ELEMENTS))
        raise ValueError(
            f"no data for element {symbol!r}; known: {known}. Give the distance or the lattice "
            "constant, or add a row to ELEMENTS."
        ) from None
