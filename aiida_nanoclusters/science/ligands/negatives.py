"""Negative pairs: ligand sets that a core is not known with, drawn from a filtered pool.

After J. Wang et al., ACS Cent. Sci. 2025 (CoLiM). A core is known with the ligand sets of all
structures that have the identical core: with one set it is of type I, with several of type II. A
ligand is left out of the pool of a core where it might well go with it:

- type I: it has the functional group of a ligand of the set and its number of carbon atoms differs
  by at most `carbon_difference` from that ligand's;
- type II: it has a functional group that every known set has, and its number of carbon atoms
  differs by at most `carbon_difference_robust` from that of a ligand of this group. The published
  words, "of all positive ligands", say nothing of sets of several groups; read so, they are the
  same for sets of one.

The published text omits both numbers: they are settings. A ligand that is known with a core is
never in its pool. Ligands of sets that are reported not to form the core are, whatever the rule
says. Of what is left, sets are drawn at random, for type II with another number of kinds of
ligands than the positive pair (`kinds_of_negatives` has other ways).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.pair_settings import PairSettings
from aiida_nanoclusters.science.ligands.pairs import LigandSet, Pair, PairSet

#: A pool of fewer ligands is called small: negatives then repeat the same few.
SMALL_POOL = 30
#: Excluded ligands that the report names of a core.
_MOST_NAMED = 20
#: Sets that are listed to draw from, where drawing one by one meets known ones only.
_MOST_LISTED, _TRIES = 20_000, 50
GENERATED = "generated"
#: Functional group and number of carbon atoms of a ligand.
Known = tuple[str, int]
POSITIVE, SIMILAR = "known with this core", "as a known ligand: same group, similar carbon number"


@dataclass(frozen=True, eq=False)
class _Core:
    """A core with what is known of it, and what is left of the pool.

    Attributes
    ----------
    index
        Of the first core with this geometry.
    positives, negatives
        Distinct ligand sets that it is known with, and that are reported not to form it.
    excluded
        Why each ligand is left out of its pool.
    pool
        Ligands that are left, sorted.
    """

    index: int
    positives: tuple[LigandSet, ...]
    negatives: tuple[LigandSet, ...]
    excluded: Mapping[str, str]
    pool: tuple[str, ...]

    @property
    def kind(self) -> str:
        return "I" if len(self.positives) == 1 else "II"


def add_negatives(
    pairs: PairSet, settings: PairSettings, seed: int
) -> tuple[PairSet, dict[str, Any]]:
    """Return the pairs with negative ones added, and how they were made.

    Parameters
    ----------
    pairs
        Positive pairs, and those that are reported as negative, which are kept and counted.
    settings
        The rule.
    seed
        Random seed: equal seeds give equal negatives.

    Returns
    -------
    pairs
        The given ones, then the new ones core by core.
    report
        ``pool``: its size and groups; ``cores``: of each its type, what is left of the pool, what
        was excluded and why, how many negatives it has and lacks; ``without_negatives``: names of
        cores for which there are none; ``warnings``: sentences; ``shortcuts``: how well the label
        follows from the core, the number of ligands or their groups alone (area under the curve
        within these pairs, 0.5 where it does not).

    Raises
    ------
    ValueError
        If a ligand of the pool is none, or there are no positive pairs.
    """
    known = _describe_pool(pairs, settings)
    cores = list(_describe_cores(pairs, known, settings))
    if not cores:
        raise ValueError("there are no positive pairs: give clusters with their ligands")
    frequency = Counter(s for pair in pairs.pairs if pair.label for s in pair.ligands)
    weights = {s: 1.0 + frequency[s] if settings.draw == "frequency" else 1.0 for s in known}
    drawers = [_Drawer(core, settings, weights, seed) for core in cores]
    wanted = [_wanted(core, settings) for core in cores]
    for drawer, count in zip(drawers, wanted, strict=True):
        drawer.draw(count)
    if settings.balance == "total":
        _make_up(drawers, sum(wanted), seed)
    origin = f"{GENERATED}, seed {seed}"
    new = [
        Pair(drawer.core.index, ligands, 0, origin) for drawer in drawers for ligands in drawer.made
    ]
    groups = {smiles: group for smiles, (group, _) in known.items()}
    made = replace(pairs, pairs=(*pairs.pairs, *new), groups={**groups, **pairs.groups})
    return made, _report(made, drawers, wanted, known, settings, seed)


def excluded_ligands(
    positives: Sequence[LigandSet], pool: Mapping[str, Known], settings: PairSettings
) -> dict[str, str]:
    """Return which ligands of a pool are left out for a core, and why.

    Parameters
    ----------
    positives
        Distinct ligand sets that the core is known with.
    pool
        Functional group and number of carbon atoms by SMILES, of these sets too.
    settings
        The rule.
    """
    own = sorted({smiles for ligands in positives for smiles in ligands})
    of_sets = [{pool[smiles][0] for smiles in ligands} for ligands in positives]
    limit, groups = settings.carbon_difference, set.union(*of_sets)
    if len(positives) > 1:
        limit, groups = settings.carbon_difference_robust, set.intersection(*of_sets)
    found = {}
    for smiles, (group, n_carbon) in pool.items():
        near = any(pool[k][0] == group and abs(pool[k][1] - n_carbon) <= limit for k in own)
        if smiles in own:
            found[smiles] = POSITIVE
        elif group in groups and near:
            found[smiles] = SIMILAR
    return found


def _describe_pool(pairs: PairSet, settings: PairSettings) -> dict[str, Known]:
    """Return all ligands of the pairs and those that are added, by SMILES, sorted."""
    from aiida_nanoclusters.science.ligands.smiles import canonical_ligand, carbon_count

    names = set(pairs.ligands)
    for smiles in settings.pool:
        try:
            names.add(canonical_ligand(smiles))
        except ValueError as error:
            raise ValueError(f"`pool`: {error}") from error
    return {smiles: (pairs.group_of(smiles), carbon_count(smiles)) for smiles in sorted(names)}


def _describe_cores(
    pairs: PairSet, known: Mapping[str, Known], settings: PairSettings
) -> Iterable[_Core]:
    identities = pairs.identities
    sets: dict[int, tuple[dict[LigandSet, None], dict[LigandSet, None]]] = {}
    for pair in pairs.pairs:
        positives, negatives = sets.setdefault(int(identities[pair.core]), ({}, {}))
        (positives if pair.label else negatives)[pair.ligands] = None
    for number, (positives, negatives) in sorted(sets.items()):
        if not positives:
            continue
        excluded = excluded_ligands(tuple(positives), known, settings)
        own = {smiles for ligands in positives for smiles in ligands}
        for smiles in {s for ligands in negatives for s in ligands} - own:
            excluded.pop(smiles, None)
        left = tuple(smiles for smiles in known if smiles not in excluded)
        first = int(np.flatnonzero(identities == number)[0])
        yield _Core(first, tuple(positives), tuple(negatives), excluded, left)


def _wanted(core: _Core, settings: PairSettings) -> int:
    """Return how many negatives a core lacks beside those that are reported."""
    return max(0, settings.negatives_per_positive * len(core.positives) - len(core.negatives))


class _Drawer:
    """Draws distinct negative sets of one core."""

    def __init__(
        self, core: _Core, settings: PairSettings, weights: Mapping[str, float], seed: int
    ) -> None:
        self.core = core
        self.made: list[LigandSet] = []
        self._taken = {*core.positives, *core.negatives}
        self._random = np.random.default_rng([seed, core.index])
        given = np.array([weights[smiles] for smiles in core.pool])
        self._weights = given / given.sum() if len(given) else given
        self._settings = settings

    def draw(self, count: int) -> None:
        """Draw so many more sets, as far as there are any."""
        for _ in range(count):
            positive = self.core.positives[len(self.made) % len(self.core.positives)]
            found = self._draw_one(self._sizes(len(positive)))
            if found is None:
                return
            self._taken.add(found)
            self.made.append(found)

    def _sizes(self, positive: int) -> list[int]:
        """Return the numbers of kinds that a negative may have beside a positive of so many."""
        most = min(self._settings.most_ligands, len(self.core.pool))
        way = self._settings.kinds_of_negatives
        if way == "same" or (way == "published" and self.core.kind == "I"):
            return [positive] if positive <= most else []
        other = way == "published"
        return [n for n in range(1, most + 1) if not (other and n == positive)]

    def _draw_one(self, sizes: list[int]) -> LigandSet | None:
        left = list(sizes)
        while left:
            size = int(self._random.choice(left))
            found = self._draw_of(size)
            if found is not None:
                return found
            left.remove(size)
        return None

    def _draw_of(self, size: int) -> LigandSet | None:
        pool = self.core.pool
        for _ in range(_TRIES):
            chosen = self._random.choice(len(pool), size=size, replace=False, p=self._weights)
            found = tuple(sorted(pool[k] for k in chosen))
            if found not in self._taken:
                return found
        if comb(len(pool), size) > _MOST_LISTED:
            return None
        free = [ligands for ligands in combinations(pool, size) if ligands not in self._taken]
        return free[int(self._random.integers(len(free)))] if free else None


def _make_up(drawers: Sequence[_Drawer], wanted: int, seed: int) -> None:
    """Let cores that can have more negatives make up for those that have too few."""
    order = np.random.default_rng(seed).permutation(len(drawers))
    while sum(len(drawer.made) for drawer in drawers) < wanted:
        before = sum(len(drawer.made) for drawer in drawers)
        for k in order:
            if sum(len(drawer.made) for drawer in drawers) < wanted:
                drawers[int(k)].draw(1)
        if sum(len(drawer.made) for drawer in drawers) == before:
            return


# -- report ------------------------------------------------------------------------------------


def _report(
    pairs: PairSet,
    drawers: Sequence[_Drawer],
    wanted: Sequence[int],
    known: Mapping[str, Known],
    settings: PairSettings,
    seed: int,
) -> dict[str, Any]:
    rows = [_row(pairs, drawer, count) for drawer, count in zip(drawers, wanted, strict=True)]
    labels = pairs.labels
    groups = Counter(group for group, _ in known.values())
    without = [row["name"] for row in rows if row["n_negative"] + row["n_reported"] == 0]
    lacking = sum(row["lacking"] for row in rows)
    return {
        "seed": seed,
        "settings": settings.model_dump(
            mode="json",
            include={
                *("carbon_difference", "carbon_difference_robust", "negatives_per_positive"),
                *("kinds_of_negatives", "draw", "balance", "most_ligands"),
            },
        ),
        "n_positive": int((labels == 1).sum()),
        "n_negative": int((labels == 0).sum()),
        "n_reported": sum(row["n_reported"] for row in rows),
        "lacking": lacking,
        "pool": {"n_ligands": len(known), "groups": dict(sorted(groups.items()))},
        "cores": rows,
        "without_negatives": without,
        "warnings": _warnings(rows, known, without, lacking),
        "shortcuts": shortcuts(pairs),
    }


def _row(pairs: PairSet, drawer: _Drawer, wanted: int) -> dict[str, Any]:
    core = drawer.core
    similar = sorted(smiles for smiles, why in core.excluded.items() if why == SIMILAR)
    return {
        "core": core.index,
        "name": pairs.name_of(core.index),
        "type": core.kind,
        "n_positive": len(core.positives),
        "n_reported": len(core.negatives),
        "n_negative": len(drawer.made),
        "lacking": max(0, wanted - len(drawer.made)),
        "n_pool": len(core.pool),
        "n_known": sum(why == POSITIVE for why in core.excluded.values()),
        "n_similar": len(similar),
        "similar": similar[:_MOST_NAMED],
    }


def _warnings(
    rows: Sequence[Mapping[str, Any]],
    known: Mapping[str, Known],
    without: Sequence[str],
    lacking: int,
) -> list[str]:
    found = []
    if len(known) < SMALL_POOL:
        found.append(
            f"The pool has only {len(known)} ligands, so that few negatives are distinct and a "
            "metric says little: read more clusters, or add ligands to `pool`."
        )
    if len({group for group, _ in known.values()}) == 1:
        found.append(
            f"All ligands of the pool bind as {next(iter(known.values()))[0]}: negatives differ "
            "in the number of carbon atoms only."
        )
    if without:
        named = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
        found.append(
            f"{len(without)} of {len(rows)} cores have no negative ({named}): every ligand of the "
            "pool is known with them or too similar. Add ligands to `pool`, or lower "
            "`carbon_difference_robust`."
        )
    elif lacking:
        found.append(f"{lacking} negatives are lacking: add ligands to `pool`.")
    return found


def shortcuts(pairs: PairSet) -> dict[str, float | None]:
    """Return how well the label follows from one simple property: areas under the curve.

    A pair is scored by the share of compatible ones among all pairs with the same value, itself
    among them: 0.5 where the property tells nothing, 1 where it tells the label. A model is to be
    held against these numbers, not against 0.5.

    Parameters
    ----------
    pairs
        With both labels; None where there is one only.
    """
    names = {smiles: pairs.group_of(smiles) for smiles in pairs.ligands}
    values: dict[str, list[Any]] = {
        "core": pairs.identities[pairs.core_of].tolist(),
        "number_of_ligands": [len(pair.ligands) for pair in pairs.pairs],
        "functional_groups": [
            tuple(sorted({names[s] for s in pair.ligands})) for pair in pairs.pairs
        ],
    }
    return {name: _area(column, pairs.labels) for name, column in values.items()}


def _area(column: Sequence[Any], labels: NDArray[np.int8]) -> float | None:
    if len(set(labels.tolist())) < 2:
        return None
    totals, ones = Counter(column), Counter(v for v, n in zip(column, labels, strict=True) if n)
    scores = np.array([ones[value] / totals[value] for value in column])
    positive, negative = scores[labels == 1], scores[labels == 0]
    order = np.sort(negative)
    below = np.searchsorted(order, positive, side="left")
    upto = np.searchsorted(order, positive, side="right")
    return float(np.mean(below + upto) / (2 * len(negative)))
