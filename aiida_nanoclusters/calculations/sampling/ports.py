"""Ports that all calculations and work chains of stages declare alike."""

from __future__ import annotations

from typing import Any

from aiida.engine import ProcessSpec
from aiida.orm import List

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.sampling.stages import parse_stages


def validate_stages(value: List, _: Any) -> str | None:
    """Refuse stages that are unknown or have wrong values."""
    try:
        parse_stages(value.get_list())
    except ValueError as error:
        return str(error)
    return None


def set_stages(spec: ProcessSpec, *, frames: bool = True, seeds: bool = True) -> None:
    """Declare the inputs of stages.

    Parameters
    ----------
    spec
        Specification of the process.
    frames
        Whether it takes `frames`; they are declared elsewhere where False.
    seeds
        Whether `seeds` are required.
    """
    if frames:
        spec.input("frames", valid_type=FramesData, help="Structures before their first stage.")
    spec.input(
        "stages",
        valid_type=List,
        validator=validate_stages,
        help="Stages that each structure goes through, one mapping each (docs/reference.md).",
    )
    spec.input(
        "seeds",
        valid_type=List,
        required=seeds,
        help="Random seeds of velocities and thermostats, one integer per structure.",
    )


def set_stage_results(spec: ProcessSpec) -> None:
    """Declare the structures and trajectories that stages give."""
    spec.output(
        "structures",
        valid_type=FramesData,
        required=False,
        help="Structures after their last stage, labelled, in input order; failed ones are left "
        "out.",
    )
    spec.output(
        "trajectory",
        valid_type=FramesData,
        required=False,
        help="Labelled frames sampled during the stages; `info`: structure, stage, time (ps).",
    )
