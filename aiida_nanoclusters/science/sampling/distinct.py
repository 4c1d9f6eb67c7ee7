"""Distinct structures among many relaxed frames, by energy and geometry."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.neighbours import structure_fingerprint

Floats = NDArray[np.float64]


def distinct_structures(
    frames: Frames, energy_tolerance: float, distance_tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find which frames are the same structure; mirror images count as the same.

    Frames of one composition are gone through by energy. One is the same structure as an earlier
    one if their energies per atom differ by at most `energy_tolerance` and their sorted
    interatomic distances nowhere by more than `distance_tolerance`: time and memory grow with the
    number of frames times those within the tolerance of the energy.

    Parameters
    ----------
    frames
        Relaxed clusters with energies, F of them.
    energy_tolerance, distance_tolerance
        eV/atom and Å.

    Returns
    -------
    representatives : numpy.ndarray, shape (M,)
        Index of the frame with the lowest energy of each structure, by composition and energy.
    structure_of : numpy.ndarray, shape (F,)
        Index of the structure of each frame; -1 where it has no energy.
    """
    structure_of = np.full(len(frames), -1, dtype=np.int64)
    representatives: list[int] = []
    groups: dict[tuple[int, bytes], list[int]] = {}
    for k in np.flatnonzero(np.isfinite(frames.energies)):
        own = np.sort(frames.numbers[frames.atoms_of(int(k))])
        groups.setdefault((len(own), own.tobytes()), []).append(int(k))
    for (size, _), members in sorted(groups.items()):
        energies = frames.energies[members] / size
        near: deque[tuple[float, Floats, int]] = deque()  # structures close in energy
        for place in np.argsort(energies, kind="stable"):
            index, energy = members[int(place)], float(energies[place])
            while near and energy - near[0][0] > energy_tolerance:
                near.popleft()
            fingerprint = structure_fingerprint(frames[index])
            for _, known, number in near:
                if float(np.abs(known - fingerprint).max(initial=0.0)) <= distance_tolerance:
                    structure_of[index] = number
                    break
            else:
                structure_of[index] = len(representatives)
                near.append((energy, fingerprint, len(representatives)))
                representatives.append(index)
    return np.array(representatives, dtype=np.int64), structure_of
