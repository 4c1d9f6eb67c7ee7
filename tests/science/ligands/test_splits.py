"""Splits: what lies on both sides is counted, and each kind keeps apart what it promises."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron, Octahedron
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from aiida_nanoclusters.science.ligands.pair_settings import SPLIT_KINDS
from aiida_nanoclusters.science.ligands.splits import (
    LEFT_OUT,
    PROMISES,
    describe_split,
    leaks,
    split_pairs,
)
from tests.small_pairs import (
    ACETATE,
    ALKYNYL,
    BUTYL,
    ETHYL,
    HEXYL,
    METHYL,
    OCTYL,
    PME3,
    PPH3,
    cores,
    many_pairs,
    pair_set,
)

NONE = {
    "pairs": 0,
    "cores": 0,
    "core_families": 0,
    "ligand_sets": 0,
    "ligands": 0,
    "groups": 0,
}


def again(atoms: Atoms, seed: int = 3) -> Atoms:
    """The same core as another file has it: turned, reordered, relaxed a little."""
    atoms = atoms[np.random.default_rng(seed).permutation(len(atoms))]
    atoms.rattle(0.1, seed=seed)
    atoms.rotate(80, "xyz")
    return atoms


# -- leaks are seen ----------------------------------------------------------------------------


def test_nothing_in_common() -> None:
    pairs = pair_set([(0, (METHYL,), 1), (2, (PPH3,), 0), (3, (ACETATE, HEXYL), 1)])
    assert leaks(pairs, [0, 1, 2]) == NONE
    assert leaks(pairs, [0, 0, 0]) == NONE


def test_one_core_on_both_sides() -> None:
    pairs = pair_set([(0, (METHYL,), 1), (0, (PPH3,), 0)])
    assert leaks(pairs, [0, 2]) == {**NONE, "cores": 1, "core_families": 1}
    assert leaks(pairs, [0, 1]) == {**NONE, "cores": 1, "core_families": 1}
    assert leaks(pairs, [2, 2]) == NONE


def test_the_same_core_under_another_number() -> None:
    """It is recognised by its geometry: what made the pairs may have missed it."""
    images = [*cores(), again(cores()[0])]
    pairs = pair_set([(0, (METHYL,), 1), (5, (PPH3,), 0)], images)
    assert leaks(pairs, [0, 2]) == {**NONE, "cores": 1, "core_families": 1}
    pairs = pair_set([(0, (METHYL,), 1), (5, (METHYL,), 0)], images)
    assert leaks(pairs, [0, 2]) == dict.fromkeys(NONE, 1)


def test_cores_of_one_family() -> None:
    """The fourth is of gold, the fifth of silver."""
    pairs = pair_set([(3, (METHYL,), 1), (4, (PPH3,), 0)])
    assert leaks(pairs, [0, 2]) == {**NONE, "core_families": 1}


def test_ligands_on_both_sides() -> None:
    pairs = pair_set([(0, (METHYL, PPH3), 1), (2, (METHYL, PPH3), 0), (3, (METHYL, HEXYL), 1)])
    assert leaks(pairs, [0, 2, 2]) == {**NONE, "ligand_sets": 1, "ligands": 2}
    assert leaks(pairs, [0, 0, 2]) == {**NONE, "ligands": 1}


def test_one_nuclearity_with_one_ligand_set() -> None:
    """An icosahedron and a cuboctahedron of 13 atoms, and one of 12 metals with a sulfide."""
    sulfide = cores()[0]
    sulfide.symbols[0] = "S"
    pairs = pair_set([(0, (METHYL,), 1), (1, (METHYL,), 0), (5, (METHYL,), 0)], [*cores(), sulfide])
    assert leaks(pairs, [0, 2, 1]) == {**NONE, "ligand_sets": 1, "ligands": 1, "groups": 1}
    assert leaks(pairs, [0, 0, 1]) == {**NONE, "ligand_sets": 1, "ligands": 1}


def test_pairs_that_are_left_out_do_not_leak() -> None:
    pairs = pair_set([(0, (METHYL,), 1), (0, (PPH3,), 0)])
    assert leaks(pairs, [0, LEFT_OUT]) == NONE


@pytest.mark.parametrize("kind", ["published", "core", "ligand"])
def test_a_split_that_leaks_is_refused(kind) -> None:
    """One pair of the training is moved to the test: its core or its ligands are on both sides."""
    pairs = many_pairs(100, 12)
    assignment = split_pairs(pairs, kind, seed=1)
    assert describe_split(pairs, assignment, kind)["kind"] == kind
    refused = 0
    for k in np.flatnonzero(assignment == 0):
        moved = assignment.copy()
        moved[k] = 2
        found = leaks(pairs, moved)
        if any(found[name] for name in PROMISES[kind]):
            refused += 1
            with pytest.raises(ValueError, match="lie on several sides"):
                describe_split(pairs, moved, kind)
    assert refused > (30 if kind != "published" else 5)


def test_a_copy_of_a_core_is_not_parted_from_it() -> None:
    """Neither by core nor as published, though it has a number of its own."""
    images = [Octahedron("Au", 4, 1)[: 10 + k] for k in range(12)]
    images += [again(atoms, 7 + k) for k, atoms in enumerate(images)]
    sets = [(METHYL,), (PPH3,), (ACETATE,)]
    rows = [(k, s, k % 2) for k in range(24) for s in sets]
    pairs = pair_set(rows, images)
    assert pairs.identities.max() == 11
    for kind in ("random", "published", "core"):
        for seed in range(5):
            found = leaks(pairs, split_pairs(pairs, kind, seed=seed))
            assert not any(found[name] for name in PROMISES[kind])


# -- what is promised --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPLIT_KINDS)
@given(seed=st.integers(0, 2**31), most=st.integers(1, 4), shape=st.integers(0, 3))
@examples(max_examples=12, deadline=None)
def test_each_kind_keeps_its_promise(kind, seed, most, shape) -> None:
    shares = [(0.8, 0.1, 0.1), (0.6, 0.2, 0.2), (0.9, 0.1, 0.0), (0.7, 0.0, 0.3)][shape]
    pairs = many_pairs(150, 24, most=most, seed=seed % 5)
    try:
        assignment = split_pairs(pairs, kind, shares, seed)
    except ValueError as error:
        # with sets of up to four of eleven ligands, hardly a pair is of one subset alone
        assert kind == "ligand" and most > 2 and "no pairs whose ligands" in str(error)
        return
    assert assignment.dtype == np.int8 and assignment.shape == (150,)
    counted = leaks(pairs, assignment)
    assert not any(counted[name] for name in PROMISES[kind])
    described = describe_split(pairs, assignment, kind)
    assert described["left_out"] == (assignment == LEFT_OUT).sum()
    assert kind == "ligand" or described["left_out"] == 0
    for number, share in enumerate(shares):
        assert (assignment == number).any() == (share > 0)
    if most == 1:
        assert described["left_out"] == 0
        shape_of = np.bincount(assignment, minlength=3) / 150
        assert np.abs(shape_of - shares).max() < 0.15
        assert not described["warnings"]


def test_a_random_split_leaks() -> None:
    """That is what it is reported beside the others for."""
    counted = leaks(many_pairs(), split_pairs(many_pairs(), "random"))
    assert counted["pairs"] == 0
    assert all(counted[name] > 5 for name in ("cores", "core_families", "ligands"))


@pytest.mark.parametrize("kind", SPLIT_KINDS)
def test_equal_seeds_give_equal_splits(kind) -> None:
    pairs = many_pairs()
    first, second = split_pairs(pairs, kind, seed=5), split_pairs(many_pairs(), kind, seed=5)
    assert (first == second).all()
    others = [split_pairs(pairs, kind, seed=seed) for seed in range(5)]
    assert len({other.tobytes() for other in others}) > 2


def test_shares_of_single_pairs_are_exact() -> None:
    assignment = split_pairs(many_pairs(240), "random", (0.8, 0.1, 0.1), 1)
    assert np.bincount(assignment).tolist() == [192, 24, 24]


# -- tiny sets ---------------------------------------------------------------------------------


def test_no_subset_is_empty_where_it_can_be_avoided() -> None:
    """Twenty pairs of one core, and one each of two others."""
    rows = [(0, tuple(sorted({a, b})), k % 2) for k, (a, b) in enumerate(
        (a, b) for a in (METHYL, ETHYL, BUTYL, HEXYL) for b in (METHYL, PPH3, PME3, OCTYL, ALKYNYL)
    )]  # fmt: skip
    pairs = pair_set(list(dict.fromkeys([*rows, (2, (METHYL,), 1), (3, (METHYL,), 0)])))
    for seed in range(20):
        assignment = split_pairs(pairs, "core", seed=seed)
        assert np.bincount(assignment, minlength=3).tolist()[1:] == [1, 1]
    pairs = pair_set([(0, (METHYL,), 1), (2, (PPH3,), 0), (3, (HEXYL,), 1)])
    for kind in SPLIT_KINDS:
        assert sorted(split_pairs(pairs, kind).tolist()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "rows", "what"),
    [
        ("random", [(0, (METHYL,), 1), (0, (PPH3,), 0)], "2 distinct pairs"),
        ("published", [(0, (METHYL,), 1), (1, (METHYL,), 1), (0, (PPH3,), 0)], "2 groups"),
        ("core", [(3, (METHYL,), 1), (4, (PPH3,), 0), (3, (HEXYL,), 1), (0, (PPH3,), 1)],
         "2 families"),
        ("ligand", [(k, (s,), 1) for k in range(5) for s in (METHYL, PPH3)], "2 ligands"),
    ],
)  # fmt: skip
def test_too_few_to_split(kind, rows, what) -> None:
    pairs = pair_set(rows)
    with pytest.raises(ValueError, match=f"{what}.* cannot fill 3 subsets: read more"):
        split_pairs(pairs, kind)
    assignment = split_pairs(pairs, kind, (0.8, 0.0, 0.2))
    assert sorted(set(assignment.tolist())) == [0, 2]


def test_ligands_that_are_always_together_cannot_be_parted() -> None:
    rows = [(k, (METHYL, PPH3, ACETATE), k % 2) for k in range(5)]
    with pytest.raises(ValueError, match="split by another kind"):
        split_pairs(pair_set(rows), "ligand")


def test_what_a_split_is_told() -> None:
    pairs = pair_set([(0, (METHYL,), 1), (2, (PPH3,), 1), (3, (HEXYL,), 0), (0, (METHYL, PPH3), 0)])
    told = describe_split(pairs, [0, 2, 0, LEFT_OUT], "ligand")
    assert told["subsets"]["training"] == {
        "n_pairs": 2, "n_positive": 1, "n_cores": 2, "n_ligand_sets": 2,
    }  # fmt: skip
    assert told["subsets"]["validation"]["n_pairs"] == 0 and told["left_out"] == 1
    assert told["warnings"] == [
        "All 1 pairs of the test subset are compatible.",
        "1 of 4 pairs are left out: their ligands belong to several subsets.",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("by colour",), "unknown split `by colour`: choose among random, published"),
        (("core", (0.5, 0.5)), "give three"),
        (("ligand", (0.8, 0.3, 0.1)), "add up to 1"),
    ],
)
def test_splits_that_are_none(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        split_pairs(many_pairs(), *arguments)


@pytest.mark.parametrize("wrong", [[0, 1], [0, 1, 3], [[0, 1, 2]], [0, 1, 0.5]])
def test_assignments_that_are_none(wrong) -> None:
    pairs = pair_set([(0, (METHYL,), 1), (2, (PPH3,), 0), (3, (HEXYL,), 1)])
    with pytest.raises(ValueError, match="give that of a split"):
        leaks(pairs, wrong)


def test_icosahedra_of_two_sizes_are_two_families() -> None:
    pairs = pair_set(
        [(0, (METHYL,), 1), (1, (METHYL,), 1)], [Icosahedron("Au", 2), Icosahedron("Au", 3)]
    )
    assert leaks(pairs, [0, 2])["core_families"] == 0
