"""Names and units of labels: what is one, what differs, and what the user chose."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import Bohr, GPa, Hartree, kcal, mol

from aiida_nanoclusters.formats.extxyz import read_extxyz, write_extxyz
from aiida_nanoclusters.formats.label_choice import DifferingLabelsError
from aiida_nanoclusters.formats.label_files import read_dataset, read_source
from aiida_nanoclusters.formats.label_keys import LabelKeys, is_label, method_of
from aiida_nanoclusters.formats.labelled_frames import read_labels
from tests.formats.reader_cases.extxyz import (
    CRYSTAL_STRESS,
    atom,
    crystal,
    frame,
    motion,
)

TWO = frame("energy=-29.0 REF_energy=11.0", "REF_forces:R:3:forces:R:3", extra=" 0.1 0.2 0.3")


@pytest.fixture
def write(tmp_path):
    def written(text, name="two.xyz"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


@pytest.mark.parametrize(
    ("name", "quantity", "method", "label"),
    [
        ("energy", "energy", "", True),
        ("Energy", "energy", "", True),
        ("total_energy", "energy", "", True),
        ("DFT-energy", "energy", "dft", True),
        ("energy_pbe", "energy", "pbe", True),
        ("REF_total_energy", "energy", "ref", True),
        ("gap_energy", "energy", "gap", False),
        ("relaxed_gap_energy", "energy", "relaxed_gap", False),
        ("energy_per_atom", "energy", "per_atom", False),
        ("formation_energy", "energy", "formation", False),
        ("dft_force", "forces", "dft", True),
        ("MACE_forces", "forces", "mace", False),
        ("REF_virials", "stress", "ref", True),
        ("stresses_gap", "stress", "gap", False),
        ("velocities", "forces", None, False),
    ],
)
def test_names(name, quantity, method, label) -> None:
    assert method_of(name, quantity) == method
    assert is_label(name, quantity) is label


def test_two_that_differ_are_chosen_by_name(write) -> None:
    path = write(TWO)
    for read in (read_extxyz, read_dataset):
        with pytest.raises(ValueError, match=r"`energy` -29\.0000 eV and `REF_energy` 11\.0000 eV"):
            read(path)
    assert "import-labels two.xyz --energy-key REF_energy`" in read_labels(path).problem
    for chosen, energy, force, unused in (
        ("ref_energy", 11.0, 0.1, "`energy`, not with `REF_energy`"),
        ("energy", -29.0, 0.5, "`REF_energy`, not with `energy`"),
    ):
        run = read_labels(path, LabelKeys(energy=chosen))
        (step,) = run.steps
        assert step.atoms.get_potential_energy() == energy and step.problem is None
        assert step.atoms.get_forces()[0, 0] == force
        assert any(unused in why for _, why in run.unused)
        assert read_dataset(path, keys=LabelKeys(energy=chosen)).energies[0] == energy
    run = read_labels(path, LabelKeys(energy="energy", forces="REF_forces"))
    assert run.steps[0].atoms.get_forces()[0, 0] == 0.1


def test_forces_of_a_model_do_not_go_with_another_energy(write) -> None:
    """As in sets of relaxed clusters whose only labels are energies: also where two coincide."""
    path = write(frame("energy=-3.0 dft_energy=-2.5") + frame("energy=-3.1 dft_energy=-3.1"))
    run = read_labels(path, LabelKeys(energy="dft_energy"))
    assert [step.problem for step in run.steps] == [
        "no forces: it goes with `energy`, not with `dft_energy`"
    ] * 2
    run = read_labels(path, LabelKeys(energy="dft_energy", forces="forces"))
    assert [step.atoms.get_potential_energy() for step in run.steps] == [-2.5, -3.1]


def test_a_name_that_is_nowhere(write) -> None:
    run = read_labels(write(frame("energy=-3.0 gap_energy=-2.5")), LabelKeys(energy="dft_energy"))
    assert (
        run.problem == "no energy `dft_energy` in it (--energy-key): it has `energy`, `gap_energy`"
    )
    run = read_labels(write(frame("gap_energy=-2.5")), LabelKeys(energy="gap_energy"))
    assert run.steps[0].problem is None and run.steps[0].atoms.get_potential_energy() == -2.5


def test_what_was_chosen_is_read_back_alone(write, tmp_path) -> None:
    frames = read_dataset(write(TWO), keys=LabelKeys(energy="REF_energy"), level_of_theory="PBE")
    write_extxyz(frames, tmp_path / "out.xyz")
    again = read_extxyz(tmp_path / "out.xyz")
    assert again.energies.tolist() == [11.0] and np.array_equal(again.forces, frames.forces)


@pytest.mark.parametrize(
    ("key", "column", "tensor", "virial"),
    [
        ("energy", "forces", "stress", False),
        ("dft_energy", "dft_force", "dft_virial", True),
        ("REF_energy", "REF_forces", "REF_stress", False),
        ("REF_energy", "REF_forces", "REF_virials", True),
        ("Energy", "force", "Virial", True),
    ],
)
def test_stress_and_virial(write, key, column, tensor, virial) -> None:
    """Minus the virial over the volume is the stress of ASE: positive under tension."""
    (atoms,) = read_extxyz(write(crystal(key, column, tensor, virial=virial)))
    assert atoms.get_stress(voigt=False) == pytest.approx(CRYSTAL_STRESS, abs=1e-8)
    assert np.trace(CRYSTAL_STRESS) < 0  # it is compressed


def test_six_numbers_of_a_stress(write) -> None:
    text = frame("energy=-1.0 stress='1 2 3 4 5 6'", more='Lattice="5 0 0 0 5 0 0 0 5"')
    (atoms,) = read_extxyz(write(text))
    assert atoms.get_stress().tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("units", "energy", "force"),
    [
        ("energy-unit=hartree force-unit=hartree/bohr", Hartree, Hartree / Bohr),
        ("energy_unit=au force_unit=a.u.", Hartree, Hartree / Bohr),
        ("energy-unit=kcal/mol force-unit=kcal/mol/angstrom", kcal / mol, kcal / mol),
        ("energy_units=Ry forces_units=eV/Ang", Hartree / 2, 1.0),
        ("total_energy-unit=Ry pos_unit=Angstrom units=eV", Hartree / 2, 1.0),
    ],
)
def test_units_that_a_frame_names(write, units, energy, force) -> None:
    (atoms,) = read_extxyz(write(frame(f"energy=-0.5 {units}")))
    assert atoms.get_potential_energy() == pytest.approx(-0.5 * energy, rel=1e-6)
    assert atoms.get_forces()[0, 0] == pytest.approx(0.5 * force, rel=1e-6)
    assert not [name for name in atoms.info if "unit" in name]


def test_units_of_stress_and_unknown_ones(write) -> None:
    text = frame(
        "energy=-1.0 stress='1 2 3 4 5 6' stress-unit=GPa", more='Lattice="5 0 0 0 5 0 0 0 5"'
    )
    (atoms,) = read_extxyz(write(text))
    assert atoms.get_stress()[0] == pytest.approx(GPa)
    (step,) = read_labels(write(frame("energy=-0.5 energy-unit=furlong"))).steps
    assert step.problem == "`energy-unit` is `furlong`: not a unit that is known"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("units=kcal/mol", "`units` is `kcal/mol`: not a unit that is known"),
        ("pos_unit=bohr", "`pos_unit` is `bohr`: not a unit that is known"),
        (
            "energy_unit=eV dft_energy_unit=Ha",
            "`dft_energy_unit` is `Ha`, another unit of the energy differs",
        ),
        ("kinetic_energy_unit=Ha", None),
    ],
)
def test_units_by_which_a_number_would_be_wrong(write, text, problem) -> None:
    (step,) = read_labels(write(frame(f"energy=-0.5 {text}"))).steps
    assert step.problem == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("energy=-0.5 energy=-0.6", "line 2: `energy` is there twice, with different values"),
        ("energy=-0.5 energy=-0.5", None),
        ("note='a=1 a=2' energy=-0.5", None),
    ],
)
def test_a_key_that_is_there_twice(write, text, problem) -> None:
    (step,) = read_labels(write(frame(text))).steps
    assert step.problem == problem


def test_forces_of_zero_are_none(write) -> None:
    """As those of a set with energies only, which other programs fill up."""
    first, second = read_labels(write(frame("energy=-0.5", force=0.0) + atom("energy=-0.2"))).steps
    assert first.problem == "all forces are zero: they were not computed"
    assert second.problem is None


def test_columns_that_cannot_be_forces(write) -> None:
    run = read_labels(write(frame("energy=-0.5", "force_mask:I:1:forces:R:3", extra=" 1")))
    assert run.unused == (("force_mask", "such a column is no label here"),)


def test_only_the_neutral_atom_becomes_the_energy_zero(write) -> None:
    ion = atom("energy=7.55 charge=1")
    assert read_dataset(write(atom("energy=-0.22") + ion)).atom_energies == {"Cu": -0.22}
    assert read_dataset(write(ion)).atom_energies == {}
    # Of states that are told apart by their multiplicity the lowest is the ground state.
    states = atom("energy=-0.22 spin=2") + atom("energy=5.4 spin=4")
    assert read_dataset(write(states)).atom_energies == {"Cu": -0.22}
    assert read_dataset(write(atom("energy=-0.22") + atom("energy=-0.3"))).atom_energies == {}


def test_a_set_with_a_frame_that_is_no_label_is_refused(write) -> None:
    with pytest.raises(ValueError, match=r"1 of 5 frames are no labels .*no energy.*--out"):
        read_dataset(write(motion() + frame("note=x")))


def test_vacuum_and_parent_of_a_set(write) -> None:
    lattice = 'Lattice="15 0 0 0 15 0 0 0 15" pbc="T T T"'
    boxed = frame("energy=-1.0", more=lattice)
    frames = read_dataset(write(boxed), name="a.xyz")
    assert not frames.pbc.any() and frames[0].info["source"] == "a.xyz"
    assert read_dataset(write(boxed), gap=16.0).pbc.all()
    assert set(read_dataset(write(motion()), name="a.xyz").parents) == {"a.xyz"}


def test_trajectory_of_ase(tmp_path) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.calc = EMT()
    atoms.get_forces()
    ase.io.write(tmp_path / "run.traj", [atoms])
    source = read_source(tmp_path / "run.traj", "ase")
    assert len(source.frames) == 1 and source.program == "traj"
    assert source.frames[0].get_potential_energy() == atoms.get_potential_energy()


def test_outputs_of_other_programs_that_did_not_converge(tmp_path) -> None:
    (tmp_path / "job.out").write_text(
        "     Program PWSCF v.7.2 starts\n     convergence NOT achieved after 100 iterations\n"
    )
    problem = read_source(tmp_path / "job.out", "ase").problem
    assert problem is not None


def test_structures_with_labels_that_differ_are_read_without(aiida_profile, write) -> None:
    from aiida.orm import Dict, SinglefileData, Str

    from aiida_nanoclusters.calculations.frames import import_frames

    file = SinglefileData(write(TWO))
    assert not import_frames(file, Str("")).frames.labelled.any()
    with pytest.raises(DifferingLabelsError):
        import_frames(file, Str("PBE"))
    chosen = import_frames(file, Str("PBE"), reading=Dict({"energy": "REF_energy", "gap": 8.0}))
    assert chosen.frames.energies.tolist() == [11.0]
    assert isinstance(chosen.frames[0], Atoms)
