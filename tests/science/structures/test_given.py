"""Structures that are handed in, and trajectories that end where a molecule comes apart."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.given import (
    given_problem,
    given_structures,
    until_broken,
    whole_entries,
)
from aiida_nanoclusters.science.structures.molecules import (
    broken_molecules,
    changed_molecules,
    find_molecules,
)
from aiida_nanoclusters.science.structures.recipe_checks import recipe_problem


def methanol_and_formaldimine() -> Atoms:
    """A methanol whose hydroxyl hydrogen points at the nitrogen of HN=CH2."""
    alcohol = molecule("CH3OH")
    oxygen = alcohol.symbols.search("O")[0]
    (hydrogen,) = (k for k in alcohol.symbols.search("H") if alcohol.get_distance(k, oxygen) < 1.1)
    towards = alcohol.positions[hydrogen] - alcohol.positions[oxygen]
    towards /= np.linalg.norm(towards)
    amine = molecule("NH3")
    amine.positions += alcohol.positions[oxygen] + 2.7 * towards - amine.positions[0]
    return alcohol + amine


def proton(atoms: Atoms, distance: float) -> Atoms:
    """Move the hydroxyl hydrogen to this distance from its oxygen, towards the nitrogen."""
    moved = atoms.copy()
    oxygen, nitrogen = moved.symbols.search("O")[0], moved.symbols.search("N")[0]
    (hydrogen,) = (k for k in moved.symbols.search("H") if atoms.get_distance(k, oxygen) < 1.1)
    towards = moved.positions[nitrogen] - moved.positions[oxygen]
    moved.positions[hydrogen] = moved.positions[oxygen] + distance * towards / np.linalg.norm(
        towards
    )
    return moved


def test_a_proton_that_another_molecule_takes_is_no_fault():
    start = methanol_and_formaldimine()
    before = find_molecules(start)
    for distance in (1.0, 1.2, 1.35, 1.5, 1.7):
        assert broken_molecules(before, proton(start, distance)) == []
    assert changed_molecules(before, proton(start, 1.7))  # which is told all the same


def test_hydrogen_that_touches_hydrogen_is_lost():
    """As where two molecules give away H2."""
    start = methanol_and_formaldimine()
    before = find_molecules(start)
    oxygen, nitrogen = start.symbols.search("O")[0], start.symbols.search("N")[0]
    (proton_of,) = (k for k in start.symbols.search("H") if start.get_distance(k, oxygen) < 1.1)
    other = next(k for k in start.symbols.search("H") if start.get_distance(k, nitrogen) < 1.1)
    outwards = start.positions[other] - start.positions[nitrogen]
    start.positions[proton_of] = start.positions[other] + 0.75 * outwards / np.linalg.norm(outwards)
    assert broken_molecules(before, start) == ["CH4O 0 lost H"]


@pytest.mark.parametrize("metal", ["Na", "Li", "Mg", "Mn", "Ag", "La"])
def test_metals_join_no_molecules(metal):
    start = methanol_and_formaldimine()
    oxygen = start.positions[start.symbols.search("O")[0]]
    start += Atoms(metal, [oxygen + np.array([0, 0, 2.0])])
    assert sorted(find_molecules(start).formulas()) == ["CH4O", "H3N"]


def test_what_has_come_apart_is_named():
    start = methanol_and_formaldimine()
    before = find_molecules(start)
    free = start.copy()
    carbon = free.symbols.search("C")[0]
    (hydrogen, *_) = (k for k in free.symbols.search("H") if free.get_distance(k, carbon) < 1.2)
    away = free.positions[hydrogen] - free.positions[carbon]
    free.positions[hydrogen] += 2.0 * away
    assert broken_molecules(before, free) == ["CH4O 0 lost H"]
    split = start.copy()
    oxygen = split.symbols.search("O")[0]
    group = [oxygen, *(k for k in split.symbols.search("H") if split.get_distance(k, oxygen) < 1.1)]
    split.positions[group] += 2.0 * (split.positions[oxygen] - split.positions[carbon])
    assert broken_molecules(before, split) == ["CH4O 0 lost H, O"]


def test_trajectories_end_with_the_first_broken_frame():
    start = methanol_and_formaldimine()
    broken = start.copy()
    carbon = broken.symbols.search("C")[0]
    (hydrogen, *_) = (k for k in broken.symbols.search("H") if broken.get_distance(k, carbon) < 1.2)
    broken.positions[hydrogen] += 3.0
    entry = {"kind": "given"}
    starts = given_structures(entry, 4, Frames.from_atoms([start, start]))
    names = [str(parent) for parent in starts.parents]
    assert names == ["04-given-10-000", "04-given-10-001"]
    images = []
    for k, name in enumerate([names[0]] * 4 + [names[1]] * 2):
        atoms = (broken if k == 2 else start).copy()
        atoms.info = {"parent": name, "config_type": "given"}
        images.append(atoms)
    kept, reasons = until_broken(starts, Frames.from_atoms(images))
    assert [str(parent) for parent in kept.parents] == [names[0]] * 3 + [names[1]] * 2
    assert reasons == {names[0]: "CH4O 0 lost H"}


def test_entries_take_what_they_name():
    frames = Frames.from_atoms([molecule("CH3OH"), molecule("H2O")])
    taken = given_structures({"kind": "given", "frames": [1]}, 0, frames)
    assert [atoms.get_chemical_formula() for atoms in taken] == ["H2O"]
    charged = frames[0]
    charged.info["charge"] = 1.0
    assert given_structures({"kind": "given"}, 0, Frames.from_atoms([charged])).charges[0] == 1
    assert "name each once" in recipe_problem([{"kind": "given", "frames": [1, 1]}])
    recipe = [{"kind": "atom"}, {"kind": "given", "whole": False}, {"kind": "given"}]
    assert whole_entries(recipe) == [2]


@pytest.mark.parametrize(
    ("recipe", "symbols", "message"),
    [
        ([{"kind": "atom"}], "CHO", "no entry of kind `given`"),
        ([{"kind": "given", "frames": [2]}], "CHO", "structure 2: there are 2"),
        ([{"kind": "given"}], "CH", "`structures` hold O"),
        ([{"kind": "given"}], "CHO", None),
    ],
)
def test_structures_that_are_not_those_of_the_recipe(recipe, symbols, message):
    frames = Frames.from_atoms([molecule("CH3OH"), molecule("H2O")])
    found = given_problem(recipe, frames, symbols)
    assert found is None if message is None else message in found
