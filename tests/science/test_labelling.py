"""The ladder that frames climb on their way to a label."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_nanoclusters.science.labelling import (
    ADVANCED,
    LABELLED,
    REFUSED,
    UNFINISHED,
    LabelLadder,
)


def outcomes(*states):
    return [{"state": state, "reason": f"because {state}"} for state in states]


def test_refused_frames_climb_and_the_others_keep_their_labels():
    ladder = LabelLadder(3, rungs=2)
    assert ladder.next() == (0, [0, 1, 2])
    ladder.update([0, 1, 2], outcomes(LABELLED, REFUSED, LABELLED))
    assert ladder.next() == (1, [1])
    ladder.update([1], outcomes(REFUSED))
    assert ladder.is_finished
    rows = ladder.report()
    assert [row["state"] for row in rows] == ["labelled", "failed", "labelled"]
    assert [attempt["rung"] for attempt in rows[1]["attempts"]] == [0, 1]
    assert rows[1]["reason"] == "because refused"
    with pytest.raises(ValueError, match="no frame is waiting"):
        ladder.next()


def test_a_job_that_dies_blames_the_frame_it_was_at():
    ladder = LabelLadder(3, rungs=2, max_deaths=1)
    ladder.update([0, 1, 2], outcomes(LABELLED, UNFINISHED, UNFINISHED))
    assert ladder.next() == (0, [2, 1])  # the suspect goes last
    ladder.update([2, 1], outcomes(LABELLED, UNFINISHED))
    rows = ladder.report()
    assert [row["state"] for row in rows] == ["labelled", "failed", "labelled"]
    assert "ended 2 times before it was done" in rows[1]["reason"]


def test_time_that_runs_out_blames_only_the_frame_that_had_it_all():
    ladder = LabelLadder(3, rungs=1, max_deaths=0)
    late = {"state": UNFINISHED, "reason": "", "out_of_time": True}
    ladder.update([0, 1, 2], [*outcomes(LABELLED), late, late])
    assert ladder.next() == (0, [1, 2])
    ladder.update([1, 2], [late, late])
    assert ladder.report()[1]["state"] == "failed" and ladder.next() == (0, [2])


def test_a_program_that_does_nothing_is_given_up():
    ladder, jobs = LabelLadder(100, rungs=3, max_barren=3), 0
    while not ladder.is_finished:
        _, indices = ladder.next()
        ladder.update(indices, outcomes(*[UNFINISHED] * len(indices)))
        jobs += 1
    assert jobs == 3
    assert all("3 jobs in a row did nothing" in row["reason"] for row in ladder.report())


def test_what_is_wrong_with_all_is_said_of_all():
    ladder = LabelLadder(2, rungs=3)
    ladder.update([0, 1], outcomes(LABELLED, UNFINISHED))
    ladder.give_up("CP2K does not understand its input")
    assert ladder.is_finished
    assert [row["state"] for row in ladder.report()] == ["labelled", "failed"]


def test_a_ladder_needs_a_rung():
    with pytest.raises(ValueError, match="needs a rung"):
        LabelLadder(1, rungs=0)


@given(st.data())
def test_any_course_of_jobs_comes_to_an_end(data):
    """Whatever befalls the jobs, every frame is settled, and a stored state goes on alike."""
    count, rungs = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    ladder, jobs = LabelLadder(count, rungs), 0
    while not ladder.is_finished:
        rung, indices = ladder.next()
        assert rung < rungs and len(indices) == len(set(indices))
        drawn = data.draw(st.lists(st.sampled_from([LABELLED, REFUSED, UNFINISHED]),
                                   min_size=len(indices), max_size=len(indices)))  # fmt: skip
        ladder.update(indices, outcomes(*drawn))
        ladder = LabelLadder.from_state(json.loads(json.dumps(ladder.state)))
        jobs += 1
        assert jobs <= count * rungs * 4
    assert {row["state"] for row in ladder.report()} <= {"labelled", "failed"}


def test_one_that_comes_further_is_never_given_up():
    """A long run in many short jobs: as many as it takes, and no attempt is held against it."""
    ladder = LabelLadder(2, rungs=1, max_deaths=1, max_barren=2)
    for _ in range(10):
        assert ladder.next() == (0, [0, 1])
        ladder.update([0, 1], outcomes(ADVANCED, UNFINISHED))
    ladder.update([0, 1], outcomes(LABELLED, ADVANCED))
    ladder.update([1], outcomes(UNFINISHED))
    assert ladder.next() == (0, [1])
    ladder.update([1], outcomes(UNFINISHED))
    assert [row["state"] for row in ladder.report()] == ["labelled", "failed"]
    assert ladder.report()[0]["attempts"] == []


def test_what_needs_more_memory_is_not_tried_again():
    ladder = LabelLadder(3, rungs=3)
    ladder.update(
        [0, 1, 2],
        [
            {"state": UNFINISHED, "reason": "out of memory", "out_of_memory": True},
            {"state": LABELLED, "reason": ""},
            {"state": UNFINISHED, "reason": "not reached"},
        ],
    )
    assert [row["state"] for row in ladder.report()] == ["failed", "labelled", "pending"]
    assert ladder.report()[0]["reason"] == "out of memory"


def test_faults_from_outside_are_held_against_no_frame():
    """However often a job makes room for others, its frames are not given up."""
    ladder = LabelLadder(2, rungs=1, max_deaths=1, max_barren=2)
    for _ in range(9):
        ladder.update([0, 1], outcomes(UNFINISHED, UNFINISHED), blameless=True)
    assert [row["state"] for row in ladder.report()] == ["pending", "pending"]
    ladder.update([0, 1], outcomes(LABELLED, LABELLED))
    assert ladder.is_finished
