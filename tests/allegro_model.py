"""A tiny Allegro model for tests: trained, packaged and compiled once, then cached.

Use it with ``pytest_plugins = ["tests.allegro_model"]`` in the top-level conftest. Everything is
made with nequip's own command line tools and kept in pytest's cache folder, under a key made of the
recipe, the package versions and the machine, so that only the first run pays (about a minute);
``pytest --cache-clear`` removes it.

The model (copper, double precision, cut off at 4.5 Å) has seen a handful of EMT frames: it is
smooth and has the right energy of an isolated atom (0.5 eV by convention, which is not zero),
and no more.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

from aiida_nanoclusters.lammps_plugin.build import build
from tests.allegro_recipe import (
    ISOLATED_ATOM_ENERGY,
    R_MAX,
    TINY,
    isolated_atom_energies,
    made_once,
    make_compiled,
    make_package,
    run_tool,
    training_config,
    training_frames,
)

__all__ = [
    "ISOLATED_ATOM_ENERGY",
    "R_MAX",
    "isolated_atom_energies",
    "made_once",
    "make_compiled",
    "make_package",
    "run_tool",
    "training_frames",
]

PACKAGES = ("torch", "nequip", "nequip-allegro")


def cache_folder(config: pytest.Config, label: str) -> Path:
    """Folder in pytest's cache for things that depend on recipe, versions and machine."""
    recipe = [inspect.getsource(step) for step in (training_frames, training_config, make_package)]
    recipe += [json.dumps(TINY), *map(version, PACKAGES), platform.node(), sys.prefix]
    key = hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:12]
    return Path(config.cache.mkdir("allegro")) / f"{label}-{key}"


@pytest.fixture(scope="session")
def allegro_package(pytestconfig: pytest.Config) -> Path:
    """Packaged Allegro model of copper (``.nequip.zip``)."""
    return make_package(cache_folder(pytestconfig, "cu"), ["Cu"])


@pytest.fixture(scope="session")
def allegro_compiled(allegro_package: Path) -> Path:
    """The same model compiled for ``pair_style allegro`` on this machine (``.nequip.pt2``)."""
    return make_compiled(allegro_package)


@pytest.fixture(scope="session")
def allegro_plugin(pytestconfig: pytest.Config) -> Path:
    """Folder with the built LAMMPS plugin: the value for LAMMPS_PLUGIN_PATH."""
    folder = Path(pytestconfig.cache.mkdir("allegro"))
    with FileLock(folder / "plugin.lock"):
        return build(folder / "plugin").parent
