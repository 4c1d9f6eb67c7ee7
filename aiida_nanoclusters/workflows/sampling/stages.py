"""StagesWorkChain: relaxations and molecular dynamics of many structures, by any engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Dict, List, ProcessNode

from aiida_nanoclusters.calculations.label import lone_atoms
from aiida_nanoclusters.calculations.lammps import validate_inputs as validate_lammps
from aiida_nanoclusters.calculations.lammps import validate_stages
from aiida_nanoclusters.calculations.stages import join_stage_batches
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.packing import split_by_cost
from aiida_nanoclusters.science.segments import seeds_problem
from aiida_nanoclusters.science.stages import parse_stages
from aiida_nanoclusters.workflows.batches import BatchedWorkChain, take, told_by
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.label import EXTRAS, LabelWorkChain
from aiida_nanoclusters.workflows.label_store import remember
from aiida_nanoclusters.workflows.lammps import LammpsBaseWorkChain

#: Engines by name. In: `frames`, `stages`, `seeds` and what they need besides. Out: `structures`,
#: the labelled ends of those that came there, `trajectory`, the labelled frames sampled on the way,
#: both in input order, and `report`, which tells of every structure what became of it and why.
ENGINES: dict[str, Any] = {"potential": LammpsBaseWorkChain}

if find_spec(EXTRAS["cp2k"]):
    from aiida_nanoclusters.workflows.engines.cp2k_stages import Cp2kStagesEngineWorkChain

    ENGINES["cp2k"] = Cp2kStagesEngineWorkChain
if find_spec(EXTRAS["vasp"]):
    from aiida_nanoclusters.workflows.engines.vasp_stages import VaspStagesEngineWorkChain

    ENGINES["vasp"] = VaspStagesEngineWorkChain

#: What this work chain gives every engine itself; that of LAMMPS wants it in a namespace.
_OWN = ("frames", "stages", "seeds")
_LAMMPS = "lammps"
_OUTPUTS = ("report", "structures", "trajectory")


class StagesWorkChain(BatchedWorkChain):
    """Lead structures through stages; one that fails costs only itself.

    The isolated atoms of the elements are labelled beforehand, where the engine does not know their
    energies: what comes out has the same reference of energies as labels have.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(LabelWorkChain, include=("frames", "engine", "batch_size"))
        spec.input(
            "stages",
            valid_type=List,
            validator=validate_stages,
            help="What is done to each structure, one mapping a stage; `science/stages.py`.",
        )
        spec.input(
            "seeds",
            valid_type=List,
            required=False,
            help="One integer per structure; 0, 1, 2, ... where not given.",
        )
        for name, engine in ENGINES.items():
            inside = f"{_LAMMPS}." if name == "potential" else ""
            spec.expose_inputs(
                engine,
                namespace=name,
                exclude=[f"{inside}{port}" for port in _OWN],
                namespace_options={"required": False, "populate_defaults": False},
            )
        spec.inputs.validator = validate_inputs
        spec.output(
            "structures",
            valid_type=FramesData,
            required=False,
            help="Where the structures came to, labelled, in input order.",
        )
        spec.output(
            "trajectory",
            valid_type=FramesData,
            required=False,
            help="Labelled frames sampled on the way; `info` tells structure, stage and time.",
        )
        spec.output("report", valid_type=Dict, help="Of every structure what became of it.")
        spec.outline(
            if_(cls.needs_lone_atoms)(cls.label_lone_atoms),
            cls.split,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
        )
        spec.exit_code(400, "ERROR_NOTHING_FINISHED", message="No structure came to its end.")
        spec.exit_code(
            401,
            "ERROR_STRUCTURES_FAILED",
            message="{count} structures failed; `report` says why.",
        )
        spec.exit_code(
            402,
            "ERROR_NOT_CONVERGED",
            message="{count} structures did not reach the force tolerance; see `report`.",
        )

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
        builder = cls.get_builder()
        builder.frames, builder.stages = frames, List(list(stages))
        for name, value in inputs.items():
            setattr(builder, name, value)
        return builder

    @property
    def _name(self) -> str:
        return self.inputs.engine.value

    def needs_lone_atoms(self) -> bool:
        """Whether the energies of isolated atoms are to be computed."""
        return getattr(ENGINES[self._name], "needs_lone_atoms", False)

    def label_lone_atoms(self) -> None:
        """Label the isolated atom of each element; often this profile has it already."""
        inputs = self.exposed_inputs(ENGINES[self._name], namespace=self._name)
        if "job" in inputs:  # its parser is that of stages
            metadata = inputs["job"]["metadata"]
            options = {k: v for k, v in metadata["options"].items() if k != "parser_name"}
            inputs["job"] = {**inputs["job"], "metadata": {**metadata, "options": options}}
        atoms = lone_atoms(self.inputs.frames)
        given = {"frames": atoms, "engine": self.inputs.engine, self._name: inputs}
        self.to_context(atoms=self.submit(LabelWorkChain, **given))

    def split(self) -> None:
        """Divide the structures into batches of similar cost."""
        frames, engine = self.inputs.frames.frames, ENGINES[self._name]
        count = len(frames)
        batches = split_by_cost(
            [float(n) ** getattr(engine, "cost_exponent", 1.0) for n in frames.sizes],
            [frames.numbers[frames.atoms_of(i)].tobytes() for i in range(count)],
            self.inputs.batch_size.value,
            getattr(engine, "least_batches", 1) * self.inputs.max_concurrent.value,
        )
        self.ctx.batches = List([sorted(batch) for batch in batches])

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Submit the engine for the structures of these indices."""
        count = len(self.inputs.frames)
        seeds = self.inputs.seeds.get_list() if "seeds" in self.inputs else list(range(count))
        own = {
            "frames": take(self.inputs.frames, batch),
            "stages": self.inputs.stages,
            "seeds": List([seeds[i] for i in batch]),
        }
        inputs = self.exposed_inputs(ENGINES[self._name], namespace=self._name)
        if self._name == "potential":
            inputs[_LAMMPS] |= own
            return self.submit(LammpsBaseWorkChain, **inputs)
        inputs |= own
        process = self.submit(ENGINES[self._name], **inputs)
        remember(process, ENGINES[self._name].method(inputs))
        return process

    def gather(self) -> ExitCode | None:
        """Join structures, trajectories and reports."""
        parts: dict[str, Any] = {}
        for k, child in enumerate(self.finished_batches()):
            parts |= {f"{n}_{k:05d}": child.outputs[n] for n in _OUTPUTS if n in child.outputs}
            if not child.is_finished_ok:
                self.report(told_by(child))
        if "atoms" in self.ctx:
            if "frames" in self.ctx.atoms.outputs:
                parts["atoms"] = self.ctx.atoms.outputs.frames
            else:
                self.report("no isolated atom could be labelled: energies have no reference")
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
    """The engine asked for must have its inputs, and be able to do structures and stages."""
    name = inputs["engine"].value if "engine" in inputs else "potential"
    if name in ENGINES and name not in inputs:
        return f"engine `{name}` needs its inputs in the namespace `{name}`"
    if name not in ENGINES or not {"frames", "stages"} <= set(inputs):
        return None  # the ports say so themselves
    count = len(inputs["frames"])
    seeds = inputs["seeds"] if "seeds" in inputs else List(list(range(count)))
    problem = seeds_problem(seeds.get_list(), count)
    if problem:
        return problem
    own = {"frames": inputs["frames"], "stages": inputs["stages"], "seeds": seeds}
    if name == "potential":
        return validate_lammps({**inputs[name][_LAMMPS], **own}, None)
    return ENGINES[name].spec().inputs.validator({**inputs[name], **own}, None)
