"""Solvent about a point: an ideal gas, periodic images, and the published starting structures."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import make_supercell

from aiida_nanoclusters.science.nucleation.drying import DryingSettings, solvent_about
from aiida_nanoclusters.science.sampling.collective_variables import (
    CollectiveVariableSettings,
    variables_of,
)
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.science.structures.test_molecules import start

CUBE = np.diag([10.0, 10.0, 10.0])
SKEW = np.array([[10.0, 0, 0], [4.0, 9.0, 0], [-3.0, 2.0, 8.0]])


def gas(cell, atoms=100, frames=300, seed=1):
    """Helium without interaction about one silver atom."""
    rng = np.random.default_rng(seed)
    symbols = ["Ag"] + ["He"] * atoms
    return [
        Atoms(symbols, scaled_positions=rng.random((atoms + 1, 3)), cell=cell, pbc=True)
        for _ in range(frames)
    ]


@pytest.mark.parametrize("cell", [CUBE, SKEW], ids=["cube", "skew"])
def test_an_ideal_gas_is_uniform_also_beyond_the_cell(cell):
    settings = DryingSettings(counted=["He"], radius=7.0, farthest=13.0, shell=1.0)
    found = solvent_about(gas(cell), settings)
    density = 100 / abs(np.linalg.det(cell))
    off = (found.density - density) / found.error
    assert np.abs(off).max() < 4 and np.mean(np.abs(off) < 2) > 0.8
    volume = 4 / 3 * np.pi * 7.0**3
    error = found.counts.std() / np.sqrt(len(found.counts))
    assert found.counts.mean() == pytest.approx(density * volume, abs=4 * error)
    assert found.blocks == 20


def test_errors_cover_the_density_in_the_stated_share():
    covered = []
    settings = DryingSettings(counted=["He"], farthest=6.0, shell=1.5)
    for seed in range(40):
        found = solvent_about(gas(CUBE, atoms=40, frames=60, seed=seed), settings)
        covered.append(np.abs(found.density - 0.04) < found.error)
    assert 0.57 < np.mean(covered) < 0.78


def test_counts_equal_those_in_a_larger_cell_made_of_the_small_one():
    (atoms,) = gas(SKEW, frames=1)
    point = tuple(atoms.positions[0])
    large = make_supercell(atoms, 4 * np.eye(3))
    settings = DryingSettings(counted=["He"], point=point, radius=9.0, farthest=9.0)
    small, whole = (solvent_about([a], settings) for a in (atoms, large))
    assert small.counts[0] == whole.counts[0] > 100
    assert small.density == pytest.approx(whole.density)
    distances = np.linalg.norm(large.positions - large.cell.sum(axis=0) / 2, axis=1)
    middle = DryingSettings(counted=["He"], point=tuple(large.cell.sum(axis=0) / 2), radius=9.0)
    helium = np.array(large.get_chemical_symbols()) == "He"
    assert solvent_about([large], middle).counts[0] == np.sum((distances < 9.0) & helium)


def test_frames_that_are_not_periodic():
    positions = [[0, 0, 0], [1, 0, 0], [0, 3.0, 0], [0, 0, 7.5]]
    atoms = Atoms("AgHe3", positions=positions)
    settings = DryingSettings(counted=["He"], r0=2.0, exponents=(6, 12), farthest=8.0, shell=8.0)
    found = solvent_about([atoms], settings)
    assert found.counts.tolist() == [2]
    assert found.coordination == pytest.approx(sum(1 / (1 + (r / 2) ** 6) for r in (1, 3, 7.5)))
    assert found.density == pytest.approx([3 / (4 / 3 * np.pi * 8**3)])
    assert np.isnan(found.error).all() and found.blocks == 1


def test_weights_choose_frames():
    dry = Atoms("AgHe", positions=[[0, 0, 0], [9, 0, 0]])
    wet = Atoms("AgHe", positions=[[0, 0, 0], [2, 0, 0]])
    settings = DryingSettings(counted=["He"], farthest=4.0, shell=4.0)
    volume = 4 / 3 * np.pi * 4**3
    for weights, share in (([1, 1, 1, 1], 0.5), ([3, 1, 3, 1], 0.25), ([0, 1, 0, 1], 1.0)):
        found = solvent_about([dry, wet] * 2, settings, weights)
        assert found.density * volume == pytest.approx([share])
        assert found.counts.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(("name", "r0"), [("monomer_dimer", 2.0), ("dimer_octahedral", 3.0)])
def test_coordination_is_the_variable_of_the_published_runs(shared_data, name, r0):
    atoms = start(shared_data, name)
    point = (10.6, 9.8, 9.9)
    term = {"kind": "coordination", "groups": [["O_solvent"]], "point": point, "r0": r0}
    variable = CollectiveVariableSettings(
        name="solvent", width=0.1, terms=[{**term, "exponents": (6, 10)}]
    )
    (expected,) = variables_of([variable], find_molecules(atoms))
    found = solvent_about([atoms], DryingSettings(point=point, r0=r0))
    assert found.coordination[0] == pytest.approx(expected.value(atoms))


@pytest.mark.parametrize("name", ["monomer_dimer", "dimer_octahedral"])
def test_the_place_in_the_box_counts_nothing(shared_data, name):
    atoms = start(shared_data, name)
    moved = atoms.copy()
    moved.positions += [9.3, 10.7, -8.1]  # the metal across the boundaries
    moved.wrap()
    here, there = (solvent_about([a], DryingSettings(radius=6.0)) for a in (atoms, moved))
    assert here.counts == there.counts and here.counts[0] > 0
    assert here.coordination == pytest.approx(there.coordination)
    assert here.density == pytest.approx(there.density)


def test_the_octahedron_is_dry_and_two_monomers_are_not(shared_data):
    octahedron, monomers = (
        solvent_about([start(shared_data, name)], DryingSettings(radius=5.0))
        for name in ("dimer_octahedral", "monomer_dimer")
    )
    assert octahedron.counts.tolist() == [0] and monomers.counts.tolist() == [4]
    assert octahedron.coordination[0] < monomers.coordination[0]


def test_frames_and_settings_that_do_not_fit():
    one = Atoms("AgHe", positions=[[0, 0, 0], [2, 0, 0]])
    settings = DryingSettings(counted=["He"])
    with pytest.raises(ValueError, match="empty"):
        solvent_about([], settings)
    with pytest.raises(ValueError, match="no atom is `O_solvent`"):
        solvent_about([one])
    with pytest.raises(ValueError, match="frame 1 holds other atoms"):
        solvent_about([one, one[::-1]], settings)
    assert "even numbers" in (DryingSettings.problem({"exponents": (6, 7)}) or "")
    assert "wider than" in (DryingSettings.problem({"shell": 9.0}) or "")
