import numpy as np
import pytest
from scipy.optimize import curve_fit

from aiida_nanoclusters.science.stability.elasticity import STRAIN_RATIO, Crystal
from aiida_nanoclusters.science.stability.expansion import fit_families, fit_family
from aiida_nanoclusters.science.stability.least_squares import TERMS, design, select_terms
from aiida_nanoclusters.science.structures.motif_kinds import is_multiply_twinned

SIZES = np.array([147, 309, 561, 923, 1415, 2057, 2869, 3871])
CRYSTALS = np.array([201, 586, 1289, 2406, 4033, 6266])
ICOSAHEDRON = np.array([-3.531, 2.081, 0.403, 0.35])
OCTAHEDRON = np.array([-3.540, 2.167, 0.457, -0.20])


def noisy(sizes, coefficients, seed, scale=0.01):
    noise = np.random.default_rng(seed).standard_normal(len(sizes))
    return design(sizes) @ coefficients + scale * np.cbrt(sizes) * noise


@pytest.mark.parametrize(
    "motif",
    ["icosahedron", "incomplete icosahedron", "Marks decahedron", "Ih", "Dh", "Mackay icosahedra"],
)
def test_multiply_twinned_motifs_and_their_aliases(motif):
    assert is_multiply_twinned(motif)


@pytest.mark.parametrize("motif", ["truncated octahedron", "Wulff", "TO", "fcc", "octahedron"])
def test_single_crystals_are_not_multiply_twinned(motif):
    assert not is_multiply_twinned(motif)


def test_the_kind_of_a_motif_is_not_guessed_from_parts_of_its_name():
    with pytest.raises(ValueError, match="unknown motif 'untwinned nicotine'; known: icosahedron"):
        is_multiply_twinned("untwinned nicotine")


def test_exact_coefficients_are_recovered():
    fit = fit_family(SIZES, design(SIZES) @ ICOSAHEDRON)
    assert fit.terms == TERMS
    assert fit.coefficients == pytest.approx(ICOSAHEDRON, abs=1e-6)
    assert np.abs(fit.residuals).max() < 1e-8
    energy, error = fit.predict(5083)
    assert energy == pytest.approx(
        -3.531 * 5083 + 2.081 * 5083 ** (2 / 3) + 0.403 * 5083 ** (1 / 3) + 0.35
    )
    assert error < 1e-6
    assert fit.predict([[100, 200, 300]])[1].shape == (1, 3)


def test_covariance_agrees_with_scipy():
    energies = noisy(SIZES, ICOSAHEDRON, 3)

    def model(n, a, b, c, d):
        return a * n + b * n ** (2 / 3) + c * n ** (1 / 3) + d

    best, covariance = curve_fit(
        model,
        SIZES,
        energies,
        p0=ICOSAHEDRON,
        sigma=np.cbrt(SIZES),
        jac=lambda n, *_: np.stack([n, n ** (2 / 3), n ** (1 / 3), n**0.0], axis=1),
    )
    fit = fit_family(SIZES, energies)
    assert fit.coefficients == pytest.approx(best, rel=1e-5)
    assert fit.covariance == pytest.approx(covariance, rel=1e-5)
    assert fit.dof == 4


def test_a_known_error_is_used_and_only_ever_scaled_up():
    energies = noisy(SIZES, ICOSAHEDRON, 3)
    x = design(SIZES)
    wide = fit_family(SIZES, energies, sigma=1.0)
    assert wide.dof == np.inf
    assert wide.covariance == pytest.approx(np.linalg.inv(x.T @ x), rel=1e-5)
    narrow = fit_family(SIZES, energies, sigma=1e-6)
    chi_square = np.sum((narrow.residuals / 1e-6) ** 2)
    assert narrow.dof == 4
    assert narrow.scale == pytest.approx(np.sqrt(chi_square / 4))
    exact = fit_family(SIZES[:4], energies[:4], terms=TERMS, sigma=0.1)
    assert exact.residuals == pytest.approx(np.zeros(4), abs=1e-8)


def test_terms_follow_the_number_of_sizes():
    assert [select_terms(n) for n in (3, 4, 5, 6, 20)] == [
        (3, 2),
        (3, 2, 1),
        (3, 2, 1),
        (3, 2, 1, 0),
        (3, 2, 1, 0),
    ]
    assert select_terms(3, fixed_bulk=True) == (3, 2, 1)
    for count, more in ((0, 3), (1, 2), (2, 1)):
        with pytest.raises(ValueError, match=f"relax {more} more"):
            select_terms(count)


def test_small_clusters_are_left_out():
    sizes = np.concatenate([[13, 55], SIZES])
    energies = np.concatenate([[0.0, 0.0], design(SIZES) @ ICOSAHEDRON])
    fit = fit_family(sizes[::-1], energies[::-1])
    assert fit.sizes.tolist() == SIZES.tolist()
    assert fit.coefficients == pytest.approx(ICOSAHEDRON, abs=1e-6)


def test_a_fixed_bulk_energy_narrows_the_prediction():
    energies = noisy(CRYSTALS, OCTAHEDRON, 5)
    free = fit_family(CRYSTALS, energies)
    fixed = fit_family(CRYSTALS, energies, bulk_energy=OCTAHEDRON[0])
    assert fixed.coefficients[0] == OCTAHEDRON[0]
    assert fixed.covariance[0].tolist() == [0.0] * 4
    assert fixed.dof == free.dof + 1
    assert fixed.predict(17561)[1] / fixed.scale < 0.5 * free.predict(17561)[1] / free.scale


def test_single_crystals_share_their_volume_term():
    wulff = np.array([-3.540, 2.150, 0.470, 0.30])
    n = np.array([405, 807, 1516, 2939])
    data = {
        "truncated octahedron": (CRYSTALS, design(CRYSTALS) @ OCTAHEDRON),
        "Wulff": (n, design(n) @ wulff),
    }
    shared = fit_families(data, shared_bulk=list(data), terms=TERMS)
    assert shared.fits["Wulff"].coefficients == pytest.approx(wulff, abs=1e-5)
    assert shared.fits["truncated octahedron"].coefficients == pytest.approx(OCTAHEDRON, abs=1e-5)
    assert shared.fits["Wulff"].dof == 10 - 7
    draws = shared.sample(50, seed=1)
    assert draws["Wulff"][:, 0] == pytest.approx(draws["truncated octahedron"][:, 0])
    with pytest.raises(ValueError, match="relax 1 more"):  # alone, four sizes cannot carry four
        fit_families(data, terms=TERMS)


def test_strain_energy_forbids_sharing_with_icosahedra():
    data = {
        "icosahedron": (SIZES, noisy(SIZES, ICOSAHEDRON, 1)),
        "Wulff": (CRYSTALS, noisy(CRYSTALS, OCTAHEDRON, 2)),
    }
    with pytest.raises(ValueError, match="strain"):
        fit_families(data, shared_bulk=["icosahedron", "Wulff"])
    with pytest.raises(ValueError, match="strain"):
        fit_families(data, bulk_energy={"icosahedron": -3.54})
    with pytest.raises(ValueError, match="not both"):
        fit_families(data, bulk_energy={"Wulff": -3.54}, shared_bulk=["Wulff"])
    with pytest.raises(ValueError, match="octahedron"):
        fit_families(data, shared_bulk=["octahedron"])


def test_draws_have_the_covariance_of_student_t():
    data = {"Wulff": (SIZES, noisy(SIZES, OCTAHEDRON, 8))}
    fits = fit_families(data, terms=(3, 2))  # 6 degrees of freedom
    fit = fits.fits["Wulff"]
    draws = fits.sample(200_000, seed=4)["Wulff"][:, :2]
    assert fit.dof == 6
    assert np.cov(draws.T) == pytest.approx(fit.covariance[:2, :2] * 6 / 4, rel=0.05)
    assert np.array_equal(draws, fits.sample(200_000, seed=4)["Wulff"][:, :2])


def test_committee_moves_all_families_together():
    shifts = np.array([-0.01, -0.002, 0.0, 0.012])  # eV/atom, the same for both families
    data = {
        motif: (n, (design(n) @ c)[:, None] + np.outer(n, shifts))
        for motif, n, c in (
            ("icosahedron", SIZES, ICOSAHEDRON),
            ("Wulff", CRYSTALS, OCTAHEDRON),
        )
    }
    fits = fit_families(data)
    assert fits.n_members == 4
    alone = fit_family(SIZES, data["icosahedron"][1][:, 3])
    assert fits.member_coefficients["icosahedron"][3] == pytest.approx(alone.coefficients)
    draws = fits.sample(4000, seed=0)
    spread = draws["icosahedron"][:, 0]
    # Prediction of a further member: Student t with 3 degrees of freedom.
    expected = 2.353 * np.std(shifts, ddof=1) * np.sqrt(1 + 1 / 4)
    center = ICOSAHEDRON[0] + shifts.mean()
    assert np.quantile(spread, 0.95) - center == pytest.approx(expected, rel=0.1)
    difference = spread - draws["Wulff"][:, 0]
    assert difference == pytest.approx(np.full(4000, 0.009), abs=1e-6)
    quiet = fits.sample(100, seed=0, committee=False)["icosahedron"]
    assert np.ptp(quiet[:, 0]) < 1e-6


def test_each_member_may_have_its_own_bulk_energy():
    bulk = np.array([-3.54, -3.52])
    energies = (design(CRYSTALS) @ (OCTAHEDRON * [0, 1, 1, 1]))[:, None] + np.outer(CRYSTALS, bulk)
    fits = fit_families({"Wulff": (CRYSTALS, energies)}, bulk_energy={"Wulff": bulk})
    assert fits.member_coefficients["Wulff"][:, 0].tolist() == bulk.tolist()
    assert fits.member_coefficients["Wulff"][:, 1] == pytest.approx([2.167, 2.167])
    assert fits.fits["Wulff"].coefficients[0] == pytest.approx(-3.53)


# ------------------------------------------------------------------ what is known of the crystal

#: Elastic theory gives 6.7 meV/atom for icosahedra of this crystal; ICOSAHEDRON has 9.
CRYSTAL = Crystal(-3.540, 11.81, 0.864, 0.344)


def both(ico=SIZES, octa=CRYSTALS, icosahedron=ICOSAHEDRON, scale=0.0):
    return {
        "icosahedron": (ico, noisy(ico, icosahedron, 1, scale)),
        "truncated octahedron": (octa, noisy(octa, OCTAHEDRON, 2, scale)),
    }


def test_three_sizes_and_the_crystal_predict_large_clusters():
    fits = fit_families(both(SIZES[:3], CRYSTALS[:3]), bulk_crystal=CRYSTAL)
    assert fits.fits["truncated octahedron"].coefficients[0] == pytest.approx(-3.540, abs=1e-12)
    strain = fits.fits["icosahedron"].coefficients[0] + 3.540
    error = np.sqrt(fits.fits["icosahedron"].covariance[0, 0])
    assert abs(strain - 0.009) < 2 * error
    assert error <= STRAIN_RATIO["icosahedron"][1] * CRYSTAL.elastic_energy("icosahedron")[0]
    for motif, true in (("icosahedron", ICOSAHEDRON), ("truncated octahedron", OCTAHEDRON)):
        low, high = np.quantile(fits.sample(4000, 0)[motif] @ design(6000), [0.05, 0.95])
        assert low < design(6000) @ true < high
        assert (high - low) / 6000 < 0.003
    free = fit_families(both(SIZES[:3], CRYSTALS[:3]), bounded=False).sample(4000, 0)
    low, high = np.quantile(free["icosahedron"] @ design(6000), [0.05, 0.95])
    assert (high - low) / 6000 > 0.01


def test_many_sizes_outweigh_what_was_known():
    fits = fit_families(both(), bulk_crystal=CRYSTAL).fits
    assert fits["icosahedron"].coefficients == pytest.approx(ICOSAHEDRON, abs=2e-2)
    assert fits["icosahedron"].coefficients[0] == pytest.approx(ICOSAHEDRON[0], abs=2e-5)
    assert np.abs(fits["icosahedron"].residuals).max() < 1e-3


def test_members_have_their_own_crystals():
    shifts = np.array([-0.02, 0.0, 0.03])
    data = {m: (n, e[:, None] + np.outer(n, shifts)) for m, (n, e) in both(SIZES[:4]).items()}
    crystal = Crystal(tuple(-3.540 + shifts), (11.81,) * 3, (0.864,) * 3, (0.344,) * 3)
    fits = fit_families(data, bulk_crystal=crystal)
    for motif in data:
        own = fits.member_coefficients[motif]
        assert own[:, 0] - shifts == pytest.approx(np.full(3, own[1, 0]), abs=1e-9)
        assert own[:, 1:] == pytest.approx(np.tile(own[1, 1:], (3, 1)), abs=1e-6)
    draws = fits.sample(500, 0)
    assert np.ptp(draws["icosahedron"][:, 0]) > 0.05  # all move together with the committee
    assert np.ptp(draws["icosahedron"][:, 0] - draws["truncated octahedron"][:, 0]) < 0.005
    with pytest.raises(ValueError, match="crystal of every committee member"):
        fit_families(data, bulk_crystal=Crystal((-3.5,) * 2, (11.8,) * 2, (0.9,) * 2, (0.3,) * 2))
    with pytest.raises(ValueError, match="give no others"):
        fit_families(data, bulk_crystal=crystal, terms=TERMS)
    with pytest.raises(ValueError, match=r"icosahedron: 2 sizes are too few .* relax 1 more"):
        fit_families(both(SIZES[:2]), bulk_crystal=CRYSTAL)


def test_no_draw_has_icosahedra_below_the_crystal():
    impossible = ICOSAHEDRON - np.array([0.012, 0, 0, 0])
    data = both(SIZES[:4], icosahedron=impossible, scale=0.02)
    as_before = fit_families(data, bounded=False)
    assert as_before.fits["icosahedron"].coefficients[0] < OCTAHEDRON[0]
    fits = fit_families(data)
    draws = fits.sample(3000, 0)
    strain = draws["icosahedron"][:, 0] - draws["truncated octahedron"][:, 0]
    assert strain.min() >= -1e-9
    # The bound binds in the best fit: both have one volume term.
    best = [fits.fits[m].coefficients[0] for m in data]
    assert best[0] == pytest.approx(best[1], abs=1e-12)
    fixed = fit_families(data, bulk_energy={"truncated octahedron": -3.540})
    assert fixed.fits["icosahedron"].coefficients[0] == -3.540
    assert fixed.sample(3000, 0)["icosahedron"][:, 0].min() >= -3.540 - 1e-9
    # Without any possible draw, as from exact energies, the bound alone is left.
    exact = fit_families(both(icosahedron=impossible)).sample(100, 0)
    assert exact["icosahedron"][:, 0] == pytest.approx(exact["truncated octahedron"][:, 0])
    # Possible fits are drawn as before.
    sure = [fit_families(both(scale=0.001), bounded=b).sample(100, 0) for b in (True, False)]
    assert np.array_equal(sure[0]["icosahedron"], sure[1]["icosahedron"])


@pytest.mark.parametrize(
    ("sizes", "energies", "options", "message"),
    [
        ([147, 309], [-1.0, -2.0], {}, "relax 1 more"),
        ([147, 309, 561], [-1.0, -2.0, -3.0], {"terms": TERMS}, "relax 2 more"),
        ([147, 147, 309], [-1.0, -2.0, -3.0], {}, "occur once"),
        ([147, 309, 561], [-1.0, np.nan, -3.0], {}, "not finite"),
        ([147, 309, 561], [-1.0, -2.0], {}, r"\(S,\)"),
        ([147, 309, 561], [-1.0, -2.0, -3.0], {"terms": (3, 4)}, "powers"),
        ([147, 309, 561], [-1.0, -2.0, -3.0], {"terms": (3,)}, "powers"),
        ([147, 309, 561], [-1.0, -2.0, -3.0], {"sigma": 0.0}, "positive"),
    ],
)
def test_refusals_name_the_fix(sizes, energies, options, message):
    with pytest.raises(ValueError, match=message):
        fit_family(sizes, energies, **options)


def test_families_need_one_committee():
    data = {
        "icosahedron": (SIZES, np.ones((len(SIZES), 2))),
        "Wulff": (CRYSTALS, np.ones((len(CRYSTALS), 3))),
    }
    with pytest.raises(ValueError, match="same number of committee members"):
        fit_families(data)
    with pytest.raises(ValueError, match="same number of committee members"):
        fit_families({"Wulff": data["Wulff"]}, bulk_energy={"Wulff": [-3.5, -3.6]})
    with pytest.raises(ValueError, match="Wulff: 2 sizes are too few"):
        fit_families({"Wulff": ([201, 586], [-1.0, -2.0])})
