"""What befell a job from outside, whatever its program: the last word of every parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.faults import (
    MORE_MEMORY,
    NODE_FAILURE,
    OUT_OF_MEMORY,
    OUT_OF_WALLTIME,
)
from aiida_nanoclusters.formats.faults import Cause, find_cause, read_sacct

#: Reason of what failed because it needs more memory than a job has.
MEMORY = "memory"


def fault_of(parser: Parser, said: str = "") -> ExitCode | None:
    """Return the exit code for what befell a job from outside, None where nothing tells of it.

    Parameters
    ----------
    parser
        Its node has the word of the scheduler: an exit code, its accounts, its standard error.
    said
        What the program itself said.
    """
    node = parser.node
    told = find_cause(f"{node.get_scheduler_stderr() or ''}\n{said}")
    cause, line = told if told is not None else (None, "")
    if cause is Cause.DISK_FULL:
        computer = node.computer.label if node.computer is not None else "the computer"
        folder = node.get_remote_workdir() or "the job's folder"
        return parser.exit_codes.ERROR_DISK_FULL.format(folder=folder, computer=computer, said=line)
    by_status = {OUT_OF_MEMORY: Cause.OUT_OF_MEMORY}
    cause = by_status.get(node.exit_status, cause)
    if node.exit_status and cause is not Cause.OUT_OF_MEMORY:
        return ExitCode(node.exit_status, node.exit_message)  # such as 120 for walltime
    cause = cause or read_sacct((node.get_detailed_job_info() or {}).get("stdout", ""))
    if cause is Cause.OUT_OF_MEMORY:
        found = f" ({line})" if line else ""
        return ExitCode(OUT_OF_MEMORY, f"The job ran out of memory{found}: {MORE_MEMORY}.")
    if cause is Cause.PREEMPTED:
        return parser.exit_codes.ERROR_SCHEDULER_PREEMPTED
    if cause is Cause.NODE_FAILURE:
        return ExitCode(NODE_FAILURE, "The node running the job failed.")
    if cause is Cause.OUT_OF_WALLTIME:
        return ExitCode(OUT_OF_WALLTIME, "The job ran out of walltime.")
    return None


def shorten(names: Sequence[str]) -> str:
    """Return the first twenty names."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def give_up_for_memory(entries: Sequence[dict[str, Any]], sizes: Sequence[int]) -> None:
    """Fail the first of a job, which had all the memory to itself, and what is not smaller.

    Where the first is done, nothing fails: in a job of its own the next may do as well.

    Parameters
    ----------
    entries
        Of a report: ``state`` and ``reason`` of each structure, in the order they were done.
    sizes
        Atoms of each.
    """
    if entries[0]["state"] != "unfinished":
        return
    for entry, size in zip(entries, sizes, strict=True):
        if entry["state"] == "unfinished" and size >= sizes[0]:
            entry.update(state="failed", reason=MEMORY)
