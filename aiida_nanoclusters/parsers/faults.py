"""Exit codes of external failures, for the parsers of all programs."""

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

#: Reason of an item that failed because it needs more memory than a job has.
MEMORY = "memory"


def fault_of(parser: Parser, message: str = "") -> ExitCode | None:
    """Return the exit code of the external failure of a job, or None.

    Parameters
    ----------
    parser
        Parser of the job, whose node has the exit code, the accounting and the standard error of
        the scheduler.
    message
        Messages of the program itself.
    """
    node = parser.node
    found = find_cause(f"{node.get_scheduler_stderr() or ''}\n{message}")
    cause, line = found if found is not None else (None, "")
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
        quoted = f" ({line})" if line else ""
        return ExitCode(OUT_OF_MEMORY, f"The job ran out of memory{quoted}: {MORE_MEMORY}.")
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


def fail_for_memory(entries: Sequence[dict[str, Any]], sizes: Sequence[int]) -> None:
    """Fail the first item of a job that ran out of memory, and all that are not smaller.

    The first item had all of the memory. Where it is finished, none fails: the others may fit into
    a job of their own.

    Parameters
    ----------
    entries
        Rows of a report, ``state`` and ``reason`` of each item, in the order of their execution.
    sizes
        Number of atoms of each item.
    """
    if entries[0]["state"] != "unfinished":
        return
    for entry, size in zip(entries, sizes, strict=True):
        if entry["state"] == "unfinished" and size >= sizes[0]:
            entry.update(state="failed", reason=MEMORY)
