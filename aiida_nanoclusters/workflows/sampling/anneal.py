"""AnnealWorkChain: the lowest structures of given sizes, by simulated annealing."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import Dict, Float, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.sampling.anneal import make_starts, rank_structures
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.sampling.settings import AnnealSettings
from aiida_nanoclusters.science.sampling.stages import count_evaluations, parse_stages
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child, take
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.job_packing import split_by_cost
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import potentials_problem

#: Inputs of the jobs that the work chain itself sets.
_SET_HERE = ("lammps.frames", "lammps.stages", "lammps.seeds")


class AnnealWorkChain(BatchedWorkChain):
    """Melt, cool slowly, quench and relax from several starts; keep the lowest of each size.

    The starts themselves are relaxed as well: where one of them is a closed shell with the lowest
    energy, it is found at any cooling rate.

    With `reference`, the lowest structures are relaxed again by another potential, as the
    published method does by density functional theory; their energies are then the reference's.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        common_ports.element_port(spec)
        common_ports.sizes_port(spec)
        common_ports.settings_port(spec, AnnealSettings, "Starts, stages and number of isomers")
        common_ports.seed_port(spec)
        spec.expose_inputs(
            LammpsBaseWorkChain,
            exclude=_SET_HERE,
        )
        spec.expose_inputs(
            LammpsBaseWorkChain,
            namespace="reference",
            exclude=_SET_HERE,
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "Potential that relaxes and ranks the lowest isomers again.",
            },
        )
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec, "structures", "The lowest distinct isomers, sizes ascending, the lowest first."
        )
        spec.output("table", valid_type=Dict, help="Size, rank, energy and motif of each isomer.")
        spec.outline(
            cls.start,
            while_(cls.has_batches)(cls.submit_batches),
            cls.rank,
            if_(cls.has_reference)(cls.relax_by_reference, cls.rank_again),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_ANNEALED", message="No run ended in a structure.")
        spec.exit_code(401, "ERROR_SIZES_MISSING", message="No structure of {sizes} atoms.")
        spec.exit_code(
            402, "ERROR_REFERENCE_FAILED", message="The reference potential relaxed no structure."
        )
        spec.exit_code(
            403,
            "ERROR_NOT_ANNEALED",
            message="No annealing of {sizes} atoms ended: their structures are the relaxed starts.",
        )

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

    @property
    def _settings(self) -> AnnealSettings:
        return AnnealSettings(**self.inputs.settings.get_dict())

    def start(self) -> None:
        """Build the starts and divide them into jobs of about equal cost."""
        settings = self._settings
        self.ctx.starts = make_starts(
            self.inputs.element,
            self.inputs.sizes,
            Int(settings.starts),
            Float(element(self.inputs.element.value).nearest_neighbour),
            self.inputs.seed,
        )
        sizes = [int(n) for n in self.ctx.starts.frames.sizes]
        costs = [float(n * count_evaluations(parse_stages(settings.stages))) for n in sizes]
        n_jobs = max(1, round(sum(costs) / settings.atom_steps_per_job))
        jobs = split_by_cost(costs, sizes, len(sizes), n_jobs)
        self.ctx.batches = [["relax_stages", list(range(len(sizes)))]]
        self.ctx.batches += [["stages", sorted(members)] for members in jobs]

    def submit_batch(self, batch: list) -> ProcessNode:
        """Run the starts of these indices through the stages of a setting."""
        stages, members = batch
        inputs = self.exposed_inputs(LammpsBaseWorkChain)
        return self._submit_lammps(inputs, take(self.ctx.starts, members), stages)

    def rank(self) -> ExitCode | None:
        """Find the lowest among all runs that ended in a structure."""
        ended, annealed = {}, set()
        for k, child in enumerate(self.finished_batches()):
            if "structures" in child.outputs:
                ended[f"annealed_{k:05d}" if k else "built"] = child.outputs.structures
                annealed |= set(child.outputs.structures.sizes) if k else set()
            if not child.is_finished_ok:
                self.report(describe_child(child))
        if not ended:
            return self.exit_codes.ERROR_NOTHING_ANNEALED
        self.ctx.annealed = sorted(annealed)
        try:
            self.ctx.ranked = rank_structures(Int(self._settings.keep), **ended)
        except ValueError as error:  # every one of them has fragmented
            self.report(str(error))
            return self.exit_codes.ERROR_NOTHING_ANNEALED
        return None

    def has_reference(self) -> bool:
        """Whether a reference potential relaxes the lowest structures again."""
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
        keep = Int(self._settings.keep)
        self.ctx.ranked = rank_structures(keep, reference=self.ctx.reference.outputs.structures)
        return None

    def results(self) -> ExitCode | None:
        """Return the structures; a size without any, or annealed in no run, is named."""
        self.out_many(self.ctx.ranked)
        found, sizes = self.ctx.ranked["structures"].sizes, self.inputs.sizes.get_list()
        if missing := common_ports.list_missing(sizes, found):
            return self.exit_codes.ERROR_SIZES_MISSING.format(sizes=missing)
        if missing := common_ports.list_missing(sizes, self.ctx.annealed):
            return self.exit_codes.ERROR_NOT_ANNEALED.format(sizes=missing)
        return None

    def _submit_lammps(self, inputs, frames: FramesData, stages: str) -> ProcessNode:
        inputs["lammps"]["frames"] = frames
        inputs["lammps"]["stages"] = List(getattr(self._settings, stages))
        # From the start, so that a run does not depend on the other runs of its job.
        inputs["lammps"]["seeds"] = List([derive_seed(seed) for seed in frames.frames.seeds])
        return self.submit(LammpsBaseWorkChain, **inputs)


def validate_inputs(inputs, _) -> str | None:
    """The potentials know the element."""
    return potentials_problem(inputs, common_ports.elements_of(inputs))
