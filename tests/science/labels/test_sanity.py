import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames, frame_problems


def cluster(**labels) -> Atoms:
    atoms = Icosahedron("Cu", 2)
    atoms = Atoms(atoms.numbers, atoms.positions)
    if labels:
        atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


GOOD = {"energy": -1.0, "forces": np.zeros((13, 3))}
ATOM = {"Cu": 0.0}


def one(atoms: Atoms, **kwargs) -> list[str]:
    good = cluster(**GOOD)
    return frame_problems(Frames.from_atoms([good, atoms], atom_energies=ATOM), **kwargs)


def test_good_frames_pass() -> None:
    check_frames(Frames.from_atoms([cluster(**GOOD)], atom_energies=ATOM), need_labels=True)


def test_not_a_number() -> None:
    bad = cluster()
    bad.positions[3, 1] = np.nan
    (problem,) = one(bad)
    assert problem.startswith("frame 1 ") and "not finite" in problem


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "has no energy: label it"),
        ({"energy": 1.0}, "energy but no forces: label it with forces"),
        ({"energy": np.inf, "forces": np.zeros((13, 3))}, "infinite energy"),
        ({"energy": 1.0, "forces": np.vstack([[[np.nan] * 3], np.ones((12, 3))])}, "12 of 13"),
    ],
)
def test_labels(labels, message) -> None:
    (problem,) = one(cluster(**labels), need_labels=True)
    assert problem.startswith("frame 1 ") and message in problem


def test_atoms_closer_than_half_a_bond() -> None:
    bad = cluster()
    bad.positions[1] = bad.positions[0] + [0.0, 0.0, 1.0]
    (problem,) = one(bad)
    assert "atoms 0 and 1 only 1.00 Å apart" in problem and "remove the frame" in problem
    # Just over half of twice copper's covalent radius is allowed.
    pair = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1.33]])
    assert one(pair) == []


def test_close_images_through_the_boundary() -> None:
    bad = Atoms("Cu2", positions=[[0, 0, 0.1], [0, 0, 9.9]], cell=[10, 10, 10], pbc=True)
    (problem,) = one(bad)
    assert "0.20 Å apart" in problem


def test_wrong_element() -> None:
    (problem,) = one(Atoms("CuAg", positions=[[0, 0, 0], [0, 0, 2.5]]), elements=["Cu"])
    assert problem.startswith("frame 1 holds Ag, expected only Cu")


def test_thin_cells() -> None:
    (problem,) = one(bulk("Cu", cubic=True), cutoff=5.5)
    assert "3.61 Å thick" in problem and "repeat the cell" in problem
    assert one(bulk("Cu", cubic=True) * 2, cutoff=5.5) == []


def test_missing_energy_reference() -> None:
    frames = Frames.from_atoms([cluster(**GOOD)])
    (problem,) = frame_problems(frames, need_labels=True)
    assert "no isolated-atom energy for Cu" in problem


def test_error_counts_the_rest() -> None:
    frames = Frames.from_atoms([cluster(), cluster()], atom_energies=ATOM)
    with pytest.raises(ValueError, match=r"frame 0 has no energy.*\(and 1 more\)"):
        check_frames(frames, need_labels=True)
