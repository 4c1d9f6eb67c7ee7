"""The training input against the installed programs, the learning curve against numbers."""

import importlib
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml

import aiida_nanoclusters
from aiida_nanoclusters.formats.nequip.config import (
    config_yaml,
    read_metrics,
    render_config,
)

PROTOCOLS = Path(aiida_nanoclusters.__file__).parent / "workflows" / "protocols" / "train.yaml"
FILES = {"train": "train.xyz", "val": "val.xyz"}


def protocol(name: str | None = None) -> dict:
    """Return the settings of a protocol, its keys over the default ones."""
    text = yaml.safe_load(PROTOCOLS.read_text(encoding="utf-8"))
    settings = deepcopy(text["default_inputs"])
    for section, values in text["protocols"][name or text["default_protocol"]].items():
        if section != "description":
            settings[section] |= values
    return settings


def render(settings: dict, **changes) -> dict:
    arguments = {"symbols": ["Cu"], "atom_energies": {"Cu": -0.25}, "files": FILES, "seed": 3}
    return render_config(settings, **(arguments | changes))


def targets(node: object) -> set[str]:
    """Return every dotted name the configuration asks hydra to import."""
    if isinstance(node, dict):
        own = {node["_target_"]} if "_target_" in node else set()
        return own.union(*(targets(value) for value in node.values()))
    return set().union(*(targets(value) for value in node)) if isinstance(node, list) else set()


@pytest.fixture
def settings() -> dict:
    settings = protocol("tutorial")
    settings["training"] |= {
        "epochs": 50,
        "batch_size": 4,
        "stages": [
            {"from": 0.0, "energy": 1.0, "forces": 2.0},
            {"from": 0.6, "energy": 100.0, "forces": 1.0},
        ],
        "selection": {"energy": 1.0, "forces": 0.1},
    }
    return settings


@pytest.mark.parametrize("name", ["tutorial", "moderate", "liu2025"])
def test_every_protocol_renders_with_importable_targets(name: str) -> None:
    config = render(protocol(name))
    assert yaml.safe_load(config_yaml(config)) == config
    for target in targets(config):
        module, _, attribute = target.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), target


def test_loss_stages_become_epochs(settings: dict) -> None:
    config = render(settings)
    loss = config["training_module"]["loss"]["metrics"]
    assert {m["name"]: m["coeff"] for m in loss} == {"per_atom_energy_mse": 1.0, "forces_mse": 2.0}
    assert config["trainer"]["callbacks"][-1]["schedule"] == {
        0: {"per_atom_energy_mse": 1.0, "forces_mse": 2.0},
        30: {"per_atom_energy_mse": 100.0, "forces_mse": 1.0},
    }


def test_one_stage_needs_no_scheduler(settings: dict) -> None:
    settings["training"]["stages"] = settings["training"]["stages"][:1]
    names = [c["_target_"] for c in render(settings)["trainer"]["callbacks"]]
    assert "nequip.train.callbacks.LossCoefficientScheduler" not in names


def test_best_epoch_is_chosen_by_the_selection(settings: dict) -> None:
    entries = render(settings)["training_module"]["val_metrics"]["metrics"]
    assert {m["name"]: m["coeff"] for m in entries if "coeff" in m} == {
        "per_atom_energy_rmse": 1.0,
        "forces_rmse": 0.1,
    }
    assert {m["name"] for m in entries} == {
        "per_atom_energy_rmse",
        "per_atom_energy_mae",
        "forces_rmse",
        "forces_mae",
    }


def test_model_holds_energies_of_the_isolated_atoms(settings: dict) -> None:
    config = render(settings, symbols=["Au", "Cu"], atom_energies={"Cu": -0.25, "Au": -0.5, "H": 0})
    model = config["training_module"]["model"]
    assert model["type_names"] == ["Au", "Cu"]
    assert model["per_type_energy_shifts"] == {"Au": -0.5, "Cu": -0.25}
    assert model["seed"] == config["data"]["seed"] == 3
    assert config["data"]["transforms"][1]["r_max"] == model["r_max"] == settings["model"]["r_max"]


def test_cosine_ends_with_the_last_epoch(settings: dict) -> None:
    module = render(settings)["training_module"]
    assert module["optimizer"]["lr"] == settings["training"]["learning_rate"]
    assert module["lr_scheduler"]["scheduler"]["T_max"] == 50


def test_test_frames_and_time_limit_are_optional(settings: dict) -> None:
    bare = render(settings)
    assert bare["run"] == ["train"] and "max_time" not in bare["trainer"]
    full = render(settings, files=FILES | {"test": "test.xyz"}, max_time="00:01:00:00")
    assert full["run"] == ["train", "test"]
    assert full["data"]["test_file_path"] == "test.xyz"
    assert full["trainer"]["max_time"] == "00:01:00:00"


def test_settings_are_not_changed_and_renders_do_not_share(settings: dict) -> None:
    before = deepcopy(settings)
    first = render(settings)
    first["training_module"]["model"]["type_names"].append("X")
    assert settings == before
    assert render(settings)["training_module"]["model"]["type_names"] == ["Cu"]


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("model", "l_max", -1, "`model.l_max` is -1: input should be greater than or equal to 0"),
        ("model", "num_layers", 1.5, "`model.num_layers` is 1.5: input should be a valid integer"),
        ("model", "dtype", "float16", "'float32' or 'float64'"),
        ("model", "cutoff", 5.0, "unknown setting `model.cutoff`"),
        (
            "training",
            "batch_size",
            0,
            "`training.batch_size` is 0: input should be greater than or equal to 1",
        ),
        (
            "training",
            "learning_rate",
            "fast",
            "`training.learning_rate` is 'fast': input should be a valid number",
        ),
        ("training", "selection", {"energy": 1.0}, "`training.selection.forces` is missing"),
        ("training", "stages", [], "should have at least 1 item"),
        ("training", "stages", [{"from": 0.5, "energy": 1, "forces": 1}], "must start at 0"),
        (
            "training",
            "stages",
            [{"from": f, "energy": 1, "forces": 1} for f in (0, 0.4, 0.4)],
            "give each a later `from`",
        ),
        (
            "training",
            "stages",
            [{"from": 0, "energy": 0, "forces": 0}],
            "both 0: give one of them a weight",
        ),
    ],
)
def test_bad_settings_are_named(settings, section, key, value, message) -> None:
    settings[section][key] = value
    with pytest.raises(ValueError, match=message):
        render(settings)


def test_missing_settings_and_energies_are_named(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"isolated-atom energy for \['Ag'\]"):
        render(settings, symbols=["Cu", "Ag"])
    with pytest.raises(ValueError, match="train and val"):
        render(settings, files={"train": "train.xyz"})
    del settings["model"]["r_max"]
    with pytest.raises(ValueError, match=r"`model\.r_max` is missing: give Cutoff radius"):
        render(settings)


# ------------------------------------------------------------------ learning curve

HEADER = (
    "epoch,loss_coeff/per_atom_energy_mse,lr-Adam,step,train_loss_epoch/weighted_sum,"
    "train_metric_epoch/forces_rmse,train_metric_epoch/per_atom_energy_rmse,"
    "train_loss_step/weighted_sum,val0_epoch/forces_mae,val0_epoch/forces_rmse,"
    "val0_epoch/per_atom_energy_mae,val0_epoch/per_atom_energy_rmse,val0_epoch/weighted_sum"
)


def epoch_rows(epoch: int, coefficient: float, rate: float, energy: float) -> list[str]:
    """Return the rows the CSV logger writes for one epoch, the rate first and without its epoch."""
    return [
        f",,{rate},{10 * epoch},,,,,,,,,",
        f"{epoch},,,{10 * epoch + 5},,,,0.7,,,,,",
        f"{epoch},,,{10 * epoch + 9},,,,,0.02,0.03,{energy / 2},{energy},0.5",
        f"{epoch},{coefficient},,{10 * epoch + 9},0.25,0.04,0.006,,,,,,",
    ]


def write(path: Path, *epochs: list[str], header: bool = True) -> Path:
    lines = [HEADER] if header else []
    path.write_text("\n".join([*lines, *(row for rows in epochs for row in rows)]) + "\n")
    return path


def test_learning_curve_in_mev(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.csv", epoch_rows(0, 0.5, 0.01, 0.008), epoch_rows(1, 0.9, 0.005, 0.004)
    )
    curve = read_metrics(path)
    assert curve["epoch"].tolist() == [0, 1]
    assert curve["learning_rate"].tolist() == [0.01, 0.005]
    assert curve["stage"].tolist() == [1, 2]
    np.testing.assert_allclose(curve["val_energy_rmse"], [8, 4])
    np.testing.assert_allclose(curve["val_energy_mae"], [4, 2])
    np.testing.assert_allclose(curve["val_forces_rmse"], [30, 30])
    np.testing.assert_allclose(curve["train_forces_rmse"], [40, 40])
    np.testing.assert_allclose(curve["train_energy_rmse"], [6, 6])
    assert curve["train_loss"].tolist() == [0.25, 0.25] and curve["val_loss"].tolist() == [0.5, 0.5]
    assert np.isnan(curve["train_forces_mae"]).all()


@pytest.mark.parametrize("joined", [True, False])
def test_a_continuation_overrides_the_epochs_it_repeats(tmp_path: Path, joined: bool) -> None:
    first = [epoch_rows(0, 0.5, 0.01, 0.008), epoch_rows(1, 0.5, 0.009, 0.007)]
    second = [epoch_rows(1, 0.9, 0.005, 0.004), epoch_rows(2, 0.9, 0.001, 0.002)]
    if joined:
        curve = read_metrics(write(tmp_path / "m.csv", *first, [HEADER], *second))
    else:
        paths = [write(tmp_path / "1.csv", *first), write(tmp_path / "2.csv", *second)]
        curve = read_metrics(paths)
    assert curve["epoch"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(curve["val_energy_rmse"], [8, 4, 2])
    assert curve["learning_rate"].tolist() == [0.01, 0.005, 0.001]
    assert curve["stage"].tolist() == [1, 2, 2]


def test_an_interrupted_last_epoch_is_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.csv", epoch_rows(0, 0.5, 0.01, 0.008), epoch_rows(1, 0.5, 0.01, 1)[:2]
    )
    path.write_text(path.read_text() + "1,0.5,0.0")
    assert read_metrics(path)["epoch"].tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column 'epoch'"),
        ("", "no column 'epoch'"),
        (HEADER + "\n", "no completed epoch"),
        (HEADER + "\n0,1\n" + ",".join("0" * 13) + "\n", "line 2: 2 cells, 13 expected"),
        (HEADER + "\n" + ",".join("x" * 13) + "\n", "line 2"),
    ],
)
def test_what_is_no_learning_curve_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_metrics(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_metrics(tmp_path / "absent.csv")
