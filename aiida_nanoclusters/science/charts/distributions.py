"""Distributions of pair distances in bond lengths, by which a chart knows a structure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import pi, sqrt
from typing import TypeAlias

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.charts.kernel_density import (
    densities,
    exact_density,
    mean_lengths,
)
from aiida_nanoclusters.science.charts.settings import DistributionSettings
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.frames import Frames

Floats: TypeAlias = NDArray[np.float64]
#: Å: one for all frames, one for each of them, or one for each element.
BondLengths: TypeAlias = float | Sequence[float] | Floats | Mapping[str, float]

#: Bandwidths by which the range of distances exceeds the largest distance of the frames.
_MARGIN = 4.0
#: Share of the frames that may be wider than that range: an evaporated atom must not widen it.
_EVAPORATED = 0.005


def bond_lengths_of(frames: Frames, bond_lengths: BondLengths | None = None) -> Floats:
    """Return the bond length of each frame in Å, shape (F,).

    By default it is the distance of nearest neighbours in the bulk metal, see
    :mod:`aiida_nanoclusters.science.elements`; of an alloy the mean over its atoms.

    Parameters
    ----------
    frames
        Any sizes and elements.
    bond_lengths
        Å: one number for all frames, one for each frame, or one for each element; elements that
        are not named have that of the bulk.

    Raises
    ------
    ValueError
        If an element is not in the table and has no length of its own, or a length is not positive.
    """
    if bond_lengths is None or isinstance(bond_lengths, Mapping):
        by_symbol = element_lengths(frames.elements, bond_lengths)
        table = {atomic_numbers[symbol]: length for symbol, length in by_symbol.items()}
        lengths = mean_lengths(frames.numbers, frames.offsets, table)
    else:
        lengths = np.broadcast_to(np.asarray(bond_lengths, dtype=np.float64), (len(frames),))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("bond lengths must be positive numbers (Å)")
    return np.asarray(lengths, dtype=np.float64)


def element_lengths(
    elements: Iterable[str], bond_lengths: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the bond length of each element in Å: the one given, or that of the bulk.

    Raises
    ------
    ValueError
        If an element is not in the table and none is given, or a length is not positive.
    """
    given = dict(bond_lengths or {})
    lengths = {e: given[e] if e in given else element(e).nearest_neighbour for e in elements}
    for symbol, length in lengths.items():
        if not 0 < length < 100:
            raise ValueError(f"the bond length of {symbol} is {length}: give it in Å")
    return lengths


def pair_distributions(
    frames: Frames, settings: DistributionSettings, bond_lengths: BondLengths | None = None
) -> NDArray[np.float32]:
    """Return the distribution of the pair distances of each frame, in bond lengths.

    See :func:`aiida_nanoclusters.science.charts.kernel_density.densities` for the definition.

    Parameters
    ----------
    frames
        Clusters, of any sizes and elements.
    settings
        Range, bins and bandwidth, in bond lengths.
    bond_lengths
        As of :func:`bond_lengths_of`.

    Returns
    -------
    numpy.ndarray
        Shape (F, bins), float32; its integral over distance is one where all pairs are in range.

    Raises
    ------
    ValueError
        If a frame is periodic, has a single atom, or has an element of unknown bond length.
    """
    if problem := frames_problem(frames):
        raise ValueError(problem)
    lengths = bond_lengths_of(frames, bond_lengths)
    return densities(frames.positions, frames.offsets, lengths, settings.model_dump())


def exact_distributions(
    frames: Frames, settings: DistributionSettings, bond_lengths: BondLengths | None = None
) -> Floats:
    """Return the same by the sum over all pairs, shape (F, bins): slow, to compare with."""
    lengths, grid = bond_lengths_of(frames, bond_lengths), settings.model_dump()
    owned = (frames.positions[frames.atoms_of(i)] for i in range(len(frames)))
    return np.array(
        [exact_density(pdist(p) / b, grid) for p, b in zip(owned, lengths, strict=True)]
    )


def frames_problem(frames: Frames) -> str | None:
    """Return why frames have no distribution of pair distances, with the fix, or None."""
    if frames.pbc.any():
        index = int(np.argmax(frames.pbc.any(axis=1)))
        return f"frame {index} is periodic, and a chart is of clusters: set its pbc to false"
    if (frames.sizes < 2).any():
        return f"frame {int(np.argmax(frames.sizes < 2))} is a single atom: take it out"
    return None


def distance_range(
    frames: Frames, bandwidth: float, bond_lengths: BondLengths | None = None
) -> float:
    """Return an upper end of the distances that covers the frames, in bond lengths.

    It is twice the largest distance from the centre, which no pair exceeds, of all but the widest
    0.5 % of the frames, and four bandwidths, rounded up to a tenth.
    """
    lengths = bond_lengths_of(frames, bond_lengths)
    sizes = frames.sizes
    centres = np.add.reduceat(frames.positions, frames.offsets[:-1]) / sizes[:, None]
    radii = np.linalg.norm(frames.positions - np.repeat(centres, sizes, axis=0), axis=1)
    widest = 2 * np.maximum.reduceat(radii, frames.offsets[:-1]) / lengths
    chosen = np.sort(widest)[-1 - int(_EVAPORATED * len(widest))]
    return float(np.ceil(10 * (max(chosen, 1.0) + _MARGIN * bandwidth)) / 10)


def peak_height(settings: DistributionSettings) -> float:
    """Return the largest value that a distribution can have, that of a single distance."""
    return 1.0 / (settings.bandwidth * sqrt(2 * pi))
