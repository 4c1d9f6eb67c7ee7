"""Which frames of a file are steps of one motion: they must not be divided between two sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from scipy.stats import chi2

Floats = NDArray[np.float64]

#: Å; largest displacement (root mean square over the atoms) from one frame to the next.
FARTHEST = 1.0
#: Largest relative change of a cell vector from one frame to the next.
_CELL_CHANGE = 0.02
#: Å; frames displaced by less in a changed cell are one structure strained, no motion.
_NO_MOTION = 1e-3
#: Fewest frames whose order can be judged.
_FEWEST = 8
#: Median distance of successive frames, in units of that of frames far apart in a file, below which
#: their order is that of a motion; and largest distance, in the same unit, of related frames.
_ORDERED, _RELATED = 0.8, 0.5
#: Frames whose distances are computed at once.
_BLOCK = 2000


def find_trajectories(images: Sequence[Atoms]) -> list[int]:
    """Return the number of the trajectory of each frame, from 0.

    A frame continues the last one before it that has the same atoms in the same order, the same
    periodicity, `config_type` and charge, if its atoms lie within 1 Å (root mean square, after the
    best superposition) of where they were, and its cell changed by less than 2 %. Where eight or
    more frames in a row are no closer to each other than those far apart (a set that was shuffled,
    or drawn at random around one structure), only those stay together that are much closer to each
    other than usual: by half, and closer than independent frames would be. Single atoms are alone.
    """
    runs: list[list[int]] = []
    last: dict[tuple[object, ...], int] = {}  # run of the last frame of these atoms
    for index, atoms in enumerate(images):
        origin = (str(atoms.info.get("config_type")), str(atoms.info.get("charge")))
        key = (atoms.numbers.tobytes(), tuple(atoms.pbc), *origin)
        own = last.get(key)
        if own is not None and len(atoms) > 1 and continues(images[runs[own][-1]], atoms):
            runs[own].append(index)
        else:
            last[key] = len(runs)
            runs.append([index])
    numbers = np.empty(len(images), dtype=int)
    new = 0
    for run in runs:
        parts = _related([images[i] for i in run])
        numbers[run] = new + parts
        new += int(parts.max()) + 1
    # In the order of their first frames.
    order = {number: k for k, number in enumerate(dict.fromkeys(numbers.tolist()))}
    return [order[number] for number in numbers.tolist()]


def _related(run: Sequence[Atoms]) -> NDArray[np.int64]:
    """Return which frames in a row belong together, as numbers from 0; all, if it is a motion."""
    together = np.zeros(len(run), dtype=int)
    if len(run) < _FEWEST:
        return together
    moved = np.array([displacements(run[0], atoms).ravel() for atoms in run])
    moved /= np.sqrt(len(run[0]))
    far = len(run) // 4
    usual = float(np.median(np.linalg.norm(moved[far:] - moved[:-far], axis=1)))
    successive = float(np.median(np.linalg.norm(np.diff(moved, axis=0), axis=1)))
    if usual < _NO_MOTION or successive < _ORDERED * usual:
        return together
    # Of so many frames that are independent none is so close to another, but with probability 0.1.
    degrees = max(3 * len(run[0]) - 3, 1)
    related = min(_RELATED, float(np.sqrt(chi2.ppf(0.1 / len(run), degrees) / degrees)))
    parts, count = [], 0
    for start in range(0, len(run), _BLOCK):
        block = moved[start : start + _BLOCK]
        close = csr_array(cdist(block, block) < related * usual)
        more, labels = connected_components(close, directed=False)
        parts.append(labels + count)
        count += more
    return np.concatenate(parts)


def continues(before: Atoms, after: Atoms) -> bool:
    """Whether two frames of the same atoms can be successive steps of one motion."""
    old, new = before.cell.array, after.cell.array
    lengths = np.maximum(np.linalg.norm(old, axis=1), 1e-9)
    change = np.linalg.norm(new - old, axis=1) / lengths if before.pbc.any() else np.zeros(3)
    if (change[before.pbc] > _CELL_CHANGE).any():
        return False
    moved = float(np.sqrt(np.mean(np.sum(displacements(before, after) ** 2, axis=1))))
    strained = bool((change[before.pbc] > 1e-6).any())
    return moved <= FARTHEST and not (strained and moved < _NO_MOTION)


def displacements(before: Atoms, after: Atoms) -> Floats:
    """Return by how much each atom moved, (N, 3), Å.

    Periodic frames: along the shortest way in the later cell, without a common translation. Others:
    after the best superposition.
    """
    if after.pbc.any():
        scaled = before.positions @ np.linalg.pinv(before.cell.complete().array)
        moved = after.positions - scaled @ after.cell.complete().array
        moved = find_mic(moved, after.cell.complete(), after.pbc)[0]
        return np.asarray(moved - moved.mean(axis=0))
    old = before.positions - before.positions.mean(axis=0)
    new = after.positions - after.positions.mean(axis=0)
    left, _, right = np.linalg.svd(new.T @ old)
    turn = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return np.asarray(new @ turn - old)
