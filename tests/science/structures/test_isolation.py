import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.science.structures.isolation import out_of_box


def test_cluster_across_the_border() -> None:
    """All distances are those of the whole cluster, wherever its box was cut."""
    rng = np.random.default_rng(0)
    whole = Atoms("Cu8", positions=rng.normal(scale=2.0, size=(8, 3)))
    for shift in rng.uniform(0, 20, size=(10, 3)):
        boxed = Atoms(whole.numbers, whole.positions + shift, cell=[22, 23, 24], pbc=True)
        boxed.wrap()
        boxed.calc = SinglePointCalculator(
            boxed, energy=-1.0, forces=np.ones((8, 3)), stress=np.ones(6)
        )
        free = out_of_box(boxed)
        assert not free.pbc.any() and not free.cell.any()
        assert np.allclose(free.get_all_distances(), whole.get_all_distances())
        assert set(free.calc.results) == {"energy", "forces"}
        assert boxed.pbc.all()


def test_crystals_and_slabs() -> None:
    crystal = bulk("Cu") * (1, 1, 8)
    crystal.calc = SinglePointCalculator(crystal, stress=np.ones(6))
    assert out_of_box(crystal).pbc.all() and "stress" in out_of_box(crystal).calc.results
    slab = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    slab.set_pbc(True)
    slab.positions[:, 2] += 9.0
    slab.wrap()
    free = out_of_box(slab)
    assert list(free.pbc) == [True, True, False]
    assert np.isclose(np.ptp(free.positions[:, 2]), 2 * 3.61 / np.sqrt(3))
    assert np.allclose(
        np.sort(free.get_all_distances(mic=True)), np.sort(slab.get_all_distances(mic=True))
    )
    assert not out_of_box(Atoms("Cu", positions=[[1, 1, 1]], cell=[15, 15, 15], pbc=True)).pbc.any()


def test_directions_without_a_cell_vector() -> None:
    """A wire that is periodic along x and boxed along y keeps its positions along z."""
    wire = Atoms("Cu4", positions=[[0, y, z] for y, z in ((-1, 0), (1, 0), (0, 7), (0, 9))])
    wire.set_cell([2.5, 24.0, 0.0])
    wire.set_pbc([True, True, False])
    free = out_of_box(wire)
    assert list(free.pbc) == [True, False, False]
    assert np.allclose(free.get_all_distances(mic=True), wire.get_all_distances(mic=True))
    assert np.isclose(np.ptp(free.positions[:, 1]), 2.0)
    broken = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2]], pbc=True)
    assert out_of_box(broken).pbc.all()
