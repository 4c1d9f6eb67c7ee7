"""Words of real programs, systems and schedulers, and what they mean."""

import pytest

from aiida_nanoclusters.formats.faults import Cause, find_cause, read_sacct

SAID = {
    Cause.DISK_FULL: [
        "head: error writing 'standard output': No space left on device",
        "head: error writing 'standard output': Disk quota exceeded",
        "OSError: [Errno 28] No space left on device",
        "ERROR: I/O error while writing restart (src/src/write_restart.cpp:375)",
    ],
    Cause.OUT_OF_MEMORY: [
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "MemoryError",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB, MemoryError",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't "
        "allocate memory: you tried to allocate 16000000000 bytes. Error code 12",
        "In file 'pw_grids.F90', around line 1713: Error allocating 5184000000 bytes: Cannot "
        "allocate memory",
        "ERROR on proc 0: Failed to reallocate 2621440 bytes for array atom:x (memory.cpp:102)",
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=5.batch. Some of your processes "
        "may have been killed by the cgroup out-of-memory handler.",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=5.batch.",
        "slurmstepd: error: StepId=5.batch exceeded memory limit (209 > 104), being killed",
    ],
    Cause.PREEMPTED: [
        "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-01-02T03:04:05 DUE TO PREEMPTION ***"
    ],
    Cause.NODE_FAILURE: [
        "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-01-02T03:04:05 DUE TO NODE FAILURE, "
        "SEE SLURMCTLD LOG FOR DETAILS ***",
        "srun: error: Node failure on n1",
    ],
    Cause.OUT_OF_WALLTIME: [
        "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***"
    ],
}


@pytest.mark.parametrize(
    ("cause", "line"), [(cause, line) for cause, lines in SAID.items() for line in lines]
)
def test_causes(cause, line):
    assert find_cause(f"a module was loaded\n{line}\nmore\n") == (cause, line)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ERROR: Lost atoms: original 864 current 800",
        "RuntimeError: no such thing",
        "slurmstepd: error: *** JOB 5 ON n1 CANCELLED AT 2026-01-02T03:04:05 ***",
        "Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes",
    ],
)
def test_other_words_tell_of_none(text):
    assert find_cause(text) is None


def test_a_full_disk_comes_first():
    """What failed for want of space may fail for want of memory in consequence."""
    text = "MemoryError\nOSError: [Errno 122] Disk quota exceeded: 'last.ckpt'\n"
    assert find_cause(text) == (
        Cause.DISK_FULL,
        "OSError: [Errno 122] Disk quota exceeded: 'last.ckpt'",
    )


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("PREEMPTED", Cause.PREEMPTED),
        ("NODE_FAIL", Cause.NODE_FAILURE),
        ("OUT_OF_MEMORY", Cause.OUT_OF_MEMORY),
        ("TIMEOUT", Cause.OUT_OF_WALLTIME),
        ("CANCELLED by 1000", None),
        ("COMPLETED", None),
    ],
)
def test_accounts(state, cause):
    table = f"JobID|State|ExitCode|\n5|{state}|0:0|\n5.batch|CANCELLED|0:15|\n"
    assert read_sacct(table) is cause
    assert read_sacct("") is None
