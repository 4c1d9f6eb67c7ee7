"""Classes of frames by the disagreement of a committee, and the thresholds between them.

The largest force deviation of a frame decides its class: ``accurate`` (the members agree, a label
would add little), ``candidate`` (to be labelled) or ``failed`` (so far from all training frames
that the structure itself may be unphysical). The words are those of DP-GEN; the paper, Zhang, Lin,
Wang, Car, E, Phys. Rev. Materials 3, 023804 (2019), calls the three good, decent and poor, as did
earlier versions of this package (:data:`FORMER_CLASSES`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

ACCURATE, CANDIDATE, FAILED = "accurate", "candidate", "failed"
CLASSES = (ACCURATE, CANDIDATE, FAILED)
#: Class as stored by earlier versions -> class now.
FORMER_CLASSES = {"good": ACCURATE, "decent": CANDIDATE, "poor": FAILED}


@dataclass(frozen=True)
class Thresholds:
    """Largest force deviations (eV/Å) between the classes.

    Attributes
    ----------
    accurate_below
        Frames below are accurate; 0 where no frame is to count as accurate.
    failed_above
        Frames above have failed.

    Raises
    ------
    ValueError
        Unless 0 <= accurate_below <= failed_above and failed_above > 0.
    """

    accurate_below: float
    failed_above: float

    def __post_init__(self) -> None:
        low, high = self.accurate_below, self.failed_above
        if not (isfinite(high) and 0 <= low <= high and high > 0):
            raise ValueError(
                f"thresholds {low} and {high} eV/Å: `accurate_below` must not be negative, and "
                "`failed_above` must be positive and not below `accurate_below`"
            )


def current_class(name: str) -> str:
    """Return the name of a class as it is now, whichever version wrote it."""
    return FORMER_CLASSES.get(name, name)
