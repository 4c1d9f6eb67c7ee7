"""Settings of the sampling of frames by a recipe, and of the data set that is made of them."""

from __future__ import annotations

from pydantic import field_validator

from aiida_nanoclusters.science.sampling.settings import BasinHoppingSettings, Stages
from aiida_nanoclusters.science.settings import Settings, quantity


class SamplingSettings(Settings):
    """How the structures of a recipe are relaxed and sampled."""

    total: int = quantity(
        "Largest number of frames in all: classes of equal kind and size are thinned out evenly; "
        "0 keeps all.",
        unit="frames",
        ge=0,
    )
    relax_stages: Stages = quantity(
        "Stages of the entries with `relax: true`: force_tolerance in eV/Å."
    )
    sample_stages: Stages = quantity(
        "Stages of the entries with `sample`: duration, timestep and sample_every in ps; the "
        "temperature and the pressure of `hold` are those of the entry."
    )
    basin_hopping: BasinHoppingSettings | None = quantity(
        "Settings of the basin hopping for the entries of kind `minima`; null where there are "
        "none.",
        default=None,
    )


class DatasetSettings(SamplingSettings):
    """How a data set is made, and split by trajectories."""

    fractions: list[float] = quantity(
        "Fractions of the frames in the training, the validation and the test set.",
        default=[0.8, 0.1, 0.1],
    )
    max_force: float = quantity(
        "Frames with a larger force on any atom are left out.", unit="eV/Å", default=15.0, gt=0
    )

    @field_validator("fractions")
    @classmethod
    def _check_fractions(cls, fractions: list[float]) -> list[float]:
        if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"{fractions}: give three numbers above 0 that add up to 1")
        return fractions
