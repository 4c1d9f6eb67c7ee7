"""ClassifyWorkChain: structures, trajectories and files of others in a chart."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, WorkChain, if_
from aiida.orm import ArrayData, Dict, List

from aiida_nanoclusters.calculations.charts.families import place_frames
from aiida_nanoclusters.calculations.charts.train_chart import validate_bond_lengths
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.charts.distributions import element_lengths, frames_problem
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.workflows.charts.analysis import (
    TEMPERING,
    analyse_tempering_run,
    find_transitions_of,
    tempering_ports,
    tempering_problem,
    transition_ports,
    transition_problem,
)
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain
from aiida_nanoclusters.workflows.sampling.stages import validate_inputs as validate_stages

#: Namespace of what relaxes the frames.
RELAX = "relax"


def validate_families(value: Dict | None, _) -> str | None:
    """Refuse what holds no families with a centre."""
    if value is None:
        return None
    rows = value.get_dict().get("families")
    centres = [row.get("centre") for row in rows or [] if isinstance(row, dict)]
    if not centres or len(centres) != len(rows) or not all(_is_place(c) for c in centres):
        return "`families` holds no families with a `centre`: give the output of a chart"
    return None


def _is_place(value) -> bool:
    numbers = isinstance(value, list) and all(isinstance(x, int | float) for x in value)
    return numbers and bool(value)


def validate_inputs(value, _) -> str | None:
    """Refuse frames that have no place in a chart, and stages that do not end in a minimum."""
    if not {"chart", "families", "frames"} <= set(value):
        return None  # the ports report it
    frames, rows = value["frames"].frames, value["families"]["families"]
    if problem := frames_problem(frames):
        return problem
    dimensions = value["chart"].base.attributes.get("dimensions")
    if any(len(row["centre"]) != dimensions for row in rows):
        return "`families` are of another chart: give both of the same work chain"
    given = value["bond_lengths"].get_dict() if "bond_lengths" in value else {}
    try:
        known = value["chart"].base.attributes.get("bond_lengths")
        element_lengths(frames.elements, {**known, **given})
    except ValueError as error:
        return str(error)
    if problem := tempering_problem(value) or transition_problem(value):
        return problem
    if value.get(RELAX):
        if value.get(TEMPERING):
            return f"the minima of `{TEMPERING}` are relaxed: leave out `{RELAX}`"
        stages = value[RELAX].get("stages")
        if stages is not None and parse_stages(stages.get_list())[-1].is_dynamic:
            return "`relax.stages` must end with a minimisation, such as `{kind: relax}`"
        return validate_stages({**value[RELAX], "frames": value["frames"]}, None)
    return None


class ClassifyWorkChain(WorkChain):
    """Place frames in a chart: coordinates, family, and whether the chart has seen the like.

    A chart of relaxed structures places relaxed frames. Thermal ones are relaxed first where the
    namespace `relax` says by what; those that cannot be relaxed are left out and counted.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("chart", valid_type=ChartData, help="Output of a ChartWorkChain.")
        spec.input(
            "families",
            valid_type=Dict,
            validator=validate_families,
            help="Output of the same ChartWorkChain.",
        )
        spec.input("frames", valid_type=FramesData, help="Clusters of any sizes and elements.")
        spec.input(
            "bond_lengths",
            valid_type=Dict,
            required=False,
            validator=validate_bond_lengths,
            help="Bond length of elements, Å. Default: that of the training of the chart, of other "
            "elements the neighbours' distance in the bulk metal.",
        )
        spec.expose_inputs(
            StagesWorkChain,
            namespace=RELAX,
            exclude=("frames", "seeds"),
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "What relaxes the frames, and by which stages. Default: not relaxed.",
            },
        )
        tempering_ports(spec)
        transition_ports(spec)
        spec.inputs.validator = validate_inputs
        common_ports.frames_output(
            spec, "relaxed", "The frames that were placed, where they were relaxed.", required=False
        )
        spec.output(
            "placements",
            valid_type=ArrayData,
            required=False,
            help="One row per frame that was placed; names in `science/keys.py`.",
        )
        spec.output(
            "table",
            valid_type=Dict,
            required=False,
            help="Frames by family, how many lie outside of what the chart has seen, criterion.",
        )
        spec.outline(
            if_(cls.should_relax)(cls.relax, cls.inspect_relaxation),
            cls.place,
            cls.analyse,
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_RELAXED", message="No frame was relaxed: {message}")
        spec.exit_code(401, "ERROR_FRAMES_MISSING", message="{count} frames could not be relaxed.")

    @classmethod
    def get_builder_for_potential(
        cls, chart, families, frames, code, potential, stages, options=None
    ):
        """Return a builder which relaxes `frames` with a `potential` and a LAMMPS `code` first."""
        builder = cls.get_builder()
        builder.chart, builder.families, builder.frames = chart, families, frames
        inputs = {**job(code, options, "relax", max(frames.sizes)), "potential": potential}
        builder[RELAX]["stages"] = List(list(stages))
        builder[RELAX]["potential"] = {"lammps": inputs}
        return builder

    def should_relax(self) -> bool:
        """Whether the frames are to be relaxed."""
        return bool(self.inputs.get(RELAX))

    def relax(self) -> None:
        """Relax the frames."""
        inputs = self.exposed_inputs(StagesWorkChain, namespace=RELAX)
        inputs["frames"] = self.inputs.frames
        self.to_context(relaxation=self.submit(StagesWorkChain, **inputs))

    def inspect_relaxation(self) -> ExitCode | None:
        """Go on with the frames that were relaxed."""
        child = self.ctx.relaxation
        if not child.is_finished_ok:
            self.report(describe_child(child))
        if "structures" not in child.outputs:
            return self.exit_codes.ERROR_NOTHING_RELAXED.format(message=child.exit_message)
        self.out("relaxed", child.outputs.structures)
        return None

    def place(self) -> None:
        """Place the frames, and warn of those that lie outside."""
        given = {name: self.inputs[name] for name in ("chart", "families", "frames")}
        if "bond_lengths" in self.inputs:
            given["bond_lengths"] = self.inputs.bond_lengths
        if "relaxation" in self.ctx:
            given["frames"] = self.ctx.relaxation.outputs.structures
            given["report"] = self.ctx.relaxation.outputs.report
        self.out_many(place_frames(**given))
        table = self.outputs["table"]
        if table["n_outside"]:
            self.report(
                f"{table['n_outside']} of {table['n_frames']} frames lie outside of what the chart "
                f"has seen: {table['criterion']}"
            )

    def analyse(self) -> None:
        """Find populations and lowest path of a run, or transitions of trajectories."""
        placements = self.outputs["placements"]
        analyse_tempering_run(self, self.inputs.frames, placements, self.inputs.families)
        find_transitions_of(self, placements)

    def results(self) -> ExitCode | None:
        """End with an exit code where frames are missing."""
        missing = len(self.inputs.frames) - self.outputs["table"]["n_frames"]
        if missing:
            return self.exit_codes.ERROR_FRAMES_MISSING.format(count=missing)
        return None
