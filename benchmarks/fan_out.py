"""What a scan of many sizes costs beside LAMMPS, and how much memory the daemon's workers take.

verdi run benchmarks/fan_out.py --lammps lammps@cluster --sizes 200 --workers 1 --workers 2
python -m benchmarks.fan_out --services --sizes 200 --workers 1 --workers 2

Every size is relaxed and moved for ten steps by an EAM potential, so that nearly all of the time
measured is that of the workflow. Each scan begins with a fresh daemon: the profile's own is stopped
and started again afterwards with as many workers as it had. With `--services` PostgreSQL, RabbitMQ,
Slurm and SSH are started for this run alone by the servers of tests/services, and a profile as
profiles/slurm-cpu makes it.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import psutil
from aiida.engine import submit
from aiida.engine.daemon.client import get_daemon_client
from aiida.engine.processes.control import kill_processes
from aiida.orm import CalcJobNode, Dict, Int, ProcessNode, QueryBuilder, WorkChainNode, load_code

from aiida_nanoclusters.cli.launch.options import get_potential
from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.cli.progress.counts import TERMINATED
from aiida_nanoclusters.workflows.stability.size_scan import SizeScanWorkChain

RELAX = [{"kind": "relax", "force_tolerance": 0.05}]
HOLD = [{"kind": "hold", "temperature": 300, "duration": 0.02, "timestep": 0.002}]
SETTINGS = {"starts": 1, "keep": 1, "stages": HOLD + RELAX, "relax_stages": RELAX}
INTERVAL = 3.0  # s between two looks
PATIENCE = 60.0  # s for a scan to end that is killed, and for the daemon to answer


@dataclass
class Sample:
    """One look: seconds since submission, processes that ended, jobs under way, MB by worker."""

    seconds: float
    ended: int
    jobs: int
    memory: list[float]
    cpu: float


def look(root: ProcessNode, start: float) -> Sample:
    def count(kind: type, condition: dict) -> int:
        filters = {"id": {">": root.pk}, "attributes.process_state": condition}
        return QueryBuilder().append(kind, filters=filters).count()

    info = get_daemon_client().get_worker_info(timeout=PATIENCE)["info"]
    workers = [psutil.Process(int(pid)) for pid in info]
    return Sample(
        time.monotonic() - start,
        count(ProcessNode, {"in": TERMINATED}),
        count(CalcJobNode, {"!in": TERMINATED}),
        [worker.memory_info().rss / 1e6 for worker in workers],
        sum(sum(worker.cpu_times()[:2]) for worker in workers),
    )


def follow(root: ProcessNode, minutes: float) -> list[Sample]:
    """Look at a scan until it ends, or is killed because its time is up."""
    start = time.monotonic()
    samples = [look(root, start)]
    while not root.is_terminated and samples[-1].seconds < 60 * minutes:
        time.sleep(INTERVAL)
        samples.append(look(root, start))
    end = time.monotonic() + PATIENCE
    while not root.is_terminated and time.monotonic() < end:
        kill_processes([root], timeout=PATIENCE)
    return samples


def scan(code, sizes: range, jobs: int, atom_steps: float, minutes: float):
    """Scan these sizes; the samples, sizes done, LAMMPS jobs, and seconds LAMMPS ran."""
    potential = get_potential("Cu_mishin1.eam.alloy", "eam/alloy", None)
    ranges = {"ranges": [[sizes[0], sizes[-1]]]}
    builder = SizeScanWorkChain.get_builder_from_protocol(
        code, {"eam": potential}, "Cu", "tutorial", ranges, options_of(code)
    )
    builder.settings = Dict({**SETTINGS, "atom_steps_per_job": atom_steps})
    builder.seed = Int(int(time.time()))  # starts no cache has seen
    builder.max_concurrent = Int(jobs)
    root = submit(builder)
    samples = follow(root, minutes)
    if root.is_finished and not root.is_finished_ok:
        raise click.ClickException(f"{root.uuid} failed: {root.exit_message}")
    done = {"id": {">": root.pk}, "attributes.exit_status": 0}
    annealed = {**done, "attributes.process_label": "AnnealWorkChain"}
    chains = QueryBuilder().append(WorkChainNode, filters=annealed).all(flat=True)
    ended = QueryBuilder().append(CalcJobNode, filters=done).all(flat=True)
    reports = [job.outputs.report["structures"] for job in ended]
    lammps = sum(entry["wall_time"] for report in reports for entry in report)
    return samples, sum(len(chain.inputs.sizes) for chain in chains), len(ended), lammps


def growth(samples: list[Sample]) -> float:
    """MB that the workers grow by in 100 processes, once a third of all has ended."""
    last = samples[-1].ended
    late = [s for s in samples if s.ended >= last / 3]
    if len({s.ended for s in late}) < 2:
        return float("nan")
    slope = np.polyfit([s.ended for s in late], [sum(s.memory) for s in late], 1)[0]
    return float(100 * slope)


def print_scan(workers: int, atom_steps: float, samples, done: int, jobs: int, lammps: float):
    seconds, cpu = samples[-1].seconds, samples[-1].cpu - samples[0].cpu
    ended, memory = samples[-1].ended, [sum(s.memory) for s in samples]
    print(
        f"{workers} worker(s), {atom_steps:g} atom-steps a job: {done} sizes, {jobs} jobs, {ended} "
        f"processes in {seconds:.0f} s, LAMMPS {lammps:.1f} s\n"
        f"  besides LAMMPS {(seconds - lammps) / max(1, done):.2f} s a size "
        f"({cpu / max(1, done):.2f} s of the workers' CPU), {seconds / max(1, jobs):.2f} s a job\n"
        f"  at most {max(s.jobs for s in samples)} jobs at once; workers take {memory[0]:.0f} MB, "
        f"{memory[-1]:.0f} MB at the end, {growth(samples):+.2f} MB in 100 processes"
    )
    for part in range(11):
        s = samples[round(part * (len(samples) - 1) / 10)]
        each = " ".join(f"{m:.0f}" for m in s.memory)
        print(f"    {s.seconds:6.0f} s {s.ended:6} processes {s.jobs:3} jobs   {each} MB")
    sys.stdout.flush()


def restart(workers: int) -> None:
    """Stop the daemon where it runs; start it again with so many workers, if any."""
    client = get_daemon_client()
    if client.is_daemon_running:
        client.stop_daemon(wait=True, timeout=PATIENCE)
    if workers:
        client.start_daemon(workers, timeout=PATIENCE)


def on_services(arguments: list[str]) -> int:
    """Run this benchmark on servers and in a profile of its own; its exit status."""
    from tests.services.fixtures import run_services, user_of

    with (
        tempfile.TemporaryDirectory(prefix="fan-out-") as folder,
        run_services() as services,
        user_of(services, Path(folder) / "home") as home,
    ):
        command = [sys.executable, "-m", "aiida", "run", "benchmarks/fan_out.py", *arguments]
        return subprocess.run(command, env=home.variables, check=False).returncode


@click.command()
@click.option("--sizes", "count", default=200, show_default=True, help="Sizes, from 7 atoms on.")
@click.option("--workers", multiple=True, type=int, default=(1, 2), show_default=True)
@click.option("--jobs", default=4, show_default=True, help="Jobs at once.")
@click.option(
    "--atom-steps", multiple=True, type=float, default=(1.0,), show_default=True,
    help="What one job carries; 1: each size its own.",
)  # fmt: skip
@click.option("--minutes", default=60.0, show_default=True, help="After which a scan is killed.")
@click.option("--lammps", default="lammps@cluster", show_default=True)
@click.option("--services", is_flag=True, help="Start servers and a profile for this run alone.")
def main(count, workers, jobs, atom_steps, minutes, lammps, services) -> None:
    """Scan with every number of workers, side by side."""
    if services:
        sys.exit(on_services([word for word in sys.argv[1:] if word != "--services"]))
    client, code = get_daemon_client(), load_code(lammps)
    before = client.get_number_of_workers(timeout=PATIENCE) if client.is_daemon_running else 0
    try:
        for steps, number in product(atom_steps, workers):
            restart(number)
            found = scan(code, range(7, 7 + count), jobs, steps, minutes)
            print_scan(number, steps, *found)
    finally:
        restart(before)


if __name__ == "__main__":
    main()
