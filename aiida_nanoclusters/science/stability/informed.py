"""Fit of one family where the crystal is known: its volume term, and how edges usually behave.

All four terms are fitted from three sizes on. The volume term is the bulk energy, for multiply
twinned motifs with the strain energy of :mod:`.elasticity` and its uncertainty. Edges and vertices
have a broad prior, in units of the crystal's stiffness (bulk modulus times atomic volume), and so
has the scale ``s`` of what the expansion leaves out, which few sizes cannot tell. Faces, which
decide where families cross, are free. The numbers are measured, see docs/topics/crossover.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aiida_nanoclusters.science.stability.elasticity import Crystal
from aiida_nanoclusters.science.stability.least_squares import (
    ERROR_POWER,
    FEWEST_SIZES,
    TERMS,
    Data,
    EnergyFit,
    FloatArray,
    design,
    square_root,
)
from aiida_nanoclusters.science.structures.motif_kinds import is_multiply_twinned
from aiida_nanoclusters.science.units import MEV_PER_EV

#: Mean and standard deviation, over the stiffness, of the terms of faces, edges and vertices.
USUAL_TERMS = ((0.0, 3.0), (0.05, 0.06), (0.0, 0.06))
#: Median of ``s`` over the stiffness, and standard deviation of its natural logarithm.
USUAL_ERROR = (3e-5, 1.5)
#: Values of ``s`` over its median at which the posterior is computed.
_SCALES = np.exp(np.linspace(-4.0, 4.0, 49) * USUAL_ERROR[1])


@dataclass(frozen=True)
class InformedBlock:
    """Posterior of one family: a normal distribution for each scale ``s`` of the error.

    Attributes
    ----------
    motifs
        The family alone.
    weights
        (K,) posterior probabilities of the scales.
    means, covariances
        (K, 4) eV and (K, 4, 4) eV^2.
    """

    motifs: tuple[str, ...]
    weights: FloatArray
    means: FloatArray
    covariances: FloatArray

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Draw coefficients (count, 4), eV, from the posterior."""
        chosen = rng.choice(len(self.weights), size=count, p=self.weights)
        normal = rng.standard_normal((count, 4))
        roots = np.stack([square_root(c) for c in self.covariances])
        return np.asarray(self.means[chosen] + np.einsum("kij,kj->ki", roots[chosen], normal))


def fit_informed(
    motif: str, data: Data, crystal: Crystal
) -> tuple[FloatArray, InformedBlock, EnergyFit]:
    """Fit one family; returns coefficients of each member (M, 4), the posterior, and the fit.

    Parameters
    ----------
    motif
        A motif, whose kind decides on the strain energy.
    data
        Sizes (S,), energies (S, M) in eV; its error model is not used.
    crystal
        Of each member, or one for all.

    Raises
    ------
    ValueError
        Fewer than three sizes; says how many more are needed.
    """
    sizes, energies, _ = data
    if len(sizes) < FEWEST_SIZES:
        raise ValueError(
            f"{motif}: {len(sizes)} sizes are too few to fit a family with an error bar: relax "
            f"{FEWEST_SIZES - len(sizes)} more"
        )
    volume, deviation = crystal.volume_term(motif)
    terms = crystal.stiffness * np.array([(0.0, 0.0), *USUAL_TERMS])
    prior_mean = np.tile(terms[:, 0], (energies.shape[1], 1))
    prior_mean[:, 0] = volume
    spread = terms[:, 1].copy()
    spread[0] = deviation
    free = np.flatnonzero(spread)
    edge = np.cbrt(sizes.astype(float))[:, None] ** ERROR_POWER
    x = design(sizes) * spread
    target = energies - design(sizes) @ prior_mean.T  # (S, M)
    mean_target = target.mean(axis=1)

    scales = _SCALES * USUAL_ERROR[0] * crystal.stiffness
    log_weights = -0.5 * (np.log(_SCALES) / USUAL_ERROR[1]) ** 2
    means = np.zeros((len(scales), energies.shape[1], 4))
    covariances = np.zeros((len(scales), 4, 4))
    for k, s in enumerate(scales):
        # Rows of the data, and of the prior, each over its standard deviation.
        rows = np.vstack([x[:, free] / (s * edge), np.eye(len(free))])
        padding = np.zeros((len(free), energies.shape[1]))
        q, r = np.linalg.qr(rows)
        solution = np.linalg.solve(r, q.T @ np.vstack([target / (s * edge), padding]))
        inverse = np.linalg.inv(r)
        fitted = rows @ solution.mean(axis=1)
        measured = np.concatenate([mean_target / (s * edge[:, 0]), padding[:, 0]])
        log_weights[k] += (
            -0.5 * np.sum((measured - fitted) ** 2)
            - np.log(s * edge).sum()
            - np.log(np.abs(np.diag(r))).sum()
        )
        means[k] = prior_mean
        means[k][:, free] += spread[free] * solution.T
        covariances[k][np.ix_(free, free)] = (
            inverse @ inverse.T * np.outer(spread[free], spread[free])
        )
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()

    own = np.einsum("k,kmi->mi", weights, means)
    of_mean = means.mean(axis=1)
    block = InformedBlock((motif,), weights, of_mean, covariances)
    center = own.mean(axis=0)
    covariance = np.einsum("k,kij->ij", weights, covariances) + np.einsum(
        "k,ki,kj->ij", weights, of_mean - center, of_mean - center
    )
    precision = np.zeros(4)
    precision[free] = spread[free] ** -2.0
    fit = EnergyFit(
        terms=TERMS,
        coefficients=center,
        covariance=covariance,
        sizes=sizes,
        residuals=energies.mean(axis=1) - design(sizes) @ center,
        dof=float("inf"),
        scale=float(np.exp(weights @ np.log(scales))),
        fixed_bulk=deviation == 0.0,
        prior_precision=np.diag(precision),
    )
    return own, block, fit


def strain_energies(fits: Mapping[str, EnergyFit], crystal: Crystal) -> dict[str, dict[str, float]]:
    """Strain energy (meV/atom) of every multiply twinned family.

    Returns
    -------
    dict
        Motif -> ``fitted``, ``standard_error``, and what the crystal alone makes of it:
        ``expected``, ``standard_deviation``.
    """
    found = {}
    bulk = float(np.mean(crystal.energy))
    for motif, fit in fits.items():
        if is_multiply_twinned(motif):
            expected, deviation = crystal.volume_term(motif)
            values = {
                "fitted": float(fit.coefficients[0]) - bulk,
                "standard_error": float(np.sqrt(fit.covariance[0, 0])),
                "expected": float(expected.mean()) - bulk,
                "standard_deviation": deviation,
            }
            found[motif] = {name: MEV_PER_EV * value for name, value in values.items()}
    return found
