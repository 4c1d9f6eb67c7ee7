import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_nanoclusters.science.frames import Frames


def labelled(n: int, seed: int = 0) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = Atoms(f"Cu{n}", positions=rng.normal(scale=2.0 * n ** (1 / 3), size=(n, 3)))
    atoms.info.update(config_type="cluster", parent=f"t{seed}", seed=seed, note=[1, 2])
    atoms.calc = EMT()
    atoms.get_forces()
    return atoms


def test_round_trip_keeps_everything() -> None:
    crystal = bulk("Cu", cubic=True)
    crystal.calc = EMT()
    crystal.get_stress(), crystal.get_forces()
    charged = molecule("H2O")
    charged.info["charge"] = -1
    images = [labelled(3), crystal, charged]
    frames = Frames.from_atoms(images, level_of_theory="EMT", atom_energies={"Cu": 3.5})

    assert list(frames.sizes) == [3, 4, 3]
    assert frames.elements == ["Cu", "H", "O"]
    assert list(frames.labelled) == [True, True, False]
    for original, back in zip(images, frames, strict=True):
        assert np.array_equal(original.positions, back.positions)
        assert np.array_equal(original.numbers, back.numbers)
        assert np.array_equal(original.cell, back.cell)
        assert np.array_equal(original.pbc, back.pbc)
    assert frames[0].get_potential_energy() == images[0].get_potential_energy()
    assert np.array_equal(frames[1].get_stress(), crystal.get_stress())
    assert frames[0].info == {"config_type": "cluster", "parent": "t0", "seed": 0, "note": [1, 2]}
    assert frames[2].info["charge"] == -1
    assert frames[2].calc is None


def test_callers_atoms_stay_as_they_were() -> None:
    atoms = labelled(4)
    before = atoms.copy()
    frames = Frames.from_atoms([atoms])
    frames[0].positions += 1.0
    assert np.array_equal(atoms.positions, before.positions)
    assert np.array_equal(frames.positions, before.positions)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_select_and_concatenate_are_inverse(sizes, order) -> None:
    frames = Frames.from_atoms([labelled(n, seed=i) for i, n in enumerate(sizes)])
    shuffled = list(range(len(frames)))
    order.shuffle(shuffled)
    joined = Frames.concatenate([frames.select([i]) for i in shuffled])
    back = joined.select(np.argsort(shuffled))
    for name in ("numbers", "positions", "offsets", "energies", "forces", "parents", "seeds"):
        left, right = getattr(back, name), getattr(frames, name)
        assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def test_hash_is_of_geometry_alone() -> None:
    atoms = labelled(5)
    bare = Atoms(atoms.symbols, positions=atoms.positions)
    moved = bare.copy()
    moved.positions[0, 0] += 1e-3
    a, b, c = Frames.from_atoms([atoms, bare, moved]).content_hashes()
    assert a == b != c


def test_single_atoms_give_the_energy_reference() -> None:
    atom = Atoms("Cu")
    atom.calc = EMT()
    energy = atom.get_potential_energy()
    atom.get_forces()
    frames = Frames.from_atoms([atom, labelled(3)])
    assert frames.atom_energies == {"Cu": energy}
    assert np.allclose(frames.reference_energies, [energy, 3 * energy])


def test_energy_reference_must_be_known() -> None:
    with pytest.raises(ValueError, match="pass `atom_energies`"):
        _ = Frames.from_atoms([labelled(3)]).reference_energies


def test_levels_and_references_are_not_mixed() -> None:
    def at(level: str, zero: float) -> Frames:
        return Frames.from_atoms([labelled(2)], level_of_theory=level, atom_energies={"Cu": zero})

    with pytest.raises(ValueError, match="mixed levels of theory"):
        Frames.concatenate([at("PBE", 0.0), at("PBEsol", 0.0)])
    with pytest.raises(ValueError, match="mixed energy references"):
        Frames.concatenate([at("PBE", 0.0), at("PBE", -0.2)])
    assert len(Frames.concatenate([at("PBE", 0.0), at("", 0.0)])) == 2


@pytest.mark.parametrize("make", [lambda: Frames.from_atoms([]), lambda: Frames.concatenate([])])
def test_empty_sets_are_refused(make) -> None:
    with pytest.raises(ValueError, match="no frames"):
        make()


def test_empty_selection_names_the_fix() -> None:
    with pytest.raises(ValueError, match="loosen the filter"):
        Frames.from_atoms([labelled(2)]).select([False])


def test_frames_without_atoms_are_refused() -> None:
    with pytest.raises(ValueError, match="frame 1 holds no atoms"):
        Frames.from_atoms([labelled(2), Atoms()])


def charged(n: int, seed: int = 0) -> Atoms:
    atoms = labelled(n, seed)
    atoms.set_array("charges_mulliken", np.linspace(-0.1, 0.1, n))
    return atoms


def test_partial_charges_travel_with_their_label() -> None:
    frames = Frames.from_atoms([charged(3), labelled(4), charged(2)], level_of_theory="EMT")
    assert np.array_equal(frames[0].arrays["charges_mulliken"], [-0.1, 0.0, 0.1])
    assert "charges_mulliken" not in frames[1].arrays
    assert np.isnan(frames.partial_charges["mulliken"][3:7]).all()
    assert np.array_equal(frames.select([2]).partial_charges["mulliken"], [-0.1, 0.1])
    joined = Frames.concatenate([Frames.from_atoms([labelled(5)]), frames.select([2, 0])])
    assert np.array_equal(joined.partial_charges["mulliken"][5:], [-0.1, 0.1, -0.1, 0.0, 0.1])
    assert np.isnan(joined.partial_charges["mulliken"][:5]).all()
    assert Frames.concatenate([Frames.from_atoms([labelled(5)])]).partial_charges == {}


def test_partial_charges_end_with_their_label() -> None:
    frames = Frames.from_atoms([charged(3)])
    assert frames.without_labels().partial_charges == {}
    moved = frames[0]
    moved.positions[0, 0] += 0.1
    assert Frames.from_atoms([moved]).partial_charges == {}
    again = frames.with_labels(
        [1.0],
        np.zeros((3, 3)),
        level_of_theory="x",
        atom_energies={},
        partial_charges={"hirshfeld": np.ones(3)},
    )
    assert list(again.partial_charges) == ["hirshfeld"]


def test_partial_charges_that_are_none() -> None:
    atoms = labelled(3)
    atoms.arrays["charges_mulliken"] = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"`charges_mulliken` has shape \(3, 2\)"):
        Frames.from_atoms([atoms])
    for charges, problem in (({"made up": np.zeros(3)}, "known are mulliken, hirshfeld"),
                             ({"mulliken": np.zeros(2)}, "has shape")):  # fmt: skip
        with pytest.raises(ValueError, match=problem):
            Frames.from_atoms([labelled(3)]).with_labels(
                [1.0], np.zeros((3, 3)), level_of_theory="x", atom_energies={},
                partial_charges=charges,
            )  # fmt: skip
