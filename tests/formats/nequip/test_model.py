"""Metadata of models, read without running their code."""

import json
import zipfile
from pathlib import Path

import pytest
import yaml

from aiida_nanoclusters.formats.nequip.model import read_compiled_metadata, read_package_metadata


def archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def test_package_metadata(tmp_path: Path) -> None:
    metadata = {
        "atom_types": {1: "Cu", 0: "Au"},
        "versions": {"nequip": "0.19.1", "torch": "2.13.0+cpu"},
        "package_version_id": 2,
    }
    model = {"_target_": "allegro.model.AllegroModel", "r_max": 5.5}
    model |= {"model_dtype": "float32", "seed": 4}
    path = archive(
        tmp_path / "m.nequip.zip",
        {
            "m.nequip/model/eager_model.pkl": "never read",
            "m.nequip/model/package_metadata.txt": yaml.safe_dump(metadata),
            "m.nequip/model/config.yaml": yaml.safe_dump({"training_module": {"model": model}}),
        },
    )
    assert read_package_metadata(path) == {
        "local": True,
        "builder": "allegro.model.AllegroModel",
        "type_names": ["Au", "Cu"],
        "r_max": 5.5,
        "dtype": "float32",
        "seed": 4,
        "versions": {"nequip": "0.19.1", "torch": "2.13.0+cpu"},
    }


def test_compiled_metadata(tmp_path: Path) -> None:
    metadata = {
        "model_dtype": "float32",
        "type_names": "Au Cu",
        "r_max": "5.5",
        "nequip_aoti_inputs": "pos edge_index atom_types",
        "nequip_aoti_outputs": "atomic_energy forces virial",
        "AOTI_DEVICE_KEY": "cpu",
        "AOTI_MACHINE": "x86_64",
        "AOTI_CPU_ISA": "AVX2",
    }
    path = archive(
        tmp_path / "m.nequip.pt2",
        {"m.nequip/data/aotinductor/model/cabc.wrapper_metadata.json": json.dumps(metadata)},
    )
    assert read_compiled_metadata(path) == {
        "type_names": ["Au", "Cu"],
        "r_max": 5.5,
        "dtype": "float32",
        "device": "cpu",
        "inputs": ["pos", "edge_index", "atom_types"],
        "outputs": ["atomic_energy", "forces", "virial"],
        "machine": "x86_64",
        "cpu_isa": "AVX2",
    }


@pytest.mark.parametrize("read", [read_package_metadata, read_compiled_metadata])
def test_wrong_files_are_named(tmp_path: Path, read) -> None:
    text = tmp_path / "text"
    text.write_text("Cu")
    with pytest.raises(ValueError, match="is not the archive"):
        read(text)
    with pytest.raises(ValueError, match="does not exist"):
        read(tmp_path / "absent")
    with pytest.raises(ValueError, match="make one with nequip-"):
        read(archive(tmp_path / "other.zip", {"readme.txt": "hello"}))


def test_unknown_metadata_are_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.pt2", {"m/x.wrapper_metadata.json": "{}"})
    with pytest.raises(ValueError, match="unknown form: no 'type_names'"):
        read_compiled_metadata(path)
