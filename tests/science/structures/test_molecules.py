"""Molecules and roles of solutions, known and built."""

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import read

from aiida_nanoclusters.science.structures.molecules import changed_molecules, find_molecules

TYPES = {1: 47, 2: 16, 3: 7, 4: 6, 5: 1, 6: 8}  # Ag S N C H O


def start(shared_data, name):
    path = shared_data / "nucleation_starts" / f"{name}.lmp"
    return read(path, format="lammps-data", atom_style="atomic", Z_of_type=TYPES)


@pytest.fixture
def drop():
    """Two methanol molecules, one across the boundary of the cell, and a silver atom."""
    one, other = molecule("CH3OH"), molecule("CH3OH")
    other.positions += [9.8, 5.0, 5.0]
    atoms = one + other + Atoms("Ag", positions=[[5.0, 3.0, 3.0]])
    atoms.set_cell([10, 10, 10])
    atoms.pbc = True
    atoms.wrap()
    return atoms


@pytest.mark.parametrize(
    ("name", "ligands", "solvent"), [("monomer_dimer", 2, 120), ("dimer_octahedral", 6, 115)]
)
def test_published_starts(shared_data, name, ligands, solvent):
    molecules = find_molecules(start(shared_data, name))
    assert Counter(molecules.formulas()) == {"CH4O": solvent, "CH2NS": ligands}
    assert len(molecules.select(["Ag"])) == ligands
    assert len(molecules.select(["O_solvent"])) == solvent
    assert changed_molecules(molecules, start(shared_data, name)) == []


def test_roles(drop):
    molecules = find_molecules(drop)
    assert molecules.formulas() == ["CH4O", "CH4O"]
    assert molecules.select(["Ag"]).tolist() == [12]
    oxygens = [k for k, atom in enumerate(drop) if atom.symbol == "O"]
    assert molecules.select(["O_solvent2", "Ag1"]).tolist() == [oxygens[1], 12]
    water = find_molecules(drop, solvent="H2O")
    assert water.select(["O_ligand"]).tolist() == oxygens
    for wrong in ("O_ligand", "S", "o", "Ag2", "O_solvent3", "Ag0"):
        with pytest.raises(ValueError, match="no atom is"):
            molecules.select([wrong])


def test_a_molecule_that_came_apart_is_named(drop):
    molecules = find_molecules(drop)
    hydrogen = next(
        k
        for k in molecules.select(["H_solvent"])
        if drop.get_distance(k, molecules.select(["O_solvent1"])[0], mic=True) < 1.1
    )
    oxygen = molecules.select(["O_solvent1"])[0]
    along = drop.get_distance(oxygen, hydrogen, mic=True, vector=True)
    stretched = drop.copy()
    stretched.positions[hydrogen] += 0.3 * along  # a vibration
    assert changed_molecules(molecules, stretched) == []
    gone = drop.copy()
    gone.positions[hydrogen] += 1.5 * along
    assert changed_molecules(molecules, gone) == ["CH4O 0 lost H"]
    away = drop.copy()
    away.positions[-1] = drop.positions[oxygen] + 2.1 * np.array([0, 0, 1.0])
    assert changed_molecules(molecules, away) == []  # a metal makes no molecule


def test_a_proton_that_is_shared_is_told_of_both():
    """The hydroxonium-like pair of a proton shuttle: the bonds of the proton cross molecules."""
    water, other = molecule("H2O"), molecule("H2O")
    other.positions += [0, 0, 6.0]
    apart = water + other
    molecules = find_molecules(apart, "H2O")
    together = apart.copy()
    oxygens = [k for k, atom in enumerate(apart) if atom.symbol == "O"]
    proton = 1
    middle = together.positions[proton] - together.positions[oxygens[0]]
    together.positions[3:] += (
        together.positions[oxygens[0]] + 2.1 * middle - together.positions[oxygens[1]]
    )
    assert changed_molecules(molecules, together) == ["H2O 0 bonds to O", "H2O 1 bonds to H"]
