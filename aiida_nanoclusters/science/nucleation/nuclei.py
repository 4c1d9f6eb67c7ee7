"""Nuclei of a trajectory: clusters of six metal atoms and more, and how they become octahedra."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from aiida_nanoclusters.science.nucleation.assembly import Cluster, Moment
from aiida_nanoclusters.science.nucleation.assembly_settings import AssemblySettings, LinkSettings
from aiida_nanoclusters.science.nucleation.links import close_pairs
from aiida_nanoclusters.science.nucleation.octahedra import (
    CORNERS,
    OctahedronMatch,
    best_octahedron,
    match_octahedron,
)
from aiida_nanoclusters.science.structures.molecules import find_molecules

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Nuclei that ended before the trajectory did and are kept: those that lived longest.
MOST_ENDED = 24
#: Atoms of a nucleus are put together by the shortest ways between them; Å of the longest.
_REACH = 6.8


@dataclass
class Life:
    """A cluster from its first frame to its last.

    Attributes
    ----------
    number
        In the order in which clusters appear, from 1.
    atoms
        Indices of its metal atoms.
    first, last
        Frames; `last` is None while it lives.
    """

    number: int
    atoms: Cluster
    first: int
    last: int | None = None


@dataclass(frozen=True, eq=False)
class Nucleus:
    """A cluster of six metal atoms or more, at the last frame of its life.

    Attributes
    ----------
    life
        The cluster.
    snapshot
        Its metal atoms, ascending by their index, and the ligands that they bind; in one piece.
    corners
        Indices of the six metal atoms that are closest to an octahedron.
    match
        How close these are.
    ordered
        Of a cluster of six: the frame from which on it is an octahedron, None where it is none.
    rmsd
        Of a cluster of six: from an octahedron, in each frame of its life, Å.
    """

    life: Life
    snapshot: Atoms
    corners: tuple[int, ...]
    match: OctahedronMatch
    ordered: int | None = None
    rmsd: Floats = field(default_factory=lambda: np.empty(0))


class Nuclei:
    """Clusters of a trajectory by their numbers, and its nuclei; told frame by frame.

    Attributes
    ----------
    lives
        Clusters in the order of their numbers.
    """

    def __init__(self, settings: AssemblySettings) -> None:
        self._settings = settings
        self.lives: list[Life] = []
        self._living: dict[Cluster, Life] = {}
        self._sixes: dict[int, _Six] = {}
        self._ended: list[Nucleus] = []
        self._latest: Atoms | None = None
        self._molecule: Ints | None = None

    def see(self, moment: Moment) -> list[tuple[list[int], list[int]]]:
        """Take the next frame; return the numbers of the clusters before and after each event."""
        if self._latest is None:
            self._molecule = find_molecules(moment.atoms, solvent=()).molecule
            for cluster in moment.clusters:
                self._begin(cluster, moment.frame)
        named = []
        for event in moment.events:
            before = [self._end(cluster, moment.frame) for cluster in event.before]
            after = [self._begin(cluster, moment.frame) for cluster in event.after]
            named.append((sorted(before), after))
        self._latest = moment.atoms
        for six in self._sixes.values():
            six.see(moment)
        return named

    def close(self) -> list[Nucleus]:
        """Return the nuclei: those of the last frame, the larger first, then those that ended."""
        assert self._latest is not None
        last = [
            self._nucleus(life, self._latest)
            for life in self._living.values()
            if len(life.atoms) >= CORNERS
        ]
        last.sort(key=lambda nucleus: (-len(nucleus.life.atoms), nucleus.life.number))
        return last + sorted(self._ended, key=lambda nucleus: nucleus.life.number)

    def _begin(self, cluster: Cluster, frame: int) -> int:
        life = Life(len(self.lives) + 1, cluster, frame)
        self.lives.append(life)
        self._living[cluster] = life
        if len(cluster) == CORNERS:
            self._sixes[life.number] = _Six(cluster, self._settings)
        return life.number

    def _end(self, cluster: Cluster, frame: int) -> int:
        life = self._living.pop(cluster)
        life.last = frame - 1
        if len(cluster) >= CORNERS:
            self._keep(life)
        self._sixes.pop(life.number, None)
        return life.number

    def _keep(self, life: Life) -> None:
        """Keep a nucleus that ended unless others lived longer: each costs some milliseconds."""
        shortest = min(self._ended, key=_duration, default=None)
        if len(self._ended) == MOST_ENDED:
            assert shortest is not None and life.last is not None
            if life.last - life.first <= _duration(shortest):
                return
            self._ended.remove(shortest)
        assert self._latest is not None
        self._ended.append(self._nucleus(life, self._latest))

    def _nucleus(self, life: Life, atoms: Atoms) -> Nucleus:
        assert self._molecule is not None
        members = sorted(life.atoms)
        shown = snapshot(atoms, members, self._settings, self._molecule)
        corners, match = best_octahedron(shown.positions[: len(members)], self._settings)
        chosen = tuple(members[k] for k in corners)
        six = self._sixes.get(life.number)
        if six is None:
            return Nucleus(life, shown, chosen, match)
        return Nucleus(life, shown, chosen, match, six.ordered, np.array(six.rmsd))


def _duration(nucleus: Nucleus) -> int:
    assert nucleus.life.last is not None
    return nucleus.life.last - nucleus.life.first


class _Six:
    """Six atoms that are compared with an octahedron frame by frame."""

    def __init__(self, cluster: Cluster, settings: AssemblySettings) -> None:
        self._cluster, self._settings = cluster, settings
        self._window: deque[float] = deque(maxlen=settings.lasting)
        self.rmsd: list[float] = []
        self.ordered: int | None = None

    def see(self, moment: Moment) -> None:
        match = match_octahedron(moment.atoms, self._cluster, self._settings)
        self.rmsd.append(match.rmsd)
        self._window.append(match.rmsd)
        if np.mean(self._window) > self._settings.octahedron:
            self.ordered = None
        elif self.ordered is None and len(self._window) == self._settings.lasting:
            self.ordered = moment.frame - self._settings.lasting + 1


def snapshot(atoms: Atoms, members: list[int], settings: LinkSettings, molecule: Ints) -> Atoms:
    """Return metal atoms of a frame and the ligands that they bind, in one piece and without cell.

    Parameters
    ----------
    atoms
        The frame.
    members
        Indices of the metal atoms, which come first in the result.
    settings
        Which elements bind, and how far.
    molecule
        Number of the molecule of each atom, negative where there is none.
    """
    symbols = np.array(atoms.get_chemical_symbols())
    binding = np.flatnonzero(np.isin(symbols, list(settings.bridges)))
    core = np.concatenate([np.array(members), binding]).astype(np.int64)
    bound: set[int] = set()
    if len(binding):
        first, second, lengths = close_pairs(atoms[core], max(settings.bridges.values()))
        limits = np.array([settings.bridges.get(str(s), 0.0) for s in symbols[core]])
        binds = (first < len(members)) & (second >= len(members)) & (lengths <= limits[second])
        bound = set(molecule[core[second[binds]]].tolist())
    ligands = np.flatnonzero(np.isin(molecule, [k for k in bound if k >= 0]))
    shown = atoms[np.concatenate([np.array(members), ligands]).astype(np.int64)]
    return Atoms(shown.get_chemical_symbols(), positions=unwrapped(shown))


def unwrapped(atoms: Atoms) -> Floats:
    """Return positions that do not lie across a boundary, their mean at the origin, (N, 3), Å.

    Atoms are placed one after the other beside the nearest ones, along a minimum spanning tree.
    """
    n = len(atoms)
    places = atoms.positions.copy()
    if atoms.pbc.any():
        first, second, vectors, lengths = neighbor_list("ijDd", atoms, _REACH)
        order = np.lexsort((lengths, second, first))  # the nearest image of each pair comes first
        _, nearest = np.unique(first[order] * n + second[order], return_index=True)
        chosen = order[nearest]
        pairs: dict[tuple[int, int], Any] = {
            (int(first[k]), int(second[k])): vectors[k] for k in chosen
        }
        graph = coo_array((lengths[chosen], (first[chosen], second[chosen])), shape=(n, n))
        tree = minimum_spanning_tree(graph.tocsr())
        left = set(range(n))
        while left:
            found, parents = breadth_first_order(tree, min(left), directed=False)
            for k in found[1:].tolist():
                places[k] = places[parents[k]] + pairs[int(parents[k]), k]
            left -= set(found.tolist())
    return np.asarray(places - places.mean(axis=0))
