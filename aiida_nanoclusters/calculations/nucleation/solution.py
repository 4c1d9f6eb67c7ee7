"""Solutions packed from molecules, and what their frames show, as nodes."""

from __future__ import annotations

from typing import Any

from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Int

from aiida_nanoclusters.calculations.arrays import arrays_node
from aiida_nanoclusters.calculations.sampling.metadynamics_results import run_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.packmol.packing import pack_units
from aiida_nanoclusters.science.nucleation.settings import SolutionAnalysis, SolutionSettings
from aiida_nanoclusters.science.nucleation.solution import solution_structure, times_of
from aiida_nanoclusters.science.sampling.metadynamics_analysis import unbiased_weights
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings


@calcfunction
def pack_structures(settings: Dict, seed: Int) -> FramesData:
    """Pack units of a solute and solvent molecules into periodic boxes.

    Parameters
    ----------
    settings
        As of :class:`.science.nucleation.settings.SolutionSettings`.
    seed
        Of the places; the packings count on from it.
    """
    given = SolutionSettings.from_values(**settings.get_dict())
    frames = []
    for number in range(given.structures):
        atoms = pack_units(given, seed.value + number)
        atoms.info = {"config_type": "solution", "parent": f"packing {number}"}
        frames.append(atoms)
    return FramesData(frames)


@calcfunction
def analyse_solution(
    settings: Dict,
    bias_settings: Dict,
    start: FramesData,
    trajectory: FramesData,
    bias: ArrayData,
) -> dict[str, Any]:
    """Measure structure and solvent in the frames of one run of metadynamics, reweighted.

    Parameters
    ----------
    settings
        As of :class:`.science.nucleation.settings.SolutionAnalysis`.
    bias_settings
        As of :class:`.science.sampling.metadynamics_settings.MetadynamicsSettings`.
    start
        Structure that the run began with: its molecules name the atoms.
    trajectory, bias
        Of the run; frames before the bias began are left out.

    Returns
    -------
    dict
        ``structure``: arrays as named in `science/keys.py`, of each distribution with its number.
        ``structure_report``: maxima beside published ones (Å, degrees), shares of states.
    """
    given = SolutionAnalysis(**settings.get_dict())
    own = MetadynamicsSettings(**bias_settings.get_dict())
    frames = trajectory.frames
    begun = sum(stage["duration"] for stage in own.stages()[:-1])
    frames = frames.select(times_of(frames) > begun)
    weights = unbiased_weights(run_of(bias, own), own, times_of(frames) - begun)
    found = solution_structure(frames, given, weights, start=start.frames[0])
    node = arrays_node(found.arrays())
    node.base.attributes.set("names", list(found.distributions))
    return {"structure": node, "structure_report": Dict(found.report())}
