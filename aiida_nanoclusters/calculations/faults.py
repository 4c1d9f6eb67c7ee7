"""What can befall any of our jobs from outside: exit codes, and how a full disk is told."""

from __future__ import annotations

from typing import Any

from aiida.common import CalcInfo
from aiida.engine import CalcJob, CalcJobProcessSpec

#: As aiida-core numbers and names them.
OUT_OF_MEMORY = CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_MEMORY.status
OUT_OF_WALLTIME = CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_WALLTIME.status
INVALID_ACCOUNT = CalcJob.exit_codes.ERROR_SCHEDULER_INVALID_ACCOUNT.status
NODE_FAILURE = CalcJob.exit_codes.ERROR_SCHEDULER_NODE_FAILURE.status
#: Our own, as they have none.
PREEMPTED, DISK_FULL = 141, 301

#: What frees memory for a job, or gives it more.
MORE_MEMORY = (
    "ask for more with `--options memory_kb=...` (for a GPU's: a larger one), or `max_memory_kb` "
    "in the profile"
)
#: Bytes kept back in the folder of a job, and a file of that size.
_BALLAST, _FILE = 65536, ".ballast"
#: On a full disk no program can say so: give up what was kept back, then the message has room.
_BEGIN = f"head -c {_BALLAST} /dev/zero > {_FILE}"
_END = f"""\
full=$(head -c {_BALLAST} /dev/zero 2>&1 > {_FILE}.2)
rm -f {_FILE} {_FILE}.2
if [ -n "$full" ]; then echo "$full" >&2; fi"""


def set_fault_codes(spec: CalcJobProcessSpec) -> None:
    """Declare what aiida-core does not know of."""
    spec.exit_code(
        PREEMPTED,
        "ERROR_SCHEDULER_PREEMPTED",
        message="The job made room for one of higher priority.",
        invalidates_cache=True,
    )
    spec.exit_code(
        DISK_FULL,
        "ERROR_DISK_FULL",
        message="No space left in {folder} on {computer} ({said}): remove what is not needed there "
        "(`verdi calcjob cleanworkdir`), or have your quota raised.",
        invalidates_cache=True,
    )


def validate_rerunnable(value: bool | None, _: Any) -> str | None:
    """Refuse jobs that a scheduler starts again by itself."""
    if value:
        return (
            "leave `rerunnable` out: a job that Slurm starts again begins anew among the files of "
            "the first attempt; without it the next job goes on where this one was stopped"
        )
    return None


def new_job() -> CalcInfo:
    """Return a job that says on its standard error where it ended with a full disk."""
    info = CalcInfo()
    info.prepend_text, info.append_text = _BEGIN, _END
    return info
