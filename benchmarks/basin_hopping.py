"""Relaxations and evaluations per published minimum, beside ASE's basin hopping.

python -m benchmarks.basin_hopping --sizes 13,19,23 --runs 3
python -m benchmarks.basin_hopping --potential sutton-chen --known sutton_chen_cu_9_6.csv

Both start from the same random drops, relax with the same minimiser and stop at the minimum or
after the same number of relaxations; the random displacements of ASE keep their first length.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import numpy as np
from ase.optimize.basin import BasinHopping as AseBasinHopping
from ase.units import kB

from aiida_nanoclusters.cli.launch.options import parse_sizes
from aiida_nanoclusters.science.sampling.basin_hopping import MOVES, BasinHopping
from tests.cluster_potentials import EPSILON, LJ_MINIMA, LennardJones, SuttonChen, relaxed

STEP = 0.35  # bond lengths


class Counted:
    """Counts relaxations too."""

    relaxations = 0


class CountedLennardJones(Counted, LennardJones):
    """Of argon."""


class CountedSuttonChen(Counted, SuttonChen):
    """Of copper."""


@dataclass(frozen=True)
class Problem:
    """What is searched: lengths in Å, energies in eV."""

    element: str
    potential: type
    bond: float
    temperature: float
    minima: dict[int, float]
    #: By which an energy may be above the published one.
    margin: float

    @property
    def settings(self) -> dict[str, float]:
        """Of our search and of the drops both begin with."""
        return {"temperature": self.temperature, "distance": self.bond, "step": STEP}


ARGON = Problem(
    *("Ar", CountedLennardJones, 3.8, 0.8 * EPSILON / kB),
    {n: depth * EPSILON for n, depth in LJ_MINIMA.items()},
    1e-3 * EPSILON,
)


class Found(Exception):  # noqa: N818
    """The published minimum is there."""


class Minimiser:
    """The minimiser of `relaxed` as ASE wants it."""

    def __init__(self, optimizable, **_) -> None:
        self.atoms = optimizable.atoms

    def __enter__(self) -> "Minimiser":
        return self

    def __exit__(self, *_) -> None:
        pass

    def run(self, fmax: float) -> None:
        """Relax in place."""
        self.atoms.positions = relaxed(self.atoms, self.atoms.calc, fmax).positions
        self.atoms.calc.relaxations += 1


def ours(
    given: Problem, size: int, seed: int, steps: int, moves: dict[str, float]
) -> tuple[bool, int, int]:
    """Whether the minimum was found, relaxations and evaluations."""
    potential = given.potential()
    search = BasinHopping(given.element, [size], 1, steps, moves=moves, seed=seed, **given.settings)
    while not search.is_finished:
        results = {key: relaxed(atoms, potential) for key, atoms in search.next().items()}
        potential.relaxations += 1
        search.update(results)
        lowest = search.table()[0]["lowest"]
        if lowest is not None and lowest < given.minima[size] + given.margin:
            return True, potential.relaxations, potential.calls
    return False, potential.relaxations, potential.calls


def ases(given: Problem, size: int, seed: int, steps: int) -> tuple[bool, int, int]:
    """The same by :class:`ase.optimize.basin.BasinHopping`."""
    drop = BasinHopping(given.element, [size], 1, 1, seed=seed, **given.settings)
    start = drop.next()[size, 0]
    potential = start.calc = given.potential()
    np.random.seed(seed)

    quiet = {"logfile": None, "trajectory": None, "local_minima_trajectory": None}
    shakes = {"fmax": 1e-4, "dr": STEP * given.bond}
    search = AseBasinHopping(start, kB * given.temperature, optimizer=Minimiser, **shakes, **quiet)

    def check() -> None:
        if search.Emin < given.minima[size] + given.margin:
            raise Found

    search.attach(check)
    try:
        check()
        search.run(steps - 1)
    except Found:
        return True, potential.relaxations, potential.calls
    return False, potential.relaxations, potential.calls


def row(name: str, size: int, runs: int, search: Callable[[int], tuple[bool, int, int]]) -> None:
    """Search from so many seeds and print what came of it."""
    begin = time.perf_counter()
    found, relaxations, calls = np.array([search(seed) for seed in range(runs)]).T
    hits, seconds = int(found.sum()), time.perf_counter() - begin
    per_hit = [f"{values.sum() / hits:.0f}" if hits else "-" for values in (relaxations, calls)]
    print(
        f"{size:5} {name:18} {hits:4} of {runs:<3} {per_hit[0]:>12} {per_hit[1]:>12} "
        f"{seconds:8.1f}",
        flush=True,
    )


def copper(known: str) -> Problem:
    """Sutton-Chen copper 9-6 with the minima of a table of sizes and eV."""
    table = np.loadtxt(known, delimiter=",", skiprows=1, ndmin=2)
    minima = {int(size): float(energy) for size, energy in table}
    return Problem("Cu", CountedSuttonChen, 2.5, 1500.0, minima, 1e-4)


@click.command()
@click.option("--sizes", default="13,19,23", show_default=True, help="Of argon: from 10 to 30.")
@click.option("--runs", default=3, show_default=True, help="Seeds of each size.")
@click.option("--steps", default=150, show_default=True, help="Most relaxations of a run.")
@click.option(
    "--potential",
    type=click.Choice(["lennard-jones", "sutton-chen"]),
    default="lennard-jones",
    show_default=True,
)
@click.option(
    "--known",
    type=click.Path(exists=True),
    help="Sutton-Chen's minima: a heading, then N,eV lines.",
)
@click.option(
    "--search",
    "searches",
    multiple=True,
    type=click.Choice(["all", "shakes", "ase"]),
    default=("all", "shakes", "ase"),
    show_default=True,
)
def main(sizes, runs, steps, potential, known, searches):  # fmt: skip
    if potential == "sutton-chen" and known is None:
        raise click.UsageError("give the published minima by --known FILE")
    given = ARGON if potential == "lennard-jones" else copper(known)
    if unknown := sorted(set(parse_sizes(sizes)) - set(given.minima)):
        raise click.UsageError(f"no published minimum of {unknown} atoms: leave them out")
    print("    N search             found    relaxations  evaluations        s")
    print("                                      per hit      per hit")
    shakes = {"shake": 1.0}
    for size in parse_sizes(sizes):
        if "all" in searches:
            row("all moves", size, runs, lambda s, n=size: ours(given, n, s, steps, MOVES))
        if "shakes" in searches:
            row("shakes, adapted", size, runs, lambda s, n=size: ours(given, n, s, steps, shakes))
        if "ase" in searches:
            row("ase", size, runs, lambda s, n=size: ases(given, n, s, steps))


if __name__ == "__main__":
    main()
