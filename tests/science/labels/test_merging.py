"""What is declared equal by one level of theory, and what bears it out."""

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.merging import compare_levels, find_other_zeros, unnamed


def label(energy: float, distance: float = 0.0) -> Atoms:
    atoms = Atoms("Cu2", [[0, 0, 0], [distance, 0, 0]]) if distance else Atoms("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=[[0, 0, 0]] * len(atoms))
    return atoms


def frames(*labels: Atoms, level: str = "PBE", **more) -> Frames:
    return Frames.from_atoms(labels, level_of_theory=level, **more)


def test_one_level_needs_no_word() -> None:
    two = frames(label(-1.0, 2.2), label(-1.1, 2.3))
    assert compare_levels(two, ["PBE", "PBE"]) == []
    assert compare_levels(two, [unnamed("a.xyz")] * 2) == []


def test_what_is_declared_equal_is_said_and_compared() -> None:
    levels = ["VASP/PBE", "VASP/PBE", "CP2K/PBE", "CP2K/PBE"]
    agree = frames(label(-0.2), label(-1.0, 2.2), label(-0.2), label(-1.0, 2.2))
    (found,) = compare_levels(agree, levels)
    assert found.kind == "level"
    assert found.text.startswith("declared to be PBE: CP2K/PBE (2 labels), VASP/PBE (2 labels)")
    assert "2 geometries are in several" in found.text
    assert "up to 0.0000 eV" in found.text and "isolated Cu atoms agree" in found.text
    differ = frames(label(-0.2), label(-1.0, 2.2), label(-9.0), label(-1.3, 2.2))
    (found,) = compare_levels(differ, levels)
    assert "up to 8.8000 eV" in found.text and "isolated Cu atoms differ by 8.8000 eV" in found.text


def test_nothing_in_common_and_another_name() -> None:
    two = frames(label(-1.0, 2.2), label(-1.1, 2.3))
    (found,) = compare_levels(two, [unnamed("a.xyz"), unnamed("b.xyz")])
    assert "unknown (a.xyz) (1 labels), unknown (b.xyz) (1 labels)" in found.text
    assert found.text.endswith("they have nothing in common that could be compared")
    (found,) = compare_levels(two, ["HSE06", "HSE06"])
    assert found.text == "declared to be PBE: HSE06 (2 labels)"
    (found,) = compare_levels(frames(label(-1.0, 2.2), label(-1.1, 2.3), level=""), ["A", "B"])
    assert found.text.startswith("2 levels of theory: A")


def test_an_atom_that_is_not_the_energy_zero() -> None:
    (found,) = find_other_zeros(frames(label(-0.2), atom_energies={"Cu": -3.0}))
    assert (
        found.kind == "reference" and "has -0.2000 eV, the energy zero is -3.0000 eV" in found.text
    )
    assert find_other_zeros(frames(label(-0.2))) == []
