"""DatasetWorkChain: a data set, sampled by a recipe and labelled, or given by the user."""

from __future__ import annotations

from typing import ClassVar

from aiida.engine import ExitCode, ProcessSpec, if_
from aiida.orm import Dict, Float, List

from aiida_nanoclusters.calculations.learning.dataset import split_dataset
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.labels.sanity import check_frames
from aiida_nanoclusters.science.learning.dataset_settings import DatasetSettings, SamplingSettings
from aiida_nanoclusters.science.learning.splitting import small_set_warning
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.learning.recipe import (
    SamplingWorkChain,
    following_problem,
    hopping_settings,
)
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol


def validate_labelled(value: FramesData | None, _) -> str | None:
    """Refuse frames without labels, or without the energies of the isolated atoms."""
    if value is None:
        return None
    try:
        check_frames(value.frames, need_labels=True)
    except ValueError as error:
        return str(error)
    return None


class DatasetWorkChain(SamplingWorkChain):
    """Build, relax, vary, sample, label and split.

    Structures are built from `recipe` (see `science/structures/recipe.py`), relaxed and sampled by
    `sampler`, a potential, or by the engine of `stages`, and labelled by the engine of `label`;
    frames that this engine has sampled have its labels already. With `labelled` instead, labelled
    frames of the user are checked and split.
    """

    SETTINGS: ClassVar[type[SamplingSettings]] = DatasetSettings

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        engine = "Reference engine, which labels the frames."
        optional = {"required": False, "populate_defaults": False, "help": engine}
        spec.expose_inputs(
            LabelWorkChain, namespace="label", exclude=("frames",), namespace_options=optional
        )
        spec.input(
            "labelled",
            valid_type=FramesData,
            required=False,
            validator=validate_labelled,
            help="Labelled frames of the user, in place of `recipe`: nothing is built or labelled.",
        )
        spec.inputs.validator = validate_inputs
        for name in ("training", "validation", "test"):
            spec.output(name, valid_type=FramesData, help=f"Labelled frames of the {name} set.")
        common_ports.frames_output(spec, "frames", "All labelled frames.", required=False)
        spec.output("report", valid_type=Dict, required=False, help="Report on the labels.")
        spec.outline(
            if_(cls.needs_frames)(
                *cls.sampling(),
                cls.label,
                cls.inspect_labels,
            ),
            cls.split,
        )
        spec.exit_code(401, "ERROR_LABELS_FAILED", message="No frame was labelled.")
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
            LAMMPS, and a chemical symbol, or a list of those of an alloy.
        reference
            PotentialData that samples, and labels where `label` is not given.
        labelled
            Labelled FramesData, in place of a recipe.
        protocol, overrides
            Name of a protocol, and changes to its values.
        options
            `metadata.options` of the LAMMPS jobs.
        label
            Inputs of a LabelWorkChain, from its `engine_inputs`: a first-principles program.
        stages
            The same for the engine that relaxes and samples; `reference` then only labels, where
            `label` is not given.
        """
        values = load_protocol("dataset", protocol, overrides, element=element)
        builder = cls.get_builder()
        common_ports.set_elements(builder, element)
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
        """Whether frames must be sampled, as the user has given none."""
        return "labelled" not in self.inputs

    def label(self) -> None:
        """Label them with the reference engine."""
        inputs = self.exposed_inputs(LabelWorkChain, namespace="label")
        self.to_context(labels=self.submit(LabelWorkChain, frames=self.ctx.gathered, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """Continue with the labelled frames; the report names the others."""
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
        for name in ("validation", "test"):
            if text := small_set_warning(name, len(parts[name])):
                self.report(f"warning: {text}")
        return None


def validate_inputs(inputs, ports) -> str | None:
    """Require labelled frames, or a recipe with all that is needed to follow it."""
    if "labelled" in inputs:
        return None
    needed = ("recipe", "label") if "stages" in inputs else ("recipe", "sampler", "label")
    missing = [name for name in needed if name not in inputs]
    if missing:
        return f"give `labelled` frames, or a recipe to sample them: {', '.join(missing)} missing"
    return following_problem(inputs, ports)
