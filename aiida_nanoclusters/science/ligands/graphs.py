"""Graphs of many cores or ligands in flat arrays, and batches of them.

Carried to the machine of a training job: it imports nothing of this package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class GraphBatch:
    """Some graphs joined into one without edges between them.

    Attributes
    ----------
    nodes
        Atomic numbers (A,), or features of the atoms (A, K).
    edges
        Atoms from which and to which each edge goes, shape (2, E).
    values
        Distances (E,) in Å, or features of the bonds (E, B).
    owners
        To which graph each atom belongs, shape (A,).
    count
        Number of graphs.
    """

    nodes: NDArray[Any]
    edges: Whole
    values: NDArray[Any]
    owners: Whole
    count: int


@dataclass(frozen=True)
class GraphSet:
    """Graphs in flat arrays; each edge is there in both directions.

    Attributes
    ----------
    nodes
        Atomic numbers (A,), or features of the atoms (A, K), of all graphs.
    offsets
        Graph ``i`` owns atoms ``offsets[i]:offsets[i + 1]``; shape (G + 1,).
    edges
        Atoms from which and to which each edge goes, counted within its graph; shape (2, E).
    values
        Distances (E,) in Å, or features of the bonds (E, B).
    edge_offsets
        Graph ``i`` owns edges ``edge_offsets[i]:edge_offsets[i + 1]``; shape (G + 1,).
    """

    nodes: NDArray[Any]
    offsets: Whole
    edges: NDArray[np.int32]
    values: NDArray[Any]
    edge_offsets: Whole

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def batch(self, rows: Sequence[int] | Whole) -> GraphBatch:
        """Return some of the graphs as one."""
        chosen = np.asarray(rows, dtype=np.int64)
        atoms, owners, firsts = _ranges(self.offsets, chosen)
        edges, edge_owners, _ = _ranges(self.edge_offsets, chosen)
        moved = self.edges[:, edges].astype(np.int64) + firsts[edge_owners]
        return GraphBatch(self.nodes[atoms], moved, self.values[edges], owners, len(chosen))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for an npz file."""
        names = ("nodes", "offsets", "edges", "values", "edge_offsets")
        return {name: getattr(self, name) for name in names}


def _ranges(offsets: Whole, rows: Whole) -> tuple[Whole, Whole, Whole]:
    """Return the places of some ranges one after the other.

    Returns
    -------
    places
        Indices of the flat array, shape (T,).
    owners
        To which of `rows` each belongs, shape (T,).
    firsts
        Where each of `rows` begins among the places, shape (R,).
    """
    counts = offsets[rows + 1] - offsets[rows]
    firsts = np.concatenate([[0], np.cumsum(counts)])[:-1].astype(np.int64)
    owners = np.repeat(np.arange(len(rows)), counts)
    places = np.arange(counts.sum()) - firsts[owners] + offsets[rows][owners]
    return places, owners, firsts


def core_graphs(
    numbers: NDArray[Any], positions: NDArray[Any], offsets: NDArray[Any], cutoff: float
) -> GraphSet:
    """Return the graphs of clusters without periodicity: atoms within a cutoff are neighbours.

    Parameters
    ----------
    numbers, positions
        Atomic numbers (A,) and positions (A, 3) in Å of all clusters.
    offsets
        Cluster ``i`` owns atoms ``offsets[i]:offsets[i + 1]``; shape (G + 1,).
    cutoff
        Å.
    """
    bounds = np.asarray(offsets, dtype=np.int64)
    edges, values, counts = [], [], [0]
    for first, last in pairwise(bounds):
        places = np.asarray(positions[first:last], dtype=np.float64)
        pairs = KDTree(places).query_pairs(cutoff, output_type="ndarray")
        both = np.concatenate([pairs, pairs[:, ::-1]])
        both = both[np.lexsort((both[:, 0], both[:, 1]))]
        edges.append(both.T.astype(np.int32))
        values.append(np.linalg.norm(places[both[:, 0]] - places[both[:, 1]], axis=1))
        counts.append(len(both))
    return GraphSet(
        nodes=np.asarray(numbers, dtype=np.int64),
        offsets=bounds,
        edges=np.concatenate(edges, axis=1),
        values=np.concatenate(values).astype(np.float32),
        edge_offsets=np.cumsum(counts).astype(np.int64),
    )
