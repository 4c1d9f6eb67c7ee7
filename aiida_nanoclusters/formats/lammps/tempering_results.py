"""What a job of parallel tempering leaves, read into one object whichever driver has run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aiida_nanoclusters.formats.lammps.tempering import (
    FRAMES_FILE,
    STATUS_FILE,
    SWAPS_FILE,
    frame_record,
    read_records,
    swap_record,
)
from aiida_nanoclusters.formats.lammps.tempering_job import TemperingJob
from aiida_nanoclusters.formats.limits import load_json, read_text
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.parallel_tempering import SwapTable
from aiida_nanoclusters.science.sampling.tempered_frames import tempered_frames

#: Part of a message of the driver in Python by which it is found in the standard error.
SIGN = "tempering: "


@dataclass(frozen=True, eq=False)
class TemperingResults:
    """Results of a job, complete or not.

    Attributes
    ----------
    table
        Attempts that are done.
    state
        ``finished``, ``stopped`` (out of time), ``failed`` (a replica cannot be moved), ``running``
        (interrupted) or empty (nothing was done).
    message
        Why it failed.
    attempts_done
        Attempts of the whole run up to the end of this job.
    incidents, counts
        Replicas that did not move, and how often by temperature, since the beginning of the run.
    frames
        Samples as records of step, replica, temperature index, energy (eV) and positions (Å).
    seconds
        Wall time.
    """

    table: SwapTable
    state: str
    frames: Any
    attempts_done: int = 0
    message: str = ""
    incidents: list[dict[str, Any]] = field(default_factory=list)
    counts: Mapping[str, list[int]] = field(default_factory=dict)
    seconds: float = 0.0

    def sampled(self, job: TemperingJob, **labels: Any) -> Frames | None:
        """Return the sampled frames with their origin, None without any.

        Parameters
        ----------
        job
            That was run.
        labels
            ``level_of_theory`` and ``atom_energies`` of the potential.
        """
        if not len(self.frames):
            return None
        return tempered_frames(
            job.numbers,
            self.frames["positions"],
            self.frames["energy"],
            np.asarray(job.temperatures, float)[self.frames["temperature"]],
            self.frames["replica"],
            self.frames["step"],
            job.timestep,
            job.seed,
            **labels,
        )


def read_python_run(folder: str | Path, job: TemperingJob) -> TemperingResults:
    """Return what the driver in Python has left in a folder."""
    folder = Path(folder)
    rows = read_records(folder / SWAPS_FILE, swap_record(len(job.temperatures)))
    table = SwapTable(
        np.asarray(job.temperatures, float),
        rows["step"].astype(np.int64),
        rows["temperature"].astype(np.int64),
        rows["energy"].copy(),
        rows["wall"].copy(),
    )
    frames = read_records(folder / FRAMES_FILE, frame_record(len(job.types)))
    try:
        status = load_json(read_text(folder / STATUS_FILE))
    except (OSError, ValueError):  # killed before it was written
        return TemperingResults(table, "", frames)
    # After a kill there are more rows than the status knows.
    done = int(table.steps[-1]) // job.interval if len(table) else 0
    return TemperingResults(
        table,
        str(status["state"]),
        frames,
        max(done, int(status["attempt"])),
        str(status["message"]),
        list(status["incidents"]),
        dict(status["counts"]),
        float(status["seconds"]),
    )
