"""Packages that a training may start from, and what it takes from them."""

import copy
import zipfile

import pytest

from aiida_nanoclusters.formats.nequip.config import render_config
from aiida_nanoclusters.formats.nequip.model import read_package_model
from aiida_nanoclusters.formats.nequip.warm_start import (
    STATISTICS,
    model_difference,
    model_settings,
    start_from,
)
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

FILES = {"train": "a.extxyz", "val": "b.extxyz"}


def config(seed: int = 1, **model) -> dict:
    settings = load_protocol("train", "tutorial")
    settings["model"] |= model
    zero = {"Cu": 0.5}
    return render_config(settings, symbols=["Cu"], atom_energies=zero, files=FILES, seed=seed)


def package(**model) -> dict:
    """Return the settings in a package of the tutorial's model, trained with another seed."""
    found = copy.deepcopy(config(seed=9)["training_module"]["model"])
    found |= {"avg_num_neighbors": 33.5, "per_type_energy_scales": {"Cu": 0.41}}
    return found | model


def test_statistics_are_those_of_the_package():
    """The statistics of the package replace those of the frames; all else is unchanged."""
    cold, start = config(), package()
    before = copy.deepcopy(cold)
    warm = start_from(cold, start)
    assert cold == before
    model = warm["training_module"]["model"]
    assert {key: model[key] for key in STATISTICS} == {key: start[key] for key in STATISTICS}
    assert model["seed"] == 1
    assert "stats_manager" not in warm["data"]  # its statistics are not computed
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
        ({}, {"type_names": ["Au"]}, "the package has no atom type of Cu"),
        ({}, {"_target_": "nequip.model.ModelFromPackage"}, "model._target_ is allegro"),
    ],
)
def test_another_model_is_named(ours, theirs, message):
    assert message in model_difference(config(**ours), package(**theirs))
    with pytest.raises(ValueError, match="package"):
        start_from(config(**ours), package(**theirs))


def test_same_model_and_its_statistics():
    """A statistic that is not given is none; one that is no number cannot be taken over."""
    assert model_difference(config(), package()) is None
    start = package()
    del start["avg_num_neighbors"]
    assert start_from(config(), start)["training_module"]["model"]["avg_num_neighbors"] is None
    start["avg_num_neighbors"] = "${training_data_stats:num_neighbors_mean}"
    assert "no number for `avg_num_neighbors`" in model_difference(config(), start)


def test_only_the_elements_that_are_needed():
    """Of a package with three types of other names, one is taken, with its own statistics."""
    names = ["Cu_a", "X1", "ag"]
    scales = dict(zip(names, (1, 2, 3), strict=True))
    start = package(type_names=names, per_type_energy_scales=scales)
    start["per_type_energy_shifts"] = dict.fromkeys(names, 7.0)
    types = {"Cu": "X1", "Ag": "ag", "Au": "Cu_a"}
    warm = start_from(config(), start, types, keep_shifts=True)
    model = warm["training_module"]["model"]
    assert model["type_names"] == ["Cu"]
    assert model["per_type_energy_scales"] == {"Cu": 2}
    assert model["per_type_energy_shifts"] == {"Cu": 0.5}
    assert warm["trainer"]["callbacks"][-1] == {
        "_target_": "nequip_start.StartFromPackage",
        "package_path": "start.nequip.zip",
        "types": ["X1"],
        "keep_shifts": True,
    }
    warm = start_from(config(), start, types)
    assert warm["training_module"]["model"]["per_type_energy_shifts"] == {"Cu": 7.0}


def test_settings_of_the_model_of_a_package():
    """With them a training has the same model, also where a package leaves out what is usual."""
    start = package(num_layers=3)
    found = model_settings(start)
    assert model_difference(config(**found), start) is None and found["num_layers"] == 3
    del start["parity"]
    assert model_settings(start) == found
    other = {"_target_": "nequip.model.NequIPGNNModel", "r_max": 5.0, "model_dtype": "float32"}
    with pytest.raises(ValueError, match=r"NequIPGNNModel.*train on the labels"):
        model_settings({**other, "num_layers": 2})


def test_settings_are_read_from_a_package(allegro_package, tmp_path):
    """By path or as an open file; what is no package is named."""
    found = read_package_model(allegro_package)
    assert found["r_max"] == 4.5 and found["num_tensor_features"] == 4
    with open(allegro_package, "rb") as handle:
        assert read_package_model(handle) == found
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x/readme.txt", "nothing")
    with pytest.raises(ValueError, match="not a packaged model"):
        read_package_model(other)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("x/model/config.yaml", "trainer: {}")
    with pytest.raises(ValueError, match="settings of an unknown form"):
        read_package_model(other)
