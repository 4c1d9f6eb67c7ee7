"""What the builders of all motifs share: bond lengths, and which closed shells are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ase import Atoms

from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.structures.crystals import Facets

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
#: Arguments of a builder by name, so that they can be compared and hashed.
Parameters = tuple[tuple[str, Any], ...]
#: Arguments of a builder by the number of atoms that it builds.
Members = dict[int, Parameters]


@dataclass(frozen=True)
class Range:
    """Which closed shells of a motif are listed; each motif reads what concerns it.

    Attributes
    ----------
    n_min, n_max
        Smallest and largest size, both included. A family may list smaller ones too.
    shape
        Truncated octahedra: ``regular`` hexagons only, or the ``best``, all within a layer of that.
    surface_energies
        Wulff polyhedra: Miller indices to energy per area; None for those of broken bonds.
    """

    n_min: int
    n_max: int
    shape: Literal["best", "regular"] = "best"
    surface_energies: Facets | None = None


def parameters(**values: Any) -> Parameters:
    """Return the arguments of a builder."""
    return tuple(values.items())


def centred(symbol: str, positions: Floats) -> Atoms:
    """Strip what a builder left behind and put the centroid at the origin."""
    return Atoms([symbol] * len(positions), positions=positions - positions.mean(axis=0))


def bond_length(symbol: str, distance: float | None) -> float:
    """Return the nearest-neighbour distance (Å), by default that of the crystal.

    Raises
    ------
    ValueError
        If it is not positive.
    """
    if distance is None:
        return element(symbol).nearest_neighbour
    if not distance > 0:
        raise ValueError(f"distance must be positive (Å), got {distance}")
    return distance
