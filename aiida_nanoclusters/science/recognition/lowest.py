"""The lowest cluster of each composition in a set of frames."""

from __future__ import annotations

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_nanoclusters.science.compositions import cluster_formula
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import sound_frames


def lowest_energies(frames: Frames) -> dict[str, float]:
    """Return the lowest energy (eV, total) of each composition among the clusters of a set.

    Clusters are neutral and in no direction periodic; those without an energy, or with overlapping
    atoms, do not count. Keys are as :func:`cluster_formula` gives them.
    """
    return {
        formula: float(frames.energies[index]) for formula, index in lowest_frames(frames).items()
    }


def lowest_frames(frames: Frames) -> dict[str, int]:
    """Return the index of the frame with the energy that :func:`lowest_energies` returns."""
    chosen = np.flatnonzero(
        ~frames.pbc.any(axis=1) & (frames.charges == 0) & np.isfinite(frames.energies)
    )
    if not len(chosen):
        return {}
    elements = np.unique(frames.numbers)
    counts = np.column_stack(
        [np.add.reduceat((frames.numbers == z).astype(int), frames.offsets[:-1]) for z in elements]
    )[chosen]
    kinds, kind_of = np.unique(counts, axis=0, return_inverse=True)
    order = np.lexsort((frames.energies[chosen], kind_of.ravel()))
    found: dict[str, int] = {}
    for members, kind in zip(_runs(chosen[order], kind_of.ravel()[order]), kinds, strict=True):
        sound = (int(i) for i in members if sound_frames(frames.select([int(i)]))[0])
        lowest = next(sound, None)
        if lowest is not None:
            symbols = (chemical_symbols[z] for z in elements)
            found[cluster_formula(dict(zip(symbols, kind.tolist(), strict=True)))] = lowest
    return found


def _runs(values: NDArray[np.int64], keys: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return `values` in pieces of equal neighbouring keys."""
    return np.split(values, np.flatnonzero(np.diff(keys)) + 1)
