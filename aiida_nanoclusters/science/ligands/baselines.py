"""Train the methods beside which a matching model is measured, on one split of labelled pairs.

Descriptors of the core with the fingerprint of the ligands and boosted trees; and graph networks of
the core without pretraining, with the same fingerprint (the baselines of J. Wang et al., CoLiM).

``python -m aiida_nanoclusters.science.ligands.baselines job.json`` in a folder to which a job has
carried this package's files that it needs. Each training is a folder of its own: one that is done
is not repeated by the job that continues an interrupted one.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..training_files import CHECKPOINT_FILE, PREVIOUS_FILE, PROGRESS_FILE, REPORT_FILE
from ..training_loop import Job, read_job, write_json
from .baseline_files import PREVIOUS_RUNS, PROBABILITY_FILE, RUNS, run_name
from .baseline_pairs import PairData, Rows, pair_features, read_pairs
from .boosting import boosted_probabilities, boosting_version
from .descriptors import DESCRIPTORS, stand_ins
from .graph_baselines import PairTask, pair_task, train_network
from .training_files import (
    PAIR_PREDICTIONS,
    PREDICTIONS_FILE,
)


class Trainings:
    """All trainings of a job, one after the other, each in a folder of its own."""

    def __init__(self, data: PairData, job: Job, folder: Path, stop_at: float) -> None:
        self.data, self.job, self.folder, self.stop_at = data, job, folder, stop_at
        self.features: tuple[str, Rows] | None = None
        self.task: PairTask | None = None
        self.seconds: dict[str, float] = {}
        self.longest = 0.0
        (folder / RUNS).mkdir(exist_ok=True)
        self._take_previous()

    def _take_previous(self) -> None:
        """Take over what an interrupted job has done, and the checkpoint of what it had begun."""
        for old in sorted((self.folder / PREVIOUS_RUNS).glob("*_*")):
            new = self.folder / RUNS / old.name
            new.mkdir(exist_ok=True)
            for name, target in (
                (PROBABILITY_FILE, PROBABILITY_FILE),
                (PREVIOUS_FILE, PREVIOUS_FILE),  # of one that ended before its first checkpoint
                (CHECKPOINT_FILE, PREVIOUS_FILE),
            ):
                if (old / name).exists():
                    shutil.copyfile(old / name, new / target)

    def run(self) -> str:
        """Train all; return ``done``, or ``time`` where the time was up."""
        for method in self.job["methods"]:
            for seed in self.job["seeds"]:
                begun = time.time()
                if not self._train(method, seed):
                    return "time"
                took = time.time() - begun
                self.longest = max(self.longest, took)
                self.seconds[method] = self.seconds.get(method, 0.0) + took
                write_json(self.folder / PROGRESS_FILE, {"done": self.done, "of": self.planned})
        return "done"

    @property
    def planned(self) -> int:
        """Number of trainings."""
        return len(self.job["methods"]) * len(self.job["seeds"])

    @property
    def done(self) -> int:
        """Number of trainings that are done."""
        return len(list((self.folder / RUNS).glob(f"*/{PROBABILITY_FILE}")))

    @property
    def has_begun(self) -> bool:
        """Whether there is anything that another job could continue from."""
        names = (PROBABILITY_FILE, CHECKPOINT_FILE, PREVIOUS_FILE)
        return any(any((self.folder / RUNS).glob(f"*/{name}")) for name in names)

    def probabilities(self) -> NDArray[np.float64]:
        """Return the probabilities by method, seed and pair; NaN where there is none."""
        shape = (len(self.job["methods"]), len(self.job["seeds"]), len(self.data.labels))
        found = np.full(shape, np.nan)
        for i, method in enumerate(self.job["methods"]):
            for j, seed in enumerate(self.job["seeds"]):
                if self._result(method, seed).exists():
                    found[i, j] = np.load(self._result(method, seed), allow_pickle=False)
        return found

    def failed(self) -> list[dict[str, Any]]:
        """Return the trainings whose loss became NaN, so that they have no probabilities."""
        missing = np.asarray(np.isnan(self.probabilities()).all(axis=2))
        return [
            {"method": method, "seed": seed, "reason": "the loss is NaN"}
            for i, method in enumerate(self.job["methods"])
            for j, seed in enumerate(self.job["seeds"])
            if missing[i, j] and self._result(method, seed).exists()
        ]

    def _result(self, method: str, seed: int) -> Path:
        return self.folder / RUNS / run_name(method, seed) / PROBABILITY_FILE

    def _train(self, method: str, seed: int) -> bool:
        """Train one; return whether there was time for it."""
        result = self._result(method, seed)
        if result.exists():
            return True
        own = result.parent
        own.mkdir(exist_ok=True)
        found: NDArray[np.float64] | None
        if method in DESCRIPTORS:
            if time.time() + self.longest > self.stop_at:
                return False
            found, ended = self._boost(method, seed), "done"
        else:
            if self.task is None:
                self.task = pair_task(self.data, self.job)
            found, ended = train_network(self.task, method, seed, self.job, own, self.stop_at)
        if ended == "time":
            return False
        if found is None:  # a loss that is NaN would be so again
            found = np.full(len(self.data.labels), np.nan)
        unfinished = own / f"new-{PROBABILITY_FILE}"
        np.save(unfinished, found, allow_pickle=False)
        unfinished.replace(result)
        return True

    def _boost(self, method: str, seed: int) -> NDArray[np.float64]:
        if self.features is None or self.features[0] != method:
            self.features = method, pair_features(self.data, method, self.job)
        return boosted_probabilities(
            self.features[1],
            self.data.labels,
            self.data.rows(0),
            self.job["boosting"],
            seed,
            self.job["training"]["threads"],
        )


def main(path: str) -> None:
    """Train what a job file says; results go into its folder."""
    begun = time.time()
    job, folder = read_job(path)
    data = read_pairs(folder)
    stop_at = begun + job["max_seconds"] if job["max_seconds"] else float("inf")
    trainings = Trainings(data, job, folder, stop_at)
    first = trainings.done
    ended = trainings.run()
    values = (trainings.probabilities(), data.labels, data.subset)
    named = dict(zip(PAIR_PREDICTIONS, values, strict=True))
    np.savez(folder / PREDICTIONS_FILE, **named)  # type: ignore[arg-type]
    known = job["about"]["elements"]
    present = sorted({e for core in data.cores for e in core.get_chemical_symbols()})
    report = {
        "ended": ended,
        "methods": job["methods"],
        "seeds": job["seeds"],
        "trainings_done": trainings.done,
        "first_training": first,
        "trainings": trainings.planned,
        "failed": trainings.failed(),
        "checkpoint": trainings.has_begun,
        "elements": known,
        "stand_ins": stand_ins(present, known),
        "seconds": trainings.seconds,
        "wall_seconds": time.time() - begun,
        "versions": _versions(job),
        **{
            f"n_{name}": len(data.rows(k))
            for k, name in enumerate(("training", "validation", "test"))
        },
    }
    write_json(folder / REPORT_FILE, report)


def _versions(job: Job) -> dict[str, str]:
    import torch_geometric

    versions = {
        "numpy": np.__version__,
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
    }
    if set(job["methods"]) & set(DESCRIPTORS):
        versions |= boosting_version(job["boosting"]["classifier"])
    return versions


if __name__ == "__main__":
    main(sys.argv[1])
