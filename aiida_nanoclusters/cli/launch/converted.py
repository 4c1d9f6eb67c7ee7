"""Nodes of AiiDA and of other plugins where a command takes frames or a potential.

Each conversion is a process of its own; AiiDA's cache, which `setup` switches on, does it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiida_nanoclusters.cli.launch.nodes import get_node
from aiida_nanoclusters.cli.terminal import Fixable

if TYPE_CHECKING:
    from aiida.orm import ProcessNode, TrajectoryData

    from aiida_nanoclusters.data.frames import FramesData
    from aiida_nanoclusters.data.potential import PotentialData


def converted_frames(
    source: str, level: str = "", inputs: Mapping[str, Any] | None = None
) -> FramesData:
    """Return the frames of a node.

    Parameters
    ----------
    source
        UUID or PK of FramesData, a StructureData, a TrajectoryData, or of a calculation or work
        chain of CP2K or VASP, whose labels are read.
    level
        Level of theory of those labels; default that of the files.
    inputs
        `atom_energies` of those labels.

    Raises
    ------
    Fixable
        If there is no such node, or no frame in it.
    """
    from aiida.orm import CalcJobNode, StructureData, TrajectoryData, WorkChainNode

    from aiida_nanoclusters.calculations import conversions
    from aiida_nanoclusters.data.frames import FramesData

    kinds = (FramesData, StructureData, TrajectoryData, CalcJobNode, WorkChainNode)
    node = get_node(source, *kinds, what="FramesData, structure, trajectory or calculation")
    if isinstance(node, FramesData):
        return node
    frames: FramesData
    if isinstance(node, StructureData):
        frames = convert(source, conversions.structure_to_frames, structure=node)
    elif isinstance(node, TrajectoryData):
        given = {"trajectory": node, **_of_trajectory(node)}
        frames = convert(source, conversions.trajectory_to_frames, **given)
    else:
        frames = labels_of_calculation(node, level, inputs)
    return frames


def _of_trajectory(node: TrajectoryData) -> dict[str, Any]:
    """What the calculation that made a trajectory says of it: its structure, and how it counts."""
    from aiida.orm import Bool, StructureData

    creator = node.creator
    if creator is None:
        return {}
    structure = creator.inputs.structure if "structure" in creator.inputs else None
    found: dict[str, Any] = {}
    if isinstance(structure, StructureData):
        found["structure"] = structure
    if str(creator.process_type).startswith("aiida.calculations:vasp."):
        found["fractional"] = Bool(True)
    return found


def labels_of_calculation(
    node: ProcessNode, level: str = "", inputs: Mapping[str, Any] | None = None
) -> FramesData:
    """Return the labels in the retrieved files of a calculation of CP2K or VASP.

    Raises
    ------
    Fixable
        If it retrieved no files, or there is no label in them.
    """
    from aiida.orm import FolderData, Str

    from aiida_nanoclusters.calculations.conversions import outputs_to_labels

    retrieved = node.outputs.retrieved if "retrieved" in node.outputs else None
    if not isinstance(retrieved, FolderData):
        raise Fixable(
            f"{node.uuid} has no retrieved files: give a calculation of CP2K or VASP, or the "
            "output `frames` of a work chain of this package"
        )
    named = {"level_of_theory": Str(level)} if level else {}
    given = {"retrieved": retrieved, **named, **(inputs or {})}
    frames: FramesData = convert(node.uuid, outputs_to_labels, **given)
    return frames


def converted_potential(uuid: str) -> PotentialData:
    """Return a potential by its UUID or PK; one of aiida-lammps is taken over.

    Raises
    ------
    Fixable
        If there is none, or it cannot be taken over.
    """
    from aiida_nanoclusters.calculations.conversions import LAMMPS_POTENTIAL, lammps_to_potential
    from aiida_nanoclusters.data.potential import PotentialData

    potential: PotentialData
    node = get_node(uuid)
    if str(node.node_type).startswith(LAMMPS_POTENTIAL):
        potential = convert(uuid, lammps_to_potential, potential=node)
    else:
        potential = get_node(uuid, PotentialData, what="potential")
    return potential


def convert(source: str, function: Any, **inputs: Any) -> Any:
    """Return what a calculation function makes of its inputs.

    Raises
    ------
    Fixable
        If it cannot.
    """
    result, process = function.run_get_node(**inputs)
    if not process.is_finished_ok:
        raise Fixable(f"{source}: {process.exit_message}")
    return result
