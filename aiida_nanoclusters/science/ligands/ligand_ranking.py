"""Sets of ligands ranked for a core by a committee of matching models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.ligands.candidates import LigandSet
from aiida_nanoclusters.science.ligands.known_neighbours import Known, nearest_known

if TYPE_CHECKING:
    from aiida_nanoclusters.science.ligands.matching_model import MatchingModel

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Pairs of cores and sets whose probabilities are computed at once.
_MOST_PAIRS = 100_000

#: When a core or a set of ligands lies outside, in words.
CRITERION = (
    "a core, or a set of ligands, lies outside of what the models have seen where for most of "
    "them its nearest known one is farther than for {share:g} % of those by which the limit was "
    "measured; a core also where it has an element that no training core had, a set where it has "
    "a functional group, or more kinds of ligands, than any known set had"
)


@dataclass(frozen=True)
class RankedSet:
    """A set of ligands in the ranking.

    Attributes
    ----------
    ligands
        Canonical SMILES, sorted.
    probability
        That core and ligands form a cluster: mean over the committee.
    spread
        Standard deviation over the committee; 0 of a single model.
    members
        Probability by each model, in the order of the committee.
    outside
        Whether the set lies outside of what the models have seen.
    nearest
        Known sets, nearest first.
    """

    ligands: LigandSet
    probability: float
    spread: float
    members: tuple[float, ...]
    outside: bool
    nearest: tuple[Known, ...]


@dataclass(frozen=True)
class Ranking:
    """All sets for one core, the most probable first.

    Attributes
    ----------
    formula
        Of the core.
    rows
        Sets; of equal probabilities the smaller set and the first by SMILES comes first.
    outside
        Whether the core lies outside of what the models have seen.
    nearest
        Known cores, nearest first.
    new_elements
        Elements of the core that no training core had.
    new_groups
        Functional groups of the candidates that no known set had.
    criterion
        When something lies outside, in words.
    """

    formula: str
    rows: tuple[RankedSet, ...]
    outside: bool
    nearest: tuple[Known, ...]
    new_elements: tuple[str, ...]
    new_groups: tuple[str, ...]
    criterion: str


def rank_ligands(
    models: Sequence[MatchingModel],
    core: Atoms,
    candidates: Sequence[LigandSet],
    nearest: int = 3,
    group_of: Callable[[str], str] | None = None,
) -> Ranking:
    """Rank sets of ligands for a core, see :func:`rank_for_cores`."""
    return rank_for_cores(models, [core], candidates, nearest, group_of)[0]


def rank_for_cores(
    models: Sequence[MatchingModel],
    cores: Sequence[Atoms],
    candidates: Sequence[LigandSet],
    nearest: int = 3,
    group_of: Callable[[str], str] | None = None,
) -> list[Ranking]:
    """Rank the same sets of ligands for each of some cores.

    Parameters
    ----------
    models
        Committee: models of several seeds.
    cores
        Clusters without cell.
    candidates
        Sets of canonical SMILES, each once.
    nearest
        Known cores and sets that are named.
    group_of
        Function that returns the functional group of a ligand; without it groups are not regarded.

    Raises
    ------
    ValueError
        If there are no models, no cores or no candidates, or a SMILES is none.
    """
    for given, what in ((models, "matching model"), (cores, "core"), (candidates, "ligand set")):
        if not len(given):
            raise ValueError(f"no {what}: give at least one")
    table = np.stack([_probabilities(model, cores, candidates) for model in models], axis=-1)
    new_groups = _new_groups(models, candidates, group_of)
    unlike = _unlike(models, candidates, new_groups, group_of)
    outside_sets = unlike | _most([model.outside_ligands(candidates) for model in models])
    outside_cores = _most([model.outside_cores(cores) for model in models])
    known_sets = nearest_known(models, "ligand", candidates, nearest)
    known_cores = nearest_known(models, "core", cores, nearest)
    seen = {element for model in models for element in model.head.elements}
    criterion = CRITERION.format(share=100 * models[0].head.outside_quantile)
    return [
        Ranking(
            formula=core.get_chemical_formula("metal"),
            rows=_rows(candidates, table[place], outside_sets, known_sets),
            outside=bool(outside_cores[place]),
            nearest=known_cores[place],
            new_elements=tuple(sorted(set(core.get_chemical_symbols()) - seen)),
            new_groups=tuple(sorted(new_groups)),
            criterion=criterion,
        )
        for place, core in enumerate(cores)
    ]


def _new_groups(
    models: Sequence[MatchingModel],
    candidates: Sequence[LigandSet],
    group_of: Callable[[str], str] | None,
) -> set[str]:
    """Return the functional groups of the candidates that no known set has."""
    if group_of is None:
        return set()
    known = {smiles for model in models for own in model.known_ligands for smiles in own}
    asked = {smiles for own in candidates for smiles in own}
    return {group_of(s) for s in asked} - {group_of(s) for s in known}


def _unlike(
    models: Sequence[MatchingModel],
    candidates: Sequence[LigandSet],
    new_groups: set[str],
    group_of: Callable[[str], str] | None,
) -> Flags:
    """Return which sets have a new functional group, or more kinds of ligands than any known."""
    largest = max(len(own) for model in models for own in model.known_ligands)
    return np.array(
        [
            len(own) > largest
            or (group_of is not None and any(group_of(s) in new_groups for s in own))
            for own in candidates
        ],
        dtype=bool,
    )


def _probabilities(
    model: MatchingModel, cores: Sequence[Atoms], candidates: Sequence[LigandSet]
) -> Floats:
    """Return the probability of each core with each set, shape (cores, sets)."""
    at_once = max(1, _MOST_PAIRS // len(candidates))
    parts = [
        model.probability([c for c in own for _ in candidates], list(candidates) * len(own))
        for own in (cores[first : first + at_once] for first in range(0, len(cores), at_once))
    ]
    return np.concatenate(parts).reshape(len(cores), len(candidates))


def _rows(
    candidates: Sequence[LigandSet],
    table: Floats,
    outside: Any,
    nearest: Sequence[tuple[Known, ...]],
) -> tuple[RankedSet, ...]:
    means = table.mean(axis=1)
    spreads = table.std(axis=1, ddof=1) if table.shape[1] > 1 else np.zeros(len(table))
    rows = [
        RankedSet(
            ligands=ligands,
            probability=float(means[k]),
            spread=float(spreads[k]),
            members=tuple(float(p) for p in table[k]),
            outside=bool(outside[k]),
            nearest=nearest[k],
        )
        for k, ligands in enumerate(candidates)
    ]
    return tuple(sorted(rows, key=_place))


def _place(row: RankedSet) -> tuple[float, int, LigandSet]:
    # Rounded, so that the last digits of another machine do not change the order.
    return -round(row.probability, 6), len(row.ligands), row.ligands


def _most(flags: Sequence[Flags]) -> Flags:
    """Return where more than half of the models agree that something lies outside."""
    return np.asarray(np.mean(np.array(flags, dtype=float), axis=0) > 0.5)


def ranking_table(ranking: Ranking, kept: int | None = None) -> dict[str, Any]:
    """Return a ranking as plain values; `kept` is how many rows it has, all where None."""
    return {
        "formula": ranking.formula,
        "outside": ranking.outside,
        "new_elements": list(ranking.new_elements),
        "new_groups": list(ranking.new_groups),
        "nearest": [_plain(k) for k in ranking.nearest],
        "n_sets": len(ranking.rows),
        "n_outside": sum(row.outside for row in ranking.rows),
        "rows": [
            {
                "rank": rank,
                "ligands": list(row.ligands),
                "probability": row.probability,
                "spread": row.spread,
                "members": list(row.members),
                "outside": row.outside,
                "nearest": [_plain(k) for k in row.nearest],
            }
            for rank, row in enumerate(ranking.rows[:kept], start=1)
        ],
    }


def _plain(known: Known) -> dict[str, Any]:
    finite = np.isfinite(known.distance)  # not of models that know one only
    return {"name": known.name, "distance": known.distance if finite else None}


def ranking_words(table: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Return in one sentence what was found for a core."""
    best = table["rows"][0]
    of = f"of {table['n_sets']} sets the most probable one is " if table["n_sets"] > 1 else ""
    text = (
        f"{table['formula']}: {of}{ligand_words(best['ligands'], names)}, with a probability of "
        f"{best['probability']:.2f} ± {best['spread']:.2f}"
    )
    if table["outside"] or best["outside"]:
        what = "the core" if table["outside"] else "this set"
        text += f"; {what} lies outside of what the models have seen"
    return text


def ligand_words(ligands: Iterable[str], names: Mapping[str, str] | None = None) -> str:
    """Return a set of ligands by their names where they have any, by SMILES otherwise."""
    known = names or {}
    return " + ".join(known.get(smiles, smiles) for smiles in ligands)
