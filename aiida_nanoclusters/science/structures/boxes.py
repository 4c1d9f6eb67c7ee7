"""Cells that a plane-wave code can compute: vacuum around clusters, k-points, supercells."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def in_box(atoms: Atoms, vacuum: float, *, cubic: bool = False) -> Atoms:
    """Return a copy in a box, with vacuum along the directions in which it is not periodic.

    Parameters
    ----------
    atoms
        A cluster, or a slab; along periodic directions nothing changes.
    vacuum
        Å; least distance between an atom and the nearest image of another.
    cubic
        Give a cluster a cubic box.

    Returns
    -------
    Atoms
        Centred along those directions; atoms in the order they were, `pbc` as it was. The box
        depends on the extent of the atoms rounded up to whole Å, so that the frames of one
        trajectory share it where they can.

    Raises
    ------
    ValueError
        If a cell vector along a non-periodic direction is not perpendicular to the others where
        others are periodic.
    """
    open_axes = np.flatnonzero(~atoms.pbc)
    boxed = atoms.copy()
    if len(open_axes) == 0:
        return boxed
    cell = np.array(complete_cell(atoms.cell.array)) if atoms.pbc.any() else np.eye(3)
    axes = cell / np.linalg.norm(cell, axis=1, keepdims=True)
    for axis in open_axes:
        if np.abs(np.delete(axes, axis, axis=0) @ axes[axis]).max() > 1e-6:
            raise ValueError(
                f"the cell is oblique along direction {axis}, which is not periodic: make the "
                "cell vector perpendicular to the others"
            )
    extent = np.ptp(atoms.positions @ axes.T, axis=0)
    lengths = np.ceil(extent + vacuum - 1e-9)
    if cubic and len(open_axes) == 3:
        lengths[:] = lengths.max()
    cell[open_axes] = lengths[open_axes, None] * axes[open_axes]
    boxed.set_cell(cell)
    middle = 0.5 * (atoms.positions @ axes.T).min(axis=0) + 0.5 * (atoms.positions @ axes.T).max(0)
    for axis in open_axes:
        boxed.positions += (0.5 * lengths[axis] - middle[axis]) * axes[axis]
    return boxed


def outgrown(positions: NDArray[np.float64], box: Atoms, vacuum: float) -> str | None:
    """Return why atoms that have moved no longer fit in their box, and the fix, or None.

    Parameters
    ----------
    positions
        Å, (N, 3); those of `box` are where they were at first.
    box
        As :func:`in_box` made it with this `vacuum`, of which half must be left.
    """
    axes = box.cell.array / box.cell.lengths()[:, None]
    left = box.cell.lengths() - np.ptp(positions @ axes.T, axis=0)
    if (left[~box.pbc] < 0.5 * vacuum).any():
        return (
            f"it has outgrown its box: {left[~box.pbc].min():.1f} Å are left between images; relax "
            "it first, lower the temperature, or give more `vacuum`"
        )
    return None


def kpoint_mesh(atoms: Atoms, spacing: float) -> tuple[int, int, int]:
    """Return the mesh with no two k-points further apart than `spacing` (1/Å, with 2 pi).

    Along directions that are not periodic there is one.
    """
    reciprocal = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    wanted = np.maximum(1, np.ceil(reciprocal / spacing - 1e-9)).astype(int)
    a, b, c = np.where(atoms.pbc, wanted, 1)
    return int(a), int(b), int(c)


def repeats(atoms: Atoms, thickness: float) -> tuple[int, int, int]:
    """Return how often to repeat a cell until it is `thickness` (Å) thick wherever periodic."""
    heights = 1.0 / np.linalg.norm(np.linalg.pinv(complete_cell(atoms.cell.array)), axis=0)
    wanted = np.maximum(1, np.ceil(thickness / heights - 1e-9)).astype(int)
    a, b, c = np.where(atoms.pbc, wanted, 1)
    return int(a), int(b), int(c)
