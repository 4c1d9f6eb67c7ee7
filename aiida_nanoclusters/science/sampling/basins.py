"""Basins of a free-energy surface, the barriers between them, and their difference over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from aiida_nanoclusters.science.sampling.metadynamics import Floats, Hills

Ints = NDArray[np.int64]

#: Error of a cell in k T up to which it is of a basin. One that a single stretch of the run has
#: visited has an error of k T, one that two have of 0.7 k T.
MOST_ERROR = 0.75
#: Errors of its depth that a basin is deep at least.
_ERRORS = 3.0


@dataclass(frozen=True)
class Basin:
    """One basin.

    Attributes
    ----------
    cell
        Index of its lowest cell along each variable.
    place
        The variables there.
    lowest
        Free energy there, eV.
    free_energy
        Of the whole basin, -k T ln of the sum over its cells, eV: what its population follows.
    depth
        Lowest barrier to a lower basin, eV above `lowest`; infinite for the lowest of all, and
        where nothing that was sampled leads to a lower one.
    """

    cell: tuple[int, ...]
    place: tuple[float, ...]
    lowest: float
    free_energy: float
    depth: float


@dataclass(frozen=True)
class Basins:
    """Basins of a surface, the lowest first.

    Attributes
    ----------
    basins
        B of them.
    label
        Basin of each cell, -1 for none, as where nothing was sampled; the shape of the surface.
    """

    basins: tuple[Basin, ...]
    label: Ints

    def difference(self, energies: Floats, kt: float, first: int, second: int) -> float:
        """Return the free energy of the second basin above the first on another surface, eV.

        Parameters
        ----------
        energies
            Surface over the same cells, as after a part of the run.
        kt
            Thermal energy, eV.
        first, second
            Numbers of the basins.
        """
        one, other = (_of_cells(energies[self.label == k], kt) for k in (first, second))
        return other - one


def find_basins(
    energies: Floats,
    centres: Sequence[Floats],
    kt: float,
    shallowest: float = 1.0,
    *,
    errors: Floats | None = None,
    smallest: int = 1,
    periodic: Sequence[bool] = (),
) -> Basins:
    """Return the basins of a surface.

    Cells are taken from the lowest upward. One beside a basin joins it, one beside two is where
    they meet: the higher of them stays a basin of its own if it is deeper than `shallowest` and
    than three times the error of its depth: among hundreds of cells some are off by two. Neighbours
    share a corner or more.

    Parameters
    ----------
    energies
        eV, D dimensions; infinite or NaN where nothing was sampled.
    centres
        Of the cells along each variable.
    kt
        Thermal energy, eV.
    shallowest
        Depth in k T below which a hollow is noise and no basin.
    errors
        Standard errors of the surface, eV. Cells whose error is not known, or above
        :data:`MOST_ERROR` of k T, belong to no basin. Default: errors of zero.
    smallest
        Cells of a basin from which nothing that was sampled leads to a lower one; fewer, which a
        run touched by chance, are none.
    periodic
        Whether the cells along each variable cover a period, as of an angle. Default: none does.

    Raises
    ------
    ValueError
        If nothing was sampled, or the surface has another shape than the cells.
    """
    shape = tuple(len(axis) for axis in centres)
    if energies.shape != shape:
        raise ValueError(f"a surface of shape {energies.shape} has no cells of {shape}")
    if not np.isfinite(energies).any():
        raise ValueError("no cell was sampled: run longer, or with coarser cells")
    spread = np.zeros(shape) if errors is None else np.nan_to_num(errors, nan=np.inf)
    known = np.isfinite(energies) & (spread <= MOST_ERROR * kt)
    owner = np.full(shape, -1, dtype=np.int64)
    floors: list[tuple[int, ...]] = []
    into: list[int] = []  # basin that each was joined to, itself at first
    depths: list[float] = []
    for flat in np.argsort(energies, axis=None, kind="stable"):
        cell = tuple(int(i) for i in np.unravel_index(flat, shape))
        if not known[cell]:
            continue
        energy = float(energies[cell])
        near = {
            _root(into, int(owner[c])) for c in _neighbours(cell, shape, periodic) if owner[c] >= 0
        }
        if not near:
            owner[cell] = len(floors)
            floors.append(cell)
            into.append(len(into))
            depths.append(np.inf)
            continue
        lowest, *others = sorted(near, key=lambda k: float(energies[floors[k]]))
        owner[cell] = lowest
        for other in others:
            depth = energy - float(energies[floors[other]])
            depths[other] = min(depths[other], depth)
            noise = _ERRORS * float(np.hypot(spread[cell], spread[floors[other]]))
            if depth < max(shallowest * kt, noise):
                into[other] = lowest
    root = np.array([_root(into, k) for k in range(len(floors))], dtype=np.int64)
    owner[owner >= 0] = root[owner[owner >= 0]]
    sizes = np.bincount(owner[owner >= 0], minlength=len(floors))
    kept = [  # those that were found first are the lowest
        k
        for k in range(len(floors))
        if into[k] == k and (not k or np.isfinite(depths[k]) or sizes[k] >= smallest)
    ]
    number = {k: n for n, k in enumerate(kept)}
    label = np.full(shape, -1, dtype=np.int64)
    for k, n in number.items():
        label[owner == k] = n
    basins = tuple(
        Basin(
            cell=floors[k],
            place=tuple(float(axis[i]) for axis, i in zip(centres, floors[k], strict=True)),
            lowest=float(energies[floors[k]]),
            free_energy=_of_cells(energies[label == number[k]], kt),
            depth=depths[k],
        )
        for k in kept
    )
    return Basins(basins, label)


def differences_over_time(
    basins: Basins,
    hills: Hills,
    centres: Sequence[Floats],
    kt: float,
    pair: tuple[int, int] = (0, 1),
    times: int = 20,
) -> tuple[Ints, Floats]:
    """Return how the difference of two basins settled while the hills grew.

    Parameters
    ----------
    basins
        Of the final surface.
    hills
        Of the run.
    centres
        Of the cells along each variable.
    kt
        Thermal energy, eV.
    pair
        Numbers of two basins.
    times
        Number of moments, evenly spaced in the number of hills.

    Returns
    -------
    counts, differences
        Hills until then, and the free energy of the second basin above the first, eV; NaN before
        the first hill.

    Raises
    ------
    ValueError
        If there is no basin of one of the numbers.
    """
    shape = tuple(len(axis) for axis in centres)
    grid = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, len(shape))
    if not max(pair) < len(basins.basins):
        raise ValueError(f"there is no basin {max(pair)}: {len(basins.basins)} were found")
    total = len(hills.heights)
    counts = np.linspace(total / times, total, times).round().astype(np.int64)
    summed, found = np.zeros(shape), []
    for start, end in pairwise([0, *counts.tolist()]):
        summed -= hills.between(start, end).sum_at(grid).reshape(shape)
        found.append(basins.difference(summed, kt, *pair) if end else np.nan)
    return counts, np.array(found)


def _of_cells(energies: Floats, kt: float) -> float:
    own = energies[np.isfinite(energies)]
    return -kt * float(logsumexp(-own / kt)) if own.size else np.inf


def _neighbours(
    cell: tuple[int, ...], shape: tuple[int, ...], periodic: Sequence[bool]
) -> Iterator[tuple[int, ...]]:
    around = periodic or (False,) * len(cell)
    for step in product((-1, 0, 1), repeat=len(cell)):
        near = tuple(
            (i + d) % n if turns else i + d
            for i, d, n, turns in zip(cell, step, shape, around, strict=True)
        )
        if any(step) and all(0 <= i < n for i, n in zip(near, shape, strict=True)):
            yield near


def _root(into: list[int], basin: int) -> int:
    while into[basin] != basin:
        basin = into[basin]
    return basin
