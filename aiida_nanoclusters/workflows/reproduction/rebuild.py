"""Inputs of a recorded process, with local codes and job options, to run it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

from aiida_nanoclusters.calculations.identity import own_arguments
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import may_run
from aiida_nanoclusters.formats.plain_text import reason_of
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.workflows.parts.codes import code_problem
from aiida_nanoclusters.workflows.parts.former_names import FormerPorts
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.resources import options_at, overlay
from aiida_nanoclusters.workflows.reproduction.nested import (
    Path,
    add_values,
    copied,
    nodes_in,
    set_at,
    value_at,
)
from aiida_nanoclusters.workflows.reproduction.untrusted import (
    RebuildError,
    class_of,
    omitted,
    plain_options,
    without_commands,
)

#: Recorded options of a trusted process that are valid on any machine; all others belong to the
#: recorded scheduler.
PORTABLE = (
    *("parser_name", "additional_retrieve_list", "max_wallclock_seconds"),
    *("submit_script_filename", "scheduler_stdout", "scheduler_stderr"),
    *("input_filename", "output_filename"),
)
#: Kind of job by the names of ports and processes; see `workflows/parts/resources.py`.
VERBS = {
    **{name: name for name in ("train", "compile", "evaluate", "label", "relax", "anneal")},
    "size_scan": "anneal",
    "melting": "anneal",
    "basin_hopping": "relax",
    "lowest_structures": "relax",
    "tempering": "anneal",
    "metadynamics": "anneal",
    "shared_bias": "anneal",
    "crossover": "relax",
    "reference": "relax",
    "compatibility": "train",
    "pretrain_core": "train",
    "train_matching": "train",
}
#: Code ports of a work chain that has options for each kind of job.
CODES_BY_VERB = {
    "train": ("nequip_code",),
    "compile": ("compile_code", "nequip_code"),
    "evaluate": ("lammps_code",),
}
#: Metadata that is no input of the process, or belongs to one run only.
_OWN_METADATA = ("computer", "store_provenance", "dry_run", "call_link_label", "disable_cache")
_INPUTS = (LinkType.INPUT_CALC, LinkType.INPUT_WORK)

Codes = Mapping[str, AbstractCode]  # local codes by the UUID of the recorded ones


@dataclass
class Plan:
    """The parts of a process that can be run again.

    Attributes
    ----------
    parts
        Processes to run: the process itself, or processes it called.
    left_out
        Processes that cannot be run, with the reason.
    omitted
        By the UUID of a part, the inputs and options that are left out because it was not granted
        trust.
    """

    parts: list[ProcessNode] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    omitted: dict[str, list[str]] = field(default_factory=dict)


def plan_of(node: ProcessNode, codes: Codes) -> Plan:
    """Return the process itself, or the largest parts of it that can be run again."""
    return _plan_of(node, codes, set())


def _plan_of(node: ProcessNode, codes: Codes, seen: set[str]) -> Plan:
    seen.add(node.uuid)
    reason = why_not(node, codes)
    if reason is None:
        found = omitted(node, recorded_inputs(node))
        return Plan([node], omitted={node.uuid: found} if found else {})
    plan = Plan()
    if isinstance(node, WorkChainNode):
        for child in sorted(node.called, key=lambda n: n.pk or 0):
            if isinstance(child, (WorkChainNode, CalcJobNode)) and child.uuid not in seen:
                below = _plan_of(child, codes, seen)
                plan.parts += below.parts
                plan.left_out += below.left_out
                plan.omitted |= below.omitted
    if not plan.parts:
        plan.left_out = []
    own = {"process": node.process_label or name_of(node), "uuid": node.uuid, "reason": reason}
    plan.left_out = [own, *(row for row in plan.left_out if row["reason"] != reason)]
    return plan


def why_not(node: ProcessNode, codes: Codes) -> str | None:
    """Return why a process cannot be run again here, or None."""
    try:
        rebuild(node, codes)
    except RebuildError as error:
        return str(error)
    except Exception as error:  # an imported record may hold anything; the reason is shown
        return f"its record cannot be understood ({reason_of(error)})"
    return None


def recorded_inputs(node: ProcessNode) -> dict[str, Any]:
    """Return the input nodes of a process, nested as its ports are."""
    return dict(node.base.links.get_incoming(link_type=_INPUTS).nested())


def codes_of(node: ProcessNode) -> list[AbstractCode]:
    """Return the codes among the inputs of a process and of all processes it called."""
    found: dict[str, AbstractCode] = {}
    seen, waiting = {node.uuid}, [node]
    while waiting:  # the links of an archive may form a circle
        one = waiting.pop()
        for code in one.base.links.get_incoming(link_type=_INPUTS).all_nodes():
            if isinstance(code, AbstractCode):
                found[code.uuid] = code
        for child in one.called if isinstance(one, WorkChainNode) else ():
            if child.uuid not in seen:
                seen.add(child.uuid)
                waiting.append(child)
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
        Options of the jobs of a local code, by the UUID of the recorded code, e.g.
        :class:`.JobOptions`; default one MPI process. Of the recorded options of a trusted process
        those valid on any machine are kept, and all if the code is the recorded one; of other
        processes only the walltime.
    reuse
        Whether labels that the profile holds may be reused.

    Raises
    ------
    RebuildError
        If the process cannot be run here; the message says why.
    """
    if not node.is_terminated:
        raise RebuildError("it has not finished: wait for it")
    process_class = class_of(node)
    trusted, recorded = may_run(node), recorded_inputs(node)
    inputs = _exchanged(recorded if trusted else without_commands(recorded), codes)
    if isinstance(node, CalcFunctionNode):
        return process_class, own_arguments(node, inputs)
    metadata = node.get_metadata_inputs() or {}
    own = _own_metadata(node, metadata.get("metadata", {}))
    given = {**{k: v for k, v in metadata.items() if k != "metadata"}, "metadata": own}
    if trusted:
        add_values(inputs, given)
    spec = process_class.spec().inputs
    for port in _option_ports(spec, recorded):
        code = value_at(recorded, (*port.namespace, port.code))
        asked = (options or {}).get(code.uuid, {})
        _set_options(inputs, given, port, _Exchange(code, codes[code.uuid], asked, node))
    if not reuse:
        for path in _reuse_ports(spec, recorded):
            set_at(inputs, path, Bool(False))
    _refuse_folders(recorded, codes, trusted)
    _refuse_models(recorded, codes)
    if issubclass(process_class, FormerPorts):
        inputs = process_class.with_present_names(inputs)
    problem = spec.validate(spec.pre_process(copied(inputs)))
    if problem is not None:
        raise RebuildError(" ".join(str(problem.message).split()))
    return process_class, inputs


@dataclass(frozen=True)
class _Exchange:
    """A recorded code of a process, the local one in its place, and the options of its jobs."""

    recorded: AbstractCode
    local: AbstractCode
    asked: Mapping[str, Any]
    node: ProcessNode

    def options(self, held: Mapping[str, Any], verb: str | None, n_atoms: int | None) -> dict:
        """Return the options of a job: of those recorded (`held`) what holds here, then `asked`."""
        if not may_run(self.node):
            held = plain_options(held)
        elif self.local.uuid != self.recorded.uuid:
            held = {key: held[key] for key in PORTABLE if key in held}
        asked = options_at(self.asked, verb, n_atoms) if verb else self.asked
        options: dict[str, Any] = job(self.local, overlay(held, asked))["metadata"]["options"]
        return options


def _set_options(
    inputs: dict[str, Any], given: Mapping[str, Any], port: _OptionPort, exchange: _Exchange
) -> None:
    """Put the options of a local code in the place of those recorded, `given`."""
    verb = _verb((*name_of(exchange.node).split("."), *port.options))
    held = value_at(given, port.options) or {}
    set_at(inputs, port.options, exchange.options(held, verb, largest_cluster(exchange.node)))
    by_size = (*port.namespace[:-1], "options_by_size")
    if port.namespace and value_at(given, by_size):
        steps = [[n, exchange.options(one, verb, n)] for n, one in value_at(given, by_size)]
        set_at(inputs, by_size, steps)


def has_dynamics(node: ProcessNode) -> bool:
    """Whether the stages of a process hold dynamics, so that its outputs are sampled."""
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


def _own_metadata(node: ProcessNode, recorded: Mapping[str, Any]) -> dict[str, Any]:
    own = {k: v for k, v in recorded.items() if k not in _OWN_METADATA}
    if isinstance(node, CalcJobNode) and not own.get("options"):
        own["options"] = node.get_options()  # old archives do not record the given options
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
            problem = code_problem(codes[value.uuid])
            if problem:
                raise RebuildError(problem)
            found[key] = codes[value.uuid]
        else:
            found[key] = value
    return found


@dataclass(frozen=True)
class _OptionPort:
    """Port of job options of a process, and the code they belong to."""

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
    """Return the ports that allow known labels to be reused, which would repeat nothing."""
    if isinstance(recorded.get("reuse"), Bool):
        yield (*path, "reuse")
    for key, port in spec.items():
        if isinstance(port, PortNamespace) and isinstance(recorded.get(key), Mapping):
            yield from _reuse_ports(port, recorded[key], (*path, key))


def _verb(names: Path) -> str | None:
    """Return the kind of job, from the innermost name that determines it."""
    return next((VERBS[name] for name in reversed(names) if name in VERBS), None)


def _refuse_folders(recorded: Mapping[str, Any], codes: Codes, trusted: bool) -> None:
    """Refuse a process that restarts from a folder that no local code can reach, or a stranger's.

    A recorded folder is a path: it may lead anywhere on the computer.
    """
    reached = {codes[code.uuid].computer.uuid for code in nodes_in(recorded, AbstractCode)}
    for folder in nodes_in(recorded, RemoteData):
        if not trusted and not may_run(folder):
            raise RebuildError(
                f"it restarts from the folder {folder.uuid}, whose path its maker chose: if you "
                f"trust its maker, run `aiida-nanoclusters trust {folder.uuid}`"
            )
        if folder.computer.uuid not in reached or folder.is_cleaned:
            where = folder.computer.label
            raise RebuildError(
                f"it restarts from a job's folder on {where}, which no code here can read: run the "
                "job of that folder again"
            )


def _refuse_models(recorded: Mapping[str, Any], codes: Codes) -> None:
    """Refuse a model that was compiled for processors this machine does not have."""
    computers = [codes[code.uuid].computer for code in nodes_in(recorded, AbstractCode)]
    if not any(computer.transport_type == "core.local" for computer in computers):
        return  # checked when the job runs
    for potential in nodes_in(recorded, PotentialData):
        if not potential.fits_processor:
            raise RebuildError(
                f"its model is compiled for {potential.machine['isa']}, which this machine lacks: "
                "compile the package again (nanoclusters.compile)"
            )
