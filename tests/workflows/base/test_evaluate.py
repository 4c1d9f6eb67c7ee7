"""Faults of LAMMPS evaluations, each met and each mended."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain

EXIT = EvaluateBaseWorkChain.exit_codes


def dimers(n):
    return [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.0 + 0.01 * i]]) for i in range(n)]


def run_base(code, frames, potentials):
    evaluate = {"code": code, "frames": FramesData(frames), "potentials": potentials}
    evaluate["metadata"] = {"options": {"max_wallclock_seconds": 600}}
    return run_get_node(EvaluateBaseWorkChain, evaluate=evaluate)


def test_one_broken_frame_costs_only_itself(lmp_code, eam_potential):
    frames = [*dimers(2), Atoms("Cu2", positions=np.zeros((2, 3))), Icosahedron("Cu", 2)]
    outputs, node = run_base(lmp_code, frames, {"eam": eam_potential})
    assert node.exit_status == EXIT.ERROR_FRAMES_FAILED.status
    assert "Frames 2 have" in node.exit_message
    assert list(outputs["labelled"]["eam"].frames.sizes) == [2, 2, 13]
    assert len(node.called) == 1


def test_continues_where_a_job_was_interrupted(code_on, lmp_code, eam_potential, tmp_path):
    """The first job loses the end of its output, as a kill would have it."""
    flag = tmp_path / "cut"
    script = tmp_path / "lmp_cut_once"
    script.write_text(
        f'#!/bin/bash\n{lmp_code.filepath_executable} "$@"\n'
        f"[ -e {flag} ] && exit 0\ntouch {flag}\n"
        "truncate -s $(($(stat -c %s forces.soft.dump) / 2)) forces.soft.dump\n"
    )
    script.chmod(0o755)
    soft = PotentialData.lennard_jones("Cu", epsilon=0.4, sigma=2.3, cutoff=8.0)
    frames = dimers(6)
    outputs, node = run_base(
        code_on("cut", str(script)), frames, {"eam": eam_potential, "soft": soft}
    )
    assert node.is_finished_ok, node.exit_message
    found = outputs["labelled"]["soft"].frames
    x = (2.3 / (2.0 + 0.01 * np.arange(6))) ** 6
    assert found.energies == pytest.approx(4 * 0.4 * (x * x - x), abs=1e-9)
    assert [e["state"] for e in outputs["report"]["frames"]] == ["labelled"] * 6
    second = [c for c in node.called if "calcjob" in c.node_type][1]
    assert 0 < len(second.inputs.frames) < 6
    assert len([c for c in node.called if "calcjob" in c.node_type]) == 2


def test_aborts_if_every_job_dies(code_on, eam_potential):
    outputs, node = run_base(code_on("false", "/bin/false"), dimers(1), {"eam": eam_potential})
    assert node.exit_status == EXIT.ERROR_NO_PROGRESS.status
    assert outputs["report"]["frames"][0]["state"] == "unfinished"
