"""Baselines: known rules, equal seeds, interruptions, unknown elements, what a job carries."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands import baselines
from aiida_nanoclusters.science.ligands.baseline_files import (
    CARRIED,
    MODULE,
    PREVIOUS_RUNS,
    PROBABILITY_FILE,
    RUNS,
)
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.classification import (
    bootstrap_intervals,
    classification_metrics,
)
from aiida_nanoclusters.science.ligands.synthetic_world import shuffle_labels
from aiida_nanoclusters.science.training_files import (
    CHECKPOINT_FILE,
    REPORT_FILE,
)
from tests.carried import lay_out
from tests.small_baselines import SMALL_BASELINES, trained_baselines, write_baseline_job
from tests.small_matching import TRAINING, assignment, world

pytest.importorskip("xgboost", reason="pip install aiida-nanoclusters[ligands]")

METHODS = ("soap", "acsf", "mbtr", "cgcnn", "schnet", "gin")


@pytest.fixture(scope="module")
def pairs():
    return world()


@pytest.fixture(scope="module")
def subset(pairs):
    return assignment(pairs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("baselines") / "job"


@pytest.fixture(scope="module")
def found(pairs, subset, folder):
    return trained_baselines(pairs, subset, folder)


def report(folder):
    return json.loads((folder / REPORT_FILE).read_text())


def labels_of(pairs):
    return np.array([pair.label for pair in pairs.pairs])


def test_every_method_gives_a_probability_of_every_pair(found, pairs, folder):
    assert found.shape == (len(METHODS), 1, len(pairs.pairs))
    assert ((found >= 0) & (found <= 1)).all()
    told = report(folder)
    assert told["methods"] == list(METHODS)
    assert (told["ended"], told["trainings_done"], told["trainings"]) == ("done", 6, 6)
    assert told["failed"] == [] and told["stand_ins"] == {}
    assert {"xgboost", "torch", "torch_geometric"} <= set(told["versions"])
    assert told["n_training"] + told["n_validation"] + told["n_test"] == len(pairs.pairs)


def test_equal_seeds_give_equal_probabilities(found, pairs, subset, tmp_path):
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # as a model of nequip leaves it
    try:
        both = trained_baselines(pairs, subset, tmp_path / "two", SMALL_BASELINES, (2, 1))
    finally:
        torch.set_default_dtype(before)
    assert np.array_equal(both[:, 1], found[:, 0])
    for method, (other, one) in zip(METHODS, both, strict=True):
        assert np.abs(other - one).max() > 1e-4, method


def test_a_rule_is_found_and_in_shuffled_labels_nothing(tmp_path):
    """Trees find a product of two scores, neither of which tells the label alone."""
    pairs = world(n_pairs=500, n_cores=60)
    settings = {
        **SMALL_BASELINES,
        "methods": ["soap", "acsf", "mbtr"],
        "boosting": {"trees": 150, "feature_share": 0.5},
        "ligand": {"bits": 128},
    }
    subset = assignment(pairs)
    test, core = subset == 2, np.array([pair.core for pair in pairs.pairs])
    right = trained_baselines(pairs, subset, tmp_path / "rule", settings)
    for method, (probability,) in zip(settings["methods"], right, strict=True):
        auc = classification_metrics(labels_of(pairs)[test], probability[test])["auc"]
        assert auc > 0.85, method
    shuffled = shuffle_labels(pairs, 3)
    wrong = trained_baselines(shuffled, subset, tmp_path / "shuffled", settings)
    for method, (probability,) in zip(settings["methods"], wrong, strict=True):
        row = bootstrap_intervals(
            labels_of(shuffled)[test], probability[test], core[test], seed=0, draws=200,
            confidence=0.99,
        )["auc"]  # fmt: skip
        assert row["low"] < 0.5 < row["high"], method


def test_graph_networks_find_a_rule_of_elements(tmp_path):
    pairs = world(n_pairs=400, n_cores=60, core_score="composition", ligand_score="group")
    training = {**TRAINING, "epochs": 40, "fewest_epochs": 30, "patience": 15}
    settings = {**SMALL_BASELINES, "methods": ["cgcnn", "gin"], "training": training}
    subset = assignment(pairs)
    found = trained_baselines(pairs, subset, tmp_path / "job", settings)
    for method, (probability,) in zip(settings["methods"], found, strict=True):
        test = subset == 2
        metrics = classification_metrics(labels_of(pairs)[test], probability[test])
        assert metrics["auc"] > 0.85, method


def test_interrupted_job_ends_as_one_that_was_not(found, pairs, subset, folder, tmp_path):
    """Trainings that are done are not repeated, and one that was begun is continued."""
    short = {**SMALL_BASELINES, "training": {**TRAINING, "epochs": 3, "fewest_epochs": 2}}
    trained_baselines(pairs, subset, tmp_path / "short", {**short, "methods": ["cgcnn"]})
    again = tmp_path / "again"
    write_baseline_job(pairs, subset, again)
    previous = again / PREVIOUS_RUNS
    shutil.copytree(folder / RUNS / "soap_1", previous / "soap_1")
    begun = previous / "cgcnn_1"
    begun.mkdir()
    shutil.copy(tmp_path / "short" / RUNS / "cgcnn_1" / CHECKPOINT_FILE, begun)
    changed = np.load(previous / "soap_1" / PROBABILITY_FILE) * 0.5
    np.save(previous / "soap_1" / PROBABILITY_FILE, changed)  # so that a repetition would show
    baselines.main(str(again / "job.json"))
    with np.load(again / "predictions.npz") as archive:
        continued = archive["probability"]
    assert np.array_equal(continued[0, 0], changed)
    assert np.array_equal(continued[1:], found[1:])
    assert report(again)["first_training"] == 1


def test_job_stops_in_time_and_keeps_what_is_done(pairs, subset, tmp_path):
    found = trained_baselines(pairs, subset, tmp_path / "job", max_seconds=1e-6)
    told = report(tmp_path / "job")
    assert (told["ended"], told["trainings_done"]) == ("time", 0)
    assert np.isnan(found).all()


def test_loss_that_is_no_number_fails_this_training_alone(pairs, subset, tmp_path):
    settings = {**SMALL_BASELINES, "methods": ["gin", "acsf"]}
    write_baseline_job(pairs, subset, tmp_path / "job", settings)
    path = tmp_path / "job" / "ligands.npz"
    with np.load(path) as archive:
        features = archive["features"].copy()
    features[0, 0] = np.nan
    np.savez(path, features=features)
    baselines.main(str(tmp_path / "job" / "job.json"))
    told = report(tmp_path / "job")
    assert told["ended"] == "done"
    assert [(row["method"], row["seed"]) for row in told["failed"]] == [("gin", 1)]


def test_element_that_no_training_core_has_is_told(pairs, subset, tmp_path):
    cores = list(pairs.cores)
    outside = {pair.core for pair, k in zip(pairs.pairs, subset, strict=True) if k == 2}
    for core in outside:
        cores[core].symbols[0] = "Pd"
    changed = replace(pairs, cores=Frames.from_atoms(cores))
    settings = {**SMALL_BASELINES, "methods": ["acsf", "cgcnn"]}
    found = trained_baselines(changed, subset, tmp_path / "job", settings)
    assert np.isfinite(found).all()
    assert report(tmp_path / "job")["stand_ins"] == {"Pd": "Au"}


def test_trees_of_scikit_learn_are_the_named_alternative(pairs, subset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    settings = {**SMALL_BASELINES, "methods": ["acsf"]}
    write_baseline_job(pairs, subset, tmp_path / "job", settings)
    with pytest.raises(ImportError, match=r"aiida-nanoclusters\[ligands\].*gradient_boosting"):
        baselines.main(str(tmp_path / "job" / "job.json"))
    settings["boosting"] = {"classifier": "gradient_boosting", "trees": 20}
    found = trained_baselines(pairs, subset, tmp_path / "other", settings)
    assert np.isfinite(found).all()
    versions = report(tmp_path / "other")["versions"]
    assert "scikit-learn" in versions and "xgboost" not in versions


def test_job_runs_by_what_it_carries_alone(pairs, subset, tmp_path):
    """As where this package is not installed: no module of it is loaded from elsewhere."""
    folder = tmp_path / "job"
    settings = {**SMALL_BASELINES, "methods": ["soap", "acsf", "mbtr", "gin"]}
    write_baseline_job(pairs, subset, folder, settings)
    lay_out(folder, CARRIED)
    program = (
        "import json, runpy, sys\n"
        f"sys.argv = ['', 'job.json']\nrunpy.run_module('{MODULE}', run_name='__main__')\n"
        "own = {n: m.__file__ for n, m in sys.modules.items() if n.startswith('aiida_nano')}\n"
        "print(json.dumps(own))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert len(loaded) >= 15
    assert all(path.startswith(str(folder)) for path in loaded.values()), loaded
    assert report(folder)["ended"] == "done"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"methods": ["soap", "soap"]}, "each method once"),
        ({"methods": ["sine"]}, "methods"),
        ({"ligand": {"kind": "graph"}}, "fingerprint"),
        ({"acsf": {"angular": [[0.1, 0.5, 1]]}}, "zeta from 1"),
        ({"acsf": {"angular": [[0.1, 1, 0]]}}, "lambda 1 or -1"),
        ({"mbtr": {"shortest": 0.9}}, "give a range"),
        ({"boosting": {"classifier": "forest"}}, "classifier"),
        ({"tree": 3}, "unknown setting `tree`"),
    ],
)
def test_settings_out_of_their_limits_are_refused(settings, words):
    assert words in BaselineSettings.problem(settings)
