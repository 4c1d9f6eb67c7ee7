"""Lindemann index: how much the distances between the atoms of a cluster fluctuate.

F. A. Lindemann, Phys. Z. 11, 609 (1910); for clusters, by distances of pairs: R. S. Berry,
T. L. Beck, H. L. Davis, J. Jellinek, Adv. Chem. Phys. 70B, 75 (1988); by atom: Y. Zhou, M. Karplus,
K. D. Ball, R. S. Berry, J. Chem. Phys. 116, 2323 (2002).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

from aiida_nanoclusters.science.recognition.neighbours import (
    SURFACE_COORDINATION,
    coordination_numbers,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lindemann:
    """Lindemann index of a trajectory.

    Attributes
    ----------
    atoms
        Of each atom over the whole trajectory, shape (N,).
    blocks
        Of the cluster in each of several equal stretches of the trajectory, shape (B,).
    parts
        Of the pairs of atoms that are both in a part, by its name; NaN for fewer than two atoms.
    """

    atoms: Floats
    blocks: Floats
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def index(self) -> float:
        """Of the cluster over the whole trajectory: the mean over its atoms."""
        return float(self.atoms.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean over the blocks; NaN for a single block."""
        if len(self.blocks) < 2:
            return float("nan")
        return float(self.blocks.std(ddof=1) / np.sqrt(len(self.blocks)))


def lindemann(
    positions: Floats, blocks: int = 1, parts: Mapping[str, NDArray[np.bool_]] | None = None
) -> Lindemann:
    r"""Return the Lindemann index of a free cluster.

    Of atom i it is the mean over all other atoms j of the relative fluctuation of the distance,
    sqrt(<r_ij^2> - <r_ij>^2) / <r_ij>. Rotation and translation do not contribute. It grows with
    the length of the trajectory where atoms diffuse; in a solid it does not.

    Parameters
    ----------
    positions
        Å, shape (T, N, 3), at equal intervals of time.
    blocks
        Number of equal parts of the trajectory, at least two frames each.
    parts
        Masks of atoms, (N,) each, such as surface and core. Only pairs within a part count for it:
        atoms that diffuse around a solid core do not change the distances within it.

    Raises
    ------
    ValueError
        If there are fewer than two atoms or two frames a block.
    """
    count, size = positions.shape[:2]
    if size < 2:
        raise ValueError("a single atom has no distances")
    if blocks < 1 or count < 2 * blocks:
        raise ValueError(
            f"{count} frames in {blocks} blocks: each needs two, sample more often or longer"
        )
    # Deviations from the first frame: squares of whole distances would cancel to nothing.
    start = pdist(positions[0])
    total, squares = np.zeros_like(start), np.zeros_like(start)
    of_blocks = []
    for part in np.array_split(np.arange(count), blocks):
        moved, spread = np.zeros_like(start), np.zeros_like(start)
        for k in part:
            change = pdist(positions[k]) - start
            moved += change
            spread += change**2
        of_blocks.append(_pairs(start, moved, spread, len(part)).mean())
        total += moved
        squares += spread
    matrix = squareform(_pairs(start, total, squares, count))
    return Lindemann(
        atoms=matrix.sum(axis=1) / (size - 1),
        blocks=np.array(of_blocks),
        parts={name: _within(matrix, mask) for name, mask in (parts or {}).items()},
    )


def _pairs(start: Floats, moved: Floats, spread: Floats, count: int) -> Floats:
    """Relative fluctuation of each distance from sums of its changes and of their squares."""
    mean = moved / count
    variance = np.maximum(spread / count - mean**2, 0)
    return np.asarray(np.sqrt(variance) / (start + mean))


def _within(matrix: Floats, mask: NDArray[np.bool_]) -> float:
    count = int(mask.sum())
    if count < 2:
        return float("nan")
    return float(matrix[np.ix_(mask, mask)].sum() / (count * (count - 1)))


def surface_mask(atoms: Atoms) -> NDArray[np.bool_]:
    """Return which atoms are surface, those with at most 10 neighbours, shape (N,)."""
    return np.asarray(coordination_numbers(atoms) <= SURFACE_COORDINATION)
