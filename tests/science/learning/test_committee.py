"""The classes of a committee: exact deviations, symmetries, and what a calibration promises."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.committee import (
    ACCURATE,
    CANDIDATE,
    FAILED,
    Thresholds,
    TooFewLabelsError,
    calibrate,
    classify,
    committee_deviation,
    fewest_labels,
)


def labelled(frames, energies, forces):
    return frames.with_labels(energies, forces, level_of_theory="m", atom_energies={"Cu": 0.0})


@pytest.fixture
def frames():
    """Two atoms, then one."""
    return Frames.from_atoms(
        [Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]]), Atoms("Cu", [[0.0, 0.0, 0.0]])]
    )


@pytest.fixture
def noisy():
    """Ragged frames and four members whose forces scatter."""
    rng = np.random.default_rng(7)
    shells = [Icosahedron("Cu", n) for n in (1, 2, 3, 2)]
    images = [Atoms("Cu" + str(len(a)), a.positions) for a in shells]
    images[3].rattle(0.1, seed=1)
    frames = Frames.from_atoms(images)
    members = {
        f"seed_{k}": labelled(
            frames, rng.normal(size=len(frames)), rng.normal(size=frames.positions.shape)
        )
        for k in range(4)
    }
    return frames, members


def test_hand_made_forces(frames):
    """Members at +1 and -1 along x: deviation 1; at (0, 3), (4, 3) and equal: 2."""
    one = labelled(frames, [2.0, 1.0], [[1, 0, 0], [0, 0, 0], [0, 3, 0]])
    two = labelled(frames, [0.0, 1.0], [[-1, 0, 0], [0, 0, 0], [4, 3, 0]])
    found = committee_deviation(frames, {"a": one, "b": two})
    np.testing.assert_allclose(found.forces, [1.0, 2.0])
    np.testing.assert_allclose(found.energies, [0.5, 0.0])  # 1 eV over two atoms
    np.testing.assert_allclose(found.mean_forces, [[0, 0, 0], [0, 0, 0], [2, 3, 0]])


def test_four_members_have_no_bessel_correction(frames):
    """Equation 1 of the committee averages over all members: one of four off by 4 gives sqrt(3)."""
    off = np.zeros((3, 3))
    members = {str(k): labelled(frames, [0, 0], off) for k in range(3)}
    off = off.copy()
    off[1, 2] = 4.0
    members["3"] = labelled(frames, [0, 0], off)
    np.testing.assert_allclose(committee_deviation(frames, members).forces, [np.sqrt(3), 0.0])


def test_order_of_members_does_not_count(noisy):
    frames, members = noisy
    renamed = {f"x{9 - i}": members[key] for i, key in enumerate(sorted(members))}
    one, other = committee_deviation(frames, members), committee_deviation(frames, renamed)
    np.testing.assert_allclose(one.forces, other.forces, rtol=1e-13)
    np.testing.assert_allclose(one.energies, other.energies, rtol=1e-13)


def test_order_of_frames_is_kept(noisy):
    frames, members = noisy
    order = np.array([2, 0, 3, 1])
    turned = {key: own.select(order) for key, own in members.items()}
    found = committee_deviation(frames.select(order), turned)
    np.testing.assert_allclose(found.forces, committee_deviation(frames, members).forces[order])


def test_rotation_changes_nothing(noisy):
    frames, members = noisy
    turn = Rotation.from_rotvec([0.3, -1.0, 0.5]).as_matrix()
    turned = {key: labelled(own, own.energies, own.forces @ turn.T) for key, own in members.items()}
    found = committee_deviation(frames, turned)
    np.testing.assert_allclose(found.forces, committee_deviation(frames, members).forces)


def test_frame_that_a_member_lacks_has_failed(noisy):
    frames, members = noisy
    members["seed_2"] = members["seed_2"].select([0, 2, 3])
    found = committee_deviation(frames, members)
    assert np.isnan(found.forces).tolist() == [False, True, False, False]
    assert classify(found.forces, Thresholds(0.1, 100.0)).tolist() == [
        CANDIDATE,
        FAILED,
        CANDIDATE,
        CANDIDATE,
    ]


def test_one_member_is_refused(noisy):
    frames, members = noisy
    with pytest.raises(ValueError, match="has no deviation: give two or more"):
        committee_deviation(frames, {"only": members["seed_0"]})


def test_classes_at_their_edges():
    found = classify([0.0, 0.0999, 0.1, 0.2, 0.3, 0.3001, np.inf], Thresholds(0.1, 0.3))
    assert found.tolist() == [ACCURATE, ACCURATE, CANDIDATE, CANDIDATE, CANDIDATE, FAILED, FAILED]
    assert classify([0.0], Thresholds(0.0, 1.0)).tolist() == [CANDIDATE]


@pytest.mark.parametrize(
    "pair", [(0.3, 0.1), (0.0, 0.0), (-0.1, 0.1), (0.1, np.nan), (np.nan, 1.0)]
)
def test_thresholds_that_out_of_order_are_refused(pair):
    with pytest.raises(ValueError, match="not below `accurate_below`"):
        Thresholds(*pair)


def test_fewest_labels():
    """0.9^22 = 0.098 is below 0.1, 0.9^21 = 0.109 is not; the frame above makes 23."""
    assert fewest_labels(0.1, 0.9) == 23
    assert fewest_labels(0.5, 0.5) == 2
    with pytest.raises(ValueError, match="between 0 and 1"):
        fewest_labels(1.0, 0.9)


def test_too_few_labels_are_refused_by_number():
    x = np.linspace(0.01, 0.2, 22)
    with pytest.raises(TooFewLabelsError, match=r"22 labelled frames .* 23 show"):
        calibrate(x, x, 1.0)
    assert calibrate(np.append(x, 0.3), np.append(x, 0.3), 1.0).accurate_below == 0.3
    with pytest.raises(TooFewLabelsError, match="0 labelled"):
        calibrate([np.nan] * 50, [0.1] * 50, 1.0)


def test_calibration_does_not_extrapolate():
    """All labels are right: the threshold is the largest deviation seen, not more."""
    x = np.linspace(0.01, 1.0, 200)
    found = calibrate(x, np.zeros(200), 0.1)
    assert (found.accurate_below, found.n_labels, found.n_below, found.n_wrong) == (
        1.0,
        200,
        199,
        0,
    )


def test_calibration_finds_a_sharp_edge():
    """Right below 0.5, wrong above: accepted while the errors seen stay compatible with a tenth."""
    x = np.linspace(0.001, 1.0, 1000)
    found = calibrate(x, np.where(x < 0.5, 0.0, 1.0), 0.2)
    assert 0.5 <= found.accurate_below < 0.56
    assert found.n_wrong / found.n_below < 0.1


def test_nothing_is_accurate_where_errors_are_everywhere():
    x = np.linspace(0.01, 1.0, 300)
    found = calibrate(x, np.ones(300), 0.2)
    assert (found.accurate_below, found.n_below) == (0.0, 0)
    assert set(classify(x, Thresholds(found.accurate_below, 2.0))) == {CANDIDATE}


def test_one_early_error_does_not_end_the_calibration():
    x = np.linspace(0.01, 1.0, 300)
    errors = np.zeros(300)
    errors[3] = 1.0
    found = calibrate(x, errors, 0.2)
    assert (found.accurate_below, found.n_wrong) == (1.0, 1)


def test_ties_and_order_of_labels():
    rng = np.random.default_rng(3)
    x = np.round(rng.uniform(0, 1, 400), 1)
    errors = x * rng.lognormal(0, 0.5, 400)
    found = calibrate(x, errors, 0.5)
    order = rng.permutation(400)
    assert calibrate(x[order], errors[order], 0.5) == found
    assert found.n_below == (x < found.accurate_below).sum()


@pytest.mark.parametrize("n", [30, 100, 400])
def test_coverage(n):
    """In 500 samples the statement fails in at most a tenth; more labels make it useful.

    The error is the deviation times a log-normal factor, so the true share of errors below a
    threshold is known from a large sample.
    """
    rng = np.random.default_rng(11)

    def draw(count):
        x = rng.gamma(2.0, 0.05, count)
        return x, x * rng.lognormal(0.0, 0.6, count)

    population, true = draw(200_000)
    order = np.argsort(population)
    population = population[order]
    wrong = np.cumsum(true[order] > 0.1)
    broken, found = 0, []
    for _ in range(500):
        low = calibrate(*draw(n), 0.1).accurate_below
        below = np.searchsorted(population, low)
        broken += bool(below and wrong[below - 1] / below > 0.1)
        found.append(low)
    # Three standard deviations of a binomial count around 50.
    assert broken <= 50 + 20
    if n == 400:
        rates = wrong / np.arange(1, len(wrong) + 1)
        ideal = population[np.flatnonzero(rates <= 0.1)[-1]]
        assert 0.65 * ideal < np.median(found) < ideal
