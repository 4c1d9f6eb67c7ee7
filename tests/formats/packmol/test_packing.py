"""Solutions packed by packmol: contacts through the boundaries, densities, what does not fit."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.units import _amu

from aiida_nanoclusters.formats.packmol.packing import (
    SOLVENTS,
    count_for_density,
    molecule_of,
    pack_solution,
)
from aiida_nanoclusters.science.structures.molecules import find_molecules
from tests.science.structures.test_molecules import start

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[solution]"')
pytest.importorskip("packmol", reason='pip install "aiida-nanoclusters[solution]"')
METHANOL = molecule("CH3OH")


def test_a_published_solute_in_fresh_solvent(shared_data):
    atoms = start(shared_data, "dimer_octahedral")
    solute = atoms[[k for k, part in enumerate(find_molecules(atoms).parts) if part != "solvent"]]
    assert len(solute) == 36
    packed = pack_solution(solute, METHANOL, 115, 20.0)
    assert len(packed) == 726 and packed.pbc.all()
    assert packed.get_chemical_symbols()[:36] == solute.get_chemical_symbols()
    assert np.ptp(packed.get_all_distances()[:36, :36] - solute.get_all_distances()) < 1e-6
    molecules = find_molecules(packed)
    assert molecules.formulas().count("CH4O") == 115
    distances = packed.get_all_distances(mic=True)[:36, 36:]
    assert distances.min() >= 2.0 - 1e-3
    again = pack_solution(solute, METHANOL, 115, 20.0)
    assert np.allclose(again.positions, packed.positions)


def test_density(shared_data):
    """120 molecules of methanol beside two AgL in the published box of 20 Å."""
    empty = Atoms()
    length, (_, density) = 40.0, SOLVENTS["methanol"]
    count = count_for_density(METHANOL, density, length, empty)
    grams = count * METHANOL.get_masses().sum() * _amu * 1000
    assert grams / (length * 1e-8) ** 3 == pytest.approx(density, rel=2e-3)
    start_atoms = start(shared_data, "monomer_dimer")
    solute = start_atoms[:12]
    assert count_for_density(METHANOL, density, 20.0, solute) == pytest.approx(116, abs=5)


def test_solvents_whose_contacts_are_shorter_than_bonds_of_heavy_atoms():
    """Cl-Cl at 2.0 Å would count as a bond; lengths as numpy's are taken too."""
    packed = pack_solution(Atoms("Ag"), molecule_of("ClCCl"), 25, np.float64(15.0))
    assert len(packed) == 1 + 25 * 5
    assert len(pack_solution(Atoms("Ag"), METHANOL, 0, 12.0)) == 1


@pytest.mark.parametrize(("name", "formula"), [("methanol", "CH4O"), ("acetonitrile", "C2H3N")])
def test_molecules_from_smiles(name, formula):
    made = molecule_of(SOLVENTS[name][0])
    assert find_molecules(made, formula).formulas() == [formula]
    assert set(find_molecules(made, formula).parts) == {"solvent"}


def test_the_ligand_binds_by_sulphur():
    ligand = molecule_of("[S-]C=N")  # thioformamide without a proton
    assert sorted(set(ligand.get_chemical_symbols())) == ["C", "H", "N", "S"]


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="no SMILES"):
        molecule_of("C((")
    with pytest.raises(ValueError, match="does not fit"):
        pack_solution(Atoms("Ag2", positions=[[0, 0, 0], [0, 0, 9.0]]), METHANOL, 1, 10.0)
    with pytest.raises(ValueError, match="fewer molecules"):
        pack_solution(Atoms("Ag"), METHANOL, 60, 8.0)
