"""MetadynamicsWorkChain: a cluster driven between its structures, and the free energy between."""

from __future__ import annotations

from collections.abc import Iterator

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import ArrayData, Data, Dict, Int, List, ProcessNode

from aiida_nanoclusters.calculations.sampling.metadynamics import bias_problem, system_problem
from aiida_nanoclusters.calculations.sampling.metadynamics_results import analyse_metadynamics
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.workflows.base.metadynamics import MetadynamicsBaseWorkChain
from aiida_nanoclusters.workflows.base.shared_bias import SharedBiasWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import potentials_problem

#: Inputs of a run that this work chain sets.
_SET_HERE = tuple(
    f"lammps.{name}"
    for name in ("frames", "stages", "seeds", "bias", "chart", "hills", "reference")
)


def validate_inputs(inputs, _) -> str | None:
    """A bias that can act on the system, and a potential that knows its elements."""
    if "frames" not in inputs or "settings" not in inputs:
        return None  # their ports report this
    frames, settings = inputs["frames"], MetadynamicsSettings(**inputs["settings"].get_dict())
    problem = system_problem(settings, frames.frames)
    problem = problem or bias_problem(settings, frames.frames, inputs.get("chart"))
    return problem or potentials_problem(inputs, frames.elements)


class MetadynamicsWorkChain(BatchedWorkChain):
    """Run a cluster or a solution under metadynamics or OPES, and determine the free energy.

    Independent runs differ in their seeds and have each its own bias, which walkers may share. The
    failure of one run does not affect the others.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "frames",
            valid_type=FramesData,
            help="The cluster, or the solution; one frame, at a minimum or near.",
        )
        spec.input(
            "chart",
            valid_type=ChartData,
            required=False,
            help="Chart whose coordinates are variables; trained from thermal frames to minima.",
        )
        common_ports.settings_port(spec, MetadynamicsSettings, "Variables, hills and analysis")
        common_ports.seed_port(spec)
        spec.expose_inputs(MetadynamicsBaseWorkChain, exclude=_SET_HERE)
        spec.inputs.validator = validate_inputs
        spec.output(
            "free_energy",
            valid_type=ArrayData,
            required=False,
            help="Free energy along the variables by hills (none of OPES) and by reweighting, with "
            "errors; names in `science/keys.py`.",
        )
        for name, kind, what in (
            ("bias", ArrayData, "Of each run, or walker, the variables in time and all hills."),
            ("trajectory", FramesData, "Of each run, or walker, the frames that were kept."),
        ):
            spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=what)
        spec.output(
            "report",
            valid_type=Dict,
            required=False,
            help="Of each run the hills, the height of the last one as a share of the first, the "
            "duration (ps) and the ranges of the variables.",
        )
        spec.output(
            "answer",
            valid_type=Dict,
            required=False,
            help="Basins of the free energy, their difference by hills and by reweighting and the "
            "lowest path between them, with errors (eV); `converged` and the `reason`.",
        )
        spec.outline(
            cls.start,
            while_(cls.has_batches)(cls.submit_batches),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_RUN", message="No run came to anything: {message}")
        spec.exit_code(401, "ERROR_RUNS_INCOMPLETE", message="The runs {runs} are not complete.")

    @classmethod
    def get_builder_from_protocol(
        cls, code, potential, frames, protocol=None, overrides=None, options=None, *, chart=None
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/metadynamics.yaml`.

        Parameters
        ----------
        code, potential
            LAMMPS with the plugin, PotentialData it can run.
        frames
            FramesData of one cluster.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        chart
            ChartData, where a variable is one of its coordinates.
        """
        values = load_protocol("metadynamics", protocol, overrides, element=frames.elements)
        builder = cls.get_builder()
        builder.frames = frames
        builder.settings = Dict(values["settings"])
        if chart is not None:
            builder.chart = chart
        builder.lammps = {
            **job(code, options, "anneal", max(frames.sizes)),
            "potential": potential,
        }
        return builder

    @property
    def _settings(self) -> MetadynamicsSettings:
        return MetadynamicsSettings(**self.inputs.settings.get_dict())

    def start(self) -> None:
        """Number the runs."""
        self.ctx.batches = list(range(self._settings.runs))

    def submit_batch(self, batch: int) -> ProcessNode:
        """Submit one run."""
        inputs = self.exposed_inputs(MetadynamicsBaseWorkChain)
        inputs["lammps"]["frames"] = self.inputs.frames
        seed = derive_seed(self.inputs.seed.value, batch)
        if self._settings.walkers > 1:
            inputs |= {name: self.inputs[name] for name in ("settings", "max_concurrent")}
            return self.submit(SharedBiasWorkChain, seed=Int(seed), **inputs)
        inputs["lammps"]["stages"] = List(self._settings.stages())
        inputs["lammps"]["seeds"] = List([seed])
        inputs["lammps"]["bias"] = self.inputs.settings
        if "chart" in self.inputs:
            inputs["lammps"]["chart"] = self.inputs.chart
        return self.submit(MetadynamicsBaseWorkChain, **inputs)

    def results(self) -> ExitCode | None:
        """Determine the free energy from the runs; name those that are not complete."""
        found, incomplete, message = {}, [], ""
        for k, child in enumerate(self.finished_batches()):
            for name, node in _of_run("bias", k, child):
                found[name] = node
                self.out(f"bias.{name}", node)
            for name, node in _of_run("trajectory", k, child):
                self.out(f"trajectory.{name}", node)
            if not child.is_finished_ok:
                incomplete.append(str(k))
                message = describe_child(child)
                self.report(message)
        if not found:
            return self.exit_codes.ERROR_NOTHING_RUN.format(message=message)
        self.out_many(analyse_metadynamics(self.inputs.settings, **found))
        if incomplete:
            return self.exit_codes.ERROR_RUNS_INCOMPLETE.format(runs=", ".join(incomplete))
        return None


def _of_run(output: str, number: int, child: ProcessNode) -> Iterator[tuple[str, Data]]:
    """Return an output of a run by its name here: one of each walker where there are several."""
    if output not in child.outputs:
        return
    found, name = child.outputs[output], f"run_{number:03d}"
    if isinstance(found, Data):
        yield name, found
        return
    for walker in sorted(found):
        yield f"{name}_{walker}", found[walker]
