"""Weights of frames of a biased run, by the bias that acted when each was taken."""

from __future__ import annotations

import numpy as np
from ase.units import kB

from aiida_nanoclusters.science.sampling.bias_in_time import bias_in_time
from aiida_nanoclusters.science.sampling.metadynamics import Floats, bias_offsets, sample_weights
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings

#: Points along each variable of the grid on which c(t) is integrated.
_POINTS = 60


def weights_in_time(run: BiasedRun, settings: MetadynamicsSettings, times: Floats) -> Floats:
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
        Since the bias began, ps, (F,); the nearest sample of the run counts.

    Raises
    ------
    ValueError
        If all frames are of the share that is discarded.
    """
    middles = 0.5 * (run.times[1:] + run.times[:-1])
    nearest = np.searchsorted(middles, np.asarray(times))
    kept = nearest >= int(settings.discard * len(run.times))
    if not kept.any():
        raise ValueError("no frame after the share `discard`: keep more frames, or discard less")
    kt = kB * settings.temperature
    order = np.argsort(nearest, kind="stable")
    bias, offsets = run.bias[nearest], np.zeros(len(nearest))
    if run.hills is not None:
        widths = np.array([variable.width for variable in settings.ordered])
        low, high = run.variables.min(axis=0) - widths, run.variables.max(axis=0) + widths
        axes = [np.linspace(a, b, _POINTS) for a, b in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        # hills of a step are added after the sample of that step
        counts = np.searchsorted(run.hill_steps, run.steps[nearest[order]], side="left")
        offsets[order] = bias_offsets(run.hills, grid, kt, counts)
        if not run.hills.stretched:  # those of COLVARS
            bias[order] = bias_in_time(run.hills, run.variables[nearest[order]], counts)
    found = np.zeros(len(nearest))
    found[kept] = sample_weights(bias[kept], offsets[kept], kt)
    return found
