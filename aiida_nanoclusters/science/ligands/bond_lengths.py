"""Bond lengths in cores: of metals by their crystals, of other atoms by covalent radii."""

from __future__ import annotations

import numpy as np
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from numpy.typing import NDArray

from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.structures.molecules import METALS


def is_metal(symbol: str) -> bool:
    """Return whether an element is a metal."""
    return symbol in METALS


def bond_lengths(numbers: NDArray[np.int_], others: NDArray[np.int_]) -> NDArray[np.float64]:
    """Return the lengths of bonds between atoms of these atomic numbers (Å).

    Of two metals the mean of their nearest-neighbour distances in the crystal, see
    :mod:`aiida_nanoclusters.science.elements`, or twice the covalent radius of those not in the
    table; of all others the sum of their covalent radii (B. Cordero et al., Dalton Trans. 2008,
    2832, as in ASE).

    Returns
    -------
    numpy.ndarray, shape (len(numbers), len(others))
    """
    metallic = np.array([_metallic_radius(int(z)) for z in numbers])
    metallic_others = np.array([_metallic_radius(int(z)) for z in others])
    both = np.isfinite(metallic)[:, None] & np.isfinite(metallic_others)[None]
    covalent = covalent_radii[numbers][:, None] + covalent_radii[others][None]
    return np.asarray(np.where(both, metallic[:, None] + metallic_others[None], covalent))


def bond_length(symbol: str, other: str) -> float:
    """Return the length of a bond between two elements (Å).

    >>> round(bond_length("Cu", "Cu"), 2), round(bond_length("Cu", "Cl"), 2)
    (2.56, 2.34)
    """
    one, two = np.array([atomic_numbers[symbol]]), np.array([atomic_numbers[other]])
    return float(bond_lengths(one, two)[0, 0])


def _metallic_radius(number: int) -> float:
    symbol = chemical_symbols[number]
    if not is_metal(symbol):
        return float("nan")
    known = ELEMENTS.get(symbol)
    return float(covalent_radii[number]) if known is None else known.nearest_neighbour / 2
