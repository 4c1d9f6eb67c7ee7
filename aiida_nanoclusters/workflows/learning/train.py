"""TrainWorkChain: a committee of Allegro models, compiled and compared with labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import AbstractCode, ArrayData, Bool, Dict, Int, List, ProcessNode, RemoteData

from aiida_nanoclusters.calculations.learning.compile import set_compile_ports
from aiida_nanoclusters.calculations.learning.metrics import (
    MOTIFS,
    PREDICTED,
    REFERENCE,
    compare_committee,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.learning.training_settings import TrainingSettings
from aiida_nanoclusters.workflows.base.compile import CompileBaseWorkChain
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.base.train import TrainBaseWorkChain
from aiida_nanoclusters.workflows.learning.train_inputs import (
    COMPARED,
    member_keys,
    validate_inputs,
)
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.parts.former_names import FormerPorts
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import options_at
from aiida_nanoclusters.workflows.parts.validators import validate_seeds

VERBS = ("train", "compile", "evaluate")
DEFAULT_SEEDS = (1, 2, 3, 4)


class TrainWorkChain(FormerPorts, BatchedWorkChain):
    """Train one model per seed, compile all, and compare them with labels they were not trained on.

    The members that fail are left out of the committee; the report names them.
    """

    FORMER_PORTS: ClassVar[Mapping[str, str]] = {"unseen": "extrapolation"}

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        for name, required, what in (
            ("training", True, "Labelled frames to train on."),
            ("validation", True, "Labelled frames by which the best epochs are chosen."),
            ("test", True, "Labelled frames of the same kinds, to compare the committee with."),
            (
                "extrapolation",
                False,
                "Extrapolation set: labelled clusters of sizes that no training frame has.",
            ),
            (
                MOTIFS,
                False,
                "Icosahedra and truncated octahedra, relaxed and labelled by the reference engine: "
                "the error of their energy difference shifts a crossover.",
            ),
        ):
            spec.input(name, valid_type=FramesData, required=required, help=what)
        spec.input(
            "seeds",
            valid_type=List,
            validator=validate_seeds,
            help="Random seed of each member, from 0.",
        )
        common_ports.settings_port(spec, TrainingSettings, "Model, training and alignment")
        spec.input_namespace(
            "start_from",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help="Packages by member (`seed_1`), such as `potentials` of an earlier training; "
            "their weights are the initial ones. Default: random weights.",
        )
        spec.input_namespace(
            "restart_from",
            valid_type=RemoteData,
            dynamic=True,
            required=False,
            help="Folders by member of interrupted trainings of the same inputs, which are "
            "continued from their checkpoints. Default: none.",
        )
        spec.input_namespace(
            "trained",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help="Packages by member of such trainings that have finished, which are not repeated. "
            "Default: none.",
        )
        spec.input(
            "predictions",
            valid_type=Bool,
            required=False,
            help="Whether to train on what another model predicts, too. Default: labels only.",
        )
        for name, what in (
            ("nequip_code", "A Python with nequip."),
            ("lammps_code", "LAMMPS with `pair_style allegro`."),
            (
                "compile_code",
                "A Python with nequip on the computer of `lammps_code`, where `nequip_code` is on "
                "another one. Default: `nequip_code`.",
            ),
        ):
            required = name != "compile_code"
            spec.input(name, valid_type=AbstractCode, required=required, help=what)
        set_compile_ports(spec)
        spec.input_namespace("options", help="`metadata.options` of each kind of job.")
        for verb in VERBS:
            spec.input(f"options.{verb}", valid_type=dict, default=dict, is_metadata=True)
        spec.inputs.validator = validate_inputs
        for name, valid_type, what in (
            ("potentials", PotentialData, "Packaged model"),
            ("compiled", PotentialData, "Compiled model"),
            ("learning_curves", ArrayData, "Learning curve"),
            ("reports", Dict, "Report on the training"),
        ):
            spec.output_namespace(
                name,
                valid_type=valid_type,
                dynamic=True,
                required=False,
                help=f"{what} of each member.",
            )
        spec.output(
            "errors",
            valid_type=Dict,
            required=False,
            help="Errors of the members and of their mean by set, meV/atom and meV/Å.",
        )
        spec.output(
            "parity",
            valid_type=ArrayData,
            required=False,
            help="Labels and predictions by set, eV/atom and eV/Å.",
        )
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
        spec.exit_code(402, "ERROR_NOT_EVALUATED", message="No frame was evaluated: {reason}")

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
            Name of a protocol, and changes to its values.
        options
            `metadata.options` of all jobs; `builder.options` has them by verb.
        seeds
            Random seed of each member. Default: those of the protocol, or 1 to 4.
        start_from
            Package of the initial weights by member, for instance `outputs.potentials` of a
            TrainWorkChain; `protocol` is then one for such a start, such as `tutorial_warm`.
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
        """Submit a planned job: what it does, and the member or the set of frames."""
        verb, key = batch
        return getattr(self, f"_{verb}")(key)

    # -- train -----------------------------------------------------------------------------

    def plan_training(self) -> None:
        """Plan one training per seed."""
        self.ctx.failures = []
        known = self.inputs.get("trained", {})
        self._plan("train", [key for key in member_keys(self.inputs.seeds) if key not in known])

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
        if key in self.inputs.get("restart_from", {}):
            inputs["restart_from"] = self.inputs.restart_from[key]
        return self.submit(TrainBaseWorkChain, train=inputs, metadata={"call_link_label": key})

    def gather_members(self) -> ExitCode | None:
        """Keep the members whose training finished."""
        self.ctx.potentials = {}
        known = dict(self.inputs.get("trained", {}))
        earlier = {key: _training_of(potential) for key, potential in known.items()}
        for key, potential in known.items():
            self.ctx.potentials[key] = potential
            self.out(f"potentials.{key}", potential)
        for key, chain in earlier.items():
            if chain is not None:
                self.out(f"learning_curves.{key}", chain.outputs.learning_curve)
                self.out(f"reports.{key}", chain.outputs.report)
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
        """Keep the models that were compiled."""
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
            if not child.is_finished_ok:  # frames that were evaluated still count
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
        """Report the errors, and the members that are missing."""
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
        """Return the children that finished without error, by key; note the others."""
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


def _training_of(potential: PotentialData) -> ProcessNode | None:
    """Return the finished work chain that trained a potential, where there is one."""
    caller = None if potential.creator is None else potential.creator.caller
    return caller if caller is not None and "learning_curve" in caller.outputs else None
