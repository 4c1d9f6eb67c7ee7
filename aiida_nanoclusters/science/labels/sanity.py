"""Checks of frames before they are computed; each message names the frame and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.data import covalent_radii
from ase.geometry import complete_cell
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.frames import Frames

#: Largest accepted coordinate and length of a cell vector, Å.
LARGEST = 1e5
#: Smallest accepted distance between opposite faces of a periodic cell, Å.
THINNEST = 0.3
#: Smallest accepted distance of two atoms, in units of the sum of their covalent radii.
CLOSEST_BOND_FRACTION = 0.5
#: Atoms within half a bond of each, on average, beyond which only the nearest are looked at.
_CROWDED = 100


def frame_problems(
    frames: Frames,
    *,
    elements: Sequence[str] | None = None,
    need_labels: bool = False,
    cutoff: float | None = None,
) -> list[str]:
    """Return one message for every frame that cannot be used, each with its fix.

    Parameters
    ----------
    frames
        The set to check.
    elements
        Chemical symbols that may occur; any where not given.
    need_labels
        Whether every frame must have an energy and all forces.
    cutoff
        Å. Cells thinner than this along a periodic direction are refused: the program that labels
        them would have to sum over several images of one atom.
    """
    problems = []
    if elements is not None:
        unknown = [e for e in frames.elements if e not in elements]
        if unknown:
            bad = next(i for i in range(len(frames)) if set(unknown) & set(frames[i].symbols))
            problems.append(
                f"frame {bad} holds {', '.join(unknown)}, expected only {', '.join(elements)}: "
                "remove it or choose a potential of these elements"
            )
    for i in range(len(frames)):
        problem = _geometry_problem(frames, i, cutoff) or _label_problem(frames, i, need_labels)
        if problem:
            problems.append(f"frame {i} {problem}")
    if need_labels and not problems:
        try:
            _ = frames.reference_energies
        except ValueError as error:
            problems.append(str(error))
    return problems


def sound_frames(frames: Frames) -> NDArray[np.bool_]:
    """Return where positions and cell are finite and no two atoms overlap, (F,)."""
    return np.array([_geometry_problem(frames, i, None) is None for i in range(len(frames))])


def check_frames(
    frames: Frames,
    *,
    elements: Sequence[str] | None = None,
    need_labels: bool = False,
    cutoff: float | None = None,
) -> None:
    """Refuse unusable frames; arguments as of :func:`frame_problems`.

    Raises
    ------
    ValueError
        Naming the first unusable frame, the fix, and the number of further ones.
    """
    problems = frame_problems(frames, elements=elements, need_labels=need_labels, cutoff=cutoff)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)


def _geometry_problem(frames: Frames, index: int, cutoff: float | None) -> str | None:
    own = frames.atoms_of(index)
    problem = impossible(
        frames.numbers[own], frames.positions[own], frames.cells[index], frames.pbc[index]
    )
    if problem:
        return problem
    pbc, cell = frames.pbc[index], frames.cells[index]
    if cutoff is not None and pbc.any():
        thin = float(_heights(cell)[pbc].min())
        if thin < cutoff:
            return (
                f"has a periodic cell only {thin:.2f} Å thick, the cutoff is {cutoff:.2f} Å: "
                "repeat the cell"
            )
    closest = _closest_pair(frames, index)
    if closest:
        a, b, distance, bond = closest
        return (
            f"has atoms {a} and {b} only {distance:.2f} Å apart, less than half a bond "
            f"({bond:.2f} Å): remove the frame, or relax it first"
        )
    return None


def impossible(
    numbers: NDArray[Any], positions: NDArray[Any], cell: NDArray[Any], pbc: NDArray[Any]
) -> str | None:
    """Return why a structure is none that distances can be computed of, with the fix, or None.

    Parameters
    ----------
    numbers
        Atomic numbers, (N,).
    positions
        (N, 3), Å.
    cell
        (3, 3), Å; rows are the cell vectors.
    pbc
        Periodicity along them, (3,).
    """
    if not len(numbers):
        return "holds no atoms: remove it"
    if not (0 < numbers.min() and numbers.max() < len(covalent_radii)):
        return "has atomic numbers of no element: remove it"
    if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
        return "has positions or a cell that are not finite numbers: remove it"
    if np.abs(positions).max(initial=0.0) > LARGEST or np.abs(cell).max() > LARGEST:
        return f"has positions or a cell beyond {LARGEST:g} Å: check the units, or remove it"
    if pbc.any():
        if np.any(np.linalg.norm(cell[pbc], axis=1) < 1e-3):
            return "is periodic along a direction without a cell vector: give it one, or pbc=False"
        thin = float(_heights(cell)[pbc].min())
        if not thin > THINNEST:
            return f"has a periodic cell only {thin:.2g} Å thick: check the units, or remove it"
    return None


def _heights(cell: NDArray[Any]) -> NDArray[Any]:
    """Return the distance between opposite faces along each cell vector, (3,), Å."""
    whole = complete_cell(cell)
    faces = np.linalg.norm(np.cross(whole[[1, 2, 0]], whole[[2, 0, 1]]), axis=1)
    heights: NDArray[Any] = abs(np.linalg.det(whole)) / np.maximum(faces, 1e-300)
    return heights


def _closest_pair(frames: Frames, index: int) -> tuple[int, int, float, float] | None:
    own = frames.atoms_of(index)
    radii = covalent_radii[frames.numbers[own]]
    reach = 2 * CLOSEST_BOND_FRACTION * float(radii.max())
    crowd = _nearest_in_crowd(frames, index, reach) if len(radii) > _CROWDED else None
    if crowd is not None:
        first, second, distances = crowd
    elif frames.pbc[index].any():
        first, second, distances = neighbor_list("ijd", frames[index], reach)
    else:
        positions = frames.positions[own]
        pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
        first, second = pairs[:, 0], pairs[:, 1]
        distances = np.linalg.norm(positions[first] - positions[second], axis=1)
    bonds = radii[first] + radii[second]
    too_close = distances < CLOSEST_BOND_FRACTION * bonds
    if not too_close.any():
        return None
    worst = int(np.argmin(np.where(too_close, distances, np.inf)))
    return int(first[worst]), int(second[worst]), float(distances[worst]), float(bonds[worst])


def _nearest_in_crowd(
    frames: Frames, index: int, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] | None:
    """Return each atom's nearest and its distance (Å) where all pairs would not fit into memory.

    None where there are not too many pairs within `reach` (Å).
    """
    if frames.pbc[index].any():
        positions = frames[index].get_positions(wrap=True)
    else:
        positions = frames.positions[frames.atoms_of(index)]
    order = np.lexsort(positions.T)
    same = np.flatnonzero((np.diff(positions[order], axis=0) == 0).all(axis=1))
    if len(same):  # of which a tree makes no branches
        return order[same], order[same + 1], np.zeros(len(same))
    tree = cKDTree(positions)
    if tree.count_neighbors(tree, reach) <= _CROWDED * len(positions):
        return None
    distances, nearest = (rows[:, 1] for rows in tree.query(positions, k=2))
    return np.arange(len(positions)), nearest, distances


def _label_problem(frames: Frames, index: int, need_labels: bool) -> str | None:
    energy, forces = frames.energies[index], frames.forces[frames.atoms_of(index)]
    if np.isinf(energy) or np.isinf(forces).any():
        return "has an infinite energy or force: label it again, or remove it"
    has_energy, finite = bool(np.isfinite(energy)), np.isfinite(forces).all(axis=1)
    if has_energy and finite.any() and not finite.all():
        return f"has forces on {finite.sum()} of {finite.size} atoms: label it again"
    if need_labels and not has_energy:
        return "has no energy: label it first"
    if need_labels and not finite.all():
        return "has an energy but no forces: label it with forces, both are needed"
    return None
