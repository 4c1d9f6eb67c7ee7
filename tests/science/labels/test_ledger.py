"""The ledger of batches: rows and results under their index in the whole input."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.ledger import (
    BatchLedger,
    places_of,
    single_frames,
    trajectory_parts,
)


def rows(*states):
    return [{"index": place, "state": state} for place, state in enumerate(states)]


def test_rows_and_results_are_in_the_order_of_the_input():
    ledger = BatchLedger(range(4))
    ledger.start([3, 1])
    ledger.record(rows("labelled", "labelled"))
    ledger.keep("energy", [-3.0, -1.0], [0, 1])
    ledger.start([2, 0])
    ledger.record(rows("failed", "labelled"))
    ledger.keep("energy", [-0.5], places_of(rows("failed", "labelled"), "labelled"))
    assert [row["index"] for row in ledger.rows()] == [0, 1, 2, 3]
    assert [row["state"] for row in ledger.rows()] == ["labelled", "labelled", "failed", "labelled"]
    assert list(ledger.results("energy").items()) == [(0, -0.5), (1, -1.0), (3, -3.0)]
    assert ledger.pending("labelled") == [2]
    assert ledger.names == ["energy"] and ledger.results("forces") == {}


def test_a_following_batch_numbers_the_places_of_the_one_before():
    ledger = BatchLedger(range(5))
    ledger.record(rows("done", "unfinished", "done", "unfinished", "unfinished"))
    ledger.follow([1, 3, 4])
    ledger.record(rows("done", "unfinished", "done"))
    ledger.follow([1])
    assert ledger.batch == [3]
    ledger.keep("label", ["x"], [0])
    assert ledger.results("label") == {3: "x"} and ledger.pending("done") == [3]


def test_a_later_row_replaces_or_is_combined_with_the_earlier_one():
    ledger = BatchLedger(range(2))

    def add(before, row):
        return {**row, "steps": row["steps"] + (before or {"steps": 0})["steps"]}

    ledger.record([{"state": "a", "steps": 3}, {"state": "a", "steps": 5}], combine=add)
    ledger.follow([1])
    ledger.record([{"state": "b", "steps": 7}], combine=add)
    assert ledger.rows() == [
        {"state": "a", "steps": 3, "index": 0},
        {"state": "b", "steps": 12, "index": 1},
    ]


def test_skipped_rows_leave_the_earlier_one():
    ledger = BatchLedger(range(2))
    ledger.record(rows("failed", "failed"))
    ledger.record(rows("unknown", "labelled"), skip="unknown")
    assert [row["state"] for row in ledger.rows()] == ["failed", "labelled"]


def test_lists_of_results_grow_and_can_be_discarded():
    ledger = BatchLedger(range(3))
    ledger.append("path", {0: "a", 2: "b"})
    ledger.start([2])
    ledger.append("path", {0: "c"})
    assert ledger.results("path") == {0: ["a"], 2: ["b", "c"]}
    ledger.discard("path", [2, 1])
    ledger.discard("nothing of this name", [0])
    assert ledger.results("path") == {0: ["a"]}


def test_nothing_is_dropped_silently():
    ledger = BatchLedger(range(3))
    ledger.start([0, 2])
    with pytest.raises(ValueError, match="2 items reports on 1"):
        ledger.record(rows("labelled"))
    ledger.record_all({"state": "failed"})
    with pytest.raises(ValueError, match=r"no batch has reported on the items \[1\]"):
        ledger.rows()
    assert ledger.rows(missing={"state": "unfinished"})[1] == {"state": "unfinished", "index": 1}
    with pytest.raises(ValueError, match="1 results `label` of 2 items"):
        ledger.keep("label", ["x"], [0, 1])
    with pytest.raises(ValueError, match=r"items \[7\] are not in the input of 3"):
        ledger.start([7])
    with pytest.raises(ValueError, match="listed twice"):
        BatchLedger([0, 0])


@given(st.permutations(range(12)), st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_any_division_into_batches_gives_the_same_rows(order, lengths):
    ledger, left = BatchLedger(range(12)), list(order)
    for length in [*lengths, 12]:
        batch, left = left[:length], left[length:]
        ledger.start(batch)
        ledger.record([{"state": "done", "value": 10 * i} for i in batch])
        ledger.keep("value", [10 * i for i in batch], list(range(len(batch))))
    assert [row["value"] for row in ledger.rows()] == [10 * i for i in range(12)]
    assert ledger.results("value") == {i: 10 * i for i in range(12)}


def test_sampled_frames_are_renumbered_and_given_to_their_structures():
    atoms = [Atoms("Cu", positions=[[x, 0.0, 0.0]]) for x in (1.0, 2.0, 3.0)]
    frames = Frames.from_atoms(atoms)
    infos = [{"structure": place, "stage": 0} for place in (1, 0, 1)]
    frames = replace(frames, info=np.array([json.dumps(info) for info in infos]))
    parts = trajectory_parts(frames, [4, 9])
    assert sorted(parts) == [0, 1]
    assert np.array_equal(parts[1].positions[:, 0], [1.0, 3.0])
    assert [json.loads(text)["structure"] for text in parts[1].info] == [9, 9]
    assert json.loads(parts[0].info[0])["structure"] == 4
    assert [len(one) for one in single_frames(frames)] == [1, 1, 1]
