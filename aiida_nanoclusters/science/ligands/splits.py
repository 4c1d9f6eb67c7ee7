"""Training, validation and test pairs, and what they have in common.

A random split of a small set of pairs measures how well a model recalls: the same cores and the
same ligands lie on both sides. The other kinds keep something apart, and :func:`leaks` counts what
is not, from the geometries and the SMILES and not from how the pairs were split.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.ligands.encoder_settings import SUBSETS, TEST, TRAINING
from aiida_nanoclusters.science.ligands.pair_settings import SHARES, SPLIT_KINDS, checked_shares
from aiida_nanoclusters.science.ligands.pairs import PairSet

Ints = NDArray[np.int64]

#: Name of the array of subsets.
ASSIGNMENT = "assignment"
#: Subset of a pair that no side can have without a leak.
LEFT_OUT = -1
#: What each kind of split keeps apart: names of :func:`leaks` that are zero.
PROMISES: dict[str, tuple[str, ...]] = {
    "random": ("pairs",),
    "published": ("pairs", "groups"),
    "core": ("pairs", "cores", "core_families"),
    "ligand": ("pairs", "groups", "ligand_sets", "ligands"),
}
#: Random orders that are tried until one is near to the shares; else the nearest is taken.
_TRIES, _LIGAND_TRIES = 64, 8
#: Groups that are assigned in all tries together, about.
_MOST_GROUPS = 400_000
#: Pairs that are looked at, at most, while ligands are moved from one subset to another.
_MOST_LOOKED = 50_000_000
#: What it costs a split that a subset is empty, and that it has one label only; a split that costs
#: less than the last is good, so that other seeds give others.
_EMPTY, _ONE_LABEL, _GOOD = 10.0, 1.0, 0.2


def split_pairs(
    pairs: PairSet, kind: str, shares: Sequence[float] = SHARES, seed: int = 0
) -> NDArray[np.int8]:
    """Assign each pair to training, validation or test.

    Parameters
    ----------
    pairs
        P labelled pairs.
    kind
        What stays together: ``random``, single pairs; ``published``, all pairs of cores of one
        nuclearity with one ligand set; ``core``, all pairs of a family of cores, of the same
        arrangement of whichever metals; ``ligand``, all pairs of a ligand: one whose ligands are
        of several subsets belongs to none.
    shares
        Of training, validation and test. Whole groups only approach them.
    seed
        Random seed: equal seeds give equal splits.

    Returns
    -------
    numpy.ndarray, shape (P,)
        0 training, 1 validation, 2 test; -1 a pair of several ligands that belongs to none.

    Raises
    ------
    ValueError
        If the kind is unknown, the shares are none, or there are fewer groups than subsets.
    """
    wanted = np.array(checked_shares(shares))
    if kind == "ligand":
        return _split_ligands(pairs, wanted, seed)
    keys = _numbered(_keys(pairs, kind))
    groups = int(keys.max()) + 1
    if groups < (wanted > 0).sum():
        raise ValueError(_too_few(kind, groups, wanted))
    best, least = None, np.inf
    for attempt in range(int(np.clip(_MOST_GROUPS // groups, 4, _TRIES))):
        random = np.random.default_rng([seed, attempt])
        found = _distribute(keys, groups, wanted, random)[keys]
        cost = _cost(found, pairs.labels, wanted)
        if cost < least:
            best, least = found, cost
        if least <= _GOOD:
            break
    assert best is not None
    return best.astype(np.int8)


def leaks(pairs: PairSet, assignment: ArrayLike) -> dict[str, int]:
    """Count what training, validation and test have in common.

    Parameters
    ----------
    pairs
        P pairs.
    assignment
        Of :func:`split_pairs`, shape (P,); pairs that are left out count nowhere.

    Returns
    -------
    dict
        How many ``pairs`` (the same core by its geometry with the same ligand set), ``cores``,
        ``core_families``, ``ligand_sets``, ``ligands`` and ``groups`` (nuclearity and ligand set)
        are in more than one subset.
    """
    subset = _checked(pairs, assignment)
    found = {
        name: _shared([[value] for value in values], subset)
        for name, values in (
            ("pairs", _keys(pairs, "random")),
            ("cores", pairs.identities[pairs.core_of].tolist()),
            ("core_families", _keys(pairs, "core")),
            ("ligand_sets", [pair.ligands for pair in pairs.pairs]),
            ("groups", _keys(pairs, "published")),
        )
    }
    found["ligands"] = _shared([pair.ligands for pair in pairs.pairs], subset)
    return found


def describe_split(pairs: PairSet, assignment: ArrayLike, kind: str) -> dict[str, Any]:
    """Return what a split is, for a report.

    Returns
    -------
    dict
        ``kind``; ``leaks``, see :func:`leaks`, and ``promised``, those that are zero by
        construction; ``subsets``: pairs, compatible ones, cores and ligand sets of each;
        ``left_out``: pairs of no subset; ``warnings``: sentences.

    Raises
    ------
    ValueError
        If something leaks that this kind of split keeps apart.
    """
    subset, counted = _checked(pairs, assignment), leaks(pairs, assignment)
    if broken := [name for name in PROMISES[kind] if counted[name]]:
        raise ValueError(
            f"{counted[broken[0]]} {broken[0]} lie on several sides of a split of the kind "
            f"`{kind}`: split these pairs again"
        )
    rows, warnings = {}, []
    for number, name in enumerate(SUBSETS):
        own = [pair for pair, k in zip(pairs.pairs, subset, strict=True) if k == number]
        positive = sum(pair.label for pair in own)
        rows[name] = {
            "n_pairs": len(own),
            "n_positive": positive,
            "n_cores": len({pair.core for pair in own}),
            "n_ligand_sets": len({pair.ligands for pair in own}),
        }
        if own and positive in (0, len(own)):
            which = "compatible" if positive else "incompatible"
            warnings.append(f"All {len(own)} pairs of the {name} subset are {which}.")
    left_out = int((subset == LEFT_OUT).sum())
    if left_out:
        warnings.append(
            f"{left_out} of {len(pairs)} pairs are left out: their ligands belong to several "
            "subsets."
        )
    return {
        "kind": kind,
        "leaks": counted,
        "promised": list(PROMISES[kind]),
        "subsets": rows,
        "left_out": left_out,
        "warnings": warnings,
    }


def _checked(pairs: PairSet, assignment: ArrayLike) -> Ints:
    subset = np.asarray(assignment)
    if subset.shape != (len(pairs),) or not np.isin(subset, (LEFT_OUT, 0, 1, 2)).all():
        raise ValueError(
            f"an assignment of shape {subset.shape} for {len(pairs)} pairs, or of other numbers "
            "than -1 to 2: give that of a split of these pairs"
        )
    return subset.astype(np.int64)


def _shared(values: Sequence[Sequence[Hashable]], subset: Ints) -> int:
    """Return how many values occur in more than one subset."""
    where: dict[Hashable, set[int]] = {}
    for own, number in zip(values, subset.tolist(), strict=True):
        for value in own:
            where.setdefault(value, set()).add(number)
    return sum(len(numbers - {LEFT_OUT}) > 1 for numbers in where.values())


def _keys(pairs: PairSet, kind: str) -> list[Hashable]:
    """Return of each pair what it has in common with those from which it is not parted."""
    if kind == "random":
        of_core = pairs.identities
    elif kind == "published":
        of_core = pairs.nuclearities
    elif kind == "core":
        return list(pairs.families[pairs.core_of].tolist())
    else:
        raise ValueError(f"unknown split `{kind}`: choose among {', '.join(SPLIT_KINDS)}")
    return [(int(of_core[pair.core]), pair.ligands) for pair in pairs.pairs]


def _numbered(keys: Sequence[Hashable]) -> Ints:
    """Return a number for each key, from 0 in order of appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _too_few(kind: str, groups: int, shares: NDArray[np.float64]) -> str:
    what = {
        "random": "distinct pairs",
        "published": "groups of nuclearity and ligand set",
        "core": "families of cores",
        "ligand": "ligands",
    }[kind]
    return (
        f"{groups} {what} cannot fill {(shares > 0).sum()} subsets: read more clusters, set the "
        "share of the validation to 0, or split by another kind"
    )


def _distribute(
    keys: Ints, groups: int, shares: NDArray[np.float64], random: np.random.Generator
) -> Ints:
    """Return the subset of each group: in random order, that which lacks most pairs takes it."""
    sizes, targets = np.bincount(keys, minlength=groups), shares * len(keys)
    subset, filled = np.zeros(groups, dtype=np.int64), np.zeros(3)
    for group in random.permutation(groups):
        part = int(np.argmax(np.where(shares > 0, targets - filled, -np.inf)))
        subset[group] = part
        filled[part] += sizes[group]
    for part in (TEST, 1, TRAINING):
        if shares[part] > 0 and not (subset == part).any():
            counts = np.bincount(subset, minlength=3)
            rich = np.flatnonzero(subset == int(np.argmax(counts)))
            subset[rich[np.argmin(sizes[rich])]] = part
    return subset


def _cost(subset: Ints, labels: NDArray[np.int8], shares: NDArray[np.float64]) -> float:
    """Return how far a split is from its shares, with both labels equally often in each subset."""
    kept = subset != LEFT_OUT
    counts = np.bincount(subset[kept], minlength=3)
    positives = np.bincount(subset[kept], weights=labels[kept], minlength=3)
    cost = float(np.abs(counts / max(1, kept.sum()) - shares).sum() + 1 - kept.mean())
    both, overall = len(set(labels.tolist())) > 1, float(labels.mean())
    for number in np.flatnonzero(shares > 0):
        if counts[number] == 0:
            cost += _EMPTY
        elif both:
            share = positives[number] / counts[number]
            cost += float(abs(share - overall)) + _ONE_LABEL * float(share in (0.0, 1.0))
    return cost


# -- by ligand ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Members:
    """Which ligands each pair has, (P, 4), the first repeated where there are fewer."""

    places: Ints
    labels: NDArray[np.int8]
    shares: NDArray[np.float64]

    def subsets(self, of_ligand: Ints) -> Ints:
        """Return the subset of each pair, (P,)."""
        own = of_ligand[self.places]
        return np.asarray(np.where((own == own[:, :1]).all(axis=1), own[:, 0], LEFT_OUT))

    def cost(self, of_ligand: Ints) -> float:
        return _cost(self.subsets(of_ligand), self.labels, self.shares)


def _split_ligands(pairs: PairSet, shares: NDArray[np.float64], seed: int) -> NDArray[np.int8]:
    number = {smiles: k for k, smiles in enumerate(pairs.ligands)}
    if len(number) < (shares > 0).sum():
        raise ValueError(_too_few("ligand", len(number), shares))
    rows = [[number[s] for s in pair.ligands] for pair in pairs.pairs]
    places = np.array([(row + row[:1] * 4)[:4] for row in rows], dtype=np.int64)
    members = _Members(places, pairs.labels, shares)
    best, least = None, np.inf
    for attempt in range(_LIGAND_TRIES):
        random = np.random.default_rng([seed, attempt])
        of_ligand = _distribute(places[:, 0], len(number), shares, random)
        of_ligand = _improve(of_ligand, members, random)
        cost = members.cost(of_ligand)
        if cost < least:
            best, least = of_ligand, cost
        if least <= _GOOD:
            break
    assert best is not None
    subset = members.subsets(best)
    empty = [SUBSETS[k] for k in range(3) if shares[k] > 0 and not (subset == k).any()]
    if empty:
        raise ValueError(
            f"the {empty[0]} subset has no pairs whose ligands are in no other: read more clusters "
            "with other ligands, or split by another kind"
        )
    return subset.astype(np.int8)


def _improve(of_ligand: Ints, members: _Members, random: np.random.Generator) -> Ints:
    """Move single ligands to other subsets while that brings the split nearer to its shares."""
    found, cost = of_ligand.copy(), members.cost(of_ligand)
    left = _MOST_LOOKED // len(members.labels)
    better = True
    while better and left > 0:
        better = False
        for ligand in random.permutation(len(found)):
            own = found[ligand]
            for part in np.flatnonzero(members.shares > 0):
                if part == own or left <= 0:
                    continue
                found[ligand], left = part, left - 1
                new = members.cost(found)
                if new < cost - 1e-9:
                    cost, own, better = new, part, True
                found[ligand] = own
    return found
