"""Each fault of a training and its cure, played through with a stand-in for nequip."""

import pytest
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import Int

from aiida_nanoclusters.workflows.base.train import TrainBaseWorkChain, validate_inputs
from aiida_nanoclusters.workflows.base.training_restart import MAX_HALVINGS
from aiida_nanoclusters.workflows.parts.job_inputs import job
from tests.calculations.learning.test_train import labelled, tiny

EXIT = TrainBaseWorkChain.exit_codes


def run_training(code, seed: int = 3, start_from=None, **training):
    start = {} if start_from is None else {"start_from": start_from}
    inputs = {
        **start,
        **job(code),
        "training": labelled([0, 1]),
        "validation": labelled([2]),
        "settings": tiny(**training),
        "seed": Int(seed),
    }
    return run_get_node(TrainBaseWorkChain, train=inputs)


def rates(node) -> list[float]:
    return [
        child.inputs.settings["training"]["learning_rate"]
        for child in node.called
        if "settings" in child.inputs and child.process_label == "TrainCalculation"
    ]


def jobs(node) -> list:
    return [child for child in node.called if child.process_label == "TrainCalculation"]


def test_continues_from_checkpoints(stand_in):
    """Nine epochs at four a job take three jobs; curve and times are joined."""
    outputs, node = run_training(stand_in(EPOCHS_PER_JOB=4), epochs=9)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in jobs(node)] == [400, 400, 0]
    first, second, _ = jobs(node)
    assert "restart_from" not in first.inputs
    assert second.inputs.restart_from.uuid == first.outputs.remote_folder.uuid
    curve = outputs["learning_curve"]
    assert curve.get_array("epoch").tolist() == list(range(9))
    assert curve.get_array("val_energy_rmse") == pytest.approx([1000 / (1 + e) for e in range(9)])
    report = outputs["report"].get_dict()
    assert (report["jobs"], report["epochs_done"], report["best_epoch"]) == (3, 9, 8)
    assert report["wall_seconds"] == pytest.approx(30)
    assert outputs["potential"].kind == "allegro"


def test_nan_loss_halves_the_learning_rate(stand_in):
    outputs, node = run_training(stand_in(NAN_ABOVE=0.003), epochs=2, learning_rate=0.008)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in jobs(node)] == [410, 410, 0]
    assert rates(node) == [0.008, 0.004, 0.002]
    assert not any("restart_from" in child.inputs for child in jobs(node))
    assert outputs["report"]["jobs"] == 1  # what diverged is no part of the curve


def test_a_warm_training_continues_and_is_repeated(stand_in, tiny_potential):
    """All jobs tell where it began; cut short it goes on, diverged it begins there again."""
    code = stand_in(EPOCHS_PER_JOB=2, NAN_ABOVE=0.005)
    outputs, node = run_training(code, start_from=tiny_potential, epochs=4, learning_rate=0.008)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in jobs(node)] == [410, 400, 0]
    assert {child.inputs.start_from.uuid for child in jobs(node)} == {tiny_potential.uuid}
    configs = [child.base.repository.get_object_content("config.yaml") for child in jobs(node)]
    assert ["StartFromPackage" in text for text in configs] == [True, True, False]
    assert ["restart_from" in child.inputs for child in jobs(node)] == [False, False, True]
    assert outputs["learning_curve"].get_array("epoch").tolist() == [0, 1, 2, 3]


def test_nan_loss_is_given_up(stand_in):
    _, node = run_training(stand_in(NAN_ABOVE=0), epochs=2)
    assert node.exit_status == EXIT.ERROR_TRAINING_FAILED.status
    assert len(jobs(node)) == MAX_HALVINGS + 1
    assert "lower the learning rate" in node.exit_message


def test_lost_job_is_continued(stand_in, tmp_path):
    """A job killed from outside leaves a checkpoint: nothing is computed twice."""
    code = stand_in(EPOCHS_PER_JOB=2, LOST_ONCE=tmp_path / "lost")
    outputs, node = run_training(code, epochs=4)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in jobs(node)] == [311, 0]
    assert outputs["learning_curve"].get_array("epoch").tolist() == [0, 1, 2, 3]


def test_error_of_nequip_is_reported(stand_in):
    _, node = run_training(stand_in(BROKEN_SEEDS="3"))
    assert node.exit_status == EXIT.ERROR_TRAINING_FAILED.status
    assert node.exit_message.endswith("nequip stopped: RuntimeError: no such thing")
    assert len(jobs(node)) == 1


def test_inputs_are_checked(aiida_profile):
    frames = labelled([0])
    good = {"train": {"training": frames, "validation": frames}}
    assert validate_inputs(good, None) is None
    other = {"train": {"training": frames, "validation": labelled([1], level="PBE")}}
    assert "`validation` is labelled by `PBE`" in validate_inputs(other, None)


def test_a_start_is_checked(aiida_profile, eam_potential):
    frames = labelled([0])
    inputs = {"training": frames, "validation": frames, "settings": tiny()}
    problem = validate_inputs({"train": {**inputs, "start_from": eam_potential}}, None)
    assert "`start_from` is a potential of kind `eam/alloy`" in problem


def test_a_training_comes_from_the_cache(stand_in):
    """Equal inputs take every job from the cache, those that ended early included."""
    code = stand_in(EPOCHS_PER_JOB=2)
    with enable_caching():
        first, _ = run_training(code, epochs=4)
        again, node = run_training(code, epochs=4)
    assert [child.exit_status for child in jobs(node)] == [400, 0]
    assert all(child.base.caching.is_created_from_cache for child in jobs(node))
    assert again["report"].get_dict() == first["report"].get_dict()


def test_a_failure_does_not_come_from_the_cache(stand_in):
    """What was mended since is tried again."""
    code = stand_in(BROKEN_SEEDS="3")
    with enable_caching():
        run_training(code)
        _, node = run_training(code)
    assert not jobs(node)[0].base.caching.is_created_from_cache
