"""Train the network of a chart: validation, early stopping, checkpoints.

A training job carries this file and those that it imports as a package of their own to the machine
it runs on, whose Python has numpy, scipy and torch but need not have this package:
``python -m charts.training job.json``. Hence the relative imports.

Equal inputs give equal charts: the batches of an epoch follow from the seed and its number, so that
a training that was interrupted ends as one that was not. Checkpoints are arrays without pickle.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from .network import decode, encode, load_network, make_network, state_arrays
from .training_data import Data, Job, prepare, read_frames
from .training_files import (
    ARRAYS_FILE,
    CHART_FILE,
    CHECKPOINT_FILE,
    CURVE,
    CURVE_FILE,
    FRAMES_FILE,
    PAIRS_FILE,
    PREVIOUS_FILE,
    PROGRESS_FILE,
    REPORT_FILE,
    THERMAL_FILE,
)

#: Coordinates of training frames that a chart keeps.
MOST_SEEN = 20_000
#: Seconds between checkpoints.
_BETWEEN = 5.0


@dataclass
class Progress:
    """State of a training after an epoch.

    Attributes
    ----------
    network, optimiser
        As torch has them.
    curve
        One row per epoch: loss of training and of validation, learning rate.
    best, best_loss
        Numbers of the network with the lowest validation loss, and that loss.
    reference, waited
        Validation loss that counted as lower last, and the epochs since.
    """

    network: torch.nn.ModuleDict
    optimiser: torch.optim.Adam
    curve: list[tuple[float, float, float]] = field(default_factory=list)
    best: dict[str, NDArray[Any]] = field(default_factory=dict)
    best_loss: float = float("inf")
    reference: float = float("inf")
    waited: int = 0

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return len(self.curve)


# -- training ----------------------------------------------------------------------------------


def start(job: Job) -> Progress:
    """Return an untrained network with weights that follow from the seed."""
    torch.manual_seed(job["seed"])
    network = make_network(job["distribution"]["bins"], job["network"])
    network.to(job["training"]["device"])
    rate = job["training"]["learning_rate"]
    return Progress(network, torch.optim.Adam(network.parameters(), lr=rate))


def train(progress: Progress, data: Data, job: Job, stop_at: float, folder: Path) -> str:
    """Train until the epochs are done, the validation loss is stuck, or time is up.

    Returns
    -------
    str
        ``epochs``, ``converged``, ``time`` or ``nan``.
    """
    settings, device = job["training"], job["training"]["device"]
    known, held_out = np.flatnonzero(~data.held_out), np.flatnonzero(data.held_out)
    inputs = torch.from_numpy(data.inputs)[:, None].to(device)
    targets = torch.from_numpy(data.targets)[:, None].to(device)
    saved, longest = time.monotonic(), 0.0
    while progress.epoch < settings["epochs"]:
        begun = time.monotonic()
        if time.time() + longest > stop_at:
            save(progress, folder)
            return "time"
        rate = _set_rate(progress, settings)
        order = np.random.default_rng([job["seed"], progress.epoch]).permutation(known)
        loss = _one_epoch(progress, inputs, targets, order, settings["batch_size"])
        measured = _loss(progress.network, inputs, targets, held_out)
        if not np.isfinite(loss + measured):
            return "nan"
        progress.curve.append((loss, measured, rate))
        _remember(progress, measured, settings["smallest_gain"])
        longest = max(longest, time.monotonic() - begun)
        if time.monotonic() - saved > _BETWEEN:
            save(progress, folder)
            saved = time.monotonic()
        stuck = progress.waited >= settings["patience"]
        if stuck and progress.epoch >= settings["fewest_epochs"]:
            save(progress, folder)
            return "converged"
    save(progress, folder)
    return "epochs"


def _one_epoch(
    progress: Progress, inputs: torch.Tensor, targets: torch.Tensor, order: Any, size: int
) -> float:
    """Take one step per batch; return the mean loss over the rows."""
    network, total, rows = progress.network.train(), 0.0, 0
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        if len(batch) < 2 and rows:  # batch normalisation needs more than one row
            break
        progress.optimiser.zero_grad()
        found = network["decoder"](network["encoder"](inputs[batch]))
        loss = torch.nn.functional.mse_loss(found, targets[batch])
        loss.backward()
        progress.optimiser.step()
        total, rows = total + float(loss.detach()) * len(batch), rows + len(batch)
    return total / rows


def _loss(network: torch.nn.ModuleDict, inputs: Any, targets: Any, rows: Any) -> float:
    """Return the mean squared error of rows that are not trained on."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for first in range(0, len(rows), 1024):
            batch = rows[first : first + 1024]
            found = network["decoder"](network["encoder"](inputs[batch]))
            error = torch.nn.functional.mse_loss(found, targets[batch])
            total += float(error) * len(batch)
    return total / len(rows)


def _set_rate(progress: Progress, settings: Job) -> float:
    passed = sum(progress.epoch >= epoch for epoch in settings["milestones"])
    rate = float(settings["learning_rate"] * settings["decay"] ** passed)
    for group in progress.optimiser.param_groups:
        group["lr"] = rate
    return rate


def _remember(progress: Progress, loss: float, smallest_gain: float) -> None:
    """Keep the best network, and count the epochs in which it did not become better."""
    if loss < progress.best_loss:
        progress.best, progress.best_loss = state_arrays(progress.network), loss
    progress.waited += 1
    if loss < progress.reference * (1 - smallest_gain):
        progress.reference, progress.waited = loss, 0


# -- checkpoints -------------------------------------------------------------------------------


def save(progress: Progress, folder: Path) -> None:
    """Write a checkpoint; a kill while it is written leaves the one before."""
    adam = progress.optimiser.state_dict()["state"]
    arrays = {
        **{f"network/{k}": v for k, v in state_arrays(progress.network).items()},
        **{f"best/{k}": v for k, v in progress.best.items()},
        **{f"adam/{i}/{k}": v.cpu().numpy() for i, row in adam.items() for k, v in row.items()},
        "curve": np.array(progress.curve, dtype=np.float64).reshape(-1, 3),
        "losses": np.array([progress.best_loss, progress.reference]),
        "waited": np.array(progress.waited),
    }
    unfinished = folder / f"new-{CHECKPOINT_FILE}"
    np.savez(unfinished, **arrays)
    os.replace(unfinished, folder / CHECKPOINT_FILE)
    _write_json(folder / PROGRESS_FILE, {"epoch": progress.epoch, "best": progress.best_loss})
    np.savez(folder / CURVE_FILE, **_columns(progress))  # type: ignore[arg-type]


def resume(path: Path, job: Job) -> Progress:
    """Return the state of a checkpoint of the same job.

    Raises
    ------
    ValueError, KeyError, OSError
        If it is of another network, or no checkpoint.
    """
    progress = start(job)
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    under: dict[str, dict[str, Any]] = {"network": {}, "best": {}, "adam": {}}
    for name, array in arrays.items():
        head, _, rest = name.partition("/")
        if rest:
            under[head][rest] = array
    progress.network.load_state_dict({k: torch.from_numpy(v) for k, v in under["network"].items()})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, array in under["adam"].items():
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = torch.from_numpy(np.array(array))
    whole = progress.optimiser.state_dict()
    progress.optimiser.load_state_dict({**whole, "state": state})
    progress.curve = [(a, b, c) for a, b, c in arrays["curve"].tolist()]
    progress.best = under["best"]
    progress.best_loss, progress.reference = (float(x) for x in arrays["losses"])
    progress.waited = int(arrays["waited"])
    return progress


def _columns(progress: Progress) -> dict[str, NDArray[np.float64]]:
    table = np.array(progress.curve, dtype=np.float64).reshape(-1, 3)
    return {name: table[:, k] for k, name in enumerate(CURVE)}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    unfinished = path.with_name(f"new-{path.name}")
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


# -- the chart ---------------------------------------------------------------------------------


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
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(path).resolve().parent
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for equal results on a GPU
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(job["training"]["threads"])
    relaxed = read_frames(folder / FRAMES_FILE, job)
    thermal = minimum_of = None
    if job["training"]["reproduces"] == "thermal":
        thermal = read_frames(folder / THERMAL_FILE, job)
        minimum_of = np.load(folder / PAIRS_FILE, allow_pickle=False)
    prepared = time.time() - begun
    data = prepare(relaxed, thermal, minimum_of, job["training"])
    old = folder / PREVIOUS_FILE
    progress = resume(old, job) if old.exists() else start(job)
    first = progress.epoch
    stop_at = begun + job["max_seconds"] if job["max_seconds"] else float("inf")
    ended = train(progress, data, job, stop_at, folder)
    if progress.best:
        head, arrays = finish(progress, data, job)
        _write_json(folder / CHART_FILE, head)
        np.savez(folder / ARRAYS_FILE, **arrays)
    _write_json(folder / REPORT_FILE, _report(progress, data, ended, first, prepared, begun))


def _report(
    progress: Progress, data: Data, ended: str, first: int, prepared: float, begun: float
) -> dict[str, Any]:
    losses = [row[1] for row in progress.curve]
    return {
        "ended": ended,
        "epochs_done": progress.epoch,
        "first_epoch": first,
        "best_epoch": int(np.argmin(losses)) if losses else None,
        "best_val_loss": progress.best_loss if losses else None,
        "n_training": int((~data.held_out).sum()),
        "n_validation": int(data.held_out.sum()),
        "distribution_seconds": prepared,
        "wall_seconds": time.time() - begun,
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }


if __name__ == "__main__":
    main(sys.argv[1])
