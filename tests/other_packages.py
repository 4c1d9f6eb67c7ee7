"""Packages as others make them: more elements, other names of types, NequIP instead of Allegro.

They are written by nequip's own `nequip-package build`, of models with random weights in double
precision: a checkpoint of a training is all that is put in its place.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.allegro_model import cache_folder, made_once

#: Atom type of each element, and its isolated atom (eV).
ALLEGRO_TYPES = {"Cu": "Cu_a", "Au": "X1", "Ag": "ag"}
NEQUIP_TYPES = {"Cu": "Cua", "Au": "X1"}
COPPER_TYPES = {"Cu": "Cu"}
ATOMS = {"Cu": 0.5, "Au": -1.5, "Ag": 2.5}
_COMMON = {"seed": 7, "model_dtype": "float64", "r_max": 4.5, "l_max": 1, "avg_num_neighbors": 12.0}
MODELS = {
    "allegro": {
        **_COMMON,
        "_target_": "allegro.model.AllegroModel",
        "type_names": list(ALLEGRO_TYPES.values()),
        "per_type_energy_shifts": {ALLEGRO_TYPES[e]: ATOMS[e] for e in ALLEGRO_TYPES},
        "per_type_energy_scales": {"Cu_a": 1.0, "X1": 1.5, "ag": 0.5},
        "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed"},
        "num_layers": 1,
        "num_scalar_features": 8,
        "num_tensor_features": 4,
    },
    "nequip": {
        **_COMMON,
        "_target_": "nequip.model.NequIPGNNModel",
        "type_names": list(NEQUIP_TYPES.values()),
        "per_type_energy_shifts": {NEQUIP_TYPES[e]: ATOMS[e] for e in NEQUIP_TYPES},
        "num_layers": 2,
        "num_features": 8,
        "type_embed_num_features": 4,
        "radial_mlp_depth": 1,
        "radial_mlp_width": 8,
    },
}
#: The same for copper alone, whose type is its symbol.
MODELS["copper"] = {
    **MODELS["nequip"],
    "type_names": ["Cu"],
    "per_type_energy_shifts": {"Cu": ATOMS["Cu"]},
}

_PACKAGE = """
import json, sys, torch
from ase.build import bulk
from hydra.utils import get_method
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.model.utils import override_model_compile_mode
from nequip.scripts import package
from nequip.utils.global_state import set_global_state

set_global_state()  # of which the precision of the example is one part
for target, types, model in json.loads(sys.argv[1]):
    frame = bulk("Cu", cubic=True)
    frame.symbols[:2] = "Au" if "Au" in types else "Cu"
    frame.rattle(0.05, seed=1)
    data = ChemicalSpeciesToAtomTypeMapper(list(types.values()), types)(from_ase(frame))
    data = AtomicDataDict.batched_from_list([NeighborListTransform(model["r_max"])(data)])

    def load(path, compile_mode, model_key, return_data_dict=False):
        with override_model_compile_mode(compile_mode):
            given = dict(model)
            build = get_method(given.pop("_target_"))
            made = torch.nn.ModuleDict({"sole_model": build(**given)})
        made.eval()
        return (made, data) if return_data_dict else made

    package.load_saved_model = load
    config = {"training_module": {"model": model}, "versions": {}}
    torch.save({"hyper_parameters": {"info_dict": config}}, target + ".ckpt")
    package.main(["build", target + ".ckpt", target])
"""


def make_packages(folder: Path) -> Path:
    """Write the packages (only if absent) and return the folder."""

    def make(done: Path) -> None:
        wanted = [
            (str(folder / "allegro.nequip.zip"), ALLEGRO_TYPES, MODELS["allegro"]),
            (str(folder / "nequip.nequip.zip"), NEQUIP_TYPES, MODELS["nequip"]),
            (str(folder / "copper.nequip.zip"), COPPER_TYPES, MODELS["copper"]),
        ]
        command = [sys.executable, "-c", _PACKAGE, json.dumps(wanted)]
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert run.returncode == 0, run.stderr[-3000:]
        done.write_text("")

    made_once(folder / "done", make)
    return folder


@pytest.fixture(scope="session")
def packages_of_others(pytestconfig: pytest.Config) -> Path:
    """Folder with ``allegro.nequip.zip``, ``nequip.nequip.zip`` and ``copper.nequip.zip``."""
    import hashlib

    recipe = f"{MODELS}{_PACKAGE}{inspect.getsource(make_packages)}"
    key = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    return make_packages(cache_folder(pytestconfig, f"others-{key}"))
