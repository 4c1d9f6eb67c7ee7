"""DatasetWorkChain: a training set made by a recipe and labelled, or taken from the user."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, if_
from aiida.orm import Dict, Float, List, Str

from aiida_nanoclusters.calculations.dataset import split_dataset
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label import LabelWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.sampling import (
    SETTINGS,
    SamplingWorkChain,
    following_problem,
    hopping_settings,
    settings_problem,
)

_SETTINGS = SETTINGS | {"fractions", "max_force"}


def validate_labelled(value: FramesData | None, _) -> str | None:
    """A user's own frames must all be labelled, with the reference of energies known."""
    if value is None:
        return None
    try:
        check_frames(value.frames, need_labels=True)
    except ValueError as error:
        return str(error)
    return None


class DatasetWorkChain(SamplingWorkChain):
    """Build, relax, vary, sample, label and split.

    Structures come from `recipe` (see `aiida_nanoclusters.science.recipe`), are relaxed and
    sampled by `sampler`, a potential, or by the engine of `stages`, and labelled by that of
    `label`, which knows the frames it has sampled. With `labelled` instead, a set the user
    already has is checked and split.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "labelled",
            valid_type=FramesData,
            required=False,
            validator=validate_labelled,
            help="A labelled set of the user's own; nothing is then built or labelled.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="`relax_stages`, `sample_stages`, `total`, `fractions`, `max_force`.",
        )
        spec.expose_inputs(
            LabelWorkChain,
            namespace="label",
            exclude=("frames",),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.inputs.validator = validate_inputs
        for name in ("training", "validation", "test"):
            spec.output(name, valid_type=FramesData)
        spec.output("frames", valid_type=FramesData, required=False, help="All labelled frames.")
        spec.output("report", valid_type=Dict, required=False, help="Of the labels.")
        spec.outline(
            if_(cls.needs_frames)(
                *cls.sampling(),
                cls.label,
                cls.inspect_labels,
            ),
            cls.split,
        )
        spec.exit_code(401, "ERROR_LABELS_FAILED", message="The reference labelled no frame.")
        spec.exit_code(402, "ERROR_CANNOT_SPLIT", message="{reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code,
        element,
        reference=None,
        labelled=None,
        protocol=None,
        overrides=None,
        options=None,
        label=None,
        stages=None,
    ):
        """Return a builder; numbers and recipe from `protocols/dataset.yaml`.

        Parameters
        ----------
        code, element
            LAMMPS, and a chemical symbol.
        reference
            PotentialData that samples, and labels where `label` is not given.
        labelled
            FramesData the user already has, instead.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the LAMMPS jobs.
        label
            Inputs of a LabelWorkChain, from its `engine_inputs`: a program of first principles.
        stages
            The same, for what relaxes and samples; `reference` then only labels, where `label`
            is not given.
        """
        values = load_protocol("dataset", protocol, overrides, element=element)
        builder = cls.get_builder()
        builder.element = Str(element)
        builder.settings = Dict(hopping_settings(values, element))
        if labelled is not None:
            builder.labelled = labelled
            return builder
        builder.recipe = List(values["recipe"])
        if stages is None:
            relax = job(code, options, "relax")
            builder.sampler = {"lammps": {**relax, "potential": reference}}
        else:
            builder.stages = stages
        evaluate = job(code, options, "label")
        by_potential = {"potential": {"potential": reference, "evaluate": evaluate}}
        builder.label = by_potential if label is None else label
        return builder

    def needs_frames(self) -> bool:
        """Whether frames must be made, or the user brought them."""
        return "labelled" not in self.inputs

    def label(self) -> None:
        """Label them with the reference."""
        inputs = self.exposed_inputs(LabelWorkChain, namespace="label")
        self.to_context(labels=self.submit(LabelWorkChain, frames=self.ctx.gathered, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """Go on with what could be labelled; the report tells of the rest."""
        outputs = self.ctx.labels.outputs
        if "report" in outputs:
            self.out("report", outputs.report)
        if "frames" not in outputs:
            return self.exit_codes.ERROR_LABELS_FAILED
        if not self.ctx.labels.is_finished_ok:
            self.report(f"labels: {self.ctx.labels.exit_message}")
        return None

    def split(self) -> ExitCode | None:
        """Split by trajectory into training, validation and test."""
        settings = self.inputs.settings
        frames = (
            self.inputs.labelled if "labelled" in self.inputs else self.ctx.labels.outputs.frames
        )
        self.out("frames", frames)
        try:
            parts = split_dataset(
                frames,
                List(settings["fractions"]),
                self.inputs.seed,
                Float(settings["max_force"]),
            )
        except ValueError as error:
            return self.exit_codes.ERROR_CANNOT_SPLIT.format(reason=str(error))
        self.out_many(parts)
        return None


def validate_settings(value: Dict, _) -> str | None:
    """All settings must be there, and no others."""
    if problem := settings_problem(value.get_dict(), _SETTINGS):
        return problem
    if len(value["fractions"]) != 3:
        return "settings: `fractions` are three numbers, of training, validation and test"
    return None


def validate_inputs(inputs, _) -> str | None:
    """Either a labelled set, or a recipe with all that is needed to follow it."""
    if "labelled" in inputs:
        return None
    needed = ("recipe", "label") if "stages" in inputs else ("recipe", "sampler", "label")
    missing = [name for name in needed if name not in inputs]
    if missing:
        return f"give `labelled` frames, or a recipe to make them: {', '.join(missing)} missing"
    return following_problem(inputs)
