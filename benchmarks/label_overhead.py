"""What the workflow costs per labelled frame, against one process for each frame.

verdi run benchmarks/label_overhead.py --frames 1000 --single 5
verdi run benchmarks/label_overhead.py --frames 500 --single 5 --calculator sevennet

Both sides are submitted to the daemon on the code `lammps@localhost` (`aiida-nanoclusters setup`
makes it), which looks at running jobs as often as the profile says. The time LAMMPS itself takes
is subtracted, so that what is left is the workflow's. With a calculator the labels per second are
given as well, beside those of a plain script that is started for each frame.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from aiida.engine import submit
from aiida.orm import CalcJobNode, Int, load_code
from ase import Atoms

from aiida_nanoclusters.cli.launch.nodes import CalculatorChoice, get_calculator
from aiida_nanoclusters.cli.launch.options import get_potential
from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain


def make_frames(count: int, seed: int) -> FramesData:
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3)[:13] * 2.5
    return FramesData(
        [Atoms("Cu13", positions=grid + rng.normal(scale=0.1, size=(13, 3))) for _ in range(count)]
    )


def label(
    frames: FramesData, batch_size: int, potential: PotentialData
) -> tuple[float, float, int]:
    """Seconds in all, seconds from submission to end of the LAMMPS runs, number of jobs."""
    code = load_code("lammps@localhost")
    builder = LabelWorkChain.get_builder_for_potential(code, frames, potential, options_of(code))
    builder.batch_size = Int(batch_size)
    start = time.perf_counter()
    node = submit(builder)
    while not node.is_terminated:
        time.sleep(0.02)
    seconds = time.perf_counter() - start
    assert node.is_finished_ok, node.exit_message
    jobs = [child for child in node.called_descendants if isinstance(child, CalcJobNode)]
    lammps = 0.0
    for job in jobs:
        text = (Path(job.outputs.remote_folder.get_remote_path()) / "log.lammps").read_text()
        clock = text.rsplit("Total wall time:", 1)[1].split()[0]
        hours, minutes, rest = (float(x) for x in clock.split(":"))
        lammps += 3600 * hours + 60 * minutes + rest
    return seconds, lammps, len(jobs)


SCRIPT = """
import sys
from ase.io import read
from aiida_nanoclusters.formats.calculators.calculator_server import evaluate, make_calculator
atoms = read(sys.argv[1])
atoms.calc = make_calculator({described!r})
evaluate(atoms)
"""


def script_for_each(frames: FramesData, potential: PotentialData) -> float:
    """Seconds of a process for each frame, one after the other."""
    script = SCRIPT.format(described=potential.calculator_description)
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        for atoms in frames.frames:
            path = Path(folder) / "frame.extxyz"
            atoms.write(path)
            subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(path)], check=True)
    return time.perf_counter() - start


@click.command()
@click.option("--frames", default=1000, show_default=True)
@click.option("--single", default=5, show_default=True, help="Frames labelled one by one.")
@click.option("--calculator", help="Name or import path. Default: Mishin's copper by LAMMPS.")
def main(frames: int, single: int, calculator: str | None) -> None:
    """Time both."""
    seed = int(time.time())  # frames no cache has seen
    if calculator:
        potential = get_calculator(CalculatorChoice.of(calculator, elements="Cu"), None)
    else:
        potential = get_potential("Cu_mishin1.eam.alloy", "eam/alloy", None)
    many = label(make_frames(frames, seed), frames, potential)
    few = label(make_frames(single, seed + 1), 1, potential)
    for name, count, (seconds, lammps, jobs) in (
        (
            ("one job", frames, many),
            ("a job each", single, few),
        )
        if not calculator
        else ()
    ):  # its jobs share the cores: their times do not add up
        each = 1000 * (seconds - lammps) / count
        print(
            f"{name:12} {count:6} frames {jobs:4} jobs {seconds:8.2f} s, LAMMPS {lammps:.0f} s, "
            f"workflow {each:8.2f} ms a frame"
        )
    if not calculator:
        ratio = (few[0] - few[1]) / single / ((many[0] - many[1]) / frames)
        print(f"ratio {ratio:.0f}")
    else:
        plain = script_for_each(make_frames(single, seed + 2), potential)
        for name, count, seconds in (
            ("one job", frames, many[0]),
            ("a job each", single, few[0]),
            ("a script each", single, plain),
        ):
            print(f"{name:14} {count / seconds:8.3f} labels/s")


if __name__ == "__main__":
    main()
