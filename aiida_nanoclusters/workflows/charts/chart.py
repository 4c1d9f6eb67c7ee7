"""ChartWorkChain: a chart of structures, and the families that lie in it."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ProcessSpec, while_
from aiida.orm import AbstractCode, ArrayData, Dict, Int, List, ProcessNode

from aiida_nanoclusters.calculations.charts.families import (
    divide_chart,
    family_label,
    report_committee,
)
from aiida_nanoclusters.calculations.charts.train_chart import chart_ports, training_problem
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.science.charts.distributions import distance_range
from aiida_nanoclusters.science.charts.settings import THERMAL, ChartSettings
from aiida_nanoclusters.workflows.base.train_chart import TrainChartBaseWorkChain
from aiida_nanoclusters.workflows.charts.analysis import (
    analyse_tempering_run,
    tempering_ports,
    tempering_problem,
)
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import validate_seeds


def validate_inputs(value, _) -> str | None:
    """Refuse frames that have no chart, and pairs that are missing."""
    return training_problem(value) or tempering_problem(value)


def member_key(seed: int) -> str:
    """Return the key of a member of the committee."""
    return f"seed_{seed}"


class ChartWorkChain(BatchedWorkChain):
    """Train a chart for each seed, keep the best, and divide its frames into families.

    Members that fail are left out; the report names them.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("code", valid_type=AbstractCode, help="A Python with numpy, scipy and torch.")
        chart_ports(spec)
        spec.input(
            "seeds",
            valid_type=List,
            validator=validate_seeds,
            help="Random seed of each member of the committee, from 0.",
        )
        spec.input("options", valid_type=dict, default=dict, is_metadata=True)
        tempering_ports(spec)
        spec.inputs.validator = validate_inputs
        spec.output(
            "chart",
            valid_type=ChartData,
            required=False,
            help="The member with the lowest validation loss.",
        )
        for name, valid_type, what in (
            ("committee", ChartData, "Chart of each member, `seed_<n>`."),
            ("learning_curves", ArrayData, "Losses and learning rate by epoch of each member."),
        ):
            spec.output_namespace(
                name, valid_type=valid_type, dynamic=True, required=False, help=what
            )
        spec.output(
            "coordinates",
            valid_type=ArrayData,
            required=False,
            help="Coordinates and family of each frame; names in `science/keys.py`.",
        )
        spec.output(
            "families",
            valid_type=Dict,
            required=False,
            help="Bandwidth and how it was chosen; of each family count, centre, name, shares of "
            "common neighbours, representative; agreement between seeds.",
        )
        common_ports.frames_output(
            spec, "representatives", "One frame of each family, in their order.", required=False
        )
        spec.output(
            "report",
            valid_type=Dict,
            required=False,
            help="Training of each member, and which is kept.",
        )
        spec.outline(
            cls.start,
            while_(cls.has_batches)(cls.submit_batches),
            cls.choose,
            cls.divide,
            cls.analyse_run,
            cls.results,
        )
        spec.exit_code(400, "ERROR_NO_CHART", message="No training finished: {message}")
        spec.exit_code(401, "ERROR_MEMBERS_MISSING", message="No chart of the seeds {seeds}.")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code,
        frames,
        protocol=None,
        overrides=None,
        options=None,
        *,
        thermal=None,
        minimum_of=None,
        bond_lengths=None,
        seeds=None,
    ):
        """Return a builder; numbers from `protocols/chart.yaml`.

        Parameters
        ----------
        code, frames
            A Python with torch; FramesData of relaxed clusters.
        protocol, overrides
            Name of a protocol, and what to change in it. Where `distribution.longest` is null, it
            is the range that the frames need.
        options
            `metadata.options` of the jobs.
        thermal, minimum_of
            Thermal frames and the array of the index of the minimum of each, which
            `training.reproduces: thermal` needs.
        bond_lengths
            Bond length of elements, Å. Default: the neighbours' distance in the bulk metal.
        seeds
            Random seed of each member. Default: those of the protocol.
        """
        values = load_protocol("chart", protocol, overrides)
        builder = cls.get_builder()
        builder.code, builder.frames = code, frames
        settings = values["settings"]
        if settings["distribution"].get("longest") is None:
            bandwidth = settings["distribution"]["bandwidth"]
            wanted = [frames] if thermal is None else [frames, thermal]
            settings["distribution"]["longest"] = max(
                distance_range(node.frames, bandwidth, bond_lengths) for node in wanted
            )
        checked = ChartSettings.from_values(**settings)
        builder.settings = Dict(settings)
        builder.seeds = List(list(values["seeds"] if seeds is None else seeds))
        if bond_lengths:
            builder.bond_lengths = Dict(dict(bond_lengths))
        if checked.training.reproduces == THERMAL:
            for name, node in (("thermal", thermal), ("minimum_of", minimum_of)):
                if node is not None:
                    setattr(builder, name, node)
        builder.options = job(code, options, "train")["metadata"]["options"]
        return builder

    def start(self) -> None:
        """Plan one training per seed."""
        self.ctx.batches, self.ctx.failures = self.inputs.seeds.get_list(), []

    def submit_batch(self, batch: int) -> ProcessNode:
        """Submit the training of a seed."""
        inputs: dict[str, Any] = {
            **job(self.inputs.code, self.inputs.options),
            "frames": self.inputs.frames,
            "settings": self.inputs.settings,
            "seed": Int(batch),
        }
        for name in ("thermal", "minimum_of", "bond_lengths"):
            if name in self.inputs:
                inputs[name] = self.inputs[name]
        metadata = {"call_link_label": member_key(batch)}
        return self.submit(TrainChartBaseWorkChain, train=inputs, metadata=metadata)

    def choose(self) -> ExitCode | None:
        """Keep the chart with the lowest validation loss."""
        charts, reports, said = {}, {}, ""
        for seed, child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if not child.is_finished_ok:
                said = describe_child(child)
                self.report(said)
                self.ctx.failures.append(seed)
                continue
            key = member_key(seed)
            charts[key], reports[key] = child.outputs.chart, child.outputs.report
            self.out(f"committee.{key}", child.outputs.chart)
            self.out(f"learning_curves.{key}", child.outputs.learning_curve)
        if not charts:
            return self.exit_codes.ERROR_NO_CHART.format(message=said)
        report = report_committee(**reports)
        self.out("report", report)
        self.ctx.chart = charts.pop(report["chosen"])
        self.ctx.others = charts
        self.out("chart", self.ctx.chart)
        return None

    def divide(self) -> None:
        """Find the families of the frames, and name them."""
        found = divide_chart(
            self.inputs.frames, self.inputs.settings, self.ctx.chart, **self.ctx.others
        )
        self.ctx.found = found
        self.out_many(found)
        rows = found["families"]["families"]
        named = "; ".join(f"{row['count']} {family_label(row)}" for row in rows[:8])
        self.report(f"{len(rows)} families of {len(self.inputs.frames)} frames: {named}")

    def analyse_run(self) -> None:
        """Find populations against temperature and the lowest path of the run, if it is given."""
        found = self.ctx.found
        analyse_tempering_run(self, self.inputs.frames, found["coordinates"], found["families"])

    def results(self) -> ExitCode | None:
        """End with an exit code where members are missing."""
        if self.ctx.failures:
            missing = ", ".join(str(seed) for seed in self.ctx.failures)
            return self.exit_codes.ERROR_MEMBERS_MISSING.format(seeds=missing)
        return None
