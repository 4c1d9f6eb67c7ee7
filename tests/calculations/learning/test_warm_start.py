"""Trainings with the initial weights of a package; packages that do not fit are refused."""

import pytest
import torch
import yaml
from aiida.engine import run_get_node
from aiida.orm import Dict, RemoteData
from nequip.model import ModelFromPackage

from aiida_nanoclusters.calculations.learning.train import TrainCalculation, frames_problem
from aiida_nanoclusters.calculations.learning.warm_start import package_model, start_problem
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import GRANT, trust
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES
from aiida_nanoclusters.formats.nequip.warm_start import STATISTICS
from tests.calculations.learning.test_train import EXIT, job, labelled, tiny, written  # noqa: F401

#: An epoch that does not change the weights.
STANDSTILL = {
    **{"epochs": 1, "learning_rate": 1e-12, "final_learning_rate": 0.0},
    "stages": [{"from": 0.0, "energy": 1.0, "forces": 1.0}],
}


def weights(package) -> dict[str, torch.Tensor]:
    return ModelFromPackage(str(package)).state_dict()


def weights_of(potential: PotentialData, folder) -> dict[str, torch.Tensor]:
    path = folder / f"{potential.pk}.nequip.zip"
    path.write_bytes(potential.base.repository.get_object_content(FILENAMES["allegro"], mode="rb"))
    return weights(path)


@pytest.mark.slow
def test_begins_with_the_weights_of_the_package(
    nequip_code, tiny_potential, tiny_package, tmp_path
):
    """Learning nothing, it hands out what it was given, whatever its seed and its frames."""
    inputs = job(nequip_code, tiny(**STANDSTILL))
    inputs |= {"start_from": tiny_potential, "training": labelled([1, 3, 5])}
    outputs, node = run_get_node(TrainCalculation, **inputs)
    assert node.is_finished_ok, node.exit_message
    found, given = weights_of(outputs["potential"], tmp_path), weights(tiny_package)
    assert set(found) == set(given)
    for name, tensor in given.items():
        assert torch.allclose(found[name], tensor, rtol=0, atol=1e-9), name
    start, made = package_model(tiny_potential), package_model(outputs["potential"])
    assert {k: made[k] for k in STATISTICS} == {k: start[k] for k in STATISTICS}
    assert made["seed"] == 3 and start["seed"] == 7
    assert outputs["potential"].atom_energies == {"Cu": 0.5}


@pytest.mark.slow
def test_continues_from_its_checkpoint(nequip_code, tiny_potential, tmp_path):
    """A continued training has the weights of its checkpoint, not its initial ones."""
    settings = tiny(epochs=100000)
    inputs = job(nequip_code, settings, walltime=8, start_from=tiny_potential)
    first, node = run_get_node(TrainCalculation, **inputs)
    assert node.exit_status == EXIT.ERROR_OUT_OF_WALLTIME.status, node.exit_message
    inputs["restart_from"] = node.outputs.remote_folder
    second, again = run_get_node(TrainCalculation, **inputs)
    assert again.exit_status == EXIT.ERROR_OUT_OF_WALLTIME.status, again.exit_message
    errors = [out["learning_curve"].get_array("train_loss") for out in (first, second)]
    assert second["learning_curve"].get_array("epoch")[0] > 0
    assert errors[1][0] < errors[0][0]
    assert package_model(second["potential"]) == package_model(first["potential"])


def test_package_and_callback_are_written(written, nequip_code, tiny_potential):  # noqa: F811
    folder = written(**job(nequip_code, tiny(), start_from=tiny_potential))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["trainer"]["callbacks"][-1]["package_path"] == "start.nequip.zip"
    given = tiny_potential.base.repository.get_object_content("model.nequip.zip", mode="rb")
    assert (folder / "start.nequip.zip").read_bytes() == given
    assert "import aiida" not in (folder / "nequip_start.py").read_text()


def test_a_restart_takes_its_checkpoint(written, nequip_code, localhost, tiny_potential):  # noqa: F811
    """A continued training names the package of its initial weights, but does not load it again."""
    remote = RemoteData(remote_path="/far/away", computer=localhost).store()
    trust(remote)
    inputs = job(nequip_code, tiny(), start_from=tiny_potential, restart_from=remote)
    folder = written(**inputs)
    assert "++ckpt_path=start.ckpt" in (folder / "_aiidasubmit.sh").read_text()
    assert not (folder / "start.nequip.zip").exists()
    assert "StartFromPackage" not in (folder / "config.yaml").read_text()


def test_what_does_not_fit_is_refused(tiny_potential, tiny_package, eam_potential):
    frames, settings = labelled([0, 1]), tiny()
    assert start_problem(tiny_potential, frames, settings) is None
    assert "of kind `eam/alloy`: give the package" in start_problem(eam_potential, frames, settings)
    other = start_problem(tiny_potential, labelled([0], level="PBE"), settings)
    assert "it was trained on `EMT`, `training` is labelled by `PBE`" in other
    shifted = start_problem(tiny_potential, labelled([0], zero=0.0), settings, "start_from.seed_1")
    assert shifted.startswith("`start_from.seed_1`: its isolated Cu atom has 0.500000 eV but 0.0")
    smaller = Dict(settings.get_dict())
    smaller["model"] = {**smaller["model"], "r_max": 3.5}
    assert "model.r_max is 3.5 in the settings and 4.0 in the package: take" in start_problem(
        tiny_potential, frames, smaller
    )
    gold = PotentialData.from_file(tiny_package, "allegro", level_of_theory="EMT")
    gold.base.attributes.set_many({"elements": ["Au"], "atom_energies": {"Au": 0.5}})
    assert "it does not know Cu" in start_problem(gold, frames, settings)
    inputs = {"training": frames, "validation": frames, "settings": smaller}
    assert "`start_from`: model.r_max" in frames_problem({**inputs, "start_from": tiny_potential})


def test_a_package_of_others_must_be_trusted(tiny_potential):
    tiny_potential.base.extras.delete(GRANT)
    problem = start_problem(tiny_potential, labelled([0]), tiny())
    assert f"aiida-nanoclusters trust {tiny_potential.uuid}" in problem
    trust(tiny_potential)
    assert start_problem(tiny_potential, labelled([0]), tiny()) is None


def test_settings_that_are_not_given(allegro_package, aiida_profile):
    """A package made with other tools may leave out what it has by default."""
    zero = {"Cu": 0.5}
    bare = PotentialData.from_file(
        allegro_package, "allegro", level_of_theory="EMT", atom_energies=zero
    )
    settings = tiny().get_dict()
    settings["model"]["r_max"] = 4.5
    problem = start_problem(bare, labelled([0]), Dict(settings))
    assert "in the settings and" in problem and "in the package" in problem
