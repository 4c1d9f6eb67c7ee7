"""StudyWorkChain: from labels to the answer, the whole road."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, WorkChain
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.study import build_probes, motif_systematic
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.clusters import motif_family
from aiida_nanoclusters.workflows.crossover import CrossoverWorkChain
from aiida_nanoclusters.workflows.dataset import DatasetWorkChain
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label import limit_jobs
from aiida_nanoclusters.workflows.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.resources import options_at
from aiida_nanoclusters.workflows.size_scan import SizeScanWorkChain
from aiida_nanoclusters.workflows.train import TrainWorkChain
from aiida_nanoclusters.workflows.validators import validate_element


class StudyWorkChain(WorkChain):
    """Make or take a data set, train a committee, scan sizes, find the crossover.

    With `reference`, a potential cheap enough for large clusters, its own exact curve is
    computed beside the learnt one, and the error of the learnt difference between the motifs is
    measured and becomes part of the interval.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("element", valid_type=Str, validator=validate_element)
        spec.expose_inputs(
            LammpsBaseWorkChain,
            namespace="reference",
            exclude=("lammps.frames", "lammps.seeds"),
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "A potential cheap enough for large clusters, and how it relaxes them.",
            },
        )
        spec.input(
            "probes",
            valid_type=Dict,
            validator=validate_probes,
            default=lambda: Dict({"motifs": {}, "unseen": []}),
            help="Sizes at which the committee is compared with the reference.",
        )
        spec.expose_inputs(DatasetWorkChain, namespace="dataset", exclude=("element",))
        spec.expose_inputs(
            TrainWorkChain,
            namespace="train",
            exclude=("training", "validation", "test", "unseen", "motifs", "start_from"),
        )
        spec.expose_inputs(
            SizeScanWorkChain,
            namespace="size_scan",
            exclude=("element", "committee", "lammps.potential", "reference"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.expose_inputs(
            CrossoverWorkChain,
            namespace="crossover",
            exclude=("element", "potentials", "systematic_mev"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.expose_outputs(DatasetWorkChain, namespace="dataset")
        spec.expose_outputs(TrainWorkChain, namespace="train")
        optional = {"required": False}
        spec.expose_outputs(SizeScanWorkChain, namespace="size_scan", namespace_options=optional)
        for name in ("crossover", "reference_crossover"):
            spec.expose_outputs(CrossoverWorkChain, namespace=name, namespace_options=optional)
        # A part that was not asked for, or failed, has none of its outputs.
        for name in ("size_scan", "crossover", "reference_crossover"):
            for port in spec.outputs[name].values():
                port.required = False
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
        lammps,
        nequip,
        element,
        reference=None,
        labelled=None,
        protocol=None,
        overrides=None,
        lammps_options=None,
        nequip_options=None,
        max_concurrent=2,
        label=None,
        stages=None,
    ):
        """Return a builder; numbers from `protocols/study.yaml` and those it names.

        Parameters
        ----------
        lammps, nequip
            Codes: LAMMPS, and a Python with nequip.
        element
            Chemical symbol.
        reference
            PotentialData that labels, and that large clusters are compared with.
        labelled
            FramesData the user already has, instead of a data set made by a recipe.
        protocol, overrides
            Name of a protocol, and what to change in it.
        lammps_options, nequip_options
            `metadata.options` of the jobs of either code.
        max_concurrent
            Jobs of one part that may run at once.
        label
            Inputs of a LabelWorkChain, from its `engine_inputs`: then a program of first principles
            labels, `reference` only samples, and there is no exact curve to compare with.
        stages
            The same, for what relaxes and samples the frames; `reference` is then not needed.
        """
        values = load_protocol("study", protocol, overrides)
        builder = cls.get_builder()
        builder.element = Str(element)
        recipe = values["dataset"] if label is None else values["dataset_by_engine"]
        builder.dataset = DatasetWorkChain.get_builder_from_protocol(
            lammps,
            element,
            reference,
            labelled,
            recipe,
            options=lammps_options,
            label=label,
            stages=stages,
        )._inputs(prune=True)
        train = TrainWorkChain.get_builder_from_protocol(
            nequip,
            lammps,
            protocol=values["train"],
            overrides=values.get("training"),
            options=nequip_options,
        )
        train.options["evaluate"] = options_at(lammps_options, "evaluate")
        builder.train = train._inputs(prune=True)
        builder.size_scan = SizeScanWorkChain.get_builder_from_protocol(
            lammps, {}, element, values["size_scan"], options=lammps_options
        )._inputs(prune=True)
        builder.crossover = CrossoverWorkChain.get_builder_from_protocol(
            lammps, {}, element, values["crossover"], options=lammps_options
        )._inputs(prune=True)
        for part in (builder.dataset, builder.train, builder.size_scan):
            part["max_concurrent"] = Int(max_concurrent)
        for part, given in (("label", label), ("stages", stages)):
            if given is not None:
                limit_jobs(builder.dataset[part], max_concurrent)
        if label is None and reference is not None:
            builder.probes = Dict(values["probes"])
            stages = List(values["probe_stages"])
            largest = max(n for sizes in values["probes"]["motifs"].values() for n in sizes)
            relax = job(lammps, lammps_options, "relax", largest)
            jobs = {**relax, "potential": reference, "stages": stages}
            for port, value in jobs.items():
                builder.reference.lammps[port] = value
        return builder

    # -- labels ----------------------------------------------------------------------------

    def make_dataset(self) -> None:
        """Make or take the labelled frames; what needs only the reference runs beside it."""
        inputs = self.exposed_inputs(DatasetWorkChain, namespace="dataset")
        inputs["element"] = self.inputs.element
        self.to_context(dataset=self.submit(DatasetWorkChain, **inputs))
        if self.has_reference():
            if "crossover" in self.inputs:
                members = {"reference": self.inputs.reference.lammps.potential}
                self.to_context(reference_crossover=self._crossover(members))
            for name, frames in build_probes(self.inputs.element, self.inputs.probes).items():
                relax = self.exposed_inputs(LammpsBaseWorkChain, namespace="reference")
                relax["lammps"]["frames"] = frames
                self.to_context(**{f"probe_{name}": self.submit(LammpsBaseWorkChain, **relax)})

    def has_reference(self) -> bool:
        """Whether the reference can be asked for clusters of its own."""
        return "reference" in self.inputs

    def inspect_dataset(self) -> ExitCode | None:
        """Nothing can be learnt without labels."""
        if not self.ctx.dataset.is_finished_ok:
            return self.exit_codes.ERROR_DATASET.format(reason=self.ctx.dataset.exit_message)
        return None

    # -- potential -------------------------------------------------------------------------

    def train(self) -> None:
        """Train the committee and compare it with the reference."""
        inputs = self.exposed_inputs(TrainWorkChain, namespace="train")
        for part in ("training", "validation", "test"):
            inputs[part] = self.ctx.dataset.outputs[part]
        for name in ("unseen", "motifs"):
            probe = self.ctx.get(f"probe_{name}")
            if probe is not None and "structures" in probe.outputs:
                inputs[name] = probe.outputs.structures
        self.to_context(training=self.submit(TrainWorkChain, **inputs))

    def inspect_training(self) -> ExitCode | None:
        """A committee may have lost members, but not all of them."""
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
            inputs["committee"] = committee
            self.to_context(size_scan=self.submit(SizeScanWorkChain, **inputs))
        if "crossover" in self.inputs:
            systematic = {}
            found = self.ctx.training.outputs
            if "errors" in found and "motif_difference" in found.errors:
                systematic["systematic_mev"] = motif_systematic(found.errors)
            self.to_context(crossover=self._crossover(committee, **systematic))

    def results(self) -> ExitCode | None:
        """Hand on what every part found; a part that failed does not take the others along."""
        failed = []
        for name, process in (
            ("dataset", DatasetWorkChain),
            ("train", TrainWorkChain),
            ("size_scan", SizeScanWorkChain),
            ("crossover", CrossoverWorkChain),
            ("reference_crossover", CrossoverWorkChain),
        ):
            child = self.ctx.get("training" if name == "train" else name)
            if child is None:
                continue
            self.out_many(self.exposed_outputs(child, process, namespace=name))
            if not child.is_finished_ok:
                failed.append(f"{name}: {child.exit_message}")
        if failed:
            return self.exit_codes.ERROR_INCOMPLETE.format(reason="; ".join(failed))
        return None

    def _crossover(self, members: dict[str, PotentialData], **inputs):
        inputs = {**self.exposed_inputs(CrossoverWorkChain, namespace="crossover"), **inputs}
        inputs["element"] = self.inputs.element
        inputs["potentials"] = members
        return self.submit(CrossoverWorkChain, **inputs)


def validate_probes(value: Dict, _) -> str | None:
    """Probes are sizes by motif, and sizes."""
    if set(value.get_dict()) != {"motifs", "unseen"}:
        return "probes need exactly `motifs` (sizes by motif) and `unseen` (sizes)"
    for motif, sizes in value["motifs"].items():
        try:
            family = motif_family(motif, 1, max(sizes, default=1), shape="regular")
        except ValueError as error:
            return f"probes: {error}"
        closed = [member.size for member in family]
        odd = [str(size) for size in sizes if size not in closed]
        if odd:
            near = ", ".join(str(size) for size in closed[-5:])
            return (
                f"probes: {motif} has no closed shell of {', '.join(odd)} atoms, but of ..., {near}"
            )
    return None
