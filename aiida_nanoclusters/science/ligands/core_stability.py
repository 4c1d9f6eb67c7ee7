"""What becomes of a bare core when it is relaxed: its energy, and whether it stays what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.build import minimize_rotation_and_translation

from aiida_nanoclusters.science.ligands.bond_lengths import bond_lengths

#: Neighbours are within this many bond lengths.
_CONTACT = 1.25


def compare_relaxed(core: Atoms, relaxed: Atoms) -> dict[str, Any]:
    """Compare a core with what it relaxes to without its ligands.

    Parameters
    ----------
    core, relaxed
        The same atoms in the same order; not changed.

    Returns
    -------
    dict
        ``displacement``, root mean square over the atoms after superposition, Å; ``kept_bonds``,
        share of the neighbours before that are neighbours still; ``pieces``, groups of atoms that
        are linked by neighbours.

    Raises
    ------
    ValueError
        If these are other atoms.
    """
    if not np.array_equal(core.numbers, relaxed.numbers):
        raise ValueError("the relaxed core has other atoms: give it in the same order")
    before, after = Atoms(core.numbers, core.positions), Atoms(relaxed.numbers, relaxed.positions)
    if len(core) > 1:
        minimize_rotation_and_translation(before, after)
    apart = np.linalg.norm(after.positions - before.positions, axis=1)
    first, second = _bonded(before), _bonded(after)
    count = int(first.sum())
    return {
        "displacement": float(np.sqrt(np.mean(apart**2))),
        "kept_bonds": float((first & second).sum() / count) if count else 1.0,
        "pieces": _pieces(second),
    }


def _bonded(atoms: Atoms) -> np.ndarray[Any, np.dtype[np.bool_]]:
    near = atoms.get_all_distances() <= _CONTACT * bond_lengths(atoms.numbers, atoms.numbers)
    np.fill_diagonal(near, False)
    return near


def _pieces(bonded: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    from scipy.sparse.csgraph import connected_components

    return int(connected_components(bonded, directed=False)[0])
