"""Settings of the crossover search, of a scan of sizes and of a whole study."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from aiida_nanoclusters.science.sampling.settings import Stages
from aiida_nanoclusters.science.settings import Settings, quantity
from aiida_nanoclusters.science.structures.motif_kinds import MOTIFS, is_multiply_twinned
from aiida_nanoclusters.science.structures.motifs import motif_family

Size = Annotated[int, Field(ge=1)]


class SearchRange(Settings):
    """What a search for the crossover aims at, and what it may spend."""

    n_min: int = quantity(
        "Smallest cluster that is relaxed and fitted: smaller ones follow no expansion in N^(1/3).",
        unit="atoms",
        default=100,
        gt=0,
    )
    n_max: int = quantity("Largest cluster that is relaxed.", unit="atoms", default=17885)
    width: float = quantity(
        "Half-width of the confidence interval, relative to the size of the crossover, at which "
        "the search stops.",
        default=0.03,
        gt=0,
    )
    confidence: float = quantity("Confidence level of the interval.", default=0.9, gt=0, lt=1)
    budget: int | None = quantity(
        "Most atoms in all relaxed clusters together; null for no limit.",
        unit="atoms",
        default=None,
        ge=1,
    )
    batch: int = quantity("Clusters that are relaxed side by side in one round.", default=2, ge=1)
    seed: int = quantity("Seed of all random numbers.", default=1, ge=0)

    @model_validator(mode="after")
    def _check_range(self) -> SearchRange:
        if self.n_min >= self.n_max:
            raise ValueError(
                f"`n_min` is {self.n_min} and `n_max` {self.n_max}: n_min < n_max must hold, lower "
                "the one or raise the other"
            )
        return self


class SearchSettings(SearchRange):
    """Settings of :class:`~aiida_nanoclusters.science.stability.search.CrossoverSearch`."""

    cluster: tuple[str, ...] | None = quantity(
        "Motifs of the cluster side; null for the multiply twinned ones.", default=None
    )
    crystal: tuple[str, ...] | None = quantity(
        "Motifs of the crystal side; null for all that are not on the cluster side.", default=None
    )
    bulk_energy: dict[str, list[float]] = quantity(
        "Energy of the bulk crystal by single-crystal motif, one number for each member of a "
        "committee, to which the volume term of its fit is fixed.",
        unit="eV/atom",
        default={},
    )
    shared_bulk: tuple[str, ...] = quantity(
        "Single-crystal motifs that are fitted with one common volume term.", default=()
    )
    systematic_mev: float = quantity(
        "Standard deviation of the potential's error in the energy difference of the motifs.",
        unit="meV/atom",
        default=0.0,
        ge=0,
    )
    atomic_volume: float | None = quantity(
        "Volume of an atom in the bulk crystal, for the diameter; null where it is not known.",
        unit="Å^3",
        default=None,
        gt=0,
    )
    crystal_properties: dict[str, list[float]] | None = quantity(
        "Energy (eV/atom), atomic volume (Å^3), bulk and shear modulus (eV/Å^3) of the relaxed "
        "crystal, one number for each member of a committee or one for all, from which the volume "
        "terms follow; null where they are not known.",
        default=None,
    )
    bounded: bool = quantity(
        "Whether the volume term of multiply twinned motifs cannot lie below the crystal's.",
        default=True,
    )
    n_samples: int = quantity(
        "Random curves from which the interval is taken.", default=2000, ge=100
    )

    @field_validator("bulk_energy", mode="before")
    @classmethod
    def _one_for_each_member(cls, energies: Any) -> Any:
        if not isinstance(energies, dict):
            return energies
        return {
            motif: [value] if isinstance(value, (int, float)) else value
            for motif, value in energies.items()
        }


class CrossoverSettings(SearchRange):
    """Settings of the work chain that searches the crossover."""

    # Earlier versions listed clusters from n_min on and fitted only those from fit_from on.
    former_names: ClassVar = {"fit_from": "n_min"}

    families: list[str] = quantity(
        "Motifs whose closed shells are compared, at least one multiply twinned and one "
        "single-crystal motif.",
        default=["icosahedron", "truncated octahedron", "Marks decahedron"],
    )
    shape: Literal["regular", "best"] = quantity(
        "Truncated octahedra: `regular` with regular hexagons, `best` all near the Wulff shape.",
        default="regular",
    )
    relax_stages: Stages = quantity("Stages that relax clusters and slabs.")
    bulk_stages: Stages = quantity("Stages that relax the crystal with its cell.")
    mode_sizes: list[Size] = quantity(
        "Sizes about which incomplete icosahedra are compared with Wulff polyhedra of equal size; "
        "none skips the comparison.",
        unit="atoms",
        default=[79, 140, 201, 314, 459, 586, 807, 1289, 2406, 3894, 6266],
    )
    mode_stages: Stages = quantity("Stages that anneal incomplete icosahedra.")

    @field_validator("families")
    @classmethod
    def _check_families(cls, families: list[str]) -> list[str]:
        for motif in families:
            if motif not in MOTIFS:
                raise ValueError(f"unknown motif {motif!r}: choose from {', '.join(MOTIFS)}")
        if len({is_multiply_twinned(motif) for motif in families}) < 2:
            raise ValueError(
                "name at least one multiply twinned and one single-crystal motif, such as "
                "icosahedron and truncated octahedron"
            )
        return families

    def search(self, **physics: Any) -> SearchSettings:
        """Return the settings of the search, with properties of the crystal and the potential."""
        shared = {name: getattr(self, name) for name in SearchRange.model_fields}
        return SearchSettings(**shared, **physics)


class SizeScanSettings(Settings):
    """Settings of a scan of sizes."""

    anneal: str = quantity(
        "Protocol by which every size is annealed, of `protocols/anneal.yaml`.", default="moderate"
    )
    lowest_structures: str | None = quantity(
        "Protocol of the search for lower structures than annealing finds; null: annealing alone.",
        default=None,
    )
    ranges: list[tuple[Size, Size]] = quantity(
        "First and last size of each range.", unit="atoms", default=[[7, 80]], min_length=1
    )

    @field_validator("ranges")
    @classmethod
    def _check_ranges(cls, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
        for first, last in ranges:
            if last < first:
                raise ValueError(f"[{first}, {last}] is empty: write [{last}, {first}]")
        sizes = [n for first, last in ranges for n in range(first, last + 1)]
        if len(set(sizes)) < len(sizes):
            raise ValueError("two ranges overlap: give every size once")
        return ranges

    @property
    def sizes(self) -> list[int]:
        """All sizes (atoms), in the order of the ranges."""
        return [n for first, last in self.ranges for n in range(first, last + 1)]


class ComparedSizes(Settings):
    """Sizes at which a committee is compared with the reference potential."""

    former_names: ClassVar = {"unseen": "extrapolation"}

    motifs: dict[str, list[Size]] = quantity(
        "Sizes of closed shells by motif; the error of their energy difference is the systematic "
        "error of the crossover.",
        unit="atoms",
        default={},
    )
    extrapolation: list[Size] = quantity(
        "Sizes of compact clusters that no training frame has: the extrapolation set.",
        unit="atoms",
        default=[],
    )

    @property
    def largest(self) -> int:
        """Number of atoms of the largest cluster; 0 where there is none."""
        closed_shells = (n for sizes in self.motifs.values() for n in sizes)
        return max((*closed_shells, *self.extrapolation), default=0)

    @field_validator("motifs")
    @classmethod
    def _check_closed_shells(cls, motifs: dict[str, list[int]]) -> dict[str, list[int]]:
        for motif, sizes in motifs.items():
            family = motif_family(motif, 1, max(sizes, default=1), shape="regular")
            closed = [member.size for member in family]
            if odd := [str(size) for size in sizes if size not in closed]:
                near = ", ".join(str(size) for size in closed[-5:])
                raise ValueError(
                    f"{motif} has no closed shell of {', '.join(odd)} atoms, but of ..., {near}"
                )
        return motifs


class StudySettings(Settings):
    """Settings of a whole study: the protocols of its parts, and the sizes of its comparison."""

    former_names: ClassVar = {"probes": "compared_sizes", "probe_stages": "comparison_stages"}

    training: dict[str, Any] = quantity(
        "Changes to the protocol of the training, such as {seeds: [1, 2], training: {epochs: 20}}.",
        default={},
    )
    dataset: str = quantity(
        "Protocol of the data set where a potential is the reference engine.", default="tutorial"
    )
    dataset_by_engine: str = quantity(
        "Protocol of the data set where a first-principles program is the reference engine.",
        default="small",
    )
    train: str = quantity("Protocol of the training.", default="tutorial")
    size_scan: str = quantity("Protocol of the scan of sizes.", default="tutorial")
    crossover: str = quantity("Protocol of the crossover.", default="tutorial")
    reference_crossover: str | None = quantity(
        "Protocol of the crossover by the reference potential alone; null: that of `crossover`.",
        default=None,
    )
    compared_sizes: ComparedSizes = quantity(
        "Sizes at which the committee is compared with a reference potential."
    )
    comparison_stages: Stages = quantity(
        "Stages that relax the clusters of these sizes: force_tolerance in eV/Å."
    )
