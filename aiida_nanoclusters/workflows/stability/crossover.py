"""CrossoverWorkChain: at what size does a cluster become a crystal?"""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, WorkChain, if_, while_
from aiida.orm import ArrayData, Dict, Float, List, Str

from aiida_nanoclusters.calculations.labels.evaluate import validate_potentials
from aiida_nanoclusters.calculations.stability import crossover as steps
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.stability.search import families_problem
from aiida_nanoclusters.science.stability.settings import CrossoverSettings
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.mappings import committee_of
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import potentials_problem


class CrossoverWorkChain(WorkChain):
    """Relax closed shells of both kinds at sizes chosen one after the other, and find the crossing.

    `potentials` is a committee of one or more members: every member relaxes every cluster, and the
    spread of their curves is part of the interval, with the uncertainty of the fits and, where
    given, the error `systematic_mev` of the energy difference of the motifs.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        common_ports.element_port(spec)
        spec.input_namespace(
            "potentials",
            valid_type=PotentialData,
            dynamic=True,
            validator=validate_potentials,
            help="Members of the committee by name; one is enough.",
        )
        common_ports.settings_port(
            spec, CrossoverSettings, "Motifs, sizes, width of the interval and stages"
        )
        spec.input(
            "systematic_mev",
            valid_type=Float,
            default=lambda: Float(0.0),
            help="Standard deviation of the potentials' error in the energy difference of the "
            "motifs (meV/atom). Default: 0.",
        )
        spec.expose_inputs(
            LammpsBaseWorkChain,
            exclude=("lammps.frames", "lammps.stages", "lammps.seeds", "lammps.potential"),
        )
        spec.inputs.validator = validate_inputs
        spec.output("answer", valid_type=Dict, help="Size of the crossover, interval and verdict.")
        spec.output(
            "curves", valid_type=ArrayData, help="Energy difference (eV/atom) against size."
        )
        spec.output(
            "energies",
            valid_type=ArrayData,
            help="Energies (eV) of every relaxed cluster by every member.",
        )
        common_ports.frames_output(spec, "structures", "Clusters as the first member relaxed them.")
        spec.output(
            "bulk",
            valid_type=Dict,
            help="Lattice constant (Å), energies (eV) and surface energies (eV/Å^2) of the "
            "crystal, by the first member.",
        )
        spec.output(
            "crystal",
            valid_type=Dict,
            help="Energy (eV/atom), atomic volume (Å^3) and moduli (eV/Å^3) of the crystal by each "
            "member, from which the volume terms of the fits follow.",
        )
        spec.output(
            "modes",
            valid_type=ArrayData,
            required=False,
            help="Cluster mode against Wulff mode at equal size, equations 3 and 4.",
        )
        spec.outline(
            cls.relax_bulk,
            cls.relax_slabs,
            cls.start,
            while_(cls.is_undecided)(cls.relax_clusters, cls.update),
            if_(cls.wants_modes)(cls.relax_modes, cls.compare_modes),
            cls.answer,
        )
        spec.exit_code(400, "ERROR_BULK_FAILED", message="The crystal or a slab did not relax.")
        spec.exit_code(
            401,
            "ERROR_TOO_FEW_CLUSTERS",
            message="Too few clusters relaxed for an answer: {reason}",
        )

    @classmethod
    def get_builder_from_protocol(
        cls, code, potentials, element, protocol=None, overrides=None, options=None
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/crossover.yaml`.

        Parameters
        ----------
        code, element
            LAMMPS, and a chemical symbol.
        potentials
            Members of the committee by name; one is enough.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        """
        builder = cls.get_builder()
        builder.element = Str(element)
        values = load_protocol("crossover", protocol, overrides, element=element)
        builder.settings = Dict(values["settings"])
        largest = builder.settings["n_max"]
        for port, value in job(code, options, "relax", largest).items():
            builder.lammps[port] = value
        if potentials:
            builder.potentials = committee_of(potentials)
        return builder

    # -- bulk and surfaces -----------------------------------------------------------------

    def relax_bulk(self) -> None:
        """Relax the crystal's cell with the first member."""
        crystal = steps.build_bulk(self.inputs.element)
        self.to_context(bulk_run=self._relax(crystal, "bulk_stages", self._members()[0]))

    def relax_slabs(self) -> ExitCode | None:
        """Relax slabs cut from that crystal; strain the crystal, with every member."""
        if "structures" not in self.ctx.bulk_run.outputs:
            return self.exit_codes.ERROR_BULK_FAILED
        slabs = steps.build_slabs(self.inputs.element, self.ctx.bulk_run.outputs.structures)
        self.to_context(slab_run=self._relax(slabs, "relax_stages", self._members()[0]))
        cells = steps.build_strained_cells(
            self.inputs.element, self.ctx.bulk_run.outputs.structures
        )
        for member in self._members():
            # By symmetry no atom moves.
            run = self._relax(cells, "relax_stages", member)
            self.to_context(**{f"strained_{member}": run})
        return None

    # -- closed shells ---------------------------------------------------------------------

    def start(self) -> ExitCode | None:
        """Collect bulk properties and set up the search."""
        if not self.ctx.slab_run.is_finished_ok:
            return self.exit_codes.ERROR_BULK_FAILED
        self.ctx.bulk = steps.bulk_properties(
            self.inputs.element,
            self.ctx.bulk_run.outputs.structures,
            self.ctx.slab_run.outputs.structures,
        )
        self.out("bulk", self.ctx.bulk)
        strained = {member: self.ctx[f"strained_{member}"] for member in self._members()}
        crystal = steps.crystal_properties(
            self.ctx.bulk_run.outputs.structures,
            List(self._members()),
            **{m: run.outputs.structures for m, run in strained.items() if run.is_finished_ok},
        )
        if "unknown" in crystal:
            self.report(f"volume terms are fitted freely: {crystal['unknown']}")
        self.out("crystal", crystal)
        self.ctx.state = steps.start_search(
            self.inputs.settings, self.ctx.bulk, self.inputs.systematic_mev, crystal
        )
        self.ctx.rounds = {}
        return None

    def is_undecided(self) -> bool:
        """Whether the search proposes more clusters."""
        return not self.ctx.state["is_finished"]

    def relax_clusters(self) -> None:
        """Relax the proposed clusters with every member."""
        self.report(self.ctx.state["reason"])
        clusters = steps.build_clusters(
            self.inputs.element, self.inputs.settings, self.ctx.bulk, self.ctx.state
        )
        for member in self._members():
            self.to_context(**{f"run_{member}": self._relax(clusters, "relax_stages", member)})

    def update(self) -> None:
        """Update the search with the relaxed energies."""
        relaxed = {}
        for member in self._members():
            child = self.ctx[f"run_{member}"]
            if not child.is_finished_ok:
                self.report(f"LammpsBaseWorkChain<{child.pk}>: {child.exit_message}")
            if "structures" in child.outputs:
                relaxed[member] = child.outputs.structures
        first = self._members()[0]
        if first in relaxed:
            self.ctx.rounds[f"round_{len(self.ctx.rounds):03d}"] = relaxed[first]
        self.ctx.state = steps.update_search(self.ctx.state, List(self._members()), **relaxed)

    # -- the two modes at equal size -------------------------------------------------------

    def wants_modes(self) -> bool:
        """Whether the modes are to be compared at equal sizes."""
        return bool(self.inputs.settings["mode_sizes"])

    def relax_modes(self) -> None:
        """Relax Wulff polyhedra; anneal incomplete icosahedra mildly, then relax."""
        modes = steps.build_modes(
            self.inputs.element, self.ctx.bulk, List(self.inputs.settings["mode_sizes"])
        )
        first = self._members()[0]
        self.to_context(
            mode_cluster=self._relax(modes["cluster"], "mode_stages", first),
            mode_wulff=self._relax(modes["wulff"], "relax_stages", first),
        )

    def compare_modes(self) -> None:
        """Compare the modes by equations 3 and 4."""
        runs = (self.ctx.mode_cluster, self.ctx.mode_wulff)
        if all("structures" in run.outputs for run in runs):
            cluster, wulff = (run.outputs.structures for run in runs)
            self.out("modes", steps.compare_modes(cluster, wulff))
        else:
            self.report("the modes could not be compared: a relaxation failed")

    # -- the answer ------------------------------------------------------------------------

    def answer(self) -> ExitCode | None:
        """Fit the families and determine the crossing."""
        if not self.ctx.rounds:
            return self.exit_codes.ERROR_TOO_FEW_CLUSTERS.format(reason=self.ctx.state["reason"])
        structures = steps.join_clusters(**self.ctx.rounds)
        self.out("structures", structures)
        try:
            results = steps.answer_crossover(self.ctx.state, structures)
        except ValueError as error:
            return self.exit_codes.ERROR_TOO_FEW_CLUSTERS.format(reason=str(error))
        self.out_many(results)
        self.report(results["answer"]["sentence"])
        return None

    def _members(self) -> list[str]:
        return sorted(self.inputs.potentials)

    def _relax(self, frames: FramesData, stages: str, member: str):
        settings = self.inputs.settings
        inputs = self.exposed_inputs(LammpsBaseWorkChain)
        inputs["lammps"]["potential"] = self.inputs.potentials[member]
        inputs["lammps"]["frames"] = frames
        inputs["lammps"]["stages"] = List(settings[stages])
        seeds = [derive_seed(settings["seed"], i) for i in range(len(frames))]
        inputs["lammps"]["seeds"] = List(seeds)
        return self.submit(LammpsBaseWorkChain, **inputs)


def validate_inputs(inputs, _) -> str | None:
    """There must be enough closed shells to fit both sides; the potentials know the element."""
    if "settings" not in inputs:
        return None  # its port reports this
    problem = families_problem(CrossoverSettings(**inputs["settings"].get_dict()))
    if problem:
        return f"settings: {problem}"
    return potentials_problem(inputs, common_ports.elements_of(inputs))
