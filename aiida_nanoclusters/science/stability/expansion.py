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

**What is known without any cluster.** With the properties of the crystal the volume terms are
not free (:mod:`.informed`). Without them the bound holds alone: no draw has a multiply twinned
family whose volume term lies below that of every single crystal.

References
----------
S. Ino, J. Phys. Soc. Jpn. 27, 941 (1969). L. D. Marks, Rep. Prog. Phys. 57, 603 (1994).
F. Baletto et al., J. Chem. Phys. 116, 3856 (2002).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science.stability.elasticity import Crystal
from aiida_nanoclusters.science.stability.informed import InformedBlock, fit_informed
from aiida_nanoclusters.science.stability.least_squares import (
    Block,
    EnergyFit,
    FloatArray,
    checked,
    fit_block,
    student_divisor,
)
from aiida_nanoclusters.science.structures.motif_kinds import is_multiply_twinned

Blocks = tuple[Block | InformedBlock, ...]
#: Rounds of draws in which those with an impossible volume term are replaced.
_ROUNDS = 40


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
        Which families were fitted together, and the distributions of their coefficients.
    bound
        The same with multiply twinned families above the crystals; where a fit of its own lies
        below, it shares the volume term of the lowest. None: not bounded.
    """

    fits: dict[str, EnergyFit]
    member_coefficients: dict[str, FloatArray]
    blocks: Blocks
    bound: Blocks | None = None

    @property
    def n_members(self) -> int:
        """Number of committee members."""
        return len(next(iter(self.member_coefficients.values())))

    def sample(self, count: int, seed: int, *, committee: bool = True) -> dict[str, FloatArray]:
        """Draw coefficients from the uncertainty of the fits.

        Each jointly fitted block is drawn from its posterior: a multivariate Student t around its
        fit, or, where the crystal is known, that of :class:`.InformedBlock`. With a committee, a
        draw also moves *all* families together along the members' own differences, as one further
        potential from the distribution the members come from would (t with M - 1 degrees of
        freedom and the factor sqrt(1 + 1/M) of a prediction). An error that all members share is
        not included.

        Returns
        -------
        dict
            Motif -> (count, 4) eV over :data:`TERMS`.
        """
        rng = np.random.default_rng(seed)
        draws = self._draw(self.blocks, rng, count, committee)
        if self.bound is None:
            return draws
        for attempt in range(_ROUNDS + 1):
            again = np.flatnonzero(_impossible(draws))
            if not len(again):
                break
            # Where hardly any draw is possible, those in which the bound binds.
            source = self.blocks if attempt < _ROUNDS else self.bound
            for motif, values in self._draw(source, rng, len(again), committee).items():
                draws[motif][again] = values
        return draws

    def _draw(
        self, blocks: Blocks, rng: np.random.Generator, count: int, committee: bool
    ) -> dict[str, FloatArray]:
        """Draw (count, 4) coefficients (eV) of every family, possible or not."""
        draws = {}
        for block in blocks:
            values = block.draw(rng, count)
            for k, motif in enumerate(block.motifs):
                draws[motif] = values[:, 4 * k : 4 * k + 4]
        members = self.n_members
        if committee and members > 1:
            weights = rng.standard_normal((count, members)) / student_divisor(
                rng, count, members - 1
            )
            weights *= np.sqrt((1 + 1 / members) / (members - 1))
            for motif, own in self.member_coefficients.items():
                draws[motif] = draws[motif] + weights @ (own - own.mean(axis=0))
        return draws


def _impossible(volume: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
    """Which draws (count, 4) have a strained volume term below every single crystal's."""
    crystal = np.min([v[:, 0] for m, v in volume.items() if not is_multiply_twinned(m)], axis=0)
    strained = np.min([v[:, 0] for m, v in volume.items() if is_multiply_twinned(m)], axis=0)
    # Where the bound binds both are the same number.
    return np.asarray(strained < crystal - 1e-12 * np.abs(crystal))


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
    data = {"family": checked("family", sizes, energies, n_min, sigma)}
    return fit_block(("family",), data, terms, bulk, sigma is not None)[2]["family"]


def fit_families(
    families: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    n_min: int = 100,
    terms: Sequence[int] | None = None,
    bulk_energy: Mapping[str, ArrayLike] | None = None,
    shared_bulk: Collection[str] = (),
    sigma: Mapping[str, ArrayLike] | None = None,
    bulk_crystal: Crystal | None = None,
    bounded: bool = True,
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
    bulk_crystal
        The crystal of the same potential: its energy and moduli determine every volume term,
        within what elastic theory is known to miss, see :mod:`.informed`. Excludes ``terms``,
        ``bulk_energy``, ``shared_bulk`` and ``sigma``.
    bounded
        False lets the volume term of multiply twinned families lie below that of the crystals,
        as earlier versions did.

    Raises
    ------
    ValueError
        As :func:`fit_family`; also a multiply twinned or unknown motif in ``shared_bulk`` or
        ``bulk_energy``, a motif that is in both, or committees of different sizes.
    """
    bulk = dict(bulk_energy or {})
    _check_volume_terms(families, bulk, shared_bulk)
    data = {
        motif: checked(motif, sizes, energies, n_min, (sigma or {}).get(motif))
        for motif, (sizes, energies) in families.items()
    }
    members_of = {values.shape[1] for _, values, _ in data.values()}
    if len(members_of) != 1 or not {np.size(a) for a in bulk.values()} <= {1, *members_of}:
        raise ValueError("all families need energies from the same number of committee members")
    fits: dict[str, EnergyFit] = {}
    members: dict[str, FloatArray] = {}
    blocks: list[Block | InformedBlock] = []
    if bulk_crystal is not None:
        if terms or bulk or shared_bulk or sigma:
            raise ValueError("`bulk_crystal` determines the terms: give no others with it")
        if not {bulk_crystal.n_members} <= {1, *members_of}:
            raise ValueError("give the crystal of every committee member, or one for all")
        for motif in families:
            members[motif], posterior, fits[motif] = fit_informed(motif, data[motif], bulk_crystal)
            blocks.append(posterior)
        known = tuple(blocks)
        return FamilyFits(fits, members, known, known if _lowest_crystal(fits) else None)
    together = tuple(m for m in families if m in shared_bulk)
    groups = [(m,) for m in families if m not in shared_bulk] + ([together] if together else [])

    def fit(motifs: tuple[str, ...], given: Mapping[str, ArrayLike]) -> Block:
        known = [motif in (sigma or {}) for motif in motifs]
        if any(known) != all(known):
            raise ValueError(f"give sigma for all of {', '.join(motifs)} or for none of them")
        coefficients, block, own = fit_block(motifs, data, terms, given, all(known))
        fits.update(own)
        members.update(coefficients)
        return block

    own = {motifs: fit(motifs, bulk) for motifs in groups}
    bound: Blocks | None = None
    lowest = _lowest_crystal(fits)
    if bounded and lowest is not None:
        below = tuple(m for m in fits if _is_below(fits[m], fits[lowest], m))
        bound_fits = dict(own)
        if below and lowest in bulk:
            bound_fits |= {(m,): fit((m,), {m: bulk[lowest]}) for m in below}
        elif below:
            joined = next(motifs for motifs in own if lowest in motifs)
            for motifs in (joined, *((m,) for m in below)):
                del bound_fits[motifs]
            bound_fits[below + joined] = fit(below + joined, {})
        bound = tuple(bound_fits.values())
    return FamilyFits(
        {m: fits[m] for m in families},
        {m: members[m] for m in families},
        tuple(own.values()),
        bound,
    )


def _lowest_crystal(fits: Mapping[str, EnergyFit]) -> str | None:
    """Single-crystal motif with the lowest volume term; None without one or without others."""
    crystals = [motif for motif in fits if not is_multiply_twinned(motif)]
    if not crystals or len(crystals) == len(fits):
        return None
    return min(crystals, key=lambda motif: fits[motif].coefficients[0])


def _is_below(fit: EnergyFit, lowest: EnergyFit, motif: str) -> bool:
    """Whether a multiply twinned family's volume term lies below the crystal's."""
    return is_multiply_twinned(motif) and fit.coefficients[0] < lowest.coefficients[0]


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
