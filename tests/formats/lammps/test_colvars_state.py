"""COLVARS begins with the hills of other runs: its energy is theirs, and its forces."""

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.formats.lammps.colvars import (
    HILLS_FILE,
    STATE_FILE,
    TRAJECTORY_FILE,
    colvars_config,
    fix_line,
    spacing_of,
)
from aiida_nanoclusters.formats.lammps.colvars_state import colvars_state
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariableSettings,
    HillSettings,
    variables_of,
)
from aiida_nanoclusters.science.sampling.metadynamics import Hills
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.formats.lammps.test_colvars import measured

HILLS = HillSettings(height=0.1, bias_factor=5, temperature=300, pace=1000)
DISTANCE = {"name": "d", "width": 0.2,
            "terms": [{"kind": "distance", "groups": [["Ag1"], ["Ag2"]]}]}  # fmt: skip
PAIR = {"name": "c", "width": 0.1,
        "terms": [{"kind": "coordination", "groups": [["Ag1"], ["Ag2"]], "r0": 3.0}]}  # fmt: skip


@pytest.mark.parametrize("own", [[DISTANCE], [DISTANCE, PAIR]], ids=["one", "two"])
def test_energy_and_forces_are_those_of_the_hills(own, tmp_path):
    """In a free atom's own motion energy is conserved: the forces are those of the energy."""
    atoms = Atoms("Ag2", positions=[[5.0, 5, 5], [8.1, 5, 5]], cell=[20, 20, 20], pbc=True)
    settings = [CollectiveVariableSettings(**one) for one in own]
    variables = variables_of(settings, find_molecules(atoms))
    here = np.array([variable.value(atoms) for variable in variables])
    rng = np.random.default_rng(3)
    centres = here + np.array([0.3, 0.1])[: len(own)] * rng.normal(size=(30, len(own)))
    widths = np.tile([one.width for one in settings], (30, 1))
    hills = Hills(centres, widths, 0.02 * rng.random(30), HILLS.bias_factor, stretched=False)
    state = colvars_state(hills, [spacing_of(one) for one in settings], step=0)
    (tmp_path / STATE_FILE).write_text(state)
    config = colvars_config(variables, atoms, HILLS, every=1)
    rows = measured(
        atoms, config, tmp_path, 400, mass=20.0, state=True,
        before=["compute own all ke", "thermo_style custom step c_own", "thermo 1",
                "variable ke equal c_own", "fix ke all print 1 '$(c_own:%.12g)' file ke.txt"],
    )  # fmt: skip
    expected = hills.sum_at(rows[:, : len(own)]) * hills.share
    # COLVARS takes the value of the cell, half a width wide
    slope = np.abs(np.diff(expected)).max() / np.abs(np.diff(rows[:, 0])).max()
    assert rows[0, -1] == pytest.approx(expected[0], abs=slope * 0.05 + 0.004)
    assert np.corrcoef(rows[:, -1], expected)[0, 1] > 0.97
    assert np.ptp(expected) > 0.01
    kinetic = np.loadtxt(tmp_path / "ke.txt", skiprows=1)
    total = kinetic + expected[-len(kinetic) :]
    assert np.ptp(total) < 0.15 * np.ptp(kinetic)


def test_hills_too_far_apart_for_a_grid():
    hills = Hills(np.array([[0.0, 0], [1e3, 1e3]]), np.full((2, 2), 0.1), np.ones(2), 5.0)
    with pytest.raises(ValueError, match="give wider hills"):
        colvars_state(hills, [0.05, 0.05], 0)


def test_the_fix_reads_the_file_that_is_written():
    assert f"input {STATE_FILE.removesuffix('.colvars.state')}" in fix_line(state=True)
    assert {HILLS_FILE, TRAJECTORY_FILE}.isdisjoint({STATE_FILE})


def test_a_grid_that_begins_as_wide_as_the_variable(tmp_path):
    """The coordination of one pair lies between 0 and 1: COLVARS would not let its grid grow."""
    atoms = Atoms("Ag2", positions=[[5.0, 5, 5], [8.01, 5, 5]], cell=[20, 20, 20], pbc=True)
    own = CollectiveVariableSettings(**{**PAIR, "width": 0.05})
    (variable,) = variables_of([own], find_molecules(atoms))
    config = colvars_config([variable], atoms, HILLS)
    assert "  lowerBoundary 0.0\n  upperBoundary 1.0\n" in config
    assert measured(atoms, config, tmp_path)[0, 0] == pytest.approx(variable.value(atoms))
