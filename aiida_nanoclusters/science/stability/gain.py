"""What one more relaxed cluster costs, and how far it would narrow a fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from aiida_nanoclusters.science.stability.least_squares import (
    ERROR_POWER,
    TERMS,
    EnergyFit,
    FloatArray,
    design,
)


def relaxation_cost(n: ArrayLike) -> FloatArray:
    """Relative cost of relaxing N atoms: (N + 200)^(4/3).

    A step costs O(N), the number of steps grows like the diameter, and to start a relaxation
    costs about as much as that of 200 atoms.
    """
    return np.asarray((np.asarray(n, dtype=float) + 200.0) ** (4 / 3))


def squared_half_width(
    fit: EnergyFit, sizes: Sequence[int], target: float, confidence: float
) -> float:
    """Squared half-width (eV^2) of a fit's energy at a size, were these its sizes.

    Parameters
    ----------
    fit
        Whose terms, prior and scale of the error are taken as they are.
    sizes, target
        Atoms.
    confidence
        Of the interval, e.g. 0.9.
    """
    columns = [TERMS.index(p) for p in fit.terms if not (p == 3 and fit.fixed_bulk)]
    x, goal = design(sizes)[:, columns], design(target)[columns]
    weighted = x / (np.cbrt(np.asarray(sizes, dtype=float)) ** ERROR_POWER)[:, None]
    dof = float(len(sizes) - len(columns))
    if fit.prior_precision is not None:  # its rows are observations, and its scale is known
        prior = fit.scale * np.sqrt(np.diag(fit.prior_precision)[columns])
        weighted, dof = np.vstack([weighted, np.diag(prior)]), float("inf")
    norm = np.linalg.norm(weighted, axis=0)
    spread = (goal / norm) @ np.linalg.pinv(weighted / norm)
    return float((fit.scale * t_factor(dof, confidence)) ** 2 * (spread @ spread))


def t_factor(dof: float, confidence: float) -> float:
    """Half-width of the interval over the standard error, at one degree of freedom or more."""
    return float(student_t.ppf((1 + confidence) / 2, max(dof, 1)))
