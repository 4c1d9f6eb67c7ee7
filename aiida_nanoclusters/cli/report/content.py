"""Content of a report as plain data, without nodes, pictures and AiiDA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.sampling.searches import Found
from aiida_nanoclusters.science.stability.crossing import Crossing

if TYPE_CHECKING:
    from aiida_nanoclusters.cli.progress.counts import JobTotal
    from aiida_nanoclusters.cli.report.assembly import AssemblyPart
    from aiida_nanoclusters.cli.report.chart_content import ChartPart, TemperingPart
    from aiida_nanoclusters.cli.report.ligand_content import CompatibilityPart, RankingPart
    from aiida_nanoclusters.cli.report.metadynamics import MetadynamicsPart
    from aiida_nanoclusters.cli.report.solution import SolutionPart
    from aiida_nanoclusters.queries.programs import Code, Version

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FrameGroup:
    """Frames of one configuration type; `parts` counts them by part of the data set."""

    config_type: str
    sizes: tuple[int, ...]
    parts: Mapping[str, int]


@dataclass(frozen=True)
class DatasetPart:
    """Labelled frames; `uuids` by part (training, validation, test, frames)."""

    level_of_theory: str
    atom_energies: Mapping[str, float]
    groups: tuple[FrameGroup, ...]
    uuids: Mapping[str, str]
    n_failed: int | None = None
    report_uuid: str = ""


@dataclass(frozen=True)
class LearningCurve:
    """One member's training: by the metric's name its epochs and values, in its own unit."""

    member: str
    metrics: Mapping[str, tuple[Floats, Floats]]
    uuid: str


@dataclass(frozen=True)
class ErrorRow:
    """Errors on one group of frames: meV/atom and meV/Å; None where not recorded."""

    member: str
    part: str
    group: str
    frames: int | None
    energy_rmse: float | None
    energy_mae: float | None
    energy_mean: float | None
    forces_rmse: float | None
    forces_mae: float | None


@dataclass(frozen=True)
class Deviation:
    """Disagreement of a committee on forces of a set (meV/Å), and its correlation with errors."""

    part: str
    mean: float | None
    largest: float | None
    correlation: float | None


@dataclass(frozen=True)
class Parity:
    """Labels against predictions: energies (eV/atom), force components (eV/Å); paired arrays."""

    part: str
    member: str
    energy: tuple[Floats, Floats]
    force: tuple[Floats, Floats]
    config_types: tuple[str, ...]
    uuid: str
    #: Configuration type of the frame of each force component; empty where it is not known.
    force_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class MotifDifference:
    """Error of the learnt difference icosahedron - crystal, meV/atom, by member."""

    members: Mapping[str, float]
    uuid: str

    @property
    def mean(self) -> float:
        """Mean over the members, meV/atom."""
        return float(np.mean(list(self.members.values())))


@dataclass(frozen=True)
class Potential:
    """A member of the committee."""

    member: str
    kind: str
    cutoff: float
    level_of_theory: str
    uuid: str
    compiled_uuid: str = ""


@dataclass(frozen=True)
class Alignment:
    """Effect of the alignment of a member on held-out frames; errors in meV/atom and meV/Å.

    ``blind`` is the held-out error of the damping that was chosen, before the held-out frames were
    included in the alignment: an unbiased error. Numbers are None where nothing was measured.
    """

    member: str
    applied: bool
    reason: str
    damping: float | None
    held_out: int
    before: float | None
    blind: float | None
    forces_before: float | None
    forces_after: float | None
    uuid: str


@dataclass(frozen=True)
class TrainingPart:
    """The committee and its errors."""

    potentials: tuple[Potential, ...] = ()
    curves: tuple[LearningCurve, ...] = ()
    errors: tuple[ErrorRow, ...] = ()
    errors_uuid: str = ""
    deviations: tuple[Deviation, ...] = ()
    parities: tuple[Parity, ...] = ()
    motif_difference: MotifDifference | None = None
    alignments: tuple[Alignment, ...] = ()


@dataclass(frozen=True)
class Structure:
    """A cluster that is drawn: positions in Å about its centre, neighbours of each atom.

    With `symbols` it is drawn by element, with `bonds` as pairs of atoms; `text` is what is said.
    """

    size: int
    label: str
    positions: Floats
    coordination: Ints
    energy: float | None
    motif: str
    uuid: str
    point_group: str = ""
    reason: str = ""
    hits: int | None = None
    runs: int | None = None
    text: str = ""
    symbols: tuple[str, ...] = ()
    bonds: tuple[tuple[int, int], ...] = ()

    @property
    def n_12_coordinated(self) -> int:
        """Atoms with 12 neighbours."""
        return int((self.coordination == 12).sum())


@dataclass(frozen=True)
class Magic:
    """A magic size; `uncertainty` in eV and `probability` only with a committee.

    `chance_of_change` is the probability that it or a neighbour has a lower structure; only of
    sizes that were searched beyond annealing.
    """

    size: int
    second_difference: float
    uncertainty: float | None
    probability: float | None
    chance_of_change: float | None = None


@dataclass(frozen=True)
class ScanPart:
    """Lowest structures of many sizes; arrays as named in `science.keys`, energies in eV.

    `levels` are the levels of theory of the energies.
    """

    sizes: Ints
    energies: Floats
    binding_energies: Floats
    difference_sizes: Ints
    differences: Floats
    spreads: Floats
    magic: tuple[Magic, ...]
    electronic: tuple[int, ...]
    geometric: tuple[int, ...]
    structures: tuple[Structure, ...]
    uuids: Mapping[str, str]
    too_large: tuple[int, ...] = ()
    asked: int | None = None
    searches: tuple[Found, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the sizes have been compared, which is the scan's last step."""
        return "magic" in self.uuids

    def kind(self, size: int) -> str:
        """Return which shells close at a size: electronic, geometric, both or neither."""
        names = [
            name
            for name, closed in (("electronic", self.electronic), ("geometric", self.geometric))
            if size in closed
        ]
        return " and ".join(names) or "neither"


@dataclass(frozen=True)
class Curve:
    """Icosahedron - crystal, eV/atom, along a grid of sizes, with its band."""

    n: Floats
    median: Floats
    low: Floats
    high: Floats
    uuid: str


@dataclass(frozen=True)
class ClusterEnergies:
    """Relaxed closed shells: mean over the committee, and each member's total energies (eV)."""

    motifs: tuple[str, ...]
    sizes: Ints
    binding_energies: Floats
    member_energies: Floats
    coordination: Floats
    uuid: str


@dataclass(frozen=True)
class Modes:
    """Cluster mode against Wulff mode: eV/atom (eq. 4) and neighbours per atom (eq. 3)."""

    sizes: Ints
    delta_e: Floats
    delta_z: Floats
    uuid: str


@dataclass(frozen=True)
class CrossoverPart:
    """Search for the crossover so far, `learnt` by trained potentials.

    `members` are its potentials, and the levels of theory of their energies.
    """

    members: Mapping[str, str] = field(default_factory=dict)
    learnt: bool = True
    crossing: Crossing | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    curve: Curve | None = None
    energies: ClusterEnergies | None = None
    modes: Modes | None = None
    bulk: Mapping[str, Any] = field(default_factory=dict)
    structures: tuple[Structure, ...] = ()
    too_large: tuple[int, ...] = ()
    uuids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CoveragePart:
    """A training set beside a target; arrays as named in `science.keys`."""

    groups: tuple[str, ...]
    coordination: Mapping[str, Any]
    environments: Mapping[str, Any]
    coverage: Mapping[str, Any]
    uuids: Mapping[str, str]

    @property
    def target(self) -> str:
        """Compositions of the target, the first few."""
        names = [row["composition"] for row in self.coverage["target"]]
        return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


@dataclass(frozen=True)
class MeltingPart:
    """Melting of one cluster; `curve` as named in `science.keys`, `answer` as `judge_melting`."""

    curve: Mapping[str, Any]
    answer: Mapping[str, Any]
    uuids: Mapping[str, str]


@dataclass(frozen=True)
class RoundsPart:
    """Growth of a training set; `rows` as `calculations.active_learning.summarise_rounds`."""

    rows: tuple[Mapping[str, Any], ...]
    reason: str
    uuids: Mapping[str, str]


@dataclass(frozen=True)
class ProcessRow:
    """One process and how it ended."""

    label: str
    depth: int
    uuid: str
    state: str
    exit_status: int | None
    message: str
    started: datetime
    duration: timedelta
    cached: bool


@dataclass(frozen=True)
class StepRow:
    """All processes of one kind at one place of the call tree; ``job_time`` None without jobs."""

    label: str
    depth: int
    done: int
    failed: int
    active: int
    cached: int
    job_time: JobTotal | None
    processes: tuple[ProcessRow, ...]


@dataclass(frozen=True)
class StudyReport:
    """Results so far of a study or a part of it; pictures of provenance are SVG."""

    uuid: str
    kind: str
    label: str
    description: str
    element: str
    state: str
    exit_status: int | None
    message: str
    created: datetime
    duration: timedelta
    dataset: DatasetPart | None = None
    training: TrainingPart | None = None
    scan: ScanPart | None = None
    crossover: CrossoverPart | None = None
    reference: CrossoverPart | None = None
    melting: MeltingPart | None = None
    rounds: RoundsPart | None = None
    temperings: tuple[TemperingPart, ...] = ()
    metadynamics: MetadynamicsPart | None = None
    solutions: tuple[SolutionPart, ...] = ()
    assembly: AssemblyPart | None = None
    chart: ChartPart | None = None
    compatibility: CompatibilityPart | None = None
    ranking: RankingPart | None = None
    coverages: tuple[CoveragePart, ...] = ()
    steps: tuple[StepRow, ...] = ()
    codes: tuple[Code, ...] = ()
    versions: tuple[Version, ...] = ()
    step_picture: str = ""
    full_picture: str = ""

    @property
    def ok(self) -> bool:
        """Whether it finished successfully."""
        return self.state == "finished" and not self.exit_status
