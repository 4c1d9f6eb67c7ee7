"""Settings of a comparison of new results with recorded ones."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.reproduction.tolerances import QUANTITIES, TOTAL
from aiida_nanoclusters.science.settings import Settings, quantity

#: How an output can be compared. `remote_folder`, `potential` and `follows_errors` are not compared
#: themselves, `sampled` ones in their numbers of frames and atoms only, averages over dynamics
#: `within_errors`.
Comparison = Literal[
    "crossover",
    "crossover_curves",
    "errors",
    "follows_errors",
    "follows_training",
    "lowest",
    "magic",
    "place",
    "potential",
    "sampled",
    "training",
    "within_errors",
]


class ToleranceSettings(Settings):
    """Largest difference of one quantity at which two results agree."""

    value: float = quantity("Largest difference that still agrees, in `unit`.", gt=0)
    unit: str = quantity(
        "Unit of `value`; `relative` is a fraction of the larger of the two numbers."
    )
    reason: str = quantity("Why results may differ by that much.", default="")


class ComparisonSettings(Settings):
    """How new outputs of a process are compared with the recorded ones."""

    tolerances: dict[str, ToleranceSettings] = quantity(
        "Tolerance of each quantity: `value`, `unit` and `reason`."
    )
    quantities: dict[str, str] = quantity(
        "Quantity of a number by its name in a Dict or an array, a key of `tolerances` or "
        f"`{TOTAL}` (compared per atom); all other numbers have the quantity `number`."
    )
    ignored: list[str] = quantity(
        "Names that are left out of the comparison: they tell how a run proceeded, not its result."
    )
    judges: dict[str, Comparison] = quantity(
        "How an output is compared, by pattern of `process.output`; the first pattern that fits "
        "holds, and without one the type of the output decides."
    )

    @field_validator("tolerances")
    @classmethod
    def _check_complete(
        cls, tolerances: dict[str, ToleranceSettings]
    ) -> dict[str, ToleranceSettings]:
        if missing := [name for name in QUANTITIES if name not in tolerances]:
            raise ValueError(f"add {', '.join(f'`{name}`' for name in missing)}")
        return tolerances

    @model_validator(mode="after")
    def _check_quantities(self) -> ComparisonSettings:
        for name, kind in self.quantities.items():
            if kind != TOTAL and kind not in self.tolerances:
                raise ValueError(
                    f"`quantities.{name}` is {kind!r}, which has no tolerance: add "
                    f"`tolerances.{kind}`, or choose among {', '.join((TOTAL, *self.tolerances))}"
                )
        return self
