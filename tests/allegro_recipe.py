"""How the tiny Allegro model of the tests is trained, packaged and compiled; needs no pytest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron
from ase.io import write
from filelock import FileLock

R_MAX = 4.5
ISOLATED_ATOM_ENERGY = 0.5
TINY = {
    "r_max": R_MAX,
    "l_max": 1,
    "num_layers": 1,
    "num_scalar_features": 8,
    "num_tensor_features": 4,
}


def training_frames(elements: Sequence[str], seed: int = 0) -> list[Atoms]:
    """Rattled small clusters and bulk cells, elements mixed, with EMT labels."""
    rng = np.random.default_rng(seed)
    shifts = isolated_atom_energies(elements)
    frames = []
    for element in elements:
        for _ in range(4):
            # a periodic frame comes first: nequip-compile checks itself on it, and for its target
            # `ase` the stress of a frame without a cell is NaN, which it takes for a failure
            frames += [bulk(element, cubic=True).repeat(2), Icosahedron(element, 2)]
    for frame in frames:
        frame.set_tags(0)
        if len(elements) > 1:
            frame.symbols[:] = rng.choice(list(elements), size=len(frame))
        frame.rattle(0.1, rng=rng)
        frame.calc = EMT()
        energy = frame.get_potential_energy() + sum(shifts[symbol] for symbol in frame.symbols)
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=frame.get_forces())
    return frames


def isolated_atom_energies(elements: Sequence[str]) -> dict[str, float]:
    """Energy of the isolated atom of each element in eV: different, and none of them zero."""
    return {element: ISOLATED_ATOM_ENERGY + i for i, element in enumerate(elements)}


def training_config(
    frames_file: Path, elements: Sequence[str], dtype: str, epochs: int, model: dict[str, Any]
) -> dict[str, Any]:
    """Configuration of nequip-train; `model` holds what differs from the defaults below."""
    width = model["num_scalar_features"]
    loader = {"_target_": "torch.utils.data.DataLoader", "batch_size": 4}
    return {
        "run": ["train"],
        "data": {
            "_target_": "nequip.data.datamodule.ASEDataModule",
            "seed": 1,
            "train_file_path": str(frames_file),
            "val_file_path": str(frames_file),
            "transforms": [
                {
                    "_target_": "nequip.data.transforms.NeighborListTransform",
                    "r_max": model["r_max"],
                },
                {
                    "_target_": "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
                    "model_type_names": list(elements),
                    "chemical_species_to_atom_type_map": {name: name for name in elements},
                },
            ],
            "train_dataloader": loader,
            "val_dataloader": loader,
        },
        "trainer": {
            "_target_": "lightning.Trainer",
            "accelerator": "cpu",
            "max_epochs": epochs,
            "logger": False,
            "enable_progress_bar": False,
            "callbacks": [
                {
                    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "dirpath": "${hydra:runtime.output_dir}",
                    "filename": "last",
                }
            ],
        },
        "training_module": {
            "_target_": "nequip.train.EMALightningModule",
            "loss": {
                "_target_": "nequip.train.EnergyForceLoss",
                "per_atom_energy": True,
                "coeffs": {"total_energy": 1.0, "forces": 1.0},
            },
            "val_metrics": {
                "_target_": "nequip.train.EnergyForceMetrics",
                "coeffs": {"total_energy_rmse": 1.0, "forces_rmse": 1.0},
            },
            "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01},
            "model": {
                "_target_": "allegro.model.AllegroModel",
                "seed": 7,
                "model_dtype": dtype,
                "type_names": list(elements),
                "radial_chemical_embed": {
                    "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
                    "num_bessels": 8,
                    "bessel_trainable": False,
                    "polynomial_cutoff_p": 6,
                },
                "scalar_embed_mlp_hidden_layers_width": width,
                "allegro_mlp_hidden_layers_width": width,
                "readout_mlp_hidden_layers_width": width,
                "avg_num_neighbors": 20.0,
                "per_type_energy_shifts": isolated_atom_energies(elements),
                **model,
            },
        },
        "global_options": {"allow_tf32": False},
    }


def run_tool(tool: str, *arguments: str | Path) -> None:
    """Run one of nequip's tools on one thread; its output only on failure."""
    module = tool.replace("nequip-", "nequip.scripts.")
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{tool} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Have `make` write `target` unless it is there; tests that run beside these wait for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f"{target.name}.lock")):
        if not target.exists():
            partial = target.with_name(f"partial-{target.name}")
            make(partial)
            partial.rename(target)
    return target


def make_package(
    folder: Path,
    elements: Sequence[str],
    dtype: str = "float64",
    epochs: int = 3,
    model: dict[str, Any] | None = None,
) -> Path:
    """Train for a few epochs in `folder` and return the packaged model (made only if absent)."""

    def train(partial: Path) -> None:
        frames_file = folder / "frames.extxyz"
        write(frames_file, training_frames(elements))
        config = training_config(frames_file, elements, dtype, epochs, model or TINY)
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
        out = folder / "training"
        run_tool(
            "nequip-train",
            "-cp",
            folder,
            "-cn",
            "config.yaml",
            f"hydra.run.dir={out}",
            "hydra/job_logging=none",
        )
        run_tool("nequip-package", "build", out / "last.ckpt", partial)

    return made_once(folder / "model.nequip.zip", train)


def make_compiled(package: Path, target: str = "pair_allegro") -> Path:
    """Compile a packaged model for this machine's CPU, beside the package (made only if absent)."""

    def compile_it(partial: Path) -> None:
        run_tool(
            "nequip-compile", package, partial,
            "--mode", "aotinductor", "--device", "cpu", "--target", target,
        )  # fmt: skip

    return made_once(package.with_name(f"{target}.nequip.pt2"), compile_it)
