import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_nanoclusters.formats.extxyz import read_extxyz, write_extxyz
from aiida_nanoclusters.formats.frames_file import read_frames, write_frames
from aiida_nanoclusters.science.frames import Frames


def test_round_trip(tmp_path) -> None:
    crystal = bulk("Cu", cubic=True) * 2
    crystal.rattle(0.05, seed=1)
    cluster = Atoms("Cu3", positions=[[0, 0, 0], [2.4, 0, 0], [1.2, 2.1, 0.3]])
    cluster.info.update(config_type="trimer", parent="run 1", seed=3, charge=-1, note="kept")
    for atoms in (crystal, cluster):
        atoms.calc = EMT()
        atoms.get_forces()
    crystal.get_stress()
    frames = Frames.from_atoms([crystal, cluster], level_of_theory="EMT")
    write_extxyz(frames, tmp_path / "frames.extxyz")
    back = read_extxyz(tmp_path / "frames.extxyz")
    assert back.level_of_theory == "EMT"
    for name in ("positions", "energies", "forces", "stresses", "cells"):
        assert np.array_equal(getattr(back, name), getattr(frames, name), equal_nan=True)
    for name in ("numbers", "pbc", "charges", "config_types", "parents", "seeds"):
        assert np.array_equal(getattr(back, name), getattr(frames, name))
    assert back[1].info["note"] == "kept"
    assert back.content_hashes() == frames.content_hashes()


@pytest.mark.parametrize("text", ["1 0", "0", "007", "T F", "surface 2"])
def test_texts_that_look_like_numbers_stay_texts(tmp_path, text) -> None:
    """Such as the parent `1 0`, which ASE reads as an array; leading zeros are lost."""
    given = [Atoms("Cu", info={"config_type": text, "parent": text}) for _ in range(2)]
    write_extxyz(Frames.from_atoms(given), tmp_path / "set.extxyz")
    again = read_extxyz(tmp_path / "set.extxyz")
    expected = text.lstrip("0") if text == "007" else text
    assert again.parents.tolist() == again.config_types.tolist() == [expected] * 2


def test_partial_charges_in_both_files(tmp_path) -> None:
    cluster = Atoms("Cu3", positions=[[0, 0, 0], [2.4, 0, 0], [1.2, 2.1, 0.3]], calculator=EMT())
    cluster.get_forces()
    plain = cluster.copy()
    plain.calc = cluster.calc
    cluster.set_array("charges_hirshfeld", np.array([1 / 3, -1 / 7, -4 / 21]))
    cluster.set_array("charges_mulliken", np.array([0.1, 0.2, -0.3]))
    frames = Frames.from_atoms([cluster, plain], level_of_theory="EMT")
    write_extxyz(frames, tmp_path / "frames.extxyz")
    write_frames(frames, tmp_path / "frames.npz")
    for back in (read_extxyz(tmp_path / "frames.extxyz"), read_frames(tmp_path / "frames.npz")):
        assert sorted(back.partial_charges) == ["hirshfeld", "mulliken"]
        for kind, charges in frames.partial_charges.items():
            assert np.array_equal(back.partial_charges[kind], charges, equal_nan=True)
        assert np.array_equal(back.forces, frames.forces)
    # without charges the file is that of earlier versions
    write_frames(Frames.from_atoms([plain]), tmp_path / "plain.npz")
    assert not [name for name in np.load(tmp_path / "plain.npz").files if "charges_" in name]


def test_what_is_not_known_is_not_written(tmp_path) -> None:
    """A sample of a relaxation has no temperature; ASE would read a bare key as true."""
    atoms = Atoms("Cu", info={"temperature": None, "step": 5})
    write_extxyz(Frames.from_atoms([atoms]), tmp_path / "f.xyz")
    (again,) = read_extxyz(tmp_path / "f.xyz")
    assert again.info["step"] == 5 and "temperature" not in again.info


def test_labels_under_other_names(tmp_path) -> None:
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]])
    atoms.info["REF_energy"] = -3.5
    atoms.arrays["REF_forces"] = np.array([[0, 0, 0.5], [0, 0, -0.5]])
    ase.io.write(tmp_path / "a.xyz", atoms, format="extxyz")
    frames = read_extxyz(tmp_path / "a.xyz", level_of_theory="PBE", atom_energies={"Cu": -0.2})
    assert frames.labelled.all() and frames.energies[0] == -3.5
    assert frames.atom_energies == {"Cu": -0.2}


def test_other_formats_through_ase(tmp_path) -> None:
    ase.io.write(tmp_path / "POSCAR", bulk("Cu"), format="vasp")
    assert read_extxyz(tmp_path / "POSCAR").elements == ["Cu"]


def test_unreadable_files_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match="no file of frames"):
        read_extxyz(tmp_path / "missing.xyz")
    (tmp_path / "bad.xyz").write_text("3\ncomment\nCu 0 0\n")
    with pytest.raises(ValueError, match=r"bad\.xyz cannot be read"):
        read_extxyz(tmp_path / "bad.xyz")


def test_published_labels(shared_data) -> None:
    """955 FHI-aims frames; fcc copper is bound by 3.700 eV/atom against the free atom."""
    frames = read_extxyz(
        shared_data / "cu_pbe_fhi_aims" / "frames.extxyz",
        level_of_theory="FHI-aims/PBE",
        atom_energies={"Cu": 0.0},
    )
    assert len(frames) == 955
    single = frames.energies[(frames.sizes == 1) & frames.pbc.all(axis=1)]
    assert single.min() == pytest.approx(-3.700, abs=2e-3)


@pytest.mark.parametrize("name", ["cu_pbe_fhi_aims", "cu_pbe_gpaw_clusters", "cu_pbe_vasp_mlearn"])
def test_published_sets_as_ase_reads_them(shared_data, name) -> None:
    path = shared_data / name / "frames.extxyz"
    ours, theirs = read_extxyz(path), ase.io.read(path, ":")
    assert len(ours) == len(theirs) and ours.labelled.all()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.get_potential_energy() == other.get_potential_energy()
        assert np.array_equal(mine.get_forces(), other.get_forces())
        assert np.array_equal(mine.positions, other.positions)
        assert np.array_equal(mine.cell.array, other.cell.array)
