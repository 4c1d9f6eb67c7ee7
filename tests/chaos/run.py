"""A scan of sizes through Slurm, undisturbed and while faults happen: equal tables of energies.

``python -m tests.chaos.run --sizes 7-206 --minutes 15 --every 30 --seed 1`` says what happens,
and keeps it in a folder that git ignores. Exit code 1 if the tables differ or a job ran twice.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from tests.chaos.faults import Chaos, small_disk, workers
from tests.chaos.scan import Scan, follow, next_job
from tests.laptop import Home
from tests.services.fixtures import Services, run_services, user_of
from tests.services.process import wait_for
from tests.services.slurm import PARTITION

OUT = Path(__file__).parents[2] / "build" / "long"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="7-206", help="numbers of atoms")
    parser.add_argument("--minutes", type=float, default=15.0, help="that faults happen for")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two faults")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--atom-steps", type=float, default=1e6, help="work of one job")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds that a scan may take")
    parser.add_argument("--jobs", type=int, default=4, help="annealings at a time")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers end with it
    OUT.mkdir(parents=True, exist_ok=True)
    with (
        run_services() as services,
        tempfile.TemporaryDirectory() as name,
        user_of(services, Path(name) / "home") as home,
    ):
        problems = compare(services, home, asked, OUT / f"chaos-{asked.seed}")
    print("\n".join(problems) or "the tables are equal, nothing ran twice")
    return int(bool(problems))


def compare(services: Services, home: Home, asked: argparse.Namespace, out: Path) -> list[str]:
    """Scan twice, once while faults happen; what is wrong with that one.

    Jobs are not taken from the cache, so that both are computed.
    """
    begin = time.monotonic()
    log = out.with_suffix(".log").open("w")

    def say(line: str) -> None:
        for stream in (log, sys.stdout):
            print(f"{time.monotonic() - begin:6.0f} s  {line}", file=stream, flush=True)

    home.run("aiida", "daemon", "stop")
    wait_for("the end of the workers", lambda: not workers(home), 120)
    job = "aiida.calculations:nanoclusters.lammps"
    done = home.run("aiida", "config", "set", "caching.disabled_for", job)
    assert done.returncode == 0, done.stderr
    assert home.setup()["daemon"] == "made"
    found, taken = {}, []
    for how in ("disturbed", "undisturbed"):
        with small_disk(home.path / "scratch") as mounted:
            chaos = Chaos(services, home, asked.seed, say) if how == "disturbed" else None
            if chaos and not mounted:
                del chaos.faults["disk full"]
            first = next_job(services)
            scan = Scan(home, asked.sizes, asked.atom_steps, asked.jobs, out.with_suffix(f".{how}"))
            say(f"{how}: {scan.uuid}")
            with chaos.going_on(asked.minutes, asked.every) if chaos else nullcontext():
                found[how] = follow(scan, say, chaos, asked.limit)
            scan.process.wait(120)
            if chaos:
                taken = list(range(first, next_job(services)))
        summary = {key: value for key, value in found[how].items() if key not in ("table", "ids")}
        say(f"{how}: {summary}; terminal {scan.process.returncode}")
        out.with_suffix(".json").write_text(json.dumps(found, indent=1))
        if chaos:
            say(f"faults: {chaos.counts}, played {chaos.played} times")
    problems = differences(found["undisturbed"], found["disturbed"])
    if unknown := sorted(set(taken) - set(found["disturbed"]["ids"])):
        problems.append(f"jobs of Slurm that AiiDA does not know: {unknown}")
    if left := services.slurm("squeue", "-h", "-p", PARTITION):
        problems.append(f"still in the queue: {left}")
    for line in problems:
        say(line)
    return problems


def differences(undisturbed: dict, disturbed: dict) -> list[str]:
    """What differs between two scans, and what the second did that it must not."""
    problems = []
    for how, found in (("undisturbed", undisturbed), ("disturbed", disturbed)):
        if found["exit"] != 0:
            problems.append(f"{how}: {found['state']}, exit code {found['exit']}")
        if found["twice"] or found["copied"]:
            problems.append(f"{how}: {found['twice']} jobs twice, {found['copied']} from the cache")
    if undisturbed["table"] is None or undisturbed["table"] != disturbed["table"]:
        problems.append("the tables of energies differ")
    return problems


if __name__ == "__main__":
    sys.exit(main())
