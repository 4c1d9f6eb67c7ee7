import json

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.sampling.lowest_pool import Pool, chance_of_lower
from aiida_nanoclusters.science.sampling.lowest_settings import LowestSettings
from aiida_nanoclusters.science.sampling.lowest_structures import LowestSearch
from aiida_nanoclusters.science.sampling.minima import Minimum
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.science.structures.site_filling import fill_sites
from aiida_nanoclusters.science.structures.site_lattices import cluster_lattice
from tests.cluster_potentials import EPSILON, LJ_MINIMA, LennardJones, relaxed


def make(sizes, rounds=3, seed=0, **settings):
    values = LowestSettings(rounds=rounds, **{"batch": 6, "fillings": 1, **settings})
    return LowestSearch("Ar", sizes, values, distance=3.8, seed=seed)


def step(search):
    potential = LennardJones()
    search.update({key: relaxed(atoms, potential) for key, atoms in search.next().items()})


def run(search):
    while not search.is_finished:
        step(search)
    return search.table()


def test_published_minima_of_lennard_jones():
    rows = run(make([13, 15, 19, 23, 26], rounds=6))
    for row in rows:
        assert row["lowest"] / EPSILON == pytest.approx(LJ_MINIMA[row["size"]], abs=1e-3)
        assert min(row["energies"].values()) == pytest.approx(row["lowest"], abs=1e-6)
        assert row["chance_of_lower"] == 1 / (sum(row["hits"].values()) + 1)


def test_funnels_that_no_annealing_finds():
    # The truncated octahedron and the Marks decahedron, from the first round.
    search = make([38, 75], rounds=1)
    assert [row["lowest"] / EPSILON for row in run(search)] == pytest.approx(
        [-173.928427, -397.492331], abs=1e-3
    )
    assert [row["motif"].split(",")[0] for row in search.table()] == ["fcc", "decahedron"]


def test_continued_from_its_state_as_if_never_ended():
    whole, parted = make([12, 13]), make([12, 13])
    step(whole)
    step(parted)
    state = json.loads(json.dumps(parted.state))
    parted = LowestSearch.from_state(state)
    assert list(parted.next()) == list(whole.next())
    handed = LowestSearch.from_state(state, parted.next().values())
    assert [(k, a.info) for k, a in handed.next().items()] == [
        (k, a.info) for k, a in parted.next().items()
    ]
    for key, atoms in whole.next().items():
        assert np.array_equal(parted.next()[key].positions, atoms.positions)
    assert run(whole) == run(parted)


def test_equal_seeds_propose_equally_and_others_do_not():
    one, same, other = (make([30], seed=seed).next() for seed in (1, 1, 2))
    assert all(np.array_equal(one[key].positions, same[key].positions) for key in one)
    random = [key for key, atoms in one.items() if atoms.info["source"] == "random"]
    assert all(not np.allclose(one[key].positions, other[key].positions) for key in random)


def test_a_neighbour_hands_on_its_structure():
    # No source of its own: what has been found of 13 atoms gives that of 12.
    search = make([12, 13])
    step(search)
    made = [a for key, a in search.next().items() if a.info["source"] == "neighbour"]
    assert made
    assert {len(a) for a in made} <= {12, 13}


def test_failed_evaporated_and_foreign_structures():
    search = make([5], rounds=1)
    keys = list(search.next())
    results = dict.fromkeys(keys)
    far = search.next()[keys[0]]
    far.positions[0] += 50
    results[keys[0]] = relaxed(far, LennardJones())
    search.update(results)
    (row,) = search.table()
    assert row["refused"] == {"evaporated": 1, "failed": len(keys) - 1}
    assert row["lowest"] is None and row["chance_of_lower"] == 1
    with pytest.raises(ValueError, match="no minimum"):
        search.minima()
    other = make([5], rounds=1)
    with pytest.raises(ValueError, match="use those of `next`"):
        other.update({(6, 0): None})
    with pytest.raises(ValueError, match="give its own"):
        other.update({(5, 0): Atoms("Ar4")})


def test_structures_from_elsewhere_are_known_before_the_first_round():
    search = make([13, 14], rounds=1)
    icosahedron = relaxed(mackay_icosahedron("Ar", 1, 3.8), LennardJones())
    runs = [icosahedron.copy() for _ in range(3)]
    for run_, seed in zip(runs, (1, 2, 2), strict=True):
        run_.calc, run_.info["seed"] = icosahedron.calc, seed
    search.add([*runs, Atoms("Ar9")], "annealing")
    row = search.table()[0]
    assert row["hits"] == {"annealing": 2} and row["found_by"] == "annealing"
    assert row["energies"]["annealing"] / EPSILON == pytest.approx(LJ_MINIMA[13], abs=1e-3)
    row = run(search)[0]
    assert row["hits"]["annealing"] == 2 and row["hits"]["motif"] >= 1


@pytest.mark.parametrize("sizes", [[], [1], [13, 13]])
def test_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="from 2 up, each once"):
        make(sizes)


def minimum(energy):
    positions = (np.random.default_rng(0).normal(size=(4, 3)) * (1 + energy)).tolist()
    return Minimum(energy, positions, None, "Ar4", 0, 0, "motif")


def test_a_second_way_within_a_lineage_is_no_hit():
    pool = Pool(5)
    pool.add(minimum(-1.0), "motif", "fcc")
    pool.add(minimum(-1.0), "shake", "fcc")
    assert pool.row()["hits"] == {"motif": 1}
    pool.add(minimum(-1.0), "shake", "twin")
    pool.add(minimum(-1.0), "random", "random 1")
    pool.add(minimum(-1.0), "random", "random 1")
    assert pool.row()["hits"] == {"motif": 1, "shake": 1, "random": 1}
    assert pool.row()["chance_of_lower"] == chance_of_lower(3) == 0.25


def test_a_lower_structure_starts_the_count_again():
    pool = Pool(5)
    for k in range(4):
        pool.add(minimum(-1.0), "random", f"random {k}")
        pool.begin_round()
    assert pool.is_settled(patience=3, hits=4)
    pool.begin_round()
    pool.add(minimum(-2.0), "surface", "random 0")
    assert not pool.is_settled(patience=3, hits=1)
    assert pool.row()["hits"] == {"surface": 1}
    assert pool.gains == {"random": 1, "surface": 1}


def test_the_lowest_of_each_lineage_stays():
    pool = Pool(2)
    for k, motif in enumerate(["icosahedron"] * 5 + ["fcc"]):
        pool.add(minimum(-2.0 + 0.2 * k), "motif", motif)
    assert [own.lineage for own in pool.isomers] == ["icosahedron", "icosahedron", "fcc"]


def test_the_hollows_of_a_relaxed_cluster_hold_an_atom_more():
    icosahedron = relaxed(mackay_icosahedron("Ar", 1, 3.8), LennardJones())
    lattice = cluster_lattice(icosahedron.positions, "icosahedron")
    assert lattice.core == 1 and len(lattice.sites) == 13 + 20
    (more,) = fill_sites(lattice, 14, np.random.default_rng(0), keep=1)
    found = relaxed(Atoms("Ar14", positions=more * 3.8), LennardJones())
    assert found.get_potential_energy() / EPSILON == pytest.approx(LJ_MINIMA[14], abs=1e-3)
    # Two atoms have one bond each.
    assert cluster_lattice(np.array([[0, 0, 0], [2.5, 0, 0]]), "dimer").core == 0
