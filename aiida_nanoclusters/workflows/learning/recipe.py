"""SamplingWorkChain: frames made by a recipe; base of what labels them and of what explores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Dict, Float, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.dataset import (
    build_recipe,
    gather_frames,
    take_minima,
    vary_structures,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.recipe import conditions_of, minima_sizes
from aiida_nanoclusters.science.recipe_checks import recipe_problem
from aiida_nanoclusters.science.stages import derive_seed
from aiida_nanoclusters.workflows.basin_hopping import BasinHoppingWorkChain
from aiida_nanoclusters.workflows.basin_hopping import validate_settings as validate_hopping
from aiida_nanoclusters.workflows.batches import BatchedWorkChain, told_by
from aiida_nanoclusters.workflows.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.stages import StagesWorkChain
from aiida_nanoclusters.workflows.validators import names_problem, validate_element

#: What every sampling must be told, and what only recipes with entries of kind `minima` need.
SETTINGS = {"relax_stages", "sample_stages", "total"}
HOPPING = "basin_hopping"


def validate_recipe(value: List | None, _: Any) -> str | None:
    """The recipe must be one."""
    return None if value is None else recipe_problem(value.get_list())


def settings_problem(settings: Mapping[str, Any], known: set[str]) -> str | None:
    """Return what is wrong with the settings of a sampling: all of `known` must be there."""
    if problem := names_problem(set(settings) - {HOPPING}, known):
        return problem
    if HOPPING in settings and (problem := validate_hopping(Dict(settings[HOPPING]), None)):
        return f"{HOPPING}: {problem}"
    return None


def following_problem(inputs: Mapping[str, Any]) -> str | None:
    """Return what hinders following the recipe with these inputs, or None."""
    if not {"recipe", "settings"} <= set(inputs):
        return None  # the ports say so themselves
    recipe = inputs["recipe"].get_list()
    if minima_sizes(recipe) and HOPPING not in inputs["settings"].get_dict():
        return (
            f"settings: the recipe has entries of kind `minima`: give `{HOPPING}`, the settings "
            "of a basin hopping"
        )
    engine = inputs.get("stages", {}).get("engine")
    pressed = [k for k, entry in enumerate(recipe) if (entry.get("sample") or {}).get("pressures")]
    if pressed and engine is not None and engine.value != "potential":
        return (
            f"entry {pressed[0]} of the recipe has `pressures`: first principles keep the cell "
            "here; leave them out, or sample by a potential"
        )
    return None


def hopping_settings(values: dict[str, Any], symbol: str) -> dict[str, Any]:
    """Return the settings of a protocol, with those of the basin hopping it names, if it does."""
    name = values.pop(HOPPING, None)
    if name is None:
        return dict(values["settings"])
    found = load_protocol(HOPPING, name, element=symbol)["settings"]
    return {HOPPING: found, **values["settings"]}


class SamplingWorkChain(BatchedWorkChain):
    """Build, search minima, relax, vary and sample what a recipe says.

    Structures come from `recipe` (see `aiida_nanoclusters.science.recipe`) and are led by
    `sampler`, a potential, or by the engine of `stages`. A subclass puts :meth:`sampling` in its
    outline and finds unlabelled frames in ``ctx.gathered``.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare the ports that all samplings share."""
        super().define(spec)
        spec.input("element", valid_type=Str, validator=validate_element)
        spec.input("recipe", valid_type=List, required=False, validator=validate_recipe)
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
        spec.exit_code(400, "ERROR_RELAXATION_FAILED", message="No structure could be relaxed.")
        spec.exit_code(403, "ERROR_NO_FRAMES", message="The sampling came to nothing: {reason}")

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
        symbol = self.inputs.element.value
        distance = Float(element(symbol).nearest_neighbour)
        self.ctx.structures = build_recipe(
            self.inputs.recipe, self.inputs.element, distance, self.inputs.seed
        )

    def needs_minima(self) -> bool:
        """Whether the recipe wants minima searched."""
        return bool(minima_sizes(self.inputs.recipe.get_list()))

    def find_minima(self) -> None:
        """Search them by basin hopping, with what samples."""
        if "stages" in self.inputs:
            engine = dict(self.exposed_inputs(StagesWorkChain, namespace="stages"))
        else:
            sampler = self.exposed_inputs(LammpsBaseWorkChain, namespace="sampler")
            engine = {"potential": sampler}
        inputs = {
            **engine,
            "element": self.inputs.element,
            "sizes": List(minima_sizes(self.inputs.recipe.get_list())),
            "settings": Dict(self.inputs.settings[HOPPING]),
            "seed": self.inputs.seed,
        }
        self.to_context(hopping=self.submit(BasinHoppingWorkChain, **inputs))

    def take_minima(self) -> None:
        """Take the lowest minima, and what was sampled on the way to them."""
        child = self.ctx.hopping
        if not child.is_finished_ok:
            self.report(f"minima: {told_by(child)}")
        if "minima" in child.outputs:
            self.ctx.structures = {
                **self.ctx.structures,
                "minima": take_minima(self.inputs.recipe, child.outputs.minima),
            }

    def needs_relaxation(self) -> bool:
        """Whether the recipe wants structures relaxed."""
        return "to_relax" in self.ctx.structures

    def relax(self) -> None:
        """Relax them with what samples."""
        process = self._submit_sampler(self.ctx.structures["to_relax"], "relax_stages")
        self.to_context(relaxation=process)

    def vary(self) -> ExitCode | None:
        """Strain and rattle, and prepare what is sampled."""
        structures = dict(self.ctx.structures)
        if structures.pop("to_relax", None) is not None:
            if "structures" not in self.ctx.relaxation.outputs:
                return self.exit_codes.ERROR_RELAXATION_FAILED
            structures["relaxed"] = self.ctx.relaxation.outputs.structures
        if not structures:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason="no minimum was found.")
        self.ctx.structures = vary_structures(self.inputs.recipe, self.inputs.seed, **structures)
        self.ctx.batches = sorted(key for key in self.ctx.structures if key.startswith("sample_"))
        return None

    def submit_batch(self, batch: str) -> ProcessNode:
        """Sample by molecular dynamics under one condition."""
        return self._submit_sampler(self.ctx.structures[batch], "sample_stages", batch)

    def gather(self) -> ExitCode | None:
        """Join all frames and thin them out to the number asked for."""
        parts = {"static": self.ctx.structures["static"]} if "static" in self.ctx.structures else {}
        if "hopping" in self.ctx and "trajectory" in self.ctx.hopping.outputs:
            parts["relaxations"] = self.ctx.hopping.outputs.trajectory
        for name, child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if "trajectory" in child.outputs:
                parts[name] = child.outputs.trajectory
            else:
                self.report(f"{name}: {child.process_label}<{child.pk}> kept no frames")
        if not parts:
            return self.exit_codes.ERROR_NO_FRAMES.format(reason="no run kept a frame.")
        total = Int(self.inputs.settings["total"])
        try:
            self.ctx.gathered = gather_frames(total, self.inputs.seed, **parts)
        except ValueError as error:  # not one of them is whole
            return self.exit_codes.ERROR_NO_FRAMES.format(reason=str(error))
        return None

    def _submit_sampler(
        self, frames: FramesData, stages: str, conditions: str | None = None
    ) -> ProcessNode:
        definitions = self.inputs.settings[stages]
        if conditions is not None:
            own = conditions_of(conditions)
            definitions = [
                {**stage, **own} if stage["kind"] == "hold" else stage for stage in definitions
            ]
        seeds = [derive_seed(self.inputs.seed.value, i) for i in range(len(frames))]
        given = {"frames": frames, "stages": List(definitions), "seeds": List(seeds)}
        if "stages" in self.inputs:
            inputs = self.exposed_inputs(StagesWorkChain, namespace="stages")
            return self.submit(StagesWorkChain, **inputs, **given)
        inputs = self.exposed_inputs(LammpsBaseWorkChain, namespace="sampler")
        inputs["lammps"] |= given
        return self.submit(LammpsBaseWorkChain, **inputs)
