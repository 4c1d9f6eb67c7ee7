"""From whole clusters to labelled pairs, with negatives and splits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.formats.plain_text import said_by
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.core_split import (
    NotACluster,
    ProtectedCluster,
    split_cluster,
)
from aiida_nanoclusters.science.ligands.negatives import add_negatives
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings
from aiida_nanoclusters.science.ligands.pairs import collect_pairs
from aiida_nanoclusters.science.ligands.splits import ASSIGNMENT, describe_split, split_pairs

#: Characters of an error that an exit message shows.
_LONGEST = 500


@calcfunction
def collect_ligand_pairs(frames: FramesData, settings: Dict) -> dict[str, Any] | ExitCode:
    """Divide whole clusters into cores and ligands, and collect the distinct pairs of both.

    Parameters
    ----------
    frames
        Clusters with their ligands, also crystals of them. `parents` names each.
    settings
        The fields of :class:`.PairSettings`.

    Returns
    -------
    dict
        ``pairs``; ``report``: numbers of structures, clusters, cores, families of cores, pairs and
        ligands, and a row in ``left_out`` for each structure that is no pair of its own, with
        `origin`, `reason` and `message`. Exit code 400 where there is no pair.
    """
    try:
        own = PairSettings.from_values(**settings.get_dict())
        clusters, left_out = _divided(frames.frames, own)
        if not clusters:
            said = f": {left_out[0]['origin']}, {left_out[0]['message']}" if left_out else ""
            raise ValueError(f"none of {len(frames)} structures is a protected cluster{said}")
        pairs, rows = collect_pairs(clusters, own)
        report = {
            "n_structures": len(frames),
            "n_clusters": len(clusters),
            "n_pairs": len(pairs),
            "n_cores": len(pairs.cores),
            "n_families": len(set(pairs.families.tolist())),
            "n_ligands": len(pairs.ligands),
            "left_out": [*left_out, *rows],
        }
        return {"pairs": PairsData(pairs), "report": Dict(report)}
    except ValueError as error:
        return ExitCode(400, said_by(error, _LONGEST))


@calcfunction
def add_negative_pairs(pairs: PairsData, settings: Dict, seed: Int) -> dict[str, Any] | ExitCode:
    """Add negative pairs by the published rule.

    Parameters
    ----------
    pairs
        Positive pairs, and those that are reported as negative.
    settings
        The fields of :class:`.PairSettings`.
    seed
        Random seed of the draw.

    Returns
    -------
    dict
        ``pairs``, with those given first; ``report`` of :func:`.negatives.add_negatives`. Exit code
        400 where the settings or the ligands of the pool are none.
    """
    try:
        own = PairSettings.from_values(**settings.get_dict())
        found, report = add_negatives(pairs.pairs, own, seed.value)
        return {"pairs": PairsData(found), "report": Dict(report)}
    except ValueError as error:
        return ExitCode(400, said_by(error, _LONGEST))


@calcfunction
def split_ligand_pairs(
    pairs: PairsData, kind: Str, shares: List, seed: Int
) -> dict[str, Any] | ExitCode:
    """Assign each pair to training, validation or test.

    Parameters
    ----------
    pairs
        With both labels.
    kind
        What stays together: ``random``, ``published``, ``core`` or ``ligand``, see
        :func:`.splits.split_pairs`.
    shares
        Of training, validation and test.
    seed
        Random seed of the order in which groups are assigned.

    Returns
    -------
    dict
        ``assignment``: the array of this name, 0 training, 1 validation, 2 test, -1 left out.
        ``leaks``: of :func:`.splits.describe_split`. Exit code 400 where the pairs cannot be split
        in this way.
    """
    try:
        own = pairs.pairs
        assignment = split_pairs(own, kind.value, shares.get_list(), seed.value)
        return {
            "assignment": arrays_node({ASSIGNMENT: assignment}),
            "leaks": Dict(describe_split(own, assignment, kind.value)),
        }
    except (TypeError, ValueError) as error:
        return ExitCode(400, said_by(error, _LONGEST))


def _divided(
    frames: Frames, settings: PairSettings
) -> tuple[list[tuple[ProtectedCluster, str]], list[dict[str, str]]]:
    """Return the clusters with their names, and of each structure that is none why."""
    clusters, left_out = [], []
    for name, atoms in zip(_names(frames), frames, strict=True):
        try:
            found = split_cluster(atoms, None, settings.structures)
        except NotACluster as error:
            row = {"origin": name, "reason": error.reason, "message": said_by(error, _LONGEST)}
            left_out.append(row)
            continue
        several = len(found) > 1
        clusters += [
            (one, f"{name}, cluster {k}" if several else name) for k, one in enumerate(found, 1)
        ]
    return clusters, left_out


def _names(frames: Frames) -> list[str]:
    """Return a distinct name for each structure: that of its file, with a number if need be."""
    parents = [str(parent) or f"structure {k}" for k, parent in enumerate(frames.parents)]
    counts = Counter(parents)
    seen: Counter[str] = Counter()
    names = []
    for parent in parents:
        seen[parent] += 1
        names.append(f"{parent}#{seen[parent]}" if counts[parent] > 1 else parent)
    return names
