"""The energy along a trajectory changes by the work of the forces; a wrong sign or unit shows."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.work import find_wrong_work


def dynamics(atoms: Atoms, interval: int) -> list[Atoms]:
    """Steps of molecular dynamics by EMT, every so many femtoseconds."""
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=np.random.default_rng(1))
    motion = VelocityVerlet(atoms, 1.0 * units.fs)
    images = []
    for _ in range(12):
        motion.run(interval)
        images.append(atoms.copy())
        images[-1].calc = SinglePointCalculator(
            images[-1], energy=atoms.get_potential_energy(), forces=atoms.get_forces()
        )
    return images


@pytest.fixture(scope="module", params=["cluster", "crystal"])
def images(request) -> list[Atoms]:
    if request.param == "cluster":
        return dynamics(Icosahedron("Cu", 2), 8)
    return dynamics(bulk("Cu", cubic=True) * 2, 8)


def frames(images, energy=1.0, force=1.0) -> Frames:
    changed = []
    for k, atoms in enumerate(images):
        new = atoms.copy()
        new.info = {"parent": "run", "step": k}
        new.calc = SinglePointCalculator(
            new, energy=energy * atoms.calc.results["energy"],
            forces=force * atoms.calc.results["forces"],
        )  # fmt: skip
        changed.append(new)
    return Frames.from_atoms(changed, level_of_theory="EMT")


def test_truth(images) -> None:
    assert find_wrong_work(frames(images)) == []


@pytest.mark.parametrize(
    ("energy", "force", "words"),
    [
        (1.0, -1.0, "wrong sign"),
        (1.0, units.Bohr / units.Hartree, "forces in Hartree/Bohr beside energies in eV"),
        (1 / units.Hartree, 1.0, "energies in Hartree beside forces in eV/Å"),
        (1 / units.Hartree, units.Bohr / units.Hartree, "both in atomic units"),
        (units.mol / units.kcal, 1.0, "energies in kcal/mol beside forces in eV/Å"),
        (1.0, units.mol / units.kcal, "forces in kcal/(mol Å) beside energies in eV"),
        (1.0, -units.Bohr / units.Hartree, "wrong sign (gradients?), forces in Hartree/Bohr"),
        (7.0, 1.0, "different units"),
    ],
)
def test_sign_and_units(images, energy, force, words) -> None:
    # The energies are shifted so that their changes, in any unit, are above the least work.
    (found,) = find_wrong_work(frames(images, energy, force))
    assert found.kind == "work" and words in found.text and len(found.frames) == 12


def test_forces_of_other_frames(images) -> None:
    mixed = [atoms.copy() for atoms in images]
    rng = np.random.default_rng(3)
    for atoms, other in zip(mixed, images, strict=True):
        forces = rng.permutation(other.calc.results["forces"].ravel()).reshape(-1, 3)
        atoms.calc = SinglePointCalculator(
            atoms, energy=other.calc.results["energy"], forces=forces
        )
    (found,) = find_wrong_work(frames(mixed))
    assert "does not change by the work" in found.text


def test_frames_without_a_trajectory_are_not_judged(images) -> None:
    free = frames(images, force=-1.0).with_origin(parents=[""] * 12)
    assert find_wrong_work(free) == []
    far = frames(images[::6], force=-1.0)
    assert find_wrong_work(far) == []
