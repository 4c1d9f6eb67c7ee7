"""The choice of frames to label: its budget, what it stands for, its symmetries."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.cluster import Icosahedron, Octahedron
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning import acquisition
from aiida_nanoclusters.science.learning.acquisition import choose
from aiida_nanoclusters.science.learning.committee import ACCURATE, CANDIDATE, FAILED, Thresholds
from aiida_nanoclusters.science.recognition.soap import describe_frames

LIMITS = Thresholds(0.1, 0.5)


def cluster(shells=2, rattle=0.0, seed=0, kind="md"):
    built = Icosahedron("Cu", shells)
    atoms = Atoms(built.symbols, built.positions, info={"config_type": kind})
    if rattle:
        atoms.rattle(rattle, seed=seed)
    return atoms


@pytest.fixture
def pool():
    """40 of one kind and size, 6 of another size, 4 of another kind."""
    images = [cluster(2, 0.2, seed) for seed in range(40)]
    images += [cluster(3, 0.2, seed) for seed in range(6)]
    images += [cluster(2, 0.3, 100 + seed, kind="anneal") for seed in range(4)]
    deviations = np.linspace(0.11, 0.49, 50)
    return Frames.from_atoms(images), deviations


def chosen(frames, choice):
    return [frames.content_hashes()[i] for i in choice.indices]


def test_as_many_as_the_budget(pool):
    frames, deviations = pool
    choice = choose(frames, deviations, LIMITS, 12)
    assert len(set(choice.indices)) == 12
    assert set(choice.reasons[choice.indices]) == {"diverse"}
    assert (choice.reasons == "over budget").sum() == 38


@pytest.mark.parametrize("by", ["medoids", "farthest"])
def test_every_group_has_its_own(by):
    """Groups of 30, 12, 5 and 2 nearly equal frames: four picks take one of each."""
    groups = [(2, 30), (3, 12), (4, 5), (5, 2)]
    images = [cluster(shells, 0.03, seed) for shells, count in groups for seed in range(count)]
    frames = Frames.from_atoms(images)
    choice = choose(frames, np.full(49, 0.3), LIMITS, 4, by=by, tolerance=0.0)
    assert sorted(frames.sizes[choice.indices]) == [13, 55, 147, 309]


def distances_of(frames):
    vectors = describe_frames(frames)
    return np.linalg.norm(vectors[:, None] - vectors[None], axis=2)


def test_medoids_are_near_all_and_farthest_points_leave_the_smallest_gap(pool):
    """Eight of fifty: medoids are nearest in sum, farthest points leave the smallest gap; both
    are ahead of fifty choices at random."""
    frames, deviations = pool
    away = distances_of(frames)

    def left(indices):
        nearest = away[indices].min(axis=0)
        return nearest.sum(), nearest.max()

    found = {by: left(choose(frames, deviations * 0 + 0.3, LIMITS, 8, by=by, tolerance=0.0).indices)
             for by in ("medoids", "farthest")}  # fmt: skip
    drawn = np.array([left(choose(frames, deviations, LIMITS, 8, by="random", seed=s).indices)
                      for s in range(50)])  # fmt: skip
    assert found["medoids"][0] < min(found["farthest"][0], drawn[:, 0].min())
    assert found["farthest"][1] <= found["medoids"][1]
    assert found["farthest"][1] < np.quantile(drawn[:, 1], 0.1)


def test_medoids_are_the_greedy_choice(pool):
    """Against weighted sums over all candidates, computed again at each pick."""
    frames, deviations = pool
    deviations = deviations.copy()
    deviations[5] = np.nan  # counts as `failed_above`
    largest = LIMITS.failed_above
    weights = np.where(np.isnan(deviations), largest, deviations) ** 2 / largest**2
    known = Frames.from_atoms([cluster(2, 0.2, 1000), cluster(3, 0.2, 1001)])
    both = Frames.concatenate([frames, known])
    away = distances_of(both)[:50]
    nearest, picks = away[:, 50:].min(axis=1), []
    for _ in range(10):
        sums = np.array([weights @ np.minimum(nearest, away[:, k]) for k in range(50)])
        equal = np.flatnonzero(sums < sums.min() + 1e-6)  # as two are that stand for each other
        picks.append(int(equal[np.argmax(weights[equal])]))
        nearest = np.minimum(nearest, away[:, picks[-1]])
    choice = choose(
        frames, deviations, LIMITS, 10, known=known, tolerance=0.0, classes=[CANDIDATE, FAILED]
    )
    assert choice.indices.tolist() == picks


@pytest.mark.parametrize("doubt", [1e-3, 300.0])
@pytest.mark.parametrize("by", ["medoids", "farthest"])
def test_the_scale_of_the_deviations_does_not_count(doubt, by):
    groups = [(2, 12), (3, 6), (4, 2)]
    images = [cluster(shells, 0.03, seed) for shells, count in groups for seed in range(count)]
    frames = Frames.from_atoms(images)
    for low, values in ((0.0, np.full(20, doubt)), (0.0, np.zeros(20))):
        choice = choose(frames, values, Thresholds(low, 1e6), 3, by=by, tolerance=0.0)
        assert sorted(frames.sizes[choice.indices]) == [13, 55, 147]


def test_held_out_frames_are_not_chosen_and_not_learnt():
    """One of two groups holds a calibration frame: it is chosen from as if it held none."""
    images = [cluster(2, 0.05, s) for s in range(20)] + [cluster(3, 0.05, s) for s in range(10)]
    frames, limits = Frames.from_atoms(images), Thresholds(0.1, 0.5)
    held_out = frames.select([0])
    options = {"tolerance": 0.0, "held_out": held_out}
    choice = choose(frames, np.full(30, 0.3), limits, 1, **options)
    assert frames.sizes[choice.indices] == [13] and choice.indices != [0]
    assert choice.reasons[0] == "already labelled"
    learnt = choose(frames, np.full(30, 0.3), limits, 1, tolerance=0.0, known=held_out)
    assert frames.sizes[learnt.indices] == [55]


def test_what_is_labelled_may_hold_other_elements(pool):
    alloy = cluster(2, 0.1)
    alloy.symbols[0] = "Ag"
    for name in ("known", "held_out"):
        others = {name: Frames.from_atoms([alloy])}
        assert len(choose(*pool, LIMITS, 3, **others).indices) == 3


def test_medoids_represent_uncertain_frames_first():
    """Thirty similar frames of small deviation, and three of large deviation."""
    images = [cluster(2, 0.05, s) for s in range(30)] + [cluster(3, 0.05, s) for s in range(3)]
    frames = Frames.from_atoms(images)
    for doubt, size in ((0.11, 13), (0.49, 55)):
        deviations = np.array([0.11] * 30 + [doubt] * 3)
        assert frames.sizes[choose(frames, deviations, LIMITS, 1).indices] == [size]


def test_many_candidates_are_sampled_first(pool, monkeypatch):
    """Distances are held between so many candidates and no more."""
    module = "aiida_nanoclusters.science.learning.acquisition"
    frames, deviations = pool
    order = np.random.default_rng(0).permutation(50)
    whole = choose(frames, deviations, LIMITS, 4)
    monkeypatch.setattr(f"{module}._MOST", 15)
    monkeypatch.setattr(f"{module}._Gains", spied := Spy(acquisition._Gains))
    thinned = choose(frames, deviations, LIMITS, 4)
    turned = choose(frames.select(order), deviations[order], LIMITS, 4)
    assert spied.counts == [20, 20]  # five times the budget
    assert chosen(frames, whole) != chosen(frames, thinned) == chosen(frames.select(order), turned)
    assert len(choose(frames, deviations, LIMITS, 50).indices) == 50
    assert len(choose(frames, deviations, LIMITS, 20, by="farthest").indices) == 20


class Spy:
    """Notes of how many candidates distances are held."""

    def __init__(self, held):
        self.held, self.counts = held, []

    def __call__(self, distances_from, nearest, weights):
        self.counts.append(len(nearest))
        return self.held(distances_from, nearest, weights)


def test_labelled_frames_of_any_size_count():
    """A learnt cell of 4 atoms covers those of 32 atoms; a cluster, unlike both, is taken first."""
    cell, large = bulk("Cu", cubic=True), bulk("Cu", cubic=True).repeat(2)
    images = [large.copy() for _ in range(5)]
    for seed, atoms in enumerate(images):
        atoms.rattle(0.01, seed=seed)
    frames = Frames.from_atoms([*images, cluster(3)])
    known = Frames.from_atoms([cell])
    assert choose(frames, np.full(6, 0.3), LIMITS, 1, known=known).indices.tolist() == [5]
    assert choose(frames, np.full(6, 0.3), LIMITS, 1).indices.tolist() != [5]


@pytest.mark.parametrize("by", ["medoids", "farthest"])
def test_a_supercell_is_not_alike_to_its_cell(by):
    """Equal vectors, other forces: both are kept, that of larger deviation first."""
    cell = bulk("Cu", cubic=True)
    cell.rattle(0.1, seed=1)
    frames = Frames.from_atoms([cell, cell.repeat(2)])
    for deviations, first in (([0.3, 0.4], 1), ([0.4, 0.3], 0)):
        assert choose(frames, deviations, LIMITS, 2, by=by).indices.tolist() == [first, 1 - first]


def test_of_equal_frames_the_largest_deviation_is_taken(pool):
    """Two mirror images have the same vector: that of larger deviation is taken."""
    one = cluster(3, 0.2, 7)
    two = one.copy()
    two.positions[:, 0] *= -1
    frames = Frames.from_atoms([one, two, *pool[0].select([0, 1, 2])])
    for deviations in ([0.4, 0.3], [0.3, 0.4]):
        values = np.array([*deviations, 0.2, 0.2, 0.2])
        indices = choose(frames, values, LIMITS, 5, tolerance=0.0).indices.tolist()
        assert indices.index(int(np.argmax(deviations))) < indices.index(int(np.argmin(deviations)))


def test_a_frame_no_member_could_evaluate_has_failed_but_may_be_labelled(pool):
    frames, deviations = pool
    deviations = deviations.copy()
    deviations[3] = np.nan
    choice = choose(frames, deviations, LIMITS, 50, classes=[CANDIDATE, FAILED])
    assert 3 in choice.indices and len(choice.indices) == 50


def test_only_the_classes_to_label(pool):
    frames, deviations = pool
    deviations = deviations.copy()
    deviations[:10], deviations[10:20], deviations[20] = 0.05, 0.9, np.nan
    choice = choose(frames, deviations, LIMITS, 50)
    assert set(choice.classes[choice.indices]) == {CANDIDATE}
    assert set(choice.reasons[:10]) == {ACCURATE} and set(choice.reasons[10:21]) == {FAILED}
    with_failed = choose(frames, deviations, LIMITS, 50, classes=[CANDIDATE, FAILED])
    assert set(with_failed.classes[with_failed.indices]) == {CANDIDATE, FAILED}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_order_of_frames_does_not_count(pool, seed):
    frames, deviations = pool
    order = np.random.default_rng(seed).permutation(len(frames))
    known = Frames.from_atoms([cluster(2), cluster(3)])
    options = {"known": known, "calibration_frames": 3, "seed": 5}
    straight = choose(frames, deviations, LIMITS, 10, **options)
    turned = choose(frames.select(order), deviations[order], LIMITS, 10, **options)
    assert chosen(frames, straight) == chosen(frames.select(order), turned)
    assert turned.reasons.tolist() == straight.reasons[order].tolist()


def test_equal_inputs_equal_choice_and_seeds_differ(pool):
    frames, deviations = pool
    draws = [chosen(frames, choose(frames, deviations, LIMITS, 8, calibration_frames=8, seed=s))
             for s in (1, 1, 2)]  # fmt: skip
    assert draws[0] == draws[1] != draws[2]


def test_calibration_frames_are_a_plain_random_sample(pool):
    """Accurate and candidate frames are drawn equally often, failed ones never."""
    frames, deviations = pool
    deviations = deviations.copy()
    deviations[:20], deviations[40:] = 0.01, 2.0
    counts = np.zeros(50)
    for seed in range(400):
        choice = choose(frames, deviations, LIMITS, 4, calibration_frames=4, seed=seed)
        assert set(choice.reasons[choice.indices]) == {"calibration"}
        counts[choice.indices] += 1
    assert counts[40:].sum() == 0
    # 400 draws of 4 out of 40: 40 each, three and a half standard deviations are 21.
    assert np.abs(counts[:40] - 40).max() < 21


def test_copies_are_left_out_with_a_reason(pool):
    """An exact copy, a rotated and renumbered one, a slightly rattled one, a labelled one."""
    one, other = cluster(3, 0.2, 1), cluster(3, 0.2, 2)
    turned = one[np.random.default_rng(0).permutation(55)]
    turned.positions = turned.positions @ Rotation.random(random_state=3).as_matrix()
    rattled = one.copy()
    rattled.rattle(0.005, seed=4)
    frames = Frames.from_atoms([one, one.copy(), turned, rattled, other])
    known = Frames.from_atoms([other])
    choice = choose(frames, [0.4, 0.4, 0.3, 0.2, 0.3], LIMITS, 5, known=known)
    assert choice.indices.tolist() == [0]
    assert choice.reasons.tolist() == [
        "diverse", "duplicate", "alike", "alike", "already labelled",
    ]  # fmt: skip
    exact = choose(frames, [0.4, 0.4, 0.3, 0.2, 0.3], LIMITS, 5, known=known, tolerance=0.0)
    assert sorted(exact.indices) == [0, 2, 3]


def test_one_atom_of_many_is_not_overlooked():
    """An atom that left its place on Cu147 makes another frame; 0.5 % of heat does not."""
    one = cluster(4)
    moved, rattled = one.copy(), one.copy()
    moved.positions[-1] *= 1.15
    rattled.rattle(0.01, seed=1)
    frames = Frames.from_atoms([one, moved, rattled])
    choice = choose(frames, [0.4, 0.3, 0.2], LIMITS, 3)
    assert choice.reasons.tolist() == ["diverse", "diverse", "alike"]


def test_known_frames_are_kept_away_from():
    """With icosahedra labelled, the octahedron is taken first though its deviation is less."""
    shape = Octahedron("Cu", 5, 2)
    octahedron = Atoms(shape.symbols, shape.positions, info={"config_type": "md"})
    images = [cluster(3, 0.1, seed) for seed in range(5)]
    frames = Frames.from_atoms([*images[:4], octahedron])
    known = Frames.from_atoms([images[4]])
    deviations = [0.4, 0.3, 0.3, 0.3, 0.2]
    options = {"by": "farthest"}
    assert choose(frames, deviations, LIMITS, 1, known=known, **options).indices.tolist() == [4]
    assert choose(frames, deviations, LIMITS, 1, **options).indices.tolist() == [0]


@pytest.mark.parametrize("by", ["medoids", "farthest"])
def test_two_packings_are_covered(by):
    """Thirty icosahedra and two octahedra of one size: two picks take one of each."""
    shape = Octahedron("Cu", 5, 2)
    images = [cluster(3, 0.05, s) for s in range(30)]
    for s in range(2):
        atoms = Atoms(shape.symbols, shape.positions, info={"config_type": "md"})
        atoms.rattle(0.05, seed=s)
        images.append(atoms)
    choice = choose(Frames.from_atoms(images), np.full(32, 0.3), LIMITS, 2, by=by)
    assert {bool(i >= 30) for i in choice.indices} == {True, False}


def test_nothing_to_choose(pool):
    frames, deviations = pool
    assert len(choose(frames, deviations * 0, LIMITS, 10).indices) == 0
    assert len(choose(frames, deviations, LIMITS, 0).indices) == 0
    alike = choose(frames, deviations, LIMITS, 10, known=frames)
    assert set(alike.reasons) == {"already labelled"}


def test_settings_out_of_their_limits_are_refused(pool):
    frames, deviations = pool
    with pytest.raises(ValueError, match="one a frame"):
        choose(frames, deviations[1:], LIMITS, 3)
    with pytest.raises(ValueError, match="within the budget of 3"):
        choose(frames, deviations, LIMITS, 3, calibration_frames=4)
    with pytest.raises(ValueError, match="unknown classes bad"):
        choose(frames, deviations, LIMITS, 3, classes=["bad"])
    with pytest.raises(ValueError, match="only medoids, farthest, random"):
        choose(frames, deviations, LIMITS, 3, by="luck")


def test_at_random_neither_deviation_nor_distance_enters(pool):
    frames, deviations = pool
    classes = ["accurate", "candidate", "failed"]

    def draw(values, seed=1):
        choice = choose(frames, values, LIMITS, 4, classes=classes, seed=seed, by="random")
        assert set(choice.reasons[choice.indices]) == {"random"}
        return sorted(choice.indices)

    assert len(draw(deviations)) == 4
    assert draw(deviations) == draw(deviations[::-1].copy())
    assert len({tuple(draw(deviations, seed)) for seed in range(5)}) > 1


def test_the_words_of_the_paper_are_understood(pool):
    """Protocols and nodes of earlier versions name the classes good, decent and poor."""
    frames, deviations = pool
    deviations = deviations.copy()
    deviations[:10], deviations[10:20] = 0.05, 0.9
    for now, former in (
        (["accurate"], ["good"]),
        (["candidate"], ["decent"]),
        (["failed"], ["poor"]),
    ):
        ours, theirs = (choose(frames, deviations, LIMITS, 5, classes=w) for w in (now, former))
        assert ours.indices.tolist() == theirs.indices.tolist()
        assert set(ours.classes[ours.indices]) == set(now)
