"""Least squares of E(N) in powers of N^(1/3), with what the fits leave uncertain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

#: Powers of N^(1/3), in the order of every coefficient vector: volume, faces, edges, vertices.
TERMS: tuple[int, ...] = (3, 2, 1, 0)
#: Sizes that the smallest fit of a family needs.
FEWEST_SIZES = 3
#: The expansion's own error grows like an edge: sigma(N) = s N^(1/3), in powers of N^(1/3).
ERROR_POWER = 1


def select_terms(n_sizes: int, *, fixed_bulk: bool = False) -> tuple[int, ...]:
    """Terms that a number of sizes can carry, the smallest physical contribution dropped first.

    All four terms from six sizes on (two degrees of freedom), without the vertices from four,
    volume and faces only from three: one degree of freedom is always left, without which there
    would be no error bar. A fixed bulk energy saves one size.

    Raises
    ------
    ValueError
        Fewer sizes than the smallest fit needs; says how many more.
    """
    counted = n_sizes + int(fixed_bulk)
    if counted >= 6:
        return TERMS
    if counted >= 4:
        return TERMS[:3]
    if counted == FEWEST_SIZES:
        return TERMS[:2]
    raise ValueError(
        f"{n_sizes} sizes are too few to fit a family with an error bar: "
        f"relax {FEWEST_SIZES - counted} more"
    )


@dataclass(frozen=True)
class EnergyFit:
    """One fitted family.

    Attributes
    ----------
    terms
        Powers of N^(1/3) that were fitted or fixed, a subset of :data:`TERMS`.
    coefficients
        (4,) eV, over :data:`TERMS`; 0 for a term that was left out.
    covariance
        (4, 4) eV^2, over :data:`TERMS`; 0 for terms left out or fixed.
    sizes, residuals
        (S,) atoms, and (S,) eV: energy minus fit, total.
    dof
        Degrees of freedom behind the covariance; ``inf`` where ``sigma`` was given.
    scale
        ``s`` of the error model, eV (of a given ``sigma``: its factor).
    fixed_bulk
        Whether ``a`` was given, not fitted.
    prior_precision
        (4, 4) 1/eV^2, what was known of the coefficients before the fit; None: nothing.
    """

    terms: tuple[int, ...]
    coefficients: FloatArray
    covariance: FloatArray
    sizes: NDArray[np.int64]
    residuals: FloatArray
    dof: float
    scale: float
    fixed_bulk: bool = False
    prior_precision: FloatArray | None = None

    def predict(self, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Total energy and its standard error (eV), shapes as ``n``; intervals take Student t."""
        x = design(n)
        variance = np.einsum("...i,ij,...j->...", x, self.covariance, x)
        return x @ self.coefficients, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class Block:
    """Families that were fitted together.

    Attributes
    ----------
    motifs
        The m families.
    mean, covariance
        (4 m,) eV and (4 m, 4 m) eV^2, over :data:`TERMS` of each family.
    dof
        Degrees of freedom behind the covariance.
    """

    motifs: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray
    dof: float

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Draw coefficients (count, 4 m), eV, from a multivariate Student t around the fit.

        That is the posterior of a linear model with unknown scale under a flat prior.
        """
        normal = rng.standard_normal((count, len(self.mean)))
        return self.mean + (normal @ square_root(self.covariance).T) / student_divisor(
            rng, count, self.dof
        )


def design(n: ArrayLike) -> FloatArray:
    """N, N^(2/3), N^(1/3), 1: shape of ``n`` plus (4,).

    >>> design(27).round(6).tolist()
    [27.0, 9.0, 3.0, 1.0]
    """
    edge = np.asarray(np.cbrt(np.asarray(n, dtype=float)))
    return np.stack([edge**power for power in TERMS], axis=-1)


#: Sizes (S,), energies (S, M), eV, and standard deviations (S,) of one family.
Data = tuple[NDArray[np.int64], FloatArray, FloatArray]


def checked(
    motif: str, sizes: ArrayLike, energies: ArrayLike, n_min: int, sigma: ArrayLike | None
) -> Data:
    """Sorted sizes (S,), energies (S, M) and error model (S,) of the clusters from n_min on."""
    n = np.asarray(sizes, dtype=np.int64)
    values = np.asarray(energies, dtype=float)
    if n.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(n):
        raise ValueError(f"{motif}: sizes must be (S,) and energies (S,) or (S, M)")
    if len(np.unique(n)) != len(n) or (n <= 0).any():
        raise ValueError(f"{motif}: sizes must be positive and each occur once")
    if not np.isfinite(values).all():
        raise ValueError(f"{motif}: drop the sizes whose energies are not finite")
    error = np.cbrt(n) ** ERROR_POWER if sigma is None else np.broadcast_to(sigma, n.shape)
    if not (np.asarray(error, dtype=float) > 0).all():
        raise ValueError(f"{motif}: sigma must be positive")
    order = np.argsort(n)[np.sort(n) >= n_min]
    return n[order], values.reshape(len(n), -1)[order], np.asarray(error, dtype=float)[order]


def fit_block(
    motifs: tuple[str, ...],
    data: Mapping[str, Data],
    terms: Sequence[int] | None,
    bulk: Mapping[str, ArrayLike],
    known_sigma: bool,
) -> tuple[dict[str, FloatArray], Block, dict[str, EnergyFit]]:
    """Weighted least squares of families that share ``a`` (of one family: its own)."""
    fixed = motifs[0] in bulk
    chosen = {m: _terms_of(m, len(data[m][0]), terms, fixed) for m in motifs}
    expand = _expansion([chosen[m] for m in motifs], fixed)  # (4 m, P): parameters -> coefficients
    parts = [slice(4 * k, 4 * k + 4) for k in range(len(motifs))]
    matrix = np.vstack(
        [design(data[m][0]) @ expand[part] for m, part in zip(motifs, parts, strict=True)]
    )
    volume = {m: np.ravel(np.asarray(bulk.get(m, 0.0), dtype=float)) for m in motifs}
    target = np.vstack([data[m][1] - np.outer(data[m][0], volume[m]) for m in motifs])
    error = np.concatenate([data[m][2] for m in motifs])
    dof = len(target) - matrix.shape[1]
    if (more := (0 if known_sigma else 1) - dof) > 0:
        raise ValueError(
            f"{', '.join(motifs)}: {len(target)} sizes for {matrix.shape[1]} coefficients leave no "
            f"error bar: relax {more} more, or use fewer terms"
        )
    weighted = matrix / error[:, None]
    norm = np.linalg.norm(weighted, axis=0)  # columns differ by 10^4: scale them before inverting
    inverse = np.linalg.pinv(weighted / norm) / norm[:, None]
    parameters = inverse @ (target / error[:, None])  # (P, M)
    residuals = (target - matrix @ parameters).mean(axis=1)
    variance = float(np.sum((residuals / error) ** 2)) / dof if dof else 1.0
    t_dof = float(dof)
    if known_sigma and variance <= 1.0:
        variance, t_dof = 1.0, float("inf")
    covariance = expand @ (inverse @ inverse.T * variance) @ expand.T
    coefficients, fits, start = {}, {}, 0
    for motif, part in zip(motifs, parts, strict=True):
        own = (expand[part] @ parameters).T
        if fixed:
            own[:, 0] = volume[motif]
        end = start + len(data[motif][0])
        coefficients[motif] = own
        fits[motif] = EnergyFit(
            terms=chosen[motif],
            coefficients=own.mean(axis=0),
            covariance=covariance[part, part],
            sizes=data[motif][0],
            residuals=residuals[start:end],
            dof=t_dof,
            scale=float(np.sqrt(variance)),
            fixed_bulk=fixed,
        )
        start = end
    means = np.concatenate([fits[motif].coefficients for motif in motifs])
    return coefficients, Block(motifs, means, covariance, t_dof), fits


def _expansion(terms: Sequence[tuple[int, ...]], fixed: bool) -> FloatArray:
    """(4 m, P) matrix of 0 and 1; the volume terms are one parameter, or none if fixed."""
    columns = []
    for k, own in enumerate(terms):
        for power in own:
            if power == 3 and (fixed or k):
                continue
            column = np.zeros((len(terms), 4))
            column[slice(None) if power == 3 else k, TERMS.index(power)] = 1.0
            columns.append(column.ravel())
    return np.stack(columns, axis=1)


def _terms_of(
    motif: str, n_sizes: int, terms: Sequence[int] | None, fixed: bool
) -> tuple[int, ...]:
    """Terms of one family, its name in every message; a fixed volume term is always one."""
    if terms is None:
        try:
            return select_terms(n_sizes, fixed_bulk=fixed)
        except ValueError as error:
            raise ValueError(f"{motif}: {error}") from None
    if not set(terms) <= set(TERMS) or len(set(terms)) != len(terms) or set(terms) <= {3}:
        raise ValueError(
            f"{motif}: terms are distinct powers of N^(1/3) out of {TERMS}, with more than the "
            f"volume, not {tuple(terms)}"
        )
    return tuple(sorted({*terms, 3}, reverse=True))


def square_root(covariance: FloatArray) -> FloatArray:
    """Matrix R with R R^T the covariance (n, n), which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def student_divisor(rng: np.random.Generator, count: int, dof: float) -> FloatArray:
    """sqrt(chi^2 / dof) as a (count, 1) column: turns normal draws into Student t."""
    if not np.isfinite(dof):
        return np.ones((count, 1))
    return np.asarray(np.sqrt(rng.chisquare(dof, (count, 1)) / dof))
