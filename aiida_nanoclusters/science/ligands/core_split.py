"""Protected clusters divided into their inorganic core and their ligands.

The rules are those of J. Wang et al. (CoLiM): salts and extended networks are no clusters; solvent,
counter-ions and ligands without a metal are removed; of equal molecules in a file one is kept. The
core is the metals with the single atoms that bind to metals only: chalcogenides, carbides,
nitrides, hydrides, and halides that metals enclose. All other non-metals are ligands, whose bonds
to metals are cut, and no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.contacts import (
    HALOGENS,
    Group,
    connected_groups,
    enclosed,
    find_contacts,
    fragments,
    unwrapped,
)
from aiida_nanoclusters.science.ligands.hydrogens import missing_hydrogens
from aiida_nanoclusters.science.ligands.ligand_graph import LigandGraph, MissingRDKitError
from aiida_nanoclusters.science.ligands.protected_cluster import (
    REASONS,
    BoundLigand,
    NotACluster,
    ProtectedCluster,
    core_formula,
    distinct_clusters,
    hill_formula,
    told_charge,
)
from aiida_nanoclusters.science.ligands.smiles import (
    Ligand,
    canonical_ligand,
    carbon_count,
    functional_group,
    ligand_of,
)
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings

Floats = NDArray[np.float64]

__all__ = [
    "REASONS",
    "BoundLigand",
    "NotACluster",
    "ProtectedCluster",
    "canonical_ligand",
    "carbon_count",
    "functional_group",
    "split_cluster",
]

_DEFAULT = SplitSettings()
#: Carbon atoms around a metal that make it a sandwich, such as ferrocene, and no part of the core.
_SANDWICH = 8
#: Boron atoms bonded to more others than this are parts of cages.
_CAGE = 4
#: Fewest of the late metals around a single atom of these elements; with fewer, its hydrogen is
#: missing. Others, such as tungsten, have oxide at their ends.
_LEAST_CONTACTS = {"O": 2, "N": 3, "C": 3, "P": 3, "B": 3}
_LATE_METALS = frozenset({"Ag", "Au", "Cd", "Cu", "Hg", "Ni", "Pd", "Pt", "Zn"})


def split_cluster(
    atoms: Atoms, charge: int | None = None, settings: SplitSettings = _DEFAULT
) -> list[ProtectedCluster]:
    """Return the protected clusters of a structure, each divided into core and ligands.

    Parameters
    ----------
    atoms
        One or several whole molecules, with hydrogen atoms; in a periodic cell they may lie across
        its boundaries. It is not changed.
    charge
        Of the cluster in e; of several distinct ones it is not known whose it is. Default:
        ``atoms.info["charge"]``, if any.
    settings
        What counts as bonded, what belongs to the core.

    Returns
    -------
    list
        Distinct clusters in the order of their first atoms: several where the cell of a crystal
        holds several.

    Raises
    ------
    NotACluster
        If there is none, or one that cannot be divided; the message says why and what helps.
    ValueError
        If RDKit is missing, or a ligand of the settings is none.
    """
    if charge is None:
        charge = told_charge(atoms)
    try:
        whole = _Structure(atoms, settings)
        every = [whole.divide(group) for group in whole.clusters]
    except NotACluster as error:
        if told := atoms.info.get("disorder"):
            raise NotACluster(error.reason, f"{error} (disorder: {told})") from error
        raise
    found = distinct_clusters(every, settings.same_within)
    if charge is not None and len(found) == 1:
        one = found[0]
        found = [ProtectedCluster(one.core, one.ligands, charge, one.formula, one.removed)]
    return found


class _Structure:
    """A structure with its contacts and its groups of atoms."""

    def __init__(self, atoms: Atoms, settings: SplitSettings) -> None:
        self.settings = settings
        symbols = atoms.get_chemical_symbols()
        if len(atoms) > settings.most_atoms:
            raise NotACluster(
                "too_large",
                f"{len(atoms)} atoms are more than {settings.most_atoms}: raise `most_atoms`",
            )
        if not set(symbols) & set(settings.metals):
            metals = ", ".join(settings.metals)
            raise NotACluster("no_metal", f"it has no {metals}: give a cluster of these")
        ions = [k for k, symbol in enumerate(symbols) if symbol in settings.counter_ions]
        kept = [k for k, symbol in enumerate(symbols) if symbol not in settings.counter_ions]
        self.given = kept
        self.atoms = Atoms(
            atoms.numbers[kept], positions=atoms.positions[kept], cell=atoms.cell, pbc=atoms.pbc
        )
        self.symbols = self.atoms.get_chemical_symbols()
        try:
            self.contacts = find_contacts(self.atoms, settings)
        except ValueError as error:
            raise NotACluster("unphysical", str(error)) from error
        self.bonds: list[list[int]] = [[] for _ in self.symbols]
        self.metals_of: list[list[int]] = [[] for _ in self.symbols]
        self._list_neighbours()
        self.enclosed = self._find_enclosed()
        groups = self._groups()
        self.clusters = [group for group in groups if self._is_cluster(group)]
        self.removed = self._removed(groups, [symbols[k] for k in ions])
        self._check_found(groups)
        self.left_out = {canonical_ligand(smiles) for smiles in settings.leave_out}

    def _list_neighbours(self) -> None:
        contacts = self.contacts
        for kinds, lists in ((contacts.bonded, self.bonds), (contacts.binding, self.metals_of)):
            for a, b in zip(contacts.first[kinds], contacts.second[kinds], strict=True):
                lists[int(a)].append(int(b))

    def _find_enclosed(self) -> dict[int, list[tuple[int, Any]]]:
        """Return single atoms inside of the metals, and which metals are around each.

        Their contacts may be longer than those of ligands.
        """
        single = [
            k
            for k, symbol in enumerate(self.symbols)
            if not (self.contacts.metal[k] or self.bonds[k])
            if symbol in HALOGENS or not self.metals_of[k]
        ]
        return enclosed(self.atoms, single, self.contacts.metal, self.settings.interstitial_reach)

    def _groups(self) -> list[Group]:
        contacts = self.contacts
        first, second = [contacts.first], [contacts.second]
        shifts = [contacts.shifts.reshape(-1, 3)]
        for k, around in self.enclosed.items():
            metals = [metal for metal, _ in around]
            steps = np.array([step for _, step in around]).reshape(-1, 3)
            first += [np.full(len(around), k), np.array(metals)]
            second += [np.array(metals), np.full(len(around), k)]
            shifts += [steps, -steps]
        return connected_groups(
            len(self.symbols),
            np.concatenate(first),
            np.concatenate(second),
            np.concatenate(shifts),
        )

    def _is_cluster(self, group: Group) -> bool:
        """Whether a group has enough metals, among them one of those wanted, and ends."""
        own = [self.symbols[k] for k in group.atoms if self.contacts.metal[k]]
        enough = len(own) >= self.settings.fewest_metals
        return enough and not group.periodic and bool(set(own) & {*self.settings.metals})

    def _check_found(self, groups: Sequence[Group]) -> None:
        if self.clusters:
            return
        networks = [g.periodic for g in groups if g.periodic and self.contacts.metal[g.atoms].any()]
        if networks:
            raise NotACluster(
                "network",
                f"its metals form a network without end in {max(networks)} directions: give a "
                "molecule, or a cell that leaves room to its images",
            )
        raise NotACluster(
            "salt",
            f"no connected group has {self.settings.fewest_metals} metal atoms: a salt, or "
            "complexes of fewer",
        )

    def _removed(self, groups: Sequence[Group], ions: Sequence[str]) -> set[str]:
        kept = {int(group.atoms[0]) for group in self.clusters}
        others = (group for group in groups if int(group.atoms[0]) not in kept)
        return {hill_formula(Counter(self.symbols[k] for k in group.atoms)) for group in others} | {
            *ions
        }

    def divide(self, group: Group) -> ProtectedCluster:
        """Return the core and the ligands of a group."""
        members = {int(k) for k in group.atoms}
        self._check_order(members)
        self._check_sandwiches(members)
        positions = dict(zip(map(int, group.atoms), unwrapped(self.atoms, group), strict=True))
        core = [k for k in members if self.contacts.metal[k]]
        table = _LigandTable()
        removed = set(self.removed)
        for fragment in fragments(self.contacts, sorted(members)):
            if len(fragment) == 1 and self._in_core(fragment[0]):
                core.append(fragment[0])
                continue
            ligand = self._ligand(fragment, positions)
            formula = hill_formula(Counter(self.symbols[k] for k in fragment))
            if ligand.smiles in self.left_out:
                removed.add(formula)
            else:
                table.add(ligand, formula, self._sites(fragment))
        if not table.counts:
            raise NotACluster("no_ligands", "it has no ligands: give the whole protected cluster")
        core.sort()
        made = Atoms([self.symbols[k] for k in core], [positions[k] for k in core])
        made.positions -= made.positions.mean(axis=0)
        return ProtectedCluster(
            core=made,
            ligands=table.ligands(),
            charge=None,
            formula=core_formula(Counter(made.get_chemical_symbols())) + table.formula(),
            removed=tuple(sorted(removed)),
        )

    def _check_order(self, members: set[int]) -> None:
        for a, b in self.contacts.overlapping:
            if int(a) in members:
                raise NotACluster(
                    "disorder",
                    f"{self.symbols[a]} and {self.symbols[b]} (atoms {self.given[a]} and "
                    f"{self.given[b]}, from 0) lie on one another: keep one position of disordered "
                    "atoms",
                )

    def _check_sandwiches(self, members: set[int]) -> None:
        for k in members:
            if self.contacts.metal[k]:
                near = [self.symbols[n] for n in self.metals_of[k]]
                if near.count("C") >= _SANDWICH:
                    raise NotACluster(
                        "metal_in_ligand",
                        f"{self.symbols[k]} binds {near.count('C')} carbon atoms, as in ferrocene: "
                        "ligands with metals cannot be written as SMILES here",
                    )

    def _in_core(self, k: int) -> bool:
        """Whether a single atom, bonded to no other non-metal, belongs to the core.

        Raises
        ------
        NotACluster
            If it is an atom whose hydrogen atoms must be missing.
        """
        symbol, touched = self.symbols[k], len(self.metals_of[k])
        if symbol in HALOGENS:
            return k in self.enclosed or touched >= self.settings.interstitial_contacts
        late = {self.symbols[n] for n in self.metals_of[k]} <= _LATE_METALS
        if late and k not in self.enclosed and touched < _LEAST_CONTACTS.get(symbol, 1):
            raise NotACluster(
                "hydrogens_missing",
                f"a lone {symbol} (atom {self.given[k]}, from 0) on {touched} metal atoms is no "
                "anion of the core: its hydrogen atoms are missing; add them",
            )
        return True

    def _ligand(self, fragment: Sequence[int], positions: dict[int, Floats]) -> Ligand:
        place = {k: n for n, k in enumerate(fragment)}
        numbers = [int(self.atoms.numbers[k]) for k in fragment]
        bonds = [(place[a], place[b]) for a in fragment for b in self.bonds[a] if a < b]
        binding = [place[k] for k in fragment if self.metals_of[k]]
        where = np.array([positions[k] for k in fragment])
        name = hill_formula(Counter(self.symbols[k] for k in fragment))
        cage = Counter(k for pair in bonds for k in pair if numbers[k] == 5)
        if cage and max(cage.values()) > _CAGE:
            raise NotACluster(
                "boron_cage",
                f"the ligand {name} has a cage of boron, which no SMILES with bond orders tells",
            )
        if lacking := missing_hydrogens(numbers, bonds, binding, where):
            raise NotACluster(
                "hydrogens_missing",
                f"the ligand {name} lacks hydrogen atoms on {lacking}: add them, as the "
                "program that refined the crystal does",
            )
        try:
            graph, heavy = LigandGraph.from_atoms(numbers, bonds, binding)
            return ligand_of(graph, where[heavy], self.settings.keep_stereo)
        except MissingRDKitError:
            raise
        except ValueError as error:  # of bond orders, or of a ligand beyond what is written
            raise NotACluster(
                "bond_orders",
                f"no bond orders for the ligand {name}: {error}; hydrogen atoms may be missing, or "
                "bonds too long for `bond`",
            ) from error

    def _sites(self, fragment: Sequence[int]) -> Iterator[str]:
        for k in fragment:
            if self.metals_of[k]:
                yield f"{self.symbols[k]}:{len(self.metals_of[k])}"


@dataclass
class _LigandTable:
    """Ligands of a cluster as they are counted."""

    counts: Counter[str] = field(default_factory=Counter)
    carbons: dict[str, int] = field(default_factory=dict)
    formulas: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Counter[str]] = field(default_factory=dict)
    sites: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, ligand: Ligand, formula: str, sites: Iterator[str]) -> None:
        """Count a ligand."""
        name = ligand.smiles
        self.counts[name] += 1
        self.carbons[name] = ligand.n_carbon
        self.formulas[name] = formula
        self.groups.setdefault(name, Counter())[ligand.group] += 1
        self.sites.setdefault(name, Counter()).update(sites)

    def ligands(self) -> tuple[BoundLigand, ...]:
        """Return the kinds of ligands in alphabetical order."""
        return tuple(
            BoundLigand(
                smiles=name,
                group=max(sorted(self.groups[name]), key=self.groups[name].__getitem__),
                n_carbon=self.carbons[name],
                count=self.counts[name],
                sites=dict(sorted(self.sites[name].items())),
            )
            for name in sorted(self.counts)
        )

    def formula(self) -> str:
        """Return the ligands as part of a formula."""
        parts = (
            f"({self.formulas[name]}){n if n > 1 else ''}"
            for name, n in sorted(self.counts.items())
        )
        return "".join(parts)
