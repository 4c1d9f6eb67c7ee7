"""Faults of LAMMPS jobs, each met and each mended."""

import json

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.calculations.sampling.lammps_batches import (
    _SUMS,
    merge_batches,
    pending_structures,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain

EXIT = LammpsBaseWorkChain.exit_codes


def run_base(code, frames, potential, stages, seeds=None, settings=None, factors=None, **inputs):
    lammps = {
        "code": code,
        "frames": FramesData(frames),
        "potential": potential,
        "stages": List(stages),
        "seeds": List(seeds or list(range(len(frames)))),
        "metadata": {"options": {"max_wallclock_seconds": 600}},
    }
    if factors:
        lammps["timestep_factors"] = List(factors)
    if settings:
        lammps["settings"] = Dict(settings)
    return run_get_node(LammpsBaseWorkChain, lammps=lammps, **inputs)


def clusters(*shells):
    made = [Icosahedron("Cu", n) for n in shells]
    for atoms in made:
        atoms.set_tags(0)
    return made


def hold(temperature, duration, timestep=0.002):
    return {
        "kind": "hold",
        "temperature": temperature,
        "duration": duration,
        "timestep": timestep,
        "sample_every": duration / 10,
    }


def test_continues_after_walltime(lmp_code, eam_potential):
    """Stopped again and again, every structure still has its whole trajectory."""
    stages = [hold(300, 100), {"kind": "relax"}]
    outputs, node = run_base(
        lmp_code, clusters(2, 3, 2), eam_potential, stages, settings={"timeout": 2}
    )
    assert node.is_finished_ok, node.exit_message
    assert len(node.called) > 2
    entries = outputs["report"]["structures"]
    assert [e["state"] for e in entries] == ["finished"] * 3
    assert max(e["attempts"] for e in entries) > 1
    assert list(outputs["structures"].frames.sizes) == [13, 55, 13]
    assert outputs["structures"].frames.energies[[0, 2]] == pytest.approx(-33.525079, abs=1e-4)
    trajectory = outputs["trajectory"].frames
    for index in range(3):
        own = [f for f in trajectory if f.info["structure"] == index]
        times = [f.info["time"] for f in own]
        assert np.allclose(times, np.arange(1, 11) * 10), index
    thermo = outputs["thermo"]
    steps = thermo.get_array("step")[
        (thermo.get_array("structure") == 1) & (thermo.get_array("stage") == 0)
    ]
    assert steps.min() == 0 and steps.max() == 50000


def test_a_relaxation_stopped_again_and_again_is_sampled_once(lmp_code, eam_potential):
    """Steps count on from job to job; none is missing, none is there twice."""
    images = clusters(10, 7)  # some seconds each on any machine
    for atoms in images:
        atoms.rattle(0.1, seed=3)
    relax = {"kind": "relax", "algorithm": "fire", "force_tolerance": 1e-7, "sample_steps": 10}
    stages = [{"kind": "quench", "sample_steps": 5}, relax]
    outputs, node = run_base(lmp_code, images, eam_potential, stages, settings={"timeout": 1})
    assert node.is_finished_ok, node.exit_message
    assert len([c for c in node.called if "CalcJob" in c.node_type]) > 2
    entries = outputs["report"]["structures"]
    assert max(e["attempts"] for e in entries) > 2
    frames = outputs["trajectory"].frames
    for index in (0, 1):
        told = [f.info for f in frames if f.info["structure"] == index]
        for stage, every in ((0, 5), (1, 10)):
            steps = [i["step"] for i in told if i["stage"] == stage]
            assert steps == [every * k for k in range(1, len(steps) + 1)]
            assert len(steps) > 3
        assert told == sorted(told, key=lambda i: (i["stage"], i["step"]))
        own = frames.energies[[i["structure"] == index for i in map(json.loads, frames.info)]]
        assert own[0] > own[-1]
        assert own[-1] == pytest.approx(outputs["structures"].frames.energies[index], abs=1e-3)


def test_what_was_sampled_before_a_later_job_failed(eam_potential, aiida_profile):
    """It goes the way of all frames of structures that failed."""
    atoms = clusters(2)[0]
    atoms.info.update(structure=0, stage=0, time=0.1, temperature=300.0)
    resume = {"structure": 0, "stage": 0, "step": 100, "timestep": 100, "file": "run.stop"}
    entry = {"index": 0, "reason": "", **dict.fromkeys(_SUMS, 1)}
    first = {"structures": [{**entry, "state": "unfinished"}], "resume": resume}
    failed = {**entry, "state": "failed", "reason": "unstable"}
    nodes = {
        "trajectory_000": FramesData([atoms]),
        "report_000": Dict(first),
        "report_001": Dict({"structures": [failed], "resume": None}),
    }
    frames = FramesData(clusters(2))
    assert "trajectory" not in merge_batches(frames, Int(0), **nodes)
    kept = merge_batches(frames, Int(0), settings=Dict({"keep_failed": True}), **nodes)
    assert len(kept["trajectory"]) == 1


def test_halves_the_time_step_of_unstable_structures(lmp_code, eam_potential):
    """A step of 64 fs is too long for copper; the atom at rest never minds.

    What was kept of the attempts that failed gives way to the one that did not.
    """
    frames = [*clusters(3), Atoms("Cu")]
    factors = [32.0, 1.0]
    outputs, node = run_base(
        lmp_code,
        frames,
        eam_potential,
        [hold(300, 1)],
        factors=factors,
        max_halvings=Int(1),
        settings={"keep_failed": True},
    )
    assert node.is_finished_ok, node.exit_message
    entries = outputs["report"]["structures"]
    assert entries[0]["timestep_factor"] <= 16 and entries[0]["attempts"] > 1
    assert entries[1]["attempts"] == 1
    assert list(outputs["structures"].frames.sizes) == [55, 1]
    assert [f.info["time"] for f in outputs["trajectory"].frames] == pytest.approx(
        [0.1 * k for k in range(1, 11)], abs=0.05
    )


def test_frames_before_the_last_failure(lmp_code, eam_potential):
    """A structure that no time step mends leaves what its last attempt came to, if asked."""
    stages = [{**hold(1500, 4, timestep=0.02), "sample_every": 0.02}]
    found = {}
    for keep in (False, True):
        outputs, node = run_base(
            lmp_code,
            clusters(3),
            eam_potential,
            stages,
            factors=[1.99],
            max_halvings=Int(0),
            settings={"keep_failed": keep},
        )
        assert node.exit_status == EXIT.ERROR_STRUCTURES_FAILED.status
        found[keep] = outputs
    assert "trajectory" not in found[False]
    times = [f.info["time"] for f in found[True]["trajectory"].frames]
    assert times and times == sorted(set(times)) and max(times) < 4


def test_broken_structures_fail_alone(lmp_code, eam_potential):
    frames = [Atoms("Cu2", positions=np.zeros((2, 3))), *clusters(2)]
    outputs, node = run_base(lmp_code, frames, eam_potential, [{"kind": "relax"}])
    assert node.exit_status == EXIT.ERROR_STRUCTURES_FAILED.status
    assert "Structures 0 failed" in node.exit_message
    assert list(outputs["structures"].frames.sizes) == [13]
    assert len(node.called) == 1


def test_aborts_on_lammps_error(lmp_code, eam_potential):
    outputs, node = run_base(
        lmp_code,
        clusters(2),
        eam_potential,
        [{"kind": "relax"}],
        settings={"cmdline": ["-pk", "nonsense", "1"]},
    )
    assert node.exit_status == EXIT.ERROR_LAMMPS.status
    assert "nonsense" in node.exit_message
    assert "report" in outputs


def test_not_converged(lmp_code, eam_potential):
    cluster = clusters(3)[0]
    cluster.rattle(0.2, seed=1)
    stages = [{"kind": "relax", "max_steps": 2}]
    outputs, node = run_base(lmp_code, [cluster], eam_potential, stages)
    assert node.exit_status == EXIT.ERROR_NOT_CONVERGED.status
    assert len(outputs["structures"]) == 1


def test_aborts_if_every_job_dies(code_on, eam_potential):
    outputs, node = run_base(
        code_on("false", "/bin/false"), clusters(2), eam_potential, [{"kind": "relax"}]
    )
    assert node.exit_status == EXIT.ERROR_NO_PROGRESS.status
    assert outputs["report"]["structures"][0]["state"] == "unfinished"


def killed_once(code_on, lmp_code, tmp_path, afterwards=""):
    """Return a code that is LAMMPS, killed once in the midst of a stage."""
    flag = tmp_path / "killed"
    script = tmp_path / "lmp_killed_once"
    script.write_text(
        f'#!/bin/bash\nif [ -e {flag} ]; then exec {lmp_code.filepath_executable} "$@"; fi\n'
        # The wheel's `lmp` starts the program: a group of its own, so that both are killed.
        f'touch {flag}\nset -m\n{lmp_code.filepath_executable} "$@" &\n'
        "for i in $(seq 600); do [ -e run.b ] && break; sleep 0.02; done\nkill -9 -- -$!\n"
        f"wait\n{afterwards}\n"
    )
    script.chmod(0o755)
    return code_on("killed", str(script), lmp_code.prepend_text)


def run_killed_once(code_on, lmp_code, potential, tmp_path, afterwards=""):
    """Run two clusters with such a code."""
    outputs, node = run_base(
        killed_once(code_on, lmp_code, tmp_path, afterwards),
        clusters(2, 3),
        potential,
        [hold(300, 400), {"kind": "relax"}],  # long beside the delay of a kill
    )
    assert node.is_finished_ok, node.exit_message
    return outputs, node


def test_continues_after_a_kill(code_on, lmp_code, eam_potential, tmp_path):
    """The next job uses the restart file of the one that was killed."""
    outputs, node = run_killed_once(code_on, lmp_code, eam_potential, tmp_path)
    assert len([c for c in node.called if "CalcJob" in c.node_type]) == 2
    second = [c for c in node.called if "CalcJob" in c.node_type][-1]
    assert second.inputs.resume["step"] > 0
    times = [f.info["time"] for f in outputs["trajectory"].frames if f.info["structure"] == 0]
    assert np.allclose(times, np.arange(1, 11) * 40)


def test_starts_again_where_the_restart_file_is_of_another_step(
    code_on, lmp_code, eam_potential, tmp_path
):
    """A program that outlives its job goes on to overwrite the files of the step it was seen at."""
    swap = "mv run.a other; mv run.b run.a; mv other run.b"
    outputs, node = run_killed_once(code_on, lmp_code, eam_potential, tmp_path, swap)
    jobs = [c for c in node.called if "CalcJob" in c.node_type]
    assert "resume" in jobs[1].inputs
    assert jobs[1].outputs.report["structures"][0]["reason"] == "stale"
    assert "resume" not in jobs[2].inputs and len(jobs) == 3
    assert outputs["report"]["structures"][0]["timestep_factor"] == 1.0
    times = [f.info["time"] for f in outputs["trajectory"].frames if f.info["structure"] == 0]
    assert np.allclose(times, np.arange(1, 11) * 40)


def test_pending():
    report = {
        "resume": {"structure": 3, "stage": 0, "step": 5, "file": "run.stop"},
        "structures": [
            {"index": 0, "state": "finished", "reason": ""},
            {"index": 1, "state": "failed", "reason": "unstable"},
            {"index": 2, "state": "failed", "reason": "overlap"},
            {"index": 3, "state": "unfinished", "reason": ""},
            {"index": 4, "state": "unfinished", "reason": ""},
            {"index": 5, "state": "failed", "reason": "stale"},
        ],
    }
    pending = pending_structures(report, None, 1)
    assert [(p.index, p.factor) for p in pending] == [
        (3, 1.0),
        (1, 0.5),
        (4, 1.0),
        (5, 1.0),
    ]
    assert pending[0].resumed
    again = pending_structures(report, [0.5] * 6, 1)
    assert [p.index for p in again] == [3, 4, 5]
