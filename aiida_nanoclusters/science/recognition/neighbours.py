"""Neighbours of atoms, and what follows: coordination, packing, symmetry, equality of structures.

Common-neighbour analysis: J. D. Honeycutt and H. C. Andersen, J. Phys. Chem. 91, 4950 (1987), with
one cutoff for all atoms as in D. Faken and H. Jonsson, Comput. Mater. Sci. 2, 279 (1994).
Structures are taken as one kind of packing: pass the metal atoms alone where ligands surround them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from math import sqrt

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform

from aiida_nanoclusters.science.recognition.common_neighbours import (
    CLASSES as CLASSES,
)
from aiida_nanoclusters.science.recognition.common_neighbours import (
    SURFACE_COORDINATION as SURFACE_COORDINATION,
)
from aiida_nanoclusters.science.recognition.common_neighbours import (
    bond_signatures,
    packing_classes,
)
from aiida_nanoclusters.science.recognition.symmetry import schoenflies, symmetry_operations

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: First over second neighbour distance in fcc, hcp and (nearly) Mackay packings: the middle.
MIDWAY = (1 + sqrt(2)) / 2


def neighbour_cutoff(atoms: Atoms) -> float:
    """Find the distance midway between the first and the second shell of neighbours (Å).

    (1 + sqrt(2)) / 2 times the mean bond length, which is itself the mean over the pairs within the
    cutoff: iterated from the median nearest-neighbour distance, so that contraction, expansion
    and thermal motion are followed. In bcc both first shells (14 neighbours) lie within.

    Parameters
    ----------
    atoms : ase.Atoms
        Cluster or periodic structure of at least two atoms, cell images included.

    Returns
    -------
    float
        Cutoff (Å).

    Raises
    ------
    ValueError
        If the structure has only one atom and no images, or atoms on top of each other.
    """
    nearest = _nearest(atoms)
    cutoff = 1.25 * nearest
    positions = _with_images(atoms, 1.6 * nearest)
    pairs = cKDTree(positions).query_pairs(1.6 * nearest, output_type="ndarray")
    pairs = pairs[pairs[:, 0] < len(atoms)]
    distances = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    # A bond across the boundary occurs twice, once from each end.
    weights = (pairs < len(atoms)).sum(axis=1)
    for _ in range(4):
        near = distances <= cutoff
        cutoff = MIDWAY * float(np.average(distances[near], weights=weights[near]))
    return cutoff


def _nearest(atoms: Atoms) -> float:
    """Median distance to the nearest neighbour (Å)."""
    if len(atoms) < 2 and not atoms.pbc.any():
        raise ValueError("a single atom has no neighbours; give the cutoff")
    reach = 0.0
    if atoms.pbc.any():
        # An atom has an image of itself one cell vector away: nothing nearest is farther.
        reach = float(np.linalg.norm(atoms.cell.array[atoms.pbc], axis=1).min()) * 1.001
    positions = _with_images(atoms, reach)
    distances, _ = cKDTree(positions).query(positions[: len(atoms)], k=2)
    if distances[:, 1].min() < 1e-3:
        raise ValueError("two atoms sit on top of each other; repair the structure first")
    return float(np.median(distances[:, 1]))


def _with_images(atoms: Atoms, reach: float) -> Floats:
    """Positions, then those of the periodic images within `reach` (Å) of the cell."""
    if not atoms.pbc.any():
        return np.asarray(atoms.positions)
    cell = np.asarray(atoms.cell.complete())
    margin = reach * np.linalg.norm(np.linalg.inv(cell), axis=0)  # in fractions of each height
    fractions = atoms.get_scaled_positions(wrap=True)
    turns = [range(-n, n + 1) for n in np.where(atoms.pbc, np.ceil(margin), 0).astype(int)]
    blocks = [fractions @ cell]
    for shift in product(*turns):
        if any(shift):
            moved = fractions + shift
            near = ((moved >= -margin - 1e-9) & (moved <= 1 + margin + 1e-9))[:, atoms.pbc]
            blocks.append(moved[near.all(axis=1)] @ cell)
    return np.concatenate(blocks)


def coordination_numbers(atoms: Atoms, cutoff: float | None = None) -> Ints:
    """Count the neighbours of every atom.

    Parameters
    ----------
    atoms : ase.Atoms
        Cluster or periodic structure.
    cutoff : float, optional
        Largest neighbour distance (Å); :func:`neighbour_cutoff` where left out.

    Returns
    -------
    numpy.ndarray, shape (N,)
        Coordination numbers; images of the cell count.

    >>> from ase.cluster import Icosahedron
    >>> sorted(coordination_numbers(Icosahedron("Cu", 2)).tolist())  # 12 vertices and the centre
    [6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 12]
    """
    pairs, count = bonds(atoms, cutoff)
    return np.bincount(pairs.ravel(), minlength=count)[: len(atoms)]


def bonds(atoms: Atoms, cutoff: float | None, reach: int = 1) -> tuple[Ints, int]:
    """Pairs of neighbours, (B, 2), and the number of atoms with images up to `reach` cutoffs away.

    A single atom without images has no neighbours, and no cutoff follows from it.
    """
    if cutoff is None:
        if len(atoms) < 2 and not atoms.pbc.any():
            return np.zeros((0, 2), dtype=np.int64), len(atoms)
        cutoff = neighbour_cutoff(atoms)
    positions = _with_images(atoms, reach * cutoff)
    return cKDTree(positions).query_pairs(cutoff, output_type="ndarray"), len(positions)


def coordination_histogram(atoms: Atoms, cutoff: float | None = None) -> dict[int, int]:
    """Count the atoms of each coordination number that occurs, by increasing coordination."""
    numbers, counts = np.unique(coordination_numbers(atoms, cutoff), return_counts=True)
    return {int(z): int(n) for z, n in zip(numbers, counts, strict=True)}


def common_neighbour_analysis(atoms: Atoms, cutoff: float | None = None) -> Ints:
    """Classify the neighbourhood of every atom.

    Every bond has a signature (common neighbours, bonds among these, bonds in their largest
    connected group). The classes follow from the signatures around an atom: fcc 12 x 421; hcp
    6 x 421 and 6 x 422; bcc 8 x 666 and 6 x 444; icosahedral, the centre of an icosahedron,
    12 x 555; fivefold, on an axis where five twins meet, 2 x 555 and 10 x 422. Of the rest, atoms
    with at most 10 neighbours are surface, the others other.

    Parameters
    ----------
    atoms, cutoff
        As in :func:`coordination_numbers`.

    Returns
    -------
    numpy.ndarray, shape (N,)
        Indices into :data:`CLASSES`.
    """
    # The neighbours of an image are needed too: those of a bond's far end.
    pairs, count = bonds(atoms, cutoff, reach=2)
    return packing_classes(pairs, bond_signatures(pairs, count), count)[: len(atoms)]


@dataclass(frozen=True)
class Motif:
    """What a structure is made of.

    Attributes
    ----------
    name
        ``'icosahedral'``, ``'decahedral'``, ``'fcc'``, ``'hcp-twinned'``, ``'bcc'`` or
        ``'disordered'``.
    counts
        Atoms of each class of :data:`CLASSES`.
    reason
        The rule that decided, in words.
    """

    name: str
    counts: dict[str, int]
    reason: str


def motif(atoms: Atoms, cutoff: float | None = None) -> Motif:
    """Recognise the packing of a cluster from its common neighbours.

    Rules, the first that holds:

    1. disordered: fewer than half of the inner atoms (all but surface) have a known neighbourhood.
       A glass has icosahedral atoms too, but most of its atoms fit no class.
    2. icosahedral: an atom with twelve fivefold bonds, where six fivefold axes cross; or fivefold
       atoms that are not on one line, as in an icosahedron whose centre is at the surface.
    3. decahedral: fivefold atoms on one line, the axis where five twins meet.
    4. bcc: more bcc than close-packed atoms.
    5. hcp-twinned: hcp atoms are at least a tenth of the close-packed ones: twin planes, stacking
       faults or hcp itself. Fewer are taken for defects.
    6. fcc: what remains.

    Parameters
    ----------
    atoms : ase.Atoms
        Cluster, relaxed or at least quenched: thermal motion blurs the classes.
    cutoff : float, optional
        Largest neighbour distance (Å); :func:`neighbour_cutoff` where left out.

    Returns
    -------
    Motif
        Name, counts and reason. Clusters without an inner atom are called disordered.

    Examples
    --------
    >>> from aiida_nanoclusters.science.structures.motifs import marks_decahedron
    >>> motif(marks_decahedron("Cu", 3, 3, 1)).name
    'decahedral'
    """
    classes = common_neighbour_analysis(atoms, cutoff)
    counts = {name: int((classes == k).sum()) for k, name in enumerate(CLASSES)}
    inner = len(atoms) - counts["surface"]
    known = inner - counts["other"]
    if inner == 0 or 2 * known < inner:
        return Motif("disordered", counts, f"{known} of {inner} inner atoms fit a known packing")
    if counts["icosahedral"]:
        reason = f"{counts['icosahedral']} atoms where fivefold axes cross"
        return Motif("icosahedral", counts, reason)
    if counts["fivefold"]:
        axis = atoms.positions[classes == CLASSES.index("fivefold")]
        spread = np.linalg.svd(axis - axis.mean(axis=0), compute_uv=False)
        off_axis = spread[1] / sqrt(len(axis)) if len(axis) > 1 else 0.0
        if off_axis > 0.25 * _nearest(atoms):
            return Motif("icosahedral", counts, f"{len(axis)} fivefold atoms on several axes")
        return Motif("decahedral", counts, f"{len(axis)} fivefold atoms on one axis")
    packed = counts["fcc"] + counts["hcp"]
    if counts["bcc"] > packed:
        return Motif("bcc", counts, f"{counts['bcc']} bcc and {packed} close-packed atoms")
    name = "hcp-twinned" if 10 * counts["hcp"] >= packed else "fcc"
    return Motif(name, counts, f"{counts['fcc']} fcc and {counts['hcp']} hcp atoms")


def point_group(atoms: Atoms, tolerance: float = 0.1, max_atoms: int = 1500) -> str:
    """Find the point group of a cluster.

    Molecules of up to three atoms and planar ones go to pymatgen's analyser. It would take minutes
    over a few hundred atoms cut from a crystal as a ball.

    Parameters
    ----------
    atoms : ase.Atoms
        Cluster; its cell is ignored.
    tolerance : float
        How far an atom may be from the image of another (Å).
    max_atoms : int
        Larger clusters are refused: the search grows steeply with their size.

    Returns
    -------
    str
        Schoenflies symbol: ``'Ih'``, ``'D5h'``, ``'C1'``, ``'D*h'`` (linear), ``'Kh'`` (one atom).

    Raises
    ------
    ValueError
        If the cluster has more than `max_atoms` atoms, or none.
    ModuleNotFoundError
        If the cluster is planar or has up to three atoms, and pymatgen is not installed.

    Examples
    --------
    >>> from aiida_nanoclusters.science.structures.motifs import truncated_octahedron
    >>> point_group(truncated_octahedron("Cu", 7, 2))
    'Oh'
    """
    if not 0 < len(atoms) <= max_atoms:
        raise ValueError(
            f"{len(atoms)} atoms; the point group is sought for 1 to {max_atoms} (raise max_atoms)"
        )
    centred = atoms.positions - atoms.positions.mean(axis=0)
    if len(atoms) > 3 and np.linalg.svd(centred, compute_uv=False)[2] >= tolerance:
        return schoenflies(symmetry_operations(atoms.positions, atoms.numbers, tolerance))
    # pymatgen takes a second to import; most users of this module never need it.
    try:
        from pymatgen.core.structure import Molecule
        from pymatgen.symmetry.analyzer import PointGroupAnalyzer
    except ModuleNotFoundError as error:
        fix = 'pip install pymatgen, or "aiida-nanoclusters[study]"'
        text = f"the point group of planar and of very small molecules needs pymatgen: {fix}"
        raise ModuleNotFoundError(text, name=error.name) from error

    molecule = Molecule(atoms.get_chemical_symbols(), atoms.positions)
    return str(PointGroupAnalyzer(molecule, tolerance=tolerance).sch_symbol)


def structure_fingerprint(atoms: Atoms, max_pairs_atoms: int = 1500) -> Floats:
    """Describe a cluster by numbers invariant to translation, rotation, reflection and order.

    The sorted interatomic distances (Å), one pair of elements after the other; above
    `max_pairs_atoms` atoms, where those are too many, the sorted distances from the centroid and
    the sorted mean distances to the 12 nearest neighbours, one element after the other.

    Parameters
    ----------
    atoms : ase.Atoms
        Cluster; its cell is ignored.
    max_pairs_atoms : int
        Largest size for which all pairs are taken.

    Returns
    -------
    numpy.ndarray, shape (N (N - 1) / 2,) or (2 N,)
        Distances (Å).
    """
    positions, numbers = atoms.positions, atoms.numbers
    if len(atoms) <= max_pairs_atoms:
        distances = squareform(pdist(positions)) if len(atoms) > 1 else np.zeros((1, 1))
        parts = []
        for a, b in combinations_with_replacement(np.unique(numbers), 2):
            block = distances[np.ix_(numbers == a, numbers == b)]
            parts.append(
                np.sort(block[np.triu_indices_from(block, 1)] if a == b else block.ravel())
            )
        return np.concatenate(parts)
    radii = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    shells = cKDTree(positions).query(positions, k=13)[0][:, 1:].mean(axis=1)
    order = [numbers == a for a in np.unique(numbers)]
    return np.concatenate([np.sort(values[mask]) for values in (radii, shells) for mask in order])


def same_structure(a: Atoms, b: Atoms, tolerance: float = 0.05) -> bool:
    """Return whether two clusters are the same isomer; mirror images count as the same.

    Parameters
    ----------
    a, b : ase.Atoms
        Clusters, relaxed at the same level of theory.
    tolerance : float
        Largest difference between their fingerprints (Å), see :func:`structure_fingerprint`.

    Returns
    -------
    bool
        True where compositions agree and no distance differs by more.
    """
    if not np.array_equal(np.sort(a.numbers), np.sort(b.numbers)):
        return False
    difference = np.abs(structure_fingerprint(a) - structure_fingerprint(b))
    return bool(difference.max(initial=0.0) <= tolerance)
