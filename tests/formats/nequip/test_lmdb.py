import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.cluster import Icosahedron
from nequip.data.dataset import NequIPLMDBDataset
from nequip.data.transforms import NeighborListTransform

from aiida_nanoclusters.formats.nequip.lmdb import write_lmdb
from aiida_nanoclusters.science.frames import Frames


@pytest.fixture
def frames() -> Frames:
    images = [bulk("Cu", cubic=True), Icosahedron("Cu", 2), bulk("Cu", cubic=True) * 2]
    for k, atoms in enumerate(images):
        atoms.set_tags(0)
        atoms.rattle(0.1, seed=k)
        atoms.calc = EMT()
        atoms.get_forces()
        if atoms.pbc.any():
            atoms.get_stress()
    return Frames.from_atoms(images, level_of_theory="EMT", atom_energies={"Cu": 0.0})


def test_nequip_reads_every_digit(frames, tmp_path) -> None:
    path, before = tmp_path / "frames.lmdb", torch.get_default_dtype()
    write_lmdb(frames, path)
    data = NequIPLMDBDataset(str(path), transforms=[NeighborListTransform(r_max=4.0)])
    assert len(data) == 3
    assert torch.get_default_dtype() == before  # left as it was
    for i, entry in enumerate(data):
        own = frames.atoms_of(i)
        assert np.array_equal(entry["pos"].numpy(), frames.positions[own])
        assert np.array_equal(entry["forces"].numpy(), frames.forces[own])
        assert entry["total_energy"].item() == frames.energies[i]
        assert np.array_equal(entry["atomic_numbers"].numpy(), frames.numbers[own])
        assert np.array_equal(entry["pbc"].numpy()[0], frames.pbc[i])
        assert entry["edge_index"].shape[1] > 0
        if frames.pbc[i].all():
            voigt = entry["stress"].numpy()[0][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            assert np.array_equal(voigt, frames.stresses[i])
            assert np.array_equal(entry["cell"].numpy()[0], frames.cells[i])
    assert list(tmp_path.iterdir()) == [path]  # no lock, no leftovers


def test_many_frames_fit(frames, tmp_path) -> None:
    many = frames.select(np.tile(np.arange(3), 700))
    write_lmdb(many, tmp_path / "many.lmdb")
    assert len(NequIPLMDBDataset(str(tmp_path / "many.lmdb"))) == 2100
    assert (tmp_path / "many.lmdb").stat().st_size < 2100 * 8192  # no reserved room is left in it
