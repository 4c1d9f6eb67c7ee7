"""AnnealWorkChain: the lowest structures of given sizes, by simulated annealing."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Dict, Float, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.anneal import make_starts, rank_structures
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.packing import split_by_cost
from aiida_nanoclusters.science.stages import count_evaluations, derive_seed, parse_stages
from aiida_nanoclusters.workflows.batches import BatchedWorkChain, take, told_by
from aiida_nanoclusters.workflows.jobs import job
from aiida_nanoclusters.workflows.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.validators import names_problem, validate_element, validate_sizes

_SETTINGS = {"starts", "keep", "stages", "relax_stages", "atom_steps_per_job"}


def validate_settings(value: Dict, _) -> str | None:
    """All settings must be there and make sense."""
    settings = value.get_dict()
    if problem := names_problem(settings, _SETTINGS):
        return problem
    for name in ("starts", "keep", "atom_steps_per_job"):
        if not isinstance(settings[name], int | float) or settings[name] < 1:
            return f"settings: `{name}` is {settings[name]!r}, give a number from 1"
    try:
        parse_stages(settings["stages"])
        parse_stages(settings["relax_stages"])
    except ValueError as error:
        return f"settings: {error}"
    return None


class AnnealWorkChain(BatchedWorkChain):
    """Melt, cool slowly, quench and relax from several starts; keep the lowest of each size.

    The starts themselves are relaxed as well: of a size at which one is a closed shell that is the
    lowest structure, however quickly the others were cooled.

    With `reference`, the lowest structures are relaxed again by another potential, as the
    published road does by density functional theory; their energies are then the reference's.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("element", valid_type=Str, validator=validate_element)
        spec.input("sizes", valid_type=List, validator=validate_sizes)
        spec.input("settings", valid_type=Dict, validator=validate_settings)
        spec.input("seed", valid_type=Int, default=lambda: Int(1))
        spec.expose_inputs(
            LammpsBaseWorkChain,
            exclude=("lammps.frames", "lammps.stages", "lammps.seeds"),
        )
        spec.expose_inputs(
            LammpsBaseWorkChain,
            namespace="reference",
            exclude=("lammps.frames", "lammps.stages", "lammps.seeds"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.output(
            "structures",
            valid_type=FramesData,
            help="The lowest unlike structures, sizes ascending, the lowest first.",
        )
        spec.output("table", valid_type=Dict, help="What they are.")
        spec.outline(
            cls.start,
            while_(cls.has_batches)(cls.submit_batches),
            cls.rank,
            if_(cls.has_reference)(cls.relax_by_reference, cls.rank_again),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_ANNEALED", message="No run ended in a structure.")
        spec.exit_code(401, "ERROR_SIZES_MISSING", message="No structure of {sizes} atoms.")
        spec.exit_code(402, "ERROR_REFERENCE_FAILED", message="The reference relaxed nothing.")

    @classmethod
    def get_builder_from_protocol(
        cls, code, potential, element, sizes, protocol=None, overrides=None, options=None
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/anneal.yaml`.

        Parameters
        ----------
        code, potential, element, sizes
            LAMMPS, PotentialData it can run, chemical symbol, numbers of atoms.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        """
        values = load_protocol("anneal", protocol, overrides, element=element)
        builder = cls.get_builder()
        builder.element = Str(element)
        builder.sizes = List(list(sizes))
        builder.settings = Dict(values["settings"])
        builder.lammps = {
            **job(code, options, "anneal", max(sizes)),
            "potential": potential,
        }
        return builder

    def start(self) -> None:
        """Build the starts and deal them out into jobs of about equal cost."""
        settings = self.inputs.settings
        self.ctx.starts = make_starts(
            self.inputs.element,
            self.inputs.sizes,
            Int(settings["starts"]),
            Float(element(self.inputs.element.value).nearest_neighbour),
            self.inputs.seed,
        )
        sizes = [int(n) for n in self.ctx.starts.frames.sizes]
        costs = [float(n * count_evaluations(parse_stages(settings["stages"]))) for n in sizes]
        n_jobs = max(1, round(sum(costs) / settings["atom_steps_per_job"]))
        jobs = split_by_cost(costs, sizes, len(sizes), n_jobs)
        self.ctx.batches = [["relax_stages", list(range(len(sizes)))]]
        self.ctx.batches += [["stages", sorted(members)] for members in jobs]

    def submit_batch(self, batch: list) -> ProcessNode:
        """Take the starts of these indices through some stages."""
        stages, members = batch
        inputs = self.exposed_inputs(LammpsBaseWorkChain)
        return self._submit_lammps(inputs, take(self.ctx.starts, members), stages)

    def rank(self) -> ExitCode | None:
        """Find the lowest among all runs that ended in a structure."""
        ended = {}
        for k, child in enumerate(self.finished_batches()):
            if "structures" in child.outputs:
                ended[f"annealed_{k:05d}" if k else "built"] = child.outputs.structures
            if not child.is_finished_ok:
                self.report(told_by(child))
        if not ended:
            return self.exit_codes.ERROR_NOTHING_ANNEALED
        try:
            self.ctx.ranked = rank_structures(Int(self.inputs.settings["keep"]), **ended)
        except ValueError as error:  # not one of them is whole
            self.report(str(error))
            return self.exit_codes.ERROR_NOTHING_ANNEALED
        return None

    def has_reference(self) -> bool:
        """Whether the lowest are to be relaxed again by a reference."""
        return "reference" in self.inputs

    def relax_by_reference(self) -> None:
        """Relax the lowest structures with the reference."""
        inputs = self.exposed_inputs(LammpsBaseWorkChain, namespace="reference")
        structures = self.ctx.ranked["structures"]
        self.to_context(reference=self._submit_lammps(inputs, structures, "relax_stages"))

    def rank_again(self) -> ExitCode | None:
        """Rank by the reference's energies."""
        if "structures" not in self.ctx.reference.outputs:
            return self.exit_codes.ERROR_REFERENCE_FAILED
        keep = Int(self.inputs.settings["keep"])
        self.ctx.ranked = rank_structures(keep, reference=self.ctx.reference.outputs.structures)
        return None

    def results(self) -> ExitCode | None:
        """Hand on the structures; a size without any is an error that names it."""
        self.out_many(self.ctx.ranked)
        found = set(self.ctx.ranked["structures"].sizes)
        missing = [n for n in self.inputs.sizes.get_list() if n not in found]
        if missing:
            return self.exit_codes.ERROR_SIZES_MISSING.format(sizes=", ".join(map(str, missing)))
        return None

    def _submit_lammps(self, inputs, frames: FramesData, stages: str) -> ProcessNode:
        inputs["lammps"]["frames"] = frames
        inputs["lammps"]["stages"] = List(self.inputs.settings[stages])
        # By start, so that a run ends alike whatever else its job carries.
        inputs["lammps"]["seeds"] = List([derive_seed(seed) for seed in frames.frames.seeds])
        return self.submit(LammpsBaseWorkChain, **inputs)
