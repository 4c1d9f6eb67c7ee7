"""By which name a process of this package is recorded, and how a recorded one is found again.

What is recorded may have been written by a stranger: it is compared with the names of the installed
entry points before anything is imported.

Calculation functions are entry points, so that what is recorded of them does not depend on where
their file lies. Earlier AiiDA recorded the path of their module: :data:`FORMER_NAMES` says
what such a function is now. A name in it is never removed while published archives may hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import CalcJob, WorkChain
from aiida.orm import CalcFunctionNode, CalcJobNode, ProcessNode, WorkChainNode
from aiida.plugins.entry_point import get_entry_point_names, get_entry_points, load_entry_point

_CALCULATIONS, _WORKFLOWS = "aiida.calculations", "aiida.workflows"
_PREFIX, _PACKAGE = "nanoclusters.", "aiida_nanoclusters."
_FORMER_MODULE = "aiida_nanoclusters.calculations."

#: Path below ``aiida_nanoclusters.calculations`` that was recorded: name of the entry point now.
FORMER_NAMES = {
    "active_learning.split_probes": "split_convergence_test",
    "active_learning.start_active_learning": "start_active_learning",
    "active_learning.summarise_rounds": "summarise_rounds",
    "active_learning.take_labels": "add_labels",
    "active_learning.update_active_learning": "update_active_learning",
    "analysis.compare_environments": "compare_environments",
    "anneal.make_starts": "make_starts",
    "anneal.rank_structures": "rank_structures",
    "basin_hopping.collect_minima": "collect_minima",
    "basin_hopping.propose_structures": "propose_structures",
    "basin_hopping.start_basin_hopping": "start_basin_hopping",
    "basin_hopping.update_basin_hopping": "update_basin_hopping",
    "crossover.answer_crossover": "answer_crossover",
    "crossover.build_bulk": "build_bulk",
    "crossover.build_clusters": "build_clusters",
    "crossover.build_modes": "build_modes",
    "crossover.build_slabs": "build_slabs",
    "crossover.bulk_properties": "bulk_properties",
    "crossover.compare_modes": "compare_modes",
    "crossover.join_clusters": "join_clusters",
    "crossover.start_search": "start_search",
    "crossover.update_search": "update_search",
    "dataset.build_recipe": "build_recipe",
    "dataset.gather_frames": "gather_frames",
    "dataset.split_dataset": "split_dataset",
    "dataset.take_minima": "take_minima",
    "dataset.vary_structures": "vary_structures",
    "errors.compare_committee": "compare_committee",
    "evaluate.continue_evaluation": "continue_evaluation",
    "evaluate.merge_evaluations": "merge_evaluations",
    "frames.concatenate_frames": "concatenate_frames",
    "frames.import_frames": "import_frames",
    "frames.select_frames": "select_frames",
    "label.join_jobs": "join_jobs",
    "label.lone_atoms": "isolated_atoms",
    "label.merge_labels": "merge_labels",
    "label.take_known": "take_known",
    "label.with_lone_atoms": "with_isolated_atoms",
    "lammps_batches.continue_batch": "continue_batch",
    "lammps_batches.merge_batches": "merge_batches",
    "melting.build_cluster": "build_cluster",
    "melting.find_melting": "find_melting",
    "reproduce.compare_outputs": "compare_outputs",
    "select.assess_frames": "assess_frames",
    "select.calibrate_thresholds": "calibrate_thresholds",
    "select.select_to_label": "select_to_label",
    "size_scan.compare_sizes": "compare_sizes",
    "size_scan.join_scans": "join_scans",
    "stages.continue_cp2k": "continue_cp2k",
    "stages.join_stage_batches": "join_stage_batches",
    "stages.join_stage_jobs": "join_stage_jobs",
    "study.build_probes": "build_compared_clusters",
    "study.motif_systematic": "motif_systematic",
    "train.halve_learning_rate": "halve_learning_rate",
    "train.join_learning_curves": "join_learning_curves",
    "train.join_reports": "join_reports",
    "vasp.gather_vasp_labels": "gather_vasp_labels",
    "vasp.prepare_vasp": "prepare_vasp",
    "vasp_stages.gather_vasp_stages": "gather_vasp_stages",
    "vasp_stages.prepare_vasp_stage": "prepare_vasp_stage",
}

#: By entry point, former name of an argument: name now.
FORMER_ARGUMENTS = {
    "add_labels": {"checks": "calibration"},
    "build_compared_clusters": {"probes": "sizes"},
    "gather_vasp_labels": {"ladder": "progress"},
    "gather_vasp_stages": {"ladder": "progress"},
    "join_jobs": {"ladder": "progress"},
    "join_stage_jobs": {"ladder": "progress"},
    "prepare_vasp": {"rung": "settings_level"},
    "select_to_label": {"checked": "held_out"},
    "update_active_learning": {"probes": "convergence_test"},
}


def own_arguments(node: ProcessNode, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded inputs of a calculation function by the present names of its arguments.

    Parameters
    ----------
    node
        Recorded calculation function.
    inputs
        Its inputs by the labels of their links.
    """
    name = own_function_name(node) or ""
    former = FORMER_ARGUMENTS.get(name.removeprefix(_PREFIX), {})
    return {former.get(key, key): value for key, value in inputs.items()}


def own_function_name(node: ProcessNode) -> str | None:
    """Return the entry point of one of our calculation functions, or None where it is another's.

    Nothing is imported: the name that was recorded is only held against the names installed.
    """
    recorded = str(node.process_type or "")
    if recorded.startswith(_FORMER_MODULE):
        name = FORMER_NAMES.get(recorded[len(_FORMER_MODULE) :], "")
    else:
        group, _, entry_point = recorded.partition(":")
        name = entry_point.removeprefix(_PREFIX) if group == _CALCULATIONS else ""
    name = _PREFIX + name
    return name if name in _own_names(_CALCULATIONS) else None


def own_function(node: ProcessNode) -> Any:
    """Return the calculation function of this package that a node records, None if it is another's.

    Its former paths are known, see :data:`FORMER_NAMES`.
    """
    name = own_function_name(node)
    found = None if name is None else load_entry_point(_CALCULATIONS, name)
    return found if getattr(found, "is_process_function", False) else None


def own_process(node: ProcessNode) -> Any:
    """Return the class or calculation function of this package that a process records.

    None is returned for processes of other packages, and where the recorded name is that of another
    kind of process than the node. Only modules of this package are imported.
    """
    if isinstance(node, CalcFunctionNode):
        return own_function(node)
    kind: type
    if isinstance(node, CalcJobNode):
        kind, group = CalcJob, _CALCULATIONS
    elif isinstance(node, WorkChainNode):
        kind, group = WorkChain, _WORKFLOWS
    else:
        return None
    recorded, _, name = str(node.process_type or "").partition(":")
    if recorded != group or name not in _own_names(group):
        return None
    found = load_entry_point(group, name)
    return found if isinstance(found, type) and issubclass(found, kind) else None


def is_installed(node: ProcessNode) -> bool:
    """Whether the entry point that a process records is installed; nothing is imported."""
    group, _, name = str(node.process_type or "").partition(":")
    is_process = group in ("aiida.calculations", "aiida.workflows")
    return is_process and name in get_entry_point_names(group)


def _own_names(group: str) -> set[str]:
    """Return the names of our entry points; another package may have chosen the same prefix."""
    return {
        one.name
        for one in get_entry_points(group)
        if one.name.startswith(_PREFIX) and one.value.startswith(_PACKAGE)
    }
