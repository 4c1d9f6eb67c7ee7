"""Settings of the data set: which cores are one, which pairs count, how negatives are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.ligands.core_identity import TOLERANCE
from aiida_nanoclusters.science.ligands.design_settings import MOST_LIGANDS
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings
from aiida_nanoclusters.science.settings import Settings, quantity

#: Kinds of splits, see :func:`.splits.split_pairs`.
SPLIT_KINDS = ("random", "published", "core", "ligand")
#: Shares of training, validation and test as published.
SHARES = (0.8, 0.1, 0.1)


class ReportedPair(Settings):
    """A core and a ligand set of which a person reports whether they were found to go together."""

    core: str = quantity("Name of a cluster that was read, such as that of its file.", min_length=1)
    ligands: list[str] = quantity(
        "Its ligand set as SMILES, in any way of writing them.",
        min_length=1,
        max_length=MOST_LIGANDS,
    )
    label: Literal[0, 1] = quantity(
        "1: the core is known with these ligands; 0: they are known not to form this core.",
        default=0,
    )


class PairSettings(Settings):
    """Pairs of cores and ligand sets, and the rule by which negatives are made."""

    structures: SplitSettings = quantity(
        "How a cluster is divided into its core and its ligands.", default=SplitSettings()
    )
    tolerance: float = quantity(
        "How far an atom of a core may be from its counterpart in one that counts as the same.",
        unit="Å",
        default=TOLERANCE,
        gt=0,
        le=2,
    )
    fewest_metals: int = quantity(
        "Metal atoms that a core has at least; the published data set has 4 to 101.",
        default=4,
        ge=1,
    )
    most_metals: int = quantity("Metal atoms that a core has at most.", default=1000, ge=1, le=2000)
    most_ligands: int = quantity(
        "Kinds of ligands of a set at most.", default=MOST_LIGANDS, ge=1, le=MOST_LIGANDS
    )
    pool: list[str] = quantity(
        "Ligands, as SMILES, of which negatives are made beside those of the pairs.", default=[]
    )
    reported: list[ReportedPair] = quantity(
        "Pairs with their label beside those of the structures.", default=[]
    )
    carbon_difference: int = quantity(
        "A ligand is no negative for a core that is known with one ligand set if it has the "
        "functional group of one of these ligands and its number of carbon atoms differs by this "
        "many at most; the published text omits the number.",
        unit="atoms",
        default=4,
        ge=0,
    )
    carbon_difference_robust: int = quantity(
        "The same for a core that is known with several ligand sets, and groups that all of them "
        "have; the published text omits the number and calls the rule stricter.",
        unit="atoms",
        default=6,
        ge=0,
    )
    negatives_per_positive: int = quantity(
        "Negative pairs for each positive pair of a core; 1 as published.", default=1, ge=0, le=20
    )
    kinds_of_negatives: Literal["published", "same", "any"] = quantity(
        "Kinds of ligands of a negative: `published`, as many as in the positive pair, but for a "
        "core that is known with several sets another number; `same`, as many as in the positive "
        "pair; `any` number.",
        default="published",
    )
    draw: Literal["uniform", "frequency"] = quantity(
        "How ligands of negatives are drawn: all equally likely, or as often as they are in "
        "positive pairs, so that a ligand alone does not tell the label.",
        default="uniform",
    )
    balance: Literal["core", "total"] = quantity(
        "Where a core has too few negatives: `core` leaves it at that, so that no core tells the "
        "label by itself; `total` makes up for it with more negatives of other cores.",
        default="core",
    )

    @model_validator(mode="after")
    def _check_ranges(self) -> PairSettings:
        if self.fewest_metals > self.most_metals:
            raise ValueError(
                f"`fewest_metals` {self.fewest_metals} are more than `most_metals` "
                f"{self.most_metals}: lower the one or raise the other"
            )
        if self.carbon_difference_robust < self.carbon_difference:
            raise ValueError(
                f"`carbon_difference_robust` {self.carbon_difference_robust} is below "
                f"`carbon_difference` {self.carbon_difference}: the rule of cores with several "
                "ligand sets is the stricter one; raise it"
            )
        return self

    @field_validator("pool")
    @classmethod
    def _check_pool(cls, pool: list[str]) -> list[str]:
        if len(pool) > 10_000:
            raise ValueError(f"{len(pool)} ligands are more than 10000: give fewer")
        return pool


def checked_shares(shares: Sequence[float]) -> tuple[float, float, float]:
    """Return shares of training, validation and test.

    Raises
    ------
    ValueError
        If they are not three from 0 that add up to 1, of which the first is positive.
    """
    given = tuple(float(share) for share in shares)
    if len(given) != 3 or not all(0 <= s <= 1 for s in given) or abs(sum(given) - 1) > 1e-6:
        raise ValueError(
            f"shares {list(given)}: give three from 0 to 1 that add up to 1, such as 0.8, 0.1, 0.1"
        )
    if given[0] == 0:
        raise ValueError("the share of the training is 0: give it more, such as 0.8")
    return given
