"""Candidate ligands as a chemist lists them, and the sets that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb

from aiida_nanoclusters.science.ligands.design_settings import MOST_LIGANDS, RankingSettings

LigandSet = tuple[str, ...]

#: Lines of a list of candidates at most, and characters of a line.
MOST_LINES, LONGEST_LINE = 10_000, 4000


@dataclass(frozen=True)
class Candidates:
    """Ligands and sets of ligands that are to be ranked.

    Attributes
    ----------
    ligands
        Canonical SMILES of single ligands, of which sets are made, each once, in their order.
    sets
        Sets that were given as such, sorted within, each once, in their order.
    names
        Names by canonical SMILES, where the list has any.
    """

    ligands: tuple[str, ...]
    sets: tuple[LigandSet, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def parse_candidates(lines: Iterable[str], canonical: Callable[[str], str]) -> Candidates:
    """Read a list of candidates in the manner of a SMILES file.

    One entry a line: a SMILES, or several joined by ``.`` that are ranked as one set; then, after
    white space, a name. Empty lines and those that begin with ``#`` are passed over.

    Parameters
    ----------
    lines
        Of the file.
    canonical
        Function that returns the canonical SMILES of a ligand, ValueError where it is none.

    Raises
    ------
    ValueError
        Naming the line: no ligand, a set of too many, or nothing in the list.
    """
    ligands: dict[str, None] = {}
    sets: dict[LigandSet, None] = {}
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if number > MOST_LINES:
            raise ValueError(f"the list has more than {MOST_LINES} lines: give fewer candidates")
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if len(text) > LONGEST_LINE:
            raise ValueError(f"line {number} is longer than {LONGEST_LINE} characters")
        smiles, *name = text.split(maxsplit=1)
        try:
            members = sorted({canonical(part) for part in smiles.split(".")})
        except ValueError as error:
            raise ValueError(f"line {number}, `{smiles[:60]}`: {error}") from error
        if len(members) > MOST_LIGANDS:
            raise ValueError(f"line {number} is a set of more than {MOST_LIGANDS} ligands")
        if "." not in smiles:
            ligands.setdefault(members[0])
            names |= {members[0]: name[0].strip()} if name else {}
        else:
            sets.setdefault(tuple(members))
    if not ligands and not sets:
        raise ValueError("the list names no ligand: write one SMILES a line, then its name")
    return Candidates(tuple(ligands), tuple(sets), names)


def candidate_sets(
    candidates: Candidates,
    settings: RankingSettings | None = None,
    group_of: Callable[[str], str] | None = None,
) -> list[LigandSet]:
    """Return the sets of ligands that are ranked: those given, then those made of the ligands.

    Parameters
    ----------
    candidates
        Ligands and sets.
    settings
        Numbers of ligands of a set; whether it has one of each functional group at most.
    group_of
        Function that returns the functional group of a ligand; without it groups are not regarded.

    Returns
    -------
    list of tuple of str
        Sorted within, each once; fewer ligands first, otherwise in the order of the list.

    Raises
    ------
    ValueError
        If there are more than `settings.most_sets`, or fewer ligands than a set needs.
    """
    settings = RankingSettings() if settings is None else settings
    ligands = candidates.ligands
    least, most = settings.fewest_ligands, min(settings.most_ligands, len(ligands))
    if least > len(ligands) and not candidates.sets:
        raise ValueError(
            f"sets need {least} ligands or more, the list has {len(ligands)}: lower "
            "`fewest_ligands` or add candidates"
        )
    groups = {s: group_of(s) for s in ligands} if settings.one_per_group and group_of else {}
    count = len(candidates.sets) + _count_sets(ligands, groups, least, most)
    if count > settings.most_sets:
        raise ValueError(
            f"{len(ligands)} ligands make {count} sets of {least} to {most}, more than `most_sets` "
            f"{settings.most_sets}: lower `most_ligands`, or give the sets, joined by dots"
        )
    found = dict.fromkeys(candidates.sets)
    for size in range(least, most + 1):
        for chosen in combinations(ligands, size):
            if not groups or len({groups[s] for s in chosen}) == size:
                found.setdefault(tuple(sorted(chosen)))
    return list(found)


def _count_sets(ligands: Sequence[str], groups: Mapping[str, str], least: int, most: int) -> int:
    """Count the sets without making them: of groups, by the elementary symmetric polynomials."""
    if not groups:
        return sum(comb(len(ligands), size) for size in range(least, most + 1))
    members: dict[str, int] = {}
    for ligand in ligands:
        members[groups[ligand]] = members.get(groups[ligand], 0) + 1
    ways = [1] + [0] * most
    for count in members.values():
        for size in range(most, 0, -1):
            ways[size] += count * ways[size - 1]
    return sum(ways[least : most + 1])
