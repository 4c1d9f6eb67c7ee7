"""A scan of sizes on the cluster of the tests, disturbed or not, and what became of it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable

from tests.chaos.faults import Chaos, workers
from tests.laptop import CLI, Home
from tests.services.fixtures import Services

LOOK = """
import json, sys
from aiida import load_profile, orm

load_profile()
chain = orm.load_node(sys.argv[1])
jobs = [node for node in chain.called_descendants if isinstance(node, orm.CalcJobNode)]
ended = chain.is_terminated
below = [node for node in chain.called_descendants if isinstance(node, orm.ProcessNode)]
print(json.dumps({
    "ended": ended,
    "exit": chain.exit_status,
    "state": str(chain.process_state),
    "table": chain.outputs.table.get_dict() if ended and "table" in chain.outputs else None,
    "done": sum(job.is_finished_ok for job in jobs),
    "failed": sum(job.is_terminated and not job.is_finished_ok for job in jobs),
    "ids": sorted(int(job.get_job_id()) for job in jobs if job.get_job_id()),
    "paused": [
        f"{n.process_label}<{n.pk}>" for n in below if n.paused and not n.is_terminated
    ],
    "copied": sum(job.base.caching.is_created_from_cache for job in jobs),
    "twice": len(done := [job.base.caching.compute_hash() for job in jobs if job.is_finished_ok])
        - len(set(done)),
}))
"""
PATIENCE = 300.0  # s without a change after which the daemon is restarted, as a user would


class Scan:
    """A scan of sizes in the daemon's hands."""

    def __init__(self, home: Home, sizes: str, atom_steps: float, jobs: int, log):
        self.home = home
        (home.path / "look.py").write_text(LOOK)
        command = [
            *(sys.executable, "-m", CLI, "run", "size-scan", "--protocol", "trial"),
            *("--sizes", sizes, "--potential-file", "Cu_mishin1.eam.alloy", "--jobs", str(jobs)),
            *("--lammps", "lammps@cluster", "--set", f"anneal.atom_steps_per_job={atom_steps:g}"),
            *("--set", "size_scan.lowest_structures=null"),
        ]
        self.log = log
        self.process = subprocess.Popen(
            command,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            env=home.variables,
        )
        self.uuid = self._uuid()

    def _uuid(self) -> str:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            for line in self.log.read_text().splitlines():
                if line.startswith("SizeScanWorkChain "):
                    return line.split()[1]
            if self.process.poll():
                break
            time.sleep(1)
        raise AssertionError(f"the scan was not submitted: {self.log.read_text()[-1500:]}")

    def look(self) -> dict | None:
        """What became of it so far; None where the database does not answer."""
        done = self.home.run("aiida", "run", str(self.home.path / "look.py"), self.uuid)
        return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def next_job(services: Services) -> int:
    """The number that Slurm gives to the next job."""
    config = services.slurm("scontrol", "show", "config")
    (line,) = [line for line in config.splitlines() if line.startswith("NEXT_JOB_ID")]
    return int(line.split("=")[1])


def follow(scan: Scan, say: Callable[[str], None], chaos: Chaos | None, limit: float) -> dict:
    """Wait for the end of a scan, as its user would; what became of it.

    ``revived`` are the occasions on which nothing moved until the daemon was restarted by `setup`.
    """
    start = moved = time.monotonic()
    state: tuple | None = None
    revived = 0
    while time.monotonic() - start < limit:
        found = scan.look()
        if found and found["ended"]:
            return {**found, "seconds": time.monotonic() - start, "revived": revived}
        if found and (found["done"], found["failed"], found["ids"]) != state:
            moved, state = time.monotonic(), (found["done"], found["failed"], found["ids"])
            say(f"jobs: {found['done']} done, {found['failed']} failed")
        if chaos and found and found["paused"]:
            chaos.play(found["paused"])
        if time.monotonic() - moved > PATIENCE:
            revived += 1
            say("nothing moves: verdi daemon stop, setup")
            scan.home.run("aiida", "daemon", "stop")
            done = scan.home.run(CLI, "setup", str(scan.home.folder))
            say((done.stdout or done.stderr).splitlines()[-1])
            moved = time.monotonic()
        time.sleep(8)
    raise TimeoutError(f"not ended after {limit} s, {len(workers(scan.home))} workers: {state}")
