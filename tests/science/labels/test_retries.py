"""The sequence of settings levels through which frames escalate."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_nanoclusters.science.labels.retries import (
    ADVANCED,
    LABELLED,
    REFUSED,
    UNFINISHED,
    FallbackSequence,
)


def outcomes(*states):
    return [{"state": state, "reason": f"because {state}"} for state in states]


def test_refused_frames_escalate_and_the_others_keep_their_labels():
    sequence = FallbackSequence(3, levels=2)
    assert sequence.next() == (0, [0, 1, 2])
    sequence.update([0, 1, 2], outcomes(LABELLED, REFUSED, LABELLED))
    assert sequence.next() == (1, [1])
    sequence.update([1], outcomes(REFUSED))
    assert sequence.is_finished
    rows = sequence.report()
    assert [row["state"] for row in rows] == ["labelled", "failed", "labelled"]
    assert [attempt["settings_level"] for attempt in rows[1]["attempts"]] == [0, 1]
    assert rows[1]["reason"] == "because refused"
    with pytest.raises(ValueError, match="no frame is waiting"):
        sequence.next()


def test_a_job_that_dies_blames_the_frame_it_was_at():
    sequence = FallbackSequence(3, levels=2, max_failures=1)
    sequence.update([0, 1, 2], outcomes(LABELLED, UNFINISHED, UNFINISHED))
    assert sequence.next() == (0, [2, 1])  # the suspect goes last
    sequence.update([2, 1], outcomes(LABELLED, UNFINISHED))
    rows = sequence.report()
    assert [row["state"] for row in rows] == ["labelled", "failed", "labelled"]
    assert "2 jobs ended before it was finished" in rows[1]["reason"]


def test_time_that_runs_out_blames_only_the_frame_that_had_it_all():
    sequence = FallbackSequence(3, levels=1, max_failures=0)
    late = {"state": UNFINISHED, "reason": "", "out_of_time": True}
    sequence.update([0, 1, 2], [*outcomes(LABELLED), late, late])
    assert sequence.next() == (0, [1, 2])
    sequence.update([1, 2], [late, late])
    assert sequence.report()[1]["state"] == "failed" and sequence.next() == (0, [2])


def test_a_program_that_does_nothing_is_given_up():
    sequence, jobs = FallbackSequence(100, levels=3, max_failed_jobs=3), 0
    while not sequence.is_finished:
        _, indices = sequence.next()
        sequence.update(indices, outcomes(*[UNFINISHED] * len(indices)))
        jobs += 1
    assert jobs == 3
    assert all("3 jobs in a row finished nothing" in row["reason"] for row in sequence.report())


def test_what_is_wrong_with_all_is_said_of_all():
    sequence = FallbackSequence(2, levels=3)
    sequence.update([0, 1], outcomes(LABELLED, UNFINISHED))
    sequence.fail_all("CP2K does not understand its input")
    assert sequence.is_finished
    assert [row["state"] for row in sequence.report()] == ["labelled", "failed"]


def test_a_sequence_needs_a_settings_level():
    with pytest.raises(ValueError, match="no settings level"):
        FallbackSequence(1, levels=0)


@given(st.data())
def test_any_course_of_jobs_comes_to_an_end(data):
    """After any outcomes, each frame is labelled or failed; a stored state continues equally."""
    count, levels = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 3))
    sequence, jobs = FallbackSequence(count, levels), 0
    while not sequence.is_finished:
        level, indices = sequence.next()
        assert level < levels and len(indices) == len(set(indices))
        drawn = data.draw(st.lists(st.sampled_from([LABELLED, REFUSED, UNFINISHED]),
                                   min_size=len(indices), max_size=len(indices)))  # fmt: skip
        sequence.update(indices, outcomes(*drawn))
        sequence = FallbackSequence.from_state(json.loads(json.dumps(sequence.state)))
        jobs += 1
        assert jobs <= count * levels * 4
    assert {row["state"] for row in sequence.report()} <= {"labelled", "failed"}


def test_one_that_comes_further_is_never_given_up():
    """A long run in many short jobs: as many as it takes, and no attempt is held against it."""
    sequence = FallbackSequence(2, levels=1, max_failures=1, max_failed_jobs=2)
    for _ in range(10):
        assert sequence.next() == (0, [0, 1])
        sequence.update([0, 1], outcomes(ADVANCED, UNFINISHED))
    sequence.update([0, 1], outcomes(LABELLED, ADVANCED))
    sequence.update([1], outcomes(UNFINISHED))
    assert sequence.next() == (0, [1])
    sequence.update([1], outcomes(UNFINISHED))
    assert [row["state"] for row in sequence.report()] == ["labelled", "failed"]
    assert sequence.report()[0]["attempts"] == []


def test_what_needs_more_memory_is_not_tried_again():
    sequence = FallbackSequence(3, levels=3)
    sequence.update(
        [0, 1, 2],
        [
            {"state": UNFINISHED, "reason": "out of memory", "out_of_memory": True},
            {"state": LABELLED, "reason": ""},
            {"state": UNFINISHED, "reason": "not reached"},
        ],
    )
    assert [row["state"] for row in sequence.report()] == ["failed", "labelled", "pending"]
    assert sequence.report()[0]["reason"] == "out of memory"


def test_faults_from_outside_are_held_against_no_frame():
    """However often a job makes room for others, its frames are not given up."""
    sequence = FallbackSequence(2, levels=1, max_failures=1, max_failed_jobs=2)
    for _ in range(9):
        sequence.update([0, 1], outcomes(UNFINISHED, UNFINISHED), external=True)
    assert [row["state"] for row in sequence.report()] == ["pending", "pending"]
    sequence.update([0, 1], outcomes(LABELLED, LABELLED))
    assert sequence.is_finished


def test_a_state_of_an_earlier_version_is_understood():
    """As recorded in the inputs of `join_jobs` before settings levels had this name."""
    frames = [
        {"state": "labelled", "rung": 0, "deaths": 0, "reason": "", "attempts": []},
        {
            "state": "pending",
            "rung": 1,
            "deaths": 0,
            "reason": "not converged",
            "attempts": [{"rung": 0, "reason": "not converged"}],
        },
    ]
    state = {"rungs": 2, "max_deaths": 2, "max_barren": 3, "barren": 0, "frames": frames}
    sequence = FallbackSequence.from_state(state)
    assert sequence.next() == (1, [1])
    assert sequence.report()[1]["attempts"] == [{"settings_level": 0, "reason": "not converged"}]
    assert sequence.state == FallbackSequence.from_state(sequence.state).state
