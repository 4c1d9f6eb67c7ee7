"""Known thermodynamics: heat capacities of Lennard-Jones clusters by parallel tempering.

python -m benchmarks.lennard_jones_thermodynamics tempering 13 --folder /tmp/lj13
python -m benchmarks.lennard_jones_thermodynamics tempering 38 --folder /tmp/lj38
python -m benchmarks.lennard_jones_thermodynamics metropolis 13 --file /tmp/mc13.npz
python -m benchmarks.lennard_jones_thermodynamics compare --folder /tmp/lj13 --file /tmp/mc13.npz
python -m benchmarks.lennard_jones_thermodynamics funnels --folder /tmp/lj38
python -m benchmarks.lennard_jones_thermodynamics superposition 38

Units are those of the potential: energies in its depth, lengths in sigma, temperatures in depth/k.
A run that is interrupted goes on where it was. `metropolis` shares nothing with the driver: Monte
Carlo of its own in the same sphere, at each temperature by itself, without swaps or reweighting.
Nor does `superposition`: harmonic partition functions of minima that basin hopping finds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import numpy as np
from ase import Atoms
from ase.units import kB

from aiida_nanoclusters.formats.lammps.potential_lines import Interaction
from aiida_nanoclusters.formats.lammps.tempering import (
    FRAMES_FILE,
    JOB_FILE,
    SWAPS_FILE,
    frame_record,
    read_records,
    run_folder,
    swap_record,
)
from aiida_nanoclusters.formats.lammps.tempering_job import STIFFNESS, TemperingJob
from aiida_nanoclusters.science.keys import (
    HEAT_CAPACITIES,
    HEAT_CAPACITY_ERRORS,
    POPULATION_ERRORS,
    POPULATIONS,
    POTENTIAL_ENERGIES,
    POTENTIAL_ENERGY_ERRORS,
    TEMPERATURES,
)
from aiida_nanoclusters.science.recognition.packing_family import name_family
from aiida_nanoclusters.science.recognition.symmetry import symmetry_operations
from aiida_nanoclusters.science.sampling.parallel_tempering import (
    SwapTable,
    geometric_ladder,
    pair_acceptance,
    round_trips,
)
from aiida_nanoclusters.science.sampling.reweighting import Reweighting
from aiida_nanoclusters.science.structures.motifs import (
    incomplete_icosahedron,
    truncated_octahedron,
)
from tests.cluster_potentials import EPSILON, LJ_MINIMA, SIGMA, LennardJones, relaxed

#: Lowest and highest temperature, number of replicas and radius of the sphere by size.
RUNS = {13: (0.15, 0.42, 14, 2.5), 38: (0.1, 0.2, 13, 2.65), 55: (0.2, 0.36, 16, 3.0)}
#: Lowest energies of the Cambridge Cluster Database, in the depth of the potential.
LOWEST = {**LJ_MINIMA, 38: -173.928427}
#: Distance of neighbours at the minimum (Å).
BOND = 2 ** (1 / 6) * SIGMA
#: Every pair of atoms interacts (Å).
CUTOFF = 40.0


def ladder(size: int) -> np.ndarray:
    lowest, highest, count, _ = RUNS[size]
    return geometric_ladder(lowest, highest, count)


def starts(size: int) -> np.ndarray:
    """Return the truncated octahedron and an icosahedral cluster, or the latter alone; Å."""
    shapes = [incomplete_icosahedron("Ar", size, BOND)]
    if size == 38:
        shapes.insert(0, truncated_octahedron("Ar", 4, 1, BOND))
    return np.array([atoms.positions for atoms in shapes])


@click.group()
def cli() -> None:
    pass


@cli.command()
@click.argument("size", type=int)
@click.option("--folder", type=Path, required=True)
@click.option("--attempts", default=4000, show_default=True)
@click.option("--interval", default=100, show_default=True, help="Steps between two attempts.")
@click.option("--sample", default=10, show_default=True, help="Attempts between sampled frames.")
@click.option("--start", type=int, help="Begin all replicas with this start (0 is fcc at 38).")
@click.option("--seed", default=1, show_default=True)
def tempering(
    size: int,
    folder: Path,
    attempts: int,
    interval: int,
    sample: int,
    start: int | None,
    seed: int,
) -> None:
    """Run, or continue, parallel tempering by molecular dynamics."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = starts(size)
    parameters = {"epsilon": EPSILON, "sigma": SIGMA}
    job = TemperingJob(
        interaction=Interaction("lj/cut", ("Ar",), CUTOFF, parameters),
        symbols=["Ar"],
        types=[1] * size,
        starts=shapes if start is None else shapes[[start]],
        temperatures=(ladder(size) * EPSILON / kB).tolist(),
        timestep=0.01,
        damping=2.0,
        interval=interval,
        equilibration=attempts // 5,
        attempts=attempts,
        sample=sample,
        seed=seed,
        radius=RUNS[size][3] * SIGMA,
        fragment_distance=2 * BOND,
        relax_tolerance=1e-4,
    )
    if not (folder / JOB_FILE).exists():
        (folder / JOB_FILE).write_text(job.as_json())
    begun = time.time()
    print(run_folder(folder), f"{time.time() - begun:.0f} s")


def read_run(folder: Path) -> tuple[SwapTable, int, np.ndarray]:
    """Return the table of swaps, the attempts of the equilibration and the confinement's part."""
    job = json.loads((folder / JOB_FILE).read_text())
    rows = read_records(folder / SWAPS_FILE, swap_record(len(job["temperatures"])))
    ladder = np.array(job["temperatures"])
    table = SwapTable(ladder, rows["step"], rows["temperature"], rows["energy"], rows["wall"])
    return table, job["equilibration"], rows["wall"]


def reweighted(folder: Path) -> tuple[Reweighting, int]:
    table, first, _ = read_run(folder)
    size = len(json.loads((folder / JOB_FILE).read_text())["types"])
    return Reweighting(table.temperatures, table.energies[first:]), size


@cli.command()
@click.argument("size", type=int)
@click.option("--file", type=Path, required=True)
@click.option("--sweeps", default=60_000, show_default=True)
@click.option("--walkers", default=8, show_default=True, help="At each temperature.")
@click.option("--seed", default=1, show_default=True)
def metropolis(size: int, file: Path, sweeps: int, walkers: int, seed: int) -> None:
    """Sample the same ensemble by Metropolis Monte Carlo, each temperature by itself."""
    rng = np.random.default_rng(seed)
    temperatures = np.repeat(ladder(size), walkers)
    count = len(temperatures)
    radius = RUNS[size][3]
    stiffness = STIFFNESS * SIGMA**3 / (3 * EPSILON)

    def wall(x: np.ndarray) -> np.ndarray:
        off = np.linalg.norm(x - x.mean(axis=1, keepdims=True), axis=2)
        return stiffness * (np.clip(off - radius, 0, None) ** 3).sum(axis=1)

    def bonds(x: np.ndarray, atom: int, place: np.ndarray) -> np.ndarray:
        squares = ((x - place[:, None]) ** 2).sum(axis=2)
        squares[:, atom] = np.inf
        sixth = 1 / squares**3
        return 4 * (sixth**2 - sixth).sum(axis=1)

    x = np.repeat(starts(size)[-1][None] / SIGMA, count, axis=0)
    energy = sum(bonds(x, a, x[:, a]) for a in range(size)) / 2
    confined = wall(x)
    steps = 0.35 * np.sqrt(temperatures)[:, None]
    kept = np.zeros((sweeps, count))
    begun = time.process_time()
    for sweep in range(sweeps):
        taken = np.zeros(count)
        for atom in range(size):
            new = x[:, atom] + steps * rng.uniform(-1, 1, size=(count, 3))
            change = bonds(x, atom, new) - bonds(x, atom, x[:, atom])
            moved = x.copy()
            moved[:, atom] = new
            pressed = wall(moved)
            total = change + pressed - confined
            accepted = np.log(rng.random(count)) < -total / temperatures
            x[accepted, atom] = new[accepted]
            energy += np.where(accepted, change, 0)
            confined = np.where(accepted, pressed, confined)
            taken += accepted
        if sweep < sweeps // 5:  # steps are adapted in the equilibration only
            steps *= np.where(taken / size > 0.45, 1.02, 0.98)[:, None]
        kept[sweep] = energy + confined
    used = kept[sweeps // 5 :].reshape(-1, len(ladder(size)), walkers)
    np.savez(file, temperatures=ladder(size), energies=used)
    print(f"{time.process_time() - begun:.0f} CPU s")


@cli.command()
@click.option("--folder", type=Path, required=True)
@click.option("--file", type=Path, help="Of `metropolis`.")
def compare(folder: Path, file: Path | None) -> None:
    """Print heat capacities of both, peaks, acceptance and round trips."""
    table, first, walls = read_run(folder)
    found, size = reweighted(folder)
    acceptance = pair_acceptance(table, first)[0]
    print(f"acceptance {acceptance.min():.2f} to {acceptance.max():.2f}", end=", ")
    print(f"round trips {round_trips(table).tolist()}, {len(table)} attempts", end=", ")
    print(f"within the wall's force {(walls[first:] > 1e-9).mean():.1%} of the time")
    fine = found.thermodynamics(np.linspace(*found.temperatures[[0, -1]], 400), freedom=3 * size)
    curve, t = fine[HEAT_CAPACITIES], fine[TEMPERATURES] * kB / EPSILON
    print_features(t, curve, fine[HEAT_CAPACITY_ERRORS], size)
    if file is None:
        return
    with np.load(file) as archive:
        energies, temperatures = archive["energies"], archive["temperatures"]
    at = temperatures * EPSILON / kB
    ours = found.thermodynamics(np.clip(at, *found.temperatures[[0, -1]]), freedom=3 * size)
    blocks = energies.transpose(1, 2, 0)  # temperatures, walkers, sweeps
    mean = blocks.mean(axis=2) / size
    capacity = blocks.var(axis=2) / temperatures[:, None] ** 2 + 1.5 * size
    print("T, energy per atom and heat capacity (k): tempering, Metropolis with standard errors")
    count = blocks.shape[1]
    for k, one in enumerate(temperatures):
        error = capacity[k].std(ddof=1) / np.sqrt(count)
        print(
            f"| {one:.3f} | {ours[POTENTIAL_ENERGIES][k] / size / EPSILON:.4f} ± "
            f"{ours[POTENTIAL_ENERGY_ERRORS][k] / size / EPSILON:.4f} | "
            f"{mean[k].mean():.4f} ± {mean[k].std(ddof=1) / np.sqrt(count):.4f} | "
            f"{ours[HEAT_CAPACITIES][k]:.1f} ± {ours[HEAT_CAPACITY_ERRORS][k]:.1f} | "
            f"{capacity[k].mean():.1f} ± {error:.1f} |"
        )


def print_features(t: np.ndarray, curve: np.ndarray, errors: np.ndarray, size: int) -> None:
    """Print maxima of the heat capacity, and of its derivative, in units of k and depth/k."""
    slope = np.gradient(curve, t)
    for name, values in (("heat capacity", curve), ("its derivative", slope)):
        inner = np.flatnonzero((values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])) + 1
        peaks = [f"{t[k]:.3f} ({values[k]:.1f})" for k in inner]
        print(f"maxima of the {name}: {', '.join(peaks) or 'none'}")
    top = int(curve.argmax())
    print(f"N = {size}: largest {curve[top]:.1f} ± {errors[top]:.1f} k at {t[top]:.3f}")


@cli.command()
@click.option("--folder", type=Path, required=True)
def funnels(folder: Path) -> None:
    """Relax the sampled frames and print the share of the fcc funnel against temperature."""
    job = json.loads((folder / JOB_FILE).read_text())
    size, levels = len(job["types"]), len(job["temperatures"])
    frames = read_records(folder / FRAMES_FILE, frame_record(size))
    frames = frames[np.lexsort((frames["temperature"], frames["step"]))]
    rows = frames[: len(frames) // levels * levels].reshape(-1, levels)
    classes = np.zeros(rows.shape, dtype=int)
    energies = np.zeros(rows.shape)
    positions = np.zeros((*rows.shape, size, 3))
    for index in np.ndindex(rows.shape):
        atoms = Atoms(f"Ar{size}", positions=rows[index]["positions"])
        quenched = relaxed(atoms, LennardJones(), 1e-4 * EPSILON)
        energies[index] = quenched.get_potential_energy() / EPSILON
        classes[index] = name_family(quenched).name not in ("fcc", "twin")
        positions[index] = quenched.positions
    np.savez(folder / "funnels.npz", classes=classes, energies=energies, positions=positions)
    lowest = LOWEST[size]
    print(f"lowest {energies.min():.4f}, published {lowest:.4f}")
    table, first, _ = read_run(folder)
    every = job["sample"]
    kept = table.energies[first + every - 1 :: every][: len(rows)]
    shares = Reweighting(table.temperatures, kept).populations(classes, 2)
    for k in range(0, len(shares[TEMPERATURES]), 9):
        t = shares[TEMPERATURES][k] * kB / EPSILON
        share, error = shares[POPULATIONS][0, k], shares[POPULATION_ERRORS][0, k]
        print(f"| {t:.3f} | {share:.2f} ± {error:.2f} |")
    print("the same of each third of the run, as it is:")
    for k, t in enumerate(table.temperatures * kB / EPSILON):
        thirds = [1 - part[:, k].mean() for part in np.array_split(classes, 3)]
        print(f"| {t:.3f} | {' | '.join(f'{share:.2f}' for share in thirds)} |")


def hessian(positions: np.ndarray) -> np.ndarray:
    """Return the second derivatives of the energy, (3 N, 3 N); depth over sigma squared."""
    count = len(positions)
    vectors = positions[:, None] - positions[None]
    squares = (vectors**2).sum(axis=2) + np.eye(count)
    sixth = 1 / squares**3
    slope = 24 * (sixth - 2 * sixth**2) / squares  # derivative over the distance
    bend = 24 * (26 * sixth**2 - 7 * sixth) / squares
    along = (bend - slope) / squares
    blocks = -along[..., None, None] * vectors[..., :, None] * vectors[..., None, :]
    blocks -= slope[..., None, None] * np.eye(3)
    blocks[np.arange(count), np.arange(count)] = 0
    blocks[np.arange(count), np.arange(count)] = -blocks.sum(axis=1)
    return blocks.transpose(0, 2, 1, 3).reshape(3 * count, 3 * count)


@cli.command()
@click.argument("size", type=int)
@click.option("--steps", default=1500, show_default=True, help="Of basin hopping from each start.")
@click.option("--seed", default=1, show_default=True)
@click.option("--folder", type=Path, help="Take the minima that `funnels` found instead.")
def superposition(size: int, steps: int, seed: int, folder: Path | None) -> None:
    """Print the share of fcc structures in the harmonic superposition of minima.

    D. J. Wales, Mol. Phys. 78, 151 (1993): Z = sum over minima of exp(-E/T) / (h prod of
    frequencies), h the order of the point group.
    """
    found = hopped(size, steps, seed) if folder is None else quenched_minima(size, folder)
    atoms = [found[key] for key in sorted(found)]
    energies = np.array([one.get_potential_energy() for one in atoms]) / EPSILON
    logs = np.zeros(len(atoms))
    for k, one in enumerate(atoms):
        modes = np.linalg.eigvalsh(hessian(one.positions / SIGMA))[6:]
        order = 1
        if k < 300:
            order = len(symmetry_operations(one.positions, one.numbers, 0.05))
        logs[k] = -0.5 * np.log(np.maximum(modes, 1e-6)).sum() - np.log(order)
    fcc = np.array([name_family(one).name in ("fcc", "twin") for one in atoms])
    print(f"{len(atoms)} minima, lowest {energies[:3].round(3)}, {int(fcc.sum())} fcc or twinned")
    print(f"lowest that is neither {energies[~fcc].min():.3f}")
    grid = np.linspace(0.06, 0.18, 25)
    for t in grid:
        weights = logs - energies / t
        weights = np.exp(weights - weights.max())
        weights /= weights.sum()
        mean = weights @ energies
        capacity = 3 * size - 3 + (weights @ energies**2 - mean**2) / t**2
        print(f"| {t:.3f} | {weights[fcc].sum():.3f} | {weights[0]:.3f} | {capacity:.1f} |")


def quenched_minima(size: int, folder: Path) -> dict[int, Atoms]:
    """Return the different minima of the frames of a run, by their energies."""
    kept = np.load(folder / "funnels.npz")
    energies = kept["energies"].ravel()
    _, first = np.unique((energies * 1e3).round(), return_index=True)
    found = {}
    for k in first[energies[first] < -0.94 * abs(LOWEST[size])]:
        atoms = Atoms(f"Ar{size}", positions=kept["positions"].reshape(-1, size, 3)[k])
        found[round(energies[k] * 1e3)] = relaxed(atoms, LennardJones(), 1e-5 * EPSILON)
    return found


def hopped(size: int, steps: int, seed: int) -> dict[int, Atoms]:
    """Return the minima that basin hopping from each start finds, by their energies."""
    rng = np.random.default_rng(seed)
    found: dict[int, Atoms] = {}
    for start in starts(size):
        for heat in (0.4, 1.2):
            here = relaxed(Atoms(f"Ar{size}", positions=start), LennardJones(), 1e-5 * EPSILON)
            for _ in range(steps):
                moved = here.copy()
                moved.positions += 0.36 * SIGMA * rng.uniform(-1, 1, size=(size, 3))
                there = relaxed(moved, LennardJones(), 1e-4 * EPSILON)
                energy = there.get_potential_energy() / EPSILON
                if energy < -0.94 * abs(LOWEST[size]):
                    found.setdefault(round(energy * 1e3), there)
                change = energy - here.get_potential_energy() / EPSILON
                if np.log(rng.random()) < -change / heat:
                    here = there
    return found


if __name__ == "__main__":
    cli()
