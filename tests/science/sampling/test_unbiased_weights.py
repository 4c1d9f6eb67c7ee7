"""Frames of a biased run count as in the unbiased ensemble."""

import numpy as np
import pytest
from ase.units import kB

from aiida_nanoclusters.science.sampling.metadynamics import Hills
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun, unbiased_weights
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings

SETTINGS = MetadynamicsSettings(
    **{
        "variables": [{"kind": "q4", "width": 0.2}],
        "temperature": 300,
        "height": 0.05,
        "bias_factor": 10,
        "pace": 1,
        "duration": 100,
        "discard": 0.2,
    }
)
KT = kB * SETTINGS.temperature
#: Of the harmonic free energy, eV.
STIFFNESS = 0.05


def harmonic(count: int, *, later: int) -> BiasedRun:
    """Samples of a harmonic well under a bias of five hills, of which two come `later`.

    Until a hill is there, samples are those of the bias without it.
    """
    rng = np.random.default_rng(7)
    centres = np.array([[-0.3], [0.0], [0.4], [1.2], [1.6]])
    heights = np.array([0.03, 0.05, 0.03, 0.05, 0.04]) * 10 / 9
    hills = Hills(centres, np.full_like(centres, 0.4), heights, 10.0, stretched=False)
    grid = np.linspace(-8, 8, 20001)[:, None]
    values, bias = [], []
    for part, there in ((slice(0, later), 3), (slice(later, count), 5)):
        own = hills.upto(there)
        energy = 0.5 * STIFFNESS * grid[:, 0] ** 2 + own.share * own.sum_at(grid)
        density = np.exp(-energy / KT)
        steps = len(range(count)[part])
        drawn = np.interp(rng.random(steps), np.cumsum(density) / density.sum(), grid[:, 0])
        values.append(drawn)
        bias.append(own.share * own.sum_at(drawn[:, None]))
    steps = np.arange(count)
    return BiasedRun(
        steps=steps,
        times=steps * 0.01,
        variables=np.concatenate(values)[:, None],
        bias=np.concatenate(bias),
        hill_steps=np.array([-3, -2, -1, later - 1, later - 1]),
        hills=hills,
    )


def test_the_unbiased_variance_comes_back():
    """kT/k by equipartition, from samples before and after the bias has grown."""
    run = harmonic(60_000, later=30_000)
    times = run.times[::3]
    weights = unbiased_weights(run, SETTINGS, times + 0.002)
    assert weights.sum() == pytest.approx(1)
    assert not weights[: int(0.19 * len(times))].any()
    values = run.variables[::3, 0]
    plain = np.mean(values[weights > 0] ** 2)
    found = weights @ values**2
    assert found == pytest.approx(KT / STIFFNESS, rel=0.04)
    assert abs(plain - KT / STIFFNESS) > 0.1 * KT / STIFFNESS
    # Both stretches count alike, as they are of equal length: this is what c(t) is for.
    early = weights[(times < run.times[30_000])].sum()
    assert early == pytest.approx(0.3 / 0.8, abs=0.04)


def test_frames_that_are_all_discarded():
    run = harmonic(100, later=50)
    with pytest.raises(ValueError, match="`discard`"):
        unbiased_weights(run, SETTINGS, run.times[:10])
