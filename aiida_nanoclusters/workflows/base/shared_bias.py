"""SharedBiasWorkChain: walkers of one system that fill one free-energy surface together."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import ArrayData, List, ProcessNode, load_node

from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.calculations.sampling.shared_bias import join_walkers, pool_hills
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.workflows.base.metadynamics import MetadynamicsBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child

#: Inputs of a walker that this work chain sets.
_SET_HERE = tuple(
    f"lammps.{name}" for name in ("stages", "seeds", "bias", "chart", "hills", "reference")
)


class SharedBiasWorkChain(BatchedWorkChain):
    """Run walkers side by side in rounds; in each they begin with the hills of all before.

    Between two exchanges a walker is a run of its own, which continues from LAMMPS's restart files
    where a job ends early: no hill is lost, and none is there twice. A walker goes on from its last
    positions, with new velocities.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        common_ports.settings_port(spec, MetadynamicsSettings, "Variables, hills and walkers")
        common_ports.seed_port(spec)
        spec.expose_inputs(MetadynamicsBaseWorkChain, exclude=_SET_HERE)
        for name, kind, what in (
            ("bias", ArrayData, "Of each walker the variables in time, and the hills of all."),
            ("trajectory", FramesData, "Of each walker the frames that were kept."),
        ):
            spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=what)
        spec.outline(
            cls.start,
            while_(cls.has_rounds)(
                cls.begin_round,
                while_(cls.has_batches)(cls.submit_batches),
                cls.exchange,
            ),
            cls.results,
        )
        spec.exit_code(
            410,
            "ERROR_WALKER_FAILED",
            message="A walker failed in round {number}, after which none went on: {message}",
        )

    @property
    def _settings(self) -> MetadynamicsSettings:
        return MetadynamicsSettings(**self.inputs.settings.get_dict())

    def start(self) -> None:
        """Begin with no hill."""
        self.ctx.rounds = []  # of each round the children
        self.ctx.hills = None
        self.ctx.failure = None

    def has_rounds(self) -> bool:
        """Whether all walkers are well, and have not run for the whole duration."""
        return self.ctx.failure is None and len(self.ctx.rounds) < len(self._settings.rounds())

    def begin_round(self) -> None:
        """Number the walkers."""
        self.ctx.children, self.ctx.batches = [], list(range(self._settings.walkers))

    def submit_batch(self, batch: int) -> ProcessNode:
        """Submit one walker until the next exchange."""
        number = len(self.ctx.rounds)
        inputs = self.exposed_inputs(MetadynamicsBaseWorkChain)
        lammps = inputs["lammps"]
        if number:
            lammps["reference"] = lammps["frames"]
            lammps["frames"] = load_node(self.ctx.rounds[-1][batch]).outputs.structures
            lammps["hills"] = load_node(self.ctx.hills)
        lammps["stages"] = List(self._settings.stages_of_round(number))
        lammps["seeds"] = List([derive_seed(self.inputs.seed.value, batch, number)])
        lammps["bias"] = self.inputs.settings
        return self.submit(MetadynamicsBaseWorkChain, **inputs)

    def exchange(self) -> None:
        """Put the hills of all walkers together; end where one of them failed."""
        children = self.finished_batches()
        self.ctx.rounds.append([child.pk for child in children])
        failed = [child for child in children if not child.is_finished_ok]
        if failed:
            self.ctx.failure = describe_child(failed[0])
            self.report(self.ctx.failure)
        elif self.has_rounds():
            parts = {f"walker_{k:03d}": child.outputs.bias for k, child in enumerate(children)}
            if self.ctx.hills is not None:
                parts["before"] = load_node(self.ctx.hills)
            self.ctx.hills = pool_hills(**parts).pk

    def results(self) -> ExitCode | None:
        """Attach what each walker felt, also where one failed."""
        parts: dict[str, ArrayData] = {}
        frames: dict[int, dict[str, FramesData]] = {}
        for number, pks in enumerate(self.ctx.rounds):
            for walker, child in enumerate(load_node(pk) for pk in pks):
                if "bias" in child.outputs:
                    parts[f"bias_{number:03d}_{walker:03d}"] = child.outputs.bias
                if "trajectory" in child.outputs:
                    own = frames.setdefault(walker, {})
                    own[f"round_{number:03d}"] = child.outputs.trajectory
        if parts:
            for name, node in join_walkers(self.inputs.settings, **parts).items():
                self.out(f"bias.{name}", node)
        for walker, own in frames.items():
            self.out(f"trajectory.walker_{walker:03d}", concatenate_frames(**own))
        if self.ctx.failure is None:
            return None
        number = len(self.ctx.rounds) - 1
        return self.exit_codes.ERROR_WALKER_FAILED.format(number=number, message=self.ctx.failure)
