"""MeltingWorkChain: at what temperature a cluster melts, and at what lower one its surface."""

from __future__ import annotations

import math

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import ArrayData, Dict, List, ProcessNode

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.calculations.melting.melting import build_cluster, find_melting
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.melting.melting import bulk_melting_point
from aiida_nanoclusters.science.melting.settings import MeltingSettings
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.structures.motifs import motif_family
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import potentials_problem

#: Smallest cluster for which surface and melting are defined, atoms.
_SMALLEST = 4


def validate_frames(value: FramesData | None, _) -> str | None:
    """One isolated cluster of elements whose bulk melting point is known."""
    if value is None:
        return None
    frames = value.frames
    if len(frames) != 1 or frames.pbc.any():
        return "`frames` must hold one cluster that is not periodic: pick it by `select_frames`"
    if frames.sizes[0] < _SMALLEST:
        return f"a cluster of {frames.sizes[0]} atoms cannot melt: give {_SMALLEST} or more"
    try:
        bulk_melting_point(frames)
    except ValueError as error:
        return str(error)
    return None


def validate_cluster(value: Dict | None, _) -> str | None:
    """A closed shell of an element whose bulk melting point is known."""
    if value is None:
        return None
    wanted = value.get_dict()
    if set(wanted) != {"element", "motif", "size"}:
        return "`cluster` needs exactly `element`, `motif` and `size`"
    symbol, motif, size = wanted["element"], wanted["motif"], wanted["size"]
    if isinstance(size, bool) or not isinstance(size, int) or size < _SMALLEST:
        return f"`size` is {size!r}: give a whole number from {_SMALLEST}"
    try:
        if not math.isfinite(element(symbol).melting_point):
            return f"no melting point for {symbol}: add it to ELEMENTS"
        near = motif_family(motif, 4, 3 * size + 100, shape="regular")
    except ValueError as error:
        return str(error)
    sizes = sorted((member.size for member in near), key=lambda n: abs(n - size))
    if sizes and sizes[0] == size:
        return None
    return f"no {motif} of {size} atoms: the nearest have {', '.join(map(str, sorted(sizes[:4])))}"


def validate_inputs(inputs, _) -> str | None:
    """One cluster, given or built, of elements that the potential knows."""
    given = inputs.get("frames"), inputs.get("cluster")
    if (given[0] is None) == (given[1] is None):
        return "give either `frames`, a given cluster, or `cluster`, a closed shell to build"
    wanted = given[0].elements if given[0] is not None else [given[1]["element"]]
    return potentials_problem(inputs, wanted)


class MeltingWorkChain(BatchedWorkChain):
    """Hold a cluster at ascending temperatures, each a job of its own, and find where it melts.

    All runs begin with the same relaxed structure, so that they show melting, not freezing. The
    other temperatures are analysed where the run of one fails.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "frames",
            valid_type=FramesData,
            required=False,
            validator=validate_frames,
            help="The cluster, one frame; coordination numbers distinguish surface and core.",
        )
        spec.input(
            "cluster",
            valid_type=Dict,
            required=False,
            validator=validate_cluster,
            help="Closed shell to build where `frames` is not given: `element`, `motif`, `size`.",
        )
        common_ports.settings_port(spec, MeltingSettings, "Temperatures, stages and analysis")
        common_ports.seed_port(spec)
        spec.expose_inputs(
            LammpsBaseWorkChain, exclude=("lammps.frames", "lammps.stages", "lammps.seeds")
        )
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec, "cluster", "The closed shell that was built.", required=False
        )
        spec.output(
            "curve",
            valid_type=ArrayData,
            help="Energies, heat capacities, Lindemann indices; names in `science/keys.py`.",
        )
        spec.output(
            "melting", valid_type=Dict, help="Melting point (K) by heat capacity and by Lindemann."
        )
        spec.outline(
            cls.start,
            while_(cls.has_batches)(cls.submit_batches),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_RUN", message="No temperature gave a trajectory.")
        spec.exit_code(
            401, "ERROR_TEMPERATURES_MISSING", message="No whole trajectory at {temperatures} K."
        )

    @classmethod
    def get_builder_from_protocol(
        cls, code, potential, cluster, protocol=None, overrides=None, options=None
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/melting.yaml`.

        Parameters
        ----------
        code, potential
            LAMMPS, PotentialData it can run.
        cluster
            FramesData of one cluster; or a mapping with `element`, `motif` and `size` to build.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        """
        values = load_protocol("melting", protocol, overrides)
        builder = cls.get_builder()
        if isinstance(cluster, FramesData):
            builder.frames, size = cluster, max(cluster.sizes)
        else:
            builder.cluster, size = Dict(dict(cluster)), cluster["size"]
        builder.settings = Dict(values["settings"])
        builder.lammps = {**job(code, options, "anneal", size), "potential": potential}
        return builder

    @property
    def _settings(self) -> MeltingSettings:
        return MeltingSettings(**self.inputs.settings.get_dict())

    def start(self) -> None:
        """Build the cluster where it is not given, and set the temperatures."""
        settings = self._settings
        if "frames" in self.inputs:
            self.ctx.cluster = self.inputs.frames
        else:
            self.ctx.cluster = build_cluster(self.inputs.cluster)
            self.out("cluster", self.ctx.cluster)
        self.ctx.runs = self.ctx.cluster
        if settings.runs > 1:
            self.ctx.runs = select_frames(self.ctx.cluster, List([0] * settings.runs))
        bulk = bulk_melting_point(self.ctx.cluster.frames)
        self.ctx.batches = [round(bulk * fraction, 2) for fraction in settings.fractions]

    def submit_batch(self, batch: float) -> ProcessNode:
        """Submit all runs at one temperature."""
        settings = self._settings
        inputs = self.exposed_inputs(LammpsBaseWorkChain)
        inputs["lammps"]["frames"] = self.ctx.runs
        inputs["lammps"]["stages"] = List(settings.stages_at(batch))
        # By temperature, so that a run does not depend on the other temperatures.
        seed = self.inputs.seed.value
        seeds = [derive_seed(seed, round(100 * batch), run) for run in range(settings.runs)]
        inputs["lammps"]["seeds"] = List(seeds)
        return self.submit(LammpsBaseWorkChain, **inputs)

    def results(self) -> ExitCode | None:
        """Analyse the temperatures whose runs finished; name the others."""
        trajectories, missing = {}, []
        for k, child in enumerate(self.finished_batches()):
            if child.is_finished_ok:
                trajectories[f"trajectory_{k:05d}"] = child.outputs.trajectory
            else:
                missing.append(f"{self.ctx.batches[k]:.0f}")
                self.report(describe_child(child))
        if not trajectories:
            return self.exit_codes.ERROR_NOTHING_RUN
        temperatures = List(list(self.ctx.batches))
        self.out_many(
            find_melting(self.ctx.cluster, temperatures, self.inputs.settings, **trajectories)
        )
        self.report(self.outputs["melting"]["sentence"])
        if missing:
            return self.exit_codes.ERROR_TEMPERATURES_MISSING.format(
                temperatures=", ".join(missing)
            )
        return None
