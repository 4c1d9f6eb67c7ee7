"""Frames and sizes grouped into jobs."""

from hypothesis import given
from hypothesis import strategies as st

from aiida_nanoclusters.workflows.parts.job_packing import bins_of_sizes, split_by_cost


@given(
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from("abc")), min_size=0, max_size=40),
    st.integers(1, 10),
    st.integers(0, 5),
)
def test_batches_hold_every_frame_once(frames, most, least):
    costs, kinds = [float(n) ** 2 for n, _ in frames], [kind for _, kind in frames]
    batches = split_by_cost(costs, kinds, most, least)
    assert sorted(i for batch in batches for i in batch) == list(range(len(frames)))
    assert all(1 <= len(batch) <= most for batch in batches)
    assert len(batches) >= min(least, len(frames)) * (
        max(costs, default=0) == min(costs, default=0)
    )


def test_batches_cost_alike_and_keep_kinds_together():
    costs = [1.0] * 8 + [8.0]
    assert split_by_cost(costs, "aabbaabbc", 500, 2) == [[8], [0, 1, 4, 5, 2, 3, 6, 7]]


SIZES = st.sets(st.integers(1, 400), min_size=1)
COSTS = st.floats(0.1, 100)


@given(SIZES, SIZES, COSTS, COSTS)
def test_a_bin_does_not_depend_on_what_else_is_asked_for(some, more, each, share):
    """Sizes that share a bin share it in every scan that has both."""
    few, many = bins_of_sizes(some, each, share), bins_of_sizes(some | more, each, share)
    assert [n for members in few for n in members] == sorted(some)
    kept = [[n for n in members if n in some] for members in many]
    assert [members for members in kept if members] == few


@given(st.integers(1, 400), COSTS, COSTS)
def test_bins_cost_what_they_should(largest, each, share):
    bins = bins_of_sizes(range(1, largest + 1), each, share)
    for members in bins[:-1]:  # the last may be smaller
        assert abs(each * sum(members) - share) <= each * members[-1] * (1 + 1e-9)


def test_small_sizes_together_large_ones_alone():
    """The protocol `moderate`: 74 sizes in 13 jobs, three to five of the larger ones in each."""
    bins = bins_of_sizes(range(7, 81), 6 * 135_400, 2e8)
    assert len(bins) == 13
    assert bins[0] == list(range(7, 23))
    assert {len(members) for members in bins if members[0] >= 50} == {3, 4, 5}
    assert bins_of_sizes([300, 301], 10 * 1_035_000, 1e9) == [[300], [301]]
