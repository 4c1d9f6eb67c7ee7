"""StudyWorkChain: from labels to magic sizes and the crossover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Bool, Dict, List, Str

from aiida_nanoclusters.calculations.learning.labelled_sets import predictions_problem
from aiida_nanoclusters.calculations.study import build_compared_clusters, motif_systematic
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.labels.levels import is_prediction
from aiida_nanoclusters.science.stability.settings import (
    ComparedSizes,
    CrossoverSettings,
    StudySettings,
)
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.labels.label import limit_jobs
from aiida_nanoclusters.workflows.learning.active_learning_inputs import train_inputs
from aiida_nanoclusters.workflows.learning.dataset import DatasetWorkChain
from aiida_nanoclusters.workflows.learning.train import TrainWorkChain
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from aiida_nanoclusters.workflows.parts.common_ports import ELEMENTS, elements_of
from aiida_nanoclusters.workflows.parts.former_names import FormerPorts
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, merge
from aiida_nanoclusters.workflows.parts.validators import (
    potentials_problem,
    settings_validator,
    validate_element,
)
from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain
from aiida_nanoclusters.workflows.stability.size_scan import SizeScanWorkChain

#: Parts of a study: name of its inputs and outputs: work chain.
PARTS = {
    "dataset": DatasetWorkChain,
    "train": TrainWorkChain,
    "size_scan": SizeScanWorkChain,
    "crossover": CrossoverWorkChain,
    "reference_crossover": CrossoverWorkChain,
}


def validate_inputs(value: Mapping[str, Any], _) -> str | None:
    """Refuse potentials of other elements, and predictions in place of labels to be learnt."""
    if problem := potentials_problem(value, elements_of(value)):
        return problem
    given, train = value.get("dataset", {}), value.get("train", {})
    return None if train.get("predictions", False) else predictions_problem(given, ["labelled"])


class StudyWorkChain(FormerPorts):
    """Make or take a data set, train a committee, scan sizes, find the crossover.

    With `reference`, a potential cheap enough for large clusters, its own exact curve is
    computed in addition to that of the committee, and the committee's error of the energy
    difference between the motifs is measured and becomes part of the interval.
    """

    FORMER_PORTS: ClassVar[Mapping[str, str]] = {"probes": "compared_sizes"}

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("element", valid_type=Str, validator=validate_element, help="Chemical symbol.")
        spec.expose_inputs(
            LammpsBaseWorkChain,
            namespace="reference",
            exclude=("lammps.frames", "lammps.seeds"),
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "A potential cheap enough for large clusters, and how it relaxes those "
                "of `compared_sizes`. Default: no comparison.",
            },
        )
        spec.input(
            "compared_sizes",
            valid_type=Dict,
            validator=validate_compared_sizes,
            default=lambda: Dict(ComparedSizes().model_dump()),
            help="Sizes (atoms) at which the committee is compared with `reference`: closed "
            "shells by motif in `motifs`, compact clusters in `extrapolation`. Default: none.",
        )
        spec.expose_inputs(DatasetWorkChain, namespace="dataset", exclude=ELEMENTS)
        spec.expose_inputs(
            TrainWorkChain,
            namespace="train",
            exclude=(
                *("training", "validation", "test", "extrapolation", "motifs", "start_from"),
                *("restart_from", "trained"),
            ),
        )
        spec.expose_inputs(
            SizeScanWorkChain,
            namespace="size_scan",
            exclude=(
                *("element", "committee", "lammps.potential", "reference"),
                "lowest_structures.potential.lammps.potential",
            ),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.expose_inputs(
            CrossoverWorkChain,
            namespace="crossover",
            exclude=("element", "potentials", "systematic_mev"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.input(
            "reference_search",
            valid_type=Dict,
            required=False,
            validator=settings_validator(CrossoverSettings),
            help="Settings of the crossover by `reference` alone, where it is slow. Default: those "
            "of `crossover`.",
        )
        spec.expose_outputs(DatasetWorkChain, namespace="dataset")
        spec.expose_outputs(TrainWorkChain, namespace="train")
        optional = {"required": False}
        spec.expose_outputs(SizeScanWorkChain, namespace="size_scan", namespace_options=optional)
        for name in ("crossover", "reference_crossover"):
            spec.expose_outputs(CrossoverWorkChain, namespace=name, namespace_options=optional)
        # A part that is left out, or failed, has none of its outputs.
        for name in ("size_scan", "crossover", "reference_crossover"):
            for port in spec.outputs[name].values():
                port.required = False
        spec.inputs.validator = validate_inputs
        spec.outline(
            cls.make_dataset,
            cls.inspect_dataset,
            cls.train,
            cls.inspect_training,
            cls.explore,
            cls.results,
        )
        spec.exit_code(400, "ERROR_DATASET", message="The data set failed: {reason}")
        spec.exit_code(401, "ERROR_TRAINING", message="The training failed: {reason}")
        spec.exit_code(402, "ERROR_INCOMPLETE", message="Not all parts finished: {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes,
        element,
        reference=None,
        labelled=None,
        protocol=None,
        overrides=None,
        label=None,
        stages=None,
        part_overrides=None,
    ):
        """Return a builder; numbers from `protocols/study.yaml` and those it names.

        Parameters
        ----------
        codes, element
            :class:`.workflows.parts.codes.JobCodes`, and a chemical symbol.
        reference
            PotentialData that labels, and that large clusters are compared with.
        labelled
            FramesData of the user, in place of a recipe.
        protocol, overrides
            Name of a protocol, and changes to it.
        label
            Inputs of a LabelWorkChain, from its `engine_inputs`: a first-principles program labels
            and `reference` only samples.
        stages
            The same, for an engine that samples in place of `reference`.
        part_overrides
            Changes to the protocols of the parts: `dataset`, `train`, `size_scan`, `crossover`.
        """
        values = StudySettings.from_values(**load_protocol("study", protocol, overrides))
        changed = part_overrides or {}
        builder = cls.get_builder()
        builder.element = Str(element)
        builder.dataset = DatasetWorkChain.get_builder_from_protocol(
            codes.lammps,
            element,
            reference,
            labelled,
            values.dataset if label is None else values.dataset_by_engine,
            changed.get("dataset"),
            options=codes.lammps_options,
            label=label,
            stages=stages,
        )._inputs(prune=True)
        training = merge(values.training, changed.get("train", {}))
        builder.train = train_inputs(codes, values.train, training)
        for name in ("size_scan", "crossover"):
            builder[name] = _answer_inputs(name, codes, element, values, changed.get(name))
        codes.limit(builder.dataset, builder.train, builder.size_scan)
        for part, given in (("label", label), ("stages", stages)):
            if given is not None:
                limit_jobs(builder.dataset[part], codes.max_concurrent)
        if label is None and reference is not None:
            builder.compared_sizes = Dict(values.compared_sizes.model_dump())
            builder.reference = _reference_inputs(codes, reference, values)
            if values.reference_crossover is not None:
                search = load_protocol("crossover", values.reference_crossover, element=element)
                builder.reference_search = Dict(search["settings"])
        return builder

    # -- labels ----------------------------------------------------------------------------

    def make_dataset(self) -> None:
        """Make or take the labelled frames; at the same time compute with the reference alone."""
        inputs = self.exposed_inputs(DatasetWorkChain, namespace="dataset")
        inputs["element"] = self.inputs.element
        self.to_context(dataset=self.submit(DatasetWorkChain, **inputs))
        if self.has_reference():
            if "crossover" in self.inputs:
                members = {"reference": self.inputs.reference.lammps.potential}
                own = self.inputs.get("reference_search")
                self.to_context(reference_crossover=self._crossover(members, own))
            clusters = build_compared_clusters(self.inputs.element, self.inputs.compared_sizes)
            for name, frames in clusters.items():
                relax = self.exposed_inputs(LammpsBaseWorkChain, namespace="reference")
                relax["lammps"]["frames"] = frames
                self.to_context(**{f"compared_{name}": self.submit(LammpsBaseWorkChain, **relax)})

    def has_reference(self) -> bool:
        """Whether there is a reference potential for large clusters."""
        return "reference" in self.inputs

    def inspect_dataset(self) -> ExitCode | None:
        """End where there are no labels."""
        if not self.ctx.dataset.is_finished_ok:
            return self.exit_codes.ERROR_DATASET.format(reason=self.ctx.dataset.exit_message)
        return None

    # -- potential -------------------------------------------------------------------------

    def train(self) -> None:
        """Train the committee and compare it with the reference."""
        inputs = self.exposed_inputs(TrainWorkChain, namespace="train")
        for part in ("training", "validation", "test"):
            inputs[part] = self.ctx.dataset.outputs[part]
        for name in ("extrapolation", "motifs"):
            relaxed = self.ctx.get(f"compared_{name}")
            if relaxed is not None and "structures" in relaxed.outputs:
                inputs[name] = relaxed.outputs.structures
        if "labelled" not in self.inputs.dataset:
            if is_prediction(inputs["training"].level_of_theory):
                inputs["predictions"] = Bool(True)  # of the potential that labels
        self.to_context(training=self.submit(TrainWorkChain, **inputs))

    def inspect_training(self) -> ExitCode | None:
        """End where no member of the committee is left."""
        training = self.ctx.training
        if "compiled" not in training.outputs:
            return self.exit_codes.ERROR_TRAINING.format(reason=training.exit_message)
        if not training.is_finished_ok:
            self.report(f"training: {training.exit_message}")
        return None

    # -- answers ---------------------------------------------------------------------------

    def explore(self) -> None:
        """Scan the sizes and search the crossover, side by side."""
        committee = dict(self.ctx.training.outputs.compiled)
        if "size_scan" in self.inputs:
            inputs = self.exposed_inputs(SizeScanWorkChain, namespace="size_scan")
            inputs["element"] = self.inputs.element
            inputs["lammps"]["potential"] = committee[min(committee)]
            if "lowest_structures" in inputs:
                relax = inputs["lowest_structures"]["potential"]["lammps"]
                relax["potential"] = committee[min(committee)]
            inputs["committee"] = committee
            self.to_context(size_scan=self.submit(SizeScanWorkChain, **inputs))
        if "crossover" in self.inputs:
            systematic = {}
            found = self.ctx.training.outputs
            if "errors" in found and "motif_difference" in found.errors:
                systematic["systematic_mev"] = motif_systematic(found.errors)
            self.to_context(crossover=self._crossover(committee, **systematic))

    def results(self) -> ExitCode | None:
        """Output the results of every part, also where another part failed."""
        failed = []
        for name, process in PARTS.items():
            child = self.ctx.get("training" if name == "train" else name)
            if child is None:
                continue
            self.out_many(self.exposed_outputs(child, process, namespace=name))
            if not child.is_finished_ok:
                failed.append(f"{name}: {child.exit_message}")
        if failed:
            return self.exit_codes.ERROR_INCOMPLETE.format(reason="; ".join(failed))
        return None

    def _crossover(self, members: dict[str, PotentialData], settings=None, **inputs):
        inputs = {**self.exposed_inputs(CrossoverWorkChain, namespace="crossover"), **inputs}
        if settings is not None:
            inputs["settings"] = settings
        inputs["element"] = self.inputs.element
        inputs["potentials"] = members
        return self.submit(CrossoverWorkChain, **inputs)


def _answer_inputs(
    name: str,
    codes: JobCodes,
    element: str,
    values: StudySettings,
    overrides: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the inputs of a part that uses the committee, which is still to be trained."""
    builder = PARTS[name].get_builder_from_protocol(
        codes.lammps, {}, element, getattr(values, name), overrides, options=codes.lammps_options
    )
    return dict(builder._inputs(prune=True))


def _reference_inputs(
    codes: JobCodes, reference: PotentialData, values: StudySettings
) -> dict[str, Any]:
    """Return how the reference potential relaxes the compared clusters."""
    relax = job(codes.lammps, codes.lammps_options, "relax", values.compared_sizes.largest)
    stages = List(values.comparison_stages)
    return {"lammps": {**relax, "potential": reference, "stages": stages}}


def validate_compared_sizes(value: Dict, _) -> str | None:
    """Refuse sizes of which there is no closed shell, and unknown motifs."""
    problem = ComparedSizes.problem(value.get_dict())
    return problem and f"compared_sizes: {problem}"
