"""Assembly of metal-ligand units in a trajectory: which clusters there are, and which met when.

Metal atoms are linked where they are close to each other, or where a ligand atom binds both. A link
comes and goes once it has done so for some frames in a row, so that one vibration out of reach is
no event. A cluster is a connected component of these links; clusters of one frame are followed to
the next by the atoms they share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pydantic import model_validator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aiida_nanoclusters.science.settings import Settings, quantity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Cluster = frozenset[int]

#: Edges of an octahedron.
_EDGES = 12


class LinkSettings(Settings):
    """When two metal atoms belong to one cluster."""

    metal: str = quantity("Element of the core.", default="Ag")
    metal_distance: float = quantity(
        "Distance up to which two metal atoms are linked.", unit="Å", default=3.4, gt=0
    )
    bridges: dict[str, float] = quantity(
        "Elements that link the metal atoms they bind, and the distance up to which they bind.",
        unit="Å",
        default={"S": 2.9, "N": 2.6},
    )
    lasting: int = quantity(
        "Frames in a row for which a link must be there, or be gone, to count.", default=3, ge=1
    )

    @model_validator(mode="after")
    def _check(self) -> LinkSettings:
        if self.metal in self.bridges or min(self.bridges.values(), default=1.0) <= 0:
            raise ValueError("`bridges` are other elements than `metal`, with positive distances")
        return self


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


@dataclass(frozen=True)
class Assembly:
    """Clusters of a trajectory of F frames.

    Attributes
    ----------
    clusters
        Of each frame, the larger first; those of the last frames stay as they were before them, as
        no link can have lasted there.
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
    """Return clusters and events of a trajectory.

    Parameters
    ----------
    frames
        The same atoms in the same order, in the order of time.
    settings
        Default: silver with sulphur and nitrogen.

    Raises
    ------
    ValueError
        If there is no frame, or no atom of the metal.
    """
    own = settings or LinkSettings()
    metal: Ints | None = None
    series, coordination = [], []
    for atoms in frames:
        found = np.flatnonzero(np.array(atoms.get_chemical_symbols()) == own.metal)
        if not found.size:
            raise ValueError(f"no {own.metal} in the frames: give the element of the core")
        if metal is not None and not np.array_equal(metal, found):
            raise ValueError("the frames hold other atoms, or in another order")
        metal = found
        links, neighbours = _links(atoms, own, found)
        series.append(links)
        coordination.append(neighbours)
    if metal is None:
        raise ValueError("no frames: the trajectory is empty")
    kept = [_partition(links, metal) for links in _lasting(np.array(series), own.lasting)]
    events = [
        event
        for number, (one, other) in enumerate(pairwise(kept), start=1)
        for event in _changes(number, one, other)
    ]
    ordered = tuple(tuple(sorted(p, key=lambda c: (-len(c), min(c)))) for p in kept)
    return Assembly(ordered, tuple(events), np.array(coordination))


def _links(atoms: Atoms, own: LinkSettings, metal: Ints) -> tuple[NDArray[np.bool_], float]:
    """Return which pairs of metal atoms are linked, (M (M - 1) / 2,), and their mean neighbours."""
    cutoffs = {(own.metal, own.metal): own.metal_distance}
    cutoffs |= {(own.metal, bridge): length for bridge, length in own.bridges.items()}
    first, second = neighbor_list("ij", atoms, cutoffs)
    place = np.full(len(atoms), -1)
    place[metal] = np.arange(len(metal))
    linked = np.zeros((len(metal), len(metal)), bool)
    between = (place[first] >= 0) & (place[second] >= 0)
    linked[place[first[between]], place[second[between]]] = True
    bound = (place[first] >= 0) & (place[second] < 0)
    for bridge in np.unique(second[bound]):
        ends = place[first[bound & (second == bridge)]]
        linked[np.ix_(ends, ends)] = True
    return linked[np.triu_indices(len(metal), 1)], float(between.sum() / len(metal))


def _lasting(series: NDArray[np.bool_], lasting: int) -> Iterable[NDArray[np.bool_]]:
    """Yield the links of each frame, shape (F, L), once changes have lasted."""
    current = series[0]
    for number in range(len(series)):
        window = series[number : number + lasting]
        if len(window) == lasting:
            current = np.where(window.all(axis=0), True, current & window.any(axis=0))
        yield current


def _partition(links: NDArray[np.bool_], metal: Ints) -> frozenset[Cluster]:
    n = len(metal)
    first, second = np.triu_indices(n, 1)
    graph = coo_array((np.ones(links.sum()), (first[links], second[links])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    members: dict[int, set[int]] = {}
    for atom, number in zip(metal, label, strict=True):
        members.setdefault(int(number), set()).add(int(atom))
    return frozenset(frozenset(own) for own in members.values())


def _changes(number: int, one: frozenset[Cluster], other: frozenset[Cluster]) -> Iterable[Event]:
    """Yield an event for each connected set of clusters that became others."""
    before, after = one - other, set(other - one)
    left = set(before)
    while left:
        group, reached = {left.pop()}, set[Cluster]()
        grown = True
        while grown:
            atoms = frozenset().union(*group)
            reached = {c for c in after if c & atoms}
            around = frozenset().union(*reached) if reached else frozenset()
            more = {c for c in left if c & around}
            grown = bool(more)
            group |= more
            left -= more
        yield Event(number, _sorted(group), _sorted(reached))


def _sorted(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    return tuple(sorted(clusters, key=min))


@dataclass(frozen=True)
class OctahedronMatch:
    """How closely six atoms are an octahedron.

    Attributes
    ----------
    rmsd
        Å, after the best translation, rotation and scale.
    edge
        Mean length of the edges, Å.
    broken
        Edges longer than the distance of linked atoms, of twelve.
    """

    rmsd: float
    edge: float
    broken: int


def match_octahedron(
    atoms: Atoms, members: Iterable[int], settings: LinkSettings | None = None
) -> OctahedronMatch:
    """Return how closely six atoms of a structure are the corners of a regular octahedron.

    The 15 ways to make three opposite pairs of them are all tried; the nearest images count.

    Raises
    ------
    ValueError
        If there are not six atoms.
    """
    own = settings or LinkSettings()
    indices = sorted(members)
    if len(indices) != 6:
        raise ValueError(f"{len(indices)} atoms are no octahedron, six are")
    shifts, _ = find_mic(
        atoms.positions[indices] - atoms.positions[indices[0]], atoms.cell, atoms.pbc
    )
    places = shifts - shifts.mean(axis=0)
    corners = np.concatenate([np.eye(3), -np.eye(3)])
    best: tuple[float, tuple[tuple[int, int], ...]] = (np.inf, ())
    for pairs in _pairings(tuple(range(6))):
        order = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
        rmsd = _fitted(corners, places[order])
        if rmsd < best[0]:
            best = (rmsd, pairs)
    opposite = {frozenset(pair) for pair in best[1]}
    edges = [
        float(np.linalg.norm(places[i] - places[j]))
        for i, j in combinations(range(6), 2)
        if frozenset((i, j)) not in opposite
    ]
    assert len(edges) == _EDGES
    broken = sum(edge > own.metal_distance for edge in edges)
    return OctahedronMatch(float(best[0]), float(np.mean(edges)), broken)


def _pairings(left: tuple[int, ...]) -> Iterable[tuple[tuple[int, int], ...]]:
    if not left:
        yield ()
        return
    first, *others = left
    for partner in others:
        rest = tuple(k for k in others if k != partner)
        for more in _pairings(rest):
            yield ((first, partner), *more)


def _fitted(model: Floats, places: Floats) -> float:
    """Return the rms distance of points from a scaled, rotated or reflected model; both centred.

    Source: S. Umeyama, IEEE Trans. Pattern Anal. Mach. Intell. 13, 376 (1991), with reflections,
    which the octahedron does not mind.
    """
    singular = np.linalg.svd(places.T @ model, compute_uv=False)
    scale = singular.sum() / (model**2).sum()
    rest = (places**2).sum() - scale * singular.sum()
    return float(np.sqrt(max(rest, 0.0) / len(model)))
