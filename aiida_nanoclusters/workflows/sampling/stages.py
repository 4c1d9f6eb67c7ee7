"""StagesWorkChain: relaxations and molecular dynamics of many structures, by any engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import List, ProcessNode

from aiida_nanoclusters.calculations.job_options import set_report
from aiida_nanoclusters.calculations.labels.label import isolated_atoms
from aiida_nanoclusters.calculations.sampling.lammps import validate_inputs as validate_lammps
from aiida_nanoclusters.calculations.sampling.ports import set_stage_results, set_stages
from aiida_nanoclusters.calculations.sampling.stages import join_stage_batches
from aiida_nanoclusters.science.sampling.segments import seeds_problem
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.labels.engine_batches import (
    EXTRAS,
    EngineBatchesWorkChain,
    engine_of,
    missing_inputs,
)
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.parts.batches import describe_child, take
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.label_store import remember

#: Engines by name; their contract is `StagesEngine` in `engines/contract.py`.
ENGINES: dict[str, Any] = {"potential": LammpsBaseWorkChain}

if find_spec(EXTRAS["cp2k"]):
    from aiida_nanoclusters.workflows.engines.cp2k_stages import Cp2kStagesEngineWorkChain

    ENGINES["cp2k"] = Cp2kStagesEngineWorkChain
if find_spec(EXTRAS["vasp"]):
    from aiida_nanoclusters.workflows.engines.vasp_stages import VaspStagesEngineWorkChain

    ENGINES["vasp"] = VaspStagesEngineWorkChain

#: Inputs that this work chain fills; that of LAMMPS takes them in a namespace.
_OWN = ("frames", "stages", "seeds")
_LAMMPS = "lammps"
_OUTPUTS = ("report", "structures", "trajectory")


class StagesWorkChain(EngineBatchesWorkChain):
    """Run structures through stages; the failure of one does not affect the others.

    The isolated atoms of the elements are labelled beforehand where the engine does not know their
    energies, so that the energies have the same reference as those of labels.
    """

    engines = ENGINES

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        set_stages(spec, frames=False, seeds=False)
        spec.inputs.validator = validate_inputs
        set_stage_results(spec)
        set_report(spec, "structures")
        spec.outline(
            cls.find_engine,
            if_(cls.needs_isolated_atoms)(cls.label_isolated_atoms),
            cls.split,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
        )
        spec.exit_code(400, "ERROR_NOTHING_FINISHED", message="No structure finished its stages.")
        spec.exit_code(
            401,
            "ERROR_STRUCTURES_FAILED",
            message="{count} structures failed: see `report`.",
        )
        spec.exit_code(
            402,
            "ERROR_NOT_CONVERGED",
            message="{count} structures did not reach the force tolerance; see `report`.",
        )

    @classmethod
    def filled_ports(cls, name: str) -> list[str]:
        """Return the ports of an engine that this work chain fills itself."""
        inside = f"{_LAMMPS}." if name == "potential" else ""
        return [f"{inside}{port}" for port in _OWN]

    @classmethod
    def get_builder_for_potential(cls, code, frames, stages, potential, options=None):
        """Return a builder which runs `stages` with a `potential` and a LAMMPS `code`."""
        builder = cls.get_builder()
        builder.frames, builder.stages = frames, List(list(stages))
        moving = any(stage.is_dynamic for stage in parse_stages(stages))
        prepared = job(code, options, "anneal" if moving else "relax", max(frames.sizes))
        builder.potential = {_LAMMPS: {**prepared, "potential": potential}}
        return builder

    @classmethod
    def get_builder_for_engine(cls, frames, stages, inputs):
        """Return a builder with the `inputs` of :meth:`.LabelWorkChain.engine_inputs`."""
        builder = cls.with_engine(frames, inputs)
        builder.stages = List(list(stages))
        return builder

    def label_isolated_atoms(self) -> None:
        """Label the isolated atom of each element, or reuse its label."""
        inputs = self._engine_inputs
        if "job" in inputs:  # without the parser of stages
            metadata = inputs["job"]["metadata"]
            options = {k: v for k, v in metadata["options"].items() if k != "parser_name"}
            inputs["job"] = {**inputs["job"], "metadata": {**metadata, "options": options}}
        atoms = isolated_atoms(self.inputs.frames)
        given = {"frames": atoms, "engine": self.inputs.engine, self._name: inputs}
        self.to_context(atoms=self.submit(LabelWorkChain, **given))

    def split(self) -> None:
        """Divide the structures into batches of similar cost."""
        frames = self.inputs.frames.frames
        self.ctx.batches = List(self.batches_of(frames, range(len(frames))))

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Submit the engine for the structures of these indices."""
        count = len(self.inputs.frames)
        seeds = self.inputs.seeds.get_list() if "seeds" in self.inputs else list(range(count))
        own = {
            "frames": take(self.inputs.frames, batch),
            "stages": self.inputs.stages,
            "seeds": List([seeds[i] for i in batch]),
        }
        inputs = self._engine_inputs
        if self._name == "potential":
            inputs[_LAMMPS] |= own
            return self.submit(LammpsBaseWorkChain, **inputs)
        inputs |= own
        process = self.submit(self._engine, **inputs)
        remember(process, self._engine.method(inputs))
        return process

    def gather(self) -> ExitCode | None:
        """Join structures, trajectories and reports."""
        parts: dict[str, Any] = {}
        for k, child in enumerate(self.finished_batches()):
            parts |= {f"{n}_{k:05d}": child.outputs[n] for n in _OUTPUTS if n in child.outputs}
            if not child.is_finished_ok:
                self.report(describe_child(child))
        if "atoms" in self.ctx:
            if "frames" in self.ctx.atoms.outputs:
                parts["atoms"] = self.ctx.atoms.outputs.frames
            else:
                self.report("no isolated atom could be labelled: the energies have no reference")
        joined = join_stage_batches(self.ctx.batches, **parts)
        self.out_many(joined)
        report, codes = joined["report"], self.exit_codes
        if "structures" not in joined:
            return codes.ERROR_NOTHING_FINISHED
        if report["n_failed"]:
            return codes.ERROR_STRUCTURES_FAILED.format(count=report["n_failed"])
        if report["n_unconverged"]:
            return codes.ERROR_NOT_CONVERGED.format(count=report["n_unconverged"])
        return None


def validate_inputs(inputs, _) -> str | None:
    """The engine must have its inputs, and must be able to compute structures and stages."""
    problem, name = missing_inputs(inputs, ENGINES), engine_of(inputs)
    if problem or name not in ENGINES or not {"frames", "stages"} <= set(inputs):
        return problem  # the ports report missing inputs and unknown engines
    count = len(inputs["frames"])
    seeds = inputs["seeds"] if "seeds" in inputs else List(list(range(count)))
    problem = seeds_problem(seeds.get_list(), count)
    if problem:
        return problem
    own = {"frames": inputs["frames"], "stages": inputs["stages"], "seeds": seeds}
    if name == "potential":
        return validate_lammps({**inputs[name][_LAMMPS], **own}, None)
    return ENGINES[name].spec().inputs.validator({**inputs[name], **own}, None)
