"""Faults of real servers while an annealing runs on Slurm: nothing is lost, nothing done twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.chaos.faults import small_disk, workers
from tests.laptop import CLI
from tests.services.process import wait_for
from tests.services.slurm import URGENT

pytestmark = pytest.mark.faults

LOOK = """
import json, sys
from aiida import load_profile, orm

load_profile()
chain = orm.load_node(sys.argv[1])
jobs = [node for node in chain.called_descendants if isinstance(node, orm.CalcJobNode)]
if not chain.is_terminated:
    sys.exit("it has not ended")
print(json.dumps({
    "exit": chain.exit_status,
    "sizes": sorted(set(int(n) for n in chain.outputs.structures.sizes)),
    "jobs": sorted(
        [j.pk, int(j.get_job_id()), j.exit_status, j.base.caching.get_hash()] for j in jobs
    ),
}))
"""
SIZES = (309, 400)
OUT_OF_WALLTIME, PREEMPTED, DISK_FULL = 320, 141, 301


class Annealing:
    """One annealing of two sizes on the cluster, in the daemon's hands."""

    def __init__(self, home, services, seed: int, *options: str, sizes=SIZES, protocol="tutorial"):
        self.home, self.services, self.sizes = home, services, sizes
        self.taken = self.next_id()
        command = [
            sys.executable, "-m", "aiida", "run", "workchains/anneal.py", "--protocol", protocol,
            "--sizes", ",".join(map(str, sizes)), "--potential-file", "Cu_mishin1.eam.alloy",
            "--lammps", "lammps@cluster", "--seed", str(seed),
            *(word for text in options for word in ("--options", text)),
        ]  # fmt: skip
        environment = {**os.environ, "AIIDA_PATH": str(home.path), **home.environment}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )

    def next_id(self) -> int:
        config = self.services.slurm("scontrol", "show", "config")
        (line,) = [line for line in config.splitlines() if line.startswith("NEXT_JOB_ID")]
        return int(line.split("=")[1])

    def processes(self) -> list[tuple[int, psutil.Process]]:
        """All processes in jobs of this annealing, with the number of the job."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                number = int(environment.get("SLURM_JOB_ID", -1))
                ours = environment.get("SLURM_CONF") == str(self.services.slurm.config)
                if ours and number >= self.taken:
                    found.append((number, process))
        return found

    def running_job(self) -> str:
        """Wait for the job that does molecular dynamics; its number."""
        found: list[int] = []

        def ready() -> bool:
            assert not self.process.poll(), self.process.communicate()[0]
            for number, process in self.processes():
                with contextlib.suppress(psutil.Error):  # the relaxation before it is quicker
                    if process.name() == "lmp" and time.time() - process.create_time() > 5:
                        found.append(number)
            return bool(found)

        wait_for("a job that runs", ready, 300)
        return str(found[0])

    def end(self) -> dict:
        """Wait for it; what became of it."""
        out, _ = self.process.communicate(timeout=800)
        self.said = out
        begin = [line for line in out.splitlines() if line.startswith("AnnealWorkChain ")]
        assert begin, out
        line = begin[0]
        (self.home.path / "look.py").write_text(LOOK)
        found: list[dict] = []

        def has_ended() -> bool:  # where the terminal lost sight of it, it still goes on
            done = self.home.run("aiida", "run", str(self.home.path / "look.py"), line.split()[1])
            if done.returncode == 0:
                found.append(json.loads(done.stdout.splitlines()[-1]))
            return done.returncode == 0

        wait_for(f"the end, after {out[-800:]}", has_ended, 200)
        return found[0]


def check(found: dict, annealing: Annealing, interrupted: list[str], others=()) -> None:
    """All sizes are there; only the interrupted jobs were not successful, and followed up."""
    assert found["exit"] == 0
    assert tuple(found["sizes"]) == annealing.sizes
    ids = [*(job[1] for job in found["jobs"]), *others]
    assert sorted(ids) == list(range(annealing.taken, annealing.next_id()))  # no job but ours
    failed = [str(job[1]) for job in found["jobs"] if job[2] != 0]
    assert failed == interrupted
    hashes = [job[3] for job in found["jobs"] if job[2] == 0]
    assert len(set(hashes)) == len(hashes)
    assert annealing.services.slurm.jobs() == []


def exit_status_of(found: dict, number: str) -> int:
    return next(job[2] for job in found["jobs"] if str(job[1]) == number)


@pytest.fixture
def annealing(cluster, services):
    started = []

    def start(seed: int, *options: str, **kwargs) -> Annealing:
        started.append(Annealing(cluster, services, seed, *options, **kwargs))
        return started[0]

    yield start
    for one in started:
        one.process.kill()


def test_cancelled_job(annealing, services):
    run = annealing(1)
    number = run.running_job()
    services.slurm("scancel", number)
    check(run.end(), run, [number])


def test_job_beyond_its_walltime(annealing):
    """LAMMPS stops by itself half a minute before, and the next job goes on from there."""
    run = annealing(2, "anneal.walltime=60", sizes=(55,), protocol="moderate")
    found = run.end()
    cut = [str(job[1]) for job in found["jobs"] if job[2] == OUT_OF_WALLTIME]
    assert cut
    check(found, run, cut)


def test_lost_node(annealing, services):
    """slurmd and all that runs on its node die, and come back after a while."""
    run = annealing(3)
    number = run.running_job()
    services.slurm.slurmd.stop(signal.SIGKILL)
    for _, process in run.processes():
        with contextlib.suppress(psutil.Error):  # with what looks after them
            for one in (*process.parents(), process):
                if one.pid > 1:
                    one.kill()
    time.sleep(15)
    services.slurm.start_node()
    check(run.end(), run, [number])


def test_preempted_job(annealing, services):
    """Slurm would start it again by itself, but is told not to: the next job goes on."""
    run = annealing(7)
    number = run.running_job()
    urgent = ("sbatch", "--parsable", "-p", URGENT, "-n", "2", "-o", "/dev/null")
    other = services.slurm(*urgent, "--wrap", "sleep 10").strip()
    found = run.end()
    check(found, run, [number], [int(other)])
    assert exit_status_of(found, number) == PREEMPTED


@pytest.fixture
def small_scratch(cluster):
    """The folder of the jobs on a disk of its own, just above what is refused before a launch."""
    with small_disk(cluster.path / "scratch") as mounted:
        if not mounted:
            pytest.skip("only root may mount a file system")
        yield cluster.path / "scratch"


def test_full_disk(annealing, cluster, small_scratch):
    """The work chain waits until a person has made room and says so."""
    run = annealing(8)
    number = run.running_job()
    filler = small_scratch / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as handle:
        while handle.write(bytes(1 << 16)):
            pass
    listing = ("process", "list", "--paused", "--raw", "--project", "pk", "process_status")

    def waits() -> bool:
        return "verdi process play" in cluster.run("aiida", *listing).stdout

    wait_for("a work chain that waits for space", waits, 200)
    filler.unlink()
    cluster.run("aiida", "process", "play", "--all")
    found = run.end()
    check(found, run, [number])
    assert exit_status_of(found, number) == DISK_FULL


def test_killed_worker(annealing, cluster):
    """The daemon starts another one, which takes up all processes where they stood."""
    run = annealing(9)
    run.running_job()
    killed = workers(cluster)
    assert killed
    for process in killed:
        process.kill()
    check(run.end(), run, [])
    assert set(workers(cluster)).isdisjoint(killed)


def test_stopped_daemon(annealing, cluster):
    """Jobs run on without it."""
    run = annealing(10)
    run.running_job()
    cluster.run("aiida", "daemon", "stop")
    wait_for("the end of the workers", lambda: not workers(cluster), 120)
    time.sleep(20)
    assert cluster.setup()["daemon"] == "made"
    check(run.end(), run, [])


def test_rabbitmq_restarts(annealing, services, cluster):
    """The worker ends with its connection: one that goes on ends processes that change state."""
    run = annealing(4)
    run.running_job()
    cut = workers(cluster)
    log = cluster.path / ".aiida" / "daemon" / "log" / "aiida-nanoclusters.log"
    words = "aiida.nanoclusters: [WARNING] the broker is lost"
    before = log.read_text().count(words)
    services.rabbitmq.stop()
    wait_for("the end of the workers", lambda: set(workers(cluster)).isdisjoint(cut), 30)
    services.rabbitmq.start()
    check(run.end(), run, [])
    cluster.run("aiida", "daemon", "stop")  # which is no loss of the broker
    assert log.read_text().count(words) == before + len(cut)
    assert cluster.setup()["daemon"] == "made"


def test_postgresql_restarts(annealing, services, cluster):
    """The worker ends with its connection, the daemon starts another; the terminal goes on."""
    run = annealing(5)
    run.running_job()
    cut = workers(cluster)
    assert cut
    services.postgresql.stop()
    status = cluster.run(CLI, "status")
    assert status.returncode == 2
    assert "start PostgreSQL" in status.stderr
    services.postgresql.start()
    wait_for("another worker", lambda: set(workers(cluster)).isdisjoint(cut), 60)
    check(run.end(), run, [])
    assert run.process.returncode == 0, run.said  # its terminal saw the end
    assert run.said.count("The database does not answer") == 1


def test_postgresql_restarts_while_nothing_runs(annealing, services, cluster):
    """A worker that has not yet seen a process of ours is replaced before it gets one."""
    cluster.run("aiida", "daemon", "stop")
    wait_for("the end of the workers", lambda: not workers(cluster), 120)
    assert cluster.setup()["daemon"] == "made"
    services.postgresql.stop()
    services.postgresql.start()
    run = annealing(11)
    check(run.end(), run, [])


def test_ssh_is_cut_for_a_minute(annealing, services):
    run = annealing(6)
    run.running_job()
    services.ssh.stop()
    time.sleep(60)
    services.ssh.start()
    check(run.end(), run, [])
