"""Settings of the analysis of an assembly."""

from __future__ import annotations

from pydantic import model_validator

from aiida_nanoclusters.science.settings import Settings, quantity


class LinkSettings(Settings):
    """When two metal atoms belong to one cluster."""

    metal: str = quantity("Element of the core.", default="Ag")
    metal_distance: float = quantity(
        "Distance up to which two metal atoms are linked.", unit="Å", default=3.4, gt=0
    )
    bridges: dict[str, float] = quantity(
        "Elements that link the metal atoms they bind, and the distance up to which they bind.",
        unit="Å",
        default={"S": 2.9, "N": 2.6},
    )
    lasting: int = quantity(
        "Frames in a row for which a link must be there, or be gone, to count.", default=3, ge=1
    )

    @model_validator(mode="after")
    def _check(self) -> LinkSettings:
        if self.metal in self.bridges or min(self.bridges.values(), default=1.0) <= 0:
            raise ValueError("`bridges` are other elements than `metal`, with positive distances")
        return self


class AssemblySettings(LinkSettings):
    """What is reported of the assembly of a trajectory."""

    octahedron: float = quantity(
        "RMSD up to which six metal atoms are an octahedron, on average over `lasting` frames.",
        unit="Å",
        default=0.4,
        gt=0,
    )
    step: float = quantity(
        "Smallest step of the mean metal coordination that is reported.", default=0.05, gt=0
    )
