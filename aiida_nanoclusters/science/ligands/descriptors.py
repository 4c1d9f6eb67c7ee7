"""Descriptors of inorganic cores, of any elements and numbers of atoms: SOAP, ACSF, MBTR.

Each is the mean over the atoms, or a density, so that its length does not depend on the number of
atoms; the number of atoms of each element is put in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.many_body_tensor import angle_term, distance_term
from aiida_nanoclusters.science.ligands.symmetry_functions import symmetry_functions
from aiida_nanoclusters.science.recognition.soap import describe_frames

Floats = NDArray[np.float64]

#: Descriptors of a core.
DESCRIPTORS = ("soap", "acsf", "mbtr")
_NOBLE = (0, 2, 10, 18, 36, 54, 86, 118)


def describe_cores(
    cores: Sequence[Atoms], kind: str, elements: Sequence[str], settings: Mapping[str, Any]
) -> Floats:
    """Return the descriptors of cores; the order of the atoms, and rotations, do not matter.

    Parameters
    ----------
    cores
        Clusters without periodicity; not changed.
    kind
        ``soap``, averaged over the atoms (`science/recognition/soap.py`); ``acsf``, the mean
        symmetry functions, the atoms at the centre told apart by their element; or ``mbtr``, its
        two- and three-body terms, each of length 1. (The one-body term would only repeat the
        numbers of atoms.)
    elements
        Elements that are told apart, those of the training. An atom of another element counts as
        one of its :func:`stand_ins`.
    settings
        ``acsf`` and ``mbtr`` as of `BaselineSettings`.

    Returns
    -------
    numpy.ndarray, shape (n, D)
        The first ``len(elements)`` are the numbers of atoms by element, in order of the atomic
        number.

    Raises
    ------
    ValueError
        If the kind is unknown, or there are no cores or elements.
    """
    if kind not in DESCRIPTORS:
        raise ValueError(f"`{kind}` is no descriptor: choose among {', '.join(DESCRIPTORS)}")
    if not len(cores) or not len(elements):
        raise ValueError("no cores or no elements: give at least one of each")
    known = sorted(atomic_numbers[e] for e in elements)
    present = {e for core in cores for e in core.get_chemical_symbols()}
    replaced = np.arange(len(chemical_symbols))
    for symbol, instead in stand_ins(sorted(present), elements).items():
        replaced[atomic_numbers[symbol]] = atomic_numbers[instead]
    numbers = [replaced[core.numbers] for core in cores]
    counts = np.array([[np.count_nonzero(own == z) for z in known] for own in numbers], dtype=float)
    if kind == "soap":
        images = [Atoms(own, core.positions) for own, core in zip(numbers, cores, strict=True)]
        symbols = [chemical_symbols[z] for z in known]
        return np.hstack([counts, describe_frames(Frames.from_atoms(images), elements=symbols)])
    describe = _mean_functions if kind == "acsf" else _tensor
    rows = [
        describe(own, core.positions, known, settings[kind])
        for own, core in zip(numbers, cores, strict=True)
    ]
    return np.hstack([counts, np.array(rows)])


def stand_ins(present: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return for each element that is not known the most similar one that is.

    That is the one of the nearest column of the periodic table and, of these, of the nearest
    covalent radius.
    """
    table = {}
    for symbol in present:
        if symbol in known:
            continue
        own = atomic_numbers[symbol]

        def unlikeness(other: str, own: int = own) -> tuple[int, float, str]:
            number = atomic_numbers[other]
            columns = abs(_column(number) - _column(own))
            return columns, abs(covalent_radii[number] - covalent_radii[own]), other

        table[symbol] = min(known, key=unlikeness)
    return table


def _column(number: int) -> int:
    """Return the column of the periodic table, 1 to 18; of f elements 3."""
    period = int(np.searchsorted(_NOBLE, number))
    from_left, from_right = number - _NOBLE[period - 1], _NOBLE[period] - number
    return from_left if from_left <= 2 else max(3, 18 - from_right)


def _mean_functions(
    numbers: NDArray[Any], positions: Floats, known: Sequence[int], settings: Mapping[str, Any]
) -> Floats:
    """Return the sum of the symmetry functions of the atoms of each element by the number of atoms.

    Their sum over the elements is the mean over all atoms.
    """
    rows = symmetry_functions(numbers, positions, known, settings)
    parts = [rows[numbers == z].sum(axis=0) / len(numbers) for z in known]
    return np.concatenate(parts)


def _tensor(
    numbers: NDArray[Any], positions: Floats, known: Sequence[int], settings: Mapping[str, Any]
) -> Floats:
    terms = (
        term(numbers, positions, known, settings).ravel() for term in (distance_term, angle_term)
    )
    return np.concatenate([term / (np.linalg.norm(term) or 1.0) for term in terms])
