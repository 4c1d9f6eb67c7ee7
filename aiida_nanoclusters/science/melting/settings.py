"""Settings of a search for the melting point of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.sampling.stages import Stage, count_steps, parse_stage
from aiida_nanoclusters.science.settings import Settings, quantity

#: Temperature (K) at which a stage is checked; its limits do not depend on the temperature.
_ANY_TEMPERATURE = 300.0
#: Frames of a block: the Lindemann index is a fluctuation, which one frame does not have.
_FEWEST_FRAMES = 2


class HoldSettings(Settings):
    """Molecular dynamics at a constant temperature, which is not one of the settings."""

    duration: float = quantity("Duration.", unit="ps")
    timestep: float = quantity("Time step.", unit="ps", default=Stage.timestep)
    thermostat: str = quantity("Thermostat, `langevin` or `nose-hoover`.", default=Stage.thermostat)
    damping: float = quantity(
        "Time constant of the thermostat; weak friction, a long time, slows diffusion least.",
        unit="ps",
        default=Stage.damping,
    )
    sample_every: float = quantity(
        "Interval between frames that are kept; 0 keeps none.",
        unit="ps",
        default=Stage.sample_every,
    )
    pressure: float | None = quantity(
        "Pressure, of periodic structures; null keeps the cell.",
        unit="GPa",
        default=Stage.pressure,
    )
    pressure_damping: float = quantity(
        "Time constant of the barostat.", unit="ps", default=Stage.pressure_damping
    )

    @model_validator(mode="before")
    @classmethod
    def _check_stage(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name in ("kind", "temperature"):
                if name in values:
                    raise ValueError(
                        f"remove `{name}`: the stage holds each temperature of `fractions`"
                    )
            parse_stage({"kind": "hold", "temperature": _ANY_TEMPERATURE, **values})
        return values

    def at(self, temperature: float) -> dict[str, Any]:
        """Return the stage at a temperature (K), with the settings that were given."""
        own = self.model_dump(exclude_unset=True)
        return {"kind": "hold", "temperature": temperature, **own}


class MeltingAnalysisSettings(Settings):
    """How trajectories at ascending temperatures are analysed."""

    blocks: int = quantity(
        "Equal stretches of the production run, in each of which the Lindemann index is evaluated.",
        default=5,
        ge=1,
    )
    lindemann: tuple[float, float] = quantity(
        "Lindemann indices of a solid and of a liquid cluster, between which it melts.",
        default=(0.10, 0.15),
    )

    @field_validator("lindemann")
    @classmethod
    def _check_indices(cls, indices: tuple[float, float]) -> tuple[float, float]:
        if not 0 < indices[0] < indices[1]:
            raise ValueError(
                f"{list(indices)}: give two positive indices, the lower first, e.g. [0.10, 0.15]"
            )
        return indices


class MeltingSettings(MeltingAnalysisSettings):
    """Settings of the work chain that searches the melting point."""

    fractions: list[float] = quantity(
        "Temperatures, ascending, as fractions of the bulk melting point; clusters melt below it."
    )
    runs: int = quantity("Independent runs at each temperature.", default=1, ge=1)
    relax: dict[str, Any] = quantity(
        "Minimisation before the molecular dynamics: force_tolerance in eV/Å.",
        default={"kind": "relax", "force_tolerance": 0.01},
    )
    equilibration: HoldSettings = quantity("Run at each temperature that is not analysed.")
    production: HoldSettings = quantity("Run at each temperature that is analysed.")

    @field_validator("fractions")
    @classmethod
    def _check_fractions(cls, fractions: list[float]) -> list[float]:
        within = all(0 < fraction <= 3 for fraction in fractions)
        if not fractions or not within or fractions != sorted(set(fractions)):
            raise ValueError(
                "the fractions of the bulk melting point must ascend, each above 0 and at most 3, "
                "e.g. [0.2, 0.4, 0.6, 0.8, 1.0]"
            )
        return fractions

    @field_validator("relax")
    @classmethod
    def _check_relax(cls, relax: dict[str, Any]) -> dict[str, Any]:
        stage = parse_stage(relax)
        if stage.is_dynamic or stage.sample_steps:
            raise ValueError(
                "give a minimisation without `sample_steps`, such as `{kind: relax}`: only frames "
                "of the production are analysed"
            )
        return relax

    @model_validator(mode="after")
    def _check_frames(self) -> MeltingSettings:
        if self.equilibration.sample_every:
            raise ValueError(
                "remove `equilibration.sample_every`: only frames of the production are analysed"
            )
        steps = count_steps(parse_stage(self.production.at(_ANY_TEMPERATURE)))
        samples = steps.total // steps.sample if steps.sample else 0
        if samples < _FEWEST_FRAMES * self.blocks:
            raise ValueError(
                f"`production` keeps {samples} frames for {self.blocks} blocks, and each needs "
                f"{_FEWEST_FRAMES}: lower `production.sample_every` or raise `production.duration`"
            )
        return self

    def stages_at(self, temperature: float) -> list[dict[str, Any]]:
        """Return the stages of a run at one temperature (K): relax, equilibrate, produce."""
        held = (self.equilibration.at(temperature), self.production.at(temperature))
        return [dict(self.relax), *held]
