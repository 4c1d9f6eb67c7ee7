"""MetadynamicsCalculation: stages of one cluster or solution, the last under a growing bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.lammps import colvars
from aiida_nanoclusters.formats.lammps.bias import (
    CHART_FILE,
    HILLS_FILE,
    VARIABLES_FILE,
    bias_lines,
)
from aiida_nanoclusters.formats.lammps.chart_file import chart_file
from aiida_nanoclusters.formats.lammps.colvars_state import colvars_state
from aiida_nanoclusters.formats.lammps.job import Job
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.distributions import bond_lengths_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariable,
    variables_of,
)
from aiida_nanoclusters.science.sampling.coordination_walls import (
    CoordinationWall,
    coordination_walls_of,
)
from aiida_nanoclusters.science.sampling.metadynamics import Hills
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.stages import count_steps, parse_stages
from aiida_nanoclusters.science.structures.molecules import find_molecules

#: Entry point of the parser.
PARSER = "nanoclusters.metadynamics"
#: Energy of a wall at the start, eV, beyond which the start is not what the wall is meant for.
MOST_WALL_ENERGY = 2.0
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
    named = value.get("reference", value["frames"])
    problem = validate_stages(value, None) or system_problem(settings, named.frames)
    if problem:
        return problem
    last = parse_stages(value["stages"].get_list())[-1]
    if not last.is_dynamic or set(last.temperature) != {settings.temperature}:
        return (
            f"the last stage must hold {settings.temperature} K, the temperature of the bias: take "
            "`MetadynamicsSettings.stages`"
        )
    problem = bias_problem(settings, value["frames"].frames, value.get("chart"))
    return problem or _walker_problem(settings, value)


def _walker_problem(settings: MetadynamicsSettings, value: Mapping[str, Any]) -> str | None:
    """Return why a run cannot begin with hills of others, or in the roles of another frame."""
    if not settings.collective_variables or settings.is_opes:
        given = [name for name in ("hills", "reference") if name in value]
        return (
            f"`{given[0]}` belongs to `metadynamics` along `collective_variables`"
            if given
            else None
        )
    frames = value["frames"].frames
    if "reference" in value:
        other = value["reference"].frames
        if len(other) != 1 or not np.array_equal(other.numbers, frames.numbers):
            return "`reference` must be one structure of the same atoms in the same order"
    if "hills" in value:
        count = len(settings.ordered)
        if value["hills"].get_array(keys.HILL_CENTRES).shape[1] != count:
            return f"`hills` are not those of {count} variables"
    return None


def system_problem(settings: MetadynamicsSettings, frames: Frames) -> str | None:
    """Return why frames are not one system with such variables, or None."""
    if settings.collective_variables:
        if len(frames) != 1:
            return (
                f"`frames` must hold one structure, not {len(frames)}: pick it by `select_frames`"
            )
        try:
            variables, walls, _ = by_roles(settings, frames)
        except ValueError as error:
            return str(error)
        return _walls_problem([*variables, *walls], frames)
    if len(frames) != 1 or frames.pbc.any():
        return "`frames` must hold one cluster that is not periodic: pick it by `select_frames`"
    if frames.sizes[0] < 4:
        return (
            f"a cluster of {frames.sizes[0]} atoms has no structures to go between: give 4 or more"
        )
    return None


def _walls_problem(variables: Sequence[CollectiveVariable], frames: Frames) -> str | None:
    """Return which wall would throw a run off its start, or None."""
    for variable in variables:
        own, value = variable.settings, variable.value(frames[0])
        low = -np.inf if own.lower is None else own.lower
        high = np.inf if own.upper is None else own.upper
        beyond = max(low - value, value - high, 0.0)
        if 0.5 * own.stiffness * beyond**2 > MOST_WALL_ENERGY:
            return (
                f"`{own.name}` is {value:.3g} at first, its walls allow {low:g} to {high:g}: are "
                "the atoms in the order that its roles count on?"
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
) -> tuple[list[CollectiveVariable], list[CollectiveVariable], list[CoordinationWall]]:
    """Return the biased variables, those with walls alone, and walls on coordination numbers.

    Their atoms are those of the first frame.

    Raises
    ------
    ValueError
        If no atom has one of their roles, two variables have one name, or an atom has no partner.
    """
    atoms = frames[0]
    molecules = find_molecules(atoms, settings.solvent)
    own = settings.collective_variables
    found = variables_of([*own, *settings.walls], molecules)
    on_atoms = coordination_walls_of(settings.coordination_walls, molecules, atoms)
    return found[: len(own)], found[len(own) :], on_atoms


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
        spec.input(
            "hills",
            valid_type=ArrayData,
            required=False,
            help="Hills of other runs along the same `collective_variables`, with which the bias "
            "begins. Default: none.",
        )
        spec.input(
            "reference",
            valid_type=FramesData,
            required=False,
            help="Structure by whose molecules the roles of atoms are told. Default: `frames`.",
        )
        spec.inputs.validator = validate_inputs
        spec.inputs["metadata"]["options"]["parser_name"].default = PARSER
        spec.output(
            "bias",
            valid_type=ArrayData,
            required=False,
            help="Variables in time and all hills, none of OPES; names in `science/keys.py`.",
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write the input with the bias, and the chart."""
        info = super().prepare_for_submission(folder)
        settings = self._bias
        if settings.collective_variables:
            with folder.open(colvars.CONFIG_FILE, "w") as handle:
                handle.write(self._colvars())
            info.retrieve_temporary_list += [colvars.TRAJECTORY_FILE]
            if not settings.is_opes:
                info.retrieve_temporary_list += [colvars.HILLS_FILE]
            if self._begins_with_hills:
                with folder.open(colvars.STATE_FILE, "w") as handle:
                    handle.write(self._hills_before())
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
            # the fix of the last stage that holds the temperature
            holder = "thermostat" if job.stages[-1].thermostat == "langevin" else "integrate"
            holder_of = holder if settings.is_opes else None
            line = colvars.fix_line(holder_of, state=self._begins_with_hills)
            return frames, replace(job, bias=[line])
        return frames, replace(job, bias=bias_lines(settings, self._length, job.factors[0]))

    def _colvars(self) -> str:
        """Return the configuration of COLVARS; its steps are those of the time step of the job."""
        settings, frames = self._bias, self.inputs.frames.frames
        job = self._make_job()[1]
        factor = job.factors[0]
        scaled = settings.model_copy(update={"timestep": settings.timestep * factor})
        named = self.inputs.reference.frames if "reference" in self.inputs else frames
        variables, walls, on_atoms = by_roles(settings, named)
        return colvars.colvars_config(
            variables,
            frames[0],
            scaled.bias,
            walls=walls,
            coordination_walls=on_atoms,
            every=max(1, round(scaled.print_every / scaled.timestep)),
            saved=count_steps(job.stages[-1], factor).restart,
        )

    def _hills_before(self) -> str:
        """Return the state of COLVARS with the hills of other runs."""
        job = self._make_job()[1]
        spacings = [colvars.spacing_of(one) for one in self._bias.collective_variables]
        step = job.plan.start(0, len(job.stages) - 1)
        return colvars_state(hills_of(self.inputs.hills, self._bias), spacings, step)

    @property
    def _begins_with_hills(self) -> bool:
        """Whether COLVARS reads hills of other runs: where a job continues, they are its own."""
        if "hills" not in self.inputs or not len(self.inputs.hills.get_array(keys.HILL_HEIGHTS)):
            return False
        last = len(self.inputs.stages.get_list()) - 1
        return "resume" not in self.inputs or self.inputs.resume["stage"] < last

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


def hills_of(node: ArrayData, settings: MetadynamicsSettings) -> Hills:
    """Return the hills that a node holds."""
    return Hills(
        node.get_array(keys.HILL_CENTRES),
        node.get_array(keys.HILL_WIDTHS),
        node.get_array(keys.HILL_HEIGHTS),
        settings.bias_factor,
        stretched=not node.base.attributes.get(WHOLE_HILLS, False),
    )


def bias_node(
    rows: np.ndarray,
    hills: np.ndarray | None,
    settings: MetadynamicsSettings,
    start: int,
    timestep: float,
) -> ArrayData:
    """Return variables in time and hills of a biased run.

    Parameters
    ----------
    rows
        Step, variables, bias and bias of the hills, shape (S, D + 3).
    hills
        Step, centres, widths, height, bias factor, shape (H, 2 D + 3); None for OPES, which has
        none.
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
    }
    if hills is not None:
        arrays |= {
            keys.HILL_STEPS: (hills[:, 0] - start).astype(np.int64),
            keys.HILL_CENTRES: hills[:, 1 : count + 1],
            keys.HILL_WIDTHS: hills[:, count + 1 : 2 * count + 1],
            keys.HILL_HEIGHTS: hills[:, 2 * count + 1],
        }
    node = arrays_node(arrays)
    node.base.attributes.set("names", [variable.name for variable in settings.ordered])
    if settings.collective_variables and hills is not None:  # whole ones, of one job alone
        node.base.attributes.set(WHOLE_HILLS, True)
    return node
