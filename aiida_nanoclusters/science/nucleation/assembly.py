"""Assembly of metal-ligand units in a trajectory: which clusters there are, and which met when.

Metal atoms are linked where they are close to each other, or where a ligand atom binds both. A link
comes and goes once it has done so for some frames in a row, so that one vibration out of reach is
no event. A cluster is a connected component of these links; clusters of one frame are followed to
the next by the atoms they share. Frames are read one after the other and not kept, so that a
trajectory may be longer than memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aiida_nanoclusters.science.labels.sanity import impossible
from aiida_nanoclusters.science.nucleation.assembly_settings import LinkSettings as LinkSettings
from aiida_nanoclusters.science.nucleation.links import find_links

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cluster = frozenset[int]


@dataclass(frozen=True)
class Event:
    """Clusters that became others.

    Attributes
    ----------
    frame
        Number of the first frame after it.
    before, after
        Clusters that ended, and those that their atoms went to, as indices of metal atoms.
    """

    frame: int
    before: tuple[Cluster, ...]
    after: tuple[Cluster, ...]

    @property
    def kind(self) -> str:
        """``meet``, ``part``, or ``exchange`` where several became several others."""
        if len(self.after) == 1:
            return "meet"
        return "part" if len(self.before) == 1 else "exchange"


@dataclass(frozen=True, eq=False)
class Moment:
    """A frame of a trajectory.

    Attributes
    ----------
    frame
        Its number, from 0.
    atoms
        As they were given.
    clusters
        The larger first; those of the last frames stay as they were before them, as no link can
        have lasted there.
    events
        That led to these clusters from those of the frame before.
    coordination
        Mean number of metal neighbours of a metal atom.
    """

    frame: int
    atoms: Atoms
    clusters: tuple[Cluster, ...]
    events: tuple[Event, ...]
    coordination: float


@dataclass(frozen=True)
class Assembly:
    """Clusters of a trajectory of F frames.

    Attributes
    ----------
    clusters
        Of each frame, as of :class:`Moment`.
    events
        In the order of time.
    coordination
        Mean number of metal neighbours of a metal atom in each frame, (F,).
    """

    clusters: tuple[tuple[Cluster, ...], ...]
    events: tuple[Event, ...]
    coordination: Floats

    def sizes(self) -> list[list[int]]:
        """Return the numbers of metal atoms of the clusters of each frame, descending."""
        return [[len(cluster) for cluster in frame] for frame in self.clusters]


def follow_assembly(frames: Iterable[Atoms], settings: LinkSettings | None = None) -> Assembly:
    """Return clusters and events of a trajectory; arguments and errors as of :func:`moments`."""
    found = [(m.clusters, m.events, m.coordination) for m in moments(frames, settings)]
    clusters, events, coordination = zip(*found, strict=True)
    return Assembly(clusters, sum(events, ()), np.array(coordination))


def moments(frames: Iterable[Atoms], settings: LinkSettings | None = None) -> Iterator[Moment]:
    """Yield the frames of a trajectory with their clusters and the events between them.

    Parameters
    ----------
    frames
        The same atoms in the same order, in the order of time.
    settings
        Default: silver with sulphur and nitrogen.

    Raises
    ------
    ValueError
        If there is no frame or no atom of the metal, if the atoms change, or if no distances can be
        computed of a frame. The message names the frame and the fix.
    """
    own = settings or LinkSettings()
    clusters: tuple[Cluster, ...] = ()
    known: Ints | None = None
    number = -1
    for number, (frame, links) in enumerate(_settled(_linked(frames, own), own.lasting)):
        events: tuple[Event, ...] = ()
        if known is None or not np.array_equal(links, known):
            former, clusters = clusters, _partition(links, frame.metal)
            if known is not None:
                events = tuple(_changes(number, frozenset(former), frozenset(clusters)))
            known = links
        yield Moment(number, frame.atoms, clusters, events, frame.coordination)
    if number < 0:
        raise ValueError("no frames: the trajectory is empty")


@dataclass(frozen=True, eq=False)
class _Linked:
    """A frame with its metal atoms, the links between them, and their mean neighbours."""

    atoms: Atoms
    metal: Ints
    links: Ints
    coordination: float


def _linked(frames: Iterable[Atoms], own: LinkSettings) -> Iterator[_Linked]:
    numbers: Ints | None = None
    metal = core = np.empty(0, np.int64)
    for number, atoms in enumerate(frames):
        if numbers is None:
            numbers = atoms.numbers
            symbols = np.array(atoms.get_chemical_symbols())
            metal = np.flatnonzero(symbols == own.metal)
            core = np.concatenate([metal, np.flatnonzero(np.isin(symbols, list(own.bridges)))])
            if not metal.size:
                there = ", ".join(sorted(set(symbols.tolist()))) or "nothing"
                raise ValueError(
                    f"no {own.metal} in the frames, which hold {there}: give the element of the "
                    "core (`metal`)"
                )
        elif not np.array_equal(atoms.numbers, numbers):
            raise ValueError(
                f"frame {number} holds other atoms than the first, or in another order: give one "
                "trajectory of the same atoms"
            )
        problem = impossible(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
        if problem:
            raise ValueError(f"frame {number} {problem}")
        links, neighbours = find_links(atoms[core], len(metal), own.metal_distance, own.bridges)
        yield _Linked(atoms, metal, links, neighbours)


def _settled(frames: Iterable[_Linked], lasting: int) -> Iterator[tuple[_Linked, Ints]]:
    """Yield each frame with the links that count there: those whose changes have lasted."""
    window: deque[_Linked] = deque()
    current: Ints | None = None
    for newest in frames:
        window.append(newest)
        current = window[0].links if current is None else current
        if len(window) == lasting:
            series = [frame.links for frame in window]
            always, ever = reduce(np.intersect1d, series), np.unique(np.concatenate(series))
            current = np.union1d(always, np.intersect1d(current, ever))
            yield window.popleft(), current
    for frame in window:
        assert current is not None
        yield frame, current


def _partition(links: Ints, metal: Ints) -> tuple[Cluster, ...]:
    """Return the connected components of links, the larger first."""
    n = len(metal)
    graph = coo_array((np.ones(len(links)), np.divmod(links, n)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    members: dict[int, set[int]] = {}
    for atom, number in zip(metal.tolist(), label.tolist(), strict=True):
        members.setdefault(number, set()).add(atom)
    return tuple(sorted(map(frozenset, members.values()), key=lambda c: (-len(c), min(c))))


def _changes(number: int, one: frozenset[Cluster], other: frozenset[Cluster]) -> Iterable[Event]:
    """Yield an event for each connected set of clusters that became others."""
    before, after = one - other, other - one
    left = set(before)
    while left:
        group, reached = {left.pop()}, set[Cluster]()
        grown = True
        while grown:
            atoms = frozenset().union(*group)
            reached = {c for c in after if c & atoms}
            around = frozenset().union(*reached)
            more = {c for c in left if c & around}
            grown = bool(more)
            group |= more
            left -= more
        yield Event(number, _sorted(group), _sorted(reached))


def _sorted(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    return tuple(sorted(clusters, key=min))
