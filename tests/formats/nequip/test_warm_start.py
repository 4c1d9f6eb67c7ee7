"""From which packages a training may begin, and what it takes from them."""

import copy
import zipfile

import pytest

from aiida_nanoclusters.formats.nequip import render_config
from aiida_nanoclusters.formats.nequip_model import read_package_model
from aiida_nanoclusters.formats.nequip_warm import STATISTICS, model_difference, start_from
from aiida_nanoclusters.workflows.protocol import load_protocol

FILES = {"train": "a.extxyz", "val": "b.extxyz"}


def config(seed: int = 1, **model) -> dict:
    settings = load_protocol("train", "tutorial")
    settings["model"] |= model
    zero = {"Cu": 0.5}
    return render_config(settings, symbols=["Cu"], atom_energies=zero, files=FILES, seed=seed)


def package(**model) -> dict:
    """Return what a package of the tutorial's model tells, trained with another seed."""
    found = copy.deepcopy(config(seed=9)["training_module"]["model"])
    found |= {"avg_num_neighbors": 33.5, "per_type_energy_scales": {"Cu": 0.41}}
    return found | model


def test_statistics_are_those_of_the_package():
    """Weights are of use only with the scales they were learnt with; all else stays."""
    cold, start = config(), package()
    before = copy.deepcopy(cold)
    warm = start_from(cold, start)
    assert cold == before
    model = warm["training_module"]["model"]
    assert {key: model[key] for key in STATISTICS} == {key: start[key] for key in STATISTICS}
    assert model["seed"] == 1
    assert "stats_manager" not in warm["data"]  # what it would compute is not asked for
    callback = warm["trainer"]["callbacks"].pop()
    assert callback == {
        "_target_": "nequip_start.StartFromPackage",
        "package_path": "start.nequip.zip",
    }
    for key in STATISTICS:
        model[key] = before["training_module"]["model"][key]
    warm["data"]["stats_manager"] = before["data"]["stats_manager"]
    assert warm == before


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ({"r_max": 6.0}, {}, "model.r_max is 6.0 in the settings and 5.5 in the package"),
        ({"dtype": "float64"}, {}, "model.dtype is float64 in the settings and float32"),
        ({"two_body_mlp_width": 8}, {}, "model.two_body_mlp_width is 8 in the settings and 32"),
        ({"num_bessels": 4}, {}, "model.num_bessels is 4 in the settings and 8"),
        ({}, {"pair_potential": {"_target_": "ZBL"}}, "is not given in the settings and ZBL"),
        ({}, {"type_names": ["Au"]}, "model.type_names is ['Cu'] in the settings and ['Au']"),
        ({}, {"_target_": "nequip.model.ModelFromPackage"}, "model._target_ is allegro"),
    ],
)
def test_another_model_is_named(ours, theirs, message):
    assert message in model_difference(config(**ours), package(**theirs))
    with pytest.raises(ValueError, match="model"):
        start_from(config(**ours), package(**theirs))


def test_same_model_and_missing_statistics():
    assert model_difference(config(), package()) is None
    start = package()
    del start["avg_num_neighbors"]
    assert "does not tell its avg_num_neighbors" in model_difference(config(), start)


def test_settings_are_read_from_a_package(allegro_package, tmp_path):
    """By path or as an open file; what is no package is named."""
    found = read_package_model(allegro_package)
    assert found["r_max"] == 4.5 and found["num_tensor_features"] == 4
    with open(allegro_package, "rb") as handle:
        assert read_package_model(handle) == found
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x/readme.txt", "nothing")
    with pytest.raises(ValueError, match="no packaged model"):
        read_package_model(other)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x/model/config.yaml", "trainer: {}")
    with pytest.raises(ValueError, match="settings of an unknown form"):
        read_package_model(other)
