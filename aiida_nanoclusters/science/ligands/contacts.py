"""Who touches whom in a protected cluster: bonds, contacts with metals, connected groups of atoms.

Two atoms are bonded up to a multiple of the sum of their covalent radii (B. Cordero et al., Dalton
Trans. 2832 (2008)), which differs between non-metals, between metals, and between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.geometry import complete_cell
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.ligands.split_settings import SplitSettings
from aiida_nanoclusters.science.structures.molecules import METALS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

HALOGENS = frozenset({"F", "Cl", "Br", "I", "At"})
_METAL_NUMBERS = np.array(sorted(atomic_numbers[symbol] for symbol in METALS))
_HALOGEN_NUMBERS = np.array(sorted(atomic_numbers[symbol] for symbol in HALOGENS))
#: Atoms nearer than this multiple of the sum of their covalent radii lie on one another.
_OVERLAP = 0.55
#: An atom between two others that are nearer to a metal by this much, as a fraction of the sum of
#: the radii, does not bind to it itself: the carbon of a chelating carboxylate.
_NEARER = 0.05
#: Fewest metal atoms that enclose another atom.
_FEWEST_AROUND = 4
#: Atoms in a cube of 1 Å, volume of an atom (Å^3) and length of a period (Å), beyond which
#: a structure has no physical density and its neighbours are not counted.
_MOST_IN_CUBE, _LEAST_VOLUME, _LEAST_PERIOD = 20, 1.0, 1.5


@dataclass(frozen=True, eq=False)
class Contacts:
    """Contacts of N atoms, each from both sides, E in all.

    Attributes
    ----------
    first, second
        Atoms of each contact, (E,).
    shifts
        Periods of the cell from the first to the second atom, (E, 3).
    ratios
        Distance over the sum of the covalent radii, (E,).
    bonded, binding, metallic
        Whether it is a bond of two non-metals, one of a non-metal with a metal, or one of two
        metals; (E,).
    overlapping
        Pairs of atoms that lie on one another, (P, 2).
    metal
        Whether an atom is a metal, (N,).
    """

    first: Ints
    second: Ints
    shifts: Ints
    ratios: Floats
    bonded: Flags
    binding: Flags
    metallic: Flags
    overlapping: Ints
    metal: Flags


def find_contacts(atoms: Atoms, settings: SplitSettings) -> Contacts:
    """Return the contacts of a structure; periodic directions count.

    A hydrogen or halogen atom that is bonded to another non-metal does not bind to metals, nor does
    an atom between two that are nearer to the same metal atom.

    Raises
    ------
    ValueError
        If the density is none of matter, so that every atom would touch every other one.
    """
    check_density(atoms)
    numbers = atoms.numbers
    metal = np.isin(numbers, _METAL_NUMBERS)
    widest = max(settings.bond, settings.contact, settings.metal_bond)
    i, j, shifts, distances = _pairs(atoms, widest * covalent_radii[numbers])
    ratios = distances / (covalent_radii[numbers[i]] + covalent_radii[numbers[j]])
    both, none = metal[i] & metal[j], ~metal[i] & ~metal[j]
    bonded = none & (ratios <= settings.bond)
    metallic = both & (ratios <= settings.metal_bond)
    binding = ~both & ~none & (ratios <= settings.contact)
    never = (numbers == 1) | np.isin(numbers, _HALOGEN_NUMBERS)
    never &= np.bincount(i[bonded], minlength=len(atoms)) > 0
    binding &= ~never[i] & ~never[j]
    binding &= ~_in_between(i, j, shifts, ratios, bonded, binding, metal)
    near = (ratios < _OVERLAP) & (i <= j)
    kept = bonded | metallic | binding
    return Contacts(
        first=i[kept],
        second=j[kept],
        shifts=shifts[kept],
        ratios=ratios[kept],
        bonded=bonded[kept],
        binding=binding[kept],
        metallic=metallic[kept],
        overlapping=np.column_stack([i[near], j[near]]),
        metal=metal,
    )


def _pairs(atoms: Atoms, radii: Floats) -> tuple[Ints, Ints, Ints, Floats]:
    """Return the pairs of atoms whose spheres touch, each from both sides, as ASE does."""
    if atoms.pbc.any():
        i, j, shifts, distances = neighbor_list("ijSd", atoms, list(radii))
        return i, j, shifts.astype(np.int64), distances
    # without periods a tree is ten times as fast
    tree = cKDTree(atoms.positions)
    pairs = tree.query_pairs(2 * radii.max(initial=0.0), output_type="ndarray")
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    distances = np.linalg.norm(atoms.positions[i] - atoms.positions[j], axis=1)
    near = distances < radii[i] + radii[j]
    return i[near], j[near], np.zeros((near.sum(), 3), dtype=np.int64), distances[near]


def _in_between(
    i: Ints,
    j: Ints,
    shifts: Ints,
    ratios: Floats,
    bonded: Flags,
    binding: Flags,
    metal: Flags,
) -> Flags:
    """Return which contacts are of atoms between two others that are nearer to the metal."""

    def edge(a: int, b: int, shift: Ints) -> tuple[int, ...]:
        return (int(a), int(b), int(shift[0]), int(shift[1]), int(shift[2]))

    outward = np.flatnonzero(binding & ~metal[i])
    touches = {edge(i[e], j[e], shifts[e]): float(ratios[e]) for e in outward}
    neighbours: dict[int, list[int]] = {}
    for e in np.flatnonzero(bonded):
        neighbours.setdefault(int(i[e]), []).append(int(e))
    lost = set()
    for e in outward:
        beside = (
            touches.get(edge(j[b], j[e], shifts[e] - shifts[b]), np.inf)
            for b in neighbours.get(int(i[e]), ())
        )
        if sum(ratio < ratios[e] - _NEARER for ratio in beside) >= 2:
            lost |= {edge(i[e], j[e], shifts[e]), edge(j[e], i[e], -shifts[e])}
    dropped = np.zeros(len(i), dtype=bool)
    if lost:
        for e in np.flatnonzero(binding):
            dropped[e] = edge(i[e], j[e], shifts[e]) in lost
    return dropped


def enclosed(
    atoms: Atoms, candidates: Sequence[int], metal: Flags, reach: float
) -> dict[int, list[tuple[int, Ints]]]:
    """Return the atoms that metals enclose: those of which no plane has all metals on one side.

    Parameters
    ----------
    atoms
        The structure.
    candidates
        Atoms that are looked at.
    metal
        Whether an atom is a metal, (N,).
    reach
        Longest distance of the metals as a multiple of the sum of covalent radii.

    Returns
    -------
    dict
        The metal atoms around each, with their periods.
    """
    chosen = np.array([*candidates, *np.flatnonzero(metal)], dtype=np.int64)
    part = Atoms(atoms.numbers[chosen], atoms.positions[chosen], cell=atoms.cell, pbc=atoms.pbc)
    i, j, shifts, _ = _pairs(part, reach * covalent_radii[part.numbers])
    vectors = part.positions[j] + shifts @ part.cell.array - part.positions[i]
    outward = (i < len(candidates)) & (j >= len(candidates))
    found = {}
    for k in np.unique(i[outward]):
        own = np.flatnonzero(outward & (i == k))
        if len(own) >= _FEWEST_AROUND and not _on_one_side(vectors[own]):
            found[int(chosen[k])] = [(int(chosen[j[e]]), shifts[e]) for e in own]
    return found


def _on_one_side(vectors: Floats) -> bool:
    """Whether some plane through the origin has all vectors on one side, and none on it."""
    # that is where a normal n has n.v >= 1 for each of them
    count = len(vectors)
    plane = linprog(np.zeros(3), A_ub=-vectors, b_ub=-np.ones(count), bounds=(None, None))
    return bool(plane.status == 0)


@dataclass(frozen=True, eq=False)
class Group:
    """A connected group of n atoms.

    Attributes
    ----------
    atoms
        Their indices in the structure, ascending, (n,).
    shifts
        Periods by which each has to be moved to be with the others, (n, 3).
    periodic
        Number of independent directions in which the group repeats without end: 0 of a molecule.
    """

    atoms: Ints
    shifts: Ints
    periodic: int


def connected_groups(n: int, first: Ints, second: Ints, shifts: Ints) -> list[Group]:
    """Return the connected groups of n atoms, whole across the boundaries of a periodic cell.

    Parameters
    ----------
    n
        Number of atoms.
    first, second, shifts
        Connections, each from both sides, with the periods from the first to the second; (E,),
        (E,), (E, 3).
    """
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    order = np.argsort(first, kind="stable")
    start = np.searchsorted(first[order], np.arange(n + 1))
    place = np.zeros((n, 3), dtype=np.int64)
    seen = np.zeros(n, dtype=bool)
    targets, steps = second[order], shifts[order].astype(np.int64)
    for root in np.unique(label, return_index=True)[1]:
        seen[root] = True
        queue = [int(root)]
        while queue:
            a = queue.pop()
            for e in range(start[a], start[a + 1]):
                b = int(targets[e])
                if not seen[b]:
                    seen[b] = True
                    place[b] = place[a] + steps[e]
                    queue.append(b)
    loops = place[first] + shifts - place[second]
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])
    open_edges = np.flatnonzero(np.any(loops != 0, axis=1))
    repeats: dict[int, Ints] = {}
    for own in np.unique(label[first[open_edges]]) if len(open_edges) else ():
        repeats[int(own)] = loops[open_edges][label[first[open_edges]] == own]
    return [
        Group(
            atoms=np.sort(members[k]),
            shifts=place[np.sort(members[k])],
            periodic=int(np.linalg.matrix_rank(repeats[k])) if k in repeats else 0,
        )
        for k in range(count)
    ]


def unwrapped(atoms: Atoms, group: Group) -> Floats:
    """Return the positions of a group, whole, Å, (n, 3)."""
    return np.asarray(atoms.positions[group.atoms] + group.shifts @ atoms.cell.array)


def fragments(contacts: Contacts, among: Sequence[int]) -> list[list[int]]:
    """Return the non-metals among some atoms in groups that bonds connect, in their order."""
    n = len(contacts.metal)
    inside = np.zeros(n, dtype=bool)
    inside[list(among)] = True
    inside &= ~contacts.metal
    own = contacts.bonded & inside[contacts.first] & inside[contacts.second]
    graph = coo_array(
        (np.ones(own.sum()), (contacts.first[own], contacts.second[own])), shape=(n, n)
    )
    _, label = connected_components(graph, directed=False)
    found: dict[int, list[int]] = {}
    for k in np.flatnonzero(inside):
        found.setdefault(int(label[k]), []).append(int(k))
    return list(found.values())


def check_density(atoms: Atoms) -> None:
    """Refuse structures of which each atom would touch every other one.

    Raises
    ------
    ValueError
        If a position or the cell is no number, or atoms lie denser than in any matter.
    """
    if not np.isfinite(atoms.positions).all():
        raise ValueError("a position is no number: correct the file")
    if atoms.pbc.any():
        lengths = atoms.cell.lengths()[atoms.pbc]
        if not np.isfinite(atoms.cell.array).all() or lengths.min() < _LEAST_PERIOD:
            raise ValueError("a period of the cell is shorter than a bond: correct the cell")
        volume = abs(np.linalg.det(complete_cell(atoms.cell)))
        if atoms.pbc.all() and volume < _LEAST_VOLUME * len(atoms):
            raise ValueError(f"{len(atoms)} atoms do not fit into its {volume:.0f} Å^3")
    positions = atoms.get_positions(wrap=True) if atoms.pbc.all() else atoms.positions
    cubes = np.floor(positions)
    _, counts = np.unique(cubes, axis=0, return_counts=True)
    if len(atoms) and counts.max() > _MOST_IN_CUBE:
        raise ValueError(f"{counts.max()} atoms lie within 1 Å^3: correct the positions")
