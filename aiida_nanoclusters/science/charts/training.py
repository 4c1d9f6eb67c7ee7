"""Train the network of a chart.

``python -m science.charts.training job.json`` on the machine of a training job, whose Python has
numpy, scipy and torch, see `training_files.py`. Equal inputs give equal charts.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ..network_state import ARCHITECTURES
from ..training_files import REPORT_FILE
from ..training_loop import Progress, Task, read_job, run, write_json
from .network import decode, encode, load_network, make_network
from .training_data import Data, Job, prepare, read_frames
from .training_files import (
    ARRAYS_FILE,
    CHART_FILE,
    FRAMES_FILE,
    PAIRS_FILE,
    THERMAL_FILE,
)

#: Coordinates of training frames that a chart keeps.
MOST_SEEN = 20_000


@dataclass
class ChartTask(Task):
    """Distributions that the network reproduces.

    Attributes
    ----------
    inputs, targets
        What it takes and what it is to give, shape (R, 1, bins).
    training, validation
        Rows of both.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    most_rows: ClassVar[int] = 1024
    has_dropout: ClassVar[bool] = False

    @classmethod
    def of(cls, data: Data, job: Job) -> ChartTask:
        """Return the task of the rows of a training."""
        inputs, targets = (
            torch.from_numpy(rows)[:, None].to(job["training"]["device"])
            for rows in (data.inputs, data.targets)
        )
        return cls(inputs, targets, np.flatnonzero(~data.held_out), np.flatnonzero(data.held_out))

    def loss(self, network: Any, rows: NDArray[np.int64]) -> torch.Tensor:
        """Return the mean squared error of some rows."""
        found = network["decoder"](network["encoder"](self.inputs[rows]))
        return torch.nn.functional.mse_loss(found, self.targets[rows])


def finish(progress: Progress, data: Data, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the chart of the best epoch: `chart.json` and the arrays of `chart.npz`.

    Its axes become the principal axes of the training frames, its unit of length their root mean
    square distance from the centre: the network is the same, and charts of several seeds compare.
    """
    bins, state = job["distribution"]["bins"], dict(progress.best)
    raw = encode(load_network(bins, job["network"], state), data.inputs)
    _align(state, raw[~data.held_out].astype(np.float64))
    network = load_network(bins, job["network"], state)
    coordinates = encode(network, data.inputs)
    known = coordinates[~data.held_out]
    if len(known) > MOST_SEEN:
        random = np.random.default_rng(job["training"]["split_seed"])
        known = known[np.sort(random.choice(len(known), MOST_SEEN, replace=False))]
    norm, held = data.normalisation, np.flatnonzero(data.held_out)
    rebuilt = decode(network, coordinates[held]) * norm["target_scale"] + norm["target_minimum"]
    given = data.inputs[held] * norm["scale"] + norm["minimum"]
    errors = np.sqrt(np.mean((rebuilt.astype(np.float64) - given) ** 2, axis=1))
    gaps = KDTree(known.astype(np.float64)).query(coordinates[held].astype(np.float64))[0]
    quantile = job["training"]["outside_quantile"]
    head = {
        "architecture": ARCHITECTURES["chart"],
        "distribution": job["distribution"],
        "network": job["network"],
        "reproduces": job["training"]["reproduces"],
        "bond_lengths": job["bond_lengths_by_symbol"],
        "sizes": job["sizes"],
        "largest_error": float(np.quantile(errors, quantile)),
        "largest_distance": float(np.quantile(gaps, quantile)),
        "outside_quantile": quantile,
        "n_seen": len(known),
    }
    return head, {**norm, "seen": known, **state}


def _align(state: dict[str, NDArray[Any]], coordinates: NDArray[np.float64]) -> None:
    """Turn, move and scale the coordinates within the two linear layers around them."""
    centre = coordinates.mean(axis=0)
    centred = coordinates - centre
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1]
    skew = np.sum((centred @ axes) ** 3, axis=0)
    axes = axes * np.where(skew < 0, -1.0, 1.0)
    scale = 1.0 / (np.sqrt(np.mean(np.sum(centred**2, axis=1))) or 1.0)
    last = max((int(k.split(".")[1]) for k in state if k.startswith("encoder.")), default=0)
    inner, outer = f"encoder.{last}", "decoder.0"
    weight, bias = (state[f"{inner}.{k}"].astype(np.float64) for k in ("weight", "bias"))
    back, shift = (state[f"{outer}.{k}"].astype(np.float64) for k in ("weight", "bias"))
    state[f"{inner}.weight"] = (scale * axes.T @ weight).astype(np.float32)
    state[f"{inner}.bias"] = (scale * axes.T @ (bias - centre)).astype(np.float32)
    state[f"{outer}.weight"] = (back @ axes / scale).astype(np.float32)
    state[f"{outer}.bias"] = (back @ centre + shift).astype(np.float32)


def main(path: str) -> None:
    """Train what a job file says; results and checkpoints go into its folder."""
    begun = time.time()
    job, folder = read_job(path)
    relaxed = read_frames(folder / FRAMES_FILE, job)
    thermal = minimum_of = None
    if job["training"]["reproduces"] == "thermal":
        thermal = read_frames(folder / THERMAL_FILE, job)
        minimum_of = np.load(folder / PAIRS_FILE, allow_pickle=False)
    prepared = time.time() - begun
    data = prepare(relaxed, thermal, minimum_of, job["training"])
    network = make_network(job["distribution"]["bins"], job["network"])
    progress, report = run(network, ChartTask.of(data, job), job, folder, begun)
    if progress.best:
        head, arrays = finish(progress, data, job)
        write_json(folder / CHART_FILE, head)
        np.savez(folder / ARRAYS_FILE, **arrays)
    report |= {"distribution_seconds": prepared, "wall_seconds": time.time() - begun}
    write_json(folder / REPORT_FILE, report)


if __name__ == "__main__":
    main(sys.argv[1])
