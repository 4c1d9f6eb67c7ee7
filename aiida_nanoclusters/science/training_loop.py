"""Train a network: validation, early stopping, checkpoints.

Of charts, core encoders, matching models and the networks beside which these are measured. Equal
inputs give equal models: the batches of an epoch and its dropout follow from the seed and the
number of the epoch, so that a training that was interrupted ends as one that was not. Checkpoints
are arrays without pickle. Carried to the machine of a job, see `training_files.py`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .network_state import load_state, state_arrays
from .training_files import (
    CHECKPOINT_FILE,
    CURVE,
    CURVE_FILE,
    PREVIOUS_FILE,
    PROGRESS_FILE,
)

Job = Mapping[str, Any]
Rows = NDArray[np.int64]

#: Seconds between checkpoints.
_BETWEEN = 5.0
#: Rows that are evaluated at once.
MOST_ROWS = 256


class Task:
    """What is learnt.

    Attributes
    ----------
    training, validation
        Rows to train on, and those by which the best epoch is chosen.
    most_rows
        Rows that are evaluated at once.
    has_dropout
        Whether the random numbers of torch count in an epoch.
    libraries
        Those whose versions are reported.
    """

    training: Rows
    validation: Rows
    most_rows: ClassVar[int] = MOST_ROWS
    has_dropout: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "torch")

    def loss(self, network: Any, rows: Rows) -> Tensor:
        """Return the mean loss of some rows."""
        raise NotImplementedError


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

    network: nn.Module
    optimiser: torch.optim.AdamW
    curve: list[tuple[float, float, float]] = field(default_factory=list)
    best: dict[str, NDArray[Any]] = field(default_factory=dict)
    best_loss: float = float("inf")
    reference: float = float("inf")
    waited: int = 0

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return len(self.curve)


def start(network: nn.Module, settings: Job) -> Progress:
    """Return the state of a training that begins."""
    network.to(settings["device"])
    learnt = [p for p in network.parameters() if p.requires_grad]
    rate, decay = settings["learning_rate"], settings.get("weight_decay", 0.0)
    return Progress(network, torch.optim.AdamW(learnt, lr=rate, weight_decay=decay))


def train(progress: Progress, task: Task, job: Job, stop_at: float, folder: Path) -> str:
    """Train until the epochs are done, the validation loss is stuck, or time is up.

    Returns
    -------
    str
        ``epochs``, ``converged``, ``time`` or ``nan``.
    """
    settings = job["training"]
    saved, longest = time.monotonic(), 0.0
    while progress.epoch < settings["epochs"]:
        begun = time.monotonic()
        if time.time() + longest > stop_at:
            save(progress, folder)
            return "time"
        rate = _set_rate(progress, settings)
        random = np.random.default_rng([job["seed"], progress.epoch])
        if task.has_dropout:
            torch.manual_seed(int(random.integers(2**62)))
        order = random.permutation(task.training)
        loss = _one_epoch(progress, task, order, settings["batch_size"])
        measured = _measure(progress.network, task)
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


def _one_epoch(progress: Progress, task: Task, order: Rows, size: int) -> float:
    """Take one step per batch; return the mean loss over the rows."""
    progress.network.train()
    total, rows = 0.0, 0
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        if len(batch) < 2 and rows:  # batch normalisation needs more than one row
            break
        progress.optimiser.zero_grad()
        loss = task.loss(progress.network, batch)
        loss.backward()
        progress.optimiser.step()
        total, rows = total + float(loss.detach()) * len(batch), rows + len(batch)
    return total / rows


def _measure(network: nn.Module, task: Task) -> float:
    """Return the mean loss over rows that are not trained on."""
    network.eval()
    total, rows = 0.0, task.validation
    with torch.no_grad():
        for first in range(0, len(rows), task.most_rows):
            batch = rows[first : first + task.most_rows]
            total += float(task.loss(network, batch)) * len(batch)
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
    write_json(folder / PROGRESS_FILE, {"epoch": progress.epoch, "best": progress.best_loss})
    table = arrays["curve"]
    columns = {name: table[:, k] for k, name in enumerate(CURVE)}
    np.savez(folder / CURVE_FILE, **columns)


def resume(progress: Progress, path: Path) -> None:
    """Set the state of a training that begins to that of a checkpoint of the same job.

    Raises
    ------
    ValueError, KeyError, OSError
        If it is of another network, or no checkpoint.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    under: dict[str, dict[str, Any]] = {"network": {}, "best": {}, "adam": {}}
    for name, array in arrays.items():
        head, _, rest = name.partition("/")
        if rest:
            under[head][rest] = array
    load_state(progress.network, under["network"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, array in under["adam"].items():
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = torch.from_numpy(np.array(array))
    whole = progress.optimiser.state_dict()
    progress.optimiser.load_state_dict({**whole, "state": state})
    progress.curve = [(a, b, c) for a, b, c in arrays["curve"].tolist()]
    progress.best = under["best"]
    progress.best_loss, progress.reference = (float(x) for x in arrays["losses"])
    progress.waited = int(arrays["waited"])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a table whole or not at all."""
    unfinished = path.with_name(f"new-{path.name}")
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


# -- jobs --------------------------------------------------------------------------------------


def read_job(path: str) -> tuple[Job, Path]:
    """Return the job of a file and the folder in which it runs; make torch deterministic."""
    job: Job = json.loads(Path(path).read_text(encoding="utf-8"))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for equal results on a GPU
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(job["training"]["threads"])
    torch.manual_seed(job["seed"])
    return job, Path(path).resolve().parent


def run(network: nn.Module, task: Task, job: Job, folder: Path, begun: float) -> tuple[Any, ...]:
    """Train a network, from the checkpoint of an interrupted training where there is one.

    Returns
    -------
    tuple
        Progress, how the training ended, and its part of the report.
    """
    progress = start(network, job["training"])
    if (folder / PREVIOUS_FILE).exists():
        resume(progress, folder / PREVIOUS_FILE)
    first = progress.epoch
    stop_at = begun + job["max_seconds"] if job["max_seconds"] else float("inf")
    ended = train(progress, task, job, stop_at, folder)
    losses = [row[1] for row in progress.curve]
    report = {
        "ended": ended,
        "epochs_done": progress.epoch,
        "first_epoch": first,
        "best_epoch": int(np.argmin(losses)) if losses else None,
        "best_val_loss": progress.best_loss if losses else None,
        "n_training": len(task.training),
        "n_validation": len(task.validation),
        "versions": {name: import_module(name).__version__ for name in task.libraries},
    }
    return progress, report


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file of the job."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
