"""Trainings beside each other, on frames that none of them learnt."""

import pytest
from aiida.orm import CalcFunctionNode, Dict, QueryBuilder, WorkChainNode
from click.testing import CliRunner

from aiida_nanoclusters.calculations.learning.metrics import compare_committee
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from tests.calculations.learning.test_train import labelled
from tests.cli.report.test_collect import hand_on, process


def off_by(frames: FramesData, mev: float) -> FramesData:
    """The same frames with energies that are off by so many meV/atom."""
    own = frames.frames
    energies = own.energies + own.sizes * mev / 1000
    moved = own.with_labels(
        energies, own.forces, level_of_theory=own.level_of_theory, atom_energies=own.atom_energies
    )
    return FramesData(moved)


def training(error: float, learnt: FramesData, test: FramesData) -> WorkChainNode:
    """A training of one member that has this error (meV/atom) on its test set."""
    sets = {"training": learnt, "validation": labelled([2]), "test": test}
    settings = Dict({"training": {"epochs": 7}})
    node = process(WorkChainNode, "TrainWorkChain", inputs={**sets, "settings": settings})
    found = compare_committee(reference_test=test, predicted_test_seed_1=off_by(test, error))
    potential = PotentialData.lennard_jones("Cu", epsilon=0.4, sigma=2.3, cutoff=6.0)
    report = Dict({"best": {"energy_rmse": 3.0, "forces_rmse": 40.0}})
    hand_on(
        node,
        {"errors": found["errors"], "compiled.seed_1": potential, "reports.seed_1": report},
    )
    return node


@pytest.fixture
def tested(aiida_profile_clean) -> FramesData:
    return labelled([4, 5]).store()


def compare(*arguments: str):
    return CliRunner().invoke(cli, ["compare", *arguments])


def test_trainings_of_one_test_set_are_compared_by_their_recorded_errors(tested, tmp_path):
    good, bad = training(2.0, labelled([0]), tested), training(5.0, labelled([1]), tested)
    out = tmp_path / "compared.html"
    shown = compare(good.uuid, bad.uuid, "--out", str(out))
    assert shown.exit_code == 0, shown.output
    rows = {line.split()[0]: line.split() for line in shown.output.splitlines() if line.strip()}
    assert rows[good.uuid[:8]][3:6] == ["7", "2.0", "0.0"]
    assert rows[bad.uuid[:8]][3:6] == ["7", "5.0", "0.0"]
    assert f"lowest error of the energy: {good.uuid}" in shown.output
    assert f"on 2 frames of {tested.uuid}" in shown.output
    assert max(map(len, shown.output.splitlines()[:-1])) <= 80
    assert good.uuid[:8] in out.read_text(encoding="utf-8")


def test_frames_that_one_has_learnt_are_no_test(tested):
    """All test frames of the first are training frames of the second."""
    good, other = training(2.0, labelled([0]), tested), training(5.0, labelled([4, 5]), tested)
    shown = compare(good.uuid, other.uuid)
    assert shown.exit_code == 2 and "name other frames by --test" in shown.output
    shown = compare(good.uuid, other.uuid, "--test", tested.uuid)
    assert shown.exit_code == 2 and "were learnt by one" in shown.output


def test_test_sets_of_different_levels_are_not_joined(tested):
    """A process is not even made of them: it would end with a traceback."""
    other = labelled([6, 7], level="PBE").store()
    first, second = training(2.0, labelled([0]), tested), training(5.0, labelled([1]), other)
    before = QueryBuilder().append(CalcFunctionNode).count()
    shown = compare(first.uuid, second.uuid)
    assert shown.exit_code == 2 and "Traceback" not in shown.output
    said = " ".join(shown.output.split())
    assert "name one of them, or other frames, by --test (mixed levels of theory" in said
    assert QueryBuilder().append(CalcFunctionNode).count() == before


def test_one_training_is_not_compared_with_itself(tested):
    only = training(2.0, labelled([0]), tested)
    shown = compare(only.uuid, only.uuid[:13])
    assert shown.exit_code == 2 and "one training" in shown.output
    unfinished = process(WorkChainNode, "TrainWorkChain", "waiting")
    shown = compare(only.uuid, unfinished.uuid)
    assert "has no compiled potentials" in shown.output


def test_continuing_takes_all_inputs_of_the_training(tested):
    only = training(2.0, labelled([0]), tested)
    shown = CliRunner().invoke(cli, ["run", "train", "--continue", only.uuid, "--epochs", "9"])
    assert shown.exit_code == 2
    assert "--epochs: --continue takes all inputs of the training that it continues" in shown.output
