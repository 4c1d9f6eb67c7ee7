"""External causes of failure, from the messages of schedulers, operating systems and programs."""

from __future__ import annotations

import re
from enum import Enum


class Cause(Enum):
    """External cause for which a job ended early."""

    DISK_FULL = "disk full"
    OUT_OF_MEMORY = "out of memory"
    PREEMPTED = "preempted"
    NODE_FAILURE = "node failure"
    OUT_OF_WALLTIME = "out of walltime"


#: Searched in this order: a full disk may cause other failures of a program.
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
        r"exceeded[^\n]{0,200}memory limit",
    ),
    Cause.PREEMPTED: (r"due to preemption",),
    Cause.NODE_FAILURE: (r"due to node failure", r"error: node failure on"),
    Cause.OUT_OF_WALLTIME: (r"due to time limit",),
}
#: Characters of a line that are looked at; those of programs and of the system have some hundred.
LONGEST_LINE = 1000
_PATTERNS = {
    cause: re.compile(f"^.*({'|'.join(signs)}).*$", re.IGNORECASE | re.MULTILINE)
    for cause, signs in _SIGNS.items()
}
#: States of ended jobs in the output of ``sacct``.
_STATES = {
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY,
    "PREEMPTED": Cause.PREEMPTED,
    "NODE_FAIL": Cause.NODE_FAILURE,
    "BOOT_FAIL": Cause.NODE_FAILURE,
    "TIMEOUT": Cause.OUT_OF_WALLTIME,
}


def short_line(line: str) -> str:
    """Return a line of which no more than :data:`LONGEST_LINE` characters are looked at."""
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "\n"


def find_cause(text: str) -> tuple[Cause, str] | None:
    """Return the external cause that a text names, and the line that names it, or None.

    Parameters
    ----------
    text
        Standard error of a job, or the message of a program.
    """
    text = "\n".join(line[:LONGEST_LINE] for line in text.splitlines())
    for cause, pattern in _PATTERNS.items():
        found = pattern.search(text)
        if found is not None:
            return cause, found[0].strip()[:300]
    return None


def read_sacct(table: str) -> Cause | None:
    """Return the external cause in the accounting of Slurm, or None.

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
