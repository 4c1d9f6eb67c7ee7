"""Pretrain the core encoder on formation energies of clusters.

``python -m science.ligands.pretraining job.json`` on the machine of a training job, whose Python
has numpy, scipy, torch and torch_geometric, see `science/training_files.py`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..network_state import ARCHITECTURES, load_state
from ..training_files import REPORT_FILE
from ..training_loop import (
    MOST_ROWS,
    Job,
    Progress,
    Task,
    load_arrays,
    read_job,
    run,
    write_json,
)
from .graphs import GraphSet, core_graphs
from .networks import LIBRARIES, make_energy_network
from .training_files import (
    CORES_FILE,
    ENCODER_ARRAYS_FILE,
    ENCODER_FILE,
    ENERGIES_FILE,
    ENERGY_PREDICTIONS,
    PREDICTIONS_FILE,
)


@dataclass
class EnergyTask(Task):
    """Formation energies per atom less those of the composition, normalised.

    Composition and size alone explain most of what differs between clusters of many elements; a
    network that has to learn this too learns little of the structure.

    Attributes
    ----------
    graphs
        Of all structures.
    targets
        Energies less those of the composition, in standard deviations over the structures that are
        trained on, shape (F,), float32.
    training, validation
        Rows of both.
    """

    graphs: GraphSet
    targets: NDArray[np.float32]
    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES

    def loss(self, network: Any, rows: NDArray[np.int64]) -> Tensor:
        """Return the mean squared error of some rows, in squares of the normalised energy."""
        found = network(self.graphs.batch(rows))
        wanted = torch.as_tensor(self.targets[rows], device=found.device)
        return torch.nn.functional.mse_loss(found, wanted)


def predict(network: Any, graphs: GraphSet) -> NDArray[np.float64]:
    """Return the normalised energies of all structures, shape (F,)."""
    network.eval()
    rows = np.arange(len(graphs))
    with torch.no_grad():
        blocks = [
            network(graphs.batch(rows[i : i + MOST_ROWS])).cpu().numpy()
            for i in range(0, len(rows), MOST_ROWS)
        ]
    return np.concatenate(blocks).astype(np.float64)


def main(path: str) -> None:
    """Train what a job file says; results and checkpoints go into its folder."""
    begun = time.time()
    job, folder = read_job(path)
    cores, energies = load_arrays(folder / CORES_FILE), load_arrays(folder / ENERGIES_FILE)
    graphs = core_graphs(
        cores["numbers"], cores["positions"], cores["offsets"], job["core"]["cutoff"]
    )
    target, subset = energies["target"], energies["subset"]
    training = np.flatnonzero(subset == 0)
    composition = energies["composition"]
    structural = target - composition
    mean = float(structural[training].mean())
    scale = float(structural[training].std()) or 1.0
    normalised = ((structural - mean) / scale).astype(np.float32)
    task = EnergyTask(graphs, normalised, training, np.flatnonzero(subset == 1))
    network = make_energy_network(job["core"])
    prepared = time.time() - begun
    progress, report = run(network, task, job, folder, begun)
    if progress.best:
        load_state(network, progress.best)
        predicted = predict(network, graphs) * scale + mean + composition
        found = (predicted, target, subset, energies["frame"])
        values: dict[str, Any] = dict(zip(ENERGY_PREDICTIONS, found, strict=True))
        np.savez(folder / PREDICTIONS_FILE, **values)
        _write_encoder(progress, job, mean, scale, folder)
    report |= {**job["notes"], "graph_seconds": prepared, "wall_seconds": time.time() - begun}
    write_json(folder / REPORT_FILE, report)


def _write_encoder(progress: Progress, job: Job, mean: float, scale: float, folder: Path) -> None:
    head = {
        **job["about"],
        "architecture": ARCHITECTURES["core encoder"],
        "core": job["core"],
        "energy_mean": mean,
        "energy_scale": scale,
        "seed": job["seed"],
        "validation_loss": progress.best_loss,
    }
    write_json(folder / ENCODER_FILE, head)
    np.savez(folder / ENCODER_ARRAYS_FILE, **progress.best)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1])
