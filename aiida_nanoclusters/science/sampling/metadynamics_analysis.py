"""Free energy along the variables of metadynamics, from the hills and the samples of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import NDArray

from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.bias_in_time import bias_in_time
from aiida_nanoclusters.science.sampling.metadynamics import (
    Floats,
    Hills,
    bias_offsets,
    free_energy,
    sample_weights,
)
from aiida_nanoclusters.science.sampling.metadynamics_basins import (
    NO_BASINS,
    basins_of,
    describe_basins,
    split_by_memory,
)
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.sampling.weighted_blocks import WeightedSamples

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
        Energy of the hills, or of OPES, at each sample, eV, shape (S,). Walls are no part of it:
        the free energy is that of the system with its walls.
    hill_steps
        Shape (H,).
    hills
        All hills of the run; None for OPES, whose bias is no sum of hills.
    """

    steps: NDArray[np.int64]
    times: Floats
    variables: Floats
    bias: Floats
    hill_steps: NDArray[np.int64]
    hills: Hills | None


def analyse_runs(
    runs: Mapping[str, BiasedRun], settings: MetadynamicsSettings
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the free energy along the variables, a summary of each run, and what they say.

    Parameters
    ----------
    runs
        By name. Walkers that share a bias have a name of their run, ``_walker_`` and a number.
    settings
        Of all runs.

    Returns
    -------
    arrays
        `CELL_EDGES` along each variable; `FREE_ENERGIES_BY_HILLS`, the mean over runs of that from
        the sum of hills, absent where there are none; `FREE_ENERGIES` and `FREE_ENERGY_ERRORS` from
        samples reweighted by their bias, that of hills less c(t), infinite and NaN where nothing
        was sampled; those of :func:`describe_basins`. Names of
        :mod:`aiida_nanoclusters.science.keys`. Empty where no run has a sample.
    report
        Of each run: hills, height of the last one as a share of the first, range of the variables.
    answer
        That of :func:`describe_basins`.

    Notes
    -----
    Standard errors come from blocks of time. There are `blocks` of each run, or more where each is
    still :data:`~.weighted_blocks.MEMORIES` times as long as the difference of the two lowest
    basins is correlated. Five blocks of a long run are too few: the error of the error is then a
    third, and a run whose error is half of that of the next one is no better. The error of a cell
    is that relative to all cells together.
    """
    report = {name: _summary(run, settings) for name, run in runs.items()}
    groups: dict[str, list[BiasedRun]] = {}
    for name, run in runs.items():
        if len(run.steps) > int(settings.discard * len(run.steps)):
            groups.setdefault(name.partition("_walker_")[0], []).append(run)
    if not groups:
        return {}, report, {**NO_BASINS, "reason": "not converged: no run has a sample: run longer"}
    edges = _edges([run for group in groups.values() for run in group], settings)
    centres, grid = _grid(edges)
    kt, shape = kB * settings.temperature, tuple(map(len, centres))
    values = [run.variables[_kept(run, settings)] for group in groups.values() for run in group]
    weights = [own for group in groups.values() for own in _weights(group, settings, grid)]
    samples = WeightedSamples.of(values, weights, edges, kt, settings.blocks)
    hills = [group[0].hills for group in groups.values() if group[0].hills is not None]
    first = basins_of(samples, centres, settings)
    samples = split_by_memory(samples, first, settings.blocks)
    basins = basins_of(samples, centres, settings)
    energies, errors = samples.free_energy()
    arrays: dict[str, Any] = {
        keys.CELL_EDGES: np.array(edges),
        keys.FREE_ENERGIES: energies,
        keys.FREE_ENERGY_ERRORS: errors,
    }
    if hills:
        mean = np.mean([free_energy(own, grid) for own in hills], axis=0).reshape(shape)
        arrays[keys.FREE_ENERGIES_BY_HILLS] = mean - mean.min()
    more, answer = describe_basins(samples, basins, hills, centres, settings)
    if keys.DIFFERENCE_TIMES in more:
        more[keys.DIFFERENCE_TIMES] *= max(own["duration"] for own in report.values())
    return {**arrays, **more}, report, answer


def unbiased_weights(run: BiasedRun, settings: MetadynamicsSettings, times: Floats) -> Floats:
    """Return the weights of frames in the unbiased ensemble, shape (F,), their sum one.

    Those of the share `discard` at the beginning, when the bias still filled the first basin, are
    zero. See :func:`~aiida_nanoclusters.science.sampling.metadynamics.sample_weights`.

    Parameters
    ----------
    run
        With samples.
    settings
        Of the run.
    times
        Since the bias began, ps, ascending, (F,); the nearest sample of the run counts.

    Raises
    ------
    ValueError
        If all frames are of the share that is discarded.
    """
    middles = 0.5 * (run.times[1:] + run.times[:-1])
    nearest = np.searchsorted(middles, times)
    kept = nearest >= _kept(run, settings).start
    if not kept.any():
        raise ValueError("no frame after the share `discard`: keep more frames, or discard less")
    kt, (_, grid) = kB * settings.temperature, _grid(_edges([run], settings))
    found = np.zeros(len(nearest))
    found[kept] = sample_weights(*_felt(run, nearest[kept], grid, kt), kt)
    return found


def _edges(runs: Sequence[BiasedRun], settings: MetadynamicsSettings) -> list[Floats]:
    """Edges of the cells along each variable: all that was visited, and the width of a hill."""
    count = len(settings.ordered)
    cells = min(settings.cells, int(_MOST_CELLS ** (1 / count)))
    samples = np.concatenate([run.variables for run in runs])
    margin = np.array([variable.width for variable in settings.ordered])
    low, high = samples.min(axis=0) - margin, samples.max(axis=0) + margin
    return [np.linspace(a, b, cells + 1) for a, b in zip(low, high, strict=True)]


def _grid(edges: Sequence[Floats]) -> tuple[list[Floats], Floats]:
    """Centres of the cells along each variable, and all of them together, (P, D)."""
    centres = [0.5 * (edge[1:] + edge[:-1]) for edge in edges]
    return centres, np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, len(edges))


def _kept(run: BiasedRun, settings: MetadynamicsSettings) -> slice:
    return slice(int(settings.discard * len(run.steps)), None)


def _weights(
    group: Sequence[BiasedRun], settings: MetadynamicsSettings, grid: Floats
) -> list[Floats]:
    """Weights of the samples of runs that share one bias, on one scale: their number in all."""
    kt = kB * settings.temperature
    felt = [_felt(run, _kept(run, settings), grid, kt) for run in group]
    biases, offsets = (np.concatenate(parts) for parts in zip(*felt, strict=True))
    lengths = np.cumsum([len(bias) for bias, _ in felt])
    return np.split(sample_weights(biases, offsets, kt) * lengths[-1], lengths[:-1])


def _felt(
    run: BiasedRun, which: slice | NDArray[np.int64], grid: Floats, kt: float
) -> tuple[Floats, Floats]:
    """Bias at samples of a run, in ascending order, when they were taken, and c(t) then, eV."""
    bias = run.bias[which]
    if run.hills is None:
        return bias, np.zeros(len(bias))
    # hills of a step are added after the sample of that step
    numbers = np.searchsorted(run.hill_steps, run.steps[which], side="left")
    if not run.hills.stretched:  # those of COLVARS
        bias = bias_in_time(run.hills, run.variables[which], numbers)
    return bias, bias_offsets(run.hills, grid, kt, numbers)


def _summary(run: BiasedRun, settings: MetadynamicsSettings) -> dict[str, Any]:
    heights = run.hills.heights if run.hills is not None else np.empty(0)
    names = [variable.name for variable in settings.ordered]
    there = len(run.steps) > 0
    spans = zip(run.variables.min(axis=0), run.variables.max(axis=0), strict=True) if there else ()
    return {
        "hills": len(heights),
        "last_height": float(heights[-1] / heights[0]) if len(heights) and heights[0] else None,
        "duration": float(run.times[-1]) if there else 0.0,
        "ranges": {name: [float(a), float(b)] for name, (a, b) in zip(names, spans, strict=False)},
    }
