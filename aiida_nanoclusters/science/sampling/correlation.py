"""Correlation of series in time, by pymbar."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def load_pymbar(name: str = "pymbar") -> Any:
    """Return pymbar, or a module of it, which takes a second and advertises JAX in the log."""
    logging.getLogger("pymbar").setLevel(logging.ERROR)
    return import_module(name)


def statistical_inefficiency(values: Floats) -> float:
    """Return one and twice the correlation time, in samples; 1 for a series that does not change.

    Parameters
    ----------
    values
        At equal intervals of time, shape (n,).

    References
    ----------
    J. D. Chodera et al., J. Chem. Theory Comput. 3, 26 (2007).
    """
    if len(values) < 2 or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return 1.0
    return float(load_pymbar("pymbar.timeseries").statistical_inefficiency(values))
