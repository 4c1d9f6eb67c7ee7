"""OPES by COLVARS itself: a dimer of which the free energy is known, and how a run continues."""

import numpy as np
import pytest
from ase import Atoms
from ase.units import kB

from aiida_nanoclusters.formats.lammps.colvars import (
    colvars_config,
    fix_line,
    read_trajectory,
)
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.collective_variables import variables_of
from aiida_nanoclusters.science.sampling.metadynamics_analysis import BiasedRun, analyse_runs
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.formats.lammps.test_colvars import measured

TEMPERATURE = 300.0
KT = kB * TEMPERATURE
#: Of Lennard-Jones: six k T deep, eV and Å.
WELL, DIAMETER = 6 * KT, 2.5
SETTINGS = {
    "method": "opes",
    "collective_variables": [
        {"name": "d", "width": 0.15, "upper": 6.0, "stiffness": 1.0,
         "terms": [{"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}]}
    ],
    "temperature": TEMPERATURE, "barrier": 8 * KT, "bias_factor": 8, "pace": 0.3,
    "timestep": 0.006, "duration": 1000, "cells": 40, "blocks": 5, "discard": 0.1,
}  # fmt: skip


def dimer(apart=3.0):
    return Atoms("Ag2", positions=[[15.0, 20, 20], [15.0 + apart, 20, 20]], cell=[40] * 3, pbc=True)


def potential(r):
    return 4 * WELL * ((DIAMETER / r) ** 12 - (DIAMETER / r) ** 6)


def config_of(settings, atoms, **given):
    variables = variables_of(settings.collective_variables, find_molecules(atoms))
    return colvars_config(variables, atoms, settings.bias, **given)


def test_the_free_energy_of_a_dimer(tmp_path):
    """V(r) - 2 k T ln r, averaged over cells, and as close as the errors say."""
    settings = MetadynamicsSettings(**SETTINGS)
    atoms, steps = dimer(), 250_000
    measured(
        atoms, config_of(settings, atoms, every=20), tmp_path, steps, mass=40.0,
        before=[
            "timestep 0.006", "pair_style lj/cut 12.0", f"pair_coeff * * {WELL} {DIAMETER}",
            f"fix heat all langevin {TEMPERATURE} {TEMPERATURE} 0.3 7 zero yes",
        ],
        tstat="tstat heat",
    )  # fmt: skip
    with (tmp_path / "out.colvars.traj").open() as handle:
        rows = read_trajectory(handle, ["d"])
    run = BiasedRun(
        steps=rows[:, 0].astype(np.int64), times=rows[:, 0] * settings.timestep,
        variables=rows[:, 1:2], bias=rows[:, 3], hill_steps=np.empty(0, np.int64), hills=None,
    )  # fmt: skip
    arrays, report, *_ = analyse_runs({"run_000": run}, settings)
    assert keys.FREE_ENERGIES_BY_HILLS not in arrays
    assert report["run_000"]["hills"] == 0 and report["run_000"]["last_height"] is None
    (edges,) = arrays[keys.CELL_EDGES]
    r = np.linspace(edges[:-1], edges[1:], 101, axis=1)
    inside = potential(r) - 2 * KT * np.log(r)
    exact = -KT * np.log(np.exp(-inside / KT).mean(axis=1))
    judged = (edges[:-1] > 2.4) & (edges[1:] < 5.8)
    assert np.ptp(exact[judged]) > 4 * KT
    apart = (arrays[keys.FREE_ENERGIES] - exact)[judged]
    rms = np.std(apart)
    assert rms < 0.2 * KT
    assert 0.3 < rms / np.median(arrays[keys.FREE_ENERGY_ERRORS][judged]) < 3
    # and the bias took it there
    r = np.linspace(2.0, 8.0, 2000)
    energies = potential(r) + 0.5 * np.clip(r - 6.0, 0.0, None) ** 2
    unbiased = r**2 * np.exp(-energies / KT)
    assert np.mean(rows[:, 1] > 5.0) > 4 * unbiased[r > 5.0].sum() / unbiased.sum()


def test_a_run_goes_on_with_all_kernels_but_the_last(tmp_path):
    """Atoms too heavy for the bias: both runs pass the same places, and their bias tells all."""
    settings = MetadynamicsSettings(**{**SETTINGS, "pace": 0.03})  # 5 steps
    assert settings.bias.pace == 5
    atoms, steps, stop = dimer(), 400, 250
    config = config_of(settings, atoms, every=1)
    fixed = ["timestep 0.006", "group none empty", "fix heat none langevin 300 300 0.1 1"]
    push = [*fixed, "group a id 2", "velocity a set 0.2 0 0"]
    keep = {"mass": 1e12, "tstat": "tstat heat"}
    whole = measured(atoms, config, tmp_path, steps, before=push, **keep)
    kernels = _kernel_steps(tmp_path)
    measured(atoms, config, tmp_path, stop, before=push, after=["write_restart half"], **keep)
    first = _kernel_steps(tmp_path)
    on = measured(atoms, config, tmp_path, steps - stop, before=fixed, restart="half", **keep)
    np.testing.assert_allclose(on[:, 0], whole[stop:, 0], atol=1e-9)
    assert [*first, *_kernel_steps(tmp_path)] == kernels == list(range(5, steps + 1, 5))
    # the kernel of the step of the restart is missing, one of fifty: nothing else is
    assert on[0, -1] == pytest.approx(whole[stop, -1], abs=1e-9)
    assert 0 < np.abs(on[1:, -1] - whole[stop + 1 :, -1]).max() < 0.5 * KT
    fresh = whole[0, -1]
    assert fresh == pytest.approx(-8 * KT) and on[0, -1] - fresh > 4 * KT


def _kernel_steps(folder):
    (path,) = folder.glob("out*.kernels.dat")
    times = [float(r.split()[0]) for r in path.read_text().splitlines() if not r.startswith("#")]
    return [round(time / (1e-3 * 0.006 * 1e-3)) for time in times]


def test_opes_wants_the_thermostat():
    assert fix_line("heat") == f"{fix_line()} tstat heat"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"barrier": None}, "OPES needs a `barrier`, eV"),
        ({"method": "metadynamics"}, "metadynamics needs a `height`, eV"),
        ({"collective_variables": [], "variables": [{"kind": "q6", "width": 0.1}]}, "give those"),
        ({"barrier": 0.0}, "barrier"),
        ({"method": "umbrella"}, "method"),
    ],
)
def test_what_no_opes_is(change, reason):
    assert MetadynamicsSettings.problem(SETTINGS) is None
    assert reason in MetadynamicsSettings.problem({**SETTINGS, **change})
