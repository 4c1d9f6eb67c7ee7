"""SamplingWorkChain: frames sampled by a recipe, for a data set or for exploration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiida.engine import ExitCode, ProcessSpec, WorkChain, if_, while_
from aiida.engine.processes.ports import PortNamespace
from aiida.orm import Dict, Float, Int, List, ProcessNode

from aiida_nanoclusters.calculations.learning.dataset import (
    build_alloy_recipe,
    build_recipe,
    end_where_broken,
    gather_frames,
    take_minima,
    vary_structures,
)
from aiida_nanoclusters.calculations.sampling.metadynamics import PARSER as BIAS_PARSER
from aiida_nanoclusters.calculations.sampling.metadynamics import system_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.learning.dataset_settings import SamplingSettings
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.structures.alloys import drawn_compositions
from aiida_nanoclusters.science.structures.given import given_problem, whole_entries
from aiida_nanoclusters.science.structures.recipe import (
    biased_entry,
    conditions_of,
    entry_of,
    minima_sizes,
)
from aiida_nanoclusters.science.structures.recipe_checks import (
    elements_problem,
    recipe_problem,
)
from aiida_nanoclusters.science.structures.settings import GIVEN
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.base.metadynamics import MetadynamicsBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import potentials_problem
from aiida_nanoclusters.workflows.sampling.basin_hopping import BasinHoppingWorkChain
from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain

#: Key of the settings, and name of the protocols, of the search for `minima`.
HOPPING = "basin_hopping"


def validate_recipe(value: List | None, _: Any) -> str | None:
    """Refuse recipes with unknown or incomplete entries."""
    if value is None:
        return None
    recipe = value.get_list()
    if problem := recipe_problem(recipe):
        return problem
    for k, entry in enumerate(recipe):
        if problem := _bias_problem(entry.get("metadynamics")):
            return f"entry {k} ({entry['kind']}), `metadynamics`: {problem}"
    return None


def _bias_problem(bias: Mapping[str, Any] | None) -> str | None:
    """Return what is wrong with the metadynamics of an entry, or None."""
    if not bias:
        return None
    if problem := MetadynamicsSettings.problem(bias):
        return problem
    if any(bias.get(name, 1) > 1 for name in ("runs", "walkers")):
        return "`runs` and `walkers` are of a work chain of its own: write the entry twice"
    return None


def following_problem(inputs: Mapping[str, Any], ports: PortNamespace | None) -> str | None:
    """Return why these inputs of `ports` do not suffice to follow the recipe, or None."""
    if problem := common_ports.elements_problem(inputs, ports):
        return problem
    if not {"recipe", "settings"} <= set(inputs):
        return None  # the ports report it
    recipe = inputs["recipe"].get_list()
    symbols = common_ports.elements_of(inputs)
    problem = structures_problem(recipe, inputs, symbols) or potentials_problem(inputs, symbols)
    if problem:
        return problem
    if minima_sizes(recipe) and not inputs["settings"].get_dict().get(HOPPING):
        return (
            f"settings: the recipe has entries of kind `minima`: give `{HOPPING}`, the settings "
            "of a basin hopping"
        )
    biased = [k for k, entry in enumerate(recipe) if entry.get("metadynamics")]
    if biased and "stages" in inputs:
        return (
            f"entry {biased[0]} of the recipe has `metadynamics`, which needs a potential that "
            "LAMMPS runs: sample with one"
        )
    engine = inputs.get("stages", {}).get("engine")
    pressed = [k for k, entry in enumerate(recipe) if (entry.get("sample") or {}).get("pressures")]
    if pressed and engine is not None and engine.value != "potential":
        return (
            f"entry {pressed[0]} of the recipe has `pressures`: first-principles engines sample at "
            "constant cell; leave them out, or sample with a potential"
        )
    return None


def structures_problem(
    recipe: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any], symbols: Sequence[str]
) -> str | None:
    """Return why the structures of a recipe cannot be had, built of elements or given, or None."""
    if not symbols:
        return None  # a parent fills them in
    given = inputs["structures"].frames if "structures" in inputs else None
    if problem := elements_problem(recipe, symbols) or given_problem(recipe, given, symbols):
        return problem
    for k, entry in enumerate(recipe):
        if given is None or not entry.get("metadynamics") or entry["kind"] != GIVEN:
            continue
        settings = MetadynamicsSettings(**entry["metadynamics"])
        taken = entry.get("frames") or range(len(given))
        problems = (system_problem(settings, given.select([n])) for n in taken)
        if problem := next(filter(None, problems), None):
            return f"entry {k} of the recipe, `metadynamics`: {problem}"
    return None


def hopping_settings(values: dict[str, Any], symbol: str | Sequence[str]) -> dict[str, Any]:
    """Return the settings of a protocol, with those of the basin hopping that it names, if any."""
    name = values.pop(HOPPING, None)
    if name is None:
        return dict(values["settings"])
    found = load_protocol(HOPPING, name, element=symbol)["settings"]
    return {HOPPING: found, **values["settings"]}


def stages_process(
    engines: Mapping[str, Any], frames: FramesData, stages: Sequence[Mapping[str, Any]], seed: int
) -> tuple[type[WorkChain], dict[str, Any]]:
    """Return the work chain that runs stages of frames, and its inputs.

    Parameters
    ----------
    engines
        With `stages`, the inputs of an engine, or `sampler`, those of LAMMPS with a potential.
    frames, stages
        Structures, and what is run of each.
    seed
        Of all velocities and random forces.
    """
    seeds = [derive_seed(seed, i) for i in range(len(frames))]
    given = {
        "frames": frames,
        "stages": List([dict(stage) for stage in stages]),
        "seeds": List(seeds),
    }
    if "stages" in engines:
        return StagesWorkChain, {**engines["stages"], **given}
    sampler = engines["sampler"]
    return LammpsBaseWorkChain, {**sampler, "lammps": {**sampler["lammps"], **given}}


class SamplingWorkChain(BatchedWorkChain):
    """Build, search minima, relax, vary and sample what a recipe says.

    Structures are built from `recipe` (see `science/structures/recipe.py`), relaxed and sampled by
    `sampler`, a potential, or by the engine of `stages`. A subclass puts :meth:`sampling` in its
    outline and finds the unlabelled frames in ``ctx.gathered``.

    Attributes
    ----------
    SETTINGS
        Model of the settings.
    """

    SETTINGS: ClassVar[type[SamplingSettings]] = SamplingSettings

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the ports that all samplings share."""
        super().define(spec)
        common_ports.elements_port(spec)
        spec.input(
            "recipe",
            valid_type=List,
            required=False,
            validator=validate_recipe,
            help="Entries: structures and how they are varied, see docs/reference/recipes.md.",
        )
        spec.input(
            "structures",
            valid_type=FramesData,
            required=False,
            help="Structures of the entries of kind `given`.",
        )
        common_ports.settings_port(spec, cls.SETTINGS, "Stages and number of frames")
        common_ports.seed_port(spec)
        own = ("frames", "stages", "seeds")
        for process, namespace, exclude, what in (
            (
                LammpsBaseWorkChain,
                "sampler",
                tuple(f"lammps.{name}" for name in own),
                "LAMMPS and the potential that relaxes and samples.",
            ),
            (StagesWorkChain, "stages", own, "Engine that relaxes and samples, not `sampler`."),
        ):
            optional = {"required": False, "populate_defaults": False, "help": what}
            spec.expose_inputs(
                process, namespace=namespace, exclude=exclude, namespace_options=optional
            )
        spec.exit_code(400, "ERROR_RELAXATION_FAILED", message="No structure could be relaxed.")
        spec.exit_code(403, "ERROR_NO_FRAMES", message="Nothing was sampled: {reason}")

    @classmethod
    def sampling(cls) -> tuple[Any, ...]:
        """Return the steps from the recipe to ``ctx.gathered``."""
        return (
            cls.build,
            if_(cls.needs_minima)(cls.find_minima, cls.take_minima),
            if_(cls.needs_relaxation)(cls.relax),
            cls.vary,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
        )

    def build(self) -> None:
        """Build the structures of the recipe."""
        given = self.inputs
        own = {"structures": given.structures} if "structures" in given else {}
        if "elements" in given:
            self.ctx.structures = build_alloy_recipe(
                given.recipe, given.elements, given.seed, **own
            )
            return
        distance = Float(element(given.element.value).nearest_neighbour)
        self.ctx.structures = build_recipe(given.recipe, given.element, distance, given.seed, **own)

    def needs_minima(self) -> bool:
        """Whether the recipe has entries of kind `minima`."""
        return bool(minima_sizes(self.inputs.recipe.get_list()))

    def find_minima(self) -> None:
        """Search the minima by basin hopping, with the engine that samples."""
        if "stages" in self.inputs:
            engine = dict(self.exposed_inputs(StagesWorkChain, namespace="stages"))
        else:
            sampler = self.exposed_inputs(LammpsBaseWorkChain, namespace="sampler")
            engine = {"potential": sampler}
        recipe = self.inputs.recipe.get_list()
        if "elements" in self.inputs:
            symbols, seed = self.inputs.elements.get_list(), self.inputs.seed.value
            clusters = {"compositions": List(drawn_compositions(recipe, symbols, seed))}
        else:
            clusters = {"element": self.inputs.element, "sizes": List(minima_sizes(recipe))}
        inputs = {
            **engine,
            **clusters,
            "settings": Dict(self.inputs.settings[HOPPING]),
            "seed": self.inputs.seed,
        }
        self.to_context(hopping=self.submit(BasinHoppingWorkChain, **inputs))

    def take_minima(self) -> None:
        """Take the lowest minima."""
        child = self.ctx.hopping
        if not child.is_finished_ok:
            self.report(f"minima: {describe_child(child)}")
        if "minima" in child.outputs:
            self.ctx.structures = {
                **self.ctx.structures,
                "minima": take_minima(self.inputs.recipe, child.outputs.minima),
            }

    def needs_relaxation(self) -> bool:
        """Whether the recipe has structures to relax."""
        return "to_relax" in self.ctx.structures

    def relax(self) -> None:
        """Relax them with the engine that samples."""
        process = self._submit_sampler(self.ctx.structures["to_relax"], "relax_stages")
        self.to_context(relaxation=process)

    def vary(self) -> ExitCode | None:
        """Strain and rattle, and prepare the structures to sample."""
        structures = dict(self.ctx.structures)
        if structures.pop("to_relax", None) is not None:
            if "structures" not in self.ctx.relaxation.outputs:
                return self.exit_codes.ERROR_RELAXATION_FAILED
            structures["relaxed"] = self.ctx.relaxation.outputs.structures
        if not structures:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason="no minimum was found.")
        self.ctx.structures = vary_structures(self.inputs.recipe, self.inputs.seed, **structures)
        self.ctx.batches = sorted(
            key for key in self.ctx.structures if key.startswith(("sample_", "biased_"))
        )
        return None

    def submit_batch(self, batch: str) -> ProcessNode:
        """Sample at one temperature and pressure by molecular dynamics, or by metadynamics."""
        frames, entry = self.ctx.structures[batch], biased_entry(batch)
        if entry is not None:
            return self._submit_biased(frames, entry, self.ctx.batches.index(batch))
        return self._submit_sampler(frames, "sample_stages", batch)

    def gather(self) -> ExitCode | None:
        """Join all frames and thin them out to `total`."""
        parts = {"static": self.ctx.structures["static"]} if "static" in self.ctx.structures else {}
        if "hopping" in self.ctx and "trajectory" in self.ctx.hopping.outputs:
            parts["relaxations"] = self.ctx.hopping.outputs.trajectory
        for name, child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if "trajectory" in child.outputs:
                parts[name] = self._whole(name, child.outputs.trajectory)
            else:
                self.report(f"{name}: {child.process_label}<{child.pk}> kept no frames")
        if not parts:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason="no run kept a frame.")
        total = Int(self.inputs.settings["total"])
        try:
            self.ctx.gathered = gather_frames(total, self.inputs.seed, **parts)
        except ValueError as error:  # all frames are broken
            return self.exit_codes.ERROR_NO_FRAMES.format(reason=str(error))
        return None

    def _whole(self, name: str, trajectory: FramesData) -> FramesData:
        """Return a trajectory up to where a molecule comes apart, if the recipe asks for it."""
        starts = self.ctx.structures[name]
        if not set(entry_of(starts.frames)) & {*whole_entries(self.inputs.recipe.get_list())}:
            return trajectory
        found = end_where_broken(self.inputs.recipe, starts, trajectory)
        for parent, reason in sorted(found["report"]["reasons"].items()):
            self.report(f"{name}: {parent} ends where a molecule came apart: {reason}")
        return found["frames"]

    def _submit_biased(self, frames: FramesData, entry: int, number: int) -> ProcessNode:
        """Run metadynamics of one structure."""
        settings = MetadynamicsSettings(**self.inputs.recipe[entry]["metadynamics"])
        inputs = self.exposed_inputs(LammpsBaseWorkChain, namespace="sampler")
        options = {**inputs["lammps"]["metadata"]["options"], "parser_name": BIAS_PARSER}
        inputs["lammps"] |= {
            "metadata": {**inputs["lammps"]["metadata"], "options": options},
            "frames": frames,
            "stages": List(settings.stages()),
            "seeds": List([derive_seed(self.inputs.seed.value, number)]),
            "bias": Dict(settings.model_dump()),
        }
        return self.submit(MetadynamicsBaseWorkChain, **inputs)

    def _submit_sampler(
        self, frames: FramesData, stages: str, conditions: str | None = None
    ) -> ProcessNode:
        definitions = self.inputs.settings[stages]
        if conditions is not None:
            own = conditions_of(conditions)
            definitions = [
                {**stage, **own} if stage["kind"] == "hold" else stage for stage in definitions
            ]
        process, inputs = stages_process(self.inputs, frames, definitions, self.inputs.seed.value)
        return self.submit(process, **inputs)
