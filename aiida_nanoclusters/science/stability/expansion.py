"""Energies of a family of closed-shell clusters against size, and the difference of families.

A family of polyhedra of one shape has volume, faces, edges and vertices, so its relaxed energies
follow (Ino 1969; Marks 1994; Baletto et al. 2002)::

    E(N) = a N + b N^(2/3) + c N^(1/3) + d

**What the families of one metal share, and what they do not.** In a single crystal (truncated
octahedra, Wulff polyhedra) ``a`` is the bulk cohesive energy: it may be fixed to it or shared by
all single-crystal families. Icosahedra and decahedra close an angular gap by straining every
atom; that strain energy is proportional to the *volume*, so their ``a`` lies above the bulk
energy (9 meV/atom for icosahedra of copper, 0.3 % of ``a``, but it is the very term that ends
their stability). Sharing ``a`` with them would remove the physics that makes the crossing, and is
refused here.

**What the error bars mean.** Relaxed energies repeat to the last digit: residuals are what the
expansion leaves out (shells that do not have quite the mean shape), not thermal noise. That error
lives on edges, so it is taken as independent from size to size with a standard deviation of
``s N^(1/3)``, ``s`` unknown and estimated from the residuals. With the few sizes of a closed-shell
series ``s`` itself is uncertain, hence Student t with the fit's degrees of freedom everywhere.

References
----------
S. Ino, J. Phys. Soc. Jpn. 27, 941 (1969). L. D. Marks, Rep. Prog. Phys. 57, 603 (1994).
F. Baletto et al., J. Chem. Phys. 116, 3856 (2002).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.structures.motif_kinds import is_multiply_twinned

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
    """

    terms: tuple[int, ...]
    coefficients: FloatArray
    covariance: FloatArray
    sizes: NDArray[np.int64]
    residuals: FloatArray
    dof: float
    scale: float
    fixed_bulk: bool = False

    def predict(self, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Total energy and its standard error (eV), shapes as ``n``; intervals take Student t."""
        x = design(n)
        variance = np.einsum("...i,ij,...j->...", x, self.covariance, x)
        return x @ self.coefficients, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class _Block:
    """Families fitted together: their joint covariance ((4 m, 4 m), eV^2), and what scales it."""

    motifs: tuple[str, ...]
    covariance: FloatArray
    dof: float


@dataclass(frozen=True)
class FamilyFits:
    """Fits of all families, from which correlated random curves can be drawn.

    Attributes
    ----------
    fits
        Motif -> fit of the mean energies of the committee.
    member_coefficients
        Motif -> (M, 4) eV, the same fit for each committee member; M = 1 without a committee.
    blocks
        Which families were fitted together.
    """

    fits: dict[str, EnergyFit]
    member_coefficients: dict[str, FloatArray]
    blocks: tuple[_Block, ...]

    @property
    def n_members(self) -> int:
        """Number of committee members."""
        return len(next(iter(self.member_coefficients.values())))

    def sample(self, count: int, seed: int, *, committee: bool = True) -> dict[str, FloatArray]:
        """Draw coefficients from the uncertainty of the fits.

        Each jointly fitted block is a multivariate Student t around its fit (posterior of a
        linear model with unknown scale under a flat prior). With a committee, a draw also moves
        *all* families together along the members' own differences, as one further potential from
        the distribution the members come from would (t with M - 1 degrees of freedom and the
        factor sqrt(1 + 1/M) of a prediction). An error that all members share is not included.

        Returns
        -------
        dict
            Motif -> (count, 4) eV over :data:`TERMS`.
        """
        rng = np.random.default_rng(seed)
        draws = {}
        for block in self.blocks:
            values, vectors = np.linalg.eigh(block.covariance)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            normal = rng.standard_normal((count, len(values)))
            moves = (normal @ root.T) / _student_divisor(rng, count, block.dof)
            for k, motif in enumerate(block.motifs):
                draws[motif] = self.fits[motif].coefficients + moves[:, 4 * k : 4 * k + 4]
        members = self.n_members
        if committee and members > 1:
            weights = rng.standard_normal((count, members)) / _student_divisor(
                rng, count, members - 1
            )
            weights *= np.sqrt((1 + 1 / members) / (members - 1))
            for motif, own in self.member_coefficients.items():
                draws[motif] = draws[motif] + weights @ (own - own.mean(axis=0))
        return draws


def design(n: ArrayLike) -> FloatArray:
    """N, N^(2/3), N^(1/3), 1: shape of ``n`` plus (4,).

    >>> design(27).round(6).tolist()
    [27.0, 9.0, 3.0, 1.0]
    """
    edge = np.asarray(np.cbrt(np.asarray(n, dtype=float)))
    return np.stack([edge**power for power in TERMS], axis=-1)


def fit_family(
    sizes: ArrayLike,
    energies: ArrayLike,
    *,
    n_min: int = 100,
    terms: Sequence[int] | None = None,
    bulk_energy: float | None = None,
    sigma: ArrayLike | None = None,
) -> EnergyFit:
    """Fit one family of relaxed energies.

    Parameters
    ----------
    sizes, energies
        (S,) atoms, and (S,) total energies in eV.
    n_min
        Smaller clusters are left out: the expansion in 1/N^(1/3) does not hold for them.
    terms
        Powers of N^(1/3), 3 among them; by default those of :func:`select_terms`.
    bulk_energy
        Fixes ``a`` (eV/atom). Only for single crystals, see above.
    sigma
        Standard deviation of each energy (eV; scalar or (S,)), where known. Larger residuals scale
        the fit's errors up, smaller ones leave them.

    Raises
    ------
    ValueError
        Too few sizes (says how many more), repeated or non-positive sizes, energies not finite,
        unknown terms.
    """
    bulk: dict[str, ArrayLike] = {} if bulk_energy is None else {"family": bulk_energy}
    data = {"family": _checked("family", sizes, energies, n_min, sigma)}
    return _fit_block(("family",), data, terms, bulk, sigma is not None)[2]["family"]


def fit_families(
    families: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    n_min: int = 100,
    terms: Sequence[int] | None = None,
    bulk_energy: Mapping[str, ArrayLike] | None = None,
    shared_bulk: Collection[str] = (),
    sigma: Mapping[str, ArrayLike] | None = None,
) -> FamilyFits:
    """Fit several families of one metal.

    Parameters
    ----------
    families
        Motif -> (sizes (S,), total energies in eV (S,) or, from a committee, (S, M)).
    n_min, terms, sigma
        As in :func:`fit_family`; ``sigma`` by motif.
    bulk_energy
        Motif -> fixed ``a`` in eV/atom, a scalar or (M,), each member's own.
    shared_bulk
        Single-crystal motifs that are fitted together with one ``a`` (and one error scale).

    Raises
    ------
    ValueError
        As :func:`fit_family`; also a multiply twinned or unknown motif in ``shared_bulk`` or
        ``bulk_energy``, a motif that is in both, or committees of different sizes.
    """
    bulk = dict(bulk_energy or {})
    _check_volume_terms(families, bulk, shared_bulk)
    data = {
        motif: _checked(motif, sizes, energies, n_min, (sigma or {}).get(motif))
        for motif, (sizes, energies) in families.items()
    }
    members_of = {values.shape[1] for _, values, _ in data.values()}
    if len(members_of) != 1 or not {np.size(a) for a in bulk.values()} <= {1, *members_of}:
        raise ValueError("all families need energies from the same number of committee members")
    together = tuple(m for m in families if m in shared_bulk)
    groups = [(m,) for m in families if m not in shared_bulk] + ([together] if together else [])
    fits: dict[str, EnergyFit] = {}
    members: dict[str, FloatArray] = {}
    blocks = []
    for motifs in groups:
        known = [motif in (sigma or {}) for motif in motifs]
        if any(known) != all(known):
            raise ValueError(f"give sigma for all of {', '.join(motifs)} or for none of them")
        coefficients, block, own = _fit_block(motifs, data, terms, bulk, all(known))
        fits |= own
        members |= coefficients
        blocks.append(block)
    return FamilyFits(
        {m: fits[m] for m in families}, {m: members[m] for m in families}, tuple(blocks)
    )


def _check_volume_terms(
    families: Collection[str], bulk: Collection[str], shared_bulk: Collection[str]
) -> None:
    """Only single crystals may have a fixed or a shared volume term, and not both."""
    if unknown := sorted({*bulk, *shared_bulk} - set(families)):
        raise ValueError(f"no energies were given for {', '.join(unknown)}")
    strained = sorted(m for m in {*bulk, *shared_bulk} if is_multiply_twinned(m))
    if strained:
        raise ValueError(
            f"{', '.join(strained)}: the volume term of multiply twinned particles contains their "
            "strain energy; leave them out of shared_bulk and bulk_energy"
        )
    if both := sorted(set(bulk) & set(shared_bulk)):
        raise ValueError(f"{', '.join(both)}: name it in bulk_energy or in shared_bulk, not both")


_Data = tuple[NDArray[np.int64], FloatArray, FloatArray]


def _checked(
    motif: str, sizes: ArrayLike, energies: ArrayLike, n_min: int, sigma: ArrayLike | None
) -> _Data:
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


def _fit_block(
    motifs: tuple[str, ...],
    data: Mapping[str, _Data],
    terms: Sequence[int] | None,
    bulk: Mapping[str, ArrayLike],
    known_sigma: bool,
) -> tuple[dict[str, FloatArray], _Block, dict[str, EnergyFit]]:
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
    return coefficients, _Block(motifs, covariance, t_dof), fits


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


def _student_divisor(rng: np.random.Generator, count: int, dof: float) -> FloatArray:
    """sqrt(chi^2 / dof) as a (count, 1) column: turns normal draws into Student t."""
    if not np.isfinite(dof):
        return np.ones((count, 1))
    return np.asarray(np.sqrt(rng.chisquare(dof, (count, 1)) / dof))
