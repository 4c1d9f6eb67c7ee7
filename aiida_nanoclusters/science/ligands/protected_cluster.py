"""Protected clusters as a core and its ligands, and what keeps a structure from being one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.compositions import cluster_formula
from aiida_nanoclusters.science.structures.molecules import METALS

Floats = NDArray[np.float64]

#: Charges beyond this (e) are none of a cluster.
_MOST_CHARGE = 1000

#: Why a structure is no protected cluster that is understood; the keys of :class:`NotACluster`.
REASONS = (
    "no_metal",
    "salt",
    "network",
    "no_ligands",
    "disorder",
    "hydrogens_missing",
    "bond_orders",
    "boron_cage",
    "metal_in_ligand",
    "too_large",
    "unphysical",
)


class NotACluster(ValueError):  # noqa: N818 - a verdict on a structure, and no fault of a program
    """A structure is none protected cluster, or one that cannot be divided.

    Attributes
    ----------
    reason
        One of :data:`REASONS`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class BoundLigand:
    """A kind of ligand of a cluster.

    Attributes
    ----------
    smiles
        Canonical SMILES of the free ligand, a neutral radical or a closed-shell donor.
    group
        Functional group by which it binds.
    n_carbon
        Number of carbon atoms.
    count
        How many the cluster has.
    sites
        Atoms that bind, of all of them together, by element and number of metal atoms that each
        touches: ``{"S:2": 12, "S:1": 6}``.
    """

    smiles: str
    group: str
    n_carbon: int
    count: int
    sites: dict[str, int]


@dataclass(frozen=True, eq=False)
class ProtectedCluster:
    """A cluster as its core and its ligands.

    Attributes
    ----------
    core
        Metals and the single atoms that belong to the core, centred, without cell.
    ligands
        Kinds of ligands by their SMILES, in alphabetical order.
    charge
        Charge of the whole cluster in e, where the file or the user tells it.
    formula
        ``Au25(C8H9S)18``.
    removed
        Formulas of solvent and counter-ions that were left out, of complexes with their metals.
    """

    core: Atoms
    ligands: tuple[BoundLigand, ...]
    charge: int | None
    formula: str
    removed: tuple[str, ...]

    @property
    def ligand_set(self) -> tuple[str, ...]:
        """Distinct ligands as SMILES, in alphabetical order."""
        return tuple(ligand.smiles for ligand in self.ligands)


def distinct_clusters(
    clusters: Sequence[ProtectedCluster], same_within: float
) -> list[ProtectedCluster]:
    """Return clusters without duplicates: the first of those with equal ligands and like cores.

    Parameters
    ----------
    clusters
        In any order.
    same_within
        Root mean square difference in Å of the sorted distances between like atoms of like cores.
    """
    found: list[ProtectedCluster] = []
    for cluster in clusters:
        if not any(are_duplicates(cluster, other, same_within) for other in found):
            found.append(cluster)
    return found


def are_duplicates(one: ProtectedCluster, other: ProtectedCluster, tolerance: float) -> bool:
    """Whether two clusters of a file have the same ligands and the same distances in their core."""
    if one.formula != other.formula or one.ligand_set != other.ligand_set:
        return False
    if [ligand.count for ligand in one.ligands] != [ligand.count for ligand in other.ligands]:
        return False
    difference = _distances(one.core) - _distances(other.core)
    return not len(difference) or bool(np.sqrt(np.mean(difference**2)) <= tolerance)


def _distances(core: Atoms) -> Floats:
    """Return the distances of a core, sorted within each pair of elements."""
    order = np.argsort(core.numbers, kind="stable")
    numbers, positions = core.numbers[order], core.positions[order]
    i, j = np.triu_indices(len(core), 1)
    lengths = np.linalg.norm(positions[i] - positions[j], axis=1)
    return np.asarray(lengths[np.lexsort((lengths, numbers[j], numbers[i]))])


def hill_formula(counts: Mapping[str, int]) -> str:
    """Return a formula in Hill's order: carbon, hydrogen, then the others by name."""
    first = [s for s in ("C", "H") if s in counts] if "C" in counts else []
    symbols = [*first, *sorted(set(counts) - {*first})]
    return "".join(f"{s}{counts[s] if counts[s] > 1 else ''}" for s in symbols)


def core_formula(counts: Mapping[str, int]) -> str:
    """Return the formula of a core: metals, then the others, each by name."""
    metals = {s: n for s, n in counts.items() if s in METALS}
    return cluster_formula(metals) + cluster_formula(
        {s: n for s, n in counts.items() if s not in METALS}
    )


def told_charge(atoms: Atoms) -> int | None:
    """Return the charge in e that ``info["charge"]`` of a structure tells; None for none."""
    told = atoms.info.get("charge")
    if isinstance(told, bool) or not isinstance(told, int | float | np.integer | np.floating):
        return None
    value = float(told)
    return int(value) if value.is_integer() and abs(value) <= _MOST_CHARGE else None
