"""Contacts and connected groups, by geometry that is known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from aiida_nanoclusters.science.ligands.contacts import (
    connected_groups,
    enclosed,
    find_contacts,
    unwrapped,
)
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings

SETTINGS = SplitSettings()


def groups_of(atoms):
    found = find_contacts(atoms, SETTINGS)
    return connected_groups(len(atoms), found.first, found.second, found.shifts)


@pytest.mark.parametrize(("dimensions", "cell"), [(1, [2.9, 30, 30]), (2, [2.9, 2.9, 30])])
def test_directions_in_which_a_group_has_no_end(dimensions, cell):
    (group,) = groups_of(Atoms("Ag", [[0, 0, 0]], cell=cell, pbc=True))
    assert group.periodic == dimensions
    (group,) = groups_of(bulk("Cu", cubic=True))
    assert group.periodic == 3


def test_a_molecule_in_a_small_cell_is_whole():
    whole = molecule("C6H6")
    cut = whole.copy()
    cut.cell, cut.pbc = [9, 9, 6], True
    cut.positions += [8.5, 0.2, 5.9]
    cut.wrap()
    assert np.ptp(cut.positions[:, 0]) > 6
    (group,) = groups_of(cut)
    assert group.periodic == 0
    made = Atoms(cut.numbers, unwrapped(cut, group))
    assert np.allclose(made.get_all_distances(), whole.get_all_distances())


def test_groups_by_a_plain_search():
    random = np.random.default_rng(5)
    atoms = Atoms("C60", random.uniform(0, 11, (60, 3)), cell=[11, 11, 11], pbc=True)
    found = find_contacts(atoms, SplitSettings(bond=1.3))
    groups = connected_groups(60, found.first, found.second, found.shifts)
    near = atoms.get_all_distances(mic=True) < 1.3 * 2 * 0.76
    reach = np.linalg.matrix_power(near.astype(float), 60) > 0
    assert {tuple(g.atoms) for g in groups} == {tuple(np.flatnonzero(row)) for row in reach}
    for group in groups:
        if not group.periodic:
            place = unwrapped(atoms, group)
            own = np.linalg.norm(place[:, None] - place[None], axis=2)
            inner = near[np.ix_(group.atoms, group.atoms)]
            mic = atoms.get_all_distances(mic=True)[np.ix_(group.atoms, group.atoms)]
            assert np.allclose(own[inner], mic[inner])


def test_enclosed_means_on_no_side():
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    inside = Atoms("Cu4Cl", [*(2.4 * corners), [0, 0, 0]])
    outside = Atoms("Cu4Cl", [*(2.0 * corners), 2.6 * corners[0] - 2.6 * corners[1]])
    plane = Atoms(
        "Cu4Cl", [[2.3, 0, -0.1], [-2.3, 0, -0.1], [0, 2.3, -0.1], [0, -2.3, -0.1], [0] * 3]
    )
    for atoms, around in ((inside, 4), (outside, 0), (plane, 0)):
        found = enclosed(atoms, [4], atoms.numbers == 29, 1.4)
        assert [len(metals) for metals in found.values()] == ([around] if around else [])
        wrapped = atoms.copy()
        wrapped.cell, wrapped.pbc = [20, 20, 20], True
        wrapped.wrap()
        again = enclosed(wrapped, [4], atoms.numbers == 29, 1.4)
        assert {k: len(m) for k, m in again.items()} == {k: len(m) for k, m in found.items()}


def binding(atoms):
    found = find_contacts(atoms, SETTINGS)
    outward = found.binding & ~found.metal[found.first]
    return sorted(atoms.symbols[k] for k in found.first[outward])


def test_the_carbon_of_a_chelating_carboxylate_does_not_bind():
    atoms = Atoms(
        "AgOOCH",
        [[0, 0, 0], [1.1, 0, 2.1], [-1.1, 0, 2.1], [0, 0, 2.65], [0, 0, 3.74]],
    )
    assert np.linalg.norm(atoms.positions[3]) < 1.25 * (1.45 + 0.76)
    assert binding(atoms) == ["O", "O"]


def test_hydrogen_and_halogen_of_molecules_do_not_bind():
    chloromethane = molecule("CH3Cl")
    chlorine = chloromethane.positions[chloromethane.numbers == 17][0]
    carbon = chloromethane.positions[chloromethane.numbers == 6][0]
    away = (chlorine - carbon) / np.linalg.norm(chlorine - carbon)
    silver = Atoms("Ag", [chlorine + 2.6 * away])
    assert binding(silver + chloromethane) == []
    assert binding(silver + Atoms("Cl", [chlorine])) == ["Cl"]


def test_contacts_across_a_boundary_are_those_inside():
    atoms = Atoms("AgSC", [[0, 0, 0], [2.4, 0, 0], [3.1, 1.7, 0]])
    boxed = atoms.copy()
    boxed.cell, boxed.pbc = [12, 12, 12], True
    boxed.positions += [10.5, 11, 0]
    boxed.wrap()
    one, other = (find_contacts(a, SETTINGS) for a in (atoms, boxed))
    for name in ("first", "second", "bonded", "binding", "metallic"):
        assert np.array_equal(np.sort(getattr(one, name)), np.sort(getattr(other, name)))
    assert np.allclose(np.sort(one.ratios), np.sort(other.ratios))
