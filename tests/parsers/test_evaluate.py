"""Evaluations that a scheduler has ended: its word is handed on, and what was done is kept."""

import pytest
from aiida.common import LinkType
from aiida.orm import CalcJobNode, FolderData
from aiida.plugins.entry_point import format_entry_point_string
from ase import Atoms

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.parsers.evaluate import EvaluateParser


@pytest.fixture
def ended_job(localhost, eam_potential, tmp_path):
    """Factory: parse a job of three frames with these files left behind."""

    def make(files, status=None):
        atom = Atoms("Cu")
        frames = FramesData([atom, atom, atom]).store()
        kind = format_entry_point_string("aiida.calculations", "nanoclusters.evaluate")
        node = CalcJobNode(computer=localhost, process_type=kind)
        node.set_option("resources", {"num_machines": 1})
        node.base.links.add_incoming(frames, LinkType.INPUT_CALC, "frames")
        node.base.links.add_incoming(eam_potential, LinkType.INPUT_CALC, "potentials__a")
        node.store()
        retrieved = FolderData()
        retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
        retrieved.store()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        if status is not None:
            node.set_exit_status(status)
            node.set_exit_message("said the scheduler")
        parser = EvaluateParser(node)
        return parser.parse(retrieved_temporary_folder=str(tmp_path)), parser.outputs

    return make


HEAD = "nanoclusters: potential a\n   Step PotEng Pxx Pyy Pzz Pyz Pxz Pxy\n"
ROW = "{0} -{0}.5 0 0 0 0 0 0\n"
SNAPSHOT = (
    "ITEM: TIMESTEP\n{0}\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS xy xz yz pp pp pp\n"
    "0 9 0\n0 9 0\n0 9 0\nITEM: ATOMS id fx fy fz\n1 0 0 {0}.25\n"
)


def test_memory_ran_out(ended_job):
    """The next may do in a job of its own; where that was the first, nothing of its size will."""
    files = {
        "log.lammps": HEAD + ROW.format(0) + "ERROR on proc 0: Failed to allocate 9 bytes for x\n",
        "forces.a.dump": SNAPSHOT.format(0),
    }
    code, outputs = ended_job(files)
    assert code.status == 110 and "9 bytes" in code.message
    states = [e["state"] for e in outputs["report"].get_dict()["frames"]]
    assert states == ["labelled", "unfinished", "unfinished"]
    files = {"log.lammps": files["log.lammps"].replace(ROW.format(0), ""), "forces.a.dump": ""}
    code, outputs = ended_job(files)
    assert code.status == 110
    rows = outputs["report"].get_dict()["frames"]
    assert [(e["state"], e["reason"]) for e in rows] == [("failed", "memory")] * 3


@pytest.mark.parametrize(("status", "expected"), [(120, 120), (140, 140), (None, 311)])
def test_keeps_what_was_done(ended_job, status, expected):
    """Two rows in the log, the forces of the second only half written."""
    files = {
        "log.lammps": HEAD + ROW.format(0) + ROW.format(1),
        "forces.a.dump": SNAPSHOT.format(0) + SNAPSHOT.format(1)[:-8],
    }
    code, outputs = ended_job(files, status)
    assert code.status == expected
    labelled = outputs["labelled.a"].frames
    assert list(labelled.energies) == [-0.5]
    assert labelled.forces.tolist() == [[0, 0, 0.25]]
    report = outputs["report"].get_dict()
    assert [e["state"] for e in report["frames"]] == ["labelled", "unfinished", "unfinished"]
    assert report["labelled"] == {"a": [0]}


def test_numbers_that_are_not_finite(ended_job):
    rows = ROW.format(0) + "1 nan 0 0 0 0 0 0\n" + ROW.format(2)
    files = {
        "log.lammps": HEAD + rows + "Loop time of 1 on 1 procs\nnanoclusters: end\n",
        "forces.a.dump": "".join(SNAPSHOT.format(i) for i in range(3)),
    }
    code, outputs = ended_job(files)
    assert code.status == 330 and code.message.endswith(": 1.")
    assert list(outputs["labelled.a"].frames.energies) == [-0.5, -2.5]


def test_nothing_came_back(ended_job):
    code, outputs = ended_job({}, 140)
    assert code.status == 140
    assert [e["state"] for e in outputs["report"]["frames"]] == ["unfinished"] * 3
