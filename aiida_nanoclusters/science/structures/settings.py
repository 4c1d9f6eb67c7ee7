"""Settings of the entries of a recipe of frames: one model for each kind of structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from aiida_nanoclusters.science.settings import Settings, quantity

#: The kind of entry whose structures must be searched, and the one whose are handed in.
MINIMA, GIVEN = "minima", "given"
#: Kinds that are built without a bond length of the metal.
WITHOUT_BOND_LENGTH = frozenset({"atom", GIVEN})


def _as_list(values: Any) -> Any:
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str) else values


def _none_if_empty(value: Any) -> Any:
    return None if isinstance(value, dict) and not value else value


def _number_of_kelvin(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            f"{value!r}: give a number of K, or a part of the melting point such as `0.8 Tm`"
        )
    return value


Temperature = Annotated[float, Field(gt=0), BeforeValidator(_number_of_kelvin)]
Sizes = Annotated[list[Annotated[int, Field(ge=1)]], BeforeValidator(_as_list), Field(min_length=1)]
Names = Annotated[list[str], Field(min_length=1)]


class _Strict(Settings):
    # Recipes are used as they are written: a number that is text would fail where it is used.
    model_config = ConfigDict(strict=True)


class Distortion(_Strict):
    """How structures are strained and rattled: every strain with every rattle."""

    strains: list[float] = quantity("Isotropic strains, as fractions.", default=[])
    uniaxial: list[float] = quantity(
        "Elongations along [111] and along [001] at constant volume (to first order), as "
        "fractions: the strains within the tetrahedra of an icosahedron.",
        default=[],
    )
    random_strains: list[float] = quantity(
        "Standard deviations of a random symmetric strain, as fractions.", default=[]
    )
    rattles: list[float] = quantity(
        "Standard deviations of random displacements.", unit="Å", default=[]
    )
    copies: int = quantity("Copies of each random strain and rattle.", default=1, ge=1)


class Sampling(_Strict):
    """Conditions of the molecular dynamics that samples the structures."""

    temperatures: list[Temperature] = quantity(
        "Temperatures, also as parts of the melting point such as `0.8 Tm`.",
        unit="K",
        min_length=1,
    )
    pressures: list[float] | None = quantity(
        "Pressures at which the cell may change; null keeps the cell.", unit="GPa", default=None
    )


class Entry(_Strict):
    """What entries of all kinds share."""

    former_names: ClassVar = {"probe": "convergence_test"}

    kind: str = quantity("Kind of structure.")
    relax: bool = quantity(
        "Whether the structures are relaxed before they are distorted or sampled.", default=False
    )
    distort: Annotated[Distortion | None, BeforeValidator(_none_if_empty)] = quantity(
        "Strains and rattles.", default=None
    )
    sample: Annotated[Sampling | None, BeforeValidator(_none_if_empty)] = quantity(
        "Conditions of molecular dynamics.", default=None
    )
    metadynamics: Annotated[dict[str, Any] | None, BeforeValidator(_none_if_empty)] = quantity(
        "Metadynamics of each structure, in place of `sample`: the fields of "
        "`MetadynamicsSettings`.",
        default=None,
    )
    convergence_test: bool = quantity(
        "Whether the frames only test the convergence of an active learning and are never "
        "labelled: clusters larger than those that are labelled.",
        default=False,
    )

    mixtures: int = quantity(
        "Copies of each structure with a drawn composition, its sites filled at random, beside "
        "those of each element alone; for several elements.",
        default=3,
        ge=0,
    )

    @model_validator(mode="after")
    def _check_variations(self) -> Entry:
        varied = [n for n in ("distort", "sample", "metadynamics") if getattr(self, n)]
        if len(varied) > 1:
            raise ValueError(
                f"give either `{varied[0]}` or `{varied[1]}`; write two entries for both"
            )
        if self.kind == "atom" and (self.sample or self.metadynamics):
            raise ValueError(f"a single atom has no motion: leave out `{varied[0]}`")
        if self.convergence_test and not self.sample:
            raise ValueError(
                "a convergence-test structure is sampled: give `sample: {temperatures: [...]}`"
            )
        if self.convergence_test and self.kind not in ("cluster", "motif"):
            raise ValueError(
                "convergence-test structures are clusters: give a `cluster` or a `motif`"
            )
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """What is special to the kind, by name."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in Entry.model_fields
        }


class AtomEntry(Entry):
    """The isolated atom, the energy reference."""


class DimerEntry(Entry):
    """Dimers of several bond lengths."""

    nearest: float = quantity(
        "Shortest distance of the two atoms.", unit="nearest-neighbour distances", gt=0
    )
    farthest: float = quantity(
        "Longest distance of the two atoms.", unit="nearest-neighbour distances", gt=0
    )
    count: int = quantity("Number of distances.", ge=1)


class ClusterEntry(Entry):
    """Compact clusters of each size: icosahedral, cut from the crystal, packed at random."""

    sizes: Sizes = quantity("Sizes of the clusters.", unit="atoms")
    structures: int = quantity("Structures of each size.", ge=1)


class MotifEntry(Entry):
    """Closed shells of a motif; see :func:`~.motifs.motif_family`."""

    motif: str = quantity("Name of the motif, such as icosahedron.")
    sizes: Sizes = quantity("Sizes of the clusters, each a closed shell.", unit="atoms")


class DefectiveEntry(Entry):
    """Clusters with defects, of any size; see :data:`~.defects.DEFECTIVE`."""

    defects: Names = quantity(
        "Kinds, such as `one twin plane` or `icosahedron without its centre`."
    )
    sizes: Sizes = quantity("Sizes of the clusters, at least 30.", unit="atoms")
    structures: int = quantity("Structures of each kind and size.", default=1, ge=1)


class BulkEntry(Entry):
    """Crystals in their cubic (hcp, dhcp: primitive) cells, repeated."""

    lattices: Names = quantity("Lattices: fcc, bcc, hcp, dhcp.")
    repeat: int = quantity("Repetitions of the cell in each direction.", ge=1)


class SlabEntry(Entry):
    """Surfaces of the fcc crystal."""

    facets: list[int | str] = quantity("Facets, such as 111.", min_length=1)
    layers: int = quantity("Atomic layers.", ge=1)
    repeat: int = quantity("Repetitions of the cell within the surface.", ge=1)
    vacuum: float = quantity("Vacuum between the slab and its images.", unit="Å", ge=0)


class StackingEntry(Entry):
    """Close-packed layers in any order: hcp, twins, stacking faults; slabs with vacuum."""

    sequences: Names = quantity("Sequences of layers, such as ABAC.")
    repeat: int = quantity("Repetitions of the cell within the layers.", ge=1)
    vacuum: float = quantity("Vacuum between the images; 0 for a crystal.", unit="Å", ge=0)


class MinimaEntry(Entry):
    """Lowest distinct minima of each size that a basin hopping finds.

    It uses the potential or the engine that samples. The frames of its relaxations are candidates
    too where its `relax_stages` have `sample_steps`.
    """

    sizes: Sizes = quantity("Sizes of the clusters.", unit="atoms")
    structures: int = quantity("Minima of each size.", default=1, ge=1)

    @model_validator(mode="after")
    def _check_relaxed(self) -> MinimaEntry:
        if self.relax:
            raise ValueError("minima are relaxed already: leave out `relax`")
        return self


class GivenEntry(Entry):
    """Structures that are handed in beside the recipe, such as solutions."""

    frames: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = quantity(
        "Which of them, from 0; null takes all.", default=None
    )

    @field_validator("frames")
    @classmethod
    def _check_frames(cls, frames: list[int] | None) -> list[int] | None:
        if frames and len(set(frames)) < len(frames):
            raise ValueError(
                f"{frames}: name each once; write the entry twice for two trajectories"
            )
        return frames

    whole: bool = quantity(
        "Whether a trajectory ends with the first frame in which a molecule has come apart.",
        default=True,
    )


#: Model of an entry by its kind.
ENTRIES: dict[str, type[Entry]] = {
    "atom": AtomEntry,
    "dimer": DimerEntry,
    "cluster": ClusterEntry,
    "motif": MotifEntry,
    "defective": DefectiveEntry,
    "bulk": BulkEntry,
    "slab": SlabEntry,
    "stacking": StackingEntry,
    MINIMA: MinimaEntry,
    GIVEN: GivenEntry,
}


def entry_model(entry: Mapping[str, Any]) -> type[Entry]:
    """Return the model of an entry.

    Raises
    ------
    ValueError
        If its kind is unknown.
    """
    kind = entry.get("kind")
    if kind not in ENTRIES:
        raise ValueError(f"unknown kind {kind!r}: choose from {', '.join(ENTRIES)}")
    return ENTRIES[kind]


def is_convergence_test(entry: Mapping[str, Any]) -> bool:
    """Whether the frames of an entry are never labelled, by the present or a former key."""
    former = [name for name, now in Entry.former_names.items() if now == "convergence_test"]
    return any(entry.get(name) for name in ("convergence_test", *former))
