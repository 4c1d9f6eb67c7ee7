"""TrainWorkChain: a committee of Allegro models, compiled, and how far it is from its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import AbstractCode, ArrayData, Dict, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.compile import (
    validate_device,
    validate_modifiers,
)
from aiida_nanoclusters.calculations.errors import MOTIFS, PREDICTED, REFERENCE, compare_committee
from aiida_nanoclusters.calculations.train import (
    compatibility_problem,
    labels_problem,
    validate_settings,
)
from aiida_nanoclusters.calculations.warm_start import start_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.workflows.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.compilation import CompileBaseWorkChain
from aiida_nanoclusters.workflows.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.resources import options_at
from aiida_nanoclusters.workflows.training import TrainBaseWorkChain

#: Sets of frames the committee is compared on, where given.
COMPARED = ("test", "unseen", MOTIFS)
VERBS = ("train", "compile", "evaluate")
DEFAULT_SEEDS = (1, 2, 3, 4)


def validate_seeds(value: List, _: Any) -> str | None:
    """Refuse an empty committee and members that would be equal."""
    seeds = value.get_list()
    if not seeds or any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in seeds):
        return f"seeds {seeds[:5]} must be whole numbers from 0, one for each member"
    if len(set(seeds)) != len(seeds):
        return f"seeds {seeds[:5]} hold one twice: equal seeds give equal members"
    return None


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse frames without labels, labels that must not be compared, and models to begin from."""
    if "training" not in value:
        return None  # the port says so itself
    return fit_problem(value, ("training", "validation", *COMPARED)) or starts_problem(value)


def fit_problem(sets: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return why one of these sets, where given, has no labels or none that fit `training`."""
    for name in names:
        if name in sets:
            problem = labels_problem(sets[name], name)
            if problem is None and name != "training":
                problem = compatibility_problem(sets["training"], sets[name], name)
            if problem:
                return problem
    return None


def starts_problem(value: Mapping[str, Any]) -> str | None:
    """Return why the members must not begin from the potentials given, or None."""
    starts = value.get("start_from") or {}
    if not starts or not {"seeds", "settings"} <= set(value):
        return None
    members = member_keys(value["seeds"])
    for key in sorted(starts):
        if key not in members:
            return f"`start_from.{key}` is no member: name it as one of {', '.join(members)}"
        name = f"start_from.{key}"
        problem = start_problem(starts[key], value["training"], value["settings"], name)
        if problem:
            return problem
    return None


def member_keys(seeds: List) -> list[str]:
    """Return by which keys the members of a committee are known."""
    return [f"seed_{seed}" for seed in seeds.get_list()]


class TrainWorkChain(BatchedWorkChain):
    """Train one model per seed, compile all, and compare them with labels they never saw.

    A member that fails costs only itself: the others become the committee, and the report says
    who is missing.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("training", valid_type=FramesData, help="Labelled frames to learn.")
        spec.input("validation", valid_type=FramesData, help="Labelled frames to choose by.")
        spec.input("test", valid_type=FramesData, help="Labelled frames of the same kinds.")
        spec.input(
            "unseen", valid_type=FramesData, required=False, help="Clusters of sizes not learnt."
        )
        spec.input(
            MOTIFS,
            valid_type=FramesData,
            required=False,
            help="Relaxed icosahedra and truncated octahedra labelled by the reference: the "
            "error of their difference is what moves a crossover.",
        )
        spec.input("seeds", valid_type=List, validator=validate_seeds, help="One for each member.")
        spec.input("settings", valid_type=Dict, validator=validate_settings)
        spec.input_namespace(
            "start_from",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help="Packages by member (`seed_1`), such as `potentials` of an earlier training: "
            "these members begin from their weights, the others from random ones.",
        )
        spec.input("nequip_code", valid_type=AbstractCode, help="A Python with nequip.")
        spec.input("lammps_code", valid_type=AbstractCode, help="LAMMPS with `pair_style allegro`.")
        spec.input(
            "compile_code",
            valid_type=AbstractCode,
            required=False,
            help="A Python with nequip on the machine of `lammps_code`, where `nequip_code` is on "
            "another.",
        )
        spec.input("device", valid_type=Str, default=lambda: Str("cpu"), validator=validate_device)
        spec.input(
            "modifiers",
            valid_type=List,
            required=False,
            validator=validate_modifiers,
            help="nequip's accelerations, applied where a model is compiled.",
        )
        spec.input_namespace("options", help="`metadata.options` of each kind of job.")
        for verb in VERBS:
            spec.input(f"options.{verb}", valid_type=dict, default=dict, is_metadata=True)
        spec.inputs.validator = validate_inputs
        for name in ("potentials", "compiled"):
            spec.output_namespace(name, valid_type=PotentialData, dynamic=True, required=False)
        spec.output_namespace("learning_curves", valid_type=ArrayData, dynamic=True, required=False)
        spec.output_namespace("reports", valid_type=Dict, dynamic=True, required=False)
        spec.output("errors", valid_type=Dict, required=False)
        spec.output("parity", valid_type=ArrayData, required=False)
        spec.outline(
            cls.plan_training,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather_members,
            cls.plan_compilation,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather_compiled,
            cls.plan_evaluation,
            while_(cls.has_batches)(cls.submit_batches),
            cls.compare,
            cls.results,
        )
        spec.exit_code(400, "ERROR_NO_MEMBER", message="No training finished: {reason}")
        spec.exit_code(401, "ERROR_NOT_COMPILED", message="No model was compiled: {reason}")
        spec.exit_code(402, "ERROR_NOT_EVALUATED", message="No errors are known: {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        nequip_code,
        lammps_code,
        training=None,
        validation=None,
        test=None,
        protocol=None,
        overrides=None,
        options=None,
        seeds=None,
        start_from=None,
    ):
        """Return a builder; the numbers are those of `protocols/train.yaml`.

        Parameters
        ----------
        nequip_code, lammps_code
            A Python with nequip, and LAMMPS.
        training, validation, test
            FramesData, for instance the outputs of a DatasetWorkChain.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of all jobs; `builder.options` has them by verb.
        seeds
            One for each member; the protocol's, or 1 to 4.
        start_from
            Member -> package it begins from, for instance `outputs.potentials` of a
            TrainWorkChain; `protocol` is then a warm one, such as `tutorial_warm`.
        """
        settings = load_protocol("train", protocol, overrides)
        own = settings.pop("seeds", DEFAULT_SEEDS)
        builder = cls.get_builder()
        builder.nequip_code, builder.lammps_code = nequip_code, lammps_code
        builder.settings = Dict(settings)
        builder.seeds = List(list(own if seeds is None else seeds))
        for name, frames in (("training", training), ("validation", validation), ("test", test)):
            if frames is not None:
                setattr(builder, name, frames)
        if start_from:
            builder.start_from = dict(start_from)
        for verb in VERBS:
            builder.options[verb] = options_at(options, verb)
        return builder

    def submit_batch(self, batch: list[str]) -> ProcessNode:
        """Submit what is planned: a verb, and what it is done to."""
        verb, key = batch
        return getattr(self, f"_{verb}")(key)

    # -- train -----------------------------------------------------------------------------

    def plan_training(self) -> None:
        """Plan one training per seed."""
        self.ctx.failures = []
        self._plan("train", member_keys(self.inputs.seeds))

    def _train(self, key: str) -> ProcessNode:
        inputs = {
            **job(self.inputs.nequip_code, self.inputs.options.train),
            "training": self.inputs.training,
            "validation": self.inputs.validation,
            "settings": self.inputs.settings,
            "seed": Int(int(key.removeprefix("seed_"))),
        }
        if key in self.inputs.get("start_from", {}):
            inputs["start_from"] = self.inputs.start_from[key]
        return self.submit(TrainBaseWorkChain, train=inputs, metadata={"call_link_label": key})

    def gather_members(self) -> ExitCode | None:
        """Keep the members whose training finished."""
        self.ctx.potentials = {}
        for key, child in self._finished("training"):
            self.ctx.potentials[key] = child.outputs.potential
            self.out(f"potentials.{key}", child.outputs.potential)
            self.out(f"learning_curves.{key}", child.outputs.learning_curve)
            self.out(f"reports.{key}", child.outputs.report)
        if not self.ctx.potentials:
            return self.exit_codes.ERROR_NO_MEMBER.format(reason="; ".join(self.ctx.failures))
        return None

    # -- compile ---------------------------------------------------------------------------

    def plan_compilation(self) -> None:
        """Plan one compilation per member."""
        self._plan("compile", list(self.ctx.potentials))

    def _compile(self, key: str) -> ProcessNode:
        code = self.inputs.get("compile_code", self.inputs.nequip_code)
        inputs = job(code, self.inputs.options.compile)
        inputs |= {"potential": self.ctx.potentials[key], "device": self.inputs.device}
        if "modifiers" in self.inputs:
            inputs["modifiers"] = self.inputs.modifiers
        metadata = {"call_link_label": f"compile_{key}"}
        return self.submit(CompileBaseWorkChain, compile=inputs, metadata=metadata)

    def gather_compiled(self) -> ExitCode | None:
        """Keep what LAMMPS can run."""
        self.ctx.compiled = {}
        for key, child in self._finished("compilation"):
            self.ctx.compiled[key] = child.outputs.potential
            self.out(f"compiled.{key}", child.outputs.potential)
        if not self.ctx.compiled:
            return self.exit_codes.ERROR_NOT_COMPILED.format(reason="; ".join(self.ctx.failures))
        return None

    # -- evaluate --------------------------------------------------------------------------

    def plan_evaluation(self) -> None:
        """Plan one evaluation of the whole committee per set of frames."""
        self._plan("evaluate", [part for part in COMPARED if part in self.inputs])

    def _evaluate(self, part: str) -> ProcessNode:
        inputs = {
            **job(self.inputs.lammps_code, self.inputs.options.evaluate),
            "frames": self.inputs[part],
            "potentials": dict(self.ctx.compiled),
        }
        metadata = {"call_link_label": f"evaluate_{part}"}
        return self.submit(EvaluateBaseWorkChain, evaluate=inputs, metadata=metadata)

    def compare(self) -> ExitCode | None:
        """Compare the committee with the labels, on every set that was evaluated."""
        nodes = {}
        for (_, part), child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if not child.is_finished_ok:  # frames that could be evaluated still count
                self._note(f"evaluation of {part}", child)
            done = dict(child.outputs.labelled) if "labelled" in child.outputs else {}
            for key, labelled in done.items():
                nodes[f"{PREDICTED}_{part}_{key}"] = labelled
                nodes[f"{REFERENCE}_{part}"] = self.inputs[part]
        if not nodes:
            return self.exit_codes.ERROR_NOT_EVALUATED.format(reason="; ".join(self.ctx.failures))
        self.out_many(compare_committee(**nodes))
        return None

    def results(self) -> None:
        """Say how it went, and who is missing."""
        errors = self.outputs["errors"].get_dict()
        for part, found in errors["sets"].items():
            row = found["committee"]["overall"]
            self.report(
                f"{part}: {_number(row['energy_rmse'])} meV/atom and "
                f"{_number(row['forces_rmse'])} meV/Å (RMSE of the committee's mean)"
            )
        if "motif_difference" in errors:
            self.report(
                "error of the difference icosahedron - truncated octahedron: "
                f"{errors['motif_difference']['mean']:.2f} meV/atom"
            )
        if self.ctx.failures:
            self.report(f"without: {'; '.join(self.ctx.failures)}")

    # -- planning --------------------------------------------------------------------------

    def _plan(self, verb: str, keys: list[str]) -> None:
        self.ctx.batches, self.ctx.children = [[verb, key] for key in sorted(keys)], []

    def _finished(self, what: str) -> list[tuple[str, ProcessNode]]:
        """Return the children that finished well, by key; note the others."""
        good = []
        for (_, key), child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if child.is_finished_ok:
                good.append((key, child))
            else:
                self._note(f"{what} of {key}", child)
        return good

    def _note(self, what: str, child: ProcessNode) -> None:
        reason = child.exit_message or f"it is {child.process_state.value}"
        self.ctx.failures.append(f"{what} <{child.pk}>: {reason}")
        self.report(f"{what} failed, {child.process_label}<{child.pk}>: {reason}")


def _number(value: float | None) -> str:
    return "no" if value is None else f"{value:.2f}"
