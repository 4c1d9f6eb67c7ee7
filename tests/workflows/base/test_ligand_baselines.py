"""Baselines of a matching model through AiiDA: results, restarts, refused inputs."""

import sys

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import ArrayData, Dict, List

from aiida_nanoclusters.calculations.ligands.baselines import (
    LigandBaselinesCalculation,
    baselines_problem,
    validate_seeds,
    validate_settings,
)
from aiida_nanoclusters.calculations.ligands.methods import compare_methods, predictions_key
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.splits import ASSIGNMENT
from aiida_nanoclusters.science.ligands.training_files import PAIR_PREDICTIONS
from aiida_nanoclusters.workflows.base.ligand_baselines import LigandBaselinesBaseWorkChain
from tests.small_baselines import SMALL_BASELINES, trained_baselines
from tests.small_matching import assignment, world

pytest.importorskip("xgboost", reason="pip install aiida-nanoclusters[ligands]")

METHODS = ["acsf", "gin"]
SETTINGS = {**SMALL_BASELINES, "methods": METHODS}


@pytest.fixture
def python(code_on):
    """The Python of the tests as a code."""
    return code_on("python", sys.executable, "export OMP_NUM_THREADS=1")


@pytest.fixture(scope="module")
def pairs():
    return world()


def assigned(subset):
    node = ArrayData()
    node.set_array(ASSIGNMENT, subset)
    return node


def inputs_of(code, pairs, seconds=600, **changes):
    return {
        "code": code,
        "pairs": PairsData(pairs).store(),
        "assignment": assigned(assignment(pairs)),
        "settings": Dict(SETTINGS),
        "seeds": List([1, 2]),
        "metadata": {"options": {"max_wallclock_seconds": seconds}},
        **changes,
    }


def test_predictions_are_those_without_aiida(python, pairs, tmp_path):
    outputs, node = run_get_node(LigandBaselinesBaseWorkChain, train=inputs_of(python, pairs))
    assert node.is_finished_ok, node.exit_message
    wanted = trained_baselines(pairs, assignment(pairs), tmp_path / "job", SETTINGS, (1, 2))
    found, report = outputs["predictions"], outputs["report"].get_dict()
    assert sorted(found) == ["acsf_seed_1", "acsf_seed_2", "gin_seed_1", "gin_seed_2"]
    for method, rows in zip(METHODS, wanted, strict=True):
        for seed, row in zip((1, 2), rows, strict=True):
            own = found[f"{method}_seed_{seed}"]
            assert np.array_equal(own.get_array(PAIR_PREDICTIONS[0]), row)
    assert (report["ended"], report["trainings_done"], report["trainings"]) == ("done", 4, 4)
    for method in METHODS:
        members = report["metrics"][method]["members"]
        assert [row["seed"] for row in members] == [1, 2]
        mean = np.mean([row["accuracy"] for row in members])
        assert report["metrics"][method]["summary"]["accuracy"]["mean"] == pytest.approx(mean)
    renamed = {predictions_key("core", m, 1): found[f"{m}_seed_1"] for m in METHODS}
    table = compare_methods(PairsData(pairs).store(), Dict({"draws": 20}), **renamed)
    assert sorted(row["method"] for row in table["rows"]) == METHODS


def test_job_continues_where_another_was_out_of_time(python, pairs):
    """The second job has nothing left to do but the end: equal predictions, none repeated."""
    inputs = inputs_of(python, pairs)
    first, node = run_get_node(LigandBaselinesCalculation, **inputs)
    assert node.is_finished_ok, node.exit_message
    again, second = run_get_node(
        LigandBaselinesCalculation, **inputs, restart_from=first["remote_folder"]
    )
    assert second.is_finished_ok, second.exit_message
    assert again["report"]["first_training"] == 4
    for key, own in first["predictions"].items():
        name = PAIR_PREDICTIONS[0]
        assert np.array_equal(own.get_array(name), again["predictions"][key].get_array(name))


def test_failure_of_a_job_is_told(code_on, pairs):
    """A program that is missing on the computer: the message names the extra."""
    missing = "mkdir -p xgboost; echo 'import xgboost_core' > xgboost/__init__.py"
    code = code_on("broken", sys.executable, f"export OMP_NUM_THREADS=1\n{missing}")
    inputs = inputs_of(code, pairs, settings=Dict({**SETTINGS, "methods": ["acsf"]}))
    _, node = run_get_node(LigandBaselinesCalculation, **inputs)
    assert node.exit_status == LigandBaselinesCalculation.exit_codes.ERROR_NO_REPORT.status
    assert "aiida-nanoclusters[ligands]" in node.exit_message


def test_wrong_inputs_are_refused(pairs):
    assert "unknown setting" in validate_settings(Dict({"method": []}), None)
    assert validate_settings(Dict(SETTINGS), None) is None
    for seeds in ([], [-1], [1, 1], [True]):
        assert validate_seeds(List(seeds), None)
    assert validate_seeds(List([3, 0]), None) is None
    node = PairsData(pairs)
    short = assigned(assignment(pairs)[:-1])
    assert "assignment" in baselines_problem({"pairs": node, "assignment": short})
    none_held = assigned(np.zeros(len(pairs.pairs), dtype=np.int8))
    assert "validation" in baselines_problem({"pairs": node, "assignment": none_held})
