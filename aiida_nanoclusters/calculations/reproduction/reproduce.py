"""Comparison of the outputs of repeated processes with the recorded ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import ArrayData, BaseType, Data, Dict, List, StructureData

from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands.pairs import PairSet
from aiida_nanoclusters.science.reproduction import tolerances as c
from aiida_nanoclusters.science.reproduction.agreement import CHAOTIC, compare_frames
from aiida_nanoclusters.science.reproduction.tolerances import Finding

#: Entries of `judges` for outputs that are not compared, with the reason.
UNJUDGED = {
    "place": "a folder of the run, not a result",
    "follows_errors": "compared by the output `errors`",
    "follows_training": "follows from weights, which are equal on the same machine and libraries "
    "only; compared by the learning curves",
}
RECORDED, NEW = "recorded", "new"


@calcfunction
def compare_outputs(rules: Dict, runs: Dict, **outputs) -> Dict:
    """Compare the outputs of processes that were run again with the recorded ones.

    Parameters
    ----------
    rules
        As in ``protocols/reproduce.yaml``: ``tolerances``, ``quantities``, ``ignored``, ``judges``.
    runs
        ``parts``: by key the processes that were run: ``process``, ``recorded`` and ``new``
        (UUIDs), their ``exit_statuses``, ``dynamics`` (whether outputs come from dynamics),
        ``from_cache``, and ``omitted``, the names of what was left out because the process was not
        granted trust. ``left_out``: processes that could not be run, each with ``process``,
        ``uuid`` and ``reason``.
    outputs
        ``recorded`` and ``new``: by the keys of the parts, all their outputs.

    Returns
    -------
    Dict
        ``verdict`` (agrees, identical, differs, not compared), ``complete`` (whether all could be
        run), ``parts`` with a verdict and ``rows`` each, and ``left_out``.
    """
    content = rules.get_dict()
    parts = []
    for key, run in sorted(runs["parts"].items()):
        recorded, new = (_flat(outputs.get(side, {}).get(key, {})) for side in (RECORDED, NEW))
        rows = [_compare_exits(run)]
        rows += [
            compare_output(f"{run['name']}.{name}", recorded.get(name), new.get(name), content, run)
            for name in sorted({*recorded, *new})
        ]
        verdict = c.overall([row["verdict"] for row in rows])
        parts.append({**run, "verdict": verdict, "rows": rows})
    return Dict(
        {
            "verdict": c.overall([part["verdict"] for part in parts]),
            "complete": not runs["left_out"],
            "parts": parts,
            "left_out": runs["left_out"],
        }
    )


def compare_output(
    name: str, recorded: Data | None, new: Data | None, rules: Mapping[str, Any], run: Mapping
) -> dict[str, Any]:
    """Return the row of the verdict for one output, named ``process.output``."""
    if recorded is None and any(fnmatch(name, pattern) for pattern in c.ADDED_OUTPUTS):
        found = [Finding(c.NOT_COMPARED, note="earlier versions did not have it")]
    elif recorded is None or new is None:
        note = "only recorded" if new is None else "only new"
        found = [Finding(c.DIFFERS, note=note)]
    elif content_hash(recorded) == content_hash(new):
        found = [Finding(c.IDENTICAL)]
    else:
        found = judge(recorded, new, judge_of(name, rules["judges"], run["dynamics"]), rules)
    row = c.worst(found).as_dict() if found else Finding(c.AGREES).as_dict()
    row["notes"] = [f.note for f in found if f.note and f.verdict != c.NOT_COMPARED][:20]
    for key in ("difference", "tolerance"):
        if row[key] is not None and not math.isfinite(row[key]):
            row[key] = None
    return {"output": name.partition(".")[2], **row}


def content_hash(node: Data) -> str | None:
    """Return a hash of a node's class, attributes and files, stored or not."""
    return node.base.caching._compute_hash()


def judge_of(name: str, judges: Mapping[str, str], dynamics: bool) -> str:
    """Return how an output is compared; empty if its type decides."""
    for pattern, found in judges.items():
        if fnmatch(name, pattern):
            return found
    return "sampled" if dynamics else ""


def judge(recorded: Data, new: Data, how: str, rules: Mapping[str, Any]) -> list[Finding]:
    """Compare two nodes that are not equal bit by bit."""
    if type(recorded) is not type(new):
        note = f"{type(recorded).__name__} recorded, {type(new).__name__} now"
        return [Finding(c.DIFFERS, note=note)]
    if how in UNJUDGED:
        return [Finding(c.NOT_COMPARED, note=UNJUDGED[how])]
    if isinstance(recorded, FramesData):
        return compare_frames(recorded.frames, new.frames, rules["tolerances"], judge=how)
    if isinstance(recorded, PotentialData):
        return _compare_potentials(recorded, new)
    if isinstance(recorded, (ChartData, CoreEncoderData, MatchingModelData)):
        return [Finding(c.NOT_COMPARED, note=UNJUDGED["follows_training"])]
    if isinstance(recorded, PairsData):
        return _compare_pairs(recorded.pairs, new.pairs)
    if how == "sampled":
        return [Finding(c.NOT_COMPARED, note=CHAOTIC)]
    if isinstance(recorded, StructureData):
        one, other = (Frames.from_atoms([node.get_ase()]) for node in (recorded, new))
        return compare_frames(one, other, rules["tolerances"])
    if isinstance(recorded, ArrayData):
        return _compare_array_nodes(recorded, new, how, rules)
    if isinstance(recorded, (Dict, List, BaseType)):
        return _compare_content(_content(recorded), _content(new), how, rules)
    kind = type(recorded).__name__
    return [Finding(c.NOT_COMPARED, note=f"content differs; there is no tolerance for {kind}")]


def _compare_exits(run: Mapping[str, Any]) -> dict[str, Any]:
    recorded, new = run["exit_statuses"]
    same = recorded == new
    note = "" if same else f"{recorded} recorded, {new} now: {run['exit_message']}"
    finding = Finding(c.IDENTICAL if same else c.DIFFERS, note=note)
    return {"output": "exit status", **finding.as_dict(), "notes": [note] if note else []}


def _compare_potentials(recorded: PotentialData, new: PotentialData) -> list[Finding]:
    """Compare the metadata of potentials; weights are not bitwise reproducible."""
    for name in ("kind", "elements", "cutoff", "level_of_theory"):
        one, other = getattr(recorded, name), getattr(new, name)
        if one != other:
            return [Finding(c.DIFFERS, name, note=f"{name}: {one} recorded, {other} now")]
    why = "compiled for a machine" if recorded.kind == "allegro-compiled" else "weights"
    return [Finding(c.NOT_COMPARED, note=f"{why}: compared by its errors")]


def _compare_pairs(recorded: PairSet, new: PairSet) -> list[Finding]:
    """Compare labelled pairs, their cores by name: which there are is no matter of rounding."""
    one, other = (
        {(own.name_of(pair.core), pair.ligands, pair.label) for pair in own.pairs}
        for own in (recorded, new)
    )
    if one == other:
        return [Finding(c.AGREES)]
    return [Finding(c.DIFFERS, note=f"{len(one ^ other)} pairs are in one of both only")]


def _compare_array_nodes(
    recorded: ArrayData, new: ArrayData, how: str, rules: Mapping[str, Any]
) -> list[Finding]:
    tolerances, quantities = rules["tolerances"], rules["quantities"]
    one, other = (dict(node.get_iterarrays()) for node in (recorded, new))
    if how == "training":
        return c.compare_errors(_last_errors(one), _last_errors(other), tolerances)
    if how == "within_errors":
        return c.compare_averages(one, other, keys.STANDARD_ERRORS, tolerances)
    if how == "lowest":
        found = c.compare_lowest(_energies(one), _energies(other), tolerances)
        if any(f.note for f in found):
            return found  # all other arrays follow from the energies
    if how == "crossover_curves":
        return _compare_curves(one, other, rules)
    return c.compare_arrays(one, other, tolerances, quantities)


def _compare_curves(one: Mapping, other: Mapping, rules: Mapping[str, Any]) -> list[Finding]:
    """Compare curves: they agree if the new one lies within the band of the recorded one."""
    if one[keys.GRID].shape != other[keys.GRID].shape or (one[keys.GRID] != other[keys.GRID]).any():
        return [Finding(c.NOT_COMPARED, note="grids differ; compared by the output `answer`")]
    slack = rules["tolerances"]["energy"]["value"]
    apart = max(
        float((one[keys.DIFFERENCE_LOW] - other[keys.DIFFERENCE]).max()),
        float((other[keys.DIFFERENCE] - one[keys.DIFFERENCE_HIGH]).max()),
    )
    verdict = c.AGREES if apart <= slack else c.DIFFERS
    return [Finding(verdict, "outside the recorded band", max(apart, 0.0), slack, "eV/atom")]


def _compare_content(one: Any, other: Any, how: str, rules: Mapping[str, Any]) -> list[Finding]:
    if how == "crossover":
        return c.compare_crossover(one, other)
    tolerances = rules["tolerances"]
    if how == "magic":
        return c.compare_sets(_magic_sizes(one), _magic_sizes(other), "magic sizes")
    if how == "lowest":
        return c.compare_lowest(_lowest_rows(one), _lowest_rows(other), tolerances)
    if how == "errors":
        return c.compare_errors(_committee_errors(one), _committee_errors(other), tolerances)
    added = c.without_added(one, other)
    return c.compare_trees(one, added, tolerances, rules["quantities"], rules["ignored"])


def _last_errors(curve: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the validation errors of a learning curve's last epoch, of a chart its loss."""
    names = [name for name in curve if name.startswith("val") and name.endswith(("_rmse", "_loss"))]
    return {name: float(curve[name][-1]) for name in names}


def _energies(arrays: Mapping[str, Any]) -> dict[int, float]:
    sizes, energies = arrays[keys.SIZES], arrays[keys.ENERGIES]
    return {int(n): float(e) for n, e in zip(sizes, energies, strict=True)}


def _magic_sizes(content: Mapping[str, Any]) -> list[int]:
    return [row["size"] for row in content["magic"]]


def _lowest_rows(table: Mapping[str, Any]) -> dict[int, float]:
    lowest: dict[int, float] = {}
    for row in table["rows"]:
        lowest[row["size"]] = min(row["energy"], lowest.get(row["size"], math.inf))
    return lowest


def _committee_errors(errors: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the errors of the committee's mean by set of frames."""
    return {
        f"{part}, {name}": found["committee"]["overall"][name]
        for part, found in errors["sets"].items()
        for name in ("energy_rmse", "forces_rmse")
    }


def _content(node: Dict | List | BaseType) -> Any:
    if isinstance(node, Dict):
        return keys.with_present_keys(node.get_dict())
    return node.get_list() if isinstance(node, List) else node.value


def _flat(nodes: Mapping[str, Any], path: str = "") -> dict[str, Data]:
    """Return nodes by their dotted names."""
    found: dict[str, Data] = {}
    for key, value in nodes.items():
        found |= (
            {f"{path}{key}": value} if isinstance(value, Data) else _flat(value, f"{path}{key}.")
        )
    return found
