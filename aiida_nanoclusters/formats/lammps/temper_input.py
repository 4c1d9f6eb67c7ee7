"""Parallel tempering by LAMMPS's own command `temper`, each replica in a partition of the ranks.

The input, and what such a job leaves, read into the same object as that of the driver in Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

from aiida_nanoclusters.formats.input_text import lammps_script
from aiida_nanoclusters.formats.lammps.dump import read_dump
from aiida_nanoclusters.formats.lammps.input import LOG_FILE
from aiida_nanoclusters.formats.lammps.output import error_text, read_row
from aiida_nanoclusters.formats.lammps.replica_dynamics import UNSTABLE
from aiida_nanoclusters.formats.lammps.tempering import frame_record
from aiida_nanoclusters.formats.lammps.tempering_job import TemperingJob
from aiida_nanoclusters.formats.lammps.tempering_results import TemperingResults
from aiida_nanoclusters.formats.limits import load_json
from aiida_nanoclusters.science.sampling.parallel_tempering import SwapTable
from aiida_nanoclusters.science.sampling.seeds import derive_seed

STARTS_FILE = "starts.dump"
#: Temperatures of the replicas at a checkpoint, beside the restart files.
POINT_FILE = "partition.json"
#: Restart files that are written during a run.
RESTARTS = 20
#: Last bytes of a complete restart file.
_END_OF_RESTART = b"LammpS RestartT"


def log_name(replica: int) -> str:
    """Return the name of the log of a replica."""
    return f"{LOG_FILE}.{replica}"


def frames_name(replica: int) -> str:
    """Return the name of the dump of a replica."""
    return f"frames.{replica}.dump"


def restart_name(replica: int) -> str:
    """Return the name of a replica's restart file in a checkpoint."""
    return f"restart.{replica}"


@dataclass(frozen=True)
class Point:
    """Checkpoint from which a run continues.

    Attributes
    ----------
    step
        Time step.
    indices
        Index into the ladder of each replica.
    """

    step: int
    indices: tuple[int, ...]

    @classmethod
    def read(cls, text: str | bytes, replicas: int) -> Point:
        """Read what :meth:`as_json` wrote.

        Raises
        ------
        ValueError
            If it is no checkpoint of so many replicas.
        """
        held = load_json(text)
        try:
            point = cls(int(held["step"]), tuple(int(k) for k in held["indices"]))
        except (TypeError, KeyError) as error:
            raise ValueError(f"`{POINT_FILE}` is no checkpoint of `temper`") from error
        if sorted(point.indices) != list(range(replicas)) or point.step < 0:
            raise ValueError(f"`{POINT_FILE}` is no checkpoint of {replicas} replicas")
        return point

    def as_json(self) -> str:
        """Return it as a text."""
        return json.dumps({"step": self.step, "indices": list(self.indices)})


def write_starts(job: TemperingJob, target: IO[str]) -> None:
    """Write the starts as snapshots whose time steps are their indices."""
    half = job.half_box
    for k, start in enumerate(job.starts):
        target.write(f"ITEM: TIMESTEP\n{k}\nITEM: NUMBER OF ATOMS\n{len(start)}\n")
        target.write("ITEM: BOX BOUNDS ff ff ff\n" + f"{-half!r} {half!r}\n" * 3)
        target.write("ITEM: ATOMS id type x y z\n")
        for n, (kind, row) in enumerate(zip(job.types, start, strict=True), start=1):
            target.write(f"{n} {kind} {row[0]:.17g} {row[1]:.17g} {row[2]:.17g}\n")


def render_temper(job: TemperingJob, point: Point | None = None) -> str:
    """Return the LAMMPS input of all replicas, to be run with ``-partition``.

    Swaps alternate between even and odd pairs as those of the driver in Python do, and velocities
    are scaled. The sphere and the cluster stay at the origin.

    Parameters
    ----------
    job
        With a sphere: an evaporated atom would end all replicas.
    point
        Checkpoint from which it continues, None for the start.
    """
    count, step = len(job.temperatures), 0 if point is None else point.step
    indices = range(count) if point is None else point.indices
    seeds = [derive_seed(job.seed, step, k) for k in range(count)]
    lines = [
        "# rendered by aiida-nanoclusters",
        _world("w", range(count)),
        _world("i", indices),
        _world("t", (repr(float(job.temperatures[k])) for k in indices)),
        _world("s", (k % len(job.starts) for k in range(count))),
        _world("r", seeds),
    ]
    if point is None:
        lines += [
            *job.box_lines(),
            *job.potential_lines(),
            f"read_dump {STARTS_FILE} ${{s}} x y z box no replace no add keep",
            *job.motion_lines(),
            *_relaxation(job),
            "reset_timestep 0",
            "velocity all create ${t} ${r} mom yes rot no dist gaussian loop all",
        ]
    else:
        lines += [
            "units metal",
            "read_restart restart.${w}",
            *job.potential_lines(),
            *job.motion_lines(),
        ]
    steps, every = job.attempts * job.interval, restart_interval(job)
    lines += [
        f"fix thermostat all langevin ${{t}} ${{t}} {job.damping!r} ${{r}} zero yes",
        "fix momentum all momentum 100 linear 1 1 1",
        "fix centre all recenter 0 0 0 units box",
        f"timestep {job.timestep!r}",
        f"thermo {job.interval}",
        "thermo_modify norm no lost error flush yes format float %.17g",
    ]
    if job.sample:
        first = job.equilibration * job.interval + 1
        lines += [
            f"dump frames all custom {job.sample * job.interval} frames.${{w}}.dump id xu yu zu",
            f"dump_modify frames sort id format float %.17g delay {first}",
        ]
    lines += [
        f"restart {every} state.${{w}}.*",
        f"temper {steps - step} {job.interval} ${{t}} thermostat 0 {derive_seed(job.seed, step)} "
        "${i}",
        "write_restart state.${w}.*",
        "",
    ]
    return lammps_script(lines)


def restart_interval(job: TemperingJob) -> int:
    """Return the time steps between restart files, an even multiple of those between attempts.

    `temper` begins with the even pairs: a run continues with the pairs whose turn it is.
    """
    return 2 * job.interval * max(1, -(-job.attempts // (2 * RESTARTS)))


def _relaxation(job: TemperingJob) -> list[str]:
    if job.relax_tolerance is None:
        return []
    relax = f"minimize 0 {job.relax_tolerance!r} 2000 20000"
    return ["min_style cg", "min_modify dmax 0.1", relax]


def _world(name: str, values: Iterable[Any]) -> str:
    return f"variable {name} world {' '.join(str(value) for value in values)}"


# -- results -------------------------------------------------------------------------------


def read_partition_run(
    folder: str | Path, job: TemperingJob, point: Point | None = None
) -> TemperingResults:
    """Return what a job of `temper` has left in a folder, complete or not.

    Frames follow the replica in its dump; the table of swaps says at which temperature they were.
    """
    folder, count = Path(folder), len(job.temperatures)
    rows = _universe_rows(folder / LOG_FILE, count)
    thermo = [_thermo_rows(folder / log_name(k), job) for k in range(count)]
    known = [row for row in rows if all(row[0] in own for own in thermo)]
    first = (0, *range(count)) if point is None else (point.step, *point.indices)
    before = {int(row[0]): row[1:] for row in [first, *known]}
    steps = sorted(step for step in before if step > first[0])
    table = SwapTable(
        np.asarray(job.temperatures, float),
        np.array(steps, dtype=np.int64),
        np.array([before[s] for s in steps], dtype=np.int64).reshape(-1, count),
        np.array([[own[s][0] for own in thermo] for s in steps], float).reshape(-1, count),
        np.array([[own[s][1] for own in thermo] for s in steps], float).reshape(-1, count),
    )
    frames = _frames(folder, job, before, thermo)
    done = steps[-1] // job.interval if steps else first[0] // job.interval
    message = _message(folder, job)
    state = "finished" if done == job.attempts else "failed" if message else "running"
    if not rows and not message:
        state = ""
    return TemperingResults(table, state, frames, done, message)


def _universe_rows(path: Path, count: int) -> list[tuple[int, ...]]:
    """Return step and temperature index of each replica after each attempt."""
    rows: list[tuple[int, ...]] = []
    for line in _lines(path):
        words = line.split()
        if len(words) == count + 1 and all(word.isdigit() for word in words):
            row = tuple(int(word) for word in words)
            if sorted(row[1:]) == list(range(count)):
                rows.append(row)
    return rows


def _thermo_rows(path: Path, job: TemperingJob) -> dict[int, tuple[float, float]]:
    """Return potential energy and that of the sphere by step; the last row of a step counts."""
    columns = 4 if job.radius is not None else 3
    found: dict[int, tuple[float, float]] = {}
    tempering = False
    for line in _lines(path):
        tempering = tempering or line.startswith("temper ")
        row = read_row(line, columns) if tempering else None
        if row is not None:
            found[int(row[0])] = (row[2], row[3] if columns == 4 else 0.0)
    return found


def _frames(
    folder: Path,
    job: TemperingJob,
    before: dict[int, tuple[int, ...]],
    thermo: list[dict[int, tuple[float, float]]],
) -> Any:
    """Return the sampled frames as records, those at an attempt with the temperature before it."""
    record, found = frame_record(len(job.types)), []
    steps = sorted(before)
    previous = {b: a for a, b in pairwise(steps)}
    for k, own in enumerate(thermo):
        path = folder / frames_name(k)
        if not path.is_file():
            continue
        with path.open("r", encoding="utf-8") as handle:
            for snapshot in read_dump(handle):
                step = snapshot.step
                if step not in previous or len(snapshot.values) != len(job.types):
                    continue
                energy, wall = own[step]
                row = np.zeros(1, record)
                row["step"], row["replica"] = step, k
                row["temperature"] = before[previous[step]][k]
                row["energy"], row["positions"] = energy - wall, snapshot.values[:, 1:4]
                found.append(row)
    return np.concatenate(found) if found else np.empty(0, record)


def _message(folder: Path, job: TemperingJob) -> str:
    """Return which replica LAMMPS gave up, and why; empty where none was."""
    for k in range(len(job.temperatures)):
        for line in _lines(folder / log_name(k)):
            if line.startswith("ERROR"):
                return f"replica {k}: {UNSTABLE}: {error_text(line)}"
    for line in _lines(folder / LOG_FILE):
        if line.startswith("ERROR"):
            return error_text(line)
    return ""


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    with path.open("r", encoding="utf-8", errors="replace") as handle:
        yield from handle


def last_checkpoint(folder: str | Path, job: TemperingJob) -> tuple[Point, list[Path]] | None:
    """Return the last step of which all replicas have a complete restart file, and these files."""
    folder, count = Path(folder), len(job.temperatures)
    rows = {row[0]: row[1:] for row in _universe_rows(folder / LOG_FILE, count)}
    found: dict[int, list[Path]] = {}
    for path in folder.glob("state.*.*"):
        match = re.fullmatch(r"state\.(\d{1,6})\.(\d{1,15})", path.name)
        if match and int(match[2]) in rows and _is_complete(path):
            found.setdefault(int(match[2]), []).append(path)
    whole = [step for step, paths in found.items() if len(paths) == count]
    if not whole:
        return None
    step = max(whole)
    paths = sorted(found[step], key=lambda path: int(path.name.split(".")[1]))
    return Point(step, rows[step]), paths


def _is_complete(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - 64))
        return _END_OF_RESTART in handle.read()
