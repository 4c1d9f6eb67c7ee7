"""The lowest path between two families of a chart, from weighted frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.analysis_settings import FreeEnergySettings
from aiida_nanoclusters.science.charts.families import nearest_centre
from aiida_nanoclusters.science.charts.free_energy import free_energy
from aiida_nanoclusters.science.sampling.free_energy_path import LowestPath, Surface, lowest_path

Floats = NDArray[np.float64]


def competing_families(shares: ArrayLike, temperatures: ArrayLike) -> tuple[int, int, float] | None:
    """Return the two families of the largest populations, and where they compete most.

    Parameters
    ----------
    shares
        Populations of the families against temperature, shape (C, G).
    temperatures
        K, shape (G,).

    Returns
    -------
    tuple or None
        Numbers of the families, that of the lower temperature first, and the temperature (K) at
        which the product of their populations is largest. None for fewer than two families.

    Examples
    --------
    >>> competing_families([[0.0, 0.4, 0.9], [0.1, 0.1, 0.0], [0.9, 0.5, 0.1]], [100, 200, 300])
    (2, 0, 200.0)
    """
    found = np.asarray(shares, float)
    if len(found) < 2:
        return None
    largest = np.argsort(-found.max(axis=1), kind="stable")[:2]
    product = found[largest].prod(axis=0)
    if not (product > 0).any():
        return None
    middles = found[largest] @ np.arange(found.shape[1]) / found[largest].sum(axis=1)
    cold, hot = (int(k) for k in largest[np.argsort(middles, kind="stable")])
    return cold, hot, float(np.asarray(temperatures, float)[int(np.argmax(product))])


def path_between(
    coordinates: ArrayLike,
    weights: Floats,
    resampled: list[Floats],
    centres: ArrayLike,
    pair: tuple[int, int],
    temperature: float,
    settings: FreeEnergySettings,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the free energy over the chart and the lowest path between two families.

    The path goes from the lowest cell of the one to that of the other; a cell belongs to the family
    with the nearest centre.

    Parameters
    ----------
    coordinates
        Of the frames in the chart, shape (F, d).
    weights, resampled
        At the temperature, see :meth:`.Reweighting.weights`; shape (F,) each.
    centres
        Of the families, shape (C, d).
    pair
        Numbers of two families.
    temperature
        K.
    settings
        Smoothing and cells.

    Returns
    -------
    arrays : dict
        As named in :mod:`aiida_nanoclusters.science.keys`; those of the path only if there is one.
    answer : dict
        ``temperature`` (K), ``families``, ``connected``, ``barrier``, ``barrier_back`` and their
        errors (eV; None if infinite), ``families_on_path`` and, without a path, ``reason``.
    """
    middles = np.asarray(centres, float)
    surface = free_energy(
        coordinates,
        temperature,
        weights=weights,
        resampled=resampled,
        smoothing=settings.smoothing,
        cell=settings.cell,
        fewest=settings.fewest,
    )
    answer: dict[str, Any] = {"temperature": temperature, "families": list(pair)}
    arrays = _surface_arrays(surface)
    try:
        owner = nearest_centre(surface.places(np.arange(surface.values.size)), middles)
        ends = [surface.lowest(owner == k) for k in pair]
        path = lowest_path(surface, *ends)
    except ValueError as error:
        return arrays, {**answer, "connected": False, "reason": str(error)}
    nearest = nearest_centre(path.coordinates, middles)
    return {**arrays, **_path_arrays(path, nearest)}, {**answer, **_path_answer(path, nearest)}


def _surface_arrays(surface: Surface) -> dict[str, Any]:
    cells = np.flatnonzero(surface.sampled)
    return {
        keys.CELL_COORDINATES: surface.places(cells).T,
        keys.FREE_ENERGIES: surface.values.ravel()[cells],
        keys.FREE_ENERGY_ERRORS: surface.errors.ravel()[cells],
    }


def _path_arrays(path: LowestPath, nearest: NDArray[np.int64]) -> dict[str, Any]:
    return {
        keys.PATH_COORDINATES: path.coordinates.T,
        keys.PATH_FREE_ENERGIES: path.values,
        keys.PATH_FREE_ENERGY_ERRORS: path.errors,
        keys.PATH_FAMILIES: nearest,
    }


def _path_answer(path: LowestPath, nearest: NDArray[np.int64]) -> dict[str, Any]:
    def finite(value: float) -> float | None:
        return value if np.isfinite(value) else None

    changes = np.flatnonzero(np.diff(nearest, prepend=-1))
    return {
        "connected": True,
        "barrier": path.barrier,
        "barrier_error": finite(path.barrier_error),
        "barrier_back": path.back,
        "barrier_back_error": finite(path.back_error),
        "families_on_path": [int(k) for k in nearest[changes]],
    }
