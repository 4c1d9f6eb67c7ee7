"""Close-packed planes of hcp atoms in a cluster: twin planes, stacking faults, islands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aiida_nanoclusters.science.recognition.common_neighbours import CLASSES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FCC, _HCP = CLASSES.index("fcc"), CLASSES.index("hcp")
#: Normals of parallel planes differ by less than this (cosine of 15 degrees).
_PARALLEL = float(np.cos(np.radians(15)))
#: Distance of close-packed layers in bond lengths.
_LAYER = float(np.sqrt(2 / 3))
#: What has fewer atoms than this share of the largest layer are adatoms, and no layer.
_FULL = 0.15


@dataclass(frozen=True)
class Stacking:
    """The close-packed layers of a cluster along one normal.

    Attributes
    ----------
    normal
        Unit vector, shape (3,).
    layers
        One letter a layer: ``h`` and ``c`` where most inner atoms are hcp and fcc, ``-`` for layers
        that have neither, such as the outermost.
    planes
        Places in `layers` of the hcp planes, in order.
    points
        Middle of the hcp atoms of each plane (Å), shape (P, 3).
    atoms
        Number of hcp atoms in each plane, shape (P,).
    """

    normal: Floats
    layers: str
    planes: tuple[int, ...]
    points: Floats
    atoms: tuple[int, ...]

    def beside(self, plane: int) -> tuple[int, int]:
        """Return how many layers lie on the smaller and on the larger side of a plane."""
        sides = (plane, len(self.layers) - 1 - plane)
        return min(sides), max(sides)


def hcp_normals(positions: Floats, pairs: Ints, signatures: Ints, hcp: Ints) -> Floats:
    """Return the normal of the close-packed plane about each hcp atom, shape (H, 3).

    The six bonds of signature 422 of an hcp atom lie in its plane: above and below them the same
    triangle is capped.
    """
    normals = np.zeros((len(hcp), 3))
    planar = pairs[signatures == 422]
    for k, atom in enumerate(hcp):
        mine = planar[(planar == atom).any(axis=1)]
        vectors = positions[mine.sum(axis=1) - atom] - positions[atom]
        normals[k] = np.linalg.svd(vectors)[2][2]
    return normals


def stackings(
    positions: Floats, pairs: Ints, signatures: Ints, classes: Ints, bond: float, least: int = 1
) -> list[Stacking]:
    """Find the directions along which there are hcp planes, the one with most atoms first.

    Parameters
    ----------
    positions
        Å, shape (N, 3).
    pairs, signatures, classes
        As :mod:`.common_neighbours` gives them.
    bond
        Mean bond length (Å).
    least
        Fewest hcp atoms that make a plane.
    """
    hcp = np.flatnonzero(classes == _HCP)
    normals = hcp_normals(positions, pairs, signatures, hcp)
    found = []
    left = np.ones(len(hcp), dtype=bool)
    while left.any():
        alike = np.abs(normals @ normals.T) > _PARALLEL
        counts = (alike & left[None, :]).sum(axis=1) * left
        members = alike[int(counts.argmax())] & left
        left &= ~members
        own = normals[members]
        normal = np.linalg.svd(own)[2][0]
        stacking = _stacking(positions, classes, hcp[members], normal, bond, least)
        if stacking.planes:
            found.append(stacking)
    return sorted(found, key=lambda stacking: -sum(stacking.atoms))


def _stacking(
    positions: Floats, classes: Ints, hcp: Ints, normal: Floats, bond: float, least: int
) -> Stacking:
    """Divide a cluster into layers along a normal, counted from one of its hcp planes."""
    spacing = _LAYER * bond
    heights = positions @ normal
    start = float(np.median(heights[hcp][np.abs(heights[hcp] - heights[hcp[0]]) < 0.5 * spacing]))
    levels = np.round((heights - start) / spacing).astype(np.int64)
    levels -= levels.min()
    counts = np.bincount(levels)
    full = np.flatnonzero(counts >= _FULL * counts.max())
    letters, planes, points, atoms = [], [], [], []
    levels -= full[0]
    for level in range(int(full[-1] - full[0]) + 1):
        within = levels == level
        mine = hcp[within[hcp]]
        fcc = int((classes[within] == _FCC).sum())
        if len(mine) >= max(least, 1) and len(mine) >= fcc:
            letters.append("h")
            planes.append(level)
            points.append(positions[mine].mean(axis=0))
            atoms.append(len(mine))
        else:
            letters.append("c" if fcc else "-")
    return Stacking(
        normal, "".join(letters), tuple(planes), np.array(points).reshape(-1, 3), tuple(atoms)
    )
