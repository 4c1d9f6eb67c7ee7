"""Cores as flat arrays without periodicity, as the graphs are made from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.structures.isolation import out_of_box


def core_arrays(
    cores: Sequence[Atoms], gap: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return numbers (A,), positions (A, 3) in Å and offsets (n + 1,) of cores.

    Parameters
    ----------
    cores
        Not changed; those in a box are taken out of it, in one piece.
    gap
        Å; thickness of the vacuum by which a box is known. With the cutoff of the graphs no atom is
        near its images.

    Raises
    ------
    ValueError
        If a core is periodic, or there are none.
    """
    if not len(cores):
        raise ValueError("no cores: give at least one")
    free = [open_core(core, gap) for core in cores]
    for place, core in enumerate(free):
        if core.pbc.any():
            raise ValueError(
                f"core {place} ({core.get_chemical_formula()}) is periodic: give it in a box with "
                f"more than {gap:g} Å of vacuum, or without one"
            )
    return (
        np.concatenate([core.numbers for core in free]).astype(np.int64),
        np.concatenate([core.positions for core in free]),
        np.concatenate([[0], np.cumsum([len(core) for core in free])]).astype(np.int64),
    )


def open_core(core: Atoms, gap: float) -> Atoms:
    """Return a cluster without the box in which a program had it; unchanged without a box."""
    return out_of_box(core, gap) if core.pbc.any() else core
