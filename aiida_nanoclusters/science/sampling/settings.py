"""Settings of simulated annealing and of basin hopping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, field_validator, model_validator

from aiida_nanoclusters.science.compositions import cluster_formula, parse_composition
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.science.settings import Settings, quantity

#: Moves and how often each is made, relative to the others. The published method shakes only.
MOVES = {"shake": 0.5, "angular": 0.1, "relocate": 0.4}
#: Limits of the length of shakes, bond lengths.
SHORTEST, LONGEST = 0.05, 0.8
#: The shorter bound must lie below the bond lengths of a compact cluster, the longer one above.
_BELOW_BOND, _ABOVE_BOND = 0.85, 1.2
_NOTHING_TO_EXCHANGE = (
    "moves: `exchange` needs clusters of two elements: set its weight to 0, or give pure clusters "
    "another move"
)


def _check_stages(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    parse_stages(stages)
    return stages


def _check_minimisation(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if parse_stages(stages)[-1].is_dynamic:
        raise ValueError("the last stage must be a minimisation, such as `{kind: relax}`")
    return stages


def _check_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 < bounds[0] < _BELOW_BOND or bounds[1] <= _ABOVE_BOND:
        raise ValueError(
            f"{list(bounds)}: give two bond lengths, the first between 0 and {_BELOW_BOND}, "
            f"the second above {_ABOVE_BOND}"
        )
    return bounds


#: Distances of a cluster's atoms beyond which it is none, and the setting of them.
Bounds = Annotated[tuple[float, float], AfterValidator(_check_bounds)]
BOUNDS: Any = quantity(
    "Shortest distance between two atoms, and widest gap between a group of atoms and the rest; "
    "structures beyond them are discarded.",
    unit="bond lengths",
    default=(0.6, 1.6),
)
#: Stages as a protocol gives them, and stages whose result is a local minimum.
Stages = Annotated[list[dict[str, Any]], AfterValidator(_check_stages)]
Minimisation = Annotated[list[dict[str, Any]], AfterValidator(_check_minimisation)]


class AnnealSettings(Settings):
    """Settings of a simulated annealing."""

    starts: int = quantity(
        "Distinct starting structures of each size: icosahedral, cut from the crystal, random.",
        default=6,
        ge=1,
    )
    keep: int = quantity("Lowest distinct isomers of each size that are kept.", default=3, ge=1)
    atom_steps_per_job: float = quantity(
        "Work of one job, the number of atoms times the number of time steps: small clusters share "
        "a job up to this limit.",
        unit="atom steps",
        default=2e8,
        ge=1,
    )
    stages: Stages = quantity(
        "Stages of each start: temperature in K, duration and timestep in ps, force_tolerance in "
        "eV/Å."
    )
    relax_stages: Stages = quantity(
        "Stages that relax the starts, and the lowest isomers with a reference potential: "
        "force_tolerance in eV/Å."
    )


class WalkerSettings(Settings):
    """Settings of the walkers of a basin hopping."""

    walkers: int = quantity("Independent walkers of each size.", default=4, ge=1)
    steps: int = quantity(
        "Relaxations of each walker, the starting structure and failed ones included.",
        default=100,
        ge=1,
    )
    temperature: float = quantity(
        "Temperature of the Metropolis rule.", unit="K", default=1500.0, ge=0
    )
    step: float = quantity(
        "Largest change of a coordinate by the first shakes.",
        unit="bond lengths",
        default=0.35,
        ge=SHORTEST,
        le=LONGEST,
    )
    acceptance: float | None = quantity(
        "Fraction of accepted shakes to which their length is adapted; null keeps the length.",
        default=0.5,
        gt=0,
        lt=1,
    )
    moves: dict[Literal["shake", "angular", "relocate", "exchange"], float] = quantity(
        "Frequency of each move relative to the others: `shake` changes all coordinates, `angular` "
        "puts weakly bound atoms anywhere on the surface, `relocate` one of them on a site with "
        "many neighbours, `exchange` two atoms of different elements in each other's place.",
        default=MOVES,
    )
    bounds: Bounds = BOUNDS
    keep: int | None = quantity(
        "Lowest minima of each size that are kept; null keeps all.", default=None, ge=1
    )

    @field_validator("moves", mode="before")
    @classmethod
    def _check_moves(cls, moves: Any) -> Any:
        known = (*MOVES, "exchange")
        if isinstance(moves, dict) and (unknown := [name for name in moves if name not in known]):
            raise ValueError(f"unknown move {unknown[0]!r}: choose from {', '.join(known)}")
        return moves

    @field_validator("moves")
    @classmethod
    def _check_weights(cls, moves: dict[str, float]) -> dict[str, float]:
        if min(moves.values(), default=0) < 0 or not sum(moves.values()):
            raise ValueError(f"{moves}: give weights from 0 up, at least one above 0")
        return moves


class BasinHoppingSettings(WalkerSettings):
    """Settings of the work chain of basin hopping."""

    relax_stages: Minimisation = quantity(
        "Stages that relax each proposed structure: force_tolerance in eV/Å."
    )


class WalkerSearchSettings(WalkerSettings):
    """Settings of :class:`~aiida_nanoclusters.science.sampling.basin_hopping.BasinHopping`."""

    element: str | None = quantity("Chemical symbol.", default=None)
    sizes: list[int] = quantity("Sizes of the clusters.", unit="atoms", default=[])
    compositions: list[str] = quantity(
        "Formulas of the clusters, in place of element and sizes.", default=[]
    )
    distance: float | None = quantity(
        "Bond length; null: the mean over the atoms of those of the crystals.",
        unit="Å",
        default=None,
        gt=0,
    )
    seed: int = quantity("Seed of all random numbers.", default=0, ge=0)

    @field_validator("compositions")
    @classmethod
    def _check_compositions(cls, compositions: list[str]) -> list[str]:
        counts = [parse_composition(formula) for formula in compositions]
        names = [cluster_formula(own) for own in counts]
        if len(set(names)) != len(names):
            raise ValueError(f"{compositions[:5]}: give each composition once")
        if any(sum(own.values()) < 2 for own in counts):
            raise ValueError(f"{compositions[:5]}: give clusters of 2 atoms and more")
        return names

    @model_validator(mode="after")
    def _check_clusters(self) -> WalkerSearchSettings:
        if self.compositions:
            if self.element is not None or self.sizes:
                raise ValueError("give either an element and sizes, or compositions")
            pure = [len(parse_composition(formula)) < 2 for formula in self.compositions]
            alone = sum(self.moves.values()) == self.moves.get("exchange")
            if self.moves.get("exchange") and (all(pure) or (any(pure) and alone)):
                raise ValueError(_NOTHING_TO_EXCHANGE)
            return self
        if self.moves.get("exchange"):
            raise ValueError(_NOTHING_TO_EXCHANGE)
        sizes = self.sizes
        if not sizes or min(sizes) < 2 or len(set(sizes)) != len(sizes):
            raise ValueError(f"`sizes`: {sizes[:5]}: give numbers of atoms from 2 up, each once")
        return self
