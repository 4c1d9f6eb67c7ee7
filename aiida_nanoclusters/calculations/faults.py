"""External failures of jobs: exit codes, and how a full disk is detected."""

from __future__ import annotations

from typing import Any

from aiida.common import CalcInfo
from aiida.engine import CalcJob, CalcJobProcessSpec

#: Exit statuses of aiida-core.
OUT_OF_MEMORY = CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_MEMORY.status
OUT_OF_WALLTIME = CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_WALLTIME.status
INVALID_ACCOUNT = CalcJob.exit_codes.ERROR_SCHEDULER_INVALID_ACCOUNT.status
NODE_FAILURE = CalcJob.exit_codes.ERROR_SCHEDULER_NODE_FAILURE.status
#: Exit statuses of this package for what aiida-core has none.
PREEMPTED, DISK_FULL = 141, 301

#: How a job gets more memory.
MORE_MEMORY = (
    "ask for more with `--options memory_kb=...` (for a GPU's: a larger one), or `max_memory_kb` "
    "in the profile"
)
#: Size in bytes of a file that is reserved in the folder of a job, and its name.
_BALLAST, _FILE = 65536, ".ballast"
#: On a full disk no message can be written: the reserved file is removed to make room for it.
_BEGIN = f"head -c {_BALLAST} /dev/zero > {_FILE}"
_END = f"""\
full=$(head -c {_BALLAST} /dev/zero 2>&1 > {_FILE}.2)
rm -f {_FILE} {_FILE}.2
if [ -n "$full" ]; then echo "$full" >&2; fi"""


def set_fault_codes(spec: CalcJobProcessSpec) -> None:
    """Declare the external failures that aiida-core has no exit codes for."""
    spec.exit_code(
        PREEMPTED,
        "ERROR_SCHEDULER_PREEMPTED",
        message="The job was preempted by one of higher priority.",
        invalidates_cache=True,
    )
    spec.exit_code(
        DISK_FULL,
        "ERROR_DISK_FULL",
        message="No space left in {folder} on {computer} ({said}): remove what is not needed there "
        "(`verdi calcjob cleanworkdir`), or have your quota raised.",
        invalidates_cache=True,
    )


def set_program_codes(spec: CalcJobProcessSpec, program: str, output: str) -> None:
    """Declare that a program did not begin its `output`, or ended without a message.

    Neither may come from the cache: it may not occur again.
    """
    for status, label, message in (
        (310, f"ERROR_NO_{output.upper()}", f"{program} wrote no {output}: {{message}}"),
        (
            311,
            "ERROR_DIED",
            f"{program} ended without an error message: it was killed or crashed.",
        ),
    ):
        spec.exit_code(status, label, message=message, invalidates_cache=True)


def validate_rerunnable(value: bool | None, _: Any) -> str | None:
    """Refuse jobs that the scheduler may restart by itself."""
    if value:
        return (
            "leave `rerunnable` out: Slurm would restart the job from its beginning among the "
            "files of the first attempt; without it the next job continues where this one ended"
        )
    return None


def new_job() -> CalcInfo:
    """Return a job that reports a full disk at its end on the standard error."""
    info = CalcInfo()
    info.prepend_text, info.append_text = _BEGIN, _END
    return info
