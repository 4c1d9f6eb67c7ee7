"""Disorder of a crystal: which of the alternative positions of its atoms are taken.

Each group of alternatives that lie together gives its most occupied member. What symmetry makes of
an atom near a mirror plane or a centre, and what two elements share, is treated as well or refused
by name; the names are those of the CIF dictionary (`_atom_site_disorder_group`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aiida_nanoclusters.science.ligands.protected_cluster import NotACluster
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings
from aiida_nanoclusters.science.structures.molecules import METALS

Floats = NDArray[np.float64]

#: Occupancy from which on an atom is no matter of disorder.
_FULL = 0.99
#: Distance (Å) up to which two metals, and two other atoms, share one site.
_SHARED_METAL, _SHARED = 0.25, 0.02
#: Distance (Å) of alternatives, and factor of the sum of covalent radii of bonded atoms.
_ALTERNATIVE, _BOND = 1.8, 1.2
#: Images of disordered atoms nearer than this (Å) exclude each other.
_CLASH = 1.0
_METHYL = 1.8
#: Images of one piece of partly occupied atoms that are compared.
_MOST_IMAGES = 20_000


@dataclass(frozen=True, eq=False)
class Sites:
    """Sites of the asymmetric unit, n of them.

    Attributes
    ----------
    symbols
        Chemical symbols, (n,).
    scaled
        Fractional coordinates, (n, 3).
    occupancies
        From 0 to 1, (n,).
    groups
        Alternative that a site belongs to, 0 for all; negative where symmetry makes others; (n,).
    assemblies
        Names of the assemblies of alternatives, (n,).
    cell
        Unit cell.
    """

    symbols: tuple[str, ...]
    scaled: Floats
    occupancies: Floats
    groups: NDArray[np.int64]
    assemblies: tuple[str, ...]
    cell: Cell

    def select(self, kept: NDArray[np.bool_]) -> Sites:
        """Return some of the sites."""
        chosen = np.flatnonzero(kept)
        return Sites(
            tuple(self.symbols[k] for k in chosen),
            self.scaled[chosen],
            self.occupancies[chosen],
            self.groups[chosen],
            tuple(self.assemblies[k] for k in chosen),
            self.cell,
        )

    def atoms(self) -> Atoms:
        """Return the sites as atoms of a crystal without symmetry."""
        return Atoms(self.symbols, scaled_positions=self.scaled, cell=self.cell, pbc=True)


def ordered(sites: Sites, settings: SplitSettings) -> tuple[Sites, list[str]]:
    """Return the sites of one alternative each, and what was left out in words.

    Raises
    ------
    NotACluster
        If elements share a site and the settings refuse that.
    """
    told: list[str] = []
    sites = _unmixed(sites, settings, told)
    dropped = np.zeros(len(sites.symbols), dtype=bool)
    for members in _assemblies(sites):
        groups = sorted({int(g) for g in sites.groups[members]}, key=lambda g: (abs(g), g))
        if len(groups) > 1:
            mean = {
                g: sites.occupancies[members][sites.groups[members] == g].mean() for g in groups
            }
            best = max(groups, key=lambda g: (round(float(mean[g]), 3), -groups.index(g)))
            dropped[members] = sites.groups[members] != best
    rare = (sites.groups == 0) & (sites.occupancies < settings.least_occupancy)
    if dropped.any():
        told.append(f"{dropped.sum()} atoms of less occupied alternatives left out")
    if rare.any():
        told.append(f"{rare.sum()} atoms of occupancy below {settings.least_occupancy:g} left out")
    kept = sites.select(~dropped & ~rare)
    vacant = [
        s for s, o in zip(kept.symbols, kept.occupancies, strict=True) if s in METALS and o < _FULL
    ]
    if vacant:
        told.append(f"{len(vacant)} metal sites are not fully occupied")
    return kept, told


def _unmixed(sites: Sites, settings: SplitSettings, told: list[str]) -> Sites:
    """Return sites without those on which a more occupied one lies."""
    i, j, distances = neighbor_list("ijd", sites.atoms(), _SHARED_METAL)
    dropped = np.zeros(len(sites.symbols), dtype=bool)
    mixed = set()
    for a, b, distance in zip(i, j, distances, strict=True):
        one, other = sites.symbols[a], sites.symbols[b]
        metals = one in METALS and other in METALS
        if a >= b or "H" in (one, other) or distance > (_SHARED_METAL if metals else _SHARED):
            continue
        if one != other:
            mixed.add("/".join(sorted((one, other))))
        less = b if sites.occupancies[a] >= sites.occupancies[b] else a
        dropped[less] = True
    if mixed and settings.mixed_sites == "refuse":
        raise NotACluster(
            "disorder",
            f"{', '.join(sorted(mixed))} share sites: give an ordered structure, or take the more "
            "occupied element by `mixed_sites: major`",
        )
    if mixed:
        told.append(
            f"shared sites of {', '.join(sorted(mixed))} taken as the more occupied element"
        )
    return sites.select(~dropped)


def _assemblies(sites: Sites) -> list[NDArray[np.int64]]:
    """Return the disordered sites in groups whose alternatives depend on one another."""
    disordered = np.flatnonzero(sites.groups != 0)
    if not len(disordered):
        return []
    atoms = sites.atoms()[disordered]
    groups = sites.groups[disordered]
    names = np.array(sites.assemblies)[disordered]
    radii = covalent_radii[atoms.numbers]
    i, j, distances = neighbor_list("ijd", atoms, list(np.maximum(_BOND * radii, _ALTERNATIVE / 2)))
    bonded = distances <= _BOND * (radii[i] + radii[j])
    linked = (names[i] == names[j]) & np.where(
        groups[i] == groups[j], bonded, distances <= _ALTERNATIVE
    )
    n = len(disordered)
    graph = coo_array((np.ones(linked.sum()), (i[linked], j[linked])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return [disordered[label == k] for k in range(label.max() + 1)]


def without_clashes(
    sites: Sites, positions: Floats, distinct: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which images of the sites are kept: of those that symmetry lays together, the first.

    Pieces of partly occupied atoms that are bonded to one another are kept or left out together.

    Parameters
    ----------
    sites
        Ordered, n of them.
    positions, distinct
        Images by m operations, fractional, (m, n, 3), and which of them are no repetition, (m, n).

    Raises
    ------
    NotACluster
        If a piece is larger than any ligand.
    """
    partial = (sites.occupancies < _FULL) | (sites.groups < 0)
    if not partial.any():
        return distinct
    kept = distinct.copy()
    for piece in _pieces(sites, np.flatnonzero(partial)):
        heavy = [k for k in piece if sites.symbols[k] != "H"] or list(piece)
        if len(heavy) * len(positions) > _MOST_IMAGES:
            raise NotACluster(
                "disorder",
                f"{len(heavy)} partly occupied atoms are bonded to one another: give an ordered "
                "structure",
            )
        before: list[Floats] = []
        for m in range(len(positions)):
            if not distinct[m, piece].any():
                continue
            own = positions[m, heavy]
            if any(_clash(own, other, sites.cell) for other in before):
                kept[m, piece] = False
            else:
                before.append(own)
    return kept


def _pieces(sites: Sites, partial: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    atoms = sites.atoms()[partial]
    # Hydrogen atoms of one methyl group are 1.6 Å apart and belong together.
    radii = np.where(atoms.numbers == 1, _METHYL / 2, _BOND * covalent_radii[atoms.numbers])
    i, j, distances = neighbor_list("ijd", atoms, list(radii))
    light = atoms.numbers == 1
    sums = _BOND * (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
    linked = (light[i] & light[j]) | (distances <= sums)
    i, j = i[linked], j[linked]
    n = len(partial)
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return [partial[label == k] for k in range(label.max() + 1)]


def _clash(one: Floats, other: Floats, cell: Cell) -> bool:
    """Whether two images of a piece lie on one another."""
    for position in one:
        difference = other - position
        difference -= np.rint(difference)
        if np.any(np.linalg.norm(difference @ cell.array, axis=1) < _CLASH):
            return True
    return False
