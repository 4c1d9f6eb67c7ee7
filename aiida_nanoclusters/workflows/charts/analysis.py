"""What the work chains of charts have in common: runs and trajectories that were placed in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessSpec, WorkChain
from aiida.orm import ArrayData, Dict, List, Str

from aiida_nanoclusters.calculations.charts.tempering import (
    SWAPS,
    chart_free_energy,
    chart_populations,
    frames_of_sizes,
)
from aiida_nanoclusters.calculations.charts.transitions import (
    chart_transitions,
    times_of,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.analysis_settings import (
    FreeEnergySettings,
    TransitionSettings,
)
from aiida_nanoclusters.science.sampling.tempered_frames import compositions
from aiida_nanoclusters.workflows.parts.validators import optional, settings_validator

#: Namespace of the run whose minima are placed, and parts of a ParallelTemperingWorkChain in it.
TEMPERING = "tempering"
_PARTS = {"trajectory": FramesData, "minimum_of": ArrayData, "report": Dict}


def tempering_ports(spec: ProcessSpec) -> None:
    """Declare the run of parallel tempering whose minima are the frames, and what follows of it."""
    spec.input_namespace(
        TEMPERING,
        required=False,
        populate_defaults=False,
        help="Outputs of the ParallelTemperingWorkChain whose minima the frames are, for "
        "populations against temperature and the lowest path between families.",
    )
    for name, valid_type in _PARTS.items():
        spec.input(f"{TEMPERING}.{name}", valid_type=valid_type, required=False)
    spec.input_namespace(f"{TEMPERING}.swaps", valid_type=ArrayData, dynamic=True, required=False)
    spec.input(
        "free_energy_settings",
        valid_type=Dict,
        required=False,
        validator=optional(settings_validator(FreeEnergySettings)),
        help="Temperature, families and smoothing of the lowest path: the fields of "
        "`FreeEnergySettings` in `science/charts/analysis_settings.py`.",
    )
    for name, valid_type, what in (
        (
            "populations",
            ArrayData,
            "Of each composition the populations of families and of packings by common neighbours "
            "against temperature, with errors; names in `science/keys.py`.",
        ),
        ("free_energy", ArrayData, "Of each composition the free energy over the chart."),
        ("path", Dict, "Of each composition the lowest path between two families: barriers (eV)."),
    ):
        spec.output_namespace(name, valid_type=valid_type, dynamic=True, required=False, help=what)


def tempering_problem(values: Any) -> str | None:
    """Refuse a run of which parts are missing."""
    given = values.get(TEMPERING)
    if not given:
        return None
    missing = [name for name in (*_PARTS, "swaps") if not given.get(name)]
    if missing:
        return f"`{TEMPERING}` lacks {', '.join(missing)}: give all outputs of one run"
    indices = given["minimum_of"].get_array(keys.MINIMUM_OF)
    if len(indices) != len(given["trajectory"]) or indices.max(initial=-1) >= len(values["frames"]):
        return f"`frames` are not the minima of `{TEMPERING}`: give outputs of the same run"
    return None


def tempering_inputs(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the namespace :data:`TEMPERING` from the outputs of a ParallelTemperingWorkChain."""
    return {**{name: run[name] for name in _PARTS}, "swaps": dict(run["swaps"])}


def select_sizes(run: Mapping[str, Any], sizes: Sequence[int]) -> dict[str, Any]:
    """Return what of the outputs of a ParallelTemperingWorkChain is of clusters of some sizes.

    Raises
    ------
    ValueError
        If the run has no minima of one of the numbers of atoms.
    """
    names = ("trajectory", "minima", "minimum_of")
    own = frames_of_sizes(**{name: run[name] for name in names}, sizes=List(list(sizes)))
    there = compositions(own["minima"].frames)
    swaps = {name: node for name, node in dict(run["swaps"]).items() if name in there}
    return {**own, "report": run["report"], "swaps": swaps}


def analyse_tempering_run(
    chain: WorkChain, minima: FramesData, coordinates: ArrayData, families: Dict
) -> None:
    """Attach populations and the lowest path of the run that a work chain was given, if any."""
    run = chain.inputs.get(TEMPERING, {})
    if not run:
        return
    swaps = dict(run["swaps"])
    found = chart_populations(
        trajectory=run["trajectory"],
        minima=minima,
        minimum_of=run["minimum_of"],
        report=run["report"],
        coordinates=coordinates,
        families=families,
        **{f"{SWAPS}{name}": node for name, node in swaps.items()},
    )
    settings = chain.inputs.get("free_energy_settings")
    for composition, shares in found.items():
        chain.out(f"populations.{composition}", shares)
        made = chart_free_energy(
            trajectory=run["trajectory"],
            minimum_of=run["minimum_of"],
            swaps=swaps[composition],
            report=run["report"],
            coordinates=coordinates,
            families=families,
            shares=shares,
            settings=Dict(FreeEnergySettings().model_dump()) if settings is None else settings,
            composition=Str(composition),
        )
        for name, node in made.items():
            chain.out(f"{name}.{composition}", node)
    missing = sorted(set(swaps) - set(found))
    if missing:
        chain.report(f"too few frames for populations of {', '.join(missing)}")


def transition_ports(spec: ProcessSpec) -> None:
    """Declare what is needed for the transitions of a trajectory, and what follows."""
    spec.input(
        "coordinates",
        valid_type=ArrayData,
        required=False,
        help="Output of the same ChartWorkChain, whose frames make the cores of the families.",
    )
    spec.input(
        "transition_settings",
        valid_type=Dict,
        required=False,
        validator=optional(settings_validator(TransitionSettings)),
        help="For trajectories, whose frames tell their time (ps) in `info`: when one has gone to "
        "another family. The fields of `TransitionSettings` in "
        "`science/charts/analysis_settings.py`; without them no transitions are sought.",
    )
    spec.output(
        "trajectory",
        valid_type=ArrayData,
        required=False,
        help="Of each frame time, core and family by the last core; names in `science/keys.py`.",
    )
    spec.output(
        "transitions",
        valid_type=Dict,
        required=False,
        help="Transitions between families with their paths; dwell times with their limits.",
    )


def transition_problem(values: Any) -> str | None:
    """Refuse frames that are no trajectories."""
    if "transition_settings" not in values:
        return None
    if "coordinates" not in values:
        return "transitions need `coordinates`: give the output of the same ChartWorkChain"
    if times_of(values["frames"].frames) is None:
        return "`frames` tell no time: leave out `transition_settings`, or give a trajectory"
    return None


def find_transitions_of(chain: WorkChain, placements: ArrayData) -> None:
    """Attach the transitions of the trajectories that a work chain was given, if any."""
    inputs = chain.inputs
    if "transition_settings" in inputs:
        found = chart_transitions(
            frames=inputs.frames,
            placements=placements,
            coordinates=inputs.coordinates,
            families=inputs.families,
            settings=inputs.transition_settings,
        )
        chain.out_many(found)
