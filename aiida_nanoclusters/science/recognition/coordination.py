"""Coordination numbers in a set of frames, and which of them a training set covers.

A large particle is made of atoms that are each like one in a cluster, at a surface or in a crystal:
that a training set of small systems covers it shows in P(CN), the probability density of
coordination numbers, of both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Groups that frames fall into, by the directions in which they are endless.
CLUSTER, SURFACE, BULK = GROUPS = ("cluster", "surface", "bulk")
#: A gap this many cutoffs wide is vacuum, and not a pore of a hot crystal.
_VACUUM = 1.5


def shell_cutoff(numbers: NDArray[np.int32]) -> float:
    """Return the distance (Å) between first and second shell for atoms of these atomic numbers.

    The mean of :attr:`.Element.shell_cutoff` over the atoms.

    Raises
    ------
    ValueError
        If an element is not in the table; the message names the known ones.
    """
    kinds, counts = np.unique(numbers, return_counts=True)
    cutoffs = [element(chemical_symbols[z]).shell_cutoff for z in kinds]
    return float(np.average(cutoffs, weights=counts))


def frame_coordination(frames: Frames, cutoff: float | None = None) -> Ints:
    """Count the neighbours of every atom of every frame.

    Parameters
    ----------
    frames
        Of any sizes and periodicity; images of a cell count.
    cutoff
        Largest neighbour distance (Å) in all frames; :func:`shell_cutoff` of each where left out.

    Returns
    -------
    numpy.ndarray, shape (A,)
        Coordination numbers in the order of the flat arrays.
    """
    found = []
    for index in range(len(frames)):
        own = frames.atoms_of(index)
        numbers = frames.numbers[own]
        atoms = Atoms(
            numbers=numbers,
            positions=frames.positions[own],
            cell=frames.cells[index],
            pbc=frames.pbc[index],
        )
        reach = shell_cutoff(numbers) if cutoff is None else cutoff
        found.append(coordination_numbers(atoms, reach))
    return np.concatenate(found)


def frame_groups(frames: Frames) -> NDArray[np.str_]:
    """Name the group of each frame: ``cluster``, ``surface`` or ``bulk``, shape (F,).

    A frame is open in a direction in which it is not periodic, or in which its cell has a gap of
    vacuum. One open in all three is a cluster, one open in none is bulk, any other is a surface.
    """
    groups = []
    for index in range(len(frames)):
        own = frames.atoms_of(index)
        wide = _VACUUM * shell_cutoff(frames.numbers[own])
        gaps = _gaps(frames.positions[own], frames.cells[index], frames.pbc[index])
        groups.append({0: BULK, 3: CLUSTER}.get(int((gaps > wide).sum()), SURFACE))
    return np.array(groups)


def _gaps(positions: Floats, cell: Floats, pbc: NDArray[np.bool_]) -> Floats:
    """Return the widest empty layer (Å) along each cell vector; infinite where not periodic."""
    gaps = np.full(3, np.inf)
    if pbc.any():
        atoms = Atoms(positions=positions, cell=cell, pbc=pbc)
        inverse = np.linalg.inv(atoms.cell.complete())
        heights = 1 / np.linalg.norm(inverse, axis=0)
        for axis in np.flatnonzero(pbc):
            places = np.sort((positions @ inverse)[:, axis] % 1.0)
            gaps[axis] = np.diff(places, append=places[0] + 1.0).max() * heights[axis]
    return gaps


@dataclass(frozen=True)
class CoordinationDensity:
    """How often each coordination number occurs.

    Attributes
    ----------
    numbers
        Coordination numbers 0, 1, 2, ..., shape (K,).
    counts
        Atoms with that many neighbours, shape (K,), by group; only groups that occur.
    """

    numbers: Ints
    counts: Mapping[str, Ints]

    @property
    def total(self) -> Ints:
        """Atoms with that many neighbours in all groups together, shape (K,)."""
        return np.sum([np.asarray(c) for c in self.counts.values()], axis=0)

    def probability(self, group: str | None = None) -> Floats:
        """Return P(CN), shape (K,).

        That of the whole set adds up to one; that of a group is its part of this.
        """
        counts = self.total if group is None else self.counts[group]
        return np.asarray(counts / self.total.sum())


def coordination_density(frames: Frames, cutoff: float | None = None) -> CoordinationDensity:
    """Count coordination numbers by group of frames; `cutoff` as :func:`frame_coordination`."""
    found = frame_coordination(frames, cutoff)
    groups = np.repeat(frame_groups(frames), frames.sizes)
    length = int(found.max()) + 1
    counts = {
        group: np.bincount(found[groups == group], minlength=length)
        for group in GROUPS
        if (groups == group).any()
    }
    return CoordinationDensity(np.arange(length), counts)


def coordination_coverage(
    training: CoordinationDensity, target: CoordinationDensity, least: int = 1
) -> float:
    """Return the fraction of the target's atoms whose coordination number the training set has.

    Parameters
    ----------
    training, target
        Of the two sets, with the same cutoff.
    least
        Fewest training atoms with a coordination number for it to count as covered.
    """
    seen = set(training.numbers[training.total >= least].tolist())
    known = np.array([int(n) in seen for n in target.numbers])
    return float(target.probability()[known].sum())
