"""DatasetWorkChain: a training set made by a recipe and labelled, or taken from the user."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Dict, Float, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.dataset import (
    build_recipe,
    gather_frames,
    split_dataset,
    vary_structures,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.recipe import recipe_problem
from aiida_nanoclusters.science.stages import derive_seed
from aiida_nanoclusters.workflows.batches import BatchedWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label import LabelWorkChain
from aiida_nanoclusters.workflows.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.stages import StagesWorkChain
from aiida_nanoclusters.workflows.validators import validate_element


def validate_recipe(value: List | None, _) -> str | None:
    """The recipe must be one."""
    return None if value is None else recipe_problem(value.get_list())


def validate_labelled(value: FramesData | None, _) -> str | None:
    """A user's own frames must all be labelled, with the reference of energies known."""
    if value is None:
        return None
    try:
        check_frames(value.frames, need_labels=True)
    except ValueError as error:
        return str(error)
    return None


class DatasetWorkChain(BatchedWorkChain):
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
        spec.input("element", valid_type=Str, validator=validate_element)
        spec.input("recipe", valid_type=List, required=False, validator=validate_recipe)
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
        spec.input("seed", valid_type=Int, default=lambda: Int(1))
        spec.expose_inputs(
            LammpsBaseWorkChain,
            namespace="sampler",
            exclude=("lammps.frames", "lammps.stages", "lammps.seeds"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.expose_inputs(
            StagesWorkChain,
            namespace="stages",
            exclude=("frames", "stages", "seeds"),
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "Relaxes and samples instead of `sampler`: any engine.",
            },
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
                cls.build,
                if_(cls.needs_relaxation)(cls.relax),
                cls.vary,
                while_(cls.has_batches)(cls.submit_batches),
                cls.gather,
                cls.label,
                cls.inspect_labels,
            ),
            cls.split,
        )
        spec.exit_code(400, "ERROR_RELAXATION_FAILED", message="No structure could be relaxed.")
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
        values = load_protocol("dataset", protocol, overrides)
        builder = cls.get_builder()
        builder.element = Str(element)
        builder.settings = Dict(values["settings"])
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

    def build(self) -> None:
        """Build the structures of the recipe."""
        symbol = self.inputs.element.value
        self.ctx.built = build_recipe(
            self.inputs.recipe,
            self.inputs.element,
            Float(element(symbol).nearest_neighbour),
            self.inputs.seed,
        )

    def needs_relaxation(self) -> bool:
        """Whether the recipe wants structures relaxed."""
        return "to_relax" in self.ctx.built

    def relax(self) -> None:
        """Relax them with what samples."""
        process = self._submit_sampler(self.ctx.built["to_relax"], "relax_stages")
        self.to_context(relaxation=process)

    def vary(self) -> ExitCode | None:
        """Strain and rattle, and prepare what is sampled."""
        structures = dict(self.ctx.built)
        if structures.pop("to_relax", None) is not None:
            if "structures" not in self.ctx.relaxation.outputs:
                return self.exit_codes.ERROR_RELAXATION_FAILED
            structures["relaxed"] = self.ctx.relaxation.outputs.structures
        self.ctx.varied = vary_structures(self.inputs.recipe, self.inputs.seed, **structures)
        self.ctx.batches = sorted(key for key in self.ctx.varied if key.startswith("sample_"))
        return None

    def submit_batch(self, batch: str) -> ProcessNode:
        """Sample by molecular dynamics at one temperature."""
        temperature = int(batch.split("_")[1])
        return self._submit_sampler(self.ctx.varied[batch], "sample_stages", temperature)

    def gather(self) -> None:
        """Join all frames and thin them out to the number asked for."""
        parts = {"static": self.ctx.varied["static"]} if "static" in self.ctx.varied else {}
        for name, child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if "trajectory" in child.outputs:
                parts[name] = child.outputs.trajectory
            else:
                self.report(f"{name}: {child.process_label}<{child.pk}> kept no frames")
        total = Int(self.inputs.settings["total"])
        self.ctx.gathered = gather_frames(total, self.inputs.seed, **parts)

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

    def _submit_sampler(
        self, frames: FramesData, stages: str, temperature: int | None = None
    ) -> ProcessNode:
        definitions = self.inputs.settings[stages]
        if temperature is not None:
            definitions = [
                {**stage, "temperature": temperature} if stage["kind"] == "hold" else stage
                for stage in definitions
            ]
        seeds = [derive_seed(self.inputs.seed.value, i) for i in range(len(frames))]
        own = {"frames": frames, "stages": List(definitions), "seeds": List(seeds)}
        if "stages" in self.inputs:
            inputs = self.exposed_inputs(StagesWorkChain, namespace="stages")
            return self.submit(StagesWorkChain, **inputs, **own)
        inputs = self.exposed_inputs(LammpsBaseWorkChain, namespace="sampler")
        inputs["lammps"] |= own
        return self.submit(LammpsBaseWorkChain, **inputs)


_SETTINGS = {"relax_stages", "sample_stages", "total", "fractions", "max_force"}


def validate_settings(value: Dict, _) -> str | None:
    """All settings must be there, and no others."""
    given = set(value.get_dict())
    if given != _SETTINGS:
        missing, unknown = sorted(_SETTINGS - given), sorted(given - _SETTINGS)
        return f"settings: missing {missing or 'none'}, unknown {unknown or 'none'}"
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
    return None
