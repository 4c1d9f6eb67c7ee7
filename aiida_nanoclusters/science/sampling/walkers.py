"""Walkers of basin hopping: their state, and the rule by which they move."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from ase.units import kB

from aiida_nanoclusters.science.compositions import parse_composition
from aiida_nanoclusters.science.sampling.settings import LONGEST, SHORTEST

#: Composition (number of atoms where the search has one element) and number of a walker.
WalkerKey = tuple[str | int, int]

#: The length of shakes changes by this factor after this number of them.
ADAPTATION, WINDOW = 0.9, 10


def is_accepted(change: float, temperature: float, draw: float) -> bool:
    """Return whether a walker moves to a minimum, by the rule of Metropolis.

    Parameters
    ----------
    change
        Energy of the new minimum less that of the old one, eV.
    temperature
        K; at 0 only moves downhill or on the level are accepted.
    draw
        Uniform random number in [0, 1).
    """
    if change <= 0:
        return True
    return temperature > 0 and draw < float(np.exp(-change / (kB * temperature)))


@dataclass
class Walker:
    """State of a walker.

    Attributes
    ----------
    size, number
        Atoms, and which of the walkers of this composition.
    step
        Largest change of a coordinate by a shake, bond lengths.
    done
        Relaxations so far, discarded ones included.
    energy, positions
        Of its minimum, eV and Å (N, 3); None before the first.
    accepted, rejected
        Perturbed structures that became its minimum, and that did not.
    refused
        Reason -> number of relaxations without a minimum.
    window
        Shakes since `step` last changed, and how many of them were accepted.
    formula
        Composition where the search has several elements.
    """

    size: int
    number: int
    step: float
    done: int = 0
    energy: float | None = None
    positions: list[list[float]] | None = None
    accepted: int = 0
    rejected: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    window: list[int] = field(default_factory=lambda: [0, 0])
    formula: str = ""

    @property
    def name(self) -> str:
        """Short name, such as ``13-002`` or ``Ag13Cu42-002``."""
        return f"{self.formula or self.size}-{self.number:03d}"

    @property
    def key(self) -> WalkerKey:
        """By which the search knows it."""
        return self.formula or self.size, self.number

    @cached_property
    def counts(self) -> list[int]:
        """Atoms of each element, where the search has several."""
        return list(parse_composition(self.formula).values()) if self.formula else []

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {key: value for key, value in asdict(self).items() if key != "formula" or value}

    def adapt(self, accepted: bool, target: float) -> None:
        """Lengthen the shakes where more than the target fraction is accepted, or shorten them."""
        self.window = [self.window[0] + 1, self.window[1] + int(accepted)]
        if self.window[0] == WINDOW:
            longer = self.window[1] > target * WINDOW
            step = self.step / ADAPTATION if longer else self.step * ADAPTATION
            self.step = float(np.clip(step, SHORTEST, LONGEST))
            self.window = [0, 0]
