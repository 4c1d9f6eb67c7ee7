import numpy as np
import pytest

from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers
from aiida_nanoclusters.science.structures.crystals import (
    bulk_cell,
    close_packed_cell,
    dimer,
    slab_area,
    surface_energy,
    surface_slab,
)


@pytest.mark.parametrize("symbol", ["Cu", "Au", "Ru", "Si", "Al"])
def test_bulk_volume(symbol):
    for cubic in (True, False):
        atoms = bulk_cell(symbol, cubic=cubic, repeat=(2, 1, 3))
        assert atoms.pbc.all()
        assert atoms.get_volume() / len(atoms) == pytest.approx(element(symbol).atomic_volume)
    assert bulk_cell(symbol, 5.0).cell.lengths()[0] == pytest.approx(5.0)


def test_bulk_of_another_structure():
    assert len(bulk_cell("Cu", 2.9, structure="bcc")) == 2
    with pytest.raises(ValueError, match="lattice_constant"):
        bulk_cell("Cu", structure="bcc")
    with pytest.raises(ValueError, match="hcp"):
        bulk_cell("Cu", 2.5, structure="hcp")


# Nearest-neighbour bonds cut per surface atom and area per surface atom (units of a^2) in fcc.
@pytest.mark.parametrize(
    ("facet", "cut", "area"), [("100", 4, 0.5), ("110", 6, 0.5**0.5), ("111", 3, 0.75**0.5 / 2)]
)
@pytest.mark.parametrize("repeat", [(1, 1), (2, 3)])
def test_surface_energy_of_broken_bonds(facet, cut, area, repeat):
    a, bond = 3.6, -0.4
    slab = surface_slab("Cu", facet, 7, 10.0, lattice_constant=a, repeat=repeat)
    surface_atoms = repeat[0] * repeat[1]
    assert len(slab) == 7 * surface_atoms
    assert slab.pbc.all() and not slab.get_tags().any()
    assert slab_area(slab) == pytest.approx(surface_atoms * area * a**2)
    energy = bond * coordination_numbers(slab).sum() / 2
    gamma = surface_energy(energy, len(slab), 6 * bond, slab_area(slab))
    assert gamma == pytest.approx(-bond * cut / 2 / (area * a**2))


@pytest.mark.parametrize(
    ("symbol", "facet"),
    [("Cu", "100"), ("Cu", "110"), ("Cu", "111"), ("Ru", "0001"), ("Si", "111")],
)
@pytest.mark.parametrize("vacuum", [0.0, 12.5])
def test_vacuum_is_the_gap_between_images(symbol, facet, vacuum):
    slab = surface_slab(symbol, facet, 4, vacuum)
    thickness = np.ptp(slab.positions[:, 2])
    assert slab.cell[2, 2] - thickness == pytest.approx(vacuum)
    assert slab.positions[:, 2].mean() == pytest.approx(slab.cell[2, 2] / 2, rel=0.2)


def test_bcc_slab():
    slab = surface_slab("Fe", "110", 5, 10.0, lattice_constant=2.87, structure="bcc")
    assert slab_area(slab) == pytest.approx(2.87**2 / 2**0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: surface_slab("Cu", "321", 4, 10.0), "fcc 111"),
        (lambda: surface_slab("Cu", "0001", 4, 10.0), "offered"),
        (lambda: surface_slab("Cu", "111", 0, 10.0), "layers"),
        (lambda: surface_slab("Cu", "111", 4, -1.0), "vacuum"),
        (lambda: surface_energy(1.0, 4, 1.0, 0.0), "area"),
        (lambda: dimer("Cu", 0.0), "distance"),
        (lambda: close_packed_cell("Cu", "ABD"), "letters"),
        (lambda: close_packed_cell("Cu", "ABA"), "atop"),
    ],
)
def test_errors_name_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_dimer():
    assert dimer("Cu", 2.2).get_distance(0, 1) == pytest.approx(2.2)
    assert dimer("Au").get_distance(0, 1) == pytest.approx(4.0782 / 2**0.5)


@pytest.mark.parametrize(
    ("cell", "layers"),
    [
        (close_packed_cell("Cu", "ABC", 2.5), 3),
        (close_packed_cell("Cu", "AB", 2.5, (2, 2)), 8),
        (close_packed_cell("Cu", "ABCB", 2.5), 4),
        (close_packed_cell("Cu", "ABCABCBACB", 2.5, (1, 2)), 20),
        (close_packed_cell("Cu", "ABCAB", 2.5), 5),
    ],
)
def test_stackings_are_close_packed(cell, layers):
    assert len(cell) == layers
    assert cell.pbc.all()
    assert (coordination_numbers(cell) == 12).all()
    assert cell.get_volume() / len(cell) == pytest.approx(2.5**3 / 2**0.5)


def test_twin_is_its_own_mirror_image():
    # Reflecting at a twin plane (the first layer) gives the same crystal.
    cell = close_packed_cell("Cu", "ABCABACB")
    mirrored = cell.copy()
    mirrored.positions[:, 2] *= -1
    here, there = (
        sorted(map(tuple, (np.round(atoms.get_scaled_positions(), 6) % 1).tolist()))
        for atoms in (cell, mirrored)
    )
    np.testing.assert_allclose(here, there, atol=1e-5)
