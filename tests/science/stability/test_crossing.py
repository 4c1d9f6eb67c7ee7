import json

import numpy as np
import pytest
from scipy.optimize import brentq

from aiida_nanoclusters.science.stability.crossing import (
    difference_curve,
    find_crossing,
    sphere_diameter_nm,
    two_sides,
)
from aiida_nanoclusters.science.stability.elasticity import Crystal
from aiida_nanoclusters.science.stability.expansion import fit_families
from aiida_nanoclusters.science.stability.least_squares import design

ICOSAHEDRA = np.array([147, 309, 561, 923, 1415, 2057, 2869, 3871])
OCTAHEDRA = np.array([201, 586, 1289, 2406, 4033, 6266, 9201])
ICOSAHEDRON = np.array([-3.531, 2.081, 0.403, 0.010])
OCTAHEDRON = np.array([-3.540, 2.167, 0.457, -0.004])


def difference(n, icosahedron=ICOSAHEDRON, octahedron=OCTAHEDRON):
    return design(n) @ (icosahedron - octahedron) / n


TRUTH = brentq(difference, 200, 5000)


def families(scale=0.0, seed=0, shifts=(0.0,), icosahedron=ICOSAHEDRON, octahedron=OCTAHEDRON):
    """Energies with the error model's noise; ``shifts`` (eV/atom) of the icosahedra by member."""
    rng = np.random.default_rng(seed)
    data = {}
    for motif, n, c, own in (
        ("icosahedron", ICOSAHEDRA, icosahedron, np.array(shifts)),
        ("truncated octahedron", OCTAHEDRA, octahedron, np.zeros(len(shifts))),
    ):
        clean = design(n) @ c + scale * np.cbrt(n) * rng.standard_normal(len(n))
        data[motif] = (n, clean[:, None] + np.outer(n, own))
    return fit_families(data)


def test_a_known_crossing_is_recovered_exactly():
    found = find_crossing(families(), 100, 18000, atomic_volume=11.81)
    assert found.verdict == "crossing"
    assert found.size == pytest.approx(TRUTH, rel=1e-3)
    assert found.low == pytest.approx(TRUTH, rel=1e-3)
    assert found.high == pytest.approx(TRUTH, rel=1e-3)
    assert found.members == (pytest.approx(TRUTH, rel=1e-3),)
    assert found.diameter_nm == pytest.approx((6 * found.size * 0.01181 / np.pi) ** (1 / 3))
    assert f"N = {TRUTH:.0f}, 2.9 nm across" in found.describe()


def test_diameter_of_a_copper_cluster_of_8000_atoms():
    # Liu et al.: "8000 atoms (about 6 nm in diameter)", rounded up from the sphere of bulk density.
    assert sphere_diameter_nm(8000, 3.615**3 / 4) == pytest.approx(5.65, abs=0.01)


def test_interval_covers_the_truth_as_often_as_it_says():
    covered = [
        found.low is not None and found.high is not None and found.low <= TRUTH <= found.high
        for seed in range(200)
        for found in [find_crossing(families(0.004, seed), 100, 18000, n_samples=1000, seed=seed)]
    ]
    assert 0.80 <= np.mean(covered) <= 0.97


def test_higher_confidence_is_wider_and_equal_seeds_are_equal():
    fits = families(0.004, 7)
    wide = find_crossing(fits, 100, 18000, confidence=0.95)
    narrow = find_crossing(fits, 100, 18000, confidence=0.5)
    assert wide.half_width > 1.5 * narrow.half_width
    assert wide == find_crossing(fits, 100, 18000, confidence=0.95)


def test_no_crossing_is_said_only_where_the_curves_agree():
    lower = ICOSAHEDRON - np.array([0.0035, 0, 0, 0])  # 0.6 meV/atom are missing at N = 3000
    found = find_crossing(families(0.004, icosahedron=lower), 100, 3000)
    assert found.verdict == "no crossing below n_max"
    assert (found.size, found.high, found.members) == (None, None, (None,))
    assert found.probability_beyond == 1.0
    assert "no crossing" in found.describe()
    noisy = find_crossing(families(0.2, 1, icosahedron=lower), 100, 3000)
    assert noisy.verdict != "no crossing below n_max"
    assert noisy.high is None and "beyond n_max = 3000" in noisy.describe()


def test_crystals_may_win_everywhere():
    found = find_crossing(families(0.001), 1500, 18000)
    assert found.verdict == "always crystal"
    assert (found.size, found.low) == (None, None)
    assert "at every size from N = 1500" in found.describe()


def test_the_last_crossing_counts():
    # Crystals are lower below about 200 and above 1000, icosahedra in between.
    x = np.cbrt([200.0, 1000.0, 100.0])
    roots = np.poly([1 / x[0], 1 / x[1]])  # in N^(-1/3): dE/N ~ (y - y1)(y - y2)
    odd = OCTAHEDRON + np.array([roots[2], roots[1], roots[0], 0.0])
    fits = families(icosahedron=odd)
    assert difference(150.0, odd) > 0 > difference(500.0, odd)
    found = find_crossing(fits, 100, 18000)
    assert found.size == pytest.approx(1000, rel=1e-3)


def test_committee_widens_the_interval_asymmetrically():
    shifts = np.array([-0.0008, -0.0003, 0.0003, 0.0008])
    found = find_crossing(families(0.0005, shifts=shifts), 100, 40000)
    own = [brentq(lambda n, s=s: difference(n) + s, 200, 40000) for s in shifts]
    assert found.members == pytest.approx(own, rel=0.02)
    assert found.size == pytest.approx(TRUTH, rel=0.02)
    assert found.low < min(own) < max(own) < found.high
    # dE/N flattens with N, so that equal energies reach further up than down.
    assert found.high - found.size > 1.2 * (found.size - found.low)
    alone = find_crossing(families(0.0005, shifts=shifts), 100, 40000, committee=False)
    assert alone.half_width < 0.1 * found.half_width


def test_members_that_never_cross_leave_the_interval_open():
    shifts = (-0.02, -0.018, 0.0, 0.001)
    found = find_crossing(families(0.0005, shifts=shifts), 100, 18000)
    assert found.members[:2] == (None, None)
    assert found.members[2] == pytest.approx(TRUTH, rel=0.02)
    assert found.high is None
    assert found.half_width == np.inf
    assert "2 of 4 committee members cross" in found.describe()


def test_systematic_error_shifts_whole_curves():
    found = find_crossing(families(), 100, 18000, systematic_mev=0.5, n_samples=20000)
    low = brentq(lambda n: difference(n) + 1.6449 * 0.0005, 200, 5000)
    high = brentq(lambda n: difference(n) - 1.6449 * 0.0005, 200, 5000)
    assert found.size == pytest.approx(TRUTH, rel=1e-3)
    assert found.low == pytest.approx(low, rel=0.01)
    assert found.high == pytest.approx(high, rel=0.01)
    assert find_crossing(families(), 100, 18000, systematic_mev=20).high is None


def test_of_several_crystals_the_lowest_counts():
    better = OCTAHEDRON - np.array([0, 0.02, 0, 0])
    n = OCTAHEDRA + 5
    data = {
        "icosahedron": (ICOSAHEDRA, design(ICOSAHEDRA) @ ICOSAHEDRON),
        "truncated octahedron": (OCTAHEDRA, design(OCTAHEDRA) @ OCTAHEDRON),
        "Wulff": (n, design(n) @ better),
    }
    found = find_crossing(fit_families(data), 100, 18000)
    earlier = brentq(lambda n: difference(n, octahedron=better), 50, 5000)
    assert found.size == pytest.approx(earlier, rel=1e-3) and earlier < TRUTH
    only = find_crossing(fit_families(data), 100, 18000, crystal=["truncated octahedron"])
    assert only.size == pytest.approx(TRUTH, rel=1e-3)


#: Copper by the SevenNet potential 7net-0, eV/atom; moduli by strained cells.
SEVENNET = {
    "icosahedron": {147: -3.620975, 309: -3.733394, 561: -3.802937, 923: -3.849905},
    "truncated octahedron": {201: -3.667366, 405: -3.762413, 586: -3.804592},
}
SEVENNET_CRYSTAL = Crystal(-4.096215, 11.786, 0.8887, 0.2493)


def sevennet(largest, **options):
    data = {}
    for motif, table in SEVENNET.items():
        sizes = np.array([n for n in table if n <= largest])
        data[motif] = (sizes, sizes * [table[n] for n in sizes])
    return find_crossing(fit_families(data, **options), 100, 20000)


def test_strain_that_no_crystal_can_have_does_not_forbid_a_crossing():
    as_before = sevennet(586, bounded=False)
    assert as_before.probability_beyond > 0.5
    assert sevennet(586).verdict != "no crossing below n_max"
    assert sevennet(586).probability_beyond < 0.3
    three, four = (sevennet(n, bulk_crystal=SEVENNET_CRYSTAL) for n in (586, 923))
    for found in (three, four):
        assert found.verdict == "crossing"
        assert found.high / found.low < 5
    # One more icosahedron does not change the answer.
    assert three.size == pytest.approx(four.size, rel=0.2)
    assert three.low < four.size < three.high and four.low < three.size < four.high


def test_intervals_of_few_sizes_hold_the_truth_where_the_crystal_is_known():
    """Families whose strain, edges and errors are those of fcc metals."""
    covered, ratios = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        crystal = Crystal(-3.54, 11.81, 0.864, 0.344)
        strain = crystal.elastic_energy("icosahedron")[0] * rng.normal(1.35, 0.05)
        own = np.array([-3.54 + strain, 2.09, *rng.normal((0.48, 0.05), 0.35)])
        octahedron = np.array([-3.54, 2.18, *rng.normal((0.48, 0.05), 0.35)])
        grid = np.geomspace(100, 20000, 4000)
        lower = np.flatnonzero(design(grid) @ (own - octahedron) <= 0)
        if not len(lower) or lower[-1] == len(grid) - 1:
            continue
        data = {
            motif: (n, design(n) @ c + 3e-4 * np.cbrt(n) * rng.standard_normal(3))
            for motif, n, c in (
                ("icosahedron", ICOSAHEDRA[:3], own),
                ("truncated octahedron", OCTAHEDRA[:3], octahedron),
            )
        }
        found = find_crossing(fit_families(data, bulk_crystal=crystal), 100, 20000, n_samples=1000)
        low, high = found.low or 0.0, found.high or np.inf
        covered.append(low <= grid[lower[-1]] <= high)
        ratios.append(high / max(low, 100))
    assert len(covered) > 30
    assert np.mean(covered) >= 0.85
    assert np.median(ratios) < 1.5  # without the crystal the median is above 10


def test_curve_and_band_to_plot():
    grid = np.geomspace(150, 9000, 30)
    fits = families(0.004, 3, shifts=(-0.0002, 0.0, 0.0002))
    curve = difference_curve(fits, grid)
    assert curve.best == pytest.approx(difference(grid), abs=1e-3)
    assert (curve.low < curve.median).all() and (curve.median < curve.high).all()
    assert curve.members.shape == (3, 30)
    assert curve.members[2] - curve.members[0] == pytest.approx(np.full(30, 4e-4), abs=1e-9)
    found = find_crossing(fits, 100, 18000)
    at_ends = difference_curve(fits, [found.low, found.high])
    assert at_ends.high[0] == pytest.approx(0, abs=1e-4)  # the band leaves zero at the interval's
    assert at_ends.low[1] == pytest.approx(0, abs=1e-4)  # ends, where each curve crosses once


def test_as_dict_is_json():
    found = find_crossing(families(0.004, 3), 100, 18000, atomic_volume=11.81)
    again = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert again["size"] == found.size and again["sentence"] == found.describe()
    assert again["crystal"] == ["truncated octahedron"]


def test_sides_by_name_and_refusals():
    motifs = ["Marks decahedron", "Wulff", "icosahedron"]
    assert two_sides(motifs) == (("Marks decahedron", "icosahedron"), ("Wulff",))
    assert two_sides(motifs, cluster=["icosahedron"], crystal=["Wulff"])[0] == ("icosahedron",)
    with pytest.raises(ValueError, match="unknown motifs amorphous"):
        two_sides(motifs, cluster=["amorphous"])
    with pytest.raises(ValueError, match="name the icosahedral motifs as cluster"):
        two_sides(["Wulff"])
    for bad in ({"n_min": 0, "n_max": 10}, {"n_min": 10, "n_max": 10}):
        with pytest.raises(ValueError, match="n_min < n_max"):
            find_crossing(families(), **bad)
    with pytest.raises(ValueError, match="confidence"):
        find_crossing(families(), 100, 1000, confidence=90)
