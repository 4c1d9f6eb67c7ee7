"""Sets of ligands ranked for cores by the models of a committee."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, List

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.candidates import (
    Candidates,
    candidate_sets,
    parse_candidates,
)
from aiida_nanoclusters.science.ligands.design_settings import RankingSettings
from aiida_nanoclusters.science.ligands.ligand_ranking import (
    rank_for_cores,
    ranking_table,
    ranking_words,
)
from aiida_nanoclusters.science.ligands.smiles import canonical_ligand, functional_group

#: Names of the arrays: of each core and set the mean over the committee, (C, S), and by each
#: member, (C, S, M).
PROBABILITIES, MEMBER_PROBABILITIES = "probabilities", "member_probabilities"


def candidates_of(node: List) -> Candidates:
    """Return the candidates of a list, as a SMILES file has them.

    Raises
    ------
    ValueError
        If a line is no ligand; it is named.
    """
    lines = node.get_list()
    if not all(isinstance(line, str) for line in lines):
        raise ValueError("the list of candidates holds something else than texts: give SMILES")
    return parse_candidates(lines, canonical_ligand)


def ranking_problem(candidates: List, settings: Dict) -> str | None:
    """Return what is wrong with candidates, or with the sets that are made of them, or None."""
    try:
        values = RankingSettings.from_values(**settings.get_dict())
        candidate_sets(candidates_of(candidates), values, functional_group)
    except ValueError as error:
        return str(error)
    return None


@calcfunction
def rank_ligand_sets(
    cores: FramesData, candidates: List, settings: Dict, **models: MatchingModelData
) -> dict[str, Any]:
    """Rank sets of ligands for each of some cores.

    Parameters
    ----------
    cores
        Cores without ligands.
    candidates
        Lines as a SMILES file has them: a ligand, or several joined by dots, and a name.
    settings
        Of the ranking, see :class:`.RankingSettings`.
    models
        Members of the committee.

    Returns
    -------
    dict
        ``table``: for each core a row with formula, whether it lies outside, its nearest known
        cores, and the most probable sets with probability, spread, nearest known sets; all sets;
        names of ligands; criterion. ``probabilities``: of all cores and sets, in that order.
    """
    values = RankingSettings(**settings.get_dict())
    found = candidates_of(candidates)
    sets = candidate_sets(found, values, functional_group)
    members = [models[key].model for key in sorted(models)]
    frames = cores.frames
    rankings = rank_for_cores(members, list(frames), sets, values.nearest, functional_group)
    rows = [ranking_table(ranking, values.kept) for ranking in rankings]
    for row, name in zip(rows, frames.parents, strict=True):
        row["name"] = str(name)
    place = {ligands: k for k, ligands in enumerate(sets)}
    table = np.zeros((len(rows), len(sets), len(members)))
    for core, ranking in enumerate(rankings):
        for ranked in ranking.rows:
            table[core, place[ranked.ligands]] = ranked.members
    used = {smiles for own in sets for smiles in own}
    names = {smiles: name for smiles, name in found.names.items() if smiles in used}
    return {
        "table": Dict(
            {
                "sentence": ranking_words(rows[0], names)
                + (f"; {len(rows) - 1} more cores" if len(rows) > 1 else ""),
                "criterion": rankings[0].criterion,
                "names": names,
                "groups": {smiles: functional_group(smiles) for smiles in sorted(used)},
                "members": sorted(models),
                "ligand_sets": [list(own) for own in sets],
                "cores": rows,
            }
        ),
        "probabilities": arrays_node(
            {PROBABILITIES: table.mean(axis=2), MEMBER_PROBABILITIES: table}
        ),
    }


@calcfunction
def cores_of_pairs(pairs: PairsData) -> FramesData:
    """Return the distinct cores of pairs, such as those of whole clusters that were divided."""
    return FramesData(pairs.pairs.cores)
