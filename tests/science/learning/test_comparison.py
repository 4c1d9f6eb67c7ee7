"""Frames on which trainings can be compared."""

from ase import Atoms

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.comparison import unlearnt_frames


def dimers(*lengths: float) -> Frames:
    return Frames.from_atoms([Atoms("Cu2", [[0, 0, 0], [0, 0, d]]) for d in lengths])


def test_frames_that_any_training_learnt_are_left_out_and_each_counts_once():
    tested = [dimers(2.0, 2.1), dimers(2.1, 2.2, 2.3)]
    assert unlearnt_frames(tested, [dimers(2.2), dimers(5.0)]) == [0, 1, 4]
    assert unlearnt_frames(tested, [dimers(2.0, 2.1, 2.2, 2.3)]) == []
