"""What frames must satisfy before anything is spent on them; each message names frame and fix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import covalent_radii
from ase.geometry import complete_cell
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.frames import Frames

#: Atoms closer than this share of the sum of their covalent radii are a broken structure.
CLOSEST_BOND_FRACTION = 0.5


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
        The set to look at.
    elements
        Chemical symbols that may occur; any where not given.
    need_labels
        Whether every frame must have an energy and all forces.
    cutoff
        Å. Periodic cells thinner than this along a periodic direction are refused: the code
        that labels them would have to sum over several images of one atom.
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
    """Return where atoms and cell are finite numbers and no two atoms lie on each other, (F,)."""
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
        Naming the first frame at fault, the fix, and how many more there are.
    """
    problems = frame_problems(frames, elements=elements, need_labels=need_labels, cutoff=cutoff)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ValueError(problems[0] + more)


def _geometry_problem(frames: Frames, index: int, cutoff: float | None) -> str | None:
    own = frames.atoms_of(index)
    positions, pbc = frames.positions[own], frames.pbc[index]
    cell = frames.cells[index]
    if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
        return "has positions or a cell that are not finite numbers: remove it"
    heights = None
    if pbc.any():
        # Distance between opposite faces, along each cell vector.
        inverse = np.linalg.norm(np.linalg.pinv(complete_cell(cell)), axis=0)
        heights = 1.0 / inverse
        if np.any(np.linalg.norm(cell[pbc], axis=1) < 1e-3):
            return "is periodic along a direction without a cell vector: give it one, or pbc=False"
        if cutoff is not None and np.any(heights[pbc] < cutoff):
            thin = float(heights[pbc].min())
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


def _closest_pair(frames: Frames, index: int) -> tuple[int, int, float, float] | None:
    own = frames.atoms_of(index)
    radii = covalent_radii[frames.numbers[own]]
    reach = 2 * CLOSEST_BOND_FRACTION * float(radii.max())
    if frames.pbc[index].any():
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
