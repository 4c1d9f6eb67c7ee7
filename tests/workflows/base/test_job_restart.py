"""Faults from outside, done to real jobs: memory, disk, preemption, a refused account."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.manage.caching import enable_caching
from aiida.orm import Int, List
from aiida.schedulers.plugins.slurm import SlurmScheduler
from ase import Atoms
from ase.build import bulk

from aiida_nanoclusters.calculations.faults import DISK_FULL, validate_rerunnable
from aiida_nanoclusters.calculations.learning.compile import CompileCalculation
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.lammps.input import STRUCTURES_FILE
from aiida_nanoclusters.workflows.base.compile import CompileBaseWorkChain
from aiida_nanoclusters.workflows.base.evaluate import EvaluateBaseWorkChain
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.parts.job_inputs import job
from tests.workflows.base.test_train import run_training

#: kB of address space that are enough for LAMMPS and a few atoms, and too little for `large`.
LITTLE = 150_000
LMP = Path(sys.prefix) / "bin" / "lmp"


@pytest.fixture
def soft(aiida_profile):
    return PotentialData.lennard_jones("Cu", epsilon=0.4, sigma=2.3, cutoff=6.0).store()


@pytest.fixture
def poor_lmp(code_on):
    return code_on("poor", str(LMP), f"export OMP_NUM_THREADS=1\nulimit -v {LITTLE}")


def large() -> Atoms:
    atoms = bulk("Cu", cubic=True).repeat(40)
    atoms.pbc = False
    return atoms


def dimer() -> Atoms:
    return Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.6]])


def calcjobs(node):
    return [child for child in node.called if "calcjob" in child.node_type]


def test_frames_that_do_not_fit_are_named_and_the_rest_is_done(poor_lmp, soft):
    """At first it is not known whether the frame or those before it are too much."""
    inputs = {**job(poor_lmp), "frames": FramesData([dimer(), large(), dimer()])}
    outputs, node = run_get_node(
        EvaluateBaseWorkChain, evaluate={**inputs, "potentials": {"soft": soft}}
    )
    assert node.exit_status == EvaluateBaseWorkChain.exit_codes.ERROR_OUT_OF_MEMORY.status
    assert "Frames 1 ran out of memory" in node.exit_message
    assert "memory_kb" in node.exit_message
    assert list(outputs["labelled"]["soft"].frames.sizes) == [2, 2]
    assert [child.exit_status for child in calcjobs(node)] == [110, 110, 0]
    assert [len(child.inputs.frames) for child in calcjobs(node)] == [3, 2, 1]


OOM = "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=5.batch."


def test_structures_that_do_not_fit_are_named_and_the_rest_is_done(code_on, soft, tmp_path):
    """A job with more than a hundred atoms is killed, with Slurm's words."""
    script = tmp_path / "killed"
    script.write_text(
        f'#!/bin/bash\nif [ $(wc -l < {STRUCTURES_FILE}) -lt 100 ]; then exec {LMP} "$@"; fi\n'
        f"echo '{OOM}' >&2\nkill -9 $PPID\n"
    )
    script.chmod(0o755)
    atoms = bulk("Cu", cubic=True).repeat(4)
    code = code_on("killed", str(script), "export OMP_NUM_THREADS=1")
    inputs = {**job(code), "frames": FramesData([atoms, dimer(), atoms]), "potential": soft}
    outputs, node = run_get_node(
        LammpsBaseWorkChain, lammps={**inputs, "stages": List([{"kind": "relax"}])}
    )
    assert node.exit_status == LammpsBaseWorkChain.exit_codes.ERROR_OUT_OF_MEMORY.status
    assert "Structures 0, 2 ran out of memory" in node.exit_message
    assert list(outputs["structures"].frames.sizes) == [2]
    assert [child.exit_status for child in calcjobs(node)] == [110, 0]


def test_where_lammps_says_nothing_memory_is_named_as_well(code_on, soft):
    code = code_on("false", "/bin/false")
    inputs = {**job(code), "frames": FramesData([dimer()]), "potential": soft}
    _, node = run_get_node(
        LammpsBaseWorkChain, lammps={**inputs, "stages": List([{"kind": "relax"}])}
    )
    assert node.exit_status == LammpsBaseWorkChain.exit_codes.ERROR_NO_PROGRESS.status
    assert "ck memory: ask for more with `--options memory_kb" in node.exit_message


def test_training_is_not_changed_to_fit(stand_in):
    """A smaller batch would be another training: the message leaves that to the user."""
    code = stand_in(BROKEN_SEEDS="3", BROKEN_BY="MemoryError")
    _, node = run_training(code)
    assert node.exit_status == 440
    assert "The training ran out of memory: ask for more" in node.exit_message
    assert len(calcjobs(node)) == 1


PREEMPTION = "slurmstepd: error: *** JOB 5 ON n CANCELLED AT 2026-01-02 DUE TO PREEMPTION ***"


def killed_once(tmp_path, program, words=PREEMPTION) -> str:
    """A program whose first job is killed, with Slurm's words."""
    script, flag = tmp_path / "killed", tmp_path / "flag"
    script.write_text(
        f'#!/bin/bash\nif [ -e {flag} ]; then exec {program} "$@"; fi\ntouch {flag}\n'
        f"echo '{words}' >&2\nkill -9 $PPID\n"
    )
    script.chmod(0o755)
    return str(script)


def test_preempted_job_is_continued(code_on, soft, tmp_path):
    code = code_on("preempted", killed_once(tmp_path, LMP), "export OMP_NUM_THREADS=1")
    inputs = {**job(code), "frames": FramesData([dimer()]), "potentials": {"soft": soft}}
    _, node = run_get_node(EvaluateBaseWorkChain, evaluate=inputs)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in calcjobs(node)] == [141, 0]


def test_a_job_that_died_is_not_taken_from_the_cache(code_on, soft, tmp_path):
    """The next job has the same inputs, and would die of it."""
    code = code_on("killed", killed_once(tmp_path, LMP, ""), "export OMP_NUM_THREADS=1")
    inputs = {**job(code), "frames": FramesData([dimer()]), "potentials": {"soft": soft}}
    with enable_caching():
        _, node = run_get_node(EvaluateBaseWorkChain, evaluate=inputs)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in calcjobs(node)] == [310, 0]


@pytest.fixture
def package(aiida_profile, allegro_package):
    return PotentialData.from_file(allegro_package, "allegro", level_of_theory="EAM").store()


def test_preempted_compilation_is_repeated(stand_in, package, allegro_compiled, tmp_path, code_on):
    code = stand_in(COMPILED=allegro_compiled)
    script = killed_once(tmp_path, code.filepath_executable)
    again = code_on("preempted", script, code.prepend_text)
    inputs = {**job(again), "potential": package}
    outputs, node = run_get_node(CompileBaseWorkChain, compile=inputs)
    assert node.is_finished_ok, node.exit_message
    assert [child.exit_status for child in calcjobs(node)] == [141, 0]
    assert outputs["potential"].kind == "allegro-compiled"


def test_failed_compilation_is_not_repeated(stand_in, package):
    inputs = {**job(stand_in()), "potential": package}
    _, node = run_get_node(CompileBaseWorkChain, compile=inputs)
    assert node.exit_status == CompileBaseWorkChain.exit_codes.ERROR_COMPILATION_FAILED.status
    assert len(calcjobs(node)) == 1


def test_refused_account_is_not_repeated(aiida_computer, soft, tmp_path, monkeypatch):
    """sbatch's own words; AiiDA ends the job with 131."""
    from aiida.orm import InstalledCode

    sbatch = tmp_path / "sbatch"
    sbatch.write_text(
        "#!/bin/bash\necho 'sbatch: error: Batch job submission failed: Invalid account or "
        "account/partition combination specified' >&2\nexit 1\n"
    )
    sbatch.chmod(0o755)
    computer = aiida_computer(
        label="slurm",
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.slurm",
    )
    computer.set_workdir(str(tmp_path / "work"))
    computer.configure(safe_interval=0.0)
    code = InstalledCode(computer=computer, filepath_executable=str(LMP)).store()
    inputs = {**job(code), "frames": FramesData([dimer()]), "potentials": {"soft": soft}}
    inputs["metadata"]["options"] |= {"account": "nobody", "queue_name": "long"}
    (tmp_path / ".bash_profile").write_text(f'export PATH="{tmp_path}:$PATH"\n')
    monkeypatch.setenv("HOME", str(tmp_path))  # AiiDA's shells are login shells
    _, node = run_get_node(EvaluateBaseWorkChain, evaluate=inputs)
    assert node.exit_status == EvaluateBaseWorkChain.exit_codes.ERROR_NOT_SUBMITTED.status
    assert "slurm does not let the account `nobody` use the partition `long`" in node.exit_message
    assert [child.exit_status for child in calcjobs(node)] == [131]


def test_slurm_does_not_start_jobs_again():
    """A job that begins anew among its old files is refused; AiiDA's script says so to Slurm."""
    from aiida.schedulers.datastructures import JobTemplate

    assert "next job continues where this one ended" in validate_rerunnable(True, None)
    assert validate_rerunnable(False, None) is validate_rerunnable(None, None) is None
    options = CompileCalculation.spec().inputs["metadata"]["options"]
    assert options.validate({"rerunnable": True, "resources": {"num_machines": 1}}) is not None
    template = JobTemplate()
    template.rerunnable = False
    template.job_resource = SlurmScheduler.create_job_resource(
        num_machines=1, num_mpiprocs_per_machine=1
    )
    assert "#SBATCH --no-requeue" in SlurmScheduler()._get_submit_script_header(template)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte in memory, and how to enlarge it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a file system")

    def enlarge() -> None:
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)

    yield folder, enlarge
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_waits_for_a_person(aiida_computer, small_disk, soft):
    """The work chain pauses with the fix in its message; then it goes on where it stood."""
    from aiida.orm import InstalledCode

    folder, enlarge = small_disk
    computer = aiida_computer(
        label="small",
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
    )
    computer.set_workdir(str(folder))
    computer.configure(safe_interval=0.0)
    computer.set_minimum_job_poll_interval(0.1)
    code = InstalledCode(computer=computer, filepath_executable=str(LMP)).store()
    stage = {"kind": "hold", "temperature": 300, "duration": 4, "sample_every": 0.01}
    inputs = {
        **job(code),
        "frames": FramesData([dimer(), bulk("Cu", cubic=True).repeat(3)]),
        "potential": soft,
        "stages": List([stage]),
        "seeds": List([1, 2]),
    }
    runner = get_manager().get_runner()
    process = instantiate_process(runner, LammpsBaseWorkChain, lammps=inputs, max_iterations=Int(4))
    told = []

    async def watch() -> None:
        while not process.paused:
            await asyncio.sleep(0.1)
        told.append(process.node.process_status)
        told.append([child.exit_status for child in calcjobs(process.node)])
        enlarge()
        process.play()

    watching = runner.loop.create_task(watch())
    runner.run(process)
    assert watching.done()
    assert f"verdi process play {process.node.pk}" in told[0] and str(folder) in told[0]
    assert told[1] == [DISK_FULL]
    assert process.node.is_finished_ok, process.node.exit_message
    assert [child.exit_status for child in calcjobs(process.node)] == [DISK_FULL, 0]
    trajectory = process.node.outputs.trajectory.frames
    for index in range(2):
        times = [f.info["time"] for f in trajectory if f.info["structure"] == index]
        assert times == pytest.approx([0.01 * (k + 1) for k in range(400)])
