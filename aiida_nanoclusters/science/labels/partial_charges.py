"""CM5 partial charges: Hirshfeld's, corrected by what a pair of elements exchanges in a bond.

A. V. Marenich, S. V. Jerome, C. J. Cramer, D. G. Truhlar, J. Chem. Theory Comput. 8, 527 (2012).
Hirshfeld's charges are too small; the correction was fitted to dipole moments of molecules. The
parameters of transition metals are zero, so that of a bond to one is its neighbour's alone.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: 1/Å, decay of the correction with the length of a bond.
_ALPHA = 2.474
#: Corrections of single elements in e, those of the paper and of its supporting information.
_ELEMENTS = {
    **{"H": 0.0056, "He": -0.1543, "Be": 0.0333, "B": -0.1030, "C": -0.0446, "N": -0.1072},
    **{"O": -0.0802, "F": -0.0629, "Ne": -0.1088, "Na": 0.0184, "Al": -0.0726, "Si": -0.0790},
    **{"P": -0.0756, "S": -0.0565, "Cl": -0.0444, "Ar": -0.0767, "K": 0.0130, "Ga": -0.0512},
    **{"Ge": -0.0557, "As": -0.0533, "Se": -0.0399, "Br": -0.0313, "Kr": -0.0541, "Rb": 0.0092},
    **{"In": -0.0361, "Sn": -0.0393, "Sb": -0.0376, "Te": -0.0281, "I": -0.0220, "Xe": -0.0381},
    **{"Cs": 0.0065, "Tl": -0.0255, "Pb": -0.0277, "Bi": -0.0265},
}
#: Corrections of pairs in e, which replace the difference of those of their elements.
_PAIRS = {
    **{("H", "C"): 0.0502, ("H", "N"): 0.1747, ("H", "O"): 0.1671},
    **{("C", "N"): 0.0556, ("C", "O"): 0.0234, ("N", "O"): -0.0346},
}
#: Covalent radii in Å from H to Bi, of M. Mantina et al. in the CRC Handbook of Chemistry and
#: Physics, 91st ed. (2010), corrected for the 92nd.
_RADII = """
    0.32 0.37
    1.30 0.99 0.84 0.75 0.71 0.64 0.60 0.62
    1.60 1.40 1.24 1.14 1.09 1.04 1.00 1.01
    2.00 1.74 1.59 1.48 1.44 1.30 1.29 1.24 1.18 1.17 1.22 1.20 1.23 1.20 1.20 1.18 1.17 1.16
    2.15 1.90 1.76 1.64 1.56 1.46 1.38 1.36 1.34 1.30 1.36 1.40 1.42 1.40 1.40 1.37 1.36 1.36
    2.38 2.06 1.94 1.84 1.90 1.88 1.86 1.85 1.83 1.82 1.81 1.80 1.79 1.77 1.77 1.78 1.74
    1.64 1.58 1.50 1.41 1.36 1.32 1.30 1.30 1.32 1.44 1.45 1.50
"""
RADII = np.array([0.0, *map(float, _RADII.split())])
#: Factor of the correction below which a pair of atoms counts for nothing.
_NEGLIGIBLE = 1e-7


def cm5_charges(atoms: Atoms, hirshfeld: Floats) -> Floats:
    """Return the CM5 charges of the atoms in e, (N,).

    Parameters
    ----------
    atoms
        Images in periodic directions count.
    hirshfeld
        Hirshfeld charges in e, (N,); their sum is kept.

    Raises
    ------
    ValueError
        If there is an element beyond bismuth, or not one charge for each atom.
    """
    beyond = sorted({symbol for symbol in atoms.symbols if atomic_numbers[symbol] >= len(RADII)})
    if beyond:
        raise ValueError(f"there are no CM5 charges of {', '.join(beyond)}: elements up to Bi only")
    if np.shape(hirshfeld) != (len(atoms),):
        raise ValueError(f"{np.shape(hirshfeld)} Hirshfeld charges of {len(atoms)} atoms")
    numbers = atoms.numbers
    reach = RADII[numbers] - np.log(_NEGLIGIBLE) / _ALPHA / 2
    first, second, length = neighbor_list("ijd", atoms, list(reach))
    table = _corrections(sorted(set(numbers.tolist())))
    radii = RADII[numbers[first]] + RADII[numbers[second]]
    moved = table[numbers[first], numbers[second]] * np.exp(-_ALPHA * (length - radii))
    return np.asarray(hirshfeld) + np.bincount(first, moved, minlength=len(atoms))


def _corrections(numbers: list[int]) -> Floats:
    """Return the correction in e of an element by another, by atomic numbers; antisymmetric."""
    table = np.zeros((len(RADII), len(RADII)))
    for a in numbers:
        for b in numbers:
            one, other = chemical_symbols[a], chemical_symbols[b]
            plain = _ELEMENTS.get(one, 0.0) - _ELEMENTS.get(other, 0.0)
            reverse = -_PAIRS.get((other, one), -plain)
            table[a, b] = _PAIRS.get((one, other), reverse)
    return table
