"""Reference engine `vasp`: labels from VASP, one job of aiida-vasp for each frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common.exceptions import MissingEntryPointError, MultipleObjectsError, NotExistent
from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import AbstractCode, Bool, CalcJobNode, Dict, FolderData, Int, ProcessNode, Str
from aiida.plugins import DataFactory, WorkflowFactory

from aiida_nanoclusters.calculations.job_options import options_problem
from aiida_nanoclusters.calculations.labels.vasp import (
    gather_vasp_labels,
    label_of,
    prepare_vasp,
)
from aiida_nanoclusters.formats.input_text import (
    InputTextError,
    chemical_symbols,
    one_line,
    plain_name,
    vasp_incar,
)
from aiida_nanoclusters.formats.vasp.input import frame_problem, level_of_theory
from aiida_nanoclusters.science.labels.retries import LABELLED, REFUSED, UNFINISHED
from aiida_nanoclusters.science.labels.settings import VaspSettings, capitals
from aiida_nanoclusters.workflows.engines.contract import FallbackEngine, LabelEngine
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.label_store import method_key
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

#: Settings, present and former names, that change how a label is sought, but not its value.
_EFFORT = ("fallbacks", "ladder", "valence_electrons")
#: INCAR tags that change how a label is sought or how its job is parallelised, but not its value.
_EFFORT_TAGS = {
    *("ALGO", "NELM", "NELMIN", "NCORE", "NPAR", "KPAR", "NSIM", "LPLANE"),
    *("LWAVE", "LCHARG", "NSW", "IBRION", "EDIFFG", "SYSTEM", "NWRITE"),
}
#: Error handlers of aiida-vasp, switched off: every attempt is a settings level in the report.
_HANDLERS = {
    name: {"enabled": False}
    for name in (
        "handler_calculation_did_not_run",
        "handler_electronic_conv",
        "handler_unfinished_calc_generic",
        "handler_unfinished_calc_ionic",
    )
}


class VaspJobsWorkChain(FallbackEngine, BatchedWorkChain):
    """Base of engines whose jobs of VASP carry one frame each; POTCARs stay on the computer.

    A subclass plans the jobs of a round in :meth:`plan`, submits them in :meth:`submit_batch` and
    judges them in :meth:`outcome_of`.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the ports of VASP and the outline."""
        super().define(spec)
        spec.input("code", valid_type=AbstractCode, help="VASP, the executable `vasp_std`.")
        spec.input(
            "gamma_code",
            valid_type=AbstractCode,
            required=False,
            help="The executable `vasp_gam`, twice as fast, for frames with the Gamma point alone. "
            "Default: `code`.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="Settings as in a protocol of `protocols/vasp.yaml`.",
        )
        spec.input(
            "options",
            valid_type=dict,
            default=dict,
            is_metadata=True,
            validator=validate_options,
            help="`metadata.options` of all jobs. Default: one process without MPI.",
        )
        spec.outline(
            cls.start,
            while_(cls.has_frames)(
                cls.plan,
                while_(cls.has_batches)(cls.submit_batches),
                cls.inspect,
            ),
            cls.results,
        )

    @staticmethod
    def builder_inputs(code, protocol=None, overrides=None, options=None) -> dict[str, Any]:
        """Return all inputs except the frames, with the settings of `protocols/vasp.yaml`."""
        settings = load_protocol("vasp", protocol, overrides)
        settings = VaspSettings.with_present_names(settings)
        return {"code": code, "settings": Dict(settings), "options": dict(options or {})}

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything on which a label depends besides its frame."""
        settings = inputs["settings"].get_dict()
        kept = {key: value for key, value in settings.items() if key not in _EFFORT}
        tags = capitals(settings["incar"])
        kept["incar"] = {tag: tags[tag] for tag in sorted(set(tags) - _EFFORT_TAGS)}
        return method_key("vasp", kept)

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of theory of the labels."""
        return level_of_theory(VaspSettings.model_validate(inputs["settings"].get_dict()))

    @property
    def settings(self) -> VaspSettings:
        """Settings of all jobs."""
        return VaspSettings.model_validate(self.inputs.settings.get_dict())

    def start(self) -> None:
        """Put all frames at the first settings level; a job that ended early is repeated once."""
        self.begin(len(self.settings.fallbacks), max_failures=1)
        self.ctx.batches, self.ctx.n_inspected = [], 0

    def plan(self) -> None:
        """Plan the jobs of the frames at the lowest settings level."""
        raise NotImplementedError

    def inspect(self) -> None:
        """Record the outcomes of the jobs of this round."""
        sequence = self.sequence
        for k in range(self.ctx.n_inspected, len(self.ctx.children)):
            index, outcome = self.outcome_of(k)
            if outcome["state"] in (REFUSED, UNFINISHED):
                self.report(f"frame {index}, batch {k + 1}: {outcome['reason']}")
            sequence.update([index], [outcome])
        self.ctx.n_inspected, self.ctx.progress = len(self.ctx.children), sequence.state

    def outcome_of(self, number: int) -> tuple[int, dict[str, Any]]:
        """Return frame and outcome of a job by its number; see :meth:`FallbackSequence.update`."""
        raise NotImplementedError


class VaspEngineWorkChain(VaspJobsWorkChain, LabelEngine):
    """Label a batch of frames by VASP.

    vasprun.xml and OUTCAR of every job are checked (`formats/vasp/label.py`). A frame whose result
    is refused is repeated with the INCAR tags of the next settings level; one whose job ended early
    is repeated once as it was.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.inputs.validator = validate_inputs

    @classmethod
    def get_builder_from_protocol(cls, code, frames, protocol=None, overrides=None, options=None):
        """Return a builder with the settings of `protocols/vasp.yaml`.

        Parameters
        ----------
        code
            VASP.
        frames
            FramesData to label.
        protocol, overrides
            Name of a protocol, and the settings to change in it.
        options
            `metadata.options` of all jobs.
        """
        builder = cls.get_builder()
        builder.frames = frames
        for name, value in cls.builder_inputs(code, protocol, overrides, options).items():
            setattr(builder, name, value)
        return builder

    def plan(self) -> None:
        """Plan a job for each frame at the lowest settings level."""
        level, indices = self.sequence.next()
        self.ctx.batches += [[index, level] for index in indices]
        if level:
            self.report(f"{len(indices)} frames are repeated with settings level {level}")

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Submit VASP for one frame at one settings level."""
        index, level = batch
        made = prepare_vasp(self.inputs.frames, self.inputs.settings, Int(index), Int(level))
        inputs = one_job(self.inputs, made, self.inputs.options, f"frame_{index:05d}_level_{level}")
        return self.submit(WorkflowFactory("vasp.vasp"), **inputs)

    def outcome_of(self, number: int) -> tuple[int, dict[str, Any]]:
        """Return frame and outcome of a job; errors that aiida-vasp found count as well."""
        (index, level), child = self.ctx.batches[number], self.child(number)
        message = child_message(child)
        retrieved = retrieved_files(child)
        if retrieved is None:
            return index, {"state": UNFINISHED, "reason": f"VASP did not run: {message}"}
        label = label_of(retrieved, self.inputs.frames.frames, index, self.settings, level)
        if not label.complete:
            return index, {"state": UNFINISHED, "reason": label.reason}
        reason = label.reason or (None if child.is_finished_ok else f"aiida-vasp: {message}")
        return index, {"state": REFUSED if reason else LABELLED, "reason": reason}

    def results(self) -> ExitCode | None:
        """Attach labels and report."""
        entries = self.sequence.report()
        levels = {e["index"]: e["settings_level"] for e in entries if e["state"] == LABELLED}
        runs = {}
        for (index, level), child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if levels.get(index) == level:
                runs[f"run_{index:05d}"] = retrieved_files(child)
        gathered = gather_vasp_labels(
            self.inputs.frames, self.inputs.settings, Dict({"frames": entries}), **runs
        )
        self.out_many(gathered)
        return None if "frames" in gathered else self.exit_codes.ERROR_NOTHING_LABELLED


def one_job(inputs, made, options: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return the inputs of the work chain of aiida-vasp for one job.

    Parameters
    ----------
    inputs
        Inputs of the engine, with codes and settings.
    made
        Structure, k-points and INCAR. AiiDA's cache may have copied them from nodes that were
        imported: they are checked again.
    options
        `metadata.options` of the job.
    label
        Label of the link by which it is called.
    """
    code, settings = inputs.code, inputs.settings
    vasp_incar(made["parameters"]["incar"])
    chemical_symbols(symbol for kind in made["structure"].kinds for symbol in kind.symbols)
    if "gamma_code" in inputs and made["kpoints"].get_kpoints_mesh()[0] == [1, 1, 1]:
        code = inputs.gamma_code
    prepared = job(code, options)
    return {
        "code": prepared["code"],
        "calc": {"metadata": prepared["metadata"]},
        "potential_family": Str(settings["potential_family"]),
        "potential_mapping": Dict(settings["potential_mapping"]),
        "handler_overrides": Dict(_HANDLERS),
        "max_iterations": Int(1),
        "clean_workdir": Bool(True),
        "metadata": {"call_link_label": label},
        **made,
    }


def retrieved_files(child: ProcessNode) -> FolderData | None:
    """Return the retrieved files of the last job of aiida-vasp's work chain, also a failed one."""
    jobs = [node for node in child.called if isinstance(node, CalcJobNode)]
    jobs.sort(key=lambda node: node.pk or 0)
    return jobs[-1].outputs.retrieved if jobs and "retrieved" in jobs[-1].outputs else None


def child_message(child: ProcessNode) -> str:
    """Return the exit message of aiida-vasp's work chain, or its state."""
    return child.exit_message or f"{child.process_label}<{child.pk}> {child.process_state.value}"


def validate_settings(value: Dict, _) -> str | None:
    """Refuse settings that do not fit :class:`.VaspSettings`, or that hold more than values."""
    problem = VaspSettings.problem(value.get_dict())
    if problem:
        return problem
    settings = VaspSettings.model_validate(value.get_dict())
    try:
        for tags in (settings.incar, *settings.fallbacks):
            vasp_incar(tags)
        one_line(settings.potential_family, "`potential_family`")
        chemical_symbols(settings.potential_mapping)
        for symbol, potcar in settings.potential_mapping.items():
            plain_name(potcar, f"the POTCAR of {symbol}")
    except InputTextError as error:
        return str(error)
    return None


def validate_options(value: Mapping[str, Any], _) -> str | None:
    """Refuse file names and words that would be commands in the script of a job."""
    return options_problem(value)


def validate_inputs(inputs, _) -> str | None:
    """Refuse frames that VASP cannot compute, before anything is submitted."""
    if "settings" not in inputs or "frames" not in inputs:
        return None
    values = inputs["settings"].get_dict()
    if VaspSettings.problem(values):
        return None  # its port reports this
    settings = VaspSettings.model_validate(values)
    for index, atoms in enumerate(inputs["frames"].frames):
        problem = frame_problem(atoms, settings)
        if problem:
            return f"frame {index}: {problem}"
    return potential_problem(inputs["frames"].elements, settings)


def potential_problem(elements: list[str], settings: VaspSettings) -> str | None:
    """Return which POTCAR is missing and how to get it, or None."""
    try:
        potcar = DataFactory("vasp.potcar")
        WorkflowFactory("vasp.vasp")
    except MissingEntryPointError:
        return "aiida-vasp is not installed: pip install aiida-nanoclusters[vasp]"
    family, mapping = settings.potential_family, settings.potential_mapping
    upload = (
        "upload it from your own licensed POTCARs: aiida-vasp potcar uploadfamily "
        f'--path=<folder of POTCARs> --name={family} --description="<what it is>"'
    )
    if potcar.get_potcar_group(family) is None:
        return f"no POTCAR family `{family}`: {upload}"
    for element in elements:
        try:
            potcar.get_potcars_dict([element], family, mapping=mapping)
        except (NotExistent, ValueError, MultipleObjectsError) as error:
            return (
                f"the family `{family}` has no POTCAR `{mapping[element]}` ({error}): {upload}, "
                "or change `potential_mapping`"
            )
    return None
