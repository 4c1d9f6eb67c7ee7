"""Which sizes are magic: energies per size, second differences, electron and atom shells.

Equations (1) to (4) are those of the study of copper clusters with a machine-learned force field
that this package automates; names follow it: the cluster mode is icosahedral, the Wulff mode fcc.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from aiida_nanoclusters.science.structures.motifs import mackay_sizes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def binding_energy(n: npt.ArrayLike, energies: npt.ArrayLike, atom_energy: float) -> Floats:
    """Binding energy per atom, eq. (2): E_b = (N E_atom - E) / N.

    Parameters
    ----------
    n : array_like, shape (S,) or scalar
        Numbers of atoms.
    energies : array_like, shape (..., S) or scalar
        Total energies (eV).
    atom_energy : float
        Energy of an isolated atom at the same level of theory (eV).

    Returns
    -------
    numpy.ndarray, shape (..., S)
        Binding energies (eV/atom), positive for bound clusters.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    sizes = _positive(n)
    return np.asarray(atom_energy - np.asarray(energies, dtype=np.float64) / sizes)


def second_difference(sizes: npt.ArrayLike, energies: npt.ArrayLike) -> tuple[Ints, Floats]:
    """Second difference of the energy, eq. (1): E(N+1) + E(N-1) - 2 E(N).

    Parameters
    ----------
    sizes : array_like of int, shape (S,)
        Numbers of atoms, each once, in any order.
    energies : array_like, shape (S,) or (M, S)
        Total energies (eV); one row for each of M committee members.

    Returns
    -------
    sizes : numpy.ndarray, shape (K,)
        The sizes N, increasing, of which N - 1 and N + 1 are given too.
    second_differences : numpy.ndarray, shape (K,) or (M, K)
        Second differences (eV), positive where N is more stable than its neighbours.

    Examples
    --------
    >>> sizes, values = second_difference([12, 13, 14], [-37.9, -44.3, -47.8])
    >>> sizes.tolist(), values.round(1).tolist()
    ([13], [2.9])

    Raises
    ------
    ValueError
        If a size occurs twice or the shapes do not fit.
    """
    n, e = _paired(sizes, energies)
    order = np.argsort(n)
    n, e = n[order], e[..., order]
    middle = np.flatnonzero((np.diff(n[:-1]) == 1) & (np.diff(n[1:]) == 1)) + 1
    return n[middle], e[..., middle + 1] + e[..., middle - 1] - 2 * e[..., middle]


def unjudged_sizes(sizes: npt.ArrayLike) -> dict[int, tuple[int, ...]]:
    """Sizes that have no second difference, each with the neighbours that are not given.

    Examples
    --------
    >>> unjudged_sizes([13, 14, 15])
    {13: (12,), 15: (16,)}
    """
    given = {int(n) for n in np.atleast_1d(sizes)}
    missing = {n: tuple(m for m in (n - 1, n + 1) if m not in given) for n in sorted(given)}
    return {n: absent for n, absent in missing.items() if absent}


def unjudged_sentence(sizes: npt.ArrayLike) -> str:
    """Say which sizes cannot be judged and why; empty where all can.

    Examples
    --------
    >>> unjudged_sentence([13, 14, 15])
    'Not judged, for want of a neighbouring size: 13 (needs 12), 15 (needs 16).'
    """
    parts = []
    for n, absent in unjudged_sizes(sizes).items():
        scanned = [str(m) for m in absent if m > 0]  # nothing is smaller than a single atom
        parts.append(f"{n} (needs {' and '.join(scanned)})" if scanned else str(n))
    return f"Not judged, for want of a neighbouring size: {', '.join(parts)}." if parts else ""


def one_sided(sizes: npt.ArrayLike, judged: npt.ArrayLike) -> tuple[int, ...]:
    """Sizes among those given whose second difference is held against one neighbour's or none's.

    Parameters
    ----------
    sizes : array_like of int
        Numbers of atoms, for instance those that are magic.
    judged : array_like of int
        All that have a second difference.
    """
    known = {int(n) for n in np.atleast_1d(judged)}
    return tuple(int(n) for n in np.atleast_1d(sizes) if not {int(n) - 1, int(n) + 1} <= known)


@dataclass(frozen=True)
class MagicSize:
    """One size that stands out.

    Attributes
    ----------
    size
        Number of atoms.
    second_difference
        Second difference of the energy (eV), the mean of a committee.
    uncertainty
        Standard deviation over the committee (eV); NaN without one.
    probability
        Fraction of the committee that finds this size magic by the same rule; NaN without one.
    sign_confidence
        Fraction of the committee whose second difference is positive; NaN without one.
    """

    size: int
    second_difference: float
    uncertainty: float = nan
    probability: float = nan
    sign_confidence: float = nan


def magic_sizes(
    sizes: npt.ArrayLike, second_differences: npt.ArrayLike, strength: float = 1.0
) -> list[MagicSize]:
    """Find the sizes whose second difference stands out.

    A size is magic if its second difference is positive, a strict local maximum (larger than at
    N - 1 and N + 1 where those are given), and above ``median + strength * 1.4826 * MAD`` of all
    sizes (MAD, the median absolute deviation, times 1.4826 is the standard deviation of a normal
    distribution, and a few high peaks do not raise it). Sizes without a given neighbour are held
    against the threshold alone, so give contiguous ranges.

    Parameters
    ----------
    sizes : array_like of int, shape (S,)
        Numbers of atoms, each once, in any order.
    second_differences : array_like, shape (S,) or (M, S)
        As :func:`second_difference` returns them; with a committee the mean of its M members
        decides, and each member alone gives the probability.
    strength : float
        How far above the median, in robust standard deviations.

    Returns
    -------
    list of MagicSize
        By increasing size.

    Raises
    ------
    ValueError
        If a size occurs twice or the shapes do not fit.
    """
    n, values = _paired(sizes, second_differences)
    if not len(n):
        return []
    order = np.argsort(n)
    n, values = n[order], values[..., order]
    mean = values if values.ndim == 1 else values.mean(axis=0)
    chosen = np.flatnonzero(_stands_out(n, mean, strength))
    if values.ndim == 1:
        return [MagicSize(int(n[k]), float(mean[k])) for k in chosen]
    votes = np.array([_stands_out(n, member, strength) for member in values])
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(len(n), nan)
    return [
        MagicSize(
            size=int(n[k]),
            second_difference=float(mean[k]),
            uncertainty=float(spread[k]),
            probability=float(votes[:, k].mean()),
            sign_confidence=float((values[:, k] > 0).mean()),
        )
        for k in chosen
    ]


def _stands_out(n: Ints, values: Floats, strength: float) -> npt.NDArray[np.bool_]:
    median = np.median(values)
    threshold = median + strength * 1.4826 * np.median(np.abs(values - median))
    result = (values > 0) & (values > threshold)
    adjacent = np.diff(n) == 1
    result[:-1] &= ~adjacent | (values[:-1] > values[1:])
    result[1:] &= ~adjacent | (values[1:] > values[:-1])
    return result


def jellium_closures(electrons_max: int) -> tuple[int, ...]:
    """Numbers of electrons that close a level of the spherical jellium: 2, 8, 18, 20, 34, 40, ...

    The levels of the three-dimensional harmonic oscillator, split by angular momentum with the
    larger one lower, 1s 1p 1d 2s 1f 2p 1g 2d 3s 1h ...: K. Clemenger, Phys. Rev. B 32, 1359 (1985);
    W. A. de Heer, Rev. Mod. Phys. 65, 611 (1993). This gives 2, 8, 18, 20, 34, 40, 58, 68, 70, 92,
    106, 112, 138, 156, ...; beyond about 138 the order of levels in real clusters is less certain.

    >>> jellium_closures(40)
    (2, 8, 18, 20, 34, 40)
    """
    closures: list[int] = []
    electrons = shell = 0
    while True:
        for momentum in range(shell, -1, -2):
            electrons += 2 * (2 * momentum + 1)
            if electrons > electrons_max:
                return tuple(closures)
            closures.append(electrons)
        shell += 1


def electronic_magic_numbers(n_max: int, valence: int = 1, charge: int = 0) -> tuple[int, ...]:
    """Sizes whose delocalised electrons close a level of :func:`jellium_closures`.

    Parameters
    ----------
    n_max : int
        Largest number of atoms.
    valence : int
        Delocalised electrons per atom, see :class:`~aiida_nanoclusters.science.elements.Element`.
    charge : int
        Charge of the cluster (e): a cation has fewer electrons.

    Returns
    -------
    tuple of int
        All N of at most `n_max` with ``N * valence - charge`` a closure.

    Raises
    ------
    ValueError
        If `valence` is less than 1.
    """
    if valence < 1:
        raise ValueError(f"valence must be at least 1 electron per atom, got {valence}")
    closures = jellium_closures(n_max * valence - charge)
    counted = [(c + charge) // valence for c in closures if (c + charge) % valence == 0]
    return tuple(n for n in counted if 1 <= n <= n_max)


def geometric_magic_numbers(n_max: int) -> tuple[int, ...]:
    """Sizes 13, 55, 147, 309, ... of closed icosahedral shells, at most `n_max`."""
    return mackay_sizes(n_max)


def coordination_difference(
    z_wulff: npt.ArrayLike, z_cluster: npt.ArrayLike, n: npt.ArrayLike
) -> Floats:
    """Difference of the mean coordination, eq. (3): (Z_Wulff - Z_cluster) / N.

    Parameters
    ----------
    z_wulff, z_cluster : array_like, shape (S,) or scalar
        Sums of the coordination numbers of all atoms in Wulff and in cluster mode.
    n : array_like, shape (S,) or scalar
        Numbers of atoms, the same in both modes.

    Returns
    -------
    numpy.ndarray, shape (S,)
        Differences per atom; negative where the icosahedral cluster is the more compact one.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    return np.asarray(np.subtract(z_wulff, z_cluster) / _positive(n), dtype=np.float64)


def energy_difference(e_cluster: npt.ArrayLike, e_wulff: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """Difference of the energies per atom, eq. (4): (E_cluster - E_Wulff) / N.

    Parameters
    ----------
    e_cluster, e_wulff : array_like, shape (..., S) or scalar
        Total energies in cluster and in Wulff mode (eV).
    n : array_like, shape (S,) or scalar
        Numbers of atoms, the same in both modes.

    Returns
    -------
    numpy.ndarray, shape (..., S)
        Differences (eV/atom); negative where the icosahedral cluster is the more stable one.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    return np.asarray(np.subtract(e_cluster, e_wulff) / _positive(n), dtype=np.float64)


def _positive(n: npt.ArrayLike) -> Floats:
    sizes = np.asarray(n, dtype=np.float64)
    if (sizes < 1).any():
        raise ValueError(f"numbers of atoms must be at least 1, got {sizes.min():g}")
    return sizes


def _paired(sizes: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Ints, Floats]:
    n = np.atleast_1d(np.asarray(sizes, dtype=np.int64))
    v = np.asarray(values, dtype=np.float64)
    if n.ndim != 1 or v.ndim not in (1, 2) or v.shape[-1] != len(n):
        raise ValueError(f"need sizes (S,) and values (S,) or (M, S), got {n.shape} and {v.shape}")
    if len(np.unique(n)) != len(n):
        raise ValueError("a size occurs twice; keep the lowest energy of each size")
    return n, v
