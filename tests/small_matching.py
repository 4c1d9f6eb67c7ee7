"""Small encoders and matching models of a synthetic world, trained within seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands import matching, pretraining
from aiida_nanoclusters.science.ligands.core_encoder import PretrainedEncoder
from aiida_nanoclusters.science.ligands.encoder_settings import (
    MatchingSettings,
    PretrainingSettings,
    of_training,
)
from aiida_nanoclusters.science.ligands.formation_energies import prepare_energies
from aiida_nanoclusters.science.ligands.matching_model import MatchingModel
from aiida_nanoclusters.science.ligands.synthetic_world import WorldSettings, make_world
from aiida_nanoclusters.science.ligands.training_arrays import matching_arrays
from aiida_nanoclusters.science.ligands.training_files import (
    CORES_FILE,
    ENERGIES_FILE,
    LIGANDS_FILE,
    PAIRS_FILE,
    PREDICTIONS_FILE,
    PRETRAINED_FILE,
)

#: Encoders that are trained within seconds.
CORE = {"features": 16, "layers": 2, "gaussians": 12, "cutoff": 4.5}
TRAINING = {
    "epochs": 6,
    "fewest_epochs": 3,
    "patience": 3,
    "learning_rate": 0.01,
    "milestones": [],
}
SMALL = {
    "core": CORE,
    "ligand": {"features": 16, "hidden": 16, "bits": 64, "layers": 2},
    "classifier": {"hidden": 16, "dropout": 0.1},
    "training": TRAINING,
}
SMALL_ENERGIES = {
    "core": CORE,
    "training": {**TRAINING, "validation_share": 0.2, "test_share": 0.2},
}


def world(seed=0, **settings):
    """Return pairs of a small synthetic world."""
    values = {"n_pairs": 120, "n_cores": 24, "elements": ["Au", "Ag"], **settings}
    return make_world(WorldSettings(**values), seed)


def assignment(pairs, seed=0, shares=(0.6, 0.2, 0.2)) -> np.ndarray:
    """Return a split of pairs by core, whatever their labels."""
    core = np.array([pair.core for pair in pairs.pairs])
    order = np.random.default_rng(seed).permutation(core.max() + 1)
    bounds = np.cumsum(np.array(shares) * len(order)).astype(int)[:2]
    return np.digitize(np.argsort(order)[core], bounds).astype(np.int8)


def labelled(atoms, energy, **info):
    atoms = atoms.copy()
    atoms.info.update(info)
    atoms.calc = SinglePointCalculator(atoms, energy=float(energy))
    return atoms


def lennard_jones(count=80, seed=0, elements=("Au", "Ag")):
    """Clusters with the energies of a Lennard-Jones potential in units of metals."""
    settings = WorldSettings(
        n_pairs=4, n_cores=count, elements=list(elements), most_ligands=1, rattle=0.1
    )
    images = []
    for atoms in make_world(settings, seed).cores:
        free = Atoms(atoms.symbols, atoms.positions)
        free.calc = LennardJones(sigma=2.57, epsilon=0.4, rc=8.0, smooth=False)
        images.append(labelled(atoms, free.get_potential_energy()))
    return Frames.from_atoms(images, level_of_theory="LJ")


def write_matching_job(pairs, subset, folder: Path, settings=SMALL, seed=1, **changes) -> None:
    """Write what a job of the matching model reads."""
    folder.mkdir(exist_ok=True)
    checked = MatchingSettings(**settings)
    about, arrays = matching_arrays(pairs, subset, checked)
    about["about"]["pretrained"] = (folder / PRETRAINED_FILE).exists()
    job = {**of_training(checked), **about, "seed": seed, "max_seconds": None, **changes}
    (folder / "job.json").write_text(json.dumps(job))
    names = {"cores": CORES_FILE, "ligands": LIGANDS_FILE, "pairs": PAIRS_FILE}
    for key, values in arrays.items():
        np.savez(folder / names[key], **values)


def trained_model(pairs, subset, folder: Path, settings=SMALL, seed=1, **changes) -> MatchingModel:
    """Train a matching model in this process, as a job does in its own."""
    write_matching_job(pairs, subset, folder, settings, seed, **changes)
    matching.main(str(folder / "job.json"))
    return MatchingModel.load(folder)


def predictions(folder: Path) -> dict[str, np.ndarray]:
    """Return what a training has left of predictions."""
    with np.load(folder / PREDICTIONS_FILE) as archive:
        return dict(archive)


def write_energy_job(
    frames, folder: Path, settings=SMALL_ENERGIES, seed=1, references=None, **changes
) -> None:
    """Write what a job of the pretraining reads."""
    folder.mkdir(exist_ok=True)
    checked = PretrainingSettings(**settings)
    energies = prepare_energies(frames, checked, references)
    job = {
        **of_training(checked),
        **{"about": energies.about(), "notes": energies.notes()},
        **{"seed": seed, "max_seconds": None},
        **changes,
    }
    (folder / "job.json").write_text(json.dumps(job))
    np.savez(folder / CORES_FILE, **energies.core_arrays())
    np.savez(folder / ENERGIES_FILE, **energies.energy_arrays())


def trained_encoder(
    frames, folder: Path, settings=SMALL_ENERGIES, seed=1, references=None, **changes
) -> PretrainedEncoder:
    """Pretrain an encoder in this process, as a job does in its own."""
    write_energy_job(frames, folder, settings, seed, references, **changes)
    pretraining.main(str(folder / "job.json"))
    return PretrainedEncoder.load(folder)
