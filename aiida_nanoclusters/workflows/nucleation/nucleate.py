"""NucleateWorkChain: from a solution to a potential of its own, and the free energy of assembly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, WorkChain
from aiida.orm import ArrayData, Dict, Int, List, ProcessNode

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.calculations.nucleation.solution import analyse_solution
from aiida_nanoclusters.calculations.sampling.metadynamics import system_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.nucleation.settings import NucleationSettings
from aiida_nanoclusters.science.nucleation.solution import roles_problem
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.structures.settings import GIVEN
from aiida_nanoclusters.workflows.labels.label import limit_jobs
from aiida_nanoclusters.workflows.learning.active_learning import ActiveLearningWorkChain
from aiida_nanoclusters.workflows.learning.dataset import DatasetWorkChain
from aiida_nanoclusters.workflows.learning.recipe import stages_process, structures_problem
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import describe_child
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, merge
from aiida_nanoclusters.workflows.sampling.metadynamics import MetadynamicsWorkChain

#: Parts of a study: name of its inputs and outputs: work chain.
PARTS: dict[str, Any] = {
    "dataset": DatasetWorkChain,
    "active_learning": ActiveLearningWorkChain,
    "metadynamics": MetadynamicsWorkChain,
}
#: Sets of labelled frames that one part hands to the next.
_SETS = ("training", "validation", "test")


def validate_inputs(inputs: Mapping[str, Any], _: Any) -> str | None:
    """The structures must be those of the recipes, and variables those of their atoms."""
    if "solution" not in inputs or "settings" not in inputs:
        return None  # their ports report this
    frames = inputs["solution"].frames
    if len(frames.elements) < 2:
        return f"the solution holds {frames.elements[0]} alone: give a metal with its ligands"
    formulas = sorted({atoms.get_chemical_formula() for atoms in frames})
    if len(formulas) > 1:
        return f"`solution` holds {', '.join(formulas)}: give structures of one composition"
    settings = NucleationSettings(**inputs["settings"].get_dict())
    if settings.start >= len(frames):
        return f"there is no structure {settings.start} to start from: there are {len(frames)}"
    bias = inputs.get("metadynamics", {}).get("settings")
    if settings.analysis is not None:
        if problem := roles_problem(settings.analysis, frames):
            return f"settings.analysis: {problem}; null measures nothing"
        if bias is not None and bias.get_dict().get("walkers", 1) > 1:
            return "frames of several `walkers` are not measured: give `analysis: null`, or `runs`"
    return solution_problem(inputs, inputs["solution"], settings)


def solution_problem(
    inputs: Mapping[str, Any], solution: FramesData, settings: NucleationSettings
) -> str | None:
    """Return why structures do not suffice for the recipes and the metadynamics, or None."""
    given, frames = {"structures": solution}, solution.frames
    following = {
        "dataset": inputs.get("dataset", {}),
        "active_learning": inputs.get("active_learning", {}).get("explore", {}),
    }
    for part, own in following.items():
        recipe = own["recipe"].get_list() if "recipe" in own else []
        if recipe and (problem := structures_problem(recipe, given, frames.elements)):
            return f"{part}: {problem}"
    if "settings" in inputs.get("metadynamics", {}):
        bias = MetadynamicsSettings(**inputs["metadynamics"]["settings"].get_dict())
        problem = system_problem(bias, frames.select([settings.start]))
        return problem and f"metadynamics: {problem}"
    return None


class NucleateWorkChain(WorkChain):
    """Equilibrate a solution, learn its potential, and run metadynamics with it.

    The reference equilibrates the packed structures and labels a first data set, active learning
    with metadynamics among its explorations grows it, and metadynamics with a member of the last
    committee gives the free energy along the variables.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "solution",
            valid_type=FramesData,
            help="Packed structures of one or several solutions of equal composition.",
        )
        common_ports.settings_port(spec, NucleationSettings, "Protocols of the parts, and stages")
        common_ports.seed_port(spec)
        spec.expose_inputs(
            DatasetWorkChain,
            namespace="dataset",
            exclude=(*common_ports.ELEMENTS, "structures", "labelled", "seed"),
        )
        spec.expose_inputs(
            ActiveLearningWorkChain,
            namespace="active_learning",
            exclude=(*common_ports.ELEMENTS, *_SETS, "explore.structures", "seed"),
        )
        spec.expose_inputs(
            MetadynamicsWorkChain,
            namespace="metadynamics",
            exclude=("frames", "chart", "lammps.potential", "seed"),
        )
        spec.inputs.validator = validate_inputs
        spec.output(
            "equilibrated",
            valid_type=FramesData,
            required=False,
            help="The structures after the equilibration by the reference.",
        )
        for name, kind, what in (
            ("structure", ArrayData, "Distributions of distances and angles, and the solvent."),
            ("structure_report", Dict, "Their maxima beside published ones, and states."),
        ):
            text = f"Of each run of the metadynamics: {what}"
            spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)
        for name, process in PARTS.items():
            spec.expose_outputs(process, namespace=name, namespace_options={"required": False})
            for port in spec.outputs[name].values():
                port.required = False  # of a part that failed
        spec.outline(
            cls.equilibrate,
            cls.inspect_equilibration,
            cls.make_dataset,
            cls.inspect_dataset,
            cls.learn,
            cls.inspect_learning,
            cls.drive,
            cls.results,
        )
        spec.exit_code(400, "ERROR_EQUILIBRATION", message="No structure equilibrated: {reason}")
        spec.exit_code(401, "ERROR_DATASET", message="The data set failed: {reason}")
        spec.exit_code(402, "ERROR_LEARNING", message="There is no potential: {reason}")
        spec.exit_code(403, "ERROR_METADYNAMICS", message="The metadynamics failed: {reason}")

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: JobCodes,
        solution: FramesData,
        reference=None,
        protocol=None,
        overrides=None,
        label=None,
        stages=None,
        part_overrides=None,
    ):
        """Return a builder; numbers from `protocols/nucleate.yaml` and those it names.

        Parameters
        ----------
        codes
            :class:`.workflows.parts.codes.JobCodes`.
        solution
            FramesData of packed structures.
        reference
            PotentialData that equilibrates, samples and labels.
        protocol, overrides
            Name of a protocol, and changes to it.
        label
            Inputs of a LabelWorkChain, from its `engine_inputs`: a first-principles program labels.
        stages
            The same for the engine that equilibrates and samples in place of `reference`.
        part_overrides
            Changes to the protocols of the parts: `dataset`, `active_learning`, `metadynamics`.
        """
        values = NucleationSettings.from_values(**load_protocol("nucleate", protocol, overrides))
        changed, symbols = part_overrides or {}, solution.elements
        builder = cls.get_builder()
        builder.solution, builder.settings = solution, Dict(values.model_dump())
        dataset = DatasetWorkChain.get_builder_from_protocol(
            codes.lammps, symbols, reference, None, values.dataset, changed.get("dataset"),
            options=codes.lammps_options, label=label, stages=stages,
        )._inputs(prune=True)  # fmt: skip
        builder.dataset = {k: v for k, v in dataset.items() if k not in common_ports.ELEMENTS}
        bias = load_protocol(
            "metadynamics", values.metadynamics, changed.get("metadynamics"), element=symbols
        )["settings"]
        builder.metadynamics = {
            "settings": Dict(bias),
            "lammps": job(codes.lammps, codes.lammps_options, "anneal", max(solution.sizes)),
        }
        builder.active_learning = _loop_inputs(
            codes, solution, reference, values, bias, label, changed.get("active_learning")
        )
        codes.limit(builder.dataset, builder.metadynamics)
        for part, given in (("label", label), ("stages", stages)):
            if given is not None:
                limit_jobs(builder.dataset[part], codes.max_concurrent)
        return builder

    @property
    def _settings(self) -> NucleationSettings:
        return NucleationSettings(**self.inputs.settings.get_dict())

    # -- labels ----------------------------------------------------------------------------

    def equilibrate(self) -> None:
        """Relax and heat the packed structures with the engine that samples the data set."""
        engines = self.exposed_inputs(DatasetWorkChain, namespace="dataset")
        stages, seed = self._settings.equilibration, self.inputs.seed.value
        process, inputs = stages_process(engines, self.inputs.solution, stages, seed)
        self.to_context(equilibration=self.submit(process, **inputs))

    def inspect_equilibration(self) -> ExitCode | None:
        """Continue with the structures that there are; a relaxation need not have converged."""
        child = self.ctx.equilibration
        if "structures" not in child.outputs:
            return self.exit_codes.ERROR_EQUILIBRATION.format(reason=describe_child(child))
        if not child.is_finished_ok:
            self.report(f"equilibration: {describe_child(child)}")
        self.out("equilibrated", child.outputs.structures)
        lost = len(self.inputs.solution) - len(child.outputs.structures)
        if lost:  # numbers of structures would mean others
            reason = f"{lost} structures were lost, leave them out: {describe_child(child)}"
            return self.exit_codes.ERROR_EQUILIBRATION.format(reason=reason)
        problem = solution_problem(self.inputs, child.outputs.structures, self._settings)
        if problem:  # molecules may have changed
            advice = "after the equilibration: pack with another seed, or hand in structures"
            reason = f"{problem} ({advice})"
            return self.exit_codes.ERROR_EQUILIBRATION.format(reason=reason)
        return None

    @property
    def _structures(self) -> FramesData:
        return self.ctx.equilibration.outputs.structures

    @property
    def _elements(self) -> dict[str, List]:
        return {"elements": List(sorted(self.inputs.solution.elements))}

    def make_dataset(self) -> None:
        """Sample and label the first data set."""
        inputs = self.exposed_inputs(DatasetWorkChain, namespace="dataset")
        inputs |= {"structures": self._structures, "seed": self.inputs.seed, **self._elements}
        self.to_context(dataset=self.submit(DatasetWorkChain, **inputs))

    def inspect_dataset(self) -> ExitCode | None:
        """End where there are no labels."""
        self._attach("dataset")
        if not self.ctx.dataset.is_finished_ok:
            return self.exit_codes.ERROR_DATASET.format(reason=describe_child(self.ctx.dataset))
        return None

    # -- potential -------------------------------------------------------------------------

    def learn(self) -> None:
        """Grow the training set by active learning."""
        inputs = self.exposed_inputs(ActiveLearningWorkChain, namespace="active_learning")
        inputs |= {name: self.ctx.dataset.outputs[name] for name in _SETS}
        inputs |= {"seed": self.inputs.seed, **self._elements}
        inputs["explore"] = {**inputs["explore"], "structures": self._structures}
        self.to_context(active_learning=self.submit(ActiveLearningWorkChain, **inputs))

    def inspect_learning(self) -> ExitCode | None:
        """End where no member of the committee is left."""
        self._attach("active_learning")
        child = self.ctx.active_learning
        if "compiled" not in child.outputs:
            return self.exit_codes.ERROR_LEARNING.format(reason=describe_child(child))
        if not child.is_finished_ok:
            self.report(f"active learning: {describe_child(child)}")
        return None

    # -- free energy -----------------------------------------------------------------------

    def drive(self) -> None:
        """Run metadynamics with the first member of the last committee."""
        committee = dict(self.ctx.active_learning.outputs.compiled)
        inputs = self.exposed_inputs(MetadynamicsWorkChain, namespace="metadynamics")
        inputs["frames"] = select_frames(self._structures, List([self._settings.start]))
        inputs["lammps"] = {**inputs["lammps"], "potential": committee[min(committee)]}
        inputs["seed"] = Int(derive_seed(self.inputs.seed.value, len(PARTS)))
        self.to_context(metadynamics=self.submit(MetadynamicsWorkChain, **inputs))

    def results(self) -> ExitCode | None:
        """Output the free energy, and measure structure and solvent in the frames."""
        self._attach("metadynamics")
        child = self.ctx.metadynamics
        if self._settings.analysis is not None and {"bias", "trajectory"} <= set(child.outputs):
            self._analyse(child)
        if not child.is_finished_ok:
            return self.exit_codes.ERROR_METADYNAMICS.format(reason=describe_child(child))
        return None

    def _analyse(self, child: ProcessNode) -> None:
        """Measure the frames of each run that kept some."""
        frames, bias = dict(child.outputs.trajectory), dict(child.outputs.bias)
        settings = Dict(self.inputs.settings["analysis"])
        for name in sorted(set(frames) & set(bias)):
            try:
                found = analyse_solution(
                    settings,
                    child.inputs.settings,
                    child.inputs.frames,
                    frames[name],
                    bias[name],
                )
            except ValueError as error:
                self.report(f"{name} is not analysed: {error}")
                continue
            for output, node in found.items():
                self.out(f"{output}.{name}", node)

    def _attach(self, name: str) -> None:
        self.out_many(self.exposed_outputs(self.ctx[name], PARTS[name], namespace=name))


def _loop_inputs(
    codes: JobCodes,
    solution: FramesData,
    reference: Any,
    values: NucleationSettings,
    bias: Mapping[str, Any],
    label: Mapping[str, Any] | None,
    overrides: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the inputs of active learning but its frames; metadynamics is among its recipe."""
    symbols, name = solution.elements, values.active_learning
    loaded = load_protocol("active_learning", name, overrides, element=symbols)
    recipe = [*loaded["explore"]["recipe"], *_biased_entries(values, bias)]
    own = merge(dict(overrides or {}), {"explore": {"recipe": recipe}})
    builder = ActiveLearningWorkChain.get_builder_from_protocol(
        codes, symbols, None, None, None, reference, name, own, label
    )
    inputs = dict(builder._inputs(prune=True))
    return {key: value for key, value in inputs.items() if key not in common_ports.ELEMENTS}


def _biased_entries(
    values: NucleationSettings, bias: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """Return the entry of a recipe that explores by metadynamics, if there is one."""
    if values.biased is None:
        return []
    settings = {**merge(bias, values.biased.changes), "runs": 1, "walkers": 1}
    return [{"kind": GIVEN, "frames": values.biased.structures, "metadynamics": settings}]
