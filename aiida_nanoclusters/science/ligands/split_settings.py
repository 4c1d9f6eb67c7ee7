"""Settings by which a protected cluster is divided into its core and its ligands."""

from __future__ import annotations

from typing import Literal

from ase.data import atomic_numbers
from pydantic import field_validator

from aiida_nanoclusters.science.settings import Settings, quantity

_FACTOR = "as a multiple of the sum of their covalent radii"


class SplitSettings(Settings):
    """What counts as bonded, what belongs to the core, and what is left out."""

    bond: float = quantity(
        f"Longest bond between atoms that are no metals, {_FACTOR}.", default=1.2, ge=1, le=1.5
    )
    contact: float = quantity(
        f"Longest contact of a metal and the binding atom of a ligand, {_FACTOR}.",
        default=1.25,
        ge=1,
        le=1.6,
    )
    metal_bond: float = quantity(
        f"Longest bond between metals that makes them one cluster, {_FACTOR}.",
        default=1.2,
        ge=1,
        le=1.6,
    )
    metals: list[str] = quantity(
        "Metals of which a cluster has at least one.", default=["Ag", "Au", "Cu"], min_length=1
    )
    fewest_metals: int = quantity(
        "Metal atoms that a cluster needs; smaller complexes are counter-ions.", default=4, ge=1
    )
    counter_ions: list[str] = quantity(
        "Metals that are counter-ions wherever they are.",
        default=["Ba", "Ca", "Cs", "K", "Li", "Mg", "Na", "Rb", "Sr"],
    )
    interstitial_contacts: int = quantity(
        "Metal atoms around a halide from which on it belongs to the core; with fewer it is a "
        "ligand.",
        default=4,
        ge=2,
    )
    interstitial_reach: float = quantity(
        f"Longest distance of a single atom from the metals that enclose it, {_FACTOR}.",
        default=1.4,
        ge=1,
        le=2,
    )
    leave_out: list[str] = quantity(
        "Ligands that are left out although they bind, such as solvents, as SMILES.", default=[]
    )
    keep_stereo: bool = quantity(
        "Keep the stereo marks of ligands, as their positions show them.", default=False
    )
    same_within: float = quantity(
        "Root mean square difference of the sorted distances between like atoms of two cores up to "
        "which clusters of one file with the same ligands are duplicates.",
        unit="Å",
        default=0.3,
        ge=0,
    )
    mixed_sites: Literal["refuse", "major"] = quantity(
        "What becomes of a site of a crystal that several elements share: `refuse` the file, or "
        "take the `major` one.",
        default="refuse",
    )
    least_occupancy: float = quantity(
        "Smallest occupancy with which an atom of a crystal without an alternative is kept.",
        default=0.5,
        gt=0,
        le=1,
    )
    most_atoms: int = quantity(
        "Atoms of the largest structure that is read.", default=50_000, ge=1, le=1_000_000
    )

    @field_validator("metals", "counter_ions")
    @classmethod
    def _check_symbols(cls, symbols: list[str]) -> list[str]:
        if unknown := [s for s in symbols if atomic_numbers.get(s, 0) < 1]:
            raise ValueError(f"`{unknown[0]}` is no chemical symbol: write it as Au")
        return symbols
