"""Jobs that a scheduler has ended: its word is handed on, and what was done is kept."""

import io

import pytest
from aiida.common import LinkType
from aiida.orm import CalcJobNode, FolderData, List
from aiida.plugins.entry_point import format_entry_point_string
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.lammps import make_job
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.parsers.lammps import LammpsParser

STAGES = [{"kind": "hold", "temperature": 300, "duration": 20, "sample_every": 0.1}]


@pytest.fixture
def ended_job(localhost, eam_potential, tmp_path):
    """Factory: parse a job with this log, to which the scheduler gave this exit code."""

    def make(log, status=None, stages=STAGES):
        inputs = {
            "frames": FramesData([Icosahedron("Cu", 2)] * 2).store(),
            "potential": eam_potential,
            "stages": List(stages).store(),
            "seeds": List([1, 2]).store(),
        }
        kind = format_entry_point_string("aiida.calculations", "nanoclusters.lammps")
        node = CalcJobNode(computer=localhost, process_type=kind)
        node.set_option("resources", {"num_machines": 1})
        for label, value in inputs.items():
            node.base.links.add_incoming(value, LinkType.INPUT_CALC, label)
        node.store()
        retrieved = FolderData()
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


@pytest.mark.parametrize("status", [110, 120, 140])
def test_scheduler_is_not_overruled(ended_job, status):
    code, outputs = ended_job(log_in_second_structure, status)
    assert (code.status, code.message) == (status, "said the scheduler")
    report = outputs["report"].get_dict()
    assert [e["state"] for e in report["structures"]] == ["unfinished", "unfinished"]
    assert "did not come back" in report["structures"][0]["detail"]
    assert len(outputs["thermo"].get_array("step")) == 151


def test_died_without_a_word(ended_job):
    code, _ = ended_job(log_in_second_structure)
    assert code.status == 311


def test_scheduler_without_any_log(ended_job):
    code, outputs = ended_job(None, 140)
    assert code.status == 140
    assert [e["state"] for e in outputs["report"]["structures"]] == ["unfinished"] * 2
