"""A package of the model of `tests/calculations/learning/test_train.py`, trained for real."""

import hashlib
import inspect
from pathlib import Path

import pytest

from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.nequip.config import BEST_CHECKPOINT, config_yaml, render_config
from aiida_nanoclusters.science.frames import Frames
from tests.allegro_model import (
    cache_folder,
    isolated_atom_energies,
    made_once,
    run_tool,
    training_frames,
)
from tests.calculations.learning.test_train import tiny


def make_tiny_package(folder: Path) -> Path:
    """Train two epochs in `folder` and return the packaged model (made only if absent)."""

    def train(partial: Path) -> None:
        images, zero, names = training_frames(["Cu"]), isolated_atom_energies(["Cu"]), {}
        for split, part in (("train", images[:4]), ("val", images[4:6])):
            names[split] = str(folder / f"{split}.extxyz")
            frames = Frames.from_atoms(part, level_of_theory="EMT", atom_energies=zero)
            write_extxyz(frames, names[split])
        settings = tiny().get_dict()
        config = render_config(settings, symbols=["Cu"], atom_energies=zero, files=names, seed=7)
        config["trainer"]["callbacks"][0]["dirpath"] = str(folder)
        config["trainer"]["logger"]["save_dir"] = str(folder)
        config["hydra"]["run"]["dir"] = str(folder)
        (folder / "config.yaml").write_text(config_yaml(config))
        run_tool("nequip-train", "-cp", folder, "-cn", "config.yaml", f"hydra.run.dir={folder}")
        run_tool("nequip-package", "build", folder / BEST_CHECKPOINT, partial)

    return made_once(folder / "model.nequip.zip", train)


@pytest.fixture(scope="session")
def tiny_package(pytestconfig: pytest.Config, aiida_profile) -> Path:
    """Packaged model of the tests' smallest settings (``.nequip.zip``)."""
    recipe = f"{tiny().get_dict()}{inspect.getsource(make_tiny_package)}"
    key = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    return make_tiny_package(cache_folder(pytestconfig, f"tiny-{key}"))


@pytest.fixture
def tiny_potential(aiida_profile, tiny_package):
    """The same as a node, as a training returns it."""
    from aiida_nanoclusters.data.potential import PotentialData

    zero = isolated_atom_energies(["Cu"])
    return PotentialData.from_file(
        tiny_package,
        "allegro",
        level_of_theory="EMT",
        atom_energies=zero,
        training_set="5f0f6c52-5bbd-4c3c-a2cc-6b0cf2a7b0e1",
    ).store()
