"""Reference engine `vasp`: labels from VASP, one job of aiida-vasp for each frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common.exceptions import MissingEntryPointError, MultipleObjectsError, NotExistent
from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import AbstractCode, Bool, CalcJobNode, Dict, FolderData, Int, ProcessNode, Str
from aiida.plugins import DataFactory, WorkflowFactory

from aiida_nanoclusters.calculations.vasp import (
    gather_vasp_labels,
    judge_folder,
    prepare_vasp,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.vasp_input import (
    frame_problem,
    level_of_theory,
    settings_problem,
)
from aiida_nanoclusters.science.labelling import LABELLED, REFUSED, UNFINISHED, LabelLadder
from aiida_nanoclusters.workflows.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label_store import method_key
from aiida_nanoclusters.workflows.protocol import load_protocol

#: Settings and INCAR tags that say how hard to try and how to share the work, not what a label is.
_EFFORT = ("ladder", "valence_electrons")
_EFFORT_TAGS = {
    *("ALGO", "NELM", "NELMIN", "NCORE", "NPAR", "KPAR", "NSIM", "LPLANE"),
    *("LWAVE", "LCHARG", "NSW", "IBRION", "EDIFFG", "SYSTEM", "NWRITE"),
}
#: aiida-vasp's own cures are off: each try is a rung of the protocol's ladder, told in the report.
_HANDLERS = {
    name: {"enabled": False}
    for name in (
        "handler_calculation_did_not_run",
        "handler_electronic_conv",
        "handler_unfinished_calc_generic",
        "handler_unfinished_calc_ionic",
    )
}


class VaspEngineWorkChain(BatchedWorkChain):
    """Label a batch of frames by VASP; the contract is told in `engines/potential.py`.

    Every job's vasprun.xml and OUTCAR are judged (`formats/vasp_label.py`). A frame that VASP
    computed wrongly is tried with the INCAR tags of the next rung of the ladder; one whose job
    died is tried once more as it was. POTCARs stay on the machine where VASP runs.
    """

    #: See `engines/potential.py`. Each frame is a job: batches would save nothing.
    needs_lone_atoms, cost_exponent, least_batches = True, 2.0, 0

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("frames", valid_type=FramesData, help="What to label.")
        spec.input("code", valid_type=AbstractCode, help="VASP (`vasp_std`).")
        spec.input(
            "gamma_code",
            valid_type=AbstractCode,
            required=False,
            help="`vasp_gam`, half the price, for frames with the Gamma point alone.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="Numbers of a protocol, see `protocols/vasp.yaml`.",
        )
        spec.input(
            "options",
            valid_type=dict,
            default=dict,
            is_metadata=True,
            help="`metadata.options` of all jobs.",
        )
        spec.inputs.validator = validate_inputs
        spec.output("frames", valid_type=FramesData, required=False)
        spec.output("report", valid_type=Dict)
        spec.outline(
            cls.start,
            while_(cls.has_frames)(
                cls.climb,
                while_(cls.has_batches)(cls.submit_batches),
                cls.judge,
            ),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_LABELLED", message="No frame could be labelled.")

    @classmethod
    def get_builder_from_protocol(cls, code, frames, protocol=None, overrides=None, options=None):
        """Return a builder; the numbers are those of `protocols/vasp.yaml`.

        Parameters
        ----------
        code
            VASP.
        frames
            FramesData to label.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of all jobs.
        """
        builder = cls.get_builder()
        builder.frames = frames
        for name, value in cls.builder_inputs(code, protocol, overrides, options).items():
            setattr(builder, name, value)
        return builder

    @staticmethod
    def builder_inputs(code, protocol=None, overrides=None, options=None) -> dict[str, Any]:
        """Return all inputs but the frames, as :meth:`get_builder_from_protocol` sets them."""
        settings = Dict(load_protocol("vasp", protocol, overrides))
        return {"code": code, "settings": settings, "options": dict(options or {})}

    @staticmethod
    def method(inputs) -> str:
        """Return a key of everything a label depends on besides its frame."""
        settings = inputs["settings"].get_dict()
        kept = {key: value for key, value in settings.items() if key not in _EFFORT}
        tags = {str(tag).upper(): value for tag, value in settings["incar"].items()}
        kept["incar"] = {tag: tags[tag] for tag in sorted(set(tags) - _EFFORT_TAGS)}
        return method_key("vasp", kept)

    @staticmethod
    def level_of_theory(inputs) -> str:
        """Return the level of the labels."""
        return level_of_theory(inputs["settings"].get_dict())

    # -- one round for each rung -------------------------------------------------------------

    def start(self) -> None:
        """Put all frames on the first rung."""
        rungs = len(self.inputs.settings["ladder"])
        self.ctx.ladder = LabelLadder(len(self.inputs.frames), rungs, max_deaths=1).state
        self.ctx.batches, self.ctx.n_judged = [], 0

    def has_frames(self) -> bool:
        """Whether a frame still waits for its label."""
        return not LabelLadder.from_state(self.ctx.ladder).is_finished

    def climb(self) -> None:
        """Plan a job for each frame of the lowest rung."""
        rung, indices = LabelLadder.from_state(self.ctx.ladder).next()
        self.ctx.batches += [[index, rung] for index in indices]
        if rung:
            self.report(f"{len(indices)} frames go on with rung {rung} of the ladder")

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Submit VASP for one frame on one rung."""
        index, rung = batch
        made = prepare_vasp(self.inputs.frames, self.inputs.settings, Int(index), Int(rung))
        label = f"frame_{index:05d}_rung_{rung}"
        return self.submit(
            WorkflowFactory("vasp.vasp"), **one_job(self.inputs, made, self.inputs.options, label)
        )

    def judge(self) -> None:
        """Judge the jobs of this round; each frame is labelled, or climbs, or has failed."""
        ladder = LabelLadder.from_state(self.ctx.ladder)
        frames, settings = self.inputs.frames.frames, self.inputs.settings.get_dict()
        for k in range(self.ctx.n_judged, len(self.ctx.children)):
            index, rung = self.ctx.batches[k]
            outcome = _outcome(self.child(k), frames, index, settings, rung)
            if outcome["state"] != LABELLED:
                self.report(f"frame {index}, rung {rung}: {outcome['reason']}")
            ladder.update([index], [outcome])
        self.ctx.n_judged, self.ctx.ladder = len(self.ctx.children), ladder.state

    def results(self) -> ExitCode | None:
        """Hand on labels and report."""
        entries = LabelLadder.from_state(self.ctx.ladder).report()
        rungs = {entry["index"]: entry["rung"] for entry in entries if entry["state"] == LABELLED}
        runs = {}
        for (index, rung), child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if rungs.get(index) == rung:
                runs[f"run_{index:05d}"] = left_behind(child)
        gathered = gather_vasp_labels(
            self.inputs.frames, self.inputs.settings, Dict({"frames": entries}), **runs
        )
        self.out_many(gathered)
        return None if "frames" in gathered else self.exit_codes.ERROR_NOTHING_LABELLED


def one_job(inputs, made, options: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return the inputs of aiida-vasp's work chain for a single try.

    Parameters
    ----------
    inputs
        Of an engine: its codes and settings.
    made
        Structure, k-points and INCAR.
    options
        `metadata.options` of the job.
    label
        Of the link by which it is called.
    """
    code, settings = inputs.code, inputs.settings
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


def left_behind(child: ProcessNode) -> FolderData | None:
    """Return the files of the last job of aiida-vasp's work chain, also where that failed."""
    jobs = [node for node in child.called if isinstance(node, CalcJobNode)]
    jobs.sort(key=lambda node: node.pk or 0)
    return jobs[-1].outputs.retrieved if jobs and "retrieved" in jobs[-1].outputs else None


def _outcome(child: ProcessNode, frames, index: int, settings: dict, rung: int) -> dict:
    """Return what :class:`LabelLadder` is to know; aiida-vasp's verdict counts as well as ours."""
    said = child.exit_message or f"{child.process_label}<{child.pk}> {child.process_state.value}"
    retrieved = left_behind(child)
    if retrieved is None:
        return {"state": UNFINISHED, "reason": f"VASP did not run: {said}"}
    label = judge_folder(retrieved, frames, index, settings, rung)
    if not label.complete:
        return {"state": UNFINISHED, "reason": label.reason}
    reason = label.reason or (None if child.is_finished_ok else f"aiida-vasp: {said}")
    return {"state": REFUSED if reason else LABELLED, "reason": reason}


# -- validation --------------------------------------------------------------------------------


def validate_settings(value: Dict, _) -> str | None:
    """Refuse settings that no VASP input can be made of."""
    return settings_problem(value.get_dict())


def validate_inputs(inputs, _) -> str | None:
    """Refuse, before anything is submitted, what VASP could not run."""
    if "settings" not in inputs or "frames" not in inputs:
        return None
    settings = inputs["settings"].get_dict()
    if settings_problem(settings):
        return None  # its own port says so
    for index, atoms in enumerate(inputs["frames"].frames):
        problem = frame_problem(atoms, settings)
        if problem:
            return f"frame {index}: {problem}"
    return potential_problem(inputs["frames"].elements, settings)


def potential_problem(elements: list[str], settings: dict) -> str | None:
    """Return how to get the POTCARs where they are missing, or None."""
    try:
        potcar = DataFactory("vasp.potcar")
        WorkflowFactory("vasp.vasp")
    except MissingEntryPointError:
        return "aiida-vasp is not installed: pip install aiida-nanoclusters[vasp]"
    family, mapping = settings["potential_family"], settings["potential_mapping"]
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
