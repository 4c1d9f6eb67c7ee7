"""Pretraining and matching model through AiiDA: results, restarts, refused inputs, nodes."""

import io
import sys

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import ArrayData, Dict, Int, load_node

from aiida_nanoclusters.calculations.ligands.train_matching import (
    PretrainCoreCalculation,
    TrainMatchingCalculation,
    lower_encoder_rate,
)
from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.model_files import head_file, model_problem
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.data.schemas import attributes_problem, wanted_file
from aiida_nanoclusters.queries.captions import describe
from aiida_nanoclusters.science.ligands.core_encoder import PretrainedEncoder
from aiida_nanoclusters.science.ligands.splits import ASSIGNMENT
from aiida_nanoclusters.science.ligands.training_files import (
    PAIR_PREDICTIONS,
)
from aiida_nanoclusters.science.ligands.unimol import WEIGHTS
from aiida_nanoclusters.science.training_files import (
    CURVE,
)
from aiida_nanoclusters.workflows.base.pretrain_core import PretrainCoreBaseWorkChain
from aiida_nanoclusters.workflows.base.train_matching import TrainMatchingBaseWorkChain
from tests.small_matching import (
    SMALL,
    SMALL_ENERGIES,
    TRAINING,
    assignment,
    lennard_jones,
    trained_encoder,
    trained_model,
    world,
)

OPTIONS = {"max_wallclock_seconds": 600}


@pytest.fixture
def torch_python(code_on):
    """The Python of the tests as a code: it has torch and torch_geometric."""
    return code_on("torch", sys.executable, "export OMP_NUM_THREADS=1")


@pytest.fixture(scope="module")
def pairs():
    return world()


def energy_inputs(code, frames=None, settings=SMALL_ENERGIES):
    return {
        "code": code,
        "frames": FramesData(frames or lennard_jones(40)).store(),
        "settings": Dict(settings),
        "seed": Int(1),
        "metadata": {"options": OPTIONS},
    }


def pair_inputs(code, pairs, settings=SMALL, subset=None):
    node = ArrayData()
    node.set_array(ASSIGNMENT, assignment(pairs) if subset is None else subset)
    return {
        "code": code,
        "pairs": PairsData(pairs).store(),
        "assignment": node,
        "settings": Dict(settings),
        "seed": Int(1),
        "metadata": {"options": OPTIONS},
    }


def test_pretraining_and_what_starts_from_it(torch_python, pairs, tmp_path):
    """Both trainings give what they give without AiiDA, to the last bit."""
    outputs, node = run_get_node(PretrainCoreBaseWorkChain, train=energy_inputs(torch_python))
    assert node.is_finished_ok, node.exit_message
    encoder, report = outputs["encoder"], outputs["report"].get_dict()
    again = trained_encoder(lennard_jones(40), tmp_path / "encoder")
    assert encoder.encoder.content() == again.content()
    assert report["references_from"] == "lowest"
    assert report["errors"]["n"] == (outputs["predictions"].get_array("subset") == 2).sum()
    assert set(report["versions"]) == {"torch", "torch_geometric", "numpy"}
    curve = outputs["learning_curve"]
    assert all(len(curve.get_array(name)) == report["epochs_done"] for name in CURVE)
    _check_node(encoder)
    assert describe(encoder) == "a core encoder pretrained on clusters of Ag, Au"

    inputs = {**pair_inputs(torch_python, pairs), "encoder": encoder}
    outputs, node = run_get_node(TrainMatchingBaseWorkChain, train=inputs)
    assert node.is_finished_ok, node.exit_message
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "pretrained.npz").write_bytes((tmp_path / "encoder/core_encoder.npz").read_bytes())
    model = outputs["model"]
    assert model.model.content() == trained_model(pairs, assignment(pairs), folder).content()
    metrics = outputs["report"]["metrics"]
    assert list(metrics) == ["training", "validation", "test"]
    found = outputs["predictions"]
    assert sorted(found.get_arraynames()) == sorted(PAIR_PREDICTIONS)
    assert sum(row["n"] for row in metrics.values()) == len(found.get_array("label")) == 120
    _check_node(model)
    assert "core encoder cgcnn, pretrained" in describe(model)


def _check_node(node):
    """It fits its schema and survives a copy; with other attributes or files it does not."""
    attributes, kind = node.base.attributes.all, node.node_type
    assert attributes_problem(kind, attributes) is None
    assert attributes_problem(kind, {**attributes, "seed": "one"})
    text, arrays = (
        node.base.repository.get_object_content(name, mode="rb")
        for name in (head_file(kind), wanted_file(attributes, kind))
    )
    assert model_problem(kind, attributes, text, arrays) is None
    assert "`seed` does not follow" in model_problem(kind, {**attributes, "seed": 5}, text, arrays)
    assert "it holds no" in model_problem(kind, attributes, text, arrays[:-100])
    what = (
        CoreEncoderData(node.encoder)
        if isinstance(node, CoreEncoderData)
        else MatchingModelData(node.model)
    )
    assert what.base.repository.hash() == node.base.repository.hash()


def test_inputs_that_cannot_be_trained_on_are_refused(torch_python, pairs, monkeypatch):
    monkeypatch.delenv(WEIGHTS, raising=False)
    few = lennard_jones(12)
    with pytest.raises(ValueError, match="12 structures are too few"):
        run_get_node(PretrainCoreCalculation, **energy_inputs(torch_python, few))
    wrong = {**SMALL_ENERGIES, "core": {"kind": "cgnn"}}
    with pytest.raises(ValueError, match=r"`core\.kind`"):
        run_get_node(PretrainCoreCalculation, **energy_inputs(torch_python, settings=wrong))
    subset = assignment(pairs)
    labels = np.array([pair.label for pair in pairs.pairs])
    frozen = {**SMALL, "training": {**TRAINING, "freeze_core": True}}
    for changes, message in (
        ({"subset": subset[:-1]}, "for 120 pairs"),
        ({"subset": np.full(120, 2)}, "0 training pairs are too few"),
        ({"subset": np.where(labels == 1, 0, subset + 1).clip(0, 2)}, "have the label 1"),
        ({"settings": frozen}, "was not pretrained: give `encoder`"),
        ({"settings": {**SMALL, "ligand": {"bits": 1}}}, "`ligand.bits` is 1"),
        ({"settings": {**SMALL, "ligand": {"kind": "unimol"}}}, "`ligand.kind: fingerprint`"),
    ):
        with pytest.raises(ValueError, match=message):
            run_get_node(TrainMatchingCalculation, **pair_inputs(torch_python, pairs, **changes))


def test_encoder_of_other_settings_is_refused(torch_python, pairs, tmp_path):
    trained_encoder(lennard_jones(40), tmp_path)
    encoder = CoreEncoderData(PretrainedEncoder.load(tmp_path))
    settings = {**SMALL, "core": {**SMALL["core"], "cutoff": 5.0}}
    inputs = {**pair_inputs(torch_python, pairs, settings), "encoder": encoder}
    with pytest.raises(ValueError, match="give the same to both"):
        run_get_node(TrainMatchingCalculation, **inputs)


def test_walltime_is_no_end(code_on, pairs, tmp_path):
    """A job whose time is up after two epochs is continued from its checkpoint."""
    marker, script = tmp_path / "ended", tmp_path / "python"
    script.write_text(
        "#!/bin/sh\n"
        f'if [ -e {marker} ]; then exec {sys.executable} "$@"; fi\n'
        f"touch {marker}\n"
        'sed -i \'s/"epochs": 6/"epochs": 2/\' job.json\n'
        f'{sys.executable} "$@"\n'
        'sed -i \'s/"ended": "epochs"/"ended": "time"/\' report.json\n'
    )
    script.chmod(0o755)
    settings = {**SMALL, "training": {**TRAINING, "fewest_epochs": 1}}
    inputs = pair_inputs(code_on("torch", str(script)), pairs, settings)
    outputs, node = run_get_node(TrainMatchingBaseWorkChain, train=inputs)
    assert node.is_finished_ok, node.exit_message
    first, second = sorted(node.called, key=lambda child: child.pk)
    assert first.exit_status == TrainMatchingCalculation.exit_codes.ERROR_OUT_OF_WALLTIME.status
    assert "epoch 2 of 6" in first.exit_message
    assert "model" in first.outputs  # so far
    assert second.outputs.report["first_epoch"] == 2
    assert outputs["model"].uuid == second.outputs.model.uuid


def test_error_of_the_program_is_told(code_on, pairs, tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no torch_geometric' >&2; exit 1\n")
    script.chmod(0o755)
    inputs = pair_inputs(code_on("none", str(script)), pairs)
    _, node = run_get_node(TrainMatchingCalculation, **inputs)
    assert node.exit_status == 310
    assert "no torch_geometric" in node.exit_message


@pytest.mark.faults
def test_killed_training_goes_on(code_on, pairs, tmp_path):
    """The job is killed after some epochs, and the next one goes on from its checkpoint."""
    marker, script = tmp_path / "killed", tmp_path / "python"
    script.write_text(
        "#!/bin/sh\n"
        f'if [ -e {marker} ]; then exec {sys.executable} "$@"; fi\n'
        f"touch {marker}\n"
        'sed -i \'s/"epochs": 6/"epochs": 2/\' job.json\n'  # ends early ...
        f'{sys.executable} "$@" && rm report.json && kill -9 $$\n'  # ... and says nothing
    )
    script.chmod(0o755)
    inputs = pair_inputs(code_on("torch", str(script)), pairs)
    outputs, node = run_get_node(TrainMatchingBaseWorkChain, train=inputs)
    assert node.is_finished_ok, node.exit_message
    report = outputs["report"]
    assert report["first_epoch"] == 2 < report["epochs_done"]
    assert len(outputs["learning_curve"].get_array("val_loss")) == report["epochs_done"]


def test_learning_rate_is_halved():
    for settings, expected in (
        (SMALL, 0.005),
        (SMALL_ENERGIES, 0.005),
        ({"core": SMALL["core"]}, 5e-4),
    ):
        changed = lower_encoder_rate(Dict(settings)).get_dict()
        assert changed["training"]["learning_rate"] == expected


def test_foreign_node_executes_nothing(aiida_profile, pairs, tmp_path):
    """A node whose files hold Python objects is refused when it is read."""
    node = MatchingModelData(trained_model(pairs, assignment(pairs), tmp_path)).store()
    objects = io.BytesIO()
    np.savez(objects, **{**node.model.arrays, "known_cores": np.array([print], dtype=object)})
    text = node.base.repository.get_object_content(head_file(node.node_type), mode="rb")
    attributes = load_node(node.uuid).base.attributes.all
    assert "it holds no" in model_problem(node.node_type, attributes, text, objects.getvalue())
