"""LowestStructuresWorkChain: the lowest structures of many sizes, from many sources."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec
from aiida.orm import Dict, Int, List, Str

from aiida_nanoclusters.calculations.sampling import lowest_structures as steps
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.sampling.lowest_settings import LowestStructuresSettings
from aiida_nanoclusters.science.sampling.lowest_structures import SOURCES
from aiida_nanoclusters.science.structures.motifs import incomplete_icosahedron
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.sampling.rounds import RoundsWorkChain
from aiida_nanoclusters.workflows.sampling.stages import validate_inputs as validate_engine_inputs


class LowestStructuresWorkChain(RoundsWorkChain):
    """Search the lowest structures of many sizes together.

    The first round relaxes the motifs that are compact at each size; the others change the lowest
    structures that are known, of the same size and of its neighbours.
    """

    _patience = 2

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        common_ports.element_port(spec)
        common_ports.sizes_port(spec)
        common_ports.settings_port(spec, LowestStructuresSettings, "Rounds, sources and stages")
        spec.input_namespace(
            "known",
            dynamic=True,
            valid_type=FramesData,
            required=False,
            help="Relaxed structures of the same potential, from which the search begins too, by "
            "what found them, such as `annealing` or `tempering`. Default: none.",
        )
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec,
            "structures",
            "The lowest distinct isomers, sizes ascending, the lowest first.",
            required=False,
        )
        spec.output(
            "table",
            valid_type=Dict,
            required=False,
            help="Size, rank, energy and motif of each isomer; who found the lowest, how often, "
            "and what each source found.",
        )
        spec.exit_code(401, "ERROR_SIZES_MISSING", message="No structure of {sizes} atoms.")
        spec.exit_code(
            402,
            "ERROR_ROUNDS_FAILED",
            message="{count} rounds in a row relaxed no structure; those found are attached.",
        )

    @classmethod
    def get_builder_from_protocol(
        cls, code, potential, element, sizes, protocol=None, overrides=None, options=None
    ):
        """Return a builder for a LAMMPS `code`; numbers from `protocols/lowest_structures.yaml`.

        Parameters
        ----------
        code, potential, element, sizes
            LAMMPS, PotentialData it can run, chemical symbol, numbers of atoms.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options
            `metadata.options` of the jobs.
        """
        inputs = {**job(code, options, "relax", max(sizes)), "potential": potential}
        engine = {"potential": {"lammps": inputs}}
        return cls.get_builder_for_engine(engine, element, sizes, protocol, overrides)

    @classmethod
    def get_builder_for_engine(cls, inputs, element, sizes, protocol=None, overrides=None):
        """Return a builder with the `inputs` of :meth:`.LabelWorkChain.engine_inputs`."""
        builder = cls.get_builder()
        builder.element, builder.sizes = Str(element), List(list(sizes))
        values = load_protocol("lowest_structures", protocol, overrides, element=element)
        builder.settings = Dict(values["settings"])
        for name, value in inputs.items():
            setattr(builder, name, value)
        return builder

    def _begin(self) -> Dict:
        given = {n: self.inputs[n] for n in ("element", "sizes", "settings", "seed")}
        for source, structures in self.inputs.get("known", {}).items():
            given[source] = self.ctx.reference = structures
        return steps.start_lowest_search(**given)

    def _propose(self) -> FramesData:
        return steps.propose_lowest(self.ctx.state)

    def _advance(self, found) -> Dict:
        return steps.update_lowest_search(self.ctx.state, self.ctx.proposed, **found)

    def _describe_round(self) -> str:
        frames = self.ctx.proposed
        return f"round {self.ctx.n_rounds}: {len(frames)} structures of {len(frames.sizes)} sizes"

    def results(self) -> ExitCode | None:
        """Return structures and table; end with an exit code where sizes are missing."""
        if not self.ctx.state["n_found"]:
            return self.exit_codes.ERROR_NO_MINIMUM
        keep = Int(LowestStructuresSettings(**self.inputs.settings.get_dict()).keep)
        found = steps.collect_lowest(self.ctx.state, keep, self.ctx.reference)
        self.out_many(found)
        if self.ctx.n_lost >= self._patience:
            return self.exit_codes.ERROR_ROUNDS_FAILED.format(count=self.ctx.n_lost)
        wanted = self.inputs.sizes.get_list()
        if missing := common_ports.list_missing(wanted, found["structures"].sizes):
            return self.exit_codes.ERROR_SIZES_MISSING.format(sizes=missing)
        return None


def validate_inputs(inputs, _) -> str | None:
    """The search must be able to start, and the engine to relax its structures."""
    if not {"settings", "element", "sizes"} <= set(inputs):
        return None  # the ports say so themselves
    element, sizes = inputs["element"], inputs["sizes"]
    try:
        steps.make_search(element, sizes, inputs["settings"], Int(1))
    except (TypeError, ValueError) as error:
        return str(error)
    for source, structures in inputs.get("known", {}).items():
        if source in (*SOURCES, "element", "sizes", "settings", "seed"):
            return f"`known.{source}`: name what found the structures otherwise, such as annealing"
        if set(structures.frames.elements) != {element.value}:
            return f"`known.{source}` has other elements than {element.value}"
    largest = max(sizes.get_list())
    frames = FramesData([incomplete_icosahedron(element.value, largest)])
    stages = List(inputs["settings"]["relax_stages"])
    return validate_engine_inputs({**inputs, "frames": frames, "stages": stages}, None)
