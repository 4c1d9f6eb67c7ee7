"""Settings by which methods are compared."""

from __future__ import annotations

from aiida_nanoclusters.science.settings import Settings, quantity


class MethodSettings(Settings):
    """Intervals and calibration of the methods that are compared."""

    draws: int = quantity("Draws of the bootstrap.", default=1000, ge=10, le=100_000)
    confidence: float = quantity("Confidence of its intervals.", default=0.95, gt=0, lt=1)
    bins: int = quantity("Intervals of probability of the calibration.", default=10, ge=2, le=100)
    seed: int = quantity("Random seed of the draws.", default=0, ge=0)
