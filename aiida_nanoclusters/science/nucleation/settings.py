"""Settings of a study of nucleation: the solution, and the protocols of its parts."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from aiida_nanoclusters.science.nucleation.distributions import StructureSettings
from aiida_nanoclusters.science.nucleation.drying import DryingSettings
from aiida_nanoclusters.science.nucleation.states import StateSettings
from aiida_nanoclusters.science.sampling.settings import Stages
from aiida_nanoclusters.science.settings import Settings, quantity


class SolutionSettings(Settings):
    """A cubic box of solute units in a solvent."""

    unit: str = quantity(
        "SMILES of one unit of the solute, a metal atom with its ligand.", default="[Ag]SC=N"
    )
    units: int = quantity("Units in the box.", default=2, ge=1)
    solvent: str = quantity(
        "Solvent: a name such as methanol, or the SMILES of its molecule.", default="methanol"
    )
    molecules: int | None = quantity(
        "Solvent molecules; null takes those that fill the box to the density of the pure solvent.",
        default=None,
        ge=0,
    )
    density: float | None = quantity(
        "Density of the pure solvent, for one given as SMILES.", unit="g/cm^3", default=None, gt=0
    )
    length: float = quantity("Edge of the box.", unit="Å", default=20.0, gt=0)
    tolerance: float = quantity(
        "Smallest distance between atoms of different molecules.", unit="Å", default=2.0, gt=0
    )
    structures: int = quantity("Packings, which differ in their random seed.", default=4, ge=1)


class SolutionAnalysis(Settings):
    """What is measured in the frames of the metadynamics."""

    structure: StructureSettings = quantity(
        "Distributions of distances and angles.", default=StructureSettings()
    )
    drying: DryingSettings = quantity(
        "Solvent about the point of nucleation.", default=DryingSettings()
    )
    states: StateSettings = quantity(
        "States by the number of solvent atoms within the radius.", default=StateSettings()
    )


class BiasedExploration(Settings):
    """Metadynamics among the explorations of active learning."""

    structures: list[int] = quantity("Structures that it begins with, from 0.", default=[0])
    changes: dict[str, Any] = quantity(
        "What is different from the settings of the metadynamics that follows, such as "
        "{duration: 1.0}.",
        default={},
    )


class NucleationSettings(Settings):
    """Settings of a whole study: the protocols of its parts, and what they share."""

    dataset: str = quantity("Protocol of the data set.", default="solution")
    active_learning: str = quantity("Protocol of active learning.", default="solution")
    metadynamics: str = quantity("Protocol of metadynamics.", default="tiwari2025")
    solution: SolutionSettings | None = quantity(
        "What is packed where no structures are given; null needs some.", default=None
    )
    equilibration: Stages = quantity(
        "Stages by the reference that relax the packed structures, and heat them."
    )
    biased: BiasedExploration | None = quantity(
        "Metadynamics among the explorations; null explores without.", default=None
    )
    analysis: SolutionAnalysis | None = quantity(
        "Structure and solvent in the frames of the metadynamics; null measures nothing.",
        default=SolutionAnalysis(),
    )
    start: int = quantity("Structure that metadynamics begins with, from 0.", default=0, ge=0)

    @model_validator(mode="after")
    def _check_solution(self) -> NucleationSettings:
        if self.biased and min(self.biased.structures, default=0) < 0:
            raise ValueError("`biased`: `structures` are counted from 0")
        return self
