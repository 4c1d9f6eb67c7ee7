"""From pairs, or whole clusters, to a committee and a table of methods, through AiiDA."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import List

from aiida_nanoclusters.calculations.ligands.methods import predictions_key
from aiida_nanoclusters.calculations.reproduction.reproduce import judge
from aiida_nanoclusters.cli.report.collect import collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.queries import explain
from aiida_nanoclusters.science.ligands.classification import classification_metrics
from aiida_nanoclusters.science.ligands.pairs import PairSet
from aiida_nanoclusters.science.ligands.synthetic_world import WorldSettings, make_world
from aiida_nanoclusters.workflows.ligands.compatibility import CompatibilityWorkChain
from tests.small_baselines import SMALL_BASELINES
from tests.small_matching import SMALL, SMALL_ENERGIES, lennard_jones, world

OPTIONS = {"max_wallclock_seconds": 600}
CHANGES = {
    "matching": SMALL,
    "pretraining": {"training": SMALL_ENERGIES["training"]},
    "comparison": {"draws": 50, "bins": 5},
    "baselines": None,
}


@pytest.fixture
def torch_python(code_on):
    """The Python of the tests as a code: it has torch and torch_geometric."""
    return code_on("torch", sys.executable, "export OMP_NUM_THREADS=1")


@pytest.fixture
def pairs(aiida_profile):
    settings = WorldSettings(n_pairs=160, n_cores=40, elements=["Au", "Ag"])
    return PairsData(make_world(settings, 0)).store()


def builder_of(code, frames=None, changes=CHANGES, **given):
    return CompatibilityWorkChain.get_builder_from_protocol(
        code, frames, "trial", changes, OPTIONS, **given
    )


def test_committee_and_table_of_pairs(torch_python, pairs):
    builder = builder_of(torch_python, pairs=pairs, seeds=[3, 4], splits=["core"])
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert outputs["pairs"].uuid == pairs.uuid  # they have negatives of their own
    assert sorted(outputs["models"]) == ["seed_3", "seed_4"]
    for seed in (3, 4):
        assert outputs["models"][f"seed_{seed}"].base.attributes.get("seed") == seed
    methods = outputs["methods"].get_dict()
    (row,) = methods["rows"]
    assert (row["split"], row["method"], row["seeds"]) == ("core", "scratch", [3, 4])
    for seed, own in zip((3, 4), row["members"], strict=True):
        found = outputs["predictions"][predictions_key("core", "scratch", seed)]
        test = found.get_array("subset") == 2
        labels, chances = found.get_array("label")[test], found.get_array("probability")[test]
        expected = classification_metrics(labels, chances)["auc"]
        assert own["auc"] == pytest.approx(expected)
    leaks = outputs["leaks"]["core_seed_3"].get_dict()
    assert leaks["leaks"]["core_families"] == 0
    assert sorted(outputs["maps"]) == ["scratch"]
    assert outputs["maps"]["scratch"].get_array("components").shape == (160, 2)

    told = explain(outputs["models"]["seed_3"])
    assert any("160 pairs of 40 cores" in source.what for source in told.sources)
    page = render(collect(node))
    for text in (
        "Compatibility of cores and ligands",
        "Reliability",
        "t-SNE",
        methods["sentence"][:40],
    ):
        assert text in page


def test_pairs_of_a_repeated_run_are_compared(aiida_profile):
    """Their order does not matter, labels and ligands do."""
    pairs = world()
    again = PairSet(pairs.cores, pairs.pairs[::-1], pairs.groups)
    (same,) = judge(PairsData(pairs), PairsData(again), "", {})
    assert same.verdict == "agrees"
    first = pairs.pairs[0]
    turned = (replace(first, label=1 - first.label), *pairs.pairs[1:])
    (other,) = judge(PairsData(pairs), PairsData(PairSet(pairs.cores, turned, {})), "", {})
    assert other.verdict == "differs" and "2 pairs" in other.note


@pytest.mark.slow
def test_pretraining_is_compared_with_none(torch_python, pairs):
    labelled = FramesData(lennard_jones(40)).store()
    builder = builder_of(
        torch_python, pairs=pairs, labelled=labelled, seeds=[1, 2], splits=["published", "core"]
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    rows = outputs["methods"]["rows"]
    assert [(row["split"], row["method"]) for row in rows] == [
        (split, method) for split in ("published", "core") for method in ("pretrained", "scratch")
    ]
    assert all(m.base.attributes.get("pretrained") for m in outputs["models"].values())
    assert sorted(outputs["maps"]) == ["pretrained", "scratch"]
    assert outputs["pretraining"]["errors"]["n"] > 0
    page = render(collect(node))
    assert "core encoder was pretrained on formation energies" in page
    assert "without pretraining" in page


@pytest.mark.slow
def test_baselines_stand_in_the_same_table(torch_python, pairs):
    own = {**SMALL_BASELINES, "methods": ["acsf", "gin"]}
    builder = builder_of(
        torch_python, changes={**CHANGES, "baselines": own}, pairs=pairs, seeds=[1, 2],
        splits=["core"],
    )  # fmt: skip
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    rows = outputs["methods"]["rows"]
    assert [(row["method"], row["seeds"]) for row in rows] == [
        ("scratch", [1, 2]), ("acsf", [1, 2]), ("gin", [1, 2]),
    ]  # fmt: skip
    # all methods are tested on the same pairs
    assert len({tuple(row["n_test"]) for row in rows}) == 1
    keys = [predictions_key("core", "acsf", seed) for seed in (1, 2)]
    assert set(keys) <= set(outputs["predictions"])


def test_inputs_are_checked(torch_python, pairs):
    def refused(match, **given):
        with pytest.raises(ValueError, match=match):
            run_get_node(builder_of(torch_python, **given))

    refused("give either `frames`", seeds=[1])
    refused("unknown split `cores`", pairs=pairs, splits=["cores"])
    refused("not distinct", pairs=pairs, seeds=[1, 1])
    few = FramesData(lennard_jones(12)).store()
    refused("12 structures are too few", pairs=pairs, labelled=few)
    builder = builder_of(torch_python, pairs=pairs)
    with pytest.raises(ValueError, match="share of the validation is 0"):
        builder.shares = List([0.9, 0.0, 0.1])


def test_clusters_without_pairs_end_with_the_reason(torch_python):
    """Bare metal has no ligands."""
    frames = FramesData(lennard_jones(3)).store()
    _, node = run_get_node(builder_of(torch_python, frames))
    assert node.exit_status == 400
    assert "There are no pairs to learn from" in node.exit_message


def test_too_few_pairs_for_a_split_are_told(torch_python, pairs):
    """The split is left out, and without any training there is no model."""
    few = pairs.pairs
    kept = [k for k, pair in enumerate(few.pairs) if pair.core < 2]
    small = PairsData(
        type(few)(few.cores.select([0, 1]), tuple(few.pairs[k] for k in kept), few.groups)
    ).store()
    _, node = run_get_node(builder_of(torch_python, pairs=small, seeds=[1]))
    assert node.exit_status == 401
    assert np.unique(small.pairs.labels).size == 2
