"""Jobs that a scheduler has ended: its word is handed on, and what was done is kept."""

import io

import pytest
from aiida.common import LinkType
from aiida.orm import CalcJobNode, FolderData, List
from aiida.plugins.entry_point import format_entry_point_string
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.sampling.lammps import make_job
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.parsers.lammps import LammpsParser

STAGES = [{"kind": "hold", "temperature": 300, "duration": 20, "sample_every": 0.1}]


@pytest.fixture
def ended_job(localhost, eam_potential, tmp_path):
    """Factory: parse a job with this log, to which the scheduler gave this exit code."""

    def make(log, status=None, stages=STAGES, stderr="", sacct=""):
        inputs = {
            "frames": FramesData([Icosahedron("Cu", 2)] * 2).store(),
            "potential": eam_potential,
            "stages": List(stages).store(),
            "seeds": List([1, 2]).store(),
        }
        kind = format_entry_point_string("aiida.calculations", "nanoclusters.lammps")
        node = CalcJobNode(computer=localhost, process_type=kind)
        node.set_option("resources", {"num_machines": 1})
        node.set_option("scheduler_stderr", "_scheduler-stderr.txt")
        node.set_remote_workdir("/scratch/ab/cd")
        node.set_detailed_job_info({"retval": 0, "stdout": sacct, "stderr": ""})
        for label, value in inputs.items():
            node.base.links.add_incoming(value, LinkType.INPUT_CALC, label)
        node.store()
        retrieved = FolderData()
        retrieved.base.repository.put_object_from_filelike(
            io.BytesIO(stderr.encode()), "_scheduler-stderr.txt"
        )
        if log is not None:
            text = log(make_job(inputs)[1].plan)
            retrieved.base.repository.put_object_from_filelike(
                io.BytesIO(text.encode()), "log.lammps"
            )
        retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
        retrieved.store()
        if status is not None:
            node.set_exit_status(status)
            node.set_exit_message("said the scheduler")
        parser = LammpsParser(node)
        code = parser.parse(retrieved_temporary_folder=str(tmp_path))
        return code, parser.outputs

    return make


def log_in_second_structure(plan):
    lines = [
        "nanoclusters: structure 0 begins",
        "nanoclusters: structure 0 stage 0 begins at 0",
        "nanoclusters: structure 0 stage 0 done step 20000 energy -30.5 max_force 1.5",
        "nanoclusters: structure 0 stage 0 finished",
        "nanoclusters: structure 1 begins",
        "nanoclusters: structure 1 stage 0 begins at 0",
        "   Step          Temp          PotEng",
    ]
    start = plan.start(1, 0)
    header = "   Step Temp PotEng KinEng Press Volume c_fmax Fnorm"
    rows = [f"{start + n} 300 -30 1 0 1 2 3" for n in range(0, 15100, 100)]
    return "\n".join([*lines[:-1], header, *rows, ""])


@pytest.mark.parametrize("status", [120, 140])
def test_scheduler_is_not_overruled(ended_job, status):
    code, outputs = ended_job(log_in_second_structure, status)
    assert (code.status, code.message) == (status, "said the scheduler")
    report = outputs["report"].get_dict()
    assert [e["state"] for e in report["structures"]] == ["unfinished", "unfinished"]
    assert "its final positions are missing" in report["structures"][0]["detail"]
    assert len(outputs["thermo"].get_array("step")) == 151


def test_died_without_a_word(ended_job):
    code, _ = ended_job(log_in_second_structure)
    assert code.status == 311


def test_scheduler_without_any_log(ended_job):
    code, outputs = ended_job(None, 140)
    assert code.status == 140
    assert [e["state"] for e in outputs["report"]["structures"]] == ["unfinished"] * 2


PREEMPTION = "slurmstepd: error: *** JOB 5 ON n CANCELLED AT 2026-01-02 DUE TO PREEMPTION ***"


@pytest.mark.parametrize(
    ("told", "expected", "words"),
    [
        ({"stderr": f"a warning\n{PREEMPTION}\n"}, 141, "was preempted by one of higher priority"),
        ({"sacct": "JobID|State|\n5|PREEMPTED|\n"}, 141, "was preempted by one of higher priority"),
        ({"stderr": "x: No space left on device\n"}, 301, "verdi calcjob cleanworkdir"),
        ({"stderr": "x: Disk quota exceeded\n", "status": 120}, 301, "/scratch/ab/cd on localhost"),
        ({"stderr": "Detected 1 oom-kill event(s) in StepId=5.batch"}, 110, "memory_kb"),
        ({"status": 110}, 110, "memory_kb"),
        ({"stderr": "... DUE TO NODE FAILURE, SEE SLURMCTLD LOG"}, 140, "node"),
        ({"stderr": "a\nb CANCELLED AT x DUE TO TIME LIMIT ***"}, 120, "walltime"),
    ],
)
def test_faults_from_outside(ended_job, told, expected, words):
    """All that was done is handed on, and the structure in progress is not to blame."""
    code, outputs = ended_job(log_in_second_structure, **told)
    assert code.status == expected
    assert words in code.message
    report = outputs["report"].get_dict()
    assert [e["state"] for e in report["structures"]] == ["unfinished", "unfinished"]
    assert len(outputs["thermo"].get_array("step")) == 151


def log_without_memory(plan):
    return (
        "nanoclusters: structure 0 begins\nnanoclusters: structure 0 stage 0 begins at 0\n"
        "ERROR on proc 0: Failed to reallocate 2621440 bytes for array atom:x (memory.cpp:102)\n"
    )


def test_what_does_not_fit_alone_is_given_up(ended_job):
    """It had all memory of its job; so has failed what is as large."""
    code, outputs = ended_job(log_without_memory)
    assert code.status == 110 and "2621440 bytes" in code.message
    report = outputs["report"].get_dict()
    assert [(e["state"], e["reason"]) for e in report["structures"]] == [("failed", "memory")] * 2
    assert report["resume"] is None
