"""MeltingWorkChain: at what temperature a cluster melts, and its surface before that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import ArrayData, Dict, Int, List, ProcessNode

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.calculations.melting import build_cluster, find_melting
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.clusters import motif_family
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.melting import bulk_melting_point
from aiida_nanoclusters.science.stages import count_steps, derive_seed, parse_stages
from aiida_nanoclusters.workflows.batches import BatchedWorkChain, told_by
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.validators import names_problem

_SETTINGS = {
    *("fractions", "runs", "relax", "equilibration", "production", "blocks", "lindemann"),
}
#: Smallest cluster whose pairs and surface mean anything.
_SMALLEST = 4


def stages_at(temperature: float, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stages of a run at one temperature (K): relax, equilibrate, produce."""
    holds = [
        {"kind": "hold", "temperature": temperature, **settings[name]}
        for name in ("equilibration", "production")
    ]
    return [dict(settings["relax"]), *holds]


def validate_settings(value: Dict, _) -> str | None:
    """All settings must be there and make sense."""
    settings = value.get_dict()
    if problem := names_problem(settings, _SETTINGS):
        return problem
    fractions, (low, high) = settings["fractions"], settings["lindemann"]
    numbers = all(isinstance(f, int | float) and 0 < f <= 3 for f in fractions)
    if not fractions or not numbers or fractions != sorted(set(fractions)):
        return "settings: `fractions` of the bulk's melting point must ascend, each from 0 to 3"
    for name in ("runs", "blocks"):
        if not isinstance(settings[name], int) or settings[name] < 1:
            return f"settings: `{name}` is {settings[name]!r}, give a whole number from 1"
    if not 0 < low < high:
        return "settings: `lindemann` must be two indices, the lower first, e.g. [0.10, 0.15]"
    if any("temperature" in settings[name] for name in ("equilibration", "production")):
        return "settings: `temperature` is the ladder's, take it out of the stages"
    try:
        *_, production = parse_stages(stages_at(300.0, settings))
    except (TypeError, ValueError) as error:
        return f"settings: {error}"
    steps = count_steps(production)
    samples = steps.total // steps.sample if steps.sample else 0
    if samples < 2 * settings["blocks"]:
        return (
            f"settings: `production` keeps {samples} frames for {settings['blocks']} blocks: each "
            "needs two, sample more often or longer"
        )
    return None


def validate_frames(value: FramesData | None, _) -> str | None:
    """One free cluster of elements whose melting point is known."""
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
    """A closed shell that exists, of an element whose melting point is known."""
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
        return "give either `frames`, a cluster there is, or `cluster`, one to be built"
    potential = inputs.get("lammps", {}).get("potential")
    if potential is None:
        return None  # the port says so itself
    wanted = given[0].elements if given[0] is not None else [given[1]["element"]]
    if missing := sorted(set(wanted) - set(potential.elements)):
        return f"the potential does not know {', '.join(missing)}: choose one of these elements"
    return None


class MeltingWorkChain(BatchedWorkChain):
    """Hold a cluster at a ladder of temperatures, each a job of its own, and see where it melts.

    All runs begin with the same relaxed structure: what is seen is melting, not freezing. A
    temperature whose run fails costs only itself.
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
            help="The cluster, one frame; its coordination tells surface from core.",
        )
        spec.input(
            "cluster",
            valid_type=Dict,
            required=False,
            validator=validate_cluster,
            help="A closed shell to be built instead: `element`, `motif` and `size`.",
        )
        spec.input("settings", valid_type=Dict, validator=validate_settings)
        spec.input("seed", valid_type=Int, default=lambda: Int(1))
        spec.expose_inputs(
            LammpsBaseWorkChain, exclude=("lammps.frames", "lammps.stages", "lammps.seeds")
        )
        spec.inputs.validator = validate_inputs
        spec.output("cluster", valid_type=FramesData, required=False, help="What was built.")
        spec.output(
            "curve",
            valid_type=ArrayData,
            help="Energies, heat capacities, Lindemann indices; names in `science/keys.py`.",
        )
        spec.output("melting", valid_type=Dict, help="Where it melts, by each sign.")
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

    def start(self) -> None:
        """Build the cluster where it is not given, and lay out the ladder."""
        settings = self.inputs.settings
        if "frames" in self.inputs:
            self.ctx.cluster = self.inputs.frames
        else:
            self.ctx.cluster = build_cluster(self.inputs.cluster)
            self.out("cluster", self.ctx.cluster)
        self.ctx.runs = self.ctx.cluster
        if settings["runs"] > 1:
            self.ctx.runs = select_frames(self.ctx.cluster, List([0] * settings["runs"]))
        bulk = bulk_melting_point(self.ctx.cluster.frames)
        self.ctx.batches = [round(bulk * fraction, 2) for fraction in settings["fractions"]]

    def submit_batch(self, batch: float) -> ProcessNode:
        """Submit all runs at one temperature."""
        settings = self.inputs.settings.get_dict()
        inputs = self.exposed_inputs(LammpsBaseWorkChain)
        inputs["lammps"]["frames"] = self.ctx.runs
        inputs["lammps"]["stages"] = List(stages_at(batch, settings))
        # By temperature, so that a run ends alike whatever else the ladder holds.
        seed = self.inputs.seed.value
        seeds = [derive_seed(seed, round(100 * batch), run) for run in range(settings["runs"])]
        inputs["lammps"]["seeds"] = List(seeds)
        return self.submit(LammpsBaseWorkChain, **inputs)

    def results(self) -> ExitCode | None:
        """Judge by the temperatures that came to their end; name the others."""
        trajectories, missing = {}, []
        for k, child in enumerate(self.finished_batches()):
            if child.is_finished_ok:
                trajectories[f"trajectory_{k:05d}"] = child.outputs.trajectory
            else:
                missing.append(f"{self.ctx.batches[k]:.0f}")
                self.report(told_by(child))
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
