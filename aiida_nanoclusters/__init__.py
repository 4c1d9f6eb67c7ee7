"""Which cluster sizes are magic, and at what size does a cluster become a crystal?

From Python, without AiiDA: ``import aiida_nanoclusters as nc``; its functions are those of
:mod:`aiida_nanoclusters.api`, imported at their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida_nanoclusters.api import (
        Crossing,
        Crystal,
        EnergyFit,
        FamilyFits,
        MagicSize,
        Motif,
        Reweighting,
        TemperedCluster,
        calculator,
        choose_ladder,
        common_neighbours,
        coordination_numbers,
        crystal_from_energies,
        find_crossing,
        fit_families,
        fit_family,
        geometric_ladder,
        icosahedron,
        incomplete_icosahedron,
        magic_numbers,
        marks_decahedron,
        motifs,
        parallel_tempering,
        point_group,
        read_frames,
        recognise_motif,
        same_structure,
        second_differences,
        sizes_and_energies,
        strained_cells,
        truncated_octahedron,
    )

__version__ = "0.1.0"

__all__ = [
    "Crossing",
    "Crystal",
    "EnergyFit",
    "FamilyFits",
    "MagicSize",
    "Motif",
    "Reweighting",
    "TemperedCluster",
    "calculator",
    "choose_ladder",
    "common_neighbours",
    "coordination_numbers",
    "crystal_from_energies",
    "find_crossing",
    "fit_families",
    "fit_family",
    "geometric_ladder",
    "icosahedron",
    "incomplete_icosahedron",
    "magic_numbers",
    "marks_decahedron",
    "motifs",
    "parallel_tempering",
    "point_group",
    "read_frames",
    "recognise_motif",
    "same_structure",
    "second_differences",
    "sizes_and_energies",
    "strained_cells",
    "truncated_octahedron",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module("aiida_nanoclusters.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
