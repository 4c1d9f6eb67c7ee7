"""Content of the report of a chart, of placed frames and of parallel tempering, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.cli.report.palette import family_colours

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """A family of structures.

    Attributes
    ----------
    number, packing, subfamily
        Its number, and its name by common neighbours: ``decahedral``, ``axis at the periphery``.
    count
        Frames in it.
    name_share
        Share of the frames around its centre that have this packing; None if not known.
    centre
        In the chart.
    point
        Drawn point of its representative; None without one.
    energy
        Of the representative, eV; None if not known.
    """

    number: int
    packing: str
    subfamily: str
    count: int
    centre: tuple[float, ...] = ()
    name_share: float | None = None
    point: int | None = None
    energy: float | None = None

    @property
    def name(self) -> str:
        """Packing and subfamily."""
        return ", ".join(filter(None, (self.packing, self.subfamily)))

    @property
    def label(self) -> str:
        """Number and name, as legends have them."""
        return f"{self.number} · {self.name}" if self.name else str(self.number)


@dataclass(frozen=True)
class Drawing:
    """A cluster that a click shows: Å about its centre, class of each atom as `CLASSES`."""

    point: int
    positions: Floats
    classes: Ints


@dataclass(frozen=True)
class Points:
    """Frames of the chart that are drawn.

    Attributes
    ----------
    coordinates
        Shape (P, d).
    family, packing
        Shape (P,), -1 where unknown; packing as `FAMILIES` of `packing_family`.
    frame
        Index in the node.
    size, energy
        Atoms, and eV (NaN where unknown), shape (P,).
    outside
        Whether a frame lies outside of what the chart has seen, shape (P,).
    """

    coordinates: Floats
    family: Ints
    packing: Ints
    frame: Ints
    size: Ints
    energy: Floats
    outside: NDArray[np.bool_]


@dataclass(frozen=True)
class PopulationPart:
    """Populations of one composition against temperature; arrays as named in `science.keys`."""

    composition: str
    arrays: Mapping[str, Any]
    families: tuple[str, ...]
    packings: tuple[str, ...]
    uuid: str


@dataclass(frozen=True)
class FreeEnergyPart:
    """Free energy over the chart and the lowest path on it; arrays as in `science.keys`."""

    arrays: Mapping[str, Any]
    temperature: float
    origin: str
    target: str
    answer: Mapping[str, Any]
    uuid: str


@dataclass(frozen=True)
class TransitionPart:
    """A trajectory in the chart; arrays as in `science.keys`, rows of `transitions`."""

    arrays: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    dwells: tuple[Mapping[str, Any], ...]
    core: float
    residence: float
    confidence: float
    uuid: str


@dataclass(frozen=True)
class ChartPart:
    """A chart with its families, and the frames in it.

    Attributes
    ----------
    points, seen
        Frames that are drawn; coordinates of the training frames behind placed ones, (S, d).
    drawings
        Clusters that a click shows.
    curve, plateau
        Bandwidths that were tried and the number of families of each; ends of the plateau.
    between_seeds
        Mean adjusted Rand index between the seeds at each of these bandwidths; None where unknown.
    training
        Of each member of the committee its losses by epoch: ``training``, ``validation``.
    stability
        Adjusted Rand index between the families of each pair of members.
    facts
        Sentences on the chart: frames, sizes, elements.
    """

    families: tuple[Family, ...]
    points: Points
    drawings: tuple[Drawing, ...]
    n_frames: int
    placed: bool = False
    seen: Floats = field(default_factory=lambda: np.zeros((0, 3)))
    bandwidth: float | None = None
    curve: tuple[tuple[float, int], ...] = ()
    plateau: tuple[float, float] | None = None
    between_seeds: tuple[float | None, ...] = ()
    training: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)
    stability: Mapping[str, float] = field(default_factory=dict)
    populations: tuple[PopulationPart, ...] = ()
    free_energy: FreeEnergyPart | None = None
    transitions: TransitionPart | None = None
    facts: tuple[str, ...] = ()
    uuids: Mapping[str, str] = field(default_factory=dict)

    @property
    def colours(self) -> list[str]:
        """Colour of each family."""
        return family_colours([family.packing for family in self.families])


@dataclass(frozen=True)
class TemperingPart:
    """A run of parallel tempering of one composition.

    Attributes
    ----------
    temperatures
        Ladder, K, (T,).
    path
        Index into the ladder of each replica after some attempts, (S, R), and their steps, (S,).
    thermodynamics
        Arrays as in `science.keys`; empty where the run was too short.
    report
        As the work chain has it.
    """

    composition: str
    temperatures: Floats
    path: Ints
    steps: Ints
    thermodynamics: Mapping[str, Any]
    report: Mapping[str, Any]
    uuids: Mapping[str, str]
