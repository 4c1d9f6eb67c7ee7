"""Perfect crystals: cells, strained cells, slabs, stackings, and the polyhedra cut from them.

Cells are periodic in all three directions, slabs included, because LAMMPS and plane-wave codes want
it so. Wulff polyhedra follow G. Wulff, Z. Kristallogr. 34, 449 (1901).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations, product
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms, build
from scipy.spatial import ConvexHull, HalfspaceIntersection

from aiida_nanoclusters.science.elements import element

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Facets = Mapping[tuple[int, int, int], float]

_SLABS: dict[tuple[str, str], Callable[..., Atoms]] = {
    ("fcc", "100"): build.fcc100,
    ("fcc", "110"): build.fcc110,
    ("fcc", "111"): build.fcc111,
    ("bcc", "100"): build.bcc100,
    ("bcc", "110"): build.bcc110,
    ("bcc", "111"): build.bcc111,
    ("hcp", "0001"): build.hcp0001,
    ("diamond", "100"): build.diamond100,
    ("diamond", "111"): build.diamond111,
}


def _crystal(symbol: str, lattice_constant: float | None, structure: str | None) -> dict[str, Any]:
    """Arguments a (and c for hcp) for the builders of ASE."""
    if lattice_constant is None or structure is None or structure == "hcp":
        data = element(symbol)
        structure = structure or data.structure
        if structure != data.structure and (lattice_constant is None or structure == "hcp"):
            known = "an hcp element" if structure == "hcp" else "lattice_constant"
            raise ValueError(f"{symbol} is {data.structure}; {structure} needs {known}")
        lattice_constant = lattice_constant or data.lattice_constant
        if data.c_over_a is not None and structure == "hcp":
            return {"a": lattice_constant, "c": lattice_constant * data.c_over_a}
    return {"a": lattice_constant}


def bulk_cell(
    symbol: str,
    lattice_constant: float | None = None,
    *,
    structure: str | None = None,
    repeat: tuple[int, int, int] = (1, 1, 1),
    cubic: bool = True,
) -> Atoms:
    """Build a periodic crystal.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    lattice_constant : float, optional
        Lattice constant a (Å); that of the element where left out.
    structure : {'fcc', 'bcc', 'hcp', 'diamond', 'sc'}, optional
        Crystal structure; that of the element where left out. hcp takes c/a from the element.
    repeat : tuple of int
        Cells along the three cell vectors.
    cubic : bool
        Conventional cubic cell (4 atoms in fcc) rather than the primitive one; hcp always has its
        primitive cell of 2 atoms.

    Returns
    -------
    ase.Atoms
        The crystal.

    Raises
    ------
    ValueError
        If the structure is not that of the element and no lattice constant is given, or is hcp.
    """
    cell = _crystal(symbol, lattice_constant, structure)
    structure = structure or element(symbol).structure
    return build.bulk(symbol, structure, cubic=cubic and structure != "hcp", **cell).repeat(repeat)


def surface_slab(
    symbol: str,
    facet: str,
    layers: int,
    vacuum: float,
    *,
    lattice_constant: float | None = None,
    structure: str | None = None,
    repeat: tuple[int, int] = (1, 1),
) -> Atoms:
    """Build an ideal slab, periodic in all directions, its normal along z.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    facet : str
        ``'100'``, ``'110'`` or ``'111'``; ``'0001'`` for hcp.
    layers : int
        Atomic layers.
    vacuum : float
        Empty gap (Å) between the outermost atomic planes of two periodic images, at least 0.
    lattice_constant, structure
        As in :func:`bulk_cell`.
    repeat : tuple of int
        Surface cells along the two in-plane vectors.

    Returns
    -------
    ase.Atoms
        The slab, in the middle of its cell.

    Raises
    ------
    ValueError
        If the facet is not offered for the structure, or `layers` or `vacuum` is out of range.
    """
    cell = _crystal(symbol, lattice_constant, structure)
    structure = structure or element(symbol).structure
    if (structure, facet) not in _SLABS:
        offered = ", ".join(f"{name} {indices}" for name, indices in _SLABS)
        raise ValueError(f"no slab for {structure} {facet}; offered: {offered}")
    if layers < 1 or vacuum < 0:
        raise ValueError(f"need layers >= 1 and vacuum >= 0 Å, got {layers} and {vacuum}")
    slab = _SLABS[structure, facet](symbol, size=(*repeat, layers), vacuum=vacuum / 2, **cell)
    return Atoms(slab.get_chemical_symbols(), slab.positions, cell=slab.cell, pbc=True)


def slab_area(slab: Atoms) -> float:
    """Area of one side of a slab whose normal is its third cell vector (Å^2)."""
    return float(np.linalg.norm(np.cross(slab.cell[0], slab.cell[1])))


def surface_energy(slab_energy: float, n: int, bulk_energy_per_atom: float, area: float) -> float:
    """Energy to make a surface, from a slab with two equal sides.

    Parameters
    ----------
    slab_energy : float
        Energy of the slab (eV).
    n : int
        Atoms in the slab.
    bulk_energy_per_atom : float
        Energy per atom of the crystal at the same level of theory (eV).
    area : float
        Area of one side (Å^2); see :func:`slab_area`.

    Returns
    -------
    float
        ``(slab_energy - n * bulk_energy_per_atom) / (2 * area)`` (eV/Å^2).

    Examples
    --------
    >>> surface_energy(-34.0, 10, -3.5, 5.0)
    0.1

    Raises
    ------
    ValueError
        If `n` or `area` is not positive.
    """
    if n < 1 or not area > 0:
        raise ValueError(f"need n >= 1 and area > 0 Å^2, got {n} and {area}")
    return (slab_energy - n * bulk_energy_per_atom) / (2 * area)


def dimer(symbol: str, distance: float | None = None) -> Atoms:
    """Build two free atoms `distance` (Å; the crystal's nearest-neighbour one) apart along x."""
    if distance is None:
        distance = element(symbol).nearest_neighbour
    if not distance > 0:
        raise ValueError(f"distance must be positive (Å), got {distance}")
    return Atoms([symbol] * 2, positions=[[-distance / 2, 0, 0], [distance / 2, 0, 0]])


def close_packed_cell(
    symbol: str,
    stacking: str,
    distance: float | None = None,
    repeat: tuple[int, int] = (1, 1),
) -> Atoms:
    """Stack close-packed layers: ``'ABC'`` is fcc, ``'AB'`` ideal hcp, ``'ABCB'`` dhcp.

    ``'ABCACB'`` is fcc with a coherent twin plane every three layers, ``'ABCAB'`` fcc with an
    intrinsic stacking fault every five.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    stacking : str
        Positions of the layers along z; the last layer is followed by the first.
    distance : float, optional
        Nearest-neighbour distance (Å).
    repeat : tuple of int
        Primitive cells along the two vectors in the layers.

    Returns
    -------
    ase.Atoms
        The hexagonal cell, periodic in all directions.

    Raises
    ------
    ValueError
        If a letter is not A, B or C, or a layer sits atop an equal one (also around the boundary).
    """
    layers = ["ABC".find(letter) for letter in stacking]
    if len(layers) < 2 or -1 in layers:
        raise ValueError(f"stacking has two or more of the letters A, B, C; got {stacking!r}")
    if any(here == there for here, there in zip(layers, layers[1:] + layers[:1], strict=True)):
        raise ValueError(f"stacking {stacking!r} puts a layer atop an equal one (it is periodic)")
    d = element(symbol).nearest_neighbour if distance is None else distance
    height = d * sqrt(2 / 3)
    cell = np.array([[d, 0, 0], [d / 2, d * sqrt(3) / 2, 0], [0, 0, height * len(layers)]])
    scaled = [[layer / 3, layer / 3, k / len(layers)] for k, layer in enumerate(layers)]
    atoms = Atoms([symbol] * len(layers), scaled_positions=scaled, cell=cell, pbc=True)
    return atoms.repeat((*repeat, 1))


def _fcc_polyhedra(surface_energies: Facets, n_max: int) -> list[tuple[Floats, Ints]]:
    """Wulff polyhedra around an atom and around an octahedral hole, up to beyond `n_max` atoms.

    For each centre the lattice sites (M, 3) in lattice constants, ordered by the volume of the
    Wulff shape that reaches them, and the numbers of sites at which such a shape closes.
    """
    rows = []
    for indices, energy in surface_energies.items():
        if len(indices) != 3 or not any(indices) or not energy > 0:
            raise ValueError(
                "surface_energies maps Miller indices (h, k, l) to positive energies, "
                f"got {indices}: {energy}"
            )
        scale = np.linalg.norm(indices) * energy / max(surface_energies.values())
        signs = product((-1, 1), repeat=3)
        facets = {tuple(np.multiply(s, o)) for s in signs for o in permutations(indices)}
        rows += [np.array(facet) / scale for facet in sorted(facets)]
    if not rows:
        raise ValueError("surface_energies is empty; give at least (1, 1, 1) or (1, 0, 0)")
    # The Wulff shape of linear size t is the set of all x with (normals @ x).max() <= t.
    normals = np.array(rows)
    shape = HalfspaceIntersection(np.c_[normals, -np.ones(len(normals))], np.zeros(3))
    volume = ConvexHull(shape.intersections).volume
    # One lattice constant more than the volume asks for, so that a closed shape lies above n_max.
    size = (n_max / 4 / volume) ** (1 / 3) + np.linalg.norm(normals, axis=1).max()
    edge = int(2 * size * np.abs(shape.intersections).max()) + 1
    axis = np.arange(-edge, edge + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    polyhedra = []
    for odd in (0, 1):  # in half lattice constants, fcc sites have an even sum, holes an odd one
        sites = grid[grid.sum(axis=1) % 2 == odd] / 2
        # Rounding: sites on one facet must stay level on every machine.
        reach = (sites @ normals.T).max(axis=1).round(9)
        sites, reach = sites[reach <= size], reach[reach <= size]
        order = np.argsort(reach, kind="stable")
        closed = np.append(np.flatnonzero(np.diff(reach[order])) + 1, len(order))
        polyhedra.append((sites[order], closed))
    return polyhedra


def wulff_sizes(surface_energies: Facets, n_min: int, n_max: int) -> tuple[int, ...]:
    """Sizes from `n_min` to `n_max` of the fcc Wulff polyhedra with these surface energies."""
    sizes = {int(n) for _, closed in _fcc_polyhedra(surface_energies, n_max) for n in closed}
    return tuple(sorted(n for n in sizes if n_min <= n <= n_max))


def wulff_cluster(
    symbol: str, surface_energies: Facets, size: int, lattice_constant: float | None = None
) -> Atoms:
    """Build the fcc Wulff polyhedron whose number of atoms is nearest to `size`.

    All lattice sites within the Wulff shape of some volume are taken, around an atom or around an
    octahedral hole, so the cluster keeps the full cubic symmetry.

    Parameters
    ----------
    symbol : str
        Chemical symbol.
    surface_energies : mapping
        Miller indices (h, k, l) to energy per area; only the ratios matter.
    size : int
        Wanted number of atoms; ``len()`` of the result is the actual one. Ties go to the smaller
        cluster, then to the one around an atom.
    lattice_constant : float, optional
        Lattice constant a (Å); that of the element where left out.

    Returns
    -------
    ase.Atoms
        The cluster.

    Raises
    ------
    ValueError
        If the energies are not positive, `size` is less than 1, or the element does not
        crystallise in fcc and no lattice constant is given.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    if lattice_constant is None:
        data = element(symbol)
        if data.structure != "fcc":
            raise ValueError(f"{symbol} is {data.structure}; give the fcc lattice_constant to use")
        lattice_constant = data.lattice_constant
    choices = [
        (abs(int(n) - size), int(n), sites)
        for sites, closed in _fcc_polyhedra(surface_energies, size)
        for n in closed
    ]
    _, n, sites = min(choices, key=lambda choice: choice[:2])
    positions = lattice_constant * sites[:n]
    return Atoms([symbol] * n, positions=positions - positions.mean(axis=0))
