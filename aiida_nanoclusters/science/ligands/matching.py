"""Train the matching model on labelled pairs of cores and ligand sets.

``python -m science.ligands.matching job.json`` on the machine of a training job, whose Python has
numpy, scipy, torch and torch_geometric, see `science/training_files.py`.
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
from ..training_loop import MOST_ROWS, Job, Task, load_arrays, read_job, run, write_json
from .graphs import GraphBatch, GraphSet, core_graphs
from .networks import (
    LIBRARIES,
    CoreEncoder,
    LigandEncoder,
    MatchingNetwork,
    make_matching_network,
    mean_of_sets,
)
from .training_files import (
    CORES_FILE,
    LIGANDS_FILE,
    MODEL_ARRAYS_FILE,
    MODEL_FILE,
    PAIR_PREDICTIONS,
    PAIRS_FILE,
    PREDICTIONS_FILE,
    PRETRAINED_FILE,
)

Whole = NDArray[np.int64]
Ligands = GraphSet | NDArray[np.float32]


@dataclass(frozen=True)
class LigandSets:
    """Which ligands belong to which set.

    Attributes
    ----------
    members
        Ligands of all sets, shape (M,).
    offsets
        Set ``i`` has members ``offsets[i]:offsets[i + 1]``; shape (S + 1,).
    """

    members: Whole
    offsets: Whole

    def of(self, rows: Whole) -> tuple[Whole, Whole]:
        """Return ligand and set of each membership of some sets, the latter counted in `rows`."""
        counts = self.offsets[rows + 1] - self.offsets[rows]
        owners = np.repeat(np.arange(len(rows)), counts)
        firsts = np.concatenate([[0], np.cumsum(counts)])[:-1]
        places = np.arange(counts.sum()) - firsts[owners] + self.offsets[rows][owners]
        return self.members[places], owners


@dataclass
class MatchingTask(Task):
    """Pairs with labels, and which of them are trained on.

    Attributes
    ----------
    graphs
        Of the cores.
    ligands
        Normalised features of the ligands (L, inputs), or their graphs.
    sets
        Of the ligands.
    cores, ligand_sets
        Core and ligand set of each pair, shape (P,).
    labels
        1 compatible, 0 not; shape (P,), float32.
    training, validation, held_out
        Rows to train on, rows by which the best epoch is chosen, and these with those of the test.
    """

    graphs: GraphSet
    ligands: Ligands
    sets: LigandSets
    cores: Whole
    ligand_sets: Whole
    labels: NDArray[np.float32]
    training: Whole
    validation: Whole
    held_out: Whole
    libraries: ClassVar[tuple[str, ...]] = LIBRARIES

    def loss(self, network: MatchingNetwork, rows: Whole) -> Tensor:
        """Return the mean binary cross entropy of some rows."""
        cores, core_of = np.unique(self.cores[rows], return_inverse=True)
        sets, set_of = np.unique(self.ligand_sets[rows], return_inverse=True)
        of_cores = network.core(self.graphs.batch(cores))
        of_sets = encode_sets(network.ligand, self.ligands, self.sets, sets)
        logits = network.classify(of_cores[core_of], of_sets[set_of])
        wanted = torch.as_tensor(self.labels[rows], device=logits.device)
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)


def encode_sets(encoder: LigandEncoder, ligands: Ligands, sets: LigandSets, rows: Whole) -> Tensor:
    """Return the vectors of some ligand sets, shape (R, features)."""
    members, owners = sets.of(rows)
    distinct, place = np.unique(members, return_inverse=True)
    chosen: GraphBatch | NDArray[np.float32]
    chosen = ligands.batch(distinct) if isinstance(ligands, GraphSet) else ligands[distinct]
    return mean_of_sets(encoder(chosen), place, owners, len(rows))


def all_cores(encoder: CoreEncoder, graphs: GraphSet) -> NDArray[np.float32]:
    """Return the vectors of all cores, shape (n, features)."""
    encoder.eval()
    with torch.no_grad():
        blocks = [
            encoder(graphs.batch(np.arange(i, min(i + MOST_ROWS, len(graphs))))).cpu().numpy()
            for i in range(0, len(graphs), MOST_ROWS)
        ]
    return np.concatenate(blocks)


def all_sets(encoder: LigandEncoder, ligands: Ligands, sets: LigandSets) -> NDArray[np.float32]:
    """Return the vectors of all ligand sets, shape (n, features)."""
    encoder.eval()
    count = len(sets.offsets) - 1
    with torch.no_grad():
        blocks = [
            encode_sets(encoder, ligands, sets, np.arange(i, min(i + MOST_ROWS, count)))
            for i in range(0, count, MOST_ROWS)
        ]
    return np.concatenate([block.cpu().numpy() for block in blocks])


def probabilities(
    network: MatchingNetwork, cores: NDArray[Any], ligand_sets: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the probability of each pair from the vectors of both (P, features), shape (P,)."""
    network.eval()
    device = next(network.head.parameters()).device
    with torch.no_grad():
        blocks = [
            network.classify(
                torch.as_tensor(cores[i : i + 4096], device=device),
                torch.as_tensor(ligand_sets[i : i + 4096], device=device),
            )
            .cpu()
            .numpy()
            for i in range(0, len(cores), 4096)
        ]
    logits = np.concatenate([*blocks, np.empty(0, dtype=np.float32)]).astype(np.float64)
    return 1.0 / (1.0 + np.exp(-logits))


def read_ligands(arrays: dict[str, NDArray[Any]]) -> Ligands:
    """Return the ligands of a file: features, or graphs."""
    return arrays["features"] if "features" in arrays else GraphSet(**arrays)


def normalise(features: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
    """Return features of ligands with the mean and the scale of those that were trained on."""
    return ((features - mean) / scale).astype(np.float32)


def main(path: str) -> None:
    """Train what a job file says; results and checkpoints go into its folder."""
    begun = time.time()
    job, folder = read_job(path)
    task, subset, extra = _read(job, folder)
    network = make_matching_network(job, *_inputs(task.ligands))
    if (folder / PRETRAINED_FILE).exists():
        pretrained = load_arrays(folder / PRETRAINED_FILE)
        own = {k.removeprefix("core."): v for k, v in pretrained.items() if k.startswith("core.")}
        load_state(network.core, own)
    if job["training"]["freeze_core"]:
        network.freeze_core()
    prepared = time.time() - begun
    progress, report = run(network, task, job, folder, begun)
    if progress.best:
        load_state(network, progress.best)
        cores = all_cores(network.core, task.graphs)
        sets = all_sets(network.ligand, task.ligands, task.sets)
        found = probabilities(network, cores[task.cores], sets[task.ligand_sets])
        predictions = (found, task.labels.astype(np.int8), subset)
        values = dict(zip(PAIR_PREDICTIONS, predictions, strict=True))
        np.savez(folder / PREDICTIONS_FILE, **values)
        head, arrays = finish(task, job, cores, sets)
        head |= {"validation_loss": progress.best_loss}
        write_json(folder / MODEL_FILE, head)
        np.savez(folder / MODEL_ARRAYS_FILE, **arrays, **extra, **progress.best)  # type: ignore
    report |= {"graph_seconds": prepared, "wall_seconds": time.time() - begun}
    write_json(folder / REPORT_FILE, report)


def _inputs(ligands: Ligands) -> tuple[int, int]:
    """Return the features of a ligand or of its atoms, and of its bonds."""
    if isinstance(ligands, GraphSet):
        return ligands.nodes.shape[1], ligands.values.shape[1]
    return ligands.shape[1], 0


def _read(job: Job, folder: Path) -> tuple[MatchingTask, Any, dict[str, NDArray[Any]]]:
    cores, pairs = load_arrays(folder / CORES_FILE), load_arrays(folder / PAIRS_FILE)
    graphs = core_graphs(
        cores["numbers"], cores["positions"], cores["offsets"], job["core"]["cutoff"]
    )
    ligands = read_ligands(load_arrays(folder / LIGANDS_FILE))
    sets, subset = LigandSets(pairs["members"], pairs["member_offsets"]), pairs["subset"]
    training = np.flatnonzero(subset == 0)
    extra: dict[str, NDArray[Any]] = {}
    if not isinstance(ligands, GraphSet):
        seen, _ = sets.of(np.unique(pairs["ligand_set"][training]))
        known = ligands[np.unique(seen)].astype(np.float64)
        mean, scale = known.mean(axis=0), known.std(axis=0)
        extra = {
            "ligand_mean": mean.astype(np.float32),
            "ligand_scale": np.where(scale > 1e-6, scale, 1.0).astype(np.float32),
        }
        ligands = normalise(ligands, extra["ligand_mean"], extra["ligand_scale"])
    task = MatchingTask(
        graphs=graphs,
        ligands=ligands,
        sets=sets,
        cores=pairs["core"],
        ligand_sets=pairs["ligand_set"],
        labels=pairs["label"].astype(np.float32),
        training=training,
        validation=np.flatnonzero(subset == 1),
        held_out=np.flatnonzero(subset > 0),
    )
    return task, subset, extra


# -- what the model has seen -------------------------------------------------------------------


def finish(
    task: MatchingTask, job: Job, cores: NDArray[Any], sets: NDArray[Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return head and arrays of the model, without the numbers of its networks.

    Known are the cores and the ligand sets of the compatible pairs that were trained on.
    """
    compatible = np.flatnonzero(task.labels > 0.5)
    trained, held_out = (np.intersect1d(compatible, r) for r in (task.training, task.held_out))
    quantile = job["training"]["outside_quantile"]
    head: dict[str, Any] = {
        **job["about"],
        "architecture": ARCHITECTURES["matching model"],
        **{key: job[key] for key in ("core", "ligand", "classifier", "seed")},
        "outside_quantile": quantile,
        "ligand_inputs": _inputs(task.ligands)[0],
        "bond_inputs": _inputs(task.ligands)[1],
    }
    arrays = {}
    for name, vectors, of_pair in (
        ("core", cores, task.cores),
        ("ligand", sets, task.ligand_sets),
    ):
        known = np.unique(of_pair[trained])
        held = np.setdiff1d(of_pair[held_out], known)
        seen = vectors[known]
        scale = float(np.sqrt(np.mean(np.sum((seen - seen.mean(axis=0)) ** 2, axis=1)))) or 1.0
        head[f"{name}_scale"] = scale
        head[f"{name}_distance"], head[f"{name}_distance_from"] = _largest_distance(
            seen / scale, vectors[held] / scale, quantile
        )
        head[f"known_{name}s"] = [job["names"][name][k] for k in known]
        arrays[f"known_{name}s"] = seen
    return head, arrays


def _largest_distance(seen: NDArray[Any], held: NDArray[Any], quantile: float) -> tuple[float, str]:
    """Return the distance beyond which a vector lies outside, and what it was measured on.

    These are vectors that were held out where there are ten or more, else each of the known ones
    against the others.
    """
    from scipy.spatial import KDTree

    if len(held) >= 10:
        gaps, source = KDTree(seen).query(held)[0], "held_out"
    elif len(seen) > 1:
        gaps, source = KDTree(seen).query(seen, k=2)[0][:, 1], "leave_one_out"
    else:
        return 0.0, "one_known"
    return float(np.quantile(gaps, quantile)), source


if __name__ == "__main__":
    main(sys.argv[1])
