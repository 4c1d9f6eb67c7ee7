"""Clusters of the classical motifs: icosahedra, truncated octahedra, decahedra, Wulff shapes.

Every builder returns a new :class:`ase.Atoms`, centred at the origin, without cell, periodicity or
tags, with its atoms in an order that depends on nothing but the arguments. ``distance`` (Å) is the
midpoint between the shortest and the longest nearest-neighbour bond of the ideal motif; it is left
out where the nearest-neighbour distance of the crystal will do. A perfect fcc cluster has only one
bond length; in an icosahedron the bonds along a shell are 5.1 % longer than those across shells, in
a decahedron the ones around the axis 1.8 % longer than the rest. Closed forms for sizes and bonds
list whole families without building a cluster. Which motifs there are is the table
:data:`~aiida_nanoclusters.science.structures.motif_kinds.MOTIFS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ase import Atoms

from aiida_nanoclusters.science.structures.crystals import Facets
from aiida_nanoclusters.science.structures.crystals import wulff_cluster as wulff_cluster
from aiida_nanoclusters.science.structures.crystals import wulff_sizes as wulff_sizes
from aiida_nanoclusters.science.structures.decahedra import marks_decahedron as marks_decahedron
from aiida_nanoclusters.science.structures.decahedra import (
    marks_decahedron_counts as marks_decahedron_counts,
)
from aiida_nanoclusters.science.structures.icosahedra import (
    incomplete_icosahedron as incomplete_icosahedron,
)
from aiida_nanoclusters.science.structures.icosahedra import (
    mackay_icosahedron as mackay_icosahedron,
)
from aiida_nanoclusters.science.structures.icosahedra import mackay_size as mackay_size
from aiida_nanoclusters.science.structures.icosahedra import mackay_sizes as mackay_sizes
from aiida_nanoclusters.science.structures.motif_kinds import MOTIFS
from aiida_nanoclusters.science.structures.octahedra import (
    truncated_octahedron as truncated_octahedron,
)
from aiida_nanoclusters.science.structures.octahedra import (
    truncated_octahedron_size as truncated_octahedron_size,
)
from aiida_nanoclusters.science.structures.shells import Parameters, Range


@dataclass(frozen=True)
class MotifMember:
    """One cluster of a family: what it is, how large, and how to build it."""

    motif: str
    size: int
    parameters: Parameters

    def build(self, symbol: str, distance: float | None = None) -> Atoms:
        """Build the cluster with this nearest-neighbour distance (Å; the crystal's by default)."""
        return MOTIFS[self.motif].build(symbol, distance=distance, **dict(self.parameters))


def motif_family(
    motif: str,
    n_min: int,
    n_max: int,
    *,
    shape: Literal["best", "regular"] = "best",
    surface_energies: Facets | None = None,
) -> list[MotifMember]:
    """List the closed-shell clusters of one motif by size, without building them.

    Marks decahedra are those whose broken bonds, (12 N - 2 bonds) / N^(2/3), are within 1 % of the
    fewest among all decahedra of up to 20 % more or fewer atoms. Ino decahedra are those with
    square (100) faces.

    Parameters
    ----------
    motif : str
        A name in :data:`~aiida_nanoclusters.science.structures.motif_kinds.MOTIFS`.
    n_min, n_max : int
        Smallest and largest size, both included.
    shape : {'best', 'regular'}
        Truncated octahedra only: those with regular hexagons, or all within one layer of that
        (``|length - 1 - 3 cut| <= 2``; no cuboctahedra).
    surface_energies : mapping, optional
        For Wulff polyhedra: Miller indices to energy per area. By default those of
        nearest-neighbour broken bonds, gamma(100) / gamma(111) = 2 / sqrt(3).

    Returns
    -------
    list of MotifMember
        By increasing size, each size once.

    >>> [member.size for member in motif_family("Marks decahedron", 70, 200)]
    [75, 101, 146, 192]

    Raises
    ------
    ValueError
        If `motif` or `shape` is unknown.
    """
    if shape not in ("best", "regular"):
        raise ValueError(f"shape is 'best' or 'regular', not {shape!r}")
    if motif not in MOTIFS:
        raise ValueError(f"unknown motif {motif!r}; known: {', '.join(MOTIFS)}")
    wanted = Range(n_min, n_max, shape, surface_energies)
    found = MOTIFS[motif].family(wanted)
    return [MotifMember(motif, n, found[n]) for n in sorted(found) if n_min <= n <= n_max]
