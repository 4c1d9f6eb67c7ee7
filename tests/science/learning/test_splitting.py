import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.splitting import (
    deduplicate,
    small_set_warning,
    split_frames,
)


def trajectories(lengths, n_atoms=2, kind="cluster") -> Frames:
    images, count = [], 0
    for t, length in enumerate(lengths):
        for _ in range(length):
            count += 1
            images.append(
                Atoms(
                    f"Cu{n_atoms}",
                    positions=np.arange(3 * n_atoms).reshape(-1, 3) + count * 1e-3,
                    info={"parent": f"{kind}-{n_atoms}-{t}", "config_type": kind},
                )
            )
    return Frames.from_atoms(images)


@example(lengths=[1, 1, 3, 1], seed=118)
@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=4, max_size=20),
    seed=st.integers(0, 2**31),
)
def test_no_trajectory_on_both_sides(lengths, seed) -> None:
    frames = trajectories(lengths)
    train, test = split_frames(frames, (0.75, 0.25), seed)
    assert not set(train.parents) & set(test.parents)
    assert len(train) + len(test) == len(frames)


def test_fractions_hold_in_every_class() -> None:
    frames = Frames.concatenate(
        [trajectories([5] * 20, n) for n in (2, 3)] + [trajectories([5] * 20, 4, "bulk")]
    )
    train, test = split_frames(frames, (0.8, 0.2), seed=1)
    for n in (2, 3, 4):
        assert (train.sizes == n).sum() == 80
        assert (test.sizes == n).sum() == 20


def test_split_repeats_and_depends_on_the_seed() -> None:
    frames = trajectories([3] * 12)
    first, again, other = (split_frames(frames, (0.5, 0.5), s)[0] for s in (3, 3, 4))
    assert first.content_hashes() == again.content_hashes() != other.content_hashes()


def test_single_atoms_of_all_elements_are_learnt() -> None:
    atoms = [
        Atoms(s, info={"parent": f"atom-{s}", "config_type": "atom"})
        for s in ("Ag", "C", "H", "N", "O", "S")
    ]
    frames = Frames.concatenate([trajectories([2] * 9), Frames.from_atoms(atoms)])
    for seed in range(5):
        first, *others = split_frames(frames, (0.6, 0.2, 0.2), seed)
        assert (first.sizes == 1).sum() == 6
        assert not any((part.sizes == 1).any() for part in others)


def test_equal_frames_without_parent_stay_together() -> None:
    twin = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4]])
    others = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5 + i]]) for i in range(10)]
    for seed in range(20):
        parts = split_frames(Frames.from_atoms([twin, *others, twin]), (0.5, 0.5), seed)
        hashes = [set(p.content_hashes()) for p in parts]
        assert not hashes[0] & hashes[1]


def test_bad_fractions_and_too_few_trajectories() -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        split_frames(trajectories([1, 1]), (0.8, 0.3), 0)
    with pytest.raises(ValueError, match="sample more trajectories"):
        split_frames(trajectories([30]), (0.8, 0.2), 0)


def test_duplicates_prefer_the_label() -> None:
    bare = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.4]])
    labelled = bare.copy()
    labelled.calc = SinglePointCalculator(labelled, energy=-1.0, forces=np.zeros((2, 3)))
    kept = deduplicate(Frames.from_atoms([bare, labelled, bare]))
    assert len(kept) == 1 and kept.energies[0] == -1.0


def test_a_set_of_few_frames_is_warned_of():
    assert small_set_warning("test", 1).startswith("the test set has 1 frame: ")
    assert "validation set has 4 frames" in small_set_warning("validation", 4)
    assert small_set_warning("test", 5) == ""
