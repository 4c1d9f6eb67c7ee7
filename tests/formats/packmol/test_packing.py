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
    pack_units,
)
from aiida_nanoclusters.science.nucleation.settings import SolutionSettings
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


def dimer():
    """Two silver atoms between two ligands, as a chain that is not its own mirror image."""
    ligand = molecule_of("[S-]C=N")
    ligand.positions -= ligand.positions[0]
    silver = Atoms("Ag2", positions=[[2.4, 0.3, 0], [2.4, 3.2, 0.4]])
    other = ligand.copy()
    other.positions = [4.8, 3.4, 0.2] - other.positions @ np.diag([1, 1, -1])
    return ligand + silver + other


@pytest.mark.parametrize("count", [0, 60])
def test_thirty_dimers_anywhere(count):
    """As the 30 dimers of Tiwari and Karmakar in 50 Å, in a smaller box here."""
    solute, length = dimer(), 24.0
    packed = pack_solution([(solute, 12)], METHANOL if count else None, count, length)
    assert len(packed) == 12 * len(solute) + 6 * count and packed.pbc.all()
    assert np.allclose(packed.cell.lengths(), length)
    size = len(solute)
    for number in range(12):
        own = packed[number * size : (number + 1) * size]
        assert own.get_chemical_symbols() == solute.get_chemical_symbols()
        assert np.allclose(own.get_all_distances(), solute.get_all_distances(), atol=1e-4)
    apart = packed.get_all_distances(mic=True)
    owner = np.r_[np.repeat(np.arange(12), size), 12 + np.repeat(np.arange(count), 6)]
    assert apart[owner[:, None] != owner].min() >= 2.0 - 1e-3
    centres = packed.positions[: 12 * size].reshape(12, size, 3).mean(axis=1)
    assert np.ptp(centres, axis=0).min() > length / 4  # dispersed, none fixed in the middle
    again = pack_solution([(solute, 12)], METHANOL if count else None, count, length)
    other = pack_solution([(solute, 12)], METHANOL if count else None, count, length, seed=2)
    assert np.array_equal(again.positions, packed.positions)
    assert not np.allclose(other.positions, packed.positions)


def test_several_solutes_keep_their_order():
    """Two kinds of solute, and the room that both take from the solvent."""
    parts = [(dimer(), 2), (METHANOL, 3)]
    packed = pack_solution(parts, length=16.0)
    formulas = find_molecules(packed).formulas()
    assert packed.get_chemical_symbols() == (
        2 * dimer().get_chemical_symbols() + 3 * METHANOL.get_chemical_symbols()
    )
    assert formulas.count("CH4O") == 3 and len(formulas) == 7
    alone = count_for_density(METHANOL, 0.786, 30.0, Atoms())
    beside = count_for_density(METHANOL, 0.786, 30.0, parts)
    # two of 8 heavy atoms and three of 2, 18.6 Å^3 each; a molecule of methanol has 67.7 Å^3
    assert alone - beside == pytest.approx(22 * 18.6 / 67.7, abs=1.01)


def test_units_from_smiles():
    """The published system of two units and 120 methanol molecules, in a smaller box here."""
    settings = SolutionSettings(units=2, length=12.0)
    packed = pack_units(settings, seed=3)
    formulas = find_molecules(packed).formulas()
    assert formulas[:2] == ["CH2NS", "CH2NS"] and set(formulas[2:]) == {"CH4O"}
    assert packed.get_chemical_symbols().count("Ag") == 2
    assert len(formulas) - 2 == pytest.approx(12**3 * 120 / 20**3, abs=4)
    few = pack_units(settings.model_copy(update={"molecules": 3}), seed=3)
    assert find_molecules(few).formulas().count("CH4O") == 3
    with pytest.raises(ValueError, match=r"density of `CCCO` is not known.*g/cm\^3"):
        pack_units(SolutionSettings(solvent="CCCO"))


def test_what_is_no_solution():
    with pytest.raises(ValueError, match="without a `solvent`"):
        pack_solution(Atoms("Ag"), None, 3, 12.0)
    for nothing in ([], [(METHANOL, 0)], [(Atoms(), 2)]):
        with pytest.raises(ValueError, match="give solutes as pairs"):
            pack_solution(nothing, length=12.0)
    with pytest.raises(ValueError, match="fewer molecules"):
        pack_solution([(METHANOL, 500)], length=20.0)
    with pytest.raises(ValueError, match="does not fit"):
        pack_solution([(Atoms("Ag2", positions=[[0, 0, 0], [0, 0, 9.0]]), 2)], length=10.0)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="no SMILES"):
        molecule_of("C((")
    with pytest.raises(ValueError, match="does not fit"):
        pack_solution(Atoms("Ag2", positions=[[0, 0, 0], [0, 0, 9.0]]), METHANOL, 1, 10.0)
    with pytest.raises(ValueError, match="fewer molecules"):
        pack_solution(Atoms("Ag"), METHANOL, 60, 8.0)
