"""From annealed structures to the lowest ones of each size, told apart and described."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.checks import sound_frames
from aiida_nanoclusters.science.environments import (
    coordination_histogram,
    motif,
    point_group,
    same_structure,
)
from aiida_nanoclusters.science.frames import Frames

#: Structures this close in energy are compared atom by atom, eV/atom.
SAME_ENERGY = 2e-3
#: Å; structures whose sorted interatomic distances differ by less are one.
SAME_DISTANCES = 0.1
#: The point group of larger clusters is not sought.
LARGEST_POINT_GROUP = 1500


def describe(atoms: Atoms) -> dict[str, Any]:
    """Return what people ask of a cluster.

    Returns
    -------
    dict
        ``point_group`` (Schoenflies; None beyond 1500 atoms), ``coordination`` (atoms by their
        number of neighbours), ``n_twelvefold`` (atoms with 12), ``motif`` and ``motif_reason``.
    """
    histogram = coordination_histogram(atoms)
    found = motif(atoms)
    return {
        "point_group": point_group(atoms) if len(atoms) <= LARGEST_POINT_GROUP else None,
        "coordination": {str(k): int(v) for k, v in sorted(histogram.items())},
        "n_twelvefold": int(histogram.get(12, 0)),
        "motif": found.name,
        "motif_reason": found.reason,
    }


def lowest_structures(
    frames: Frames, keep: int, tolerance: float = SAME_DISTANCES
) -> list[list[int]]:
    """Return, for each size in ascending order, the indices of its lowest unlike structures.

    Parameters
    ----------
    frames
        Relaxed structures; those without an energy, or with atoms on top of each other, as a poor
        potential may leave them, are passed over.
    keep
        How many of each size.
    tolerance
        Å; structures whose sorted interatomic distances differ by less are one structure.
    """
    usable = np.flatnonzero(np.isfinite(frames.energies) & sound_frames(frames))
    sizes = frames.sizes
    result = []
    for size in sorted({int(n) for n in sizes[usable]}):
        members = usable[sizes[usable] == size]
        members = members[np.argsort(frames.energies[members], kind="stable")]
        chosen: list[int] = []
        for index in members:
            if len(chosen) == keep:
                break
            if not any(_alike(frames, int(index), known, tolerance) for known in chosen):
                chosen.append(int(index))
        result.append(chosen)
    return result


def success_rates(
    frames: Frames, lowest: list[list[int]], annealed: NDArray[np.bool_]
) -> dict[int, tuple[int, int]]:
    """Return for each size how many annealing runs ended in the lowest structure, and how many ran.

    One hit among many says that the search is not converged and that lower structures may exist.

    Parameters
    ----------
    frames, lowest
        As of, and from, :func:`lowest_structures`.
    annealed
        Shape (F,); False for structures that were built and only relaxed.
    """
    rates = {}
    for best in (ranked[0] for ranked in lowest):
        size = int(frames.sizes[best])
        runs = np.flatnonzero((frames.sizes == size) & annealed)
        hits = np.abs(frames.energies[runs] - frames.energies[best]) < SAME_ENERGY * size
        rates[size] = (int(hits.sum()), len(runs))
    return rates


def _alike(frames: Frames, first: int, second: int, tolerance: float) -> bool:
    gap = abs(frames.energies[first] - frames.energies[second])
    if gap > SAME_ENERGY * frames.sizes[first]:
        return False
    return same_structure(frames[first], frames[second], tolerance)
