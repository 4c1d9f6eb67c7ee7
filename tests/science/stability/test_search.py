"""The search against a full grid of relaxed copper clusters.

COPPER was made with LAMMPS (22 Jul 2025, serial) and ``Cu_mishin1.eam.alloy`` of its own
potentials; relaxing all 26 clusters takes half a minute. The script::

    from ase.cluster import Icosahedron, Octahedron
    from ase.io import write

    clusters = [Icosahedron("Cu", shells, 3.615) for shells in range(3, 19)]
    clusters += [Octahedron("Cu", 3 * cut + 1, cut, 3.615) for cut in range(1, 11)]
    for atoms in clusters:
        atoms.set_tags(0)
        atoms.set_pbc(False)
        atoms.center(vacuum=10.0)
        write("in.data", atoms, format="lammps-data", masses=True)
        # lmp -in in.lmp, then read "Energy initial, next-to-last, final" and
        # "Iterations, force evaluations" from its output

with in.lmp::

    units metal
    atom_style atomic
    boundary s s s
    read_data in.data
    pair_style eam/alloy
    pair_coeff * * Cu_mishin1.eam.alloy Cu
    neighbor 1.0 bin
    min_style cg
    minimize 0.0 1.0e-3 2000 20000

The bulk energy and volume per atom are those of the relaxed fcc cell with the same potential.
"""

import json

import numpy as np
import pytest
from scipy.optimize import brentq

from aiida_nanoclusters.science.stability import search as search_module
from aiida_nanoclusters.science.stability.crossing import find_crossing
from aiida_nanoclusters.science.stability.expansion import fit_families
from aiida_nanoclusters.science.stability.least_squares import design
from aiida_nanoclusters.science.stability.search import CrossoverSearch, families_problem
from aiida_nanoclusters.science.stability.settings import CrossoverSettings
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from tests.science.stability.test_elasticity import MISHIN

IH, TO = "icosahedron", "truncated octahedron"
# Motif -> size: (relaxed energy in eV, force evaluations of the relaxation).
COPPER = {
    IH: {
        55: (-162.610864928205, 14),
        147: (-458.968850464344, 23),
        309: (-993.238734721127, 36),
        561: (-1836.0220279899, 43),
        923: (-3057.93443901178, 60),
        1415: (-4729.59447907916, 60),
        2057: (-6921.62163373147, 78),
        2869: (-9704.63601105814, 80),
        3871: (-13149.2581547825, 108),
        5083: (-17326.1088775981, 107),
        6525: (-22305.809221023, 120),
        8217: (-28158.9803812014, 156),
        10179: (-34956.2436386746, 161),
        12431: (-42768.2203832271, 151),
        14993: (-51665.5320741196, 173),
        17885: (-61718.8001967257, 201),
    },
    TO: {
        38: (-108.578949900658, 16),
        201: (-634.543909910584, 28),
        586: (-1918.95592774325, 42),
        1289: (-4301.62207329017, 56),
        2406: (-8122.38904975868, 68),
        4033: (-13721.1092279472, 78),
        6266: (-21437.6375561329, 92),
        9201: (-31611.8305814038, 102),
        12934: (-44583.5458993937, 114),
        17561: (-60692.6418258745, 126),
    },
}
BULK_ENERGY, BULK_VOLUME = -3.54021833, 11.80967392


def crossing_by_lstsq(powers):
    """Crossing of two ordinary fits of E(N) in powers of N^(1/3) to all sizes above 100."""
    fitted = {}
    for motif, table in COPPER.items():
        sizes = np.array([n for n in table if n > 100])
        energies = np.array([table[n][0] for n in sizes])
        # Rows divided by N^(1/3), the scale of what the expansion leaves out.
        edge = np.cbrt(sizes)[:, None]
        matrix = edge ** np.array(powers)
        fitted[motif] = np.linalg.lstsq(matrix / edge, energies / edge[:, 0], rcond=None)[0]

    def difference(n):
        return np.cbrt(n) ** np.array(powers) @ (fitted[IH] - fitted[TO])

    return brentq(difference, 300, 3000)


FULL_GRID = crossing_by_lstsq((3, 2, 1, 0))


def copper_fits(**options):
    data = {m: (list(d), [energy for energy, _ in d.values()]) for m, d in COPPER.items()}
    return fit_families(data, **options)


def copper_search(**options):
    families = {motif: list(sizes) for motif, sizes in COPPER.items()}
    return CrossoverSearch(families, atomic_volume=BULK_VOLUME, **options)


def run(search, energy):
    """Drive a search to its end; returns the batches."""
    batches = []
    while not search.is_finished:
        batches.append(search.next())
        search.update({(motif, n): energy(motif, n) for motif, n in batches[-1]})
    return batches


def copper(motif, n):
    return COPPER[motif][n][0]


ICOSAHEDRON = np.array([-3.531, 2.081, 0.403, 0.010])
OCTAHEDRON = np.array([-3.540, 2.167, 0.457, -0.004])


def smooth(motif, n, strain=0.0):
    """Energies of a known expansion; ``strain`` (eV/atom) is added to the icosahedra's."""
    coefficients = ICOSAHEDRON + np.array([strain, 0, 0, 0]) if motif == IH else OCTAHEDRON
    return float(design(n) @ coefficients)


def uneven(motif, n, **options):
    """The same with reproducible noise of the fit's error model."""
    noise = np.random.default_rng([n, motif == IH]).standard_normal()
    return smooth(motif, n, **options) + 0.003 * float(np.cbrt(n)) * noise


TRUTH = brentq(lambda n: (smooth(IH, n) - smooth(TO, n)) / n, 200, 5000)


# ------------------------------------------------------------------ copper


@pytest.mark.parametrize("terms", [(3, 2, 1, 0), (3, 2, 1)])
def test_full_grid_of_copper(terms):
    found = find_crossing(copper_fits(terms=terms), 100, 17885, atomic_volume=BULK_VOLUME)
    assert found.verdict == "crossing"
    # The root between two of 200 sizes evenly spaced in log N is found by a straight line.
    assert found.size == pytest.approx(crossing_by_lstsq(terms), rel=1e-4)
    assert found.low < crossing_by_lstsq(terms) < found.high
    assert found.diameter_nm == pytest.approx(2.83, abs=0.02)


def test_volume_terms_are_the_bulk_and_the_strain_energy():
    fits = copper_fits().fits
    energy, error = fits[TO].coefficients[0], np.sqrt(fits[TO].covariance[0, 0])
    assert energy == pytest.approx(BULK_ENERGY, abs=2e-4)
    assert error < 1e-4
    # Strain of icosahedra by continuum elasticity: some 10 meV/atom, positive.
    assert 0.005 < fits[IH].coefficients[0] - BULK_ENERGY < 0.02
    fixed = find_crossing(copper_fits(bulk_energy={TO: BULK_ENERGY}), 100, 17885)
    assert fixed.size == pytest.approx(FULL_GRID, rel=0.01)


@pytest.mark.parametrize("width", [0.03, 0.003])
def test_search_finds_the_crossing_of_copper_cheaply(width):
    search = copper_search(width=width)
    run(search, copper)
    found = search.result()
    assert found.verdict == "crossing"
    assert found.size == pytest.approx(FULL_GRID, rel=0.03)
    assert found.low <= FULL_GRID <= found.high
    assert found.half_width <= width
    grid = [(n, steps) for d in COPPER.values() for n, (_, steps) in d.items()]
    used = [(n, COPPER[motif][n][1]) for motif, n in search.relaxed]
    assert sum(n for n, _ in used) < sum(n for n, _ in grid) / 3
    assert sum(steps for _, steps in used) < sum(steps for _, steps in grid) / 3
    assert sum(n * steps for n, steps in used) < sum(n * steps for n, steps in grid) / 3
    for motif in COPPER:  # bracketed, without the largest sizes
        sizes = [n for m, n in search.relaxed if m == motif]
        assert min(sizes) < found.size < max(sizes) < 7000


def known(crystal):
    return {"crystal_properties": crystal.as_dict()}


def test_a_known_crystal_finds_the_crossing_of_copper_from_small_clusters():
    search, free = copper_search(n_max=2406, **known(MISHIN)), copper_search(n_max=2406)
    run(search, copper)
    run(free, copper)
    found = search.result()
    assert found.low <= FULL_GRID <= found.high
    assert found.half_width <= 0.03
    assert len(search.relaxed) <= len(free.relaxed)
    first = copper_search(**known(MISHIN))
    three = {(IH, n): copper(IH, n) for n in (147, 309, 561)}
    first.update(three | {(TO, n): copper(TO, n) for n in (201, 586, 1289)})
    early = first.result()
    assert early.low < FULL_GRID < early.high and early.half_width < 0.15
    strain = first.strain_energies()[IH]
    assert strain["fitted"] == pytest.approx(strain["expected"], abs=2 * strain["standard_error"])
    assert search.strain_energies()[IH]["fitted"] == pytest.approx(9.2, abs=0.3)
    assert free.strain_energies() == {}
    again = CrossoverSearch.from_state(json.loads(json.dumps(first.state)))
    assert again.result() == early


def test_a_state_of_an_earlier_version_keeps_its_fits():
    search = copper_search(n_max=2406, bounded=False)
    search.update({(m, n): copper(m, n) for m, n in search.next()})
    state = json.loads(json.dumps(search.state))
    for added in ("bounded", "crystal_properties"):
        del state["settings"][added]
    again = CrossoverSearch.from_state(state)
    assert again.result() == search.result()
    assert again.fits().bound is None


def test_a_tight_budget_gives_a_wider_honest_interval():
    search = copper_search(budget=6000)
    run(search, copper)
    assert search.spent <= 6000
    assert "budget" in search.reason
    found = search.result()
    assert found.low < FULL_GRID < found.high
    assert found.half_width > 0.03


# ------------------------------------------------------------------ deciding


def full_families(n_max=18000):
    return {
        IH: [n for n in COPPER[IH] if n <= n_max],
        TO: [n for n in COPPER[TO] if n <= n_max],
    }


def test_exact_energies_give_the_exact_crossing():
    search = CrossoverSearch(full_families())
    run(search, smooth)
    # Five sizes carry three terms: what is left of the fourth is far inside the wanted width.
    assert search.result().size == pytest.approx(TRUTH, rel=2e-3)


def test_intervals_of_searches_cover_the_truth():
    """Stopping as soon as the interval looks narrow must not spoil it."""
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = {(m, n): rng.standard_normal() * np.cbrt(n) for m in COPPER for n in COPPER[m]}
        search = CrossoverSearch(full_families(), width=0.1, seed=seed, n_samples=500)
        run(search, lambda m, n, noise=noise: smooth(m, n) + 0.003 * noise[m, n])
        found = search.result()
        covered.append(found.low is not None and found.low <= TRUTH <= (found.high or np.inf))
    assert np.mean(covered) >= 0.8


def test_no_crossing_is_said_after_a_look_at_large_sizes():
    search = CrossoverSearch(full_families())
    run(search, lambda motif, n: uneven(motif, n, strain=-0.009))
    found = search.result()
    assert found.verdict == "no crossing below n_max"
    assert search.reason == "no crossing below n_max"
    for motif in (IH, TO):
        assert max(n for m, n in search.relaxed if m == motif) >= 17885 / 3


def test_always_crystal_is_said_without_large_sizes():
    search = CrossoverSearch(full_families())
    run(search, lambda motif, n: uneven(motif, n, strain=0.1))
    assert search.result().verdict == "always crystal"
    assert max(n for _, n in search.relaxed) < 5000


def test_a_late_crossing_is_approached_in_steps():
    search = CrossoverSearch(full_families(), width=0.1)
    late = brentq(lambda n: (smooth(IH, n, -0.0045) - smooth(TO, n)) / n, 1000, 18000)
    batches = run(search, lambda motif, n: uneven(motif, n, strain=-0.0045))
    found = search.result()
    assert found.verdict == "crossing" and found.low < late < found.high
    assert max(n for _, n in batches[0]) < 3000
    for motif in (IH, TO):
        sizes = [n for m, n in search.relaxed if m == motif]
        assert min(sizes) < late < max(sizes)


def test_the_search_stops_where_only_the_committee_disagrees():
    shifts = np.array([-0.0010, 0.0, 0.0008])

    def energies(motif, n):
        return uneven(motif, n) + (n * shifts if motif == IH else 0.0 * shifts)

    search = CrossoverSearch(full_families(), width=0.02)
    run(search, energies)
    found = search.result()
    assert "potential's own uncertainty" in search.reason
    assert found.half_width > 0.1
    assert len(found.members) == 3 and found.members[0] > found.members[1] > found.members[2]
    assert len(search.relaxed) < 16
    systematic = CrossoverSearch(full_families(), width=0.02, systematic_mev=1.0)
    run(systematic, uneven)
    assert systematic.result().half_width > 0.2
    assert len(systematic.relaxed) < 16


def test_a_third_family_is_carried_along():
    families = full_families() | {"Wulff": [n + 5 for n in COPPER[TO] if n > 100]}

    def energy(motif, n):
        return uneven(TO, n) - 0.02 * n ** (2 / 3) if motif == "Wulff" else uneven(motif, n)

    search = CrossoverSearch(families, width=0.1, shared_bulk=[TO, "Wulff"])
    run(search, energy)
    found = search.result()
    assert found.crystal == (TO, "Wulff")
    earlier = brentq(lambda n: smooth(IH, n) - smooth(TO, n) + 0.02 * n ** (2 / 3), 100, 5000)
    assert found.low < earlier < found.high
    assert found.size < TRUTH


# ------------------------------------------------------------------ resuming


def test_state_through_json_continues_alike():
    bulk = {TO: OCTAHEDRON[0]}
    search = CrossoverSearch(full_families(), width=0.005, bulk_energy=bulk, seed=3)
    while not search.is_finished:
        again = CrossoverSearch.from_state(json.loads(json.dumps(search.state, allow_nan=False)))
        assert again.state == search.state
        assert again.next() == search.next() == search.next()
        search.update({(m, n): uneven(m, n) for m, n in search.next()})
    finished = CrossoverSearch.from_state(json.loads(json.dumps(search.state)))
    assert finished.is_finished and finished.reason == search.reason
    assert finished.result() == search.result()


def test_the_plan_is_decided_once_and_travels_with_the_state(monkeypatch):
    search = CrossoverSearch(full_families(), width=0.005)
    search.update({(m, n): uneven(m, n) for m, n in search.next()})
    calls = []

    def counted(*args, **options):
        calls.append(options)
        return find_crossing(*args, **options)

    monkeypatch.setattr(search_module, "find_crossing", counted)
    state = json.loads(json.dumps(search.state))
    assert len(calls) == 2  # with all sources of error, and with that of the fits alone
    again = CrossoverSearch.from_state(state)
    assert (again.next(), again.reason) == (search.next(), search.reason)
    assert not again.is_finished and again.state == state
    assert len(calls) == 2
    again.update({(m, n): uneven(m, n) for m, n in again.next()})
    assert again.next() != [tuple(cluster) for cluster in state["plan"]["clusters"]]
    assert len(calls) == 4


def test_a_state_of_an_earlier_version_has_no_plan_and_is_planned_anew():
    search = CrossoverSearch(full_families())
    while not search.is_finished:
        earlier = {name: value for name, value in search.state.items() if name != "plan"}
        assert set(earlier) == {"settings", "results"}
        assert CrossoverSearch.from_state(earlier).state == search.state
        search.update({(m, n): uneven(m, n) for m, n in search.next()})


def test_a_cluster_that_comes_twice_counts_once():
    search = CrossoverSearch(full_families(), width=0.01)
    first = {(m, n): uneven(m, n) for m, n in search.next()}
    search.update(first)
    before = (search.next(), search.spent, search.result())
    search.update(first)
    search.update({key: first[key] for key in list(first)[:2]})
    assert (search.next(), search.spent, search.result()) == before
    key = (IH, 923)
    search.update({key: first[key] + 1.0})
    assert search.result().size != before[2].size
    assert search.spent == before[1]


def test_failed_sizes_are_skipped_and_replaced():
    search = CrossoverSearch(full_families(), width=0.03)
    first = search.next()
    search.update({(m, n): np.nan if (m, n) == (IH, 309) else uneven(m, n) for m, n in first})
    second = search.next()
    assert search.failed == [(IH, 309)]
    assert second and all(m == IH for m, _ in second) and (IH, 309) not in second
    run(search, uneven)
    assert (IH, 309) not in search.relaxed
    assert search.result().low < TRUTH < search.result().high
    one_member = CrossoverSearch(full_families())
    one_member.update({(IH, 147): [-458.9, np.inf]})
    assert one_member.failed == [(IH, 147)]


def test_all_failed_ends_and_says_what_is_missing():
    search = CrossoverSearch(full_families())
    run(search, lambda motif, n: np.nan)
    assert search.is_finished and not search.relaxed
    assert "relax 3 more" in search.reason
    with pytest.raises(ValueError, match="icosahedron: 0 sizes are too few"):
        search.result()


def test_refusals_name_the_fix():
    with pytest.raises(ValueError, match="truncated octahedron: no size between 100 and 200"):
        CrossoverSearch({IH: [147], TO: [38, 201]}, n_max=200)
    with pytest.raises(ValueError, match="n_min < n_max"):
        CrossoverSearch(full_families(), n_min=500, n_max=500)
    with pytest.raises(ValueError, match="name the icosahedral motifs"):
        CrossoverSearch({TO: [201, 586]})
    search = CrossoverSearch(full_families())
    with pytest.raises(ValueError, match="icosahedron of 148 atoms"):
        search.update({(IH, 148): -1.0})
    with pytest.raises(ValueError, match="one energy from each member"):
        search.update({(IH, 147): [-458.9, -458.8], (IH, 309): -993.2})
    assert not search.relaxed  # a refused update leaves nothing behind


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"n_max": 923}, "(2 of truncated octahedron; 3 are needed): raise `n_max`"),
        ({"n_max": 923, "shape": "best"}, None),
        ({"n_max": 1289}, None),
        ({"n_max": 400, "shape": "best"}, "(2 of icosahedron; 3 are needed)"),
        ({"n_max": 923, "families": ["icosahedron", "truncated octahedron", "Wulff"]}, None),
    ],
)
def test_ranges_with_too_few_closed_shells_are_told_before_anything_runs(change, problem) -> None:
    known = {"families": ["icosahedron", "truncated octahedron"], "shape": "regular", "n_min": 100}
    values = load_protocol("crossover", "tutorial", element="Cu")["settings"]
    found = families_problem(CrossoverSettings(**{**values, **known, **change}))
    assert found is None if problem is None else problem in found
