"""Excess energy of nanoalloys: what a cluster of two elements gains over the pure ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiida_nanoclusters.science.compositions import parse_composition


@dataclass(frozen=True)
class Excess:
    """A composition and its excess energy.

    Attributes
    ----------
    formula, size
        Composition, and number of atoms.
    counts
        Atoms of each element.
    energy
        Of the lowest minimum, eV.
    excess
        Excess energy, eV: below zero, mixing is favourable.
    """

    formula: str
    size: int
    counts: dict[str, int]
    energy: float
    excess: float


def excess_energies(energies: Mapping[str, float]) -> list[Excess]:
    """Return the excess energies of all compositions whose pure clusters are there.

    At N atoms of which n_i are of element i, it is E(composition) - sum_i (n_i / N) E(i_N); see
    R. Ferrando, J. Jellinek and R. L. Johnston, Chem. Rev. 108, 845 (2008), equation 1.

    Parameters
    ----------
    energies
        Formula: energy of the lowest minimum, eV.

    Returns
    -------
    list of Excess
        By size, then by composition; pure clusters have zero.

    >>> energies = {"Cu2": -2.0, "CuNi": -3.5, "Ni2": -4.0}
    >>> [(row.formula, row.excess) for row in excess_energies(energies)]
    [('Cu2', 0.0), ('CuNi', -0.5), ('Ni2', 0.0)]
    """
    counts = {formula: parse_composition(formula) for formula in energies}
    pure = {
        (symbol, n): energies[formula]
        for formula, own in counts.items()
        for symbol, n in own.items()
        if len(own) == 1
    }
    found = []
    for formula, own in counts.items():
        size = sum(own.values())
        if all((symbol, size) in pure for symbol in own):
            ideal = sum(n / size * pure[symbol, size] for symbol, n in own.items())
            excess = 0.0 if len(own) == 1 else energies[formula] - ideal
            found.append(Excess(formula, size, own, energies[formula], excess))
    return sorted(found, key=lambda row: (row.size, [(s, -n) for s, n in row.counts.items()]))
