"""Free energy along the variables of metadynamics, from the hills and the samples of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import NDArray

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics import (
    Floats,
    Hills,
    bias_offsets,
    block_errors,
    free_energy,
    sample_weights,
)
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings

#: Largest number of cells in all: with three variables the grid is coarser than asked for.
_MOST_CELLS = 30_000


@dataclass(frozen=True)
class BiasedRun:
    """One run.

    Attributes
    ----------
    steps, times
        Of the samples since the bias began; ps; shape (S,).
    variables
        Shape (S, D).
    bias
        Energy of the whole bias at each sample, eV, shape (S,).
    hill_steps
        Shape (H,).
    hills
        All hills of the run.
    """

    steps: NDArray[np.int64]
    times: Floats
    variables: Floats
    bias: Floats
    hill_steps: NDArray[np.int64]
    hills: Hills


def analyse_runs(
    runs: Mapping[str, BiasedRun], settings: MetadynamicsSettings
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Return the free energy along the variables, and a summary of each run.

    Parameters
    ----------
    runs
        By name, at least one, with samples.
    settings
        Of all runs.

    Returns
    -------
    arrays
        `CELL_EDGES` along each variable; `FREE_ENERGIES_BY_HILLS`, the mean over runs of that from
        the sum of hills; `FREE_ENERGIES` and `FREE_ENERGY_ERRORS` from samples reweighted by c(t),
        infinite and NaN where nothing was sampled. Names of :mod:`aiida_nanoclusters.science.keys`.
    report
        Of each run: hills, height of the last one as a share of the first, range of the variables.

    Raises
    ------
    ValueError
        If the runs have too few samples for the blocks.
    """
    kt, count = kB * settings.temperature, len(settings.ordered)
    cells = min(settings.cells, int(_MOST_CELLS ** (1 / count)))
    samples = np.concatenate([run.variables for run in runs.values()])
    margin = np.array([variable.width for variable in settings.ordered])
    low, high = samples.min(axis=0) - margin, samples.max(axis=0) + margin
    edges = [np.linspace(a, b, cells + 1) for a, b in zip(low, high, strict=True)]
    axes = [0.5 * (e[1:] + e[:-1]) for e in edges]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, count)
    from_hills, values, weights = [], [], []
    for run in runs.values():
        from_hills.append(free_energy(run.hills, grid))
        kept = slice(int(settings.discard * len(run.steps)), None)
        # hills of a step are added after the sample of that step
        numbers = np.searchsorted(run.hill_steps, run.steps[kept], side="left")
        offsets = bias_offsets(run.hills, grid, kt, numbers)
        values.append(run.variables[kept])
        weights.append(sample_weights(run.bias[kept], offsets, kt) / len(runs))
    energy, error = block_errors(
        np.concatenate(values), np.concatenate(weights), edges, kt, settings.blocks * len(runs)
    )
    mean = np.mean(from_hills, axis=0).reshape(energy.shape)
    arrays = {
        keys.CELL_EDGES: np.array(edges),
        keys.FREE_ENERGIES_BY_HILLS: mean - mean.min(),
        keys.FREE_ENERGIES: energy,
        keys.FREE_ENERGY_ERRORS: error,
    }
    return arrays, {name: _summary(run, settings) for name, run in runs.items()}


def _summary(run: BiasedRun, settings: MetadynamicsSettings) -> dict[str, Any]:
    heights = run.hills.heights
    names = [variable.name for variable in settings.ordered]
    spans = zip(run.variables.min(axis=0), run.variables.max(axis=0), strict=True)
    return {
        "hills": len(heights),
        "last_height": float(heights[-1] / heights[0]) if len(heights) and heights[0] else None,
        "duration": float(run.times[-1]),
        "ranges": {name: [float(a), float(b)] for name, (a, b) in zip(names, spans, strict=True)},
    }
