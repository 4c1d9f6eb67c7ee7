"""SizeScanWorkChain: the lowest structures of many sizes, and which sizes are magic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import ArrayData, Dict, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.labels.evaluate import validate_potentials
from aiida_nanoclusters.calculations.stability.size_scan import compare_sizes, join_scans
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.sampling.stages import count_evaluations, parse_stages
from aiida_nanoclusters.science.stability.settings import SizeScanSettings
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.job_packing import bins_of_sizes
from aiida_nanoclusters.workflows.parts.mappings import committee_of
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import steps_of
from aiida_nanoclusters.workflows.parts.validators import potentials_problem
from aiida_nanoclusters.workflows.sampling.anneal import AnnealWorkChain
from aiida_nanoclusters.workflows.sampling.lowest_structures import LowestStructuresWorkChain

#: Namespace of the search for lower structures, and its inputs that are set here.
LOWEST = "lowest_structures"
_SET_HERE = ("element", "sizes", "seed", "known")


def validate_committee(value: Mapping[str, PotentialData] | None, port: Any) -> str | None:
    """A committee is optional, its members must be potentials that may be run."""
    return validate_potentials(value, port) if value else None


class SizeScanWorkChain(BatchedWorkChain):
    """Anneal all sizes and compare their energies; a committee gives the uncertainties.

    A child anneals as many sizes as one job carries, `atom_steps_per_job` of `settings`; which
    sizes share a child does not depend on the others. Equal sizes, seeds and potential make equal
    children: a scan that is run again, or one with more sizes, takes them from AiiDA's cache.

    With the namespace `lowest_structures`, lower structures are searched than annealing alone has
    found.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        common_ports.sizes_port(spec)
        spec.expose_inputs(AnnealWorkChain, exclude=("sizes", "max_concurrent"))
        spec.input(
            "options_by_size",
            valid_type=list,
            is_metadata=True,
            required=False,
            validator=validate_options_by_size,
            help="`[atoms, metadata.options]`, ascending: options of the jobs of children whose "
            "largest cluster has at least so many atoms. Default: `lammps.metadata.options`.",
        )
        spec.input_namespace(
            "committee",
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            validator=validate_committee,
            help="Potentials whose spread of the energies is the uncertainty. Default: none.",
        )
        spec.expose_inputs(
            EvaluateBaseWorkChain,
            namespace="evaluation",
            exclude=("evaluate.frames", "evaluate.potentials"),
            namespace_options={"required": False, "populate_defaults": False},
        )
        spec.expose_inputs(
            LowestStructuresWorkChain,
            namespace=LOWEST,
            exclude=_SET_HERE,
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "What searches lower structures. Default: annealing alone.",
            },
        )
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec, "structures", "Lowest isomers of each size, sizes ascending."
        )
        spec.output("table", valid_type=Dict, help="Size, rank, energy and motif of each isomer.")
        spec.output(
            "annealed",
            valid_type=Dict,
            required=False,
            help="The table of annealing alone, where lower structures were searched.",
        )
        spec.output(
            "energies",
            valid_type=ArrayData,
            help="Energies, binding energies and second differences; names in `science/keys.py`.",
        )
        spec.output(
            "magic", valid_type=Dict, help="Magic sizes; electronic and geometric shell closings."
        )
        spec.outline(
            cls.divide,
            while_(cls.has_batches)(cls.submit_batches),
            cls.gather,
            if_(cls.has_search)(cls.search, cls.take_lowest),
            cls.rank_structures,
            if_(cls.has_committee)(cls.evaluate),
            cls.compare,
        )
        spec.exit_code(400, "ERROR_NOTHING_ANNEALED", message="No size ended in a structure.")
        spec.exit_code(401, "ERROR_SIZES_MISSING", message="No structure of {sizes} atoms.")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code,
        potentials,
        element,
        protocol=None,
        overrides=None,
        options=None,
        part_overrides=None,
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/size_scan.yaml`.

        Parameters
        ----------
        code, element
            LAMMPS, and a chemical symbol.
        potentials
            Committee by name; the first by name anneals.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        part_overrides
            What to change in the protocols of the parts `anneal` and `lowest_structures`.
        """
        scan = SizeScanSettings.from_values(**load_protocol("size_scan", protocol, overrides))
        annealed = (part_overrides or {}).get("anneal")
        builder = cls.get_builder()
        builder.element = Str(element)
        builder.settings = Dict(
            load_protocol("anneal", scan.anneal, annealed, element=element)["settings"]
        )
        builder.sizes = List(scan.sizes)
        largest = max(builder.sizes.get_list())
        for port, value in job(code, options, "anneal", 1).items():
            builder.lammps[port] = value
        builder.options_by_size = [
            [atoms, job(code, options, "anneal", atoms)["metadata"]["options"]]
            for atoms in steps_of(options, "anneal")
        ]
        for port, value in job(code, options, "evaluate", largest).items():
            builder.evaluation.evaluate[port] = value
        if scan.lowest_structures is not None:
            changed = (part_overrides or {}).get(LOWEST)
            values = load_protocol(LOWEST, scan.lowest_structures, changed, element=element)
            builder[LOWEST].settings = Dict(values["settings"])
            for port, value in job(code, options, "relax", largest).items():
                builder[LOWEST].potential.lammps[port] = value
        if potentials := committee_of(potentials):
            first = potentials[min(potentials)]
            builder.lammps.potential = first
            builder.committee = potentials
            if scan.lowest_structures is not None:
                builder[LOWEST].potential.lammps.potential = first
        return builder

    def divide(self) -> None:
        """Divide the sizes into children of about one job each."""
        settings = self.inputs.settings
        cost_per_atom = settings["starts"] * count_evaluations(parse_stages(settings["stages"]))
        self.ctx.batches = bins_of_sizes(
            self.inputs.sizes.get_list(), cost_per_atom, settings["atom_steps_per_job"]
        )

    def submit_batch(self, batch: list[int]) -> ProcessNode:
        """Anneal these sizes."""
        inputs = self.exposed_inputs(AnnealWorkChain)
        for atoms, options in self.inputs.get("options_by_size", []):
            if max(batch) >= atoms:
                metadata = {**inputs["lammps"]["metadata"], "options": options}
                inputs["lammps"] = {**inputs["lammps"], "metadata": metadata}
        return self.submit(AnnealWorkChain, sizes=List(batch), max_concurrent=Int(1), **inputs)

    def gather(self) -> ExitCode | None:
        """Join the structures and tables of the children."""
        parts = {}
        for k, child in enumerate(self.finished_batches()):
            if not child.is_finished_ok:
                self.report(describe_child(child))
            if "structures" in child.outputs:
                parts[f"structures_{k:05d}"] = child.outputs.structures
                parts[f"table_{k:05d}"] = child.outputs.table
        if not parts:
            return self.exit_codes.ERROR_NOTHING_ANNEALED
        self.ctx.joined = join_scans(**parts)
        return None

    def has_search(self) -> bool:
        """Whether lower structures are searched."""
        return LOWEST in self.inputs

    def search(self) -> None:
        """Search lower structures at all sizes together, from those of the annealing runs too."""
        inputs = self.exposed_inputs(LowestStructuresWorkChain, namespace=LOWEST, agglomerate=False)
        inputs |= {name: self.inputs[name] for name in ("element", "sizes", "seed")}
        inputs["known"] = {"annealing": self.ctx.joined["structures"]}
        self.to_context(lowest=self.submit(LowestStructuresWorkChain, **inputs))

    def take_lowest(self) -> None:
        """Take the lower structures; where the search failed, those of annealing stay."""
        child = self.ctx.lowest
        if not child.is_finished_ok:
            self.report(describe_child(child))
        if "structures" in child.outputs:
            self.out("annealed", self.ctx.joined["table"])
            self.ctx.joined = {name: child.outputs[name] for name in ("structures", "table")}

    def rank_structures(self) -> None:
        """Return the structures and their table."""
        self.out_many(self.ctx.joined)

    def has_committee(self) -> bool:
        """Whether there is a committee of two or more."""
        return len(self.inputs.get("committee", {})) > 1

    def evaluate(self) -> None:
        """Evaluate the lowest structures with every member."""
        inputs = self.exposed_inputs(EvaluateBaseWorkChain, namespace="evaluation")
        inputs["evaluate"]["frames"] = self.ctx.joined["structures"]
        inputs["evaluate"]["potentials"] = dict(sorted(self.inputs.committee.items()))
        self.to_context(evaluation=self.submit(EvaluateBaseWorkChain, **inputs))

    def compare(self) -> ExitCode | None:
        """Determine binding energies, second differences and magic sizes."""
        members = {}
        if "evaluation" in self.ctx:
            if self.ctx.evaluation.is_finished_ok:
                members = dict(self.ctx.evaluation.outputs.labelled)
            else:
                self.report(f"the committee failed: {self.ctx.evaluation.exit_message}")
        structures = self.ctx.joined["structures"]
        # The table of a search says how sure the structures are.
        table = self.ctx.joined["table"] if "lowest" in self.ctx else None
        self.out_many(compare_sizes(self.inputs.element, structures, table, **members))
        wanted = self.inputs.sizes.get_list()
        if missing := common_ports.list_missing(wanted, structures.sizes):
            return self.exit_codes.ERROR_SIZES_MISSING.format(sizes=missing)
        return None


def validate_options_by_size(value: list | None, _) -> str | None:
    """Each entry gives a number of atoms and the options that hold from it on."""
    try:
        atoms = [n for n, options in value or [] if isinstance(options, Mapping) and n > 0]
    except (TypeError, ValueError):
        atoms = []
    if len(atoms) != len(value or []) or atoms != sorted(atoms):
        return f"options_by_size is {value}: give [[atoms, options], ...], atoms ascending from 1"
    return None


def validate_inputs(inputs, _) -> str | None:
    """A committee needs a code to be evaluated with; the potentials know the element."""
    if len(inputs.get("committee", {})) > 1 and "evaluation" not in inputs:
        return "a committee needs `evaluation.evaluate.code`: a LAMMPS to evaluate it with"
    return potentials_problem(inputs, common_ports.elements_of(inputs))
