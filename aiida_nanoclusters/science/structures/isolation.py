"""Clusters and slabs taken out of the periodic boxes in which a plane-wave code had them."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator


def out_of_box(atoms: Atoms, gap: float = 8.0) -> Atoms:
    """Return the frame without periodicity along directions in which there is vacuum.

    Parameters
    ----------
    atoms
        Periodic, with labels on its calculator; left untouched.
    gap
        Å; empty layers of at least this thickness, between planes that two cell vectors span, are
        vacuum. Choose it larger than any pore of a crystal, and than the cutoff of the potential
        to be learnt.

    Returns
    -------
    Atoms
        In one piece also where it lay across the border of its box. A frame without any
        periodicity has no cell. The stress is kept only where the periodicity is unchanged: a
        cell with vacuum has no meaningful stress.
    """
    free = atoms.copy()
    scaled, pbc = free.get_scaled_positions(wrap=True), free.pbc.copy()
    cell = free.cell.complete()  # directions without periodicity may have no cell vector
    heights = 1.0 / np.linalg.norm(cell.reciprocal(), axis=1)
    for axis in np.flatnonzero(free.pbc & free.cell.array.any(axis=1)):
        values = np.sort(scaled[:, axis])
        gaps = np.diff(np.append(values, values[0] + 1.0))
        widest = int(np.argmax(gaps))
        if gaps[widest] * heights[axis] >= gap:
            first = values[(widest + 1) % len(values)]
            scaled[:, axis] = (scaled[:, axis] - first + 1e-12) % 1.0
            pbc[axis] = False
    labels = {} if atoms.calc is None else dict(atoms.calc.results)
    if (pbc != atoms.pbc).any():
        free.positions = scaled @ cell.array
        labels.pop("stress", None)
    free.set_pbc(pbc)
    if not pbc.any():
        free.set_cell(None)
    if labels:
        free.calc = SinglePointCalculator(free, **labels)
    return free
