"""Pairs of inorganic cores and ligand sets, compatible or not, and how they are collected.

A set of pairs is a table of distinct cores and JSON. It is read in bounded time and memory, whoever
wrote it, and nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.core_identity import TOLERANCE, core_classes, count_metals
from aiida_nanoclusters.science.ligands.pair_checks import (
    MOST_PAIRS,
    check_cores,
    check_groups,
    check_pair,
    printable,
    read_pairs_text,
)
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings, ReportedPair

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.core_split import ProtectedCluster

Ints = NDArray[np.int64]
LigandSet = tuple[str, ...]

#: File of the pairs in a node.
PAIRS_FILE = "pairs.json"
#: Configuration type of the frame of a core.
CORE = "core"
#: Why a cluster is not in a set of pairs of its own.
TOO_FEW_METALS, TOO_MANY_METALS = "too_few_metals", "too_many_metals"
NO_LIGANDS, TOO_MANY_LIGANDS, DUPLICATE = "no_ligands", "too_many_ligands", "duplicate"


@dataclass(frozen=True)
class Pair:
    """A core with a ligand set.

    Attributes
    ----------
    core
        Index of the core.
    ligands
        Canonical SMILES of the distinct ligands, sorted, four at most.
    label
        1 where they are compatible, 0 where not.
    origin
        Name of the structure that shows the pair, or who says so.
    counts
        How many of each ligand the structure has; empty where there is none.
    """

    core: int
    ligands: LigandSet
    label: int
    origin: str
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class PairSet:
    """Pairs of distinct cores and ligand sets, each once.

    Attributes
    ----------
    cores
        One frame per core without cell, of the type ``core``; `parents` names its first structure.
    pairs
        In the order in which they were found, generated ones last.
    groups
        Functional group of ligands by SMILES; those that are not named follow from the SMILES.
    tolerance
        How far an atom of a core may be from its counterpart in the same one, Å.

    Raises
    ------
    ValueError
        If the pairs are none: of a core or a label that does not exist, of ligands that are not
        distinct or not sorted, or one of them twice.
    """

    cores: Frames
    pairs: tuple[Pair, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        check_cores(self.cores)
        if not 0 < len(self.pairs) <= MOST_PAIRS:
            raise ValueError(f"{len(self.pairs)} pairs: a set has 1 to {MOST_PAIRS}")
        if not 0 < self.tolerance <= 2:
            raise ValueError(f"the tolerance of cores is {self.tolerance} Å: give up to 2 Å")
        seen: set[tuple[int, LigandSet]] = set()
        for number, pair in enumerate(self.pairs):
            try:
                check_pair(pair, len(self.cores))
            except ValueError as error:
                raise ValueError(f"pair {number}: {error}") from error
            if (pair.core, pair.ligands) in seen:
                raise ValueError(f"pair {number} is there twice: keep one of them")
            seen.add((pair.core, pair.ligands))
        check_groups(self.groups)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 for compatible pairs, 0 for others, shape (P,)."""
        return np.array([pair.label for pair in self.pairs], dtype=np.int8)

    @property
    def core_of(self) -> Ints:
        """Index of the core of each pair, (P,)."""
        return np.array([pair.core for pair in self.pairs], dtype=np.int64)

    @cached_property
    def ligands(self) -> tuple[str, ...]:
        """Canonical SMILES of all ligands, sorted."""
        return tuple(sorted({smiles for pair in self.pairs for smiles in pair.ligands}))

    @cached_property
    def nuclearities(self) -> Ints:
        """Number of metal atoms of each core, (C,)."""
        return np.array([count_metals(atoms) for atoms in self.cores], dtype=np.int64)

    @cached_property
    def identities(self) -> Ints:
        """Class of each core by its geometry, (C,): equal for cores that are the same.

        It is determined anew, so that a core that is held twice is recognised.
        """
        return _classes_of(self.cores, self.tolerance, False)

    @cached_property
    def families(self) -> Ints:
        """Family of each core, (C,): the same arrangement of whichever metals."""
        skeletons = _classes_of(self.cores, self.tolerance, True)
        count = len(skeletons)
        # The same core is of one family, also where scaling moved an atom out of the tolerance.
        links = coo_array((np.ones(count), (self.identities, skeletons)), shape=(count, count))
        joined = connected_components(_two_sided(links), directed=False)[1][self.identities]
        return np.asarray(np.unique(joined, return_inverse=True)[1], dtype=np.int64)

    def name_of(self, core: int) -> str:
        """Return the name of a core: its first structure, or its formula and number."""
        formula = self.cores[core].get_chemical_formula("metal")
        return str(self.cores.parents[core]) or f"{formula}, core {core}"

    def group_of(self, smiles: str) -> str:
        """Return the functional group of a ligand.

        Raises
        ------
        ValueError
            If it is not noted and RDKit, from which it follows, is missing or cannot read it.
        """
        if smiles in self.groups:
            return self.groups[smiles]
        from aiida_nanoclusters.science.ligands.smiles import functional_group

        return functional_group(smiles)

    # -- files -----------------------------------------------------------------------------

    def content(self) -> str:
        """Return the pairs as JSON; equal pairs give equal text."""
        content = {
            "tolerance": self.tolerance,
            "groups": {smiles: self.group_of(smiles) for smiles in self.ligands},
            "pairs": [
                {
                    "core": int(pair.core),
                    "ligands": list(pair.ligands),
                    "label": int(pair.label),
                    "origin": pair.origin,
                    "counts": [int(n) for n in pair.counts],
                }
                for pair in self.pairs
            ],
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_content(cls, text: str | bytes, cores: Frames) -> PairSet:
        """Return the pairs of a text of :meth:`content`.

        Raises
        ------
        ValueError
            If it is none: too long, no such JSON, or pairs that the cores do not have.
        """
        try:
            rows, groups, tolerance = read_pairs_text(text)
            pairs = tuple(
                Pair(r["core"], tuple(r["ligands"]), r["label"], r["origin"], tuple(r["counts"]))
                for r in rows
            )
            found = cls(cores, pairs, groups, tolerance)
            if set(groups) != set(found.ligands):
                raise ValueError("`groups` does not name the ligands of the pairs")
        except (ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
            raise ValueError(f"not a set of pairs: {error}") from error
        return found


#: Classes of the sets of cores that were compared last: one set is split many times.
_COMPARED: dict[tuple[bytes, float, bool], Ints] = {}
_MOST_COMPARED = 8


def _classes_of(cores: Frames, tolerance: float, skeleton: bool) -> Ints:
    """Return the classes of cores, see :func:`.core_identity.core_classes`."""
    digest = hashlib.sha256()
    for array in (cores.numbers, cores.positions, cores.offsets):
        digest.update(np.ascontiguousarray(array).tobytes())
    key = (digest.digest(), tolerance, skeleton)
    if key not in _COMPARED:
        while len(_COMPARED) >= _MOST_COMPARED:
            _COMPARED.pop(next(iter(_COMPARED)))
        _COMPARED[key] = core_classes(list(cores), tolerance, skeleton)
        _COMPARED[key].setflags(write=False)
    return _COMPARED[key]


def _two_sided(links: Any) -> Any:
    """Return the adjacency of the nodes of both sides, (2C, 2C), from links of one to the other."""
    count = links.shape[0]
    rows, columns = links.coords
    return coo_array((links.data, (rows, columns + count)), shape=(2 * count, 2 * count))


# -- collecting --------------------------------------------------------------------------------


def collect_pairs(
    clusters: Sequence[tuple[ProtectedCluster, str]], settings: PairSettings
) -> tuple[PairSet, list[dict[str, Any]]]:
    """Return the distinct pairs of clusters that were made, and what was left out.

    Cores that are the same become one, that of the first cluster; a pair that several clusters have
    is one, of the first.

    Parameters
    ----------
    clusters
        Each with its name, such as that of its file.
    settings
        Which cores and sets count, and pairs that are reported beside them.

    Returns
    -------
    pairs
        With the label 1 but for pairs that are reported as incompatible. ``info`` of each core has
        the names and charges of its clusters as ``clusters`` and ``charges``.
    report
        One row per cluster that is no pair of its own: ``origin``, ``reason`` (a short key),
        ``message``.

    Raises
    ------
    ValueError
        If no pair is left, or a reported pair contradicts a structure or names an unknown cluster.
    """
    report: list[dict[str, Any]] = []
    kept: list[tuple[ProtectedCluster, str]] = []
    for cluster, origin in clusters:
        left_out = _left_out(cluster, settings)
        if left_out is None:
            kept.append((cluster, origin))
        else:
            report.append({"origin": origin, "reason": left_out[0], "message": left_out[1]})
    if not kept:
        raise ValueError(
            f"none of {len(clusters)} clusters gives a pair of a core and ligands: see which were "
            "left out and why"
        )
    core_of = core_classes([cluster.core for cluster, _ in kept], settings.tolerance)
    pairs: dict[tuple[int, LigandSet], Pair] = {}
    groups: dict[str, str] = {}
    for (cluster, origin), core in zip(kept, core_of.tolist(), strict=True):
        groups.update({s.smiles: s.group for s in cluster.ligands if s.smiles not in groups})
        counts = _counts(cluster)
        known = pairs.get((core, tuple(counts)))
        if known is None:
            ligands, numbers = tuple(counts), tuple(counts.values())
            pairs[core, ligands] = Pair(core, ligands, 1, printable(origin), numbers)
        else:
            message = f"the same core with the same ligands as {known.origin}"
            report.append({"origin": origin, "reason": DUPLICATE, "message": message})
    names = {origin: core for (_, origin), core in zip(kept, core_of.tolist(), strict=True)}
    for row in settings.reported:
        _add_reported(row, names, pairs)
    found = PairSet(_core_frames(kept, core_of), tuple(pairs.values()), groups, settings.tolerance)
    return found, report


def _left_out(cluster: ProtectedCluster, settings: PairSettings) -> tuple[str, str] | None:
    """Return why a cluster does not count, as a key and as a sentence, or None."""
    metals, kinds = count_metals(cluster.core), len(set(cluster.ligand_set))
    if metals < settings.fewest_metals:
        return TOO_FEW_METALS, (
            f"{metals} metal atoms are fewer than {settings.fewest_metals}: lower `fewest_metals` "
            "to keep it"
        )
    if metals > settings.most_metals:
        return TOO_MANY_METALS, (
            f"{metals} metal atoms are more than {settings.most_metals}: raise `most_metals` to "
            "keep it"
        )
    if kinds == 0:
        return NO_LIGANDS, "it has no ligands"
    if kinds > settings.most_ligands:
        return TOO_MANY_LIGANDS, (
            f"{kinds} kinds of ligands are more than {settings.most_ligands}, which a model takes"
        )
    return None


def _counts(cluster: ProtectedCluster) -> dict[str, int]:
    counts: dict[str, int] = {}
    for ligand in cluster.ligands:
        counts[ligand.smiles] = counts.get(ligand.smiles, 0) + int(ligand.count)
    return dict(sorted(counts.items()))


def _add_reported(
    row: ReportedPair, names: Mapping[str, int], pairs: dict[tuple[int, LigandSet], Pair]
) -> None:
    """Add what a person reports of a cluster that is known by its name."""
    from aiida_nanoclusters.science.ligands.smiles import canonical_ligand

    cores = {names[row.core]} if row.core in names else set()
    cores = cores or {core for name, core in names.items() if PurePath(name).stem == row.core}
    if len(cores) != 1:
        known = ", ".join(sorted(names)[:5])
        raise ValueError(
            f"a pair is reported of `{row.core[:80]}`, which is the name of {len(cores)} cores "
            f"that were kept: give one such as {known}"
        )
    (core,) = cores
    ligands = tuple(sorted({canonical_ligand(smiles) for smiles in row.ligands}))
    known_pair = pairs.get((core, ligands))
    if known_pair is None:
        pairs[core, ligands] = Pair(core, ligands, row.label, "reported")
    elif known_pair.label != row.label:
        raise ValueError(
            f"the core of `{row.core[:80]}` with {'.'.join(ligands)[:80]} is reported with the "
            f"label {row.label}, but {known_pair.origin} shows it with {known_pair.label}: remove "
            "what is wrong"
        )


def _core_frames(kept: Sequence[tuple[ProtectedCluster, str]], core_of: Ints) -> Frames:
    images: dict[int, Atoms] = {}
    for (cluster, origin), core in zip(kept, core_of.tolist(), strict=True):
        if core not in images:
            atoms = Atoms(cluster.core.numbers, cluster.core.positions)
            atoms.info = {"config_type": CORE, "parent": printable(origin)}
            atoms.info |= {"clusters": [], "charges": []}
            images[core] = atoms
        images[core].info["clusters"].append(printable(origin))
        images[core].info["charges"].append(cluster.charge)
    return Frames.from_atoms([images[core] for core in sorted(images)])
