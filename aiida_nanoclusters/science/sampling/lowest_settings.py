"""Settings of the search for the lowest structures."""

from __future__ import annotations

from aiida_nanoclusters.science.sampling.settings import BOUNDS, Bounds, Minimisation
from aiida_nanoclusters.science.settings import Settings, quantity


class LowestSettings(Settings):
    """Settings of :class:`~aiida_nanoclusters.science.sampling.lowest_structures.LowestSearch`."""

    rounds: int = quantity(
        "Largest number of rounds; each relaxes structures of all sizes that are not settled.",
        default=20,
        ge=1,
    )
    batch: int = quantity(
        "Structures of each size in a round, after the first one.", default=24, ge=1
    )
    fillings: int = quantity(
        "Lowest ways to fill each lattice of sites, from which the first round begins.",
        default=6,
        ge=1,
    )
    pool: int = quantity(
        "Lowest distinct isomers of each size from which structures are made, beside the lowest "
        "of each lineage.",
        default=8,
        ge=1,
    )
    step: float = quantity(
        "Largest change of a coordinate by shakes.", unit="bond lengths", default=0.4, gt=0, le=0.8
    )
    hits: int = quantity(
        "Lineages, such as motifs and random clusters, in which the lowest structure of a size is "
        "found before it is settled.",
        default=3,
        ge=1,
    )
    patience: int = quantity(
        "Rounds without a lower structure of a size before it is settled.", default=5, ge=1
    )
    bounds: Bounds = BOUNDS


class LowestStructuresSettings(LowestSettings):
    """Settings of the work chain that searches the lowest structures."""

    keep: int = quantity("Lowest distinct isomers of each size that are kept.", default=3, ge=1)
    relax_stages: Minimisation = quantity(
        "Stages that relax each structure, also those kept with a reference potential: "
        "force_tolerance in eV/Å."
    )
