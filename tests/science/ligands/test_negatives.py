"""Negative pairs: the published rule worked out by hand, and what must hold of any draw."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

from aiida_nanoclusters.science.ligands.negatives import (
    POSITIVE,
    SIMILAR,
    add_negatives,
    excluded_ligands,
    shortcuts,
)
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings
from tests.small_pairs import (
    ACETATE,
    ALKYNYL,
    BUTYL,
    DECYL,
    DODECYL,
    ETHYL,
    HEXYL,
    LIGANDS,
    METHYL,
    OCTYL,
    PME3,
    PPH3,
    cores,
    many_pairs,
    pair_set,
)

ALL = [(4, (smiles,), 1) for smiles in LIGANDS]
#: Carbon atoms of methyl, ethyl, butyl, hexyl, octyl, decyl, dodecyl: 1, 2, 4, 6, 8, 10, 12.
EVERY = PairSettings(carbon_difference=2, carbon_difference_robust=3)


def made_of(pairs, core: int) -> list[tuple[str, ...]]:
    """Return the ligand sets of the negatives of a core."""
    return [pair.ligands for pair in pairs.pairs if pair.core == core and pair.label == 0]


# -- the rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("positives", "similar"),
    [
        # type I: the group of one of its ligands, two carbon atoms apart at most
        ([(HEXYL,)], {BUTYL, OCTYL}),
        ([(METHYL,)], {ETHYL}),
        ([(PPH3,)], set()),
        ([(PPH3, HEXYL)], {BUTYL, OCTYL}),
        # type II: groups of all its sets, three apart at most
        ([(HEXYL,), (METHYL,)], {ETHYL, BUTYL, OCTYL}),
        ([(HEXYL,), (PPH3,)], set()),
        ([(HEXYL, PPH3), (PME3,)], set()),
        ([(HEXYL, PPH3), (METHYL, PME3)], {ETHYL, BUTYL, OCTYL}),
        ([(HEXYL, PPH3), (METHYL,)], {ETHYL, BUTYL, OCTYL}),
    ],
)
def test_what_is_excluded(positives, similar) -> None:
    found = excluded_ligands([tuple(sorted(p)) for p in positives], LIGANDS, EVERY)
    known = {smiles for ligands in positives for smiles in ligands}
    assert {smiles for smiles, why in found.items() if why == POSITIVE} == known
    assert {smiles for smiles, why in found.items() if why == SIMILAR} == similar


def test_the_rule_of_cores_with_several_sets_is_stricter() -> None:
    """The same two ligands exclude more where each has formed the core than where both did."""
    together = excluded_ligands([(HEXYL, METHYL)], LIGANDS, EVERY)
    apart = excluded_ligands([(HEXYL,), (METHYL,)], LIGANDS, EVERY)
    assert set(together) <= set(apart)


def test_identical_cores_share_what_they_are_known_with() -> None:
    """A core that is held twice is of type II, and a set of either is no negative of the other."""
    images = [*cores(), cores()[0]]
    images[5].rotate(70, "xyz")
    pairs = pair_set([(0, (HEXYL,), 1), (5, (METHYL,), 1), *ALL], images)
    found, report = add_negatives(pairs, EVERY, 1)
    rows = {row["core"]: row for row in report["cores"]}
    assert set(rows) == {0, 4} and rows[0]["type"] == "II" and rows[0]["n_positive"] == 2
    assert {smiles for ligands in made_of(found, 0) for smiles in ligands}.isdisjoint(
        {HEXYL, METHYL, ETHYL, BUTYL, OCTYL}
    )
    assert made_of(found, 5) == []


# -- the draw ----------------------------------------------------------------------------------


def test_a_core_with_one_set_has_negatives_of_as_many_ligands() -> None:
    pairs = pair_set([(0, (HEXYL, PPH3), 1), (1, (HEXYL,), 1), *ALL])
    settings = PairSettings(negatives_per_positive=3)
    found, _ = add_negatives(pairs, settings, 1)
    assert [len(ligands) for ligands in made_of(found, 0)] == [2, 2, 2]
    assert [len(ligands) for ligands in made_of(found, 1)] == [1, 1, 1]


def test_a_core_with_several_sets_has_negatives_of_another_number_of_ligands() -> None:
    rows = [(0, (METHYL,), 1), (0, (ETHYL,), 1), (0, (BUTYL,), 1), *ALL]
    sizes = set()
    for seed in range(8):
        found, report = add_negatives(pair_set(rows), EVERY, seed)
        assert report["cores"][0]["type"] == "II"
        sizes |= {len(ligands) for ligands in made_of(found, 0)}
    assert sizes == {2, 3, 4}
    same = EVERY.model_copy(update={"kinds_of_negatives": "same"})
    assert {len(s) for s in made_of(add_negatives(pair_set(rows), same, 1)[0], 0)} == {1}
    several = {"kinds_of_negatives": "any", "most_ligands": 2, "negatives_per_positive": 4}
    either = EVERY.model_copy(update=several)
    found, _ = add_negatives(pair_set(rows), either, 1)
    assert {len(ligands) for ligands in made_of(found, 0)} == {1, 2}


@given(seed=st.integers(0, 2**31), most=st.integers(1, 4), ways=st.integers(0, 5))
@examples(max_examples=25, deadline=None)
def test_what_holds_of_any_draw(seed, most, ways) -> None:
    settings = PairSettings(
        most_ligands=most,
        kinds_of_negatives=["published", "same", "any"][ways % 3],
        draw=["uniform", "frequency"][ways % 2],
        balance=["core", "total"][ways // 3],
    )
    pairs = many_pairs(60, 30, most=most, seed=seed % 7)
    found, report = add_negatives(pairs, settings, seed)
    assert found.pairs[: len(pairs)] == pairs.pairs
    new = found.pairs[len(pairs) :]
    assert all(pair.label == 0 and pair.counts == () for pair in new)
    assert all(len(pair.ligands) <= most for pair in new)
    known = {(pairs.identities[p.core], p.ligands) for p in pairs.pairs}
    drawn = [(found.identities[p.core], p.ligands) for p in new]
    assert len(set(drawn)) == len(drawn) and known.isdisjoint(drawn)
    of_core: dict[int, set[str]] = {}
    for pair in pairs.pairs:
        if pair.label:
            of_core.setdefault(pairs.identities[pair.core], set()).update(pair.ligands)
    assert all(of_core[core].isdisjoint(ligands) for core, ligands in drawn)
    assert report["n_negative"] + report["n_positive"] == len(found)
    wanted = sum(max(0, row["n_positive"] - row["n_reported"]) for row in report["cores"])
    assert len(new) <= wanted
    if settings.balance == "core":
        assert len(new) == wanted - report["lacking"]
    json.dumps(report)


def test_equal_seeds_give_equal_negatives() -> None:
    pairs, settings = many_pairs(), PairSettings()
    first, again = (add_negatives(pairs, settings, 3)[0] for _ in range(2))
    other = add_negatives(pairs, settings, 4)[0]
    assert first.pairs == again.pairs
    assert [p.ligands for p in first.pairs] != [p.ligands for p in other.pairs]
    assert {p.origin for p in first.pairs[len(pairs) :]} == {"generated, seed 3"}


def test_there_are_as_many_negatives_as_positives() -> None:
    rows = [(k, (smiles,), 1) for k in range(5) for smiles in (METHYL, PPH3, ALKYNYL)]
    found, report = add_negatives(pair_set([*rows, (0, (ACETATE,), 1)]), PairSettings(), 1)
    assert report["n_positive"] == 16 and report["lacking"] == 16 - report["n_negative"]
    # nothing is left of the pool but acetate, for the four cores that are not known with it
    assert {p.ligands for p in found.pairs[16:]} <= {(ACETATE,)}
    wide = PairSettings(pool=["CCCCCCCCCCCCCCCCS", "CP(C)C", "c1ccncc1", "CN", "O=CO", "Br", "Cl"])
    found, report = add_negatives(pair_set([*rows, (0, (ACETATE,), 1)]), wide, 1)
    assert report["n_negative"] == report["n_positive"] == 16 and not report["lacking"]


def test_reported_negatives_are_kept_and_their_ligands_stay_in_the_pool() -> None:
    """Ethyl is too similar to methyl, but is reported not to form the core."""
    rows = [(0, (METHYL,), 1), (0, (ETHYL,), 0), (1, (METHYL,), 1), *ALL]
    only = EVERY.model_copy(update={"negatives_per_positive": 6, "kinds_of_negatives": "any"})
    found, report = add_negatives(pair_set(rows), only, 2)
    row = report["cores"][0]
    assert (row["n_reported"], row["n_negative"]) == (1, 5)
    assert (ETHYL,) in made_of(found, 0) and len(set(made_of(found, 0))) == 6
    drawn = [add_negatives(pair_set(rows), only, seed)[0] for seed in range(6)]
    mixed = {s for pairs in drawn for p in made_of(pairs, 0) if len(p) > 1 for s in p}
    assert ETHYL in mixed and METHYL not in mixed
    assert ETHYL not in {s for pairs in drawn for p in made_of(pairs, 1) for s in p}


def test_reported_negatives_count() -> None:
    rows = [(0, (METHYL,), 1), (0, (PPH3,), 0), (0, (DECYL,), 0), *ALL]
    found, report = add_negatives(pair_set(rows), PairSettings(), 1)
    assert len(made_of(found, 0)) == 2 and report["cores"][0]["n_negative"] == 0
    assert report["n_reported"] == 2


def test_cores_without_negatives_are_named() -> None:
    """All ligands are thiolates of one to eight carbon atoms, and each core is known with two."""
    rows = [(k, (smiles,), 1) for k in range(3) for smiles in (ETHYL, HEXYL)]
    found, report = add_negatives(pair_set([*rows, (3, (METHYL,), 1)]), PairSettings(), 1)
    assert report["without_negatives"] == ["Au13, core 0", "Au13, core 1", "Au55, core 2"]
    assert [p.core for p in found.pairs[len(rows) + 1 :]] == [3]
    said = " ".join(report["warnings"])
    assert "only 3 ligands" in said and "3 of 4 cores have no negative (Au13, core 0" in said
    assert "All ligands of the pool bind as thiolate" in said
    assert report["pool"] == {"n_ligands": 3, "groups": {"thiolate": 3}}
    row = report["cores"][0]
    assert (row["n_known"], row["n_similar"], row["similar"]) == (2, 1, [METHYL])
    assert row["lacking"] == 2 and report["lacking"] == 6


def test_other_cores_make_up_for_those_that_have_too_few() -> None:
    rows = [(0, (ETHYL,), 1), (0, (HEXYL,), 1), *((k, (METHYL,), 1) for k in (1, 2, 3))]
    given = [*rows, *((4, (s,), 1) for s in (DODECYL, DECYL, OCTYL))]
    settings = PairSettings(kinds_of_negatives="same", carbon_difference_robust=10)
    left, report = add_negatives(pair_set(given), settings, 1)
    assert report["cores"][0]["n_negative"] == 0 and report["n_negative"] < 8
    total = settings.model_copy(update={"balance": "total"})
    found, report = add_negatives(pair_set(given), total, 1)
    assert report["n_negative"] == report["n_positive"] == 8 > len(left.pairs) - 8
    assert made_of(found, 0) == []


def test_ligands_are_drawn_as_often_as_they_are_known() -> None:
    rows = [(0, (HEXYL,), 1), *((4, (s,), 1) for s in (PPH3, ACETATE))]
    images = [*cores(), *(cores()[2][:n] for n in range(20, 50))]
    rows += [(k, (PPH3,), 1) for k in range(5, 35)]
    often = PairSettings(draw="frequency")
    drawn = [
        made_of(add_negatives(pair_set(rows, images), often, seed)[0], 0)[0] for seed in range(20)
    ]
    assert drawn.count((PPH3,)) >= 15  # 32 to 2


def test_a_pool_may_be_added_in_any_writing() -> None:
    settings = PairSettings(pool=["SCCc1ccccc1", "P(C)(C)C", "[Br-]", "CP(C)C"])
    _, report = add_negatives(pair_set([(0, (METHYL,), 1)]), settings, 1)
    assert report["pool"]["n_ligands"] == 4
    assert report["pool"]["groups"] == {"halide": 1, "phosphine": 1, "thiolate": 2}
    with pytest.raises(ValueError, match=r"`pool`: .*nonsense"):
        add_negatives(pair_set([(0, (METHYL,), 1)]), PairSettings(pool=["nonsense"]), 1)


def test_without_positive_pairs() -> None:
    with pytest.raises(ValueError, match="no positive pairs"):
        add_negatives(pair_set([(0, (METHYL,), 0)]), PairSettings(), 1)


# -- shortcuts ---------------------------------------------------------------------------------


def test_shortcuts_of_known_answer() -> None:
    told = pair_set(
        [(0, (METHYL,), 1), (0, (PPH3, ETHYL), 0), (1, (HEXYL,), 1), (1, (PPH3, BUTYL), 0)]
    )
    assert shortcuts(told) == {"core": 0.5, "number_of_ligands": 1.0, "functional_groups": 1.0}
    by_core = pair_set([(0, (METHYL,), 1), (0, (ETHYL,), 1), (1, (METHYL,), 0), (1, (ETHYL,), 0)])
    assert shortcuts(by_core) == {"core": 1.0, "number_of_ligands": 0.5, "functional_groups": 0.5}
    one = pair_set([(0, (METHYL,), 1)])
    assert set(shortcuts(one).values()) == {None}


def test_shortcuts_are_areas_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    pairs = many_pairs(200, 20, most=3)
    column = [len(pair.ligands) for pair in pairs.pairs]
    scores = [np.mean([p.label for p in pairs.pairs if len(p.ligands) == n]) for n in column]
    expected = metrics.roc_auc_score(pairs.labels, scores)
    assert shortcuts(pairs)["number_of_ligands"] == pytest.approx(expected)
