"""Which metal atoms of one frame are linked: close to each other, or bound by one ligand atom."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def find_links(
    core: Atoms, n_metal: int, metal_distance: float, bridges: Mapping[str, float]
) -> tuple[Ints, float]:
    """Return the linked pairs of metal atoms, and their mean number of metal neighbours.

    Parameters
    ----------
    core
        Metal atoms first, then those that may bridge.
    n_metal
        Number M of metal atoms.
    metal_distance
        Distance up to which two metal atoms are neighbours, Å.
    bridges
        Elements that link the metal atoms they bind, and the distance up to which they bind, Å.

    Returns
    -------
    links
        Pairs i < j of metal atoms as i M + j, ascending, (L,).
    float
        Mean number of metal atoms within `metal_distance` of a metal atom.
    """
    reach = max(metal_distance, *bridges.values()) if bridges else metal_distance
    first, second, lengths = close_pairs(core, reach)
    metals = (second < n_metal) & (lengths <= metal_distance)
    codes = [first[metals] * n_metal + second[metals]]
    limits = np.zeros(len(core))
    for symbol, limit in bridges.items():
        limits[core.symbols == symbol] = limit
    bound = (first < n_metal) & (second >= n_metal) & (lengths <= limits[second])
    codes.append(_bridged(first[bound], second[bound], n_metal))
    return np.unique(np.concatenate(codes)), 2.0 * float(metals.sum()) / n_metal


def _bridged(metal: Ints, bridge: Ints, n_metal: int) -> Ints:
    """Return the pairs of metal atoms that an atom binds both, as codes."""
    order = np.lexsort((metal, bridge))
    metal, bridge = metal[order], bridge[order]
    codes = [np.empty(0, np.int64)]
    for shift in range(1, len(metal)):
        both = bridge[shift:] == bridge[:-shift]
        if not both.any():
            break
        codes.append(metal[:-shift][both] * n_metal + metal[shift:][both])
    return np.concatenate(codes)


def close_pairs(atoms: Atoms, reach: float) -> tuple[Ints, Ints, Floats]:
    """Return the pairs i < j of atoms within a distance, and their distances (Å).

    A pair comes as often as images of it are that close. In a rectangular cell that is wider than
    two distances a tree finds them in a tenth of the time that a general cell takes.
    """
    edges = np.diag(atoms.cell.array)
    rectangular = not np.any(atoms.cell.array - np.diag(edges))
    if not rectangular or np.any(edges[atoms.pbc] <= 2.0 * reach):
        first, second, found = neighbor_list("ijd", atoms, reach)
        once = first < second
        return first[once], second[once], found[once]
    box = np.where(atoms.pbc, edges, 0.0)
    places = atoms.positions.copy()
    for axis in np.flatnonzero(box):
        places[:, axis] %= box[axis]
        places[places[:, axis] >= box[axis], axis] = 0.0  # of a rounded remainder
    pairs = cKDTree(places, boxsize=box).query_pairs(reach, output_type="ndarray")
    apart = places[pairs[:, 0]] - places[pairs[:, 1]]
    apart -= np.where(box > 0, np.round(apart / np.where(box > 0, box, 1.0)) * box, 0.0)
    return pairs[:, 0], pairs[:, 1], np.linalg.norm(apart, axis=1)
