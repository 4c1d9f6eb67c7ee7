"""Settings of the use of matching models: edits of a core, ranking of sets of ligands."""

from __future__ import annotations

from typing import Literal

from ase.data import atomic_numbers
from pydantic import field_validator

from aiida_nanoclusters.science.settings import Settings, quantity

#: Ligands of a set at most, as in the published data set.
MOST_LIGANDS = 4


class EditSettings(Settings):
    """Which single-atom edits of a core are made."""

    kinds: list[Literal["remove", "add", "replace"]] = quantity(
        "Kinds of edits: `remove`, `add`, `replace`.",
        default=["remove", "add", "replace"],
        min_length=1,
    )
    add: list[str] | None = quantity(
        "Chemical symbols of the atoms that are added; null takes the metals of the core.",
        default=None,
    )
    replace: list[str] = quantity(
        "Chemical symbols by which atoms are replaced: metals by metals, other atoms by others.",
        default=["Cu", "Ag", "Au"],
    )
    fewest_neighbours: int = quantity(
        "Atoms that an added one touches at least: 3 for hollow sites only, 2 for bridge and 1 for "
        "top sites too.",
        default=3,
        ge=1,
        le=3,
    )
    contact: float = quantity(
        "Largest distance of neighbours, in bond lengths of their elements.",
        default=1.2,
        gt=1,
        le=1.4,
    )
    closest: float = quantity(
        "Smallest distance of an added atom from any other, in bond lengths of their elements.",
        default=0.85,
        gt=0.5,
        lt=1,
    )
    tolerance: float = quantity(
        "How far an atom may be from the image of another under an operation of symmetry.",
        unit="Å",
        default=0.3,
        gt=0,
        le=1,
    )
    most: int = quantity(
        "Largest number of distinct edits; cores with more are refused.", default=500, ge=1
    )

    @field_validator("add", "replace")
    @classmethod
    def _check_symbols(cls, symbols: list[str] | None) -> list[str] | None:
        for symbol in symbols or ():
            if symbol not in atomic_numbers or symbol == "X":
                raise ValueError(f"`{symbol}` is no element: write a chemical symbol such as Cu")
        return symbols

    @field_validator("kinds", "add", "replace")
    @classmethod
    def _check_distinct(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) != len(names):
            raise ValueError(f"{names}: give each once")
        return names


class RankingSettings(Settings):
    """Which sets of ligands are ranked for a core, and what is told of each."""

    most_ligands: int = quantity(
        "Kinds of ligands of a set at most.", default=MOST_LIGANDS, ge=1, le=MOST_LIGANDS
    )
    fewest_ligands: int = quantity(
        "Kinds of ligands of a set at least.", default=1, ge=1, le=MOST_LIGANDS
    )
    one_per_group: bool = quantity(
        "Whether a set has at most one ligand of each functional group, such as thiolate.",
        default=True,
    )
    most_sets: int = quantity(
        "Largest number of sets; more candidates are refused.", default=20_000, ge=1, le=1_000_000
    )
    nearest: int = quantity(
        "Known cores and ligands that are named beside each set.", default=3, ge=1, le=20
    )
    kept: int = quantity(
        "Sets of each core in the table, the most probable ones; the arrays have all.",
        default=200,
        ge=1,
    )
