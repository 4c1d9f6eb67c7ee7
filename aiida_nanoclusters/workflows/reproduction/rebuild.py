"""A recorded process as inputs that can be run again here, with local codes and options."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from aiida.common.links import LinkType
from aiida.engine.processes.ports import PortNamespace
from aiida.orm import (
    AbstractCode,
    Bool,
    CalcFunctionNode,
    CalcJobNode,
    List,
    ProcessNode,
    RemoteData,
    WorkChainNode,
)

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.stages import parse_stages
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.resources import options_at, overlay

#: Recorded options that hold on any machine; all others are those of the recorded one's scheduler.
PORTABLE = (
    *("parser_name", "additional_retrieve_list", "max_wallclock_seconds"),
    *("submit_script_filename", "scheduler_stdout", "scheduler_stderr"),
    *("input_filename", "output_filename"),
)
#: What jobs do, by the names of ports and processes; see `workflows/resources.py`.
VERBS = {
    **{name: name for name in ("train", "compile", "evaluate", "label", "relax", "anneal")},
    "size_scan": "anneal",
    "melting": "anneal",
    "basin_hopping": "relax",
    "crossover": "relax",
    "reference": "relax",
}
#: Code ports of a work chain whose options are told apart by verb.
CODES_BY_VERB = {
    "train": ("nequip_code",),
    "compile": ("compile_code", "nequip_code"),
    "evaluate": ("lammps_code",),
}
#: Not an input of the process itself, or of its run alone.
_OWN_METADATA = ("computer", "store_provenance", "dry_run", "call_link_label", "disable_cache")
_INPUTS = (LinkType.INPUT_CALC, LinkType.INPUT_WORK)

Codes = Mapping[str, AbstractCode]  # local codes by the UUID of the recorded ones
Path = tuple[str, ...]


class RebuildError(ValueError):
    """A process that cannot be run again here; the message says why."""


@dataclass
class Plan:
    """What of a process can be run again.

    Attributes
    ----------
    parts
        Processes to run: the process itself, or those it called.
    left_out
        What cannot be run, and why.
    """

    parts: list[ProcessNode] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)


def plan_of(node: ProcessNode, codes: Codes) -> Plan:
    """Return the process itself, or the largest parts of it that can be run again."""
    try:
        rebuild(node, codes)
    except RebuildError as error:
        reason = str(error)
    else:
        return Plan([node])
    plan = Plan()
    if isinstance(node, WorkChainNode):
        for child in sorted(node.called, key=lambda n: n.pk or 0):
            if isinstance(child, (WorkChainNode, CalcJobNode)):
                below = plan_of(child, codes)
                plan.parts += below.parts
                plan.left_out += below.left_out
    if not plan.parts:
        plan.left_out = []
    own = {"process": node.process_label or name_of(node), "uuid": node.uuid, "reason": reason}
    plan.left_out = [own, *(row for row in plan.left_out if row["reason"] != reason)]
    return plan


def codes_of(node: ProcessNode) -> list[AbstractCode]:
    """Return the codes a process was given, and those of all it called."""
    nodes = [node, *(getattr(node, "called_descendants", None) or [])]
    found = {
        code.uuid: code
        for one in nodes
        for code in one.base.links.get_incoming(link_type=_INPUTS).all_nodes()
        if isinstance(code, AbstractCode)
    }
    return sorted(found.values(), key=label_of)


def label_of(code: AbstractCode) -> str:
    """Return ``label@computer``."""
    computer = code.computer
    return code.label if computer is None else f"{code.label}@{computer.label}"


def name_of(node: ProcessNode) -> str:
    """Return the stem of a process, such as ``crossover``."""
    return str(node.process_type or node.process_label or "process").rpartition(".")[2]


def rebuild(
    node: ProcessNode,
    codes: Codes,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    reuse: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """Return the class of a process and its inputs, ready to be submitted.

    Parameters
    ----------
    node
        A finished CalcJob, work chain or calcfunction.
    codes
        Local codes by the UUID of the recorded ones.
    options
        What jobs of a local code ask for, by the UUID of the recorded code, perhaps
        :class:`.JobOptions`; one process where not given. Of the recorded options only what holds
        on any machine is kept, unless the code is the recorded one.
    reuse
        Whether labels that the profile has already may be taken.

    Raises
    ------
    RebuildError
        If that is not possible here.
    """
    if not node.is_terminated:
        raise RebuildError("it has not finished: wait for it")
    process_class = _class_of(node)
    recorded = node.base.links.get_incoming(link_type=_INPUTS).nested()
    inputs = _exchanged(recorded, codes)
    if isinstance(node, CalcFunctionNode):
        return process_class, inputs
    metadata = node.get_metadata_inputs() or {}
    _lay(inputs, {k: v for k, v in metadata.items() if k != "metadata"})
    inputs["metadata"] = _own_metadata(node, metadata.get("metadata", {}))
    spec = process_class.spec().inputs
    for port in _option_ports(spec, recorded):
        code = _at(recorded, (*port.namespace, port.code))
        verb = _verb((*name_of(node).split("."), *port.options))
        asked = (options or {}).get(code.uuid, {})
        local, at = codes[code.uuid], partial(_asked_at, asked, verb)
        held = _at(inputs, port.options) or {}
        wanted = at(largest_cluster(node))
        _set(inputs, port.options, _local_options(held, code, local, wanted))
        by_size = (*port.namespace[:-1], "options_by_size")
        if port.namespace and _at(inputs, by_size):
            steps = [
                [n, _local_options(held, code, local, at(n))] for n, held in _at(inputs, by_size)
            ]
            _set(inputs, by_size, steps)
    if not reuse:
        for path in _reuse_ports(spec, recorded):
            _set(inputs, path, Bool(False))
    _refuse_folders(recorded, codes)
    _refuse_models(recorded, codes)
    problem = spec.validate(spec.pre_process(_copied(inputs)))
    if problem is not None:
        raise RebuildError(" ".join(str(problem.message).split()))
    return process_class, inputs


def has_dynamics(node: ProcessNode) -> bool:
    """Whether a LAMMPS run or stages by an engine hold dynamics, so that outputs are sampled."""
    for entry in node.base.links.get_incoming(List, link_type=_INPUTS).all():
        if entry.link_label.rpartition("__")[2] == "stages":
            return any(stage.is_dynamic for stage in parse_stages(entry.node.get_list()))
    return False


def largest_cluster(node: ProcessNode) -> int | None:
    """Return the most atoms a frame has among the inputs and outputs of a process."""
    links = node.base.links
    frames = [
        *links.get_incoming(FramesData).all_nodes(),
        *links.get_outgoing(FramesData).all_nodes(),
    ]
    return max((max(one.sizes) for one in frames), default=None)


def _class_of(node: ProcessNode) -> Any:
    if not isinstance(node, (CalcJobNode, WorkChainNode, CalcFunctionNode)):
        raise RebuildError(f"a {type(node).__name__} cannot be run again: name what it called")
    try:
        found = node.process_class
    except ValueError as error:
        name = str(node.process_type).rpartition(":")[2]
        raise RebuildError(f"no plugin here for `{name}`: install its package") from error
    if isinstance(node, CalcFunctionNode):
        module, _, function = str(node.process_type).rpartition(".")
        return getattr(import_module(module), function)
    return found


def _own_metadata(node: ProcessNode, recorded: Mapping[str, Any]) -> dict[str, Any]:
    own = {k: v for k, v in recorded.items() if k not in _OWN_METADATA}
    if isinstance(node, CalcJobNode) and not own.get("options"):
        own["options"] = node.get_options()  # archives of old do not tell what was given
    return own


def _exchanged(nodes: Mapping[str, Any], codes: Codes) -> dict[str, Any]:
    """Return inputs with local codes in the places of the recorded ones."""
    found: dict[str, Any] = {}
    for key, value in nodes.items():
        if isinstance(value, Mapping):
            found[key] = _exchanged(value, codes)
        elif isinstance(value, AbstractCode):
            if value.uuid not in codes:
                raise RebuildError(f"no code here for {label_of(value)}")
            found[key] = codes[value.uuid]
        else:
            found[key] = value
    return found


@dataclass(frozen=True)
class _OptionPort:
    """Where a process takes options, and which of its codes they are for."""

    namespace: Path
    options: Path
    code: str


def _option_ports(
    spec: PortNamespace, recorded: Mapping[str, Any], path: Path = ()
) -> Iterator[_OptionPort]:
    if "code" in recorded:
        metadata = spec.get("metadata")
        if isinstance(metadata, PortNamespace) and "options" in metadata:
            yield _OptionPort(path, (*path, "metadata", "options"), "code")
        elif "options" in spec:
            yield _OptionPort(path, (*path, "options"), "code")
    elif isinstance(spec.get("options"), PortNamespace):
        for verb, names in CODES_BY_VERB.items():
            given = [name for name in names if name in recorded]
            if verb in spec["options"] and given:
                yield _OptionPort(path, (*path, "options", verb), given[0])
    for key, port in spec.items():
        if isinstance(port, PortNamespace) and isinstance(recorded.get(key), Mapping):
            yield from _option_ports(port, recorded[key], (*path, key))


def _reuse_ports(
    spec: PortNamespace, recorded: Mapping[str, Any], path: Path = ()
) -> Iterator[Path]:
    """Return where a process may take labels that are known: it would repeat nothing."""
    if isinstance(recorded.get("reuse"), Bool):
        yield (*path, "reuse")
    for key, port in spec.items():
        if isinstance(port, PortNamespace) and isinstance(recorded.get(key), Mapping):
            yield from _reuse_ports(port, recorded[key], (*path, key))


def _local_options(
    held: Mapping[str, Any], recorded: AbstractCode, local: AbstractCode, asked: Mapping[str, Any]
) -> dict[str, Any]:
    if local.uuid != recorded.uuid:
        held = {key: held[key] for key in PORTABLE if key in held}
    options: dict[str, Any] = job(local, overlay(held, asked))["metadata"]["options"]
    return options


def _asked_at(asked: Mapping[str, Any], verb: str | None, n_atoms: int | None) -> Mapping[str, Any]:
    return options_at(asked, verb, n_atoms) if verb else asked


def _verb(names: Path) -> str | None:
    """Return what jobs do: the innermost name that tells."""
    return next((VERBS[name] for name in reversed(names) if name in VERBS), None)


def _refuse_folders(recorded: Mapping[str, Any], codes: Codes) -> None:
    """Refuse what goes on from a folder that no code here can reach."""
    reached = {codes[code.uuid].computer.uuid for code in _nodes(recorded, AbstractCode)}
    for folder in _nodes(recorded, RemoteData):
        if folder.computer.uuid not in reached or folder.is_cleaned:
            where = folder.computer.label
            raise RebuildError(
                f"it goes on from a job's folder on {where}, which is out of reach: run what "
                "made that folder again"
            )


def _refuse_models(recorded: Mapping[str, Any], codes: Codes) -> None:
    """Refuse a model that was compiled for processors this machine does not have."""
    computers = [codes[code.uuid].computer for code in _nodes(recorded, AbstractCode)]
    if not any(computer.transport_type == "core.local" for computer in computers):
        return  # the run itself will tell
    for potential in _nodes(recorded, PotentialData):
        flag = potential.processor_flag
        if flag and not _processor_has(flag):
            raise RebuildError(
                f"its model is compiled for {potential.machine['isa']}, which this machine lacks: "
                "compile the package again (nanoclusters.compile)"
            )


def _processor_has(flag: str) -> bool:
    """Whether this machine's processor has a flag, as far as it tells."""
    told = pathlib.Path("/proc/cpuinfo")
    return not told.exists() or flag in told.read_text(encoding="utf-8").split()


def _nodes(inputs: Mapping[str, Any], kind: type) -> list[Any]:
    found: list[Any] = []
    for value in inputs.values():
        if isinstance(value, Mapping):
            found += _nodes(value, kind)
        elif isinstance(value, kind):
            found.append(value)
    return found


def _at(inputs: Mapping[str, Any], path: Path) -> Any:
    value: Any = inputs
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _set(inputs: dict[str, Any], path: Path, value: Any) -> None:
    for key in path[:-1]:
        inputs = inputs.setdefault(key, {})
    inputs[path[-1]] = value


def _lay(inputs: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Add what is no node to the nodes; `merge` would copy them."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(inputs.get(key), dict):
            _lay(inputs[key], value)
        else:
            inputs[key] = dict(value) if isinstance(value, Mapping) else value


def _copied(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same nodes in other dictionaries, for AiiDA writes its defaults into them."""
    return {k: _copied(v) if isinstance(v, Mapping) else v for k, v in inputs.items()}
