"""How many lowest structures are found, beside annealing alone and ASE's basin hopping.

python -m benchmarks.lowest_structures --sizes 7-80 --known lj.csv
python -m benchmarks.lowest_structures --potential sutton-chen --sizes 7-60 --known sc.csv

`--known` has a heading, then lines of N and energy: in units of the well depth for Lennard-Jones,
in eV for Sutton-Chen copper. For each size, annealing and basin hopping get as many evaluations as
the search used; both begin as those commands do.
"""

import csv
import time
from functools import partial
from multiprocessing import Pool

import click
import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize.basin import BasinHopping as AseBasinHopping

from aiida_nanoclusters.cli.launch.options import parse_sizes
from aiida_nanoclusters.science.sampling.lowest_settings import LowestSettings
from aiida_nanoclusters.science.sampling.lowest_structures import LowestSearch
from aiida_nanoclusters.science.structures.starts import starting_clusters
from benchmarks.basin_hopping import ARGON, STEP, CountedSuttonChen, Minimiser, Problem
from tests.cluster_potentials import EPSILON, relaxed

#: Of one annealing: evaluations, and from which to which fraction of the search's temperature.
ANNEALING, HOT, COLD = 4000, 0.6, 0.05


class Enough(Exception):  # noqa: N818
    """All evaluations are used."""


def problem(potential: str, known: str) -> Problem:
    """Argon or copper with the published minima."""
    with open(known, encoding="utf-8") as handle:
        rows = list(csv.reader(handle))[1:]
    minima = {int(row[0]): float(row[1]) for row in rows if row[1]}
    if potential == "sutton-chen":
        return Problem("Cu", CountedSuttonChen, 2.5, 1500.0, minima, 1e-3)
    depths = {n: energy * EPSILON for n, energy in minima.items()}
    return Problem("Ar", ARGON.potential, ARGON.bond, ARGON.temperature, depths, ARGON.margin)


def counted(given: Problem, atoms: Atoms) -> tuple[Atoms, int]:
    """A relaxed structure, and its evaluations."""
    potential = given.potential()
    return relaxed(atoms, potential), potential.calls


def searched(
    given: Problem, sizes: list[int], seed: int, rounds: int, workers: Pool
) -> tuple[list, dict]:
    """Rows of the search, and the evaluations of each size."""
    calls = dict.fromkeys(sizes, 0)
    settings = LowestSettings(rounds=rounds)
    search = LowestSearch(given.element, sizes, settings, distance=given.bond, seed=seed)
    while not search.is_finished:
        made = search.next()
        done = workers.map(partial(counted, given), made.values(), chunksize=8)
        results = {key: atoms for key, (atoms, _) in zip(made, done, strict=True)}
        for (size, _), (_, count) in zip(made, done, strict=True):
            calls[size] += count
        search.update(results)
        left = [r["size"] for r in search.table() if not found(given, r["size"], r["lowest"])]
        print(f"round {search.round}: not found so far {left}", flush=True)
    return search.table(), calls


def found(given: Problem, size: int, energy: float | None) -> bool:
    """Whether an energy is that of the published minimum."""
    return energy is not None and energy < given.minima[size] + given.margin


def annealed(given: Problem, size: int, seed: int, evaluations: int) -> float:
    """Lowest energy of annealing runs and their relaxed starts."""
    potential = given.potential()
    count = max(1, evaluations // ANNEALING)
    lowest = np.inf
    for k, atoms in enumerate(starting_clusters(given.element, size, given.bond, seed, count)):
        lowest = min(lowest, relaxed(atoms, potential).get_potential_energy())
        atoms.calc, rng = potential, np.random.default_rng([seed, size, k])
        MaxwellBoltzmannDistribution(atoms, temperature_K=HOT * given.temperature, rng=rng)
        step = (5 if given.element == "Cu" else 10) * units.fs
        dynamics = Langevin(
            atoms, step, temperature_K=HOT * given.temperature, friction=0.002 / units.fs, rng=rng
        )
        for fraction in np.linspace(HOT, COLD, 40):
            dynamics.set_temperature(temperature_K=fraction * given.temperature)
            dynamics.run(ANNEALING // 40)
        if np.ptp(atoms.positions, axis=0).max() < 10 * given.bond * size ** (1 / 3):
            lowest = min(lowest, relaxed(Atoms(atoms), potential).get_potential_energy())
    return lowest


def hopped(given: Problem, size: int, seed: int, evaluations: int) -> float:
    """Lowest energy of ASE's basin hopping from a random cluster."""
    start = starting_clusters(given.element, size, given.bond, seed, 3)[2]
    potential = start.calc = given.potential()
    np.random.seed(seed)
    quiet = {"logfile": None, "trajectory": None, "local_minima_trajectory": None}
    shakes = {"fmax": 1e-4, "dr": STEP * given.bond}
    heat = units.kB * given.temperature
    search = AseBasinHopping(start, heat, optimizer=Minimiser, **shakes, **quiet)

    def check() -> None:
        if potential.calls > evaluations:
            raise Enough

    search.attach(check)
    try:
        search.run(10**6)
    except Enough:
        pass
    return float(search.Emin)


@click.command()
@click.option("--sizes", default="7-80", show_default=True)
@click.option("--known", type=click.Path(exists=True), required=True)
@click.option(
    "--potential",
    type=click.Choice(["lennard-jones", "sutton-chen"]),
    default="lennard-jones",
    show_default=True,
)
@click.option("--rounds", default=20, show_default=True, help="Of the search, at most.")
@click.option("--seed", default=0, show_default=True)
@click.option("--processes", default=2, show_default=True, help="That relax.")
@click.option("--alone/--beside", help="Only the search, or annealing and ASE beside it.")
def main(sizes, known, potential, rounds, seed, processes, alone):  # fmt: skip
    given, wanted = problem(potential, known), parse_sizes(sizes)
    if missing := sorted(set(wanted) - set(given.minima)):
        raise click.UsageError(f"no published minimum of {missing} atoms: leave them out")
    with Pool(processes) as workers:
        begin = time.perf_counter()
        rows, calls = searched(given, wanted, seed, rounds, workers)
        seconds = {"search": time.perf_counter() - begin}
        right = {"search": {r["size"]: found(given, r["size"], r["lowest"]) for r in rows}}
        print(f"search: {seconds['search']:.0f} s, {sum(calls.values())} evaluations", flush=True)
        for name, other in () if alone else (("annealing", annealed), ("ase", hopped)):
            begin = time.perf_counter()
            tasks = [(given, n, seed, calls[n]) for n in wanted]
            lowest = workers.starmap(other, tasks[::-1], chunksize=1)[::-1]
            right[name] = {n: found(given, n, e) for n, e in zip(wanted, lowest, strict=True)}
            seconds[name] = time.perf_counter() - begin
    print("\n                found    evaluations        s   not found")
    for name, of_size in right.items():
        missed = " ".join(str(n) for n, is_right in of_size.items() if not is_right)
        print(
            f"{name:12} {sum(of_size.values()):4} of {len(wanted):3} {sum(calls.values()):12} "
            f"{seconds[name]:8.0f}   {missed}"
        )
    print("\nhits of the lowest, sizes, and how many of them are the published minimum")
    hits = {r["size"]: sum(r["hits"].values()) for r in rows}
    for low, high in ((1, 1), (2, 2), (3, 3), (4, 7), (8, 10**9)):
        own = [n for n in wanted if low <= hits[n] <= high]
        if own:
            name = str(low) if low == high else f"{low} and more" if high > 100 else f"{low}-{high}"
            print(f"{name:12} {len(own):4} {sum(right['search'][n] for n in own):4}")


if __name__ == "__main__":
    main()
