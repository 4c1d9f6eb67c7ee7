"""The lowest distinct isomers of each size among annealed structures, and their properties."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import sound_frames
from aiida_nanoclusters.science.recognition.neighbours import (
    coordination_histogram,
    motif,
    point_group,
    same_structure,
)

#: Structures this close in energy are compared atom by atom, eV/atom.
SAME_ENERGY = 2e-3
#: Å; structures whose sorted interatomic distances differ by less are the same isomer.
SAME_DISTANCES = 0.1
#: The point group of larger clusters is not determined.
LARGEST_POINT_GROUP = 1500


def describe(atoms: Atoms) -> dict[str, Any]:
    """Return the properties of a cluster.

    Returns
    -------
    dict
        ``point_group`` (Schoenflies; None beyond 1500 atoms), ``coordination`` (atoms by their
        number of neighbours), ``n_12_coordinated`` (atoms with 12), ``motif`` and ``motif_reason``.
    """
    histogram = coordination_histogram(atoms)
    found = motif(atoms)
    return {
        "point_group": point_group(atoms) if len(atoms) <= LARGEST_POINT_GROUP else None,
        "coordination": {str(k): int(v) for k, v in sorted(histogram.items())},
        "n_12_coordinated": int(histogram.get(12, 0)),
        "motif": found.name,
        "motif_reason": found.reason,
    }


def lowest_structures(
    frames: Frames, keep: int, tolerance: float = SAME_DISTANCES
) -> list[list[int]]:
    """Return, for each size in ascending order, the indices of its lowest distinct isomers.

    Parameters
    ----------
    frames
        Relaxed structures; those without an energy, or with overlapping atoms, as an inaccurate
        potential may produce them, are left out.
    keep
        How many of each size.
    tolerance
        Å; structures whose sorted interatomic distances differ by less are the same isomer.
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
    """Return for each size the annealing runs that ended in the lowest structure, and all runs.

    A single hit among many runs means that the search is not converged: lower isomers may exist.

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
