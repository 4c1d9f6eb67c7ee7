"""Which cores are the same, against known arrangements and operations that change nothing."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Decahedron, Icosahedron, Octahedron
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.ligands.core_identity import (
    core_classes,
    core_deviation,
    count_metals,
    same_core,
    same_skeleton,
)


def moved(atoms: Atoms, seed: int, width: float = 0.0, mirror: bool = False) -> Atoms:
    """Return a core turned, reflected, displaced, with its atoms in another order."""
    random = np.random.default_rng(seed)
    positions = atoms.positions + width * random.normal(size=(len(atoms), 3))
    positions = positions @ Rotation.random(random_state=seed).as_matrix().T
    if mirror:
        positions[:, 0] *= -1
    order = random.permutation(len(atoms))
    return Atoms(atoms.numbers[order], positions[order] + random.normal(size=3))


def doped(atoms: Atoms, place: int, symbol: str = "Pd") -> Atoms:
    atoms = atoms.copy()
    atoms.symbols[place] = symbol
    return atoms


def chiral() -> Atoms:
    """Thirteen atoms with three more on one side, in no plane of symmetry."""
    core = Icosahedron("Au", 2)
    return core + Atoms("Au3", core.positions[[3, 5, 7]] * 1.9 + [[0.3, 0.7, 0.1]] * 3)


CORES = {
    "one atom": Atoms("Au"),
    "pair": Atoms("AuAg", [[0, 0, 0], [2.8, 0, 0]]),
    "chain": Atoms("Au3Ag", [[0, 0, 2.8 * k] for k in range(4)]),
    "rhombus": Atoms("Au4", [[1.4, 0, 0], [-1.4, 0, 0], [0, 2.42, 0], [0, -2.42, 0]]),
    "icosahedron": Icosahedron("Au", 2),
    "without symmetry": chiral(),
    "decahedron": Decahedron("Ag", 3, 2, 0),
    "two elements": doped(doped(Octahedron("Cu", 4, 1), 5), 20, "S"),
    "many": Octahedron("Au", 6, 1),
}


@pytest.mark.parametrize("name", CORES)
@given(seed=st.integers(0, 2**31), mirror=st.booleans())
@settings(max_examples=8, deadline=None)
def test_turned_mirrored_and_reordered_cores_are_the_same(name, seed, mirror) -> None:
    core = CORES[name]
    deviation = core_deviation(core, moved(core, seed, mirror=mirror))
    assert deviation == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", CORES)
@given(seed=st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_relaxed_cores_are_the_same(name, seed) -> None:
    """Displacements of 0.17 Å on average are those of another ligand shell."""
    assert same_core(CORES[name], moved(CORES[name], seed, width=0.1))
    assert same_core(moved(CORES[name], seed, width=0.1), CORES[name])


def test_one_atom_may_be_farther_off_than_all_together() -> None:
    core = Octahedron("Au", 5, 1)
    shifted = core.copy()
    outermost = int(np.argmax(np.linalg.norm(core.positions - core.positions.mean(axis=0), axis=1)))
    shifted.positions[outermost] *= 1 + 1.0 / np.linalg.norm(core.positions[outermost])
    assert 0.9 < core_deviation(core, moved(shifted, 3)) < 1.1
    assert not same_core(core, shifted, tolerance=0.5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Icosahedron("Au", 2), Octahedron("Au", 3, 1)),
        (Icosahedron("Au", 3), Octahedron("Au", 5, 2)),
        (Atoms("Au4", np.array([[1, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]]) * 1.4),
         CORES["rhombus"]),
        (CORES["pair"], Atoms("Au2", [[0, 0, 0], [2.8, 0, 0]])),
        (CORES["chain"], Atoms("AuAgAu2", [[0, 0, 2.8 * k] for k in range(4)])),
        (Icosahedron("Au", 2), Icosahedron("Au", 2)[1:]),
    ],
    ids=["13 atoms", "55 atoms", "4 atoms", "elements", "order of a chain", "sizes"],
)  # fmt: skip
def test_other_arrangements_are_other_cores(one, other) -> None:
    assert not same_core(one, other) and not same_core(other, one)


def test_a_dopant_makes_as_many_cores_as_there_are_kinds_of_sites() -> None:
    """An icosahedron of 55 atoms has four: centre, inner shell, vertices and edges."""
    core = Icosahedron("Au", 3)
    classes = core_classes([doped(core, k) for k in range(55)])
    assert sorted(np.bincount(classes).tolist()) == [1, 12, 12, 30]
    assert set(core_classes([doped(core, k) for k in range(55)], skeleton=True).tolist()) == {0}


def test_two_dopants_are_as_far_apart_as_they_are() -> None:
    """On the vertices of an icosahedron: neighbours, second neighbours, opposite."""
    core = Icosahedron("Au", 2)
    pairs = [doped(doped(core, a), b) for a in range(1, 13) for b in range(a + 1, 13)]
    assert sorted(np.bincount(core_classes(pairs)).tolist()) == [6, 30, 30]


def test_classes_are_numbered_as_they_appear() -> None:
    cores = [CORES["icosahedron"], CORES["rhombus"], moved(CORES["icosahedron"], 2)]
    assert core_classes(cores).tolist() == [0, 1, 0]
    assert core_classes([]).tolist() == []


def test_a_skeleton_is_that_of_any_metals() -> None:
    gold, copper = Icosahedron("Au", 3), moved(Icosahedron("Cu", 3), 4)
    assert not same_core(gold, copper) and same_skeleton(gold, copper)
    assert not same_skeleton(gold, Octahedron("Cu", 5, 2))
    sulfide = doped(gold, 0, "S")
    assert not same_skeleton(gold, sulfide) and same_skeleton(sulfide, doped(copper, 0, "Ag")) is (
        False
    )
    assert count_metals(sulfide) == 54


def test_large_cores_are_compared() -> None:
    core = Octahedron("Au", 12, 2)
    assert len(core) > 800 and same_core(core, moved(core, 1, width=0.1))
    assert not same_core(core, doped(core, 0)) and not same_core(doped(core, 1), doped(core, 400))
