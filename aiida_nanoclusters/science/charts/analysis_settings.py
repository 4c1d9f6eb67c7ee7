"""Settings of what is asked of frames in a chart: transitions, free energy, lowest path."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.settings import Settings, quantity


class TransitionSettings(Settings):
    """When a trajectory has gone from one family to another."""

    core: float = quantity(
        "Share of the frames of a family in the chart, those nearest to its centre, that make its "
        "core: a transition ends on entering the core of another family.",
        default=0.5,
        gt=0,
        le=1,
    )
    residence: float = quantity(
        "Time from entering a core in which no other core may be visited; shorter visits are "
        "excursions and no transitions.",
        unit="ps",
        default=0.0,
        ge=0,
    )
    confidence: float = quantity(
        "Confidence of the intervals of dwell times.", default=0.95, gt=0, lt=1
    )


class FreeEnergySettings(Settings):
    """Free energy over the coordinates of a chart, and the lowest path between two families."""

    temperature: float | None = quantity(
        "Temperature of the free energy; null takes the one at which the two families compete "
        "most, where the product of their populations is largest.",
        unit="K",
        default=None,
        gt=0,
    )
    between: tuple[int, int] | None = quantity(
        "Numbers of the families between which the lowest path is sought; null takes the two that "
        "reach the largest populations.",
        default=None,
    )
    smoothing: float = quantity(
        "Standard deviation of the Gaussian that stands for each frame, in the lengths of the "
        "chart.",
        default=0.08,
        gt=0,
    )
    cell: float = quantity("Width of a cell of the grid, in the same.", default=0.08, gt=0)
    fewest: float = quantity(
        "Independent frames that the Gaussian around a cell must hold for the cell to count as "
        "sampled.",
        unit="frames",
        default=0.5,
        gt=0,
    )

    @field_validator("between")
    @classmethod
    def _check_pair(cls, between: tuple[int, int] | None) -> tuple[int, int] | None:
        if between is not None and (min(between) < 0 or between[0] == between[1]):
            raise ValueError(f"{list(between)}: give the numbers of two families, e.g. [0, 2]")
        return between

    @model_validator(mode="after")
    def _check_cell(self) -> FreeEnergySettings:
        if self.cell > 1.5 * self.smoothing:
            raise ValueError(
                f"cells of {self.cell} are wider than 1.5 times the smoothing of {self.smoothing}: "
                "give a smaller `cell`"
            )
        return self
