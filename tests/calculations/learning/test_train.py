"""Trainings of a minute: input files, results and continuation."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, RemoteData
from ase import Atoms

from aiida_nanoclusters.calculations.learning.train import (
    LEARNING_CURVE_UNITS,
    TrainCalculation,
    frames_problem,
    halve_learning_rate,
    max_time,
    validate_inputs,
    validate_seed,
    validate_settings,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.trust import trust
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.science.frames import Frames
from tests.allegro_model import isolated_atom_energies, training_frames

EXIT = TrainCalculation.exit_codes


def labelled(indices, level: str = "EMT", zero: float | None = None) -> FramesData:
    images = [training_frames(["Cu"])[i] for i in indices]
    atom_energies = isolated_atom_energies(["Cu"]) if zero is None else {"Cu": zero}
    return FramesData(Frames.from_atoms(images, level_of_theory=level, atom_energies=atom_energies))


def tiny(**training) -> Dict:
    """Settings of a model that learns next to nothing, at once."""
    model = {
        **{"r_max": 4.0, "l_max": 1, "parity": True, "dtype": "float64", "num_layers": 1},
        **{"polynomial_cutoff_p": 6, "num_bessels": 4},
        **{"num_scalar_features": 4, "num_tensor_features": 2},
        **{"two_body_mlp_depth": 1, "two_body_mlp_width": 4},
        **{"allegro_mlp_depth": 1, "allegro_mlp_width": 4},
        **{"readout_mlp_depth": 1, "readout_mlp_width": 4},
    }
    values = {
        **{"epochs": 2, "batch_size": 2, "validation_batch_size": 2, "learning_rate": 0.01},
        **{"final_learning_rate": 1e-4, "ema_decay": 0.9, "gradient_clip": 0.0},
        "stages": [
            {"from": 0.0, "energy": 1.0, "forces": 1.0},
            {"from": 0.5, "energy": 10.0, "forces": 1.0},
        ],
        "selection": {"energy": 1.0, "forces": 1.0},
    }
    return Dict({"model": model, "training": values | training})


def job(code, settings: Dict, *, walltime: int = 3600, **inputs):
    given = {"training": labelled([0, 1, 2, 3]), "validation": labelled([4, 5]), "seed": Int(3)}
    metadata = {"options": {"max_wallclock_seconds": walltime}}
    return {"code": code, "settings": settings, "metadata": metadata, **given, **inputs}


@pytest.fixture
def written(aiida_profile, tmp_path, monkeypatch):
    """Return what a calculation writes, without running it."""
    monkeypatch.chdir(tmp_path)

    def write(**inputs):
        inputs["metadata"]["dry_run"] = True
        inputs["metadata"]["store_provenance"] = False
        _, node = run_get_node(TrainCalculation, **inputs)
        return Path(node.dry_run_info["folder"])

    return write


def test_trains_and_packages(nequip_code):
    """The package has level and zero of the training set; the report has times and errors."""
    inputs = job(nequip_code, tiny(), test=labelled([6, 7]))
    outputs, node = run_get_node(TrainCalculation, **inputs)
    assert node.is_finished_ok, node.exit_message
    potential = outputs["potential"]
    assert potential.kind == "allegro"
    assert potential.level_of_theory == "EMT"
    assert potential.atom_energies == {"Cu": 0.5}
    assert potential.cutoff == 4.0
    assert potential.base.attributes.get("training_set") == inputs["training"].uuid
    curve, report = outputs["learning_curve"], outputs["report"].get_dict()
    assert set(curve.get_arraynames()) == set(LEARNING_CURVE_UNITS)
    assert curve.base.attributes.get("units")["val_energy_rmse"] == "meV/atom"
    assert curve.get_array("epoch").tolist() == [0, 1]
    assert curve.get_array("stage").tolist() == [1, 2]
    best = int(np.argmin(curve.get_array("val_loss")))
    assert report["best_epoch"] == best
    rmse = curve.get_array("val_forces_rmse")[best]
    assert report["best"]["forces_rmse"] == pytest.approx(rmse, rel=1e-12)
    assert (report["epochs"], report["epochs_done"], report["nan_from"]) == (2, 2, None)
    assert report["seed"] == 3 and report["checkpoint"] and report["packaged"]
    assert set(report["versions"]) == {"torch", "e3nn", "nequip", "allegro"}
    assert report["wall_seconds"] > 0
    assert set(report["test"]) == {"energy_rmse", "energy_mae", "forces_rmse", "forces_mae"}


@pytest.mark.slow
def test_continues_after_walltime(nequip_code):
    """An interrupted training is continued with its own time limit and the best epoch so far."""
    settings = tiny(epochs=100000)
    first, node = run_get_node(TrainCalculation, **job(nequip_code, settings, walltime=6))
    assert node.exit_status == EXIT.ERROR_OUT_OF_WALLTIME.status, node.exit_message
    report = first["report"].get_dict()
    assert report["checkpoint"] and 0 < report["epochs_done"] < 100000
    assert first["potential"].kind == "allegro"

    inputs = job(nequip_code, settings, walltime=6, restart_from=node.outputs.remote_folder)
    second, again = run_get_node(TrainCalculation, **inputs)
    assert again.exit_status == EXIT.ERROR_OUT_OF_WALLTIME.status, again.exit_message
    epochs = second["learning_curve"].get_array("epoch")
    assert epochs[0] - report["epochs_done"] in (0, 1)  # 1: interrupted at the end of an epoch
    assert len(epochs) > 3
    assert second["report"]["epochs_done"] > report["epochs_done"]


def test_nan_is_named(nequip_code):
    outputs, node = run_get_node(TrainCalculation, **job(nequip_code, tiny(learning_rate=1e12)))
    assert node.exit_status == EXIT.ERROR_NAN_LOSS.status, node.exit_message
    assert "lower the learning rate" in node.exit_message
    assert outputs["report"]["nan_from"] == 0
    assert "potential" not in outputs
    assert "learning_curve" in outputs


def test_writes_frames_and_configuration(written, nequip_code):
    folder = written(**job(nequip_code, tiny(), walltime=7200, test=labelled([6])))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["data"]["train_file_path"] == "training.extxyz"
    assert config["data"]["test_file_path"] == "test.extxyz"
    assert config["run"] == ["train", "test"]
    assert config["trainer"]["max_time"] == "00:01:48:00"
    assert config["training_module"]["model"]["per_type_energy_shifts"] == {"Cu": 0.5}
    assert config["training_module"]["model"]["seed"] == 3
    frames = read_extxyz(folder / "training.extxyz")
    expected = labelled([0, 1, 2, 3]).frames
    assert np.array_equal(frames.energies, expected.energies)
    assert np.allclose(frames.forces, expected.forces, atol=1e-8)
    script = (folder / "_aiidasubmit.sh").read_text()
    train, package = script.index("nequip.scripts.train"), script.index("nequip.scripts.package")
    assert train < package
    assert "ckpt_path" not in script


def test_alignment_is_carried_and_packaged(written, nequip_code):
    """With `alignment`, its script and its settings with half of the reserved time are written."""
    settings = Dict({**tiny().get_dict(), "alignment": {"dampings": [1e-3]}})
    folder = written(**job(nequip_code, settings, walltime=7200))
    given = json.loads((folder / "alignment.json").read_text())
    assert given == {"dampings": [1e-3], "seed": 3, "max_seconds": 720.0}
    assert "aiida" not in (folder / "alignment.py").read_text()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["trainer"]["max_time"] == "00:01:36:00"
    script = (folder / "_aiidasubmit.sh").read_text().replace("'", "")
    train, package = script.index("nequip.scripts.train"), script.index("build aligned.ckpt")
    assert train < script.index("alignment.py best.ckpt aligned.ckpt training.extxyz") < package
    assert "--validation validation.extxyz" in script

    folder = written(**job(nequip_code, Dict({**tiny().get_dict(), "alignment": None})))
    assert not (folder / "alignment.py").exists()
    assert "aligned" not in (folder / "_aiidasubmit.sh").read_text()


@pytest.mark.slow
def test_alignment_reports(nequip_code):
    """The report has the result of the alignment, and there is a package in any case."""
    settings = Dict({**tiny().get_dict(), "alignment": {"dampings": [1e-2]}})
    outputs, node = run_get_node(TrainCalculation, **job(nequip_code, settings))
    assert node.is_finished_ok, node.exit_message
    report = outputs["report"]["alignment"]
    assert report["mode"] == "random" and report["seed"] == 3 and report["reason"]
    assert report["before"]["forces_rmse"] > 0 and report["frames"] == 4
    assert outputs["potential"].kind == "allegro"


def test_a_restart_copies_the_checkpoints(written, nequip_code, localhost):
    remote = RemoteData(remote_path="/far/away", computer=localhost).store()
    trust(remote)
    folder = written(**job(nequip_code, tiny(), restart_from=remote))
    script = (folder / "_aiidasubmit.sh").read_text()
    resume, train = script.index("nequip_resume.py"), script.index("nequip.scripts.train")
    assert resume < train
    assert "++ckpt_path=start.ckpt" in script
    assert "import aiida" not in (folder / "nequip_resume.py").read_text()


def test_checkpoints_are_the_jobs_own_or_of_a_trusted_training(written, nequip_code, localhost):
    """Nothing else that torch reads comes into the folder of a job."""
    folder = written(**job(nequip_code, tiny()))
    assert not list(folder.glob("*.ckpt")) and "ckpt_path" not in (
        (folder / "_aiidasubmit.sh").read_text()
    )
    remote = RemoteData(remote_path="/far/away", computer=localhost).store()
    with pytest.raises(ValueError, match=f"run `aiida-nanoclusters trust {remote.uuid}`"):
        written(**job(nequip_code, tiny(), restart_from=remote))


def test_frames_must_fit(aiida_profile):
    """Each refusal names the set, the frame or element, and what to do."""
    good = labelled([0, 1])
    assert frames_problem({"training": good, "validation": labelled([2])}) is None

    images = training_frames(["Cu"])[:3]
    images[1].calc = None
    bare = FramesData(Frames.from_atoms(images, level_of_theory="EMT", atom_energies={"Cu": 0.5}))
    problem = frames_problem({"training": bare, "validation": good})
    assert "`training`: frame 1 has no energy" in problem and "label" in problem

    no_zero = FramesData(Frames.from_atoms(training_frames(["Cu"])[:2], level_of_theory="EMT"))
    assert "isolated-atom energy of Cu" in frames_problem({"training": no_zero})

    other = {"training": good, "validation": labelled([2], level="PBE")}
    assert "`validation` is labelled by `PBE`" in frames_problem(other)
    shifted = {"training": good, "validation": good, "test": labelled([2], zero=0.0)}
    assert "`test`: an isolated Cu atom has 0.000000 eV" in frames_problem(shifted)
    gold = Frames.from_atoms(
        training_frames(["Au"])[:1], level_of_theory="EMT", atom_energies={"Au": 0.5}
    )
    assert "holds Au" in frames_problem({"training": good, "validation": FramesData(gold)})


def test_restart_must_be_near(nequip_code, localhost, aiida_computer_local):
    inputs = job(nequip_code, tiny())
    far = RemoteData(remote_path="/x", computer=aiida_computer_local(label="elsewhere")).store()
    refused = validate_inputs({**inputs, "restart_from": far}, None)
    assert f"run `aiida-nanoclusters trust {far.uuid}`" in refused
    trust(far)
    assert "lies on elsewhere" in validate_inputs({**inputs, "restart_from": far}, None)
    near = RemoteData(remote_path="/x", computer=localhost).store()
    trust(near)
    assert validate_inputs({**inputs, "restart_from": near}, None) is None
    near.base.extras.set(RemoteData.KEY_EXTRA_CLEANED, True)
    assert "was cleaned" in validate_inputs({**inputs, "restart_from": near}, None)


def test_other_validators(aiida_profile):
    assert validate_settings(tiny(), None) is None
    assert "training.epochs" in validate_settings(tiny(epochs=0), None)
    assert "missing" in validate_settings(Dict({"model": {}, "training": {}}), None)
    wrong = Dict({**tiny().get_dict(), "alignment": {"damping": 1e-3}})
    assert "unknown setting `alignment.damping`" in validate_settings(wrong, None)
    assert validate_seed(Int(0), None) is None
    assert "whole number" in validate_seed(Int(-1), None)


@pytest.mark.parametrize(
    ("walltime", "expected"),
    [
        (None, None),
        (1, "00:00:00:01"),
        (60, "00:00:00:30"),
        (600, "00:00:08:00"),
        (3600, "00:00:54:00"),
        (86400, "00:23:30:00"),
        (864000, "09:23:30:00"),
    ],
)
def test_time_is_kept_back(walltime, expected):
    assert max_time(walltime) == expected


def test_as_much_again_is_kept_back_to_align():
    assert max_time(3600, aligned=True) == "00:00:48:00"
    assert max_time(200, aligned=True) == "00:00:01:40"


def test_halves_the_learning_rate(aiida_profile):
    settings = tiny(learning_rate=0.01, final_learning_rate=0.008)
    changed = halve_learning_rate(settings)
    assert changed["training"]["learning_rate"] == 0.005
    assert changed["training"]["final_learning_rate"] == 0.005
    expected = settings.get_dict()
    expected["training"].update(learning_rate=0.005, final_learning_rate=0.005)
    assert changed.get_dict() == expected
    assert settings["training"]["learning_rate"] == 0.01


def test_unlabelled_frames_never_reach_a_queue(nequip_code):
    bare = FramesData([Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]])])
    with pytest.raises(ValueError, match="frame 0 has no energy"):
        run_get_node(TrainCalculation, **job(nequip_code, tiny(), training=bare))
