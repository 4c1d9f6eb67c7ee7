"""Which stored energies are predictions of a model: by their level, of old nodes by provenance.

Up to version 0.1 what a model computed was stored under the level of theory of its training set.
Such a set is recognised by the job that computed it. What it says is not changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiida.orm import CalcFunctionNode, CalcJobNode, QueryBuilder, load_node

from aiida_nanoclusters.data.chunks import chunks
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.labels.levels import MODELS, is_prediction

#: Calculation functions whose results have the energies of the sets that they are given.
_KEEP_ENERGIES = (
    *("merge_evaluations", "merge_batches", "concatenate_frames", "select_frames", "join_scans"),
    *("rank_structures", "join_clusters", "collect_minima", "take_minima"),
)
_MODEL_KINDS = (*MODELS, "calculator")
#: Most calculation functions in a row that are followed back.
_DEEPEST = 20


def level_of(frames: FramesData) -> str:
    """Return the level of theory of a set's energies, also of predictions that do not say so."""
    own = frames.level_of_theory
    return own if is_prediction(own) else recognised([int(frames.pk or 0)]).get(frames.pk, own)


def recognised(pks: Iterable[int]) -> dict[int, str]:
    """Return by pk the level of theory of the sets that a model is known to have computed.

    Parameters
    ----------
    pks
        Of FramesData; those that are in no row of the result hold labels, or what made them is
        not known.
    """
    asked = {int(pk) for pk in pks}
    found: dict[int, str] = {}
    behind: dict[int, set[int]] = {}
    waiting = set(asked)
    for _ in range(_DEEPEST):
        if not waiting:
            break
        found |= _by_jobs(waiting)
        sources = _by_functions(waiting - set(found))
        behind |= sources
        waiting = set().union(*sources.values()) - set(found) - set(behind) if sources else set()
    changed = True
    while changed:  # from the jobs on to what was made of their results
        changed = False
        for pk, sources_of in behind.items():
            levels = {found.get(source) for source in sources_of}
            if pk not in found and len(levels) == 1 and (level := levels.pop()) is not None:
                found[pk], changed = level, True
    return {pk: found[pk] for pk in asked & set(found)}


def _by_jobs(pks: set[int]) -> dict[int, str]:
    """Return the levels of sets that are results of jobs of a model."""
    levels: dict[int, str] = {}
    models: dict[int, str] = {}
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            PotentialData,
            filters={"attributes.kind": {"in": list(_MODEL_KINDS)}},
            tag="potential",
            project=["id"],
        )
        query.append(
            CalcJobNode,
            with_incoming="potential",
            edge_tag="given",
            edge_project=["label"],
            tag="job",
        )
        query.append(
            FramesData,
            with_incoming="job",
            filters={"id": {"in": chunk}, "attributes.n_labelled": {">": 0}},
            edge_filters={"type": "create"},
            edge_tag="made",
            edge_project=["label"],
            project=["id"],
            tag="frames",
        )
        for row in query.iterdict():
            if made_by_it(row["given"]["label"], row["made"]["label"]):
                pk = row["potential"]["id"]
                if pk not in models:
                    models[pk] = _level_of_model(pk)
                if models[pk]:
                    levels[row["frames"]["id"]] = models[pk]
    return levels


def _level_of_model(pk: int) -> str:
    """Return the level of a model's predictions; empty where it is none, or cannot be read."""
    potential = load_node(pk)
    try:
        return str(potential.computed_level) if potential.architecture else ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""  # of an archive whose content is not what its type says: nothing is known


def _by_functions(pks: set[int]) -> dict[int, set[int]]:
    """Return by set the labelled sets that a calculation function made it of."""
    parts: dict[int, set[int]] = {}
    whole: dict[int, set[int]] = {}
    for chunk in chunks(pks):
        query = QueryBuilder().append(
            FramesData, filters={"id": {"in": chunk}}, tag="made", project=["id"]
        )
        query.append(
            CalcFunctionNode,
            with_outgoing="made",
            filters={"attributes.process_label": {"in": list(_KEEP_ENERGIES)}},
            tag="function",
        )
        query.append(
            FramesData,
            with_outgoing="function",
            filters={"attributes.n_labelled": {">": 0}},
            project=["id", "attributes.level_of_theory"],
            edge_project=["label"],
        )
        for made, source, _, label in query.iterall():
            # Of a merge `frames` are what was asked for, whose labels are not in the result.
            (whole if label == "frames" else parts).setdefault(made, set()).add(source)
    return whole | parts


def made_by_it(given: str, made: str) -> bool:
    """Return whether an output of a job is of this potential, not of another of a committee."""
    namespace, _, key = given.partition("__")
    return namespace != "potentials" or made == f"labelled__{key}"
