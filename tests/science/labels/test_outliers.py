import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.outliers import (
    find_duplicates,
    find_mixed_references,
    find_outliers,
    robust_z,
)


def cluster(size: int, energy: float, force: float = 0.1, seed: int = 0) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = Atoms(f"Cu{size}", positions=rng.uniform(0, 3 * size ** (1 / 3), size=(size, 3)))
    forces = np.zeros((size, 3))
    forces[-1, 0] = force
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def many() -> list[Atoms]:
    """Clusters whose energy is that of bulk and surface: -3.5 N + 2.5 N^(2/3)."""
    sizes = np.arange(5, 65, 3)
    return [cluster(n, -3.5 * n + 2.5 * n ** (2 / 3), seed=n) for n in map(int, sizes)]


def test_robust_z() -> None:
    """sigma is 1.4826 median absolute deviations, whatever one value does."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 1e6])
    assert robust_z(values)[0] == pytest.approx(-2 / 1.4826)
    assert robust_z(np.ones(4)).tolist() == [0, 0, 0, 0]


def test_size_alone_is_no_outlier() -> None:
    assert find_outliers(Frames.from_atoms(many())) == []


def test_outliers_of_energy_and_force() -> None:
    images = many()
    images[4] = cluster(17, -3.5 * 17 + 2.5 * 17 ** (2 / 3) - 17.0, seed=17)
    images[9] = cluster(32, -3.5 * 32 + 2.5 * 32 ** (2 / 3), force=80.0, seed=32)
    findings = find_outliers(Frames.from_atoms(images))
    assert [(f.kind, f.frames) for f in findings] == [("energy", (4,)), ("force", (9,))]
    assert findings[0].text.startswith("1.0") and "below the usual energy" in findings[0].text
    assert "80.0 eV/Å on atom 31 (Cu)" in findings[1].text


def test_duplicates() -> None:
    images = [cluster(5, -10.0), cluster(5, -10.0), cluster(5, -10.5, seed=1)]
    images.append(cluster(5, -10.4, seed=1))
    first, second = find_duplicates(Frames.from_atoms(images))
    assert (first.frames, second.frames) == ((0, 1), (2, 3))
    assert "with equal energies" in first.text
    assert "differ by 0.1000 eV: at most one is correct" in second.text


def test_energy_zeros() -> None:
    images = many()
    (unknown,) = find_mixed_references(Frames.from_atoms(images))
    assert "isolated atom of Cu is not known" in unknown.text
    assert find_mixed_references(Frames.from_atoms(images, atom_energies={"Cu": 0.0})) == []
    (deep,) = find_mixed_references(Frames.from_atoms(images, atom_energies={"Cu": 50.0}))
    assert "larger than that of any solid" in deep.text and len(deep.frames) == len(images)
    other = [*images, cluster(13, -45000.0, seed=99)]
    found = find_mixed_references(Frames.from_atoms(other, atom_energies={"Cu": 0.0}))
    assert "two groups" in found[0].text and found[0].frames == (len(images),)
    atoms = [*images, cluster(1, 0.0), cluster(1, -0.25)]
    (mixed,) = find_mixed_references(Frames.from_atoms(atoms))
    assert "from -0.2500 to 0.0000 eV" in mixed.text
