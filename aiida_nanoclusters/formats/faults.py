"""What befell a job from outside, in the words of schedulers, operating systems and programs."""

from __future__ import annotations

import re
from enum import Enum


class Cause(Enum):
    """Why a job ended early where neither its input nor the physics is to blame."""

    DISK_FULL = "disk full"
    OUT_OF_MEMORY = "out of memory"
    PREEMPTED = "preempted"
    NODE_FAILURE = "node failure"
    OUT_OF_WALLTIME = "out of walltime"


#: Sought in this order: a full disk may have a program fail in many ways.
_SIGNS = {
    Cause.DISK_FULL: (
        r"no space left on device",
        r"disk quota exceeded",
        r"I/O error while writing restart",  # LAMMPS does not say why
        r"error writing dump",
    ),
    Cause.OUT_OF_MEMORY: (
        r"std::bad_alloc",
        r"\bMemoryError\b",
        r"out[- ]of[- ]memory",  # CUDA, the kernel, slurmstepd
        r"OutOfMemoryError",
        r"can(no|')t allocate memory",  # C, Fortran, torch
        r"failed to (re)?allocate \d+ bytes",  # LAMMPS
        r"oom[-_ ]kill",
        r"exceeded.*memory limit",
    ),
    Cause.PREEMPTED: (r"due to preemption",),
    Cause.NODE_FAILURE: (r"due to node failure", r"error: node failure on"),
    Cause.OUT_OF_WALLTIME: (r"due to time limit",),
}
_PATTERNS = {
    cause: re.compile(f"^.*({'|'.join(signs)}).*$", re.IGNORECASE | re.MULTILINE)
    for cause, signs in _SIGNS.items()
}
#: Slurm's own words for the state in which a job ended, as ``sacct`` has them.
_STATES = {
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY,
    "PREEMPTED": Cause.PREEMPTED,
    "NODE_FAIL": Cause.NODE_FAILURE,
    "BOOT_FAIL": Cause.NODE_FAILURE,
    "TIMEOUT": Cause.OUT_OF_WALLTIME,
}


def find_cause(text: str) -> tuple[Cause, str] | None:
    """Return the cause that a text tells of, and the line that tells it; None where there is none.

    Parameters
    ----------
    text
        Standard error of a job, or the message of a program.
    """
    for cause, pattern in _PATTERNS.items():
        found = pattern.search(text)
        if found is not None:
            return cause, found[0].strip()[:300]
    return None


def read_sacct(table: str) -> Cause | None:
    """Return the cause that Slurm's accounts tell of.

    Parameters
    ----------
    table
        Output of ``sacct --parsable``: a header, then the job as a whole, then its steps.
    """
    lines = table.splitlines()
    if len(lines) < 2:
        return None
    job = dict(zip(lines[0].split("|"), lines[1].split("|"), strict=False))
    return _STATES.get(job.get("State", "").partition(" ")[0])
