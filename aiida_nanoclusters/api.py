"""The analysis of a study for Python, on plain ASE objects and without AiiDA.

Every name of this module is an attribute of the package: ``import aiida_nanoclusters as nc``, then
``nc.find_crossing``. Clusters are `ase.Atoms`, a family is a list of them, each with a total energy
(eV) on its calculator. Lengths are in Å. The caller's objects are never changed.
"""

# ruff: noqa: F401 - what is imported here and listed in the package is public.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import CalculatorError, PropertyNotImplementedError
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters import __all__ as __all__  # the list of public names, of both
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.lammps.tempering_run import TemperedCluster, parallel_tempering
from aiida_nanoclusters.formats.potential_calculator import calculator
from aiida_nanoclusters.science.recognition import neighbours
from aiida_nanoclusters.science.recognition.neighbours import (
    Motif,
    coordination_numbers,
    point_group,
    same_structure,
)
from aiida_nanoclusters.science.recognition.neighbours import motif as recognise_motif
from aiida_nanoclusters.science.sampling.parallel_tempering import (
    choose_ladder,
    geometric_ladder,
)
from aiida_nanoclusters.science.sampling.reweighting import Reweighting
from aiida_nanoclusters.science.stability import crossing, expansion, magic
from aiida_nanoclusters.science.stability.crossing import Crossing
from aiida_nanoclusters.science.stability.elasticity import (
    Crystal,
    crystal_from_energies,
    strained_cells,
)
from aiida_nanoclusters.science.stability.expansion import FamilyFits
from aiida_nanoclusters.science.stability.least_squares import EnergyFit
from aiida_nanoclusters.science.stability.magic import MagicSize
from aiida_nanoclusters.science.structures.motifs import (
    incomplete_icosahedron,
    marks_decahedron,
    motif_family,
    truncated_octahedron,
)
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron as icosahedron

#: Clusters with energies, or sizes (S,) with total energies in eV, (S,) or of a committee (S, M).
Family = Sequence[Atoms] | tuple[ArrayLike, ArrayLike]


def read_frames(path: str | Path, index: str = ":") -> list[Atoms]:
    """Read structures with their energies and forces from any file that ASE reads.

    Labels that other programs store under names of their own, such as ``dft_energy`` or
    ``REF_forces``, are put on the calculator too.

    Parameters
    ----------
    path
        Extended XYZ, ``OUTCAR``, ``vasprun.xml``, an ASE database, ...
    index
        ASE's slice of the frames; default ``":"``, all of them.

    Returns
    -------
    list of ase.Atoms
        In the order of the file; the label in eV, eV/Å and eV/Å^3 on a calculator.

    Raises
    ------
    ValueError
        If the file is missing, of unknown format or empty.

    Examples
    --------
    >>> import os, tempfile
    >>> import aiida_nanoclusters as nc
    >>> path = os.path.join(tempfile.mkdtemp(), "clusters.xyz")
    >>> nc.icosahedron("Cu", shells=2).write(path, format="extxyz")
    >>> [len(atoms) for atoms in nc.read_frames(path)]
    [55]
    """
    return list(read_extxyz(path, index=index))


def motifs(symbol: str, motif: str, n_min: int, n_max: int, **options: Any) -> list[Atoms]:
    """Build the closed-shell clusters of one motif.

    Parameters
    ----------
    symbol
        Chemical symbol.
    motif
        A name in :data:`~aiida_nanoclusters.science.structures.motif_kinds.MOTIFS`, such as
        ``"icosahedron"``; the message about an unknown one lists them.
    n_min, n_max
        Smallest and largest number of atoms, both included.
    options
        ``distance``, the nearest-neighbour distance (Å; by default that of the crystal), and
        ``shape`` or ``surface_energies`` of
        :func:`~aiida_nanoclusters.science.structures.motifs.motif_family`.

    Returns
    -------
    list of ase.Atoms
        By increasing size, not relaxed.

    Raises
    ------
    ValueError
        If the motif or the element is unknown.

    Examples
    --------
    >>> import aiida_nanoclusters as nc
    >>> [len(atoms) for atoms in nc.motifs("Cu", "icosahedron", 13, 600)]
    [13, 55, 147, 309, 561]
    >>> [len(atoms) for atoms in nc.motifs("Cu", "truncated octahedron", 38, 600, shape="regular")]
    [38, 201, 586]
    """
    distance = options.pop("distance", None)
    members = motif_family(motif, n_min, n_max, **options)
    return [member.build(symbol, distance) for member in members]


def sizes_and_energies(clusters: Family) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the lowest total energy of each size.

    Parameters
    ----------
    clusters
        Clusters of one composition or element, each with an energy on its calculator; or sizes and
        energies, which are returned as arrays.

    Returns
    -------
    sizes : numpy.ndarray, shape (S,)
        Numbers of atoms, increasing where `clusters` are structures.
    energies : numpy.ndarray, shape (S,) or (S, M)
        Total energies (eV), with a column for each member of a committee.

    Raises
    ------
    ValueError
        If a cluster has no energy, or there is no cluster.

    Examples
    --------
    >>> import aiida_nanoclusters as nc
    >>> from ase.calculators.emt import EMT
    >>> clusters = nc.motifs("Cu", "icosahedron", 13, 60)
    >>> for atoms in clusters:
    ...     atoms.calc = EMT()
    >>> sizes, energies = nc.sizes_and_energies(clusters)
    >>> sizes.tolist(), (energies / sizes).round(2).tolist()
    ([13, 55], [0.75, 0.47])
    """
    if isinstance(clusters, tuple):
        sizes, energies = clusters
        return np.asarray(sizes, dtype=np.int64), np.asarray(energies, dtype=np.float64)
    lowest: dict[int, float] = {}
    for place, atoms in enumerate(clusters):
        energy = _energy(atoms, place)
        lowest[len(atoms)] = min(energy, lowest.get(len(atoms), np.inf))
    if not lowest:
        raise ValueError("no clusters: the list is empty")
    ordered = sorted(lowest.items())
    return np.array([n for n, _ in ordered]), np.array([e for _, e in ordered])


def _energy(atoms: Atoms, place: int) -> float:
    fix = "set `atoms.calc`, or read a file that holds energies"
    if atoms.calc is None:
        raise ValueError(f"cluster {place} ({len(atoms)} atoms) has no calculator: {fix}")
    try:
        return float(atoms.get_potential_energy())
    except (CalculatorError, PropertyNotImplementedError) as error:
        raise ValueError(f"cluster {place} ({len(atoms)} atoms) has no energy: {fix}") from error


def fit_family(clusters: Family, **settings: Any) -> EnergyFit:
    """Fit E(N) = a N + b N^(2/3) + c N^(1/3) + d to one family of clusters.

    Parameters
    ----------
    clusters
        The relaxed closed-shell clusters of one motif with energies, or (sizes, energies in eV).
    settings
        ``n_min`` (atoms, default 100), ``terms``, ``bulk_energy`` (eV/atom) and ``sigma`` (eV) of
        :func:`~aiida_nanoclusters.science.stability.expansion.fit_family`.

    Returns
    -------
    EnergyFit
        Coefficients (eV) with their covariance; ``predict(n)`` gives energies with standard errors.

    Raises
    ------
    ValueError
        If an energy is missing, or the sizes are too few for an error bar.

    Examples
    --------
    >>> import numpy as np
    >>> import aiida_nanoclusters as nc
    >>> sizes = np.array([147, 309, 561, 923, 1415, 2057])
    >>> fit = nc.fit_family((sizes, -3.5 * sizes + 2.5 * sizes ** (2 / 3)))
    >>> fit.coefficients.round(3)[:2].tolist()
    [-3.5, 2.5]
    """
    return expansion.fit_family(*sizes_and_energies(clusters), **settings)


def fit_families(families: Mapping[str, Family], **settings: Any) -> FamilyFits:
    """Fit several families of one metal, as :func:`find_crossing` needs them.

    Parameters
    ----------
    families
        Name of the motif -> its clusters with energies, or (sizes, energies in eV).
    settings
        Those of :func:`~aiida_nanoclusters.science.stability.expansion.fit_families`: ``n_min``
        (atoms, default 100), ``bulk_energy`` (eV/atom, by motif), ``shared_bulk``, ...

    Raises
    ------
    ValueError
        If an energy is missing, or the sizes of a family are too few for an error bar.
    """
    data = {name: sizes_and_energies(family) for name, family in families.items()}
    return expansion.fit_families(data, **settings)


def find_crossing(
    families: Mapping[str, Family] | FamilyFits,
    *,
    n_min: int = 100,
    n_max: int = 20000,
    bulk_crystal: Crystal | None = None,
    **settings: Any,
) -> Crossing:
    """Find the size at which crystals become lower in energy than clusters, with its interval.

    Parameters
    ----------
    families
        Name of the motif -> its relaxed clusters with energies, or (sizes, energies in eV); or what
        :func:`fit_families` returned. Icosahedra and decahedra are compared with the other motifs.
    n_min, n_max
        Range of sizes (atoms) in which the crossing is sought; clusters below `n_min` are not
        fitted. Default 100 and 20000.
    bulk_crystal
        Energy and moduli of the crystal by the same potential (:func:`crystal_from_energies`), from
        which the strain energy follows: shortens the interval of few sizes several times.
    settings
        Those of :func:`~aiida_nanoclusters.science.stability.crossing.find_crossing`:
        ``confidence`` of the interval (default 0.9), ``systematic_mev``, the potential's systematic
        error of the difference (meV/atom, default 0), ``cluster`` and ``crystal``, the motifs of
        either side, ...

    Returns
    -------
    Crossing
        ``size``, ``low``, ``high``, ``verdict``; ``describe()`` says it in a sentence.

    Raises
    ------
    ValueError
        If an energy is missing, a family has too few sizes, or one side has no family.

    Examples
    --------
    A model metal whose icosahedra have the cheaper surface and a strain energy in the volume, with
    shells that deviate from the expansion by some hundredths of an eV:

    >>> import numpy as np
    >>> import aiida_nanoclusters as nc
    >>> ih, to = np.array([147, 309, 561, 923, 1415, 2057]), np.array([201, 405, 711, 1289, 2075])
    >>> noise = np.array([1, -1, 1, -1, 1, -1]) / 50
    >>> families = {
    ...     "icosahedron": (ih, -3.491 * ih + 2.41 * ih ** (2 / 3) + noise),
    ...     "truncated octahedron": (to, -3.5 * to + 2.5 * to ** (2 / 3) + noise[:5]),
    ... }
    >>> answer = nc.find_crossing(families)
    >>> answer.verdict, answer.low < 1000 < answer.high  # exactly (0.09 / 0.009)^3
    ('crossing', True)
    """
    if not isinstance(families, FamilyFits):
        families = fit_families(families, n_min=n_min, bulk_crystal=bulk_crystal)
    elif bulk_crystal is not None:
        raise ValueError("give `bulk_crystal` to fit_families, which made these fits")
    return crossing.find_crossing(families, n_min=n_min, n_max=n_max, **settings)


def second_differences(clusters: Family) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return E(N+1) + E(N-1) - 2 E(N) of all sizes whose two neighbours are given.

    Parameters
    ----------
    clusters
        The lowest clusters of neighbouring sizes, with energies, or (sizes, energies in eV).

    Returns
    -------
    sizes : numpy.ndarray, shape (K,)
        Numbers of atoms, increasing.
    second_differences : numpy.ndarray, shape (K,) or (M, K)
        eV; positive where N is more stable than its neighbours. One row for each committee member.

    Raises
    ------
    ValueError
        If an energy is missing or a size occurs twice.

    Examples
    --------
    >>> import aiida_nanoclusters as nc
    >>> sizes, values = nc.second_differences(([12, 13, 14, 15], [-37.0, -44.3, -47.0, -52.3]))
    >>> sizes.tolist(), values.round(1).tolist()
    ([13, 14], [4.6, -2.6])
    """
    sizes, energies = sizes_and_energies(clusters)
    return magic.second_difference(sizes, energies.T)


def magic_numbers(clusters: Family, strength: float = 1.0) -> list[MagicSize]:
    """Find the sizes whose second difference of the energy stands out.

    Parameters
    ----------
    clusters
        As in :func:`second_differences`.
    strength
        How far above the median of all sizes, in robust standard deviations; default 1.

    Returns
    -------
    list of MagicSize
        By increasing size, with second differences in eV; of a committee also their spread.

    Raises
    ------
    ValueError
        As :func:`second_differences`.

    Examples
    --------
    Lennard-Jones clusters, the known global minima in units of epsilon:

    >>> import aiida_nanoclusters as nc
    >>> energies = [-24.113, -28.422, -32.766, -37.968, -44.327, -47.845, -52.323, -56.816]
    >>> energies += [-61.318, -66.531, -72.660, -77.177, -81.685, -86.810, -92.844, -97.349]
    >>> [size.size for size in nc.magic_numbers((range(9, 25), energies))]
    [13, 19, 23]
    """
    sizes, values = second_differences(clusters)
    return magic.magic_sizes(sizes, values, strength)


def common_neighbours(atoms: Atoms, cutoff: float | None = None) -> NDArray[np.str_]:
    """Classify the neighbourhood of every atom by common-neighbour analysis.

    Parameters
    ----------
    atoms
        Cluster or periodic structure.
    cutoff
        Largest neighbour distance (Å); by default midway between the first two shells.

    Returns
    -------
    numpy.ndarray, shape (N,)
        ``fcc``, ``hcp``, ``bcc``, ``icosahedral``, ``fivefold``, ``surface`` or ``other``; see
        :func:`~aiida_nanoclusters.science.recognition.neighbours.common_neighbour_analysis`.

    Examples
    --------
    The 147-atom icosahedron: its centre, twelve fivefold axes of two atoms each, twin planes and
    the surface.

    >>> from collections import Counter
    >>> import aiida_nanoclusters as nc
    >>> sorted(Counter(nc.common_neighbours(nc.icosahedron("Cu", shells=3)).tolist()).items())
    [('fivefold', 24), ('hcp', 30), ('icosahedral', 1), ('surface', 92)]
    """
    classes = neighbours.common_neighbour_analysis(atoms, cutoff)
    return np.array(neighbours.CLASSES)[classes]
