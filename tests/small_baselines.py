"""Small baselines of a synthetic world, trained within seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from aiida_nanoclusters.science.ligands import baselines
from aiida_nanoclusters.science.ligands.baseline_inputs import baseline_inputs
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.training_files import PREDICTIONS_FILE
from tests.small_matching import CORE, TRAINING

#: Methods that are trained within seconds.
SMALL_BASELINES = {
    "acsf": {
        "cutoff": 4.5,
        "radial": [[4.0, 2.5], [4.0, 3.5]],
        "angular": [[0.01, 1, 1], [0.01, 4, -1]],
    },
    "mbtr": {"distance_points": 16, "distance_width": 0.05, "angle_points": 8, "angle_width": 0.3},
    "boosting": {"trees": 40, "depth": 4},
    "core": CORE,
    "ligand": {"bits": 64},
    "classifier": {"hidden": 16, "dropout": 0.1},
    "training": TRAINING,
}


def write_baseline_job(
    pairs, subset, folder: Path, settings=SMALL_BASELINES, seeds=(1,), **changes
) -> None:
    """Write what a job of the baselines reads."""
    folder.mkdir(exist_ok=True)
    job, files = baseline_inputs(pairs, subset, BaselineSettings(**settings), seeds)
    (folder / "job.json").write_text(json.dumps({**job, **changes}))
    for name, arrays in files.items():
        np.savez(folder / name, **arrays)


def trained_baselines(pairs, subset, folder: Path, *args, **changes) -> np.ndarray:
    """Train in this process, as a job does in its own; probability by method, seed and pair."""
    write_baseline_job(pairs, subset, folder, *args, **changes)
    baselines.main(str(folder / "job.json"))
    with np.load(folder / PREDICTIONS_FILE) as archive:
        return archive["probability"]
