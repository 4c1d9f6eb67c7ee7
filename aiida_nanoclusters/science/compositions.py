"""Compositions of clusters: formulas, and series of them at a fixed number of atoms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.formula import Formula

from aiida_nanoclusters.science.elements import element

#: Characters of the longest formula, and atoms of the largest cluster.
_LONGEST, _MOST_ATOMS = 200, 1_000_000


def cluster_formula(counts: Mapping[str, int]) -> str:
    """Return the name of a composition, elements in alphabetical order, e.g. ``Ag13Cu42``."""
    return "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in sorted(counts.items()) if n > 0)


def parse_composition(formula: str) -> dict[str, int]:
    """Return the atoms of each element of a formula, elements in alphabetical order.

    Raises
    ------
    ValueError
        If it is no formula of chemical elements, or of more atoms than a cluster has.

    >>> parse_composition("Cu42Ag13")
    {'Ag': 13, 'Cu': 42}
    """
    if len(formula) > _LONGEST:
        raise ValueError(f"a formula of {len(formula)} characters is none of a cluster")
    try:
        counts = Formula(formula).count()
    except ValueError as error:
        raise ValueError(f"`{formula}` is no formula: write it as Ag13Cu42") from error
    if not counts or any(atomic_numbers.get(s, 0) < 1 or n < 1 for s, n in counts.items()):
        raise ValueError(f"`{formula}` is no formula of chemical elements: write it as Ag13Cu42")
    if sum(counts.values()) > _MOST_ATOMS:
        raise ValueError(f"`{formula}` has more than {_MOST_ATOMS} atoms: choose a smaller cluster")
    return dict(sorted(counts.items()))


def composition_of(atoms: Atoms) -> str:
    """Return the formula of a structure, elements in alphabetical order."""
    return cluster_formula(atoms.symbols.formula.count())


def symbols_of(formula: str) -> list[str]:
    """Return the chemical symbols of a formula, one an atom, in alphabetical order."""
    return [symbol for symbol, n in parse_composition(formula).items() for _ in range(n)]


def composition_series(elements: Sequence[str], size: int, every: int = 1) -> list[str]:
    """Return the formulas of a cluster of two elements, from one pure cluster to the other.

    Parameters
    ----------
    elements
        Two chemical symbols.
    size
        Number of atoms.
    every
        Step of the number of atoms of the second element; both pure clusters are always there.

    Raises
    ------
    ValueError
        If there are not two elements, or the size or the step is less than 1.

    >>> composition_series(["Cu", "Ni"], 4, 2)
    ['Cu4', 'Cu2Ni2', 'Ni4']
    """
    first, *others = elements
    if len(others) != 1 or first in others:
        raise ValueError(f"{', '.join(elements)}: give two different elements")
    if size < 1 or every < 1:
        raise ValueError(f"{size} atoms in steps of {every}: give whole numbers from 1 up")
    counts = sorted({*range(0, size, every), size})
    return [cluster_formula({first: size - n, others[0]: n}) for n in counts]


def mean_bond_length(symbols: Iterable[str]) -> float:
    """Return the mean over the atoms of the crystals' nearest-neighbour distances, Å."""
    return float(np.mean([element(symbol).nearest_neighbour for symbol in symbols]))
