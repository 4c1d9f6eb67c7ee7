"""Single-atom edits of a core: each distinct atom removed or replaced, one added at open sites.

An edit stands for all that the symmetry of the core makes equal. Sites follow from geometry alone:
what is stable there, or bears a ligand, is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.ligands.bond_lengths import bond_lengths, is_metal
from aiida_nanoclusters.science.ligands.design_settings import EditSettings
from aiida_nanoclusters.science.ligands.open_sites import Site, open_sites
from aiida_nanoclusters.science.recognition.neighbours import same_structure
from aiida_nanoclusters.science.recognition.symmetry import Operation, symmetry_operations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Å: an atom this near to the centroid is the central one.
_CENTRE = 0.5
#: Larger cores are refused: the search of symmetry grows steeply with their size.
MOST_ATOMS = 1000


@dataclass(frozen=True, eq=False)
class CoreEdit:
    """One edit, which stands for all that are equal to it by symmetry.

    Attributes
    ----------
    kind
        ``remove``, ``add`` or ``replace``.
    atoms
        The edited core; atoms keep their places, an added one is the last.
    description
        In words, such as ``remove Cu at 5.1 Å (6 neighbours)``; places are distances from the
        centroid.
    multiplicity
        How many edits of the core give the same, this one included.
    element
        Chemical symbol of the atom that was removed, added or put in the place of another.
    replaced
        Of a replacement the element before; empty otherwise.
    atom
        Index in the core of the atom that was removed or replaced, -1 of an added one.
    site
        Where the edit is, Å, shape (3,).
    neighbours
        Atoms of the core that it touches.
    """

    kind: str
    atoms: Atoms
    description: str
    multiplicity: int
    element: str
    replaced: str
    atom: int
    site: Floats
    neighbours: int


def enumerate_edits(core: Atoms, settings: EditSettings | None = None) -> list[CoreEdit]:
    """Return all distinct single-atom edits of a core.

    Parameters
    ----------
    core
        Cluster without cell, of any elements; not changed.
    settings
        Kinds of edits, elements, sites.

    Returns
    -------
    list of CoreEdit
        Removals, additions, replacements; atoms by increasing distance from the centroid, sites by
        decreasing number of neighbours.

    Raises
    ------
    ValueError
        If the core is periodic, empty or too large, or there are more edits than `settings.most`.
    """
    settings = EditSettings() if settings is None else settings
    if core.pbc.any():
        raise ValueError("the core is periodic: give a cluster without its box")
    if not 0 < len(core) <= MOST_ATOMS:
        raise ValueError(f"the core has {len(core)} atoms: 1 to {MOST_ATOMS} can be edited")
    bare = Atoms(core.numbers, core.positions)
    operations = _operations(bare, settings.tolerance)
    makers = {"remove": _removals, "add": _additions, "replace": _replacements}
    edits = [
        edit
        for kind, maker in makers.items()
        if kind in settings.kinds
        for edit in maker(bare, operations, settings)
    ]
    if len(edits) > settings.most:
        raise ValueError(
            f"there are {len(edits)} distinct edits of {core.get_chemical_formula()}, more than "
            f"`most` {settings.most}: choose `kinds`, fewer elements, or raise `most`"
        )
    return edits


def atom_orbits(core: Atoms, tolerance: float) -> list[list[int]]:
    """Return the atoms of a core in groups that its symmetry makes equal.

    Parameters
    ----------
    core
        Cluster without cell.
    tolerance
        How far an atom may be from the image of another, Å.

    Returns
    -------
    list of list of int
        Every atom once; groups by increasing distance from the centroid.
    """
    return _atom_orbits(core, _operations(core, tolerance), tolerance)


def _operations(core: Atoms, tolerance: float) -> list[Operation] | None:
    """Return the operations of the point group; None of a flat core, where they are not sought."""
    try:
        return symmetry_operations(core.positions, core.numbers, tolerance)
    except ValueError:
        return None


def _atom_orbits(
    core: Atoms, operations: list[Operation] | None, tolerance: float
) -> list[list[int]]:
    if operations is None:
        removed = [core[[i for i in range(len(core)) if i != k]] for k in range(len(core))]
        groups = _alike(removed, core.numbers, tolerance)
    else:
        images = np.array([operation.permutation for operation in operations])
        groups = _grouped(images.min(axis=0))
    distances = _from_centre(core.positions, core)
    return sorted(groups, key=lambda group: (round(distances[group].mean(), 3), group[0]))


def _alike(edited: Sequence[Atoms], kinds: Ints, tolerance: float) -> list[list[int]]:
    """Return the indices of edited cores in groups that are the same structure."""
    groups: list[list[int]] = []
    for index, atoms in enumerate(edited):
        for group in groups:
            if kinds[group[0]] == kinds[index] and _same(edited[group[0]], atoms, tolerance):
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _same(one: Atoms, other: Atoms, tolerance: float) -> bool:
    return len(one) < 2 or same_structure(one, other, tolerance)


def _grouped(labels: Ints) -> list[list[int]]:
    return [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]


def _from_centre(points: Floats, core: Atoms) -> Floats:
    return np.linalg.norm(points - core.positions.mean(axis=0), axis=-1)


# -- removal and replacement ---------------------------------------------------------------


def _removals(
    core: Atoms, operations: list[Operation] | None, settings: EditSettings
) -> Iterator[CoreEdit]:
    if len(core) == 1:
        return
    for group, where, neighbours in _distinct_atoms(core, operations, settings):
        atom, symbol = group[0], core.symbols[group[0]]
        kept = core[[i for i in range(len(core)) if i != atom]]
        yield CoreEdit(
            "remove", kept, f"remove {where}", len(group), symbol, "", atom,
            core.positions[atom].copy(), neighbours,
        )  # fmt: skip


def _replacements(
    core: Atoms, operations: list[Operation] | None, settings: EditSettings
) -> Iterator[CoreEdit]:
    for group, where, neighbours in _distinct_atoms(core, operations, settings):
        atom, before = group[0], core.symbols[group[0]]
        for symbol in settings.replace:
            if symbol == before or is_metal(symbol) != is_metal(before):
                continue
            changed = core.copy()
            changed.symbols[atom] = symbol
            yield CoreEdit(
                "replace", changed, f"replace {where} by {symbol}", len(group), symbol, before,
                atom, core.positions[atom].copy(), neighbours,
            )  # fmt: skip


def _distinct_atoms(
    core: Atoms, operations: list[Operation] | None, settings: EditSettings
) -> Iterator[tuple[list[int], str, int]]:
    """Yield the groups of equal atoms, the first of each in words and its number of neighbours."""
    counts = _coordination(core, settings.contact)
    radii = _from_centre(core.positions, core)
    for group in _atom_orbits(core, operations, settings.tolerance):
        atom = group[0]
        yield group, _atom_words(core, atom, counts[atom], radii[atom]), int(counts[atom])


def _atom_words(core: Atoms, atom: int, neighbours: int, radius: float) -> str:
    symbol, plural = core.symbols[atom], "" if neighbours == 1 else "s"
    if radius < _CENTRE and len(core) > 1:
        return f"the central {symbol} ({neighbours} neighbour{plural})"
    return f"{symbol} at {radius:.1f} Å ({neighbours} neighbour{plural})"


def _coordination(core: Atoms, contact: float) -> Ints:
    distances = np.linalg.norm(core.positions[:, None] - core.positions[None], axis=2)
    near = distances <= contact * bond_lengths(core.numbers, core.numbers)
    np.fill_diagonal(near, False)
    return np.asarray(near.sum(axis=1), dtype=np.int64)


# -- addition ------------------------------------------------------------------------------


def _additions(
    core: Atoms, operations: list[Operation] | None, settings: EditSettings
) -> Iterator[CoreEdit]:
    metals = sorted({str(symbol) for symbol in core.symbols if is_metal(str(symbol))})
    for symbol in metals if settings.add is None else settings.add:
        sites = open_sites(core, symbol, settings)
        for group in _site_orbits(core, symbol, sites, operations, settings.tolerance):
            site = sites[group[0]]
            added = core + Atoms(symbol, [site.position])
            radius = float(_from_centre(site.position, core))
            yield CoreEdit(
                "add", added, f"add {_site_words(core, symbol, site, radius)}", len(group), symbol,
                "", -1, site.position, len(site.neighbours),
            )  # fmt: skip


def _site_words(core: Atoms, symbol: str, site: Site, radius: float) -> str:
    touched = core[list(site.neighbours)].get_chemical_formula()
    if len(site.neighbours) == 1:
        where = f"on top of {touched}"
    elif len(site.neighbours) == 2:
        where = f"over a bridge of {touched}"
    else:
        where = f"in a hollow of {touched}"
    place = "at the centre" if radius < _CENTRE else f"at {radius:.1f} Å"
    return f"{symbol} {place} {where}"


def _site_orbits(
    core: Atoms,
    symbol: str,
    sites: Sequence[Site],
    operations: list[Operation] | None,
    tolerance: float,
) -> list[list[int]]:
    """Return the sites in groups that the symmetry of the core makes equal."""
    if not sites:
        return []
    if operations is None:
        edited = [core + Atoms(symbol, [site.position]) for site in sites]
        kinds = np.full(len(sites), atomic_numbers[symbol], dtype=np.int64)
        return _alike(edited, kinds, tolerance)
    centre = core.positions.mean(axis=0)
    places = np.array([site.position for site in sites]) - centre
    tree, pairs = cKDTree(places), []
    for operation in operations:
        # Contacts of an image may be shorter or longer by the tolerance at both ends.
        found, partners = tree.query(places @ operation.matrix.T)
        kept = found <= 2 * tolerance
        pairs.append(np.stack([np.flatnonzero(kept), partners[kept]], axis=1))
    edges = np.concatenate(pairs)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(sites),) * 2)
    return _grouped(connected_components(graph, directed=False)[1].astype(np.int64))
