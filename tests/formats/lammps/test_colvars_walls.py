"""Walls on the coordination of each atom by COLVARS itself, on a published starting structure."""

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.formats.lammps.colvars import colvars_config, read_trajectory
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariableSettings,
    variables_of,
)
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.formats.lammps.test_colvars import measured
from tests.science.sampling.test_coordination_walls import ALCOHOL, METHYL, wall_of
from tests.science.structures.test_molecules import start


@pytest.mark.parametrize("settings", [METHYL, ALCOHOL], ids=["methyl", "alcohol"])
def test_values_and_energy_are_those_of_colvars(shared_data, settings, tmp_path):
    """Where one atom alone is beyond, the energy is that of a wall on the lowest value."""
    atoms = start(shared_data, "monomer_dimer")
    values = wall_of(atoms, **settings, partners="bonded").values(atoms)
    lowest, second = np.sort(values)[:2]
    own = {**settings, "lower": (lowest + 3 * second) / 4, "stiffness": 7.0}
    walls = [wall_of(atoms, **own, partners="bonded")]
    config = colvars_config([], atoms, coordination_walls=walls)
    shown = config.replace("outputValue off", "outputValue on")
    shown = shown.replace("harmonicWalls {", "harmonicWalls {\n  outputEnergy on")
    (row,) = measured(atoms, shown, tmp_path)
    assert len(row) == len(values) + 1 == 121
    np.testing.assert_allclose(row[:-1], values, rtol=1e-9)
    assert row[-1] == pytest.approx(3.5 * (own["lower"] - lowest) ** 2, rel=1e-9)


def test_the_trajectory_holds_variables_alone(tmp_path):
    """And the wall turns an atom around that leaves its partner."""
    atoms = Atoms("AgC", positions=[[5.0, 5, 5], [7.0, 5, 5]], cell=[20, 20, 20], pbc=True)
    one = {"name": "d", "width": 0.1, "terms": [{"kind": "distance", "groups": [["Ag"], ["C"]]}]}
    variables = variables_of([CollectiveVariableSettings(**one)], find_molecules(atoms))
    both = {"name": "w", "groups": [["C"], ["Ag"]], "r0": 2.5, "stiffness": 50.0}
    wall = wall_of(atoms, **both, lower=0.7, upper=0.9)
    config = colvars_config(variables, atoms, coordination_walls=[wall], every=1)
    apart = measured(atoms, config, tmp_path, 2000, mass=50.0, before=["velocity all create 500 3"])
    assert apart.shape == (2001, 1)
    with (tmp_path / "out.colvars.traj").open() as handle:
        rows = read_trajectory(handle, ["d"])
    np.testing.assert_array_equal(rows[:, 1], apart[:, 0])
    assert (rows[:, 2:] == 0).all()  # no part of the bias
    low, high = (2.5 * (1 / s - 1) ** (1 / 6) for s in (0.9, 0.7))
    assert low - 0.3 < apart.min() < low and high < apart.max() < high + 0.3


def test_names_that_colvars_would_see_twice():
    atoms = Atoms("AgC", positions=[[0, 0, 0], [0, 0, 4.0]])
    term = {"kind": "distance", "groups": [["Ag"], ["C"]]}
    wall = wall_of(atoms, name="w", groups=[["C"], ["Ag"]], r0=2.5, lower=0.1)
    own = CollectiveVariableSettings(name="w_2", width=0.1, terms=[term])
    with pytest.raises(ValueError, match="COLVARS would see `w_2` twice"):
        colvars_config(variables_of([own], find_molecules(atoms)), atoms, coordination_walls=[wall])
