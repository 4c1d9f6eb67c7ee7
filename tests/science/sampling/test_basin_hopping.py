"""Walkers find published minima, keep the rule of Metropolis, and go on where they stopped."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import kB
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.recognition.neighbours import point_group
from aiida_nanoclusters.science.sampling.basin_hopping import BasinHopping
from aiida_nanoclusters.science.sampling.settings import LONGEST, SHORTEST
from aiida_nanoclusters.science.sampling.walkers import Walker, is_accepted
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from tests.cluster_potentials import (
    EPSILON,
    LJ_MINIMA,
    SC_MINIMA,
    LennardJones,
    SuttonChen,
    relaxed,
)

BOND = 3.8  # of Lennard-Jones argon, Å
LJ19 = LJ_MINIMA[19] * EPSILON
LJ = {"temperature": 0.8 * EPSILON / kB, "distance": BOND}


def run(search, potential, rounds=None):
    """Drive a search to its end, or for some rounds."""
    while not search.is_finished and rounds != 0:
        search.update({key: relaxed(atoms, potential) for key, atoms in search.next().items()})
        rounds = None if rounds is None else rounds - 1
    return search


def labelled(atoms, energy=-1.0, positions=None):
    copy = atoms.copy()
    if positions is not None:
        copy.positions = positions
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=np.zeros((len(copy), 3)))
    return copy


# -- truths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [{"shake": 1}, {"shake": 0.5, "angular": 0.2, "relocate": 0.3}])
def test_published_minima_of_several_sizes_are_found_in_one_search(moves) -> None:
    search, potential = BasinHopping("Ar", [19, 7, 13], 2, 150, moves=moves, **LJ), LennardJones()
    while not search.is_finished and (search.table()[-1]["lowest"] or 0.0) > LJ19 + 1e-4:
        run(search, potential, rounds=1)
    frames = search.minima(keep=1)
    assert frames.sizes.tolist() == [7, 13, 19]
    assert frames.energies[1:] / EPSILON == pytest.approx([LJ_MINIMA[13], LJ_MINIMA[19]], abs=1e-4)
    assert frames.energies[0] / EPSILON == pytest.approx(-16.505384, abs=1e-4)
    assert [point_group(atoms) for atoms in frames] == ["D5h", "Ih", "D5h"]


def test_published_minima_of_copper_are_found() -> None:
    search = run(BasinHopping("Cu", [8, 13], 2, 15, temperature=1500), SuttonChen())
    energies = search.minima(keep=1, level_of_theory="Sutton-Chen").energies
    assert energies == pytest.approx([SC_MINIMA[8], SC_MINIMA[13]], abs=1e-4)


@pytest.mark.parametrize("potential", [LennardJones(), SuttonChen()])
def test_forces_are_the_slope_of_the_energy(potential) -> None:
    positions = np.random.default_rng(0).normal(size=(6, 3)) * 0.2
    positions += 3.0 * np.array([[i % 2, i // 2 % 2, i // 4] for i in range(6)])
    _, gradient = potential.evaluate(positions)
    for index in np.ndindex(3, 3):
        ends = []
        for change in (-1e-5, 1e-5):
            moved = positions.copy()
            moved[index] += change
            ends.append(potential.evaluate(moved)[0])
        assert (ends[1] - ends[0]) / 2e-5 == pytest.approx(gradient[index], rel=1e-5, abs=1e-8)


def test_metropolis_visits_two_states_as_boltzmann_says() -> None:
    gap, temperature, rng = 0.05, 600.0, np.random.default_rng(1)
    energies, state, visits = (0.0, gap), 0, [0, 0]
    for draw in rng.random(200_000):
        other = 1 - state
        if is_accepted(energies[other] - energies[state], temperature, draw):
            state = other
        visits[state] += 1
    assert visits[1] / visits[0] == pytest.approx(np.exp(-gap / (kB * temperature)), rel=0.02)


def test_metropolis_at_its_limits() -> None:
    assert is_accepted(0.0, 0.0, 0.999) and is_accepted(-1.0, 300.0, 0.999)
    assert not is_accepted(1e-9, 0.0, 0.0)
    assert is_accepted(kB * 300.0, 300.0, 0.367) and not is_accepted(kB * 300.0, 300.0, 0.369)


def test_shakes_follow_the_acceptance() -> None:
    walker = Walker(13, 0, 0.35)
    for _ in range(200):
        walker.adapt(True, 0.5)
    assert walker.step == LONGEST
    for _ in range(400):
        walker.adapt(False, 0.5)
    assert walker.step == SHORTEST
    # The share of accepted shakes falls with their length: it settles where they meet.
    rng = np.random.default_rng(3)
    for _ in range(3000):
        walker.adapt(bool(rng.random() < np.exp(-walker.step / 0.3)), 0.5)
    assert walker.step == pytest.approx(-0.3 * np.log(0.5), rel=0.35)


# -- one history -------------------------------------------------------------------------------


def test_resumed_anywhere_is_as_never_stopped() -> None:
    settings = {"sizes": [6, 8], "walkers": 1, "steps": 14, "seed": 5, **LJ}
    whole = run(BasinHopping("Ar", **settings), LennardJones()).state
    for stop in (0, 1, 12):
        first = run(BasinHopping("Ar", **settings), LennardJones(), rounds=stop)
        again = BasinHopping.from_state(json.loads(json.dumps(first.state)))
        assert run(again, LennardJones()).state == whole


def test_asking_and_looking_change_nothing() -> None:
    search = run(BasinHopping("Ar", [7], 2, 5, **LJ), LennardJones(), rounds=2)
    before = json.dumps(search.state)
    first, again = search.next(), search.next()
    assert all(np.array_equal(first[key].positions, again[key].positions) for key in first)
    search.table(), search.minima()
    state = search.state
    state["walkers"][0]["positions"][0][0] = state["minima"][0]["positions"][0][0] = 99.0
    state["settings"]["sizes"].append(99)
    assert json.dumps(search.state) == before


def test_walkers_go_their_own_way() -> None:
    potential = LennardJones()
    many = run(BasinHopping("Ar", [8, 7], 2, 8, seed=2, **LJ), potential)
    one = run(BasinHopping("Ar", [7], 1, 8, seed=2, **LJ), potential)
    mine = [w for w in many.state["walkers"] if (w["size"], w["number"]) == (7, 0)]
    assert mine == one.state["walkers"]


def test_order_and_pace_of_walkers_do_not_matter() -> None:
    potential = LennardJones()
    together = run(BasinHopping("Ar", [5, 7], 2, 5, **LJ), potential)
    reverse = BasinHopping("Ar", [7, 5], 2, 5, **LJ)
    while not reverse.is_finished:
        asked = reversed(list(reverse.next().items()))
        reverse.update({key: relaxed(atoms, potential) for key, atoms in asked})
    single = BasinHopping("Ar", [5, 7], 2, 5, **LJ)
    while not single.is_finished:  # always the first alone
        key, atoms = next(iter(single.next().items()))
        single.update({key: relaxed(atoms, potential)})
    assert reverse.state["minima"] == together.state["minima"]
    assert reverse.state["walkers"] == together.state["walkers"]
    assert single.state["walkers"] == together.state["walkers"]
    assert reverse.table() == together.table() == single.table()


def test_seeds_are_told_apart() -> None:
    a, b = (BasinHopping("Cu", [10], 2, 5, seed=seed).next() for seed in (0, 1))
    assert not np.allclose(a[10, 0].positions, b[10, 0].positions)
    assert not np.allclose(a[10, 0].positions, a[10, 1].positions)


# -- what is proposed, what is taken -----------------------------------------------------------


@pytest.mark.parametrize("moves", ["shake", "angular", "relocate"])
def test_proposals_are_within_bounds_and_tell_their_origin(moves) -> None:
    search = BasinHopping("Cu", [2, 5, 38], 1, 30, moves={moves: 1}, step=0.8, acceptance=None)
    for step in range(30):
        asked = search.next()
        for (size, number), atoms in asked.items():
            assert pdist(atoms.positions).min() > 0.599 * 2.556
            assert atoms.info["parent"] == f"Cu{size}-{number:03d}"
            assert atoms.info["config_type"] == "minimum" and atoms.info["seed"] > 0
            assert (atoms.info["step"], atoms.info["move"]) == (step, moves if step else "start")
        search.update({key: labelled(atoms, -float(step)) for key, atoms in asked.items()})


@pytest.mark.parametrize("move", ["angular", "relocate"])
def test_surface_moves_leave_the_rest_alone(move) -> None:
    search = BasinHopping("Cu", [14], 1, 2, moves={move: 1})
    core = mackay_icosahedron("Cu", 1, 2.5)
    start = core + Atoms("Cu", positions=[[0, 0, 5.2]])
    search.update({(14, 0): labelled(start)})
    moved = search.next()[14, 0].positions
    kept = moved[:13] - moved[0]
    assert np.allclose(kept, core.positions - core.positions[0], atol=1e-9)
    nearest = np.linalg.norm(moved[13] - moved[:13], axis=1).min()
    assert nearest == pytest.approx(2.556, abs=0.01)


def test_broken_structures_are_refused_and_the_walker_goes_on() -> None:
    search = BasinHopping("Cu", [13], 6, 3)
    good = mackay_icosahedron("Cu", 1, 2.5)
    gone, close, lost = (np.array(good.positions) for _ in range(3))
    gone[12] *= 4
    close[12] = close[11] + [0.9, 0, 0]
    lost[12] = np.nan
    silent = good.copy()
    results = {
        (13, 0): labelled(good, -34.8),
        (13, 1): labelled(good, -99.0, gone),
        (13, 2): labelled(good, -99.0, close),
        (13, 3): labelled(good, -99.0, lost),
        (13, 4): silent,
        (13, 5): None,
    }
    search.update(results)
    (row,) = search.table()
    assert row["refused"] == {
        "collapsed": 1,
        "evaporated": 1,
        "failed": 1,
        "not finite": 1,
        "without energy": 1,
    }
    assert (row["relaxations"], row["minima"], row["lowest"]) == (6, 1, -34.8)
    moves = {key: atoms.info["move"] for key, atoms in search.next().items()}
    assert moves[13, 0] != "start" and set(list(moves.values())[1:]) == {"start"}


def test_nothing_but_failures_ends_all_the_same() -> None:
    search = BasinHopping("Cu", [5], 2, 3)
    while not search.is_finished:
        search.update(dict.fromkeys(search.next()))
    assert search.table()[0]["refused"] == {"failed": 6}
    with pytest.raises(ValueError, match="no minimum so far"):
        search.minima()


def test_boxes_of_plane_waves_are_taken_off() -> None:
    search = BasinHopping("Cu", [13], 2, 2)
    good = mackay_icosahedron("Cu", 1, 2.5)
    boxed = good.copy()
    boxed.set_cell(np.eye(3) * 16.0)
    boxed.pbc = True
    boxed.positions += [7.5, 0.0, 15.9]
    boxed.wrap()
    tight = boxed.copy()
    tight.set_cell(np.eye(3) * 9.0)
    search.update({(13, 0): labelled(boxed), (13, 1): labelled(tight)})
    found = search.minima()
    assert not found.pbc.any() and len(found) == 1
    assert np.allclose(np.sort(pdist(found[0].positions)), np.sort(pdist(good.positions)))
    assert search.table()[0]["refused"] == {"fills its box": 1}


def test_minima_are_told_apart_however_turned() -> None:
    search = BasinHopping("Cu", [13], 3, 1)
    good = mackay_icosahedron("Cu", 1, 2.5)
    turned = good.copy()
    turned.rotate(33, "xyz")
    turned.positions = turned.positions[::-1] * [-1, 1, 1]
    other = good[:12] + Atoms("Cu", positions=[good.positions[1] * 1.9])
    energies = (-34.8, -34.8001, -33.0)
    keys = [(13, k) for k in range(3)]
    found = [labelled(a, e) for a, e in zip((good, turned, other), energies, strict=True)]
    search.update(dict(zip(keys, found, strict=True)))
    frames = search.minima()
    assert [atoms.info["hits"] for atoms in frames] == [2, 1]
    assert frames.parents.tolist() == ["Cu13-000", "Cu13-002"]
    assert frames.labelled.all() and set(frames.config_types) == {"minimum"}


def test_the_lowest_are_kept() -> None:
    potential = LennardJones()
    everything = run(BasinHopping("Ar", [9], 2, 20, **LJ), potential).minima()
    few = run(BasinHopping("Ar", [9], 2, 20, keep=3, **LJ), potential).minima()
    assert len(everything) > 3
    assert np.array_equal(few.energies, everything.energies[:3])


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({(99, 0): None}, "has no proposal"),
        ({(13, 0): Atoms("Cu12", positions=np.eye(12, 3))}, "give its own structure"),
        ({(13, 0): Atoms("Ag13", positions=np.eye(13, 3))}, "give its own structure"),
    ],
)
def test_foreign_results_are_refused_as_a_whole(results, message) -> None:
    search = BasinHopping("Cu", [13], 2, 2)
    before = search.state
    with pytest.raises(ValueError, match=message):
        search.update({(13, 1): None, **results})
    assert search.state == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": []}, "from 2 up"),
        ({"sizes": [1]}, "from 2 up"),
        ({"sizes": [13, 13]}, "each once"),
        ({"walkers": 0}, "`walkers` is 0: input should be greater than or equal to 1"),
        ({"steps": 0}, "`steps` is 0: input should be greater than or equal to 1"),
        ({"keep": 0}, "`keep` is 0: input should be greater than or equal to 1"),
        ({"temperature": -1}, "`temperature` is -1: input should be greater than or equal to 0"),
        ({"seed": -1}, "`seed` is -1: input should be greater than or equal to 0"),
        ({"step": 2.0}, "`step` is 2.0: input should be less than or equal to 0.8"),
        ({"acceptance": 1.0}, "`acceptance` is 1.0: input should be less than 1"),
        ({"moves": {"swap": 1}}, "choose from shake"),
        ({"moves": {"shake": 0}}, "at least one"),
        ({"moves": {}}, "at least one"),
        ({"bounds": [0.9, 1.6]}, "`bounds`: .* the first between 0 and 0.85"),
        ({"bounds": [0.6]}, "`bounds.1` is missing: give Shortest distance"),
        ({"distance": -2.0}, "`distance` is -2.0: input should be greater than 0"),
        ({"element": "Xx"}, "no data for element"),
    ],
)
def test_settings_without_sense_are_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        BasinHopping(**{"element": "Cu", "sizes": [13], **settings})
