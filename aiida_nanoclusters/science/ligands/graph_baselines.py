"""Graph networks of the core without pretraining, beside the fingerprint of the ligands.

Carried to the machine of a job of the baselines.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..network_state import load_state
from ..training_loop import MOST_ROWS, Job, Task, run
from .baseline_pairs import PairData, Rows, Whole
from .graphs import GraphBatch, GraphSet, core_graphs
from .networks import CoreEncoder, single_precision


class PairNetwork(nn.Module):
    """Graph network of the core, whose vector goes with the fingerprint into two linear layers.

    Parameters
    ----------
    core, classifier
        Fields of CoreEncoderSettings and of ClassifierSettings.
    inputs
        Numbers that stand for the ligands.
    """

    def __init__(self, core: Mapping[str, Any], classifier: Mapping[str, Any], inputs: int) -> None:
        super().__init__()
        hidden = classifier["hidden"]
        self.core = CoreEncoder(core)
        self.head = nn.Sequential(
            nn.Linear(core["features"] + inputs, hidden),
            nn.Softplus(),
            nn.Dropout(classifier["dropout"]),
            nn.Linear(hidden, 1),
        )

    def forward(self, cores: GraphBatch, core_of: Whole, ligands: Rows) -> Tensor:
        """Return the logits of pairs from a batch of cores, the core of each, and ligands; (P,)."""
        vectors = self.core(cores)[core_of]
        told = torch.as_tensor(ligands, device=vectors.device)
        return self.head(torch.cat([vectors, told], dim=1))[:, 0]


@dataclass
class PairTask(Task):
    """What the graph networks learn."""

    graphs: GraphSet
    core: Whole
    ligands: Rows
    labels: Rows
    training: Whole
    validation: Whole

    def logits(self, network: PairNetwork, rows: Whole) -> Tensor:
        """Return the logits of some pairs."""
        cores, core_of = np.unique(self.core[rows], return_inverse=True)
        return network(self.graphs.batch(cores), core_of, self.ligands[rows])

    def loss(self, network: PairNetwork, rows: Whole) -> Tensor:
        """Return the mean binary cross entropy of some pairs."""
        logits = self.logits(network, rows)
        wanted = torch.as_tensor(self.labels[rows], device=logits.device)
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted)

    def probabilities(self, network: PairNetwork) -> NDArray[np.float64]:
        """Return the probabilities of all pairs, shape (P,)."""
        network.eval()
        rows = np.arange(len(self.core))
        with torch.no_grad():
            parts = [
                torch.sigmoid(self.logits(network, rows[i : i + MOST_ROWS])).cpu().numpy()
                for i in range(0, len(rows), MOST_ROWS)
            ]
        return np.concatenate(parts).astype(np.float64)


def pair_task(data: PairData, job: Job) -> PairTask:
    """Return the task of the graph networks; the ligands are normalised over the training."""
    atoms = [(core.numbers, core.positions) for core in data.cores]
    graphs = core_graphs(
        np.concatenate([numbers for numbers, _ in atoms]),
        np.concatenate([positions for _, positions in atoms]),
        np.concatenate([[0], np.cumsum([len(core) for core in data.cores])]),
        job["core"]["cutoff"],
    )
    known = data.ligands[data.rows(0)].astype(np.float64)
    scale = known.std(axis=0)
    normalised = (data.ligands - known.mean(axis=0)) / np.where(scale > 1e-6, scale, 1.0)
    return PairTask(
        graphs,
        data.core,
        normalised.astype(np.float32),
        data.labels.astype(np.float32),
        data.rows(0),
        data.rows(1),
    )


def train_network(
    task: PairTask, method: str, seed: int, job: Job, folder: Path, stop_at: float
) -> tuple[NDArray[np.float64] | None, str]:
    """Train one graph network; return the probabilities of all pairs and how it ended.

    There are none where the time was up (``time``) or the loss is no number (``nan``).
    """
    torch.manual_seed(seed)
    with single_precision():
        network = PairNetwork(
            {**job["core"], "kind": method}, job["classifier"], task.ligands.shape[1]
        )
    left = None if stop_at == float("inf") else stop_at - time.time()
    own = {**job, "seed": seed, "max_seconds": left}
    progress, report = run(network, task, own, folder, time.time())
    if report["ended"] in ("time", "nan"):
        return None, report["ended"]
    load_state(network, progress.best)
    return task.probabilities(network), report["ended"]
