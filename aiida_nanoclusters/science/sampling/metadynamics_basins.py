"""Basins of the free energy of biased runs: how far they are apart, and the path between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np
from ase.units import kB

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.basin_difference import (
    crossings,
    difference_over_time,
    judge,
    late_height,
)
from aiida_nanoclusters.science.sampling.basins import Basins, find_basins
from aiida_nanoclusters.science.sampling.free_energy_path import LowestPath, Surface, lowest_path
from aiida_nanoclusters.science.sampling.metadynamics import Floats, Hills
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.weighted_blocks import (
    MEMORIES,
    MOST_BLOCKS,
    WeightedSamples,
)
from aiida_nanoclusters.science.units import KCAL_PER_MOL_PER_EV

#: What is said where there are no basins; with a reason.
NO_BASINS: dict[str, Any] = {"basins": [], "converged": False}


def basins_of(
    samples: WeightedSamples, centres: Sequence[Floats], settings: MetadynamicsSettings
) -> Basins:
    """Return the basins of the surface of samples, of cells with a known error.

    One that no sampled cell connects to a lower one is at least two widths of a hill long along
    each variable.
    """
    energies, errors = samples.free_energy()
    widths = [variable.width for variable in settings.ordered]
    long = [2 * w / (axis[1] - axis[0]) for w, axis in zip(widths, centres, strict=True)]
    smallest = int(np.ceil(np.prod(long)))
    return find_basins(energies, centres, samples.kt, errors=errors, smallest=smallest)


def split_by_memory(samples: WeightedSamples, basins: Basins, fewest: int) -> WeightedSamples:
    """Return the samples in as many blocks as the memory of the two lowest basins allows.

    Parameters
    ----------
    samples
        Of all runs.
    basins
        Of a first division.
    fewest
        Blocks of each run, which there are at least.
    """
    if len(basins.basins) < 2:
        return samples
    length = MEMORIES * samples.inefficiency(basins.label)
    each = len(samples.cells) / (int(samples.runs[-1]) + 1)
    return samples.split(max(fewest, min(MOST_BLOCKS, int(each / length))))


def describe_basins(
    samples: WeightedSamples,
    basins: Basins,
    hills: Sequence[Hills],
    centres: Sequence[Floats],
    settings: MetadynamicsSettings,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the basins of a surface say.

    Parameters
    ----------
    samples
        Of all runs, in blocks longer than their memory.
    basins
        Of their surface.
    hills
        Of independent runs; none for OPES.
    centres
        Of the cells along each variable.
    settings
        Of the runs.

    Returns
    -------
    arrays
        `BASIN_LABELS`; with two basins or more the difference of the two lowest over time, at
        parts of the run instead of times, and the path between them if sampled cells connect
        them. Names of :mod:`aiida_nanoclusters.science.keys`.
    answer
        ``basins``: of each its ``name`` (A, B, ..., the lowest cell first), ``place``, ``lowest``
        (eV above the lowest of A), ``free_energy`` of the whole basin above that of A with its
        ``error``, ``depth`` (None for A, and where nothing leads to a lower one).
        ``difference``, of B above A: ``by_reweighting``, ``error``, ``by_hills``,
        ``error_by_hills``, and ``crossings``. ``path``: ``connected``, ``barrier`` from A and
        ``barrier_back`` from B with errors, or the ``reason``. ``converged`` and ``reason``.
        Energies in eV; None stands for what is not known.
    """
    energies, errors = samples.free_energy()
    arrays: dict[str, Any] = {keys.BASIN_LABELS: basins.label}
    answer: dict[str, Any] = {
        "basins": _rows(samples, basins, [variable.name for variable in settings.ordered]),
        "converged": False,
    }
    if len(basins.basins) < 2:
        number = ("no basin was", "one basin alone was")[len(basins.basins)]
        return arrays, {**answer, "reason": f"not converged: {number} found, so that no difference "
                        "of basins tells it; run longer"}  # fmt: skip
    found = difference_over_time(samples, basins, hills, centres, settings.discard)
    arrays |= {
        keys.DIFFERENCE_TIMES: found.shares,
        keys.BASIN_DIFFERENCES: found.differences,
        keys.BASIN_DIFFERENCE_ERRORS: found.errors,
    }
    if found.by_hills is not None:
        arrays[keys.BASIN_DIFFERENCES_BY_HILLS] = found.by_hills
    count = crossings(samples, basins, energies)
    last = [height for own in hills if (height := late_height(own)) is not None]
    converged, reason = judge(found, samples.kt, max(last, default=None), count)
    surface = Surface(
        tuple(centres), energies, errors, samples.resampled(), samples.kt / kB
    )  # fmt: skip
    path_arrays, path = _path(surface, basins)
    return arrays | path_arrays, {
        **answer,
        "difference": {
            "by_reweighting": _known(found.differences[-1]),
            "error": _known(found.errors[-1]),
            "by_hills": None if found.by_hills is None else _known(found.by_hills[-1]),
            "error_by_hills": _known(found.error_by_hills),
            "crossings": count,
        },
        "path": path,
        "converged": converged,
        "reason": reason,
    }


def in_words(answer: Mapping[str, Any]) -> list[str]:
    """Return an answer of :func:`describe_basins` as sentences, in eV and kcal/mol."""
    found = [sentence(answer["reason"])]
    if "difference" not in answer:
        return found
    own, path = answer["difference"], answer["path"]
    text = f"B lies {energy_words(own['by_reweighting'], own['error'])} above A by reweighting"
    if own["by_hills"] is not None:
        text += f" and {energy_words(own['by_hills'], own['error_by_hills'])} by the hills"
    found.append(f"{text}; the runs went {own['crossings']} times from one to the other.")
    if path["connected"]:
        found.append(
            "The highest point of the lowest path lies "
            f"{energy_words(path['barrier'], path['barrier_error'])} above A and "
            f"{energy_words(path['barrier_back'], path['barrier_back_error'])} above B."
        )
    else:
        found.append(f"There is no path between A and B: {path['reason']}.")
    return found


def energy_words(value: float | None, error: float | None) -> str:
    """Return an energy (eV) with its error in eV and kcal/mol."""
    if value is None:
        return "an unknown energy"
    parts = []
    for factor, digits, unit in ((1.0, 3, "eV"), (KCAL_PER_MOL_PER_EV, 2, "kcal/mol")):
        spread = "" if error is None else f" ± {factor * error:.{digits}f}"
        parts.append(f"{factor * value:.{digits}f}{spread} {unit}".replace("-", "−"))
    unknown = ", of unknown error" if error is None else ""
    return f"{parts[0]} ({parts[1]}{unknown})"


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def _rows(samples: WeightedSamples, basins: Basins, names: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, basin in enumerate(basins.basins[: len(ascii_uppercase)]):
        value, error = (0.0, 0.0) if not number else samples.difference(basins.label, (0, number))
        rows.append(
            {
                "name": ascii_uppercase[number],
                "place": dict(zip(names, basin.place, strict=True)),
                "lowest": basin.lowest,
                "free_energy": _known(value),
                "error": _known(error),
                "depth": _known(basin.depth),
            }
        )
    return rows


def _path(surface: Surface, basins: Basins) -> tuple[dict[str, Any], dict[str, Any]]:
    shape = surface.values.shape
    start, end = (int(np.ravel_multi_index(b.cell, shape)) for b in basins.basins[:2])
    try:
        path: LowestPath = lowest_path(surface, start, end)
    except ValueError as error:
        return {}, {"connected": False, "reason": str(error)}
    arrays = {
        keys.PATH_VARIABLES: path.coordinates,
        keys.PATH_FREE_ENERGIES: path.values,
        keys.PATH_FREE_ENERGY_ERRORS: path.errors,
    }
    return arrays, {
        "connected": True,
        "barrier": path.barrier,
        "barrier_error": _known(path.barrier_error),
        "barrier_back": path.back,
        "barrier_back_error": _known(path.back_error),
    }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
