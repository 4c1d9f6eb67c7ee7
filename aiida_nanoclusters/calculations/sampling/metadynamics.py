"""MetadynamicsCalculation: stages of one cluster or solution, the last under a growing bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.sampling.lammps import LammpsCalculation
from aiida_nanoclusters.calculations.sampling.lammps import validate_inputs as validate_stages
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.formats.lammps import colvars
from aiida_nanoclusters.formats.lammps.bias import (
    CHART_FILE,
    HILLS_FILE,
    VARIABLES_FILE,
    bias_lines,
)
from aiida_nanoclusters.formats.lammps.chart_file import chart_file
from aiida_nanoclusters.formats.lammps.job import Job
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.distributions import bond_lengths_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariable,
    variables_of,
)
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.science.structures.molecules import find_molecules

#: Attribute of a node whose hills are those of COLVARS.
WHOLE_HILLS = "whole_hills"


def validate_bias(value: Dict | None, _: Any) -> str | None:
    """Refuse settings that do not fit :class:`.MetadynamicsSettings`."""
    return None if value is None else MetadynamicsSettings.problem(value.get_dict())


def validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    """Refuse inputs that are not consistent."""
    if any(name not in value for name in ("frames", "potential", "stages", "bias")):
        return None  # their ports report this
    settings = MetadynamicsSettings(**value["bias"].get_dict())
    problem = validate_stages(value, None) or system_problem(settings, value["frames"].frames)
    if problem:
        return problem
    last = parse_stages(value["stages"].get_list())[-1]
    if not last.is_dynamic or set(last.temperature) != {settings.temperature}:
        return (
            f"the last stage must hold {settings.temperature} K, the temperature of the bias: take "
            "`MetadynamicsSettings.stages`"
        )
    return bias_problem(settings, value["frames"].frames, value.get("chart"))


def system_problem(settings: MetadynamicsSettings, frames: Frames) -> str | None:
    """Return why frames are not one system with such variables, or None."""
    if settings.collective_variables:
        if len(frames) != 1:
            return (
                f"`frames` must hold one structure, not {len(frames)}: pick it by `select_frames`"
            )
        try:
            by_roles(settings, frames)
        except ValueError as error:
            return str(error)
        return None
    if len(frames) != 1 or frames.pbc.any():
        return "`frames` must hold one cluster that is not periodic: pick it by `select_frames`"
    if frames.sizes[0] < 4:
        return (
            f"a cluster of {frames.sizes[0]} atoms has no structures to go between: give 4 or more"
        )
    return None


def bias_problem(
    settings: MetadynamicsSettings, frames: Frames, chart: ChartData | None
) -> str | None:
    """Return why a bias cannot act on a cluster, or None."""
    if settings.collective_variables:
        return "`chart` belongs to `variables`: leave it out" if chart is not None else None
    if settings.needs_chart and chart is None:
        return "`variables` has a coordinate of a chart: give `chart`, or other variables"
    try:
        bond_length(settings, frames, chart)
        if chart is not None:
            largest = max([v.coordinate or 0 for v in settings.variables], default=0)
            if largest > chart.chart.dimensions:
                return f"the chart has {chart.chart.dimensions} coordinates, not {largest}"
    except ValueError as error:
        return f"{error}, or give `bond_length`"
    return None


def by_roles(
    settings: MetadynamicsSettings, frames: Frames
) -> tuple[list[CollectiveVariable], list[CollectiveVariable]]:
    """Return the biased variables and those with walls alone, of the atoms of the first frame.

    Raises
    ------
    ValueError
        If no atom has one of their roles, or two variables have one name.
    """
    molecules = find_molecules(frames[0], settings.solvent)
    own = settings.collective_variables
    found = variables_of([*own, *settings.walls], molecules)
    return found[: len(own)], found[len(own) :]


def bond_length(settings: MetadynamicsSettings, frames: Frames, chart: ChartData | None) -> float:
    """Return the unit of distances for the first frame, Å.

    Raises
    ------
    ValueError
        If an element is unknown and `bond_length` is not given.
    """
    if settings.bond_length is not None:
        return settings.bond_length
    own = None if chart is None else chart.chart.bond_lengths
    return float(bond_lengths_of(frames, own)[0])


class MetadynamicsCalculation(LammpsCalculation):
    """Run stages of one system by LAMMPS; in the last one the bias grows.

    Variables of a whole cluster are those of our plugin, variables by roles those of COLVARS.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports."""
        super().define(spec)
        spec.input(
            "bias",
            valid_type=Dict,
            validator=validate_bias,
            help="Variables and hills: the fields of `MetadynamicsSettings` in "
            "`science/sampling/metadynamics_settings.py`.",
        )
        spec.input(
            "chart",
            valid_type=ChartData,
            required=False,
            help="Chart whose coordinates are variables; trained from thermal frames to minima.",
        )
        spec.inputs.validator = validate_inputs
        spec.inputs["metadata"]["options"]["parser_name"].default = "nanoclusters.metadynamics"
        spec.output(
            "bias",
            valid_type=ArrayData,
            required=False,
            help="Variables in time and all hills; names in `science/keys.py`.",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input with the bias, and the chart."""
        info = super().prepare_for_submission(folder)
        settings = self._bias
        if settings.collective_variables:
            with folder.open(colvars.CONFIG_FILE, "w") as handle:
                handle.write(self._colvars())
            info.retrieve_temporary_list += [colvars.HILLS_FILE, colvars.TRAJECTORY_FILE]
            return info
        if settings.needs_chart:
            with folder.open(CHART_FILE, "w") as handle:
                handle.write(chart_text(self.inputs.chart, self._length))
        info.retrieve_temporary_list += [HILLS_FILE, VARIABLES_FILE]
        return info

    def _make_job(self) -> tuple[Frames, Job]:
        """Return the cluster and the job with its bias."""
        frames, job = super()._make_job()
        settings = self._bias
        if settings.collective_variables:
            return frames, replace(job, bias=[colvars.FIX_LINE])
        return frames, replace(job, bias=bias_lines(settings, self._length, job.factors[0]))

    def _colvars(self) -> str:
        """Return the configuration of COLVARS; its steps are those of the time step of the job."""
        settings, frames = self._bias, self.inputs.frames.frames
        factor = self._make_job()[1].factors[0]
        scaled = settings.model_copy(update={"timestep": settings.timestep * factor})
        variables, walls = by_roles(settings, frames)
        every = max(1, round(scaled.print_every / scaled.timestep))
        return colvars.colvars_config(variables, frames[0], scaled.hills, walls=walls, every=every)

    @property
    def _bias(self) -> MetadynamicsSettings:
        return MetadynamicsSettings(**self.inputs.bias.get_dict())

    @property
    def _length(self) -> float:
        """The unit of distances, Å."""
        return bond_length(self._bias, self.inputs.frames.frames, self.inputs.get("chart"))


def chart_text(node: ChartData, length: float) -> str:
    """Return a chart as LAMMPS reads it, for a bond length in Å."""
    chart = node.chart
    return chart_file(
        chart.encoder_layers(),
        chart.distribution.model_dump(),
        chart.minimum,
        chart.scale,
        length,
    )


def bias_node(
    rows: np.ndarray, hills: np.ndarray, settings: MetadynamicsSettings, start: int, timestep: float
) -> ArrayData:
    """Return variables in time and hills of a biased run.

    Parameters
    ----------
    rows
        Step, variables, bias and bias of the hills, shape (S, D + 3).
    hills
        Step, centres, widths, height, bias factor, shape (H, 2 D + 3).
    settings
        Of the run.
    start
        Step at which the bias began.
    timestep
        ps.
    """
    count = len(settings.ordered)
    arrays = {
        keys.STEPS: (rows[:, 0] - start).astype(np.int64),
        keys.TIMES: (rows[:, 0] - start) * timestep,
        keys.VARIABLES: rows[:, 1 : count + 1],
        keys.BIAS_ENERGIES: rows[:, count + 1],
        keys.HILLS_ENERGIES: rows[:, count + 2],
        keys.HILL_STEPS: (hills[:, 0] - start).astype(np.int64),
        keys.HILL_CENTRES: hills[:, 1 : count + 1],
        keys.HILL_WIDTHS: hills[:, count + 1 : 2 * count + 1],
        keys.HILL_HEIGHTS: hills[:, 2 * count + 1],
    }
    node = arrays_node(arrays)
    node.base.attributes.set("names", [variable.name for variable in settings.ordered])
    if settings.collective_variables:  # whole Gaussians, and those of one job alone
        node.base.attributes.set(WHOLE_HILLS, True)
    return node
