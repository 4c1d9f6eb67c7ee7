"""Pairs of cores and ligand sets: what is one, what is refused, what becomes of files."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron, Octahedron

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands import pair_checks
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings, checked_shares
from aiida_nanoclusters.science.ligands.pairs import Pair, PairSet, collect_pairs
from tests.small_pairs import (
    ACETATE,
    BUTYL,
    DECYL,
    METHYL,
    PPH3,
    cluster,
    cores,
    many_pairs,
    pair_set,
)


def rattled(atoms: Atoms, seed: int = 1) -> Atoms:
    atoms = atoms[np.random.default_rng(seed).permutation(len(atoms))]
    atoms.rattle(0.1, seed=seed)
    atoms.rotate(50, "xyz")
    return atoms


# -- collecting --------------------------------------------------------------------------------


def test_cores_and_pairs_are_one_each() -> None:
    gold, other, *_ = cores()
    given = [
        (cluster(gold, METHYL, charge=-1), "a.xyz"),
        (cluster(rattled(gold), METHYL), "b.xyz"),
        (cluster(rattled(gold, 2), PPH3, METHYL), "c.xyz"),
        (cluster(other, METHYL), "d.xyz"),
    ]
    pairs, report = collect_pairs(given, PairSettings())
    assert [(p.core, p.ligands, p.label, p.origin, p.counts) for p in pairs.pairs] == [
        (0, (METHYL,), 1, "a.xyz", (6,)),
        (0, (METHYL, PPH3), 1, "c.xyz", (6, 6)),
        (1, (METHYL,), 1, "d.xyz", (6,)),
    ]
    assert [(row["origin"], row["reason"]) for row in report] == [("b.xyz", "duplicate")]
    assert "a.xyz" in report[0]["message"]
    first = pairs.cores[0]
    assert first.info["parent"] == "a.xyz" and first.info["config_type"] == "core"
    assert first.info["clusters"] == ["a.xyz", "b.xyz", "c.xyz"]
    assert first.info["charges"] == [-1, None, None]
    assert np.allclose(first.positions, gold.positions) and not first.pbc.any()
    assert pairs.groups == {METHYL: "thiolate", PPH3: "phosphine"}


@pytest.mark.parametrize(
    ("core", "ligands", "reason"),
    [
        (Atoms("Au3S", np.eye(4)[:, :3] * 2.8), (METHYL,), "too_few_metals"),
        (Icosahedron("Au", 3), (METHYL,), "too_many_metals"),
        (Icosahedron("Au", 2), (), "no_ligands"),
        (Icosahedron("Au", 2), (METHYL, PPH3, ACETATE), "too_many_ligands"),
    ],
)
def test_what_does_not_count_is_told(core, ligands, reason) -> None:
    settings = PairSettings(most_metals=50, most_ligands=2)
    good = (cluster(Octahedron("Au", 3, 1), METHYL), "good.xyz")
    pairs, report = collect_pairs([(cluster(core, *ligands), "bad.xyz"), good], settings)
    assert len(pairs) == 1 and pairs.pairs[0].origin == "good.xyz"
    assert [(row["origin"], row["reason"]) for row in report] == [("bad.xyz", reason)]
    with pytest.raises(ValueError, match="none of 1 clusters"):
        collect_pairs([(cluster(core, *ligands), "bad.xyz")], settings)


def test_pairs_that_a_person_reports() -> None:
    pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')
    given = [
        (cluster(cores()[0], METHYL), "folder/au13.xyz"),
        (cluster(cores()[1], PPH3), "other.xyz"),
    ]
    rows = [
        {"core": "folder/au13.xyz", "ligands": ["CCCCS", "CS"]},
        {"core": "au13", "ligands": ["[S-]CCCC"], "label": 1},
    ]
    pairs, _ = collect_pairs(given, PairSettings(reported=rows))
    assert [(p.core, p.ligands, p.label, p.origin) for p in pairs.pairs[2:]] == [
        (0, tuple(sorted((METHYL, BUTYL))), 0, "reported"),
        (0, (BUTYL,), 1, "reported"),
    ]
    for wrong, message in (
        ({"core": "au14", "ligands": ["CS"]}, "name of 0 cores"),
        ({"core": "au13", "ligands": ["CS"]}, "remove what is wrong"),
        ({"core": "au13", "ligands": ["no"]}, "no"),
    ):
        with pytest.raises(ValueError, match=message):
            collect_pairs(given, PairSettings(reported=[wrong]))


def test_a_name_of_two_cores_is_none() -> None:
    pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')
    given = [
        (cluster(cores()[0], METHYL), "a/x.xyz"),
        (cluster(cores()[1], METHYL), "b/x.xyz"),
    ]
    row = {"core": "x", "ligands": ["CCS"]}
    with pytest.raises(ValueError, match="name of 2 cores"):
        collect_pairs(given, PairSettings(reported=[row]))


def test_names_that_cannot_be_printed_are_changed() -> None:
    pairs, _ = collect_pairs(
        [(cluster(cores()[0], METHYL), "a\x1b[2J" + "x" * 900)], PairSettings()
    )
    assert pairs.pairs[0].origin.startswith("a?[2Jx") and len(pairs.pairs[0].origin) == 500


# -- what a set is -----------------------------------------------------------------------------


def test_identities_and_families() -> None:
    images = [*cores(), rattled(cores()[2])]
    pairs = pair_set([(k, (METHYL,), 1) for k in range(6)], images)
    assert pairs.identities.tolist() == [0, 1, 2, 3, 4, 2]
    families = pairs.families.tolist()
    assert families[3] == families[4] and len(set(families)) == 4
    assert families[2] == families[5]
    assert pairs.nuclearities.tolist() == [13, 13, 55, 38, 38, 55]


def test_the_same_core_is_of_one_family_where_scaling_moves_an_atom() -> None:
    core = Octahedron("Au", 5, 1)
    swollen = core.copy()
    far = int(np.argmax(np.linalg.norm(core.positions - core.positions.mean(axis=0), axis=1)))
    swollen.positions[far] += (core.positions[far] - core.positions.mean(axis=0)) * 0.15
    pairs = pair_set([(0, (METHYL,), 1), (1, (METHYL,), 1)], [core, swollen])
    assert set(pairs.identities.tolist()) == set(pairs.families.tolist()) == {0}


def test_content_comes_back() -> None:
    pairs = many_pairs()
    text = pairs.content()
    again = PairSet.from_content(text, pairs.cores)
    assert again.pairs == pairs.pairs and again.tolerance == pairs.tolerance
    assert again.content() == text == PairSet.from_content(text.encode(), pairs.cores).content()
    assert again.groups == {s: pairs.groups[s] for s in pairs.ligands}


def test_groups_follow_from_the_ligands() -> None:
    pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')
    bare = PairSet(Frames.from_atoms(cores()), (Pair(0, (METHYL, PPH3), 1, "x"),))
    assert json.loads(bare.content())["groups"] == {METHYL: "thiolate", PPH3: "phosphine"}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (Pair(5, (METHYL,), 1, "x"), "core 5 is none of the 5"),
        (Pair(-1, (METHYL,), 1, "x"), "core -1 is none"),
        (Pair(True, (METHYL,), 1, "x"), "core True is none"),
        (Pair(0.0, (METHYL,), 1, "x"), "core 0.0 is none"),
        (Pair(0, (METHYL,), 2, "x"), "label 2 is neither"),
        (Pair(0, (METHYL,), "1", "x"), "is neither"),
        (Pair(0, (), 1, "x"), "0 ligands"),
        (Pair(0, ("C", "N", "O", "P", "S"), 1, "x"), "5 ligands"),
        (Pair(0, tuple(sorted((DECYL, METHYL)))[::-1], 1, "x"), "distinct and sorted"),
        (Pair(0, (METHYL, METHYL), 1, "x"), "distinct and sorted"),
        (Pair(0, ("C[S].C[S]",), 1, "x"), "no SMILES of one ligand"),
        (Pair(0, ("C [S]",), 1, "x"), "no SMILES"),
        (Pair(0, ("C" * 2001,), 1, "x"), "no SMILES"),
        (Pair(0, (5,), 1, "x"), "no SMILES"),
        (Pair(0, (METHYL,), 1, "x\x1b"), "origin"),
        (Pair(0, (METHYL,), 1, "x" * 501), "origin"),
        (Pair(0, (METHYL,), 1, 7), "origin"),
        (Pair(0, (METHYL,), 1, "x", (1, 2)), "2 counts of 1"),
        (Pair(0, (METHYL,), 1, "x", (0,)), "no positive"),
        (Pair(0, (METHYL,), 1, "x", (1.5,)), "no positive"),
    ],
)  # fmt: skip
def test_pairs_that_are_none(pair, message) -> None:
    with pytest.raises(ValueError, match=message):
        PairSet(Frames.from_atoms(cores()), (pair,))


def test_sets_that_are_none(monkeypatch) -> None:
    frames, pair = Frames.from_atoms(cores()), Pair(0, (METHYL,), 1, "x")
    with pytest.raises(ValueError, match="there twice"):
        PairSet(frames, (pair, Pair(0, (METHYL,), 0, "y")))
    with pytest.raises(ValueError, match="0 pairs"):
        PairSet(frames, ())
    for tolerance in (0.0, 3.0, float("nan")):
        with pytest.raises(ValueError, match="tolerance"):
            PairSet(frames, (pair,), tolerance=tolerance)
    with pytest.raises(ValueError, match="no functional group"):
        PairSet(frames, (pair,), {METHYL: "\x1b[2J"})
    crystal = Atoms("Au", cell=[4, 4, 4], pbc=True)
    with pytest.raises(ValueError, match="periodic"):
        PairSet(Frames.from_atoms([crystal]), (pair,))
    with pytest.raises(ValueError, match="not finite"):
        PairSet(Frames.from_atoms([Atoms("Au2", [[0, 0, 0], [np.nan, 0, 0]])]), (pair,))
    monkeypatch.setattr(pair_checks, "MOST_CORE_ATOMS", 20)
    with pytest.raises(ValueError, match="55 atoms, more than 20"):
        PairSet(frames, (pair,))
    monkeypatch.setattr(pair_checks, "MOST_CORES", 2)
    with pytest.raises(ValueError, match="5 cores"):
        PairSet(frames, (pair,))


def changed(**values) -> str:
    content = json.loads(pair_set([(0, (METHYL,), 1)]).content())
    for name, value in values.items():
        place = content["pairs"][0] if name in content["pairs"][0] else content
        place[name] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a set of pairs"),
        ("[]", "does not hold groups, pairs, tolerance"),
        ("{}", "does not hold"),
        ("[" * 100_000, "not a set of pairs"),
        (changed(extra=1), "does not hold"),
        (changed(pairs={}), "no list of pairs"),
        (changed(pairs=[]), "0 pairs"),
        (changed(pairs=[1]), "a pair does not hold"),
        (changed(groups=[]), "no table of groups"),
        (changed(groups={}), "does not name the ligands"),
        (changed(groups={METHYL: "thiolate", PPH3: "phosphine"}), "does not name the ligands"),
        (changed(groups={METHYL: ["thiolate"]}), "no functional group"),
        (changed(tolerance="1.2"), "tolerance is no number"),
        (changed(tolerance=True), "tolerance is no number"),
        (changed(tolerance=1).replace('"tolerance": 1', '"tolerance": 1e999'), "inf Å"),
        (changed(tolerance=float("nan")), "holds NaN"),
        (changed(ligands="C[S]"), "is no list"),
        (changed(ligands=[["C"]]), "no SMILES"),
        (changed(counts=None), "is no list"),
        (changed(core=10**30), "is none of the 5"),
        (changed(core=None), "is none of the 5"),
        (changed(label=0.5), "is neither"),
        (changed(origin={}), "origin"),
    ],
)
def test_texts_that_are_no_pairs(text, message) -> None:
    with pytest.raises(ValueError, match=message):
        PairSet.from_content(text, Frames.from_atoms(cores()))


def test_texts_that_are_too_long(monkeypatch) -> None:
    pairs = many_pairs(20)
    monkeypatch.setattr(pair_checks, "MOST_PAIRS", 10)
    with pytest.raises(ValueError, match="20 pairs are more than 10"):
        PairSet.from_content(pairs.content(), pairs.cores)
    monkeypatch.setattr(pair_checks, "MOST_TEXT", 100)
    with pytest.raises(ValueError, match="longer than any"):
        PairSet.from_content(pairs.content(), pairs.cores)


# -- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fewest_metals": 9, "most_metals": 5}, "lower the one or raise the other"),
        ({"carbon_difference": 7}, "raise it"),
        ({"tolerance": 5.0}, "less than or equal to 2 Å"),
        ({"reported": [{"core": "x", "ligands": []}]}, "at least 1"),
        ({"most_ligands": 5}, "less than or equal to 4"),
        ({"structures": {"bond": 9}}, "structures.bond"),
        ({"pool": ["C"] * 10_001}, "give fewer"),
    ],
)
def test_settings_that_are_none(values, message) -> None:
    assert message in PairSettings.problem(values)


def test_shares() -> None:
    assert checked_shares([0.8, 0.1, 0.1]) == (0.8, 0.1, 0.1)
    assert checked_shares([0.9, 0.1, 0]) == (0.9, 0.1, 0.0)
    for wrong in ([0.8, 0.2], [0.8, 0.1, 0.2], [1.2, -0.1, -0.1], [0.0, 0.5, 0.5]):
        with pytest.raises(ValueError, match="share"):
            checked_shares(wrong)
