"""Settings of metadynamics of a cluster, or of the atoms of a solution."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import model_validator

from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariableSettings,
    HillSettings,
    OpesSettings,
)
from aiida_nanoclusters.science.sampling.coordination_walls import CoordinationWallSettings
from aiida_nanoclusters.science.settings import Settings, quantity

#: Variables that a bias may have.
MOST_VARIABLES = 3


class VariableSettings(Settings):
    """One variable along which the bias grows."""

    kind: Literal["chart", "q4", "q6", "coordination"] = quantity(
        "`chart`, a coordinate of the given chart; `q4` or `q6`, Steinhardt's parameters of the "
        "whole cluster; `coordination`, its mean coordination number."
    )
    width: float = quantity("Width of a hill, in the unit of the variable.", gt=0)
    coordinate: int | None = quantity(
        "Coordinate of the chart, from 1; only of `chart`.", default=None, ge=1, le=3
    )
    neighbours: tuple[float, float] = quantity(
        "Distances, in bond lengths, up to which an atom is a neighbour and beyond which it is "
        "none; not of `chart`.",
        default=(1.15, 1.45),
    )
    lower: float | None = quantity("Value below which a wall acts.", default=None)
    upper: float | None = quantity("Value above which a wall acts.", default=None)
    stiffness: float = quantity("Stiffness of the walls, eV per squared unit.", default=100, gt=0)

    @model_validator(mode="after")
    def _check(self) -> VariableSettings:
        if (self.kind == "chart") != (self.coordinate is not None):
            raise ValueError(
                "give `coordinate`, which one of the chart, for `chart` and only there"
            )
        low, high = self.neighbours
        if not 0 <= low < high:
            raise ValueError(f"`neighbours` [{low}, {high}]: give two ascending distances")
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"`lower` {self.lower} is not below `upper` {self.upper}")
        return self

    @property
    def name(self) -> str:
        """Name in tables: that of the kind, of a chart with the coordinate."""
        return f"chart{self.coordinate}" if self.kind == "chart" else self.kind


class MetadynamicsSettings(Settings):
    """A run of well-tempered metadynamics or OPES at constant temperature, and its analysis."""

    method: Literal["metadynamics", "opes"] = quantity(
        "`metadynamics`, a sum of hills; `opes`, on-the-fly probability enhanced sampling, whose "
        "bias is nearly constant soon: along `collective_variables` alone.",
        default="metadynamics",
    )
    variables: list[VariableSettings] = quantity(
        "One to three variables of a whole cluster along which the bias grows; none with "
        "`collective_variables`.",
        default=[],
        max_length=MOST_VARIABLES,
    )
    collective_variables: list[CollectiveVariableSettings] = quantity(
        "One to three variables by roles of atoms along which the bias grows, in place of "
        "`variables`: COLVARS measures them.",
        default=[],
        max_length=MOST_VARIABLES,
    )
    walls: list[CollectiveVariableSettings] = quantity(
        "Further variables by roles, along which only walls act.", default=[]
    )
    coordination_walls: list[CoordinationWallSettings] = quantity(
        "Walls on the coordination number of each atom of a group, such as those that keep "
        "molecules whole.",
        default=[],
    )
    solvent: list[str] = quantity(
        "Formulas of the solvent's molecules, by which roles are told apart.", default=["CH4O"]
    )
    temperature: float = quantity("Temperature.", unit="K", gt=0)
    height: float | None = quantity(
        "Height of the first hill, of `metadynamics`.", unit="eV", default=None, ge=0
    )
    barrier: float | None = quantity(
        "Highest free-energy barrier that the bias should overcome, of `opes`.",
        unit="eV",
        default=None,
        gt=0,
    )
    bias_factor: float = quantity(
        "Bias factor: the variables are sampled as if at this many times the temperature.", gt=1
    )
    pace: float = quantity("Time between two hills, or two kernels of OPES.", unit="ps", gt=0)
    duration: float = quantity("Duration of the biased run.", unit="ps", gt=0)
    equilibration: float = quantity("Unbiased run before it.", unit="ps", default=10, gt=0)
    timestep: float = quantity("Time step.", unit="ps", default=0.002, gt=0)
    damping: float = quantity(
        "Time constant of the Langevin thermostat.", unit="ps", default=0.5, gt=0
    )
    print_every: float = quantity(
        "Interval between values of the variables that are kept.", unit="ps", default=0.1, gt=0
    )
    sample_every: float = quantity(
        "Interval between frames that are kept.", unit="ps", default=5, ge=0
    )
    runs: int = quantity("Independent runs, each with its own bias.", default=1, ge=1)
    walkers: int = quantity(
        "Walkers of each run that share one bias, each for the whole duration: along "
        "`collective_variables`, by `metadynamics`.",
        default=1,
        ge=1,
        le=64,
    )
    exchange_every: float = quantity(
        "Interval at which walkers take over each other's hills: one job each.",
        unit="ps",
        default=50,
        gt=0,
    )
    interval: int = quantity(
        "Steps between two actions of the bias, each that many times as strong.",
        default=1,
        ge=1,
        le=20,
    )
    precision: Literal["single", "double"] = quantity(
        "Precision of the encoder of a chart.", default="single"
    )
    bond_length: float | None = quantity(
        "Unit of `neighbours`, and of a chart; null takes that of the chart or of the bulk metal.",
        unit="Å",
        default=None,
        gt=0,
    )
    cells: int = quantity("Cells of the free energy along each variable.", default=50, ge=5, le=200)
    blocks: int = quantity("Fewest stretches of the run for the errors.", default=5, ge=2)
    discard: float = quantity(
        "Share of the run that is left out before the reweighting.", default=0.2, ge=0, lt=1
    )

    @model_validator(mode="after")
    def _check(self) -> MetadynamicsSettings:
        if bool(self.variables) == bool(self.collective_variables):
            raise ValueError("give either `variables` or `collective_variables`, one to three")
        named = (*self.ordered, *self.walls, *self.coordination_walls)
        names = [variable.name for variable in named]
        if len(set(names)) < len(names):
            raise ValueError(f"`variables`: {', '.join(names)}: name each once")
        for wall in self.coordination_walls:  # of its atoms: the name and the number of the atom
            if same := [n for n in names if re.fullmatch(rf"{wall.name}_\d+", n)]:
                raise ValueError(f"`{same[0]}` names an atom of `{wall.name}`: take another name")
        for name in ("walls", "coordination_walls"):
            if getattr(self, name) and not self.collective_variables:
                raise ValueError(f"`{name}` belong to `collective_variables`")
        if idle := [w.name for w in self.walls if w.lower is None and w.upper is None]:
            raise ValueError(f"`walls`: {idle[0]} has neither `lower` nor `upper`")
        own, needed = ("OPES", "barrier") if self.is_opes else ("metadynamics", "height")
        if getattr(self, needed) is None:
            raise ValueError(f"{own} needs a `{needed}`, eV: give one")
        if self.is_opes and not self.collective_variables:
            raise ValueError("`method: opes` acts along `collective_variables`: give those")
        if self.walkers > 1 and (self.is_opes or not self.collective_variables):
            raise ValueError(
                "`walkers` share hills of `metadynamics` along `collective_variables`: give `runs` "
                "in their place"
            )
        if self.walkers > 1 and self.exchange_every < self.pace:
            raise ValueError("`exchange_every` is shorter than `pace`: no hill would be exchanged")
        for name in ("pace", "print_every"):
            value = getattr(self, name)
            if value < self.timestep:
                raise ValueError(
                    f"`{name}` {value} ps is shorter than the time step {self.timestep}"
                )
        if self.duration < self.pace:
            raise ValueError("`duration` is shorter than `pace`: no hill would be added")
        return self

    @property
    def ordered(self) -> Sequence[VariableSettings | CollectiveVariableSettings]:
        """The variables in the order of tables: those of the chart first."""
        if self.collective_variables:
            return self.collective_variables
        return self.of_cluster

    @property
    def of_cluster(self) -> list[VariableSettings]:
        """Those of `variables`, those of the chart first."""
        return sorted(self.variables, key=lambda variable: variable.kind != "chart")

    @property
    def is_opes(self) -> bool:
        """Whether the bias is that of OPES, and no sum of hills."""
        return self.method == "opes"

    @property
    def bias(self) -> HillSettings | OpesSettings:
        """The hills or kernels as COLVARS and PLUMED take them."""
        if self.is_opes:
            return OpesSettings.model_validate({"barrier": self.barrier, **self._common})
        return self.hills

    @property
    def hills(self) -> HillSettings:
        """The hills of metadynamics."""
        return HillSettings.model_validate({"height": self.height, **self._common})

    @property
    def _common(self) -> dict[str, Any]:
        return {
            "bias_factor": self.bias_factor,
            "temperature": self.temperature,
            "pace": max(1, round(self.pace / self.timestep)),
        }

    @property
    def needs_chart(self) -> bool:
        """Whether a variable is a coordinate of a chart."""
        return any(variable.kind == "chart" for variable in self.variables)

    def rounds(self) -> list[float]:
        """Return the durations (ps) between exchanges of hills: one where there are none."""
        if self.walkers == 1:
            return [self.duration]
        whole = int(self.duration / self.exchange_every + 1e-9)
        rest = self.duration - whole * self.exchange_every
        return [self.exchange_every] * whole + ([rest] if rest > self.timestep else [])

    def stages_of_round(self, number: int) -> list[dict[str, Any]]:
        """Return the stages of a walker between two exchanges, from 0: only the first relaxes."""
        before, biased = self.stages()
        biased = {**biased, "duration": self.rounds()[number]}
        return [before, biased] if number == 0 else [biased]

    def stages(self) -> list[dict[str, Any]]:
        """Return the stages of a run: without the bias, then with it."""
        hold = {
            "kind": "hold",
            "temperature": self.temperature,
            "timestep": self.timestep,
            "damping": self.damping,
            "thermostat": "langevin",
        }
        return [
            {**hold, "duration": self.equilibration, "sample_every": 0.0},
            {**hold, "duration": self.duration, "sample_every": self.sample_every},
        ]
