"""Recipes of several elements."""

from collections import Counter

import numpy as np
import pytest

from aiida_nanoclusters.science.compositions import composition_of, parse_composition
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.structures.alloys import build_alloy_entry, drawn_compositions
from aiida_nanoclusters.science.structures.recipe import entry_of, lowest_minima

ICOSAHEDRON = {"kind": "motif", "motif": "icosahedron", "sizes": [13, 55]}


def formulas(frames):
    return [composition_of(atoms) for atoms in frames]


def test_every_structure_alone_and_mixed():
    frames = build_alloy_entry({**ICOSAHEDRON, "mixtures": 4}, 3, ["Cu", "Ag"], 1)
    found = Counter(formulas(frames))
    assert {f for f in found if len(parse_composition(f)) == 1} == {"Ag13", "Ag55", "Cu13", "Cu55"}
    mixed = [f for f in found.elements() if len(parse_composition(f)) == 2]
    assert Counter(sum(parse_composition(f).values()) for f in mixed) == {13: 4, 55: 4}
    assert len(set(frames.parents)) == len(frames) == 12
    assert set(entry_of(frames)) == {3}


@pytest.mark.parametrize("lattice", ["fcc", "bcc"])
@pytest.mark.parametrize("repeat", [1, 2])
def test_bond_lengths_are_means_over_the_atoms(lattice, repeat):
    lengths = {s: element(s).nearest_neighbour for s in ("Au", "Cu")}
    crystal = {"kind": "bulk", "lattices": [lattice], "repeat": repeat}
    for atoms in build_alloy_entry(crystal, 0, [*lengths], 1):
        nearest = (atoms * 3).get_distances(0, range(1, 27 * len(atoms)), mic=True).min()
        counts = parse_composition(composition_of(atoms))
        mean = sum(lengths[s] * n for s, n in counts.items()) / len(atoms)
        assert nearest == pytest.approx(mean, abs=1e-6)


def test_structures_of_one_atom_have_no_mixtures():
    entry = {"kind": "cluster", "sizes": [1, 2], "structures": 1, "mixtures": 3}
    found = Counter(formulas(build_alloy_entry(entry, 0, ["Cu", "Au"], 1)))
    assert found == {"Au": 1, "Cu": 1, "Au2": 1, "Cu2": 1, "AuCu": 3}


def test_pairs_and_isolated_atoms_of_all_elements():
    symbols = ["Ag", "Au", "Cu"]
    assert formulas(build_alloy_entry({"kind": "atom"}, 0, symbols, 1)) == symbols
    curve = {"kind": "dimer", "nearest": 0.8, "farthest": 2.0, "count": 5}
    pairs = Counter(formulas(build_alloy_entry(curve, 0, symbols, 1)))
    assert pairs == dict.fromkeys(["Ag2", "Au2", "Cu2", "AgAu", "AgCu", "AuCu"], 5)


def test_sites_are_filled_at_random_and_by_the_seed():
    def build(seed):
        return build_alloy_entry({**ICOSAHEDRON, "mixtures": 30}, 0, ["Cu", "Ni"], seed)

    frames = build(1)
    assert frames.content_hashes() == build(1).content_hashes() != build(2).content_hashes()
    mixed = [a for a in frames if len(a) == 55 and len(set(a.symbols)) == 2]
    shares = np.array([np.mean(a.symbols == "Cu") for a in mixed])
    assert shares.min() < 0.25 and shares.max() > 0.75  # compositions are spread over all
    # Neither element keeps to the core or to the surface: the first 13 sites are the core.
    core = np.mean([np.mean(a.symbols[:13] == "Cu") for a in mixed])
    assert core == pytest.approx(shares.mean(), abs=0.1)


def test_two_elements_even_where_shares_round_to_one():
    frames = build_alloy_entry(
        {"kind": "motif", "motif": "icosahedron", "sizes": [13], "mixtures": 200},
        0, ["Cu", "Ni"], 1,
    )  # fmt: skip
    assert Counter(len(set(a.symbols)) for a in frames) == {1: 2, 2: 200}


def test_minima_of_each_composition():
    recipe = [{"kind": "atom"}, {"kind": "minima", "sizes": [7, 8], "mixtures": 2}]
    found = drawn_compositions(recipe, ["Cu", "Ni"], 1)
    assert {"Cu7", "Ni7", "Cu8", "Ni8"} < set(found) and 6 <= len(found) <= 8
    minima = build_alloy_entry({"kind": "cluster", "sizes": [7], "structures": 3, "mixtures": 0},
                               0, ["Cu", "Ni"], 1)  # fmt: skip
    taken = lowest_minima({"kind": "minima", "sizes": [7], "structures": 2}, 1, minima)
    assert Counter(formulas(taken)) == {"Cu7": 2, "Ni7": 2}
