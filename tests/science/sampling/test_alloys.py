"""Basin hopping of clusters of two elements: homotops, exchange moves, excess energies."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.optimize import BFGS

from aiida_nanoclusters.science.compositions import (
    composition_of,
    composition_series,
    mean_bond_length,
    parse_composition,
    symbols_of,
)
from aiida_nanoclusters.science.sampling.basin_hopping import BasinHopping
from aiida_nanoclusters.science.sampling.minima import Minimum
from aiida_nanoclusters.science.sampling.moves import exchange
from aiida_nanoclusters.science.stability.mixing import excess_energies
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

EXCHANGE = {"shake": 0.3, "relocate": 0.2, "exchange": 0.5}


def relaxed(atoms: Atoms) -> Atoms:
    copy = atoms.copy()
    copy.calc = EMT()
    BFGS(copy, logfile=None).run(fmax=0.01, steps=300)
    labels = {"energy": copy.get_potential_energy(), "forces": copy.get_forces()}
    copy.calc = SinglePointCalculator(copy, **labels)
    return copy


def run(search: BasinHopping) -> BasinHopping:
    while not search.is_finished:
        search.update({key: relaxed(atoms) for key, atoms in search.next().items()})
    return search


def lowest_of_all_homotops() -> float:
    """Lowest energy (eV) of the ways to put two nickel atoms on the icosahedron of Cu13."""
    sites = mackay_icosahedron("Cu", 1, 2.6)
    assert np.linalg.norm(sites.positions[0]) < 1e-6  # all others are alike
    found = []
    for pair in [(0, 1), *((1, k) for k in range(2, 13))]:
        atoms = sites.copy()
        atoms.symbols[list(pair)] = "Ni"
        found.append(relaxed(atoms).get_potential_energy())
    return min(found)


def test_homotops_are_those_of_an_enumeration() -> None:
    search = run(BasinHopping(compositions=["Cu11Ni2"], walkers=2, steps=25, moves=EXCHANGE))
    (row,) = search.table()
    assert row["formula"] == "Cu11Ni2" and row["size"] == 13
    assert row["lowest"] == pytest.approx(lowest_of_all_homotops(), abs=2e-3)
    frames = search.minima()
    assert {composition_of(atoms) for atoms in frames} == {"Cu11Ni2"}
    best = frames[0]
    middle = np.linalg.norm(best.positions - best.positions.mean(axis=0), axis=1).argmin()
    assert best.symbols[middle] == "Ni"  # the smaller atom is inside


def test_the_same_search_continues_from_its_state() -> None:
    given = {"compositions": ["CuNi4", "Cu3Ni2"], "walkers": 1, "steps": 4, "moves": EXCHANGE}
    whole = run(BasinHopping(**given)).state
    search = BasinHopping(**given)
    assert search.element is None and sorted(search.next()) == [("Cu3Ni2", 0), ("CuNi4", 0)]
    while not search.is_finished:
        search = BasinHopping.from_state(search.state)
        search.update({key: relaxed(atoms) for key, atoms in search.next().items()})
    assert search.state == whole
    assert {entry["formula"] for entry in whole["minima"]} == {"CuNi4", "Cu3Ni2"}
    alone = run(BasinHopping(**{**given, "compositions": ["Cu3Ni2"]}))
    assert [w for w in whole["walkers"] if w["formula"] == "Cu3Ni2"] == alone.state["walkers"]


def test_states_of_one_element_have_no_compositions() -> None:
    """Else those of earlier versions would differ from their reproduction."""
    state = BasinHopping("Cu", [5], 1, 2).state
    assert "compositions" not in state["settings"] and state["settings"]["element"] == "Cu"
    assert "formula" not in state["walkers"][0]


def test_homotops_of_equal_energy_are_told_apart() -> None:
    line = [[0, 0, 0], [2.5, 0, 0], [5, 0, 0], [7.5, 0, 0]]
    first, second = ([line[k] for k in order] for order in ((0, 1, 2, 3), (0, 2, 1, 3)))
    made = [
        Minimum(-1.0, places, None, "a", 1, 1, "start", 1, "Cu2Ni2") for places in (first, second)
    ]
    assert not made[0].is_like(made[1])
    mirrored = Minimum(-1.0, first[::-1], None, "b", 2, 1, "start", 1, "Cu2Ni2")
    assert made[0].is_like(mirrored)  # copper and nickel side by side, from the other end
    pure = [Minimum(-1.0, places, None, "a", 1, 1, "start") for places in (first, second)]
    assert pure[0].is_like(pure[1])


def test_exchange_moves_two_atoms_of_different_elements() -> None:
    atoms = Atoms("Cu3Ni2", positions=np.arange(15.0).reshape(5, 3))
    rng = np.random.default_rng(1)
    for _ in range(20):
        moved = exchange(atoms, rng)
        changed = np.flatnonzero((moved != atoms.positions).any(axis=1))
        assert {atoms.symbols[k] for k in changed} == {"Cu", "Ni"} and len(changed) == 2
    with pytest.raises(ValueError, match="one element: there is nothing to exchange"):
        exchange(Atoms("Cu2", positions=[[0, 0, 0], [2, 0, 0]]), rng)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"compositions": ["Cu2Ni", "NiCu2"]}, "give each composition once"),
        ({"compositions": ["Cu"]}, "2 atoms and more"),
        ({"compositions": ["Qq2"]}, "is no formula of chemical elements"),
        ({"compositions": ["Cu2("]}, "is no formula: write it as"),
        ({"compositions": ["(Cu999999)999999"]}, "more than 1000000 atoms"),
        ({"compositions": ["(" * 300 + "Cu" + ")2" * 300]}, "characters is none of a cluster"),
        ({"compositions": ["Cu2Ni"], "element": "Cu", "sizes": [3]}, "either an element and sizes"),
        ({"compositions": ["Cu5"], "moves": {"exchange": 1.0}}, "needs clusters of two elements"),
        ({"element": "Cu", "sizes": [5], "moves": {"exchange": 1.0}}, "needs clusters of two"),
        ({"compositions": ["Cu5", "Cu4Ni"], "moves": {"exchange": 1.0}}, "give pure clusters anot"),
        ({}, "from 2 up"),
    ],
)
def test_what_is_no_search(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        BasinHopping(**given)


def test_compositions() -> None:
    assert composition_series(["Ag", "Au"], 7, 3) == ["Ag7", "Ag4Au3", "AgAu6", "Au7"]
    assert parse_composition("NiCu3") == {"Cu": 3, "Ni": 1}
    assert mean_bond_length(symbols_of("Cu3Ni")) == pytest.approx(
        0.75 * 2.556 + 0.25 * 2.492, abs=5e-3
    )
    with pytest.raises(ValueError, match="give two different elements"):
        composition_series(["Ag", "Ag"], 7)


def test_excess_energies() -> None:
    """Zero for pure clusters, and nothing where one of them is missing."""
    energies = {"Cu4": -10.0, "Ni4": -14.0, "Cu2Ni2": -12.5, "Cu3Ni2": -9.0, "Cu5": -13.0}
    rows = excess_energies(energies)
    assert [(row.formula, row.excess) for row in rows] == [
        ("Cu4", 0.0), ("Cu2Ni2", pytest.approx(-0.5)), ("Ni4", 0.0), ("Cu5", 0.0),
    ]  # fmt: skip
    assert rows[1].counts == {"Cu": 2, "Ni": 2}
