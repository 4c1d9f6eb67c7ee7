"""Settings of the comparison of a training set with a target."""

from __future__ import annotations

from aiida_nanoclusters.science.recognition.coverage import MOST, QUANTILE
from aiida_nanoclusters.science.settings import Settings, quantity


class CoverageSettings(Settings):
    """What counts as covered by a training set."""

    most: int = quantity(
        "Largest number of atoms of each set on the map; of larger sets a random sample is taken.",
        unit="atoms",
        default=MOST,
        ge=10,
    )
    quantile: float = quantity(
        "An environment of the target is covered if one of the training set is as near as this "
        "fraction of the training set's own environments are to one in another frame.",
        default=QUANTILE,
        gt=0,
        lt=1,
    )
    least: int = quantity(
        "Training atoms of a coordination number from which on it counts as covered.",
        unit="atoms",
        default=1,
        ge=1,
    )
