"""Coordination numbers of structures whose neighbours are known by construction."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from aiida_nanoclusters.science.elements import ELEMENTS
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.coordination import (
    coordination_coverage,
    coordination_density,
    frame_coordination,
    frame_groups,
    shell_cutoff,
)
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron


def frames_of(*images: Atoms) -> Frames:
    return Frames.from_atoms(images)


def slab(vacuum: float = 8.0) -> Atoms:
    return fcc111("Cu", (2, 2, 4), vacuum=vacuum)


@pytest.mark.parametrize(
    ("symbol", "coordination"),
    [(s, 4 if row.structure == "diamond" else 12) for s, row in ELEMENTS.items()],
)
def test_crystals_of_every_element(symbol, coordination):
    """A primitive cell, whose neighbours are all images of its own."""
    row = ELEMENTS[symbol]
    covera = {"covera": row.c_over_a} if row.c_over_a else {}
    crystal = bulk(symbol, row.structure, a=row.lattice_constant, **covera)
    found = frame_coordination(frames_of(crystal, crystal * (2, 1, 3)))
    assert set(found) == {coordination}


def test_icosahedron_slab_and_lone_atom():
    ico = mackay_icosahedron("Cu", 1)
    found = frame_coordination(
        frames_of(ico, slab(), Atoms("Cu"), Atoms("Cu2", [[0] * 3, [0, 0, 2.2]]))
    )
    assert sorted(found[:13]) == [6] * 12 + [12]
    assert sorted(found[13:29]) == [9] * 8 + [12] * 8
    assert list(found[29:]) == [0, 1, 1]


def test_alloys_have_a_cutoff_between_their_elements():
    cell = bulk("Au", cubic=True, a=(4.0782 + 3.6146) / 2)
    cell.symbols[[0, 1]] = "Cu"
    assert set(frame_coordination(frames_of(cell))) == {12}
    assert ELEMENTS["Cu"].shell_cutoff < shell_cutoff(cell.numbers) < ELEMENTS["Au"].shell_cutoff


def test_an_element_without_data_is_named():
    with pytest.raises(ValueError, match="no data for element 'Xe'"):
        frame_coordination(frames_of(Atoms("Xe2", [[0] * 3, [0, 0, 4]])))
    assert list(frame_coordination(frames_of(Atoms("Xe2", [[0] * 3, [0, 0, 4]])), 5.0)) == [1, 1]


def test_groups_follow_from_geometry_not_from_names():
    """A slab or a cluster in a box that is periodic all round is no bulk."""
    boxed = mackay_icosahedron("Cu", 2)
    boxed.center(vacuum=6)
    boxed.pbc = True
    periodic = slab()
    periodic.pbc = True
    bent = slab()
    bent.cell[2] += [3.0, 0, 0]
    cubic = bulk("Cu", cubic=True) * 2
    images = [mackay_icosahedron("Cu", 1), boxed, slab(), periodic, bent, cubic, bulk("Cu")]
    expected = ["cluster", "cluster", "surface", "surface", "surface", "bulk", "bulk"]
    assert list(frame_groups(frames_of(*images))) == expected
    # Across the border of its cell, vacuum is still one gap.
    periodic.positions[:, 2] += periodic.cell[2, 2] / 2
    periodic.wrap()
    assert list(frame_groups(frames_of(periodic))) == ["surface"]


def test_density_and_coverage():
    training = coordination_density(frames_of(mackay_icosahedron("Cu", 1), bulk("Cu", cubic=True)))
    assert training.counts["cluster"][6] == 12 and training.counts["bulk"][12] == 4
    assert training.probability().sum() == pytest.approx(1)
    assert training.probability()[12] == pytest.approx(5 / 17)
    both = training.probability("cluster") + training.probability("bulk")
    np.testing.assert_allclose(both, training.probability())

    target = coordination_density(frames_of(slab()))  # half 9, half 12
    assert coordination_coverage(training, target) == pytest.approx(0.5)
    assert coordination_coverage(training, target, least=6) == 0
    assert coordination_coverage(training, training) == pytest.approx(1)
