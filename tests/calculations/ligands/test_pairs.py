"""From whole clusters to labelled pairs, with provenance."""

import numpy as np
import pytest
from aiida.orm import Dict, Int, List, Str

pytest.importorskip("rdkit", reason='pip install "aiida-nanoclusters[ligands]"')

from aiida_nanoclusters.calculations.ligands.pairs import (
    add_negative_pairs,
    collect_ligand_pairs,
    split_ligand_pairs,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.splits import leaks
from tests.protected_clusters import PPH3, octahedron, tetrahedron, with_ligand
from tests.small_pairs import METHYL, many_pairs, pair_set

pytestmark = pytest.mark.usefixtures("aiida_profile")
PHOSPHINE = "c1ccc(P(c2ccccc2)c2ccccc2)cc1"
METHANETHIOLATE = "[Au:1][S+]([Au:2])C"


def named(atoms, name):
    atoms.info["parent"] = name
    return atoms


@pytest.fixture(scope="module")
def whole():
    """Two tetrahedra with different ligands, the first again, an octahedron, and no cluster."""
    first = with_ligand(tetrahedron(), PPH3, 0)
    turned = first.copy()
    turned.rotate(40, "xyz")
    return [
        named(first, "a.xyz"),
        named(with_ligand(tetrahedron(), METHANETHIOLATE, 0, 1), "b.xyz"),
        named(turned, "c.xyz"),
        named(with_ligand(octahedron("Ag"), PPH3, 0), "d.xyz"),
        named(tetrahedron("Fe"), "iron.xyz"),
    ]


def test_clusters_become_pairs(whole) -> None:
    found, node = collect_ligand_pairs.run_get_node(FramesData(whole), Dict({}))
    assert node.is_finished_ok, node.exit_message
    pairs = found["pairs"].pairs
    assert [(p.core, p.ligands, p.label, p.origin) for p in pairs.pairs] == [
        (0, (PHOSPHINE,), 1, "a.xyz"),
        (0, (METHYL,), 1, "b.xyz"),
        (1, (PHOSPHINE,), 1, "d.xyz"),
    ]
    report = found["report"].get_dict()
    left_out = {row["origin"]: row["reason"] for row in report.pop("left_out")}
    assert left_out == {"c.xyz": "duplicate", "iron.xyz": "no_metal"}
    assert report == {
        "n_structures": 5, "n_clusters": 4, "n_pairs": 3, "n_cores": 2, "n_families": 2,
        "n_ligands": 2,
    }  # fmt: skip
    assert node.process_type == "aiida.calculations:nanoclusters.collect_ligand_pairs"


def test_equal_names_are_told_apart(whole) -> None:
    frames = FramesData([named(atoms.copy(), "x.xyz") for atoms in whole[:3]])
    found, _ = collect_ligand_pairs.run_get_node(frames, Dict({}))
    assert [p.origin for p in found["pairs"].pairs.pairs] == ["x.xyz#1", "x.xyz#2"]
    assert found["report"]["left_out"][0]["origin"] == "x.xyz#3"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fewest_metals": 5}, "none of 1 clusters gives a pair"),
        ({"colour": 1}, "unknown setting `colour`"),
        ({"structures": {"metals": ["Cu"]}}, "none of 1 structures is a protected cluster: a.xyz"),
        ({"reported": [{"core": "z.xyz", "ligands": ["CS"]}]}, "name of 0 cores"),
    ],
)
def test_what_gives_no_pairs_is_told(whole, settings, message) -> None:
    _, node = collect_ligand_pairs.run_get_node(FramesData(whole[:1]), Dict(settings))
    assert node.exit_status == 400 and message in node.exit_message


def test_negatives() -> None:
    given = PairsData(pair_set([(0, (METHYL,), 1), (2, (PHOSPHINE,), 1)]))
    settings = Dict({"pool": ["SCCc1ccccc1", "CC(=O)O"]})
    found, node = add_negative_pairs.run_get_node(given, settings, Int(3))
    assert node.is_finished_ok, node.exit_message
    pairs = found["pairs"].pairs
    assert pairs.labels.tolist() == [1, 1, 0, 0]
    assert found["report"]["n_negative"] == 2 and found["report"]["seed"] == 3
    again, _ = add_negative_pairs.run_get_node(given, settings, Int(3))
    assert again["pairs"].pairs.content() == pairs.content()
    _, node = add_negative_pairs.run_get_node(given, Dict({"pool": ["rubbish"]}), Int(3))
    assert node.exit_status == 400 and "`pool`" in node.exit_message


@pytest.mark.parametrize("kind", ["random", "published", "core", "ligand"])
def test_splits(kind) -> None:
    node = PairsData(many_pairs())
    found, process = split_ligand_pairs.run_get_node(node, Str(kind), List([0.7, 0.1, 0.2]), Int(1))
    assert process.is_finished_ok, process.exit_message
    assignment = found["assignment"].get_array("assignment")
    assert assignment.dtype == np.int8 and np.isin(assignment, (0, 1, 2)).all()
    assert found["leaks"]["leaks"] == leaks(node.pairs, assignment)
    assert found["leaks"]["kind"] == kind


@pytest.mark.parametrize(
    ("kind", "shares", "message"),
    [
        ("colour", [0.8, 0.1, 0.1], "choose among random"),
        ("core", [0.8, 0.1, 0.2], "add up to 1"),
        ("core", ["a", 1, 2], "could not convert"),
        ("core", [0.8, 0.1, 0.1], "2 families of cores cannot fill 3 subsets"),
    ],
)
def test_splits_that_cannot_be(kind, shares, message) -> None:
    node = PairsData(pair_set([(0, (METHYL,), 1), (2, (METHYL,), 1), (0, (PHOSPHINE,), 0)]))
    _, process = split_ligand_pairs.run_get_node(node, Str(kind), List(shares), Int(1))
    assert process.exit_status == 400 and message in process.exit_message
