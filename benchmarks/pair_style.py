"""Speed and memory of the LAMMPS pair style `allegro` beside nequip's ASE calculator.

One model, one machine, one run: molecular dynamics of copper icosahedra with the pair style on
two ranks and on one, and with ASE and nequip's compiled calculator on one thread; then the peak
memory of one process at the largest size. Without ``--model`` a model of the size one would use (32
scalar and 8 tensor features, l_max 1, one layer, 5 Å, single precision) is trained for a few epochs
first: its accuracy plays no part here.

    python benchmarks/pair_style.py
    python benchmarks/pair_style.py --sizes 13 55 --model my.nequip.zip
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from ase import Atoms, units
from ase.cluster import Icosahedron
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from aiida_nanoclusters.lammps_plugin.build import build, plugin_environment
from tests.allegro_recipe import make_compiled, make_package

SIZES = [13, 55, 147, 561, 2057, 5083]
MEMORY_SIZE = 17885
REPEATS = 3
GOAL, GOAL_AT_13, GOAL_MEMORY = 2.0, 5.0, 0.5
MODEL = {
    "r_max": 5.0,
    "l_max": 1,
    "num_layers": 1,
    "num_scalar_features": 32,
    "num_tensor_features": 8,
    "avg_num_neighbors": 40.0,
}
TEMPERATURE = 100.0  # K
TIMESTEP = 1e-4  # fs; so short that a badly trained cluster stays whole: the same edges throughout
Measure = Callable[[int, int], float]  # size, steps -> seconds
INPUT = """units metal
atom_style atomic
boundary s s s
read_data {size}.data
mass 1 63.546
pair_style allegro {options}
pair_coeff * * {model} Cu
velocity all create {temperature} 1 loop geom
fix move all nve
timestep {timestep}
thermo 1000000
run {warm_up}
run {steps}
"""


def icosahedron(size: int) -> Atoms:
    """Mackay icosahedron of `size` copper atoms."""
    for shells in range(2, 40):
        if (10 * shells**3 - 15 * shells**2 + 11 * shells - 3) // 3 == size:
            atoms = Icosahedron("Cu", shells)
            atoms.set_tags(0)
            atoms.center(vacuum=10.0)
            atoms.pbc = False
            return atoms
    raise ValueError(f"There is no icosahedron of {size} atoms; take 13, 55, 147, 309, 561, ...")


def write_data(atoms: Atoms, path: Path) -> None:
    """LAMMPS data file, atom style atomic."""
    x, y, z = atoms.cell.lengths()
    lines = ["", f"{len(atoms)} atoms", "1 atom types", f"0 {x} xlo xhi", f"0 {y} ylo yhi"]
    lines += [f"0 {z} zlo zhi", "", "Atoms # atomic", ""]
    lines += [f"{i} 1 {p[0]:.8f} {p[1]:.8f} {p[2]:.8f}" for i, p in enumerate(atoms.positions, 1)]
    path.write_text("\n".join(lines) + "\n")


def lammps_seconds(
    size: int, steps: int, folder: Path, plugin: Path, model: Path, ranks: int, options: str = ""
) -> float:
    """Seconds for `steps` steps, as LAMMPS measures its loop."""
    write_data(icosahedron(size), folder / f"{size}.data")
    script = INPUT.format(
        size=size,
        options=options,
        model=model,
        temperature=TEMPERATURE,
        timestep=TIMESTEP * 1e-3,
        warm_up=min(steps, 20),
        steps=steps,
    )
    (folder / "in.lmp").write_text(script)
    bin_folder = Path(sys.prefix) / "bin"
    launcher = [str(bin_folder / "mpirun"), "-np", str(ranks)] if ranks > 1 else []
    done = subprocess.run(
        [*launcher, str(bin_folder / "lmp"), "-in", "in.lmp", "-log", "none"],
        cwd=folder,
        env={**os.environ, **plugin_environment(plugin)},
        capture_output=True,
        text=True,
        check=False,
    )
    loops = re.findall(r"Loop time of (\S+) on", done.stdout)
    if done.returncode != 0 or len(loops) != 2:
        raise RuntimeError(f"LAMMPS failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return float(loops[1])


def ase_seconds(size: int, steps: int, calculator: object) -> float:
    """Seconds for `steps` steps of ASE's velocity Verlet."""
    atoms = icosahedron(size)
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=TEMPERATURE, rng=np.random.default_rng(1))
    dynamics = VelocityVerlet(atoms, timestep=TIMESTEP * units.fs)
    dynamics.run(min(steps, 5))
    start = time.perf_counter()
    dynamics.run(steps)
    return time.perf_counter() - start


def speeds(measures: list[Measure], size: int, seconds: float) -> list[float]:
    """Atom-steps a second of each, its best of three taken in turns, each of about `seconds`."""
    guess = max(2, 2000 // size)
    steps = [max(2, int(guess * seconds / measure(size, guess))) for measure in measures]
    best = [float("inf")] * len(measures)
    for _ in range(REPEATS):
        for i, measure in enumerate(measures):
            best[i] = min(best[i], measure(size, steps[i]) / steps[i])
    return [size / each for each in best]


def peak_memory(
    size: int, folder: Path, plugin: Path, model: Path, ranks: int, options: str
) -> float:
    """Largest resident size of a process in GB, measured in a Python of its own."""
    arguments = [size, folder, plugin, model, ranks, options]
    done = subprocess.run(
        [sys.executable, __file__, "--measure-memory", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure_memory(
    size: str, folder: str, plugin: str, model: str, ranks: str, options: str
) -> None:
    """Body of `peak_memory`: print the largest resident size among the children of this process."""
    lammps_seconds(int(size), 2, Path(folder), Path(plugin), Path(model), int(ranks), options)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="icosahedra to measure")
    parser.add_argument("--model", type=Path, help="packaged model (.nequip.zip) that knows Cu")
    parser.add_argument(
        "--work", type=Path, help="folder to keep models and plugin in between runs"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory measurement out")
    parser.add_argument("--measure-memory", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_memory:
        measure_memory(*options.measure_memory)
        return

    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).resolve()
        package = work / "model.nequip.zip"
        if options.model:
            work.mkdir(parents=True, exist_ok=True)
            package.write_bytes(options.model.read_bytes())
        else:
            print("training a model ...", flush=True)
            make_package(work, ["Cu"], dtype="float32", epochs=20, model=MODEL)
        print("compiling it for LAMMPS and for ASE, building the plugin ...", flush=True)
        for_lammps, for_ase = make_compiled(package), make_compiled(package, "ase")
        plugin = build(work / "plugin").parent
        report(options, Path(scratch), plugin, for_lammps, for_ase)


def report(
    options: argparse.Namespace, folder: Path, plugin: Path, for_lammps: Path, for_ase: Path
) -> None:
    """Measure and print."""
    from nequip.integrations.ase import NequIPCalculator

    calculator = NequIPCalculator.from_compiled_model(
        str(for_ase), device="cpu", chemical_species_to_atom_type_map=True
    )

    def lammps(ranks: int) -> Measure:
        return lambda size, steps: lammps_seconds(size, steps, folder, plugin, for_lammps, ranks)

    def ase(size: int, steps: int) -> float:
        return ase_seconds(size, steps, calculator)

    if os.getloadavg()[0] > 0.7:
        print(
            f"The machine is busy (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores): two "
            "ranks wait for each other in a busy loop and suffer most. Measure on a quiet machine."
        )
    print("\n1000 atom-steps/s")
    heads = ("2 ranks", "1 rank", "ASE", "2 ranks/ASE", "1 rank/ASE")
    print("{:>6} {:>9} {:>9} {:>9} {:>12} {:>11}  goal".format("N", *heads))
    for size in options.sizes:
        two, one, slow = (
            speed / 1000 for speed in speeds([lammps(2), lammps(1), ase], size, options.seconds)
        )
        goal = GOAL_AT_13 if size == 13 else GOAL
        verdict = "met" if two / slow >= goal else "MISSED"
        print(
            f"{size:6d} {two:9.1f} {one:9.1f} {slow:9.1f} {two / slow:12.1f} {one / slow:11.1f}"
            f"  {goal:.0f} x {verdict}",
            flush=True,
        )
    if not options.no_memory:
        print(f"\nPeak memory of a process at N = {MEMORY_SIZE}, GB (goal: below {GOAL_MEMORY})")
        for ranks, chunk in ((1, ""), (2, ""), (1, "chunk 0")):
            used = peak_memory(MEMORY_SIZE, folder, plugin, for_lammps, ranks, chunk)
            label = f"{ranks} rank{'s' if ranks > 1 else ''}, {chunk or 'chunks of 256 centres'}"
            print(f"{label:32} {used:6.2f}", flush=True)


if __name__ == "__main__":
    main()
