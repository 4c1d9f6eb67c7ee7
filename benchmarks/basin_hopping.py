"""Relaxations and evaluations per published Lennard-Jones minimum, beside ASE's basin hopping.

python -m benchmarks.basin_hopping --sizes 13,19,23 --runs 3

Both start from the same random drops, relax with the same minimiser and stop at the minimum or
after the same number of relaxations; the shakes of ASE keep the length ours begin with.
"""

import time
from collections.abc import Callable

import click
import numpy as np
from ase.optimize.basin import BasinHopping as AseBasinHopping
from ase.units import kB

from aiida_nanoclusters.cli.launch import parse_sizes
from aiida_nanoclusters.science.basin_hopping import MOVES, BasinHopping
from tests.cluster_potentials import EPSILON, LJ_MINIMA, LennardJones, relaxed

BOND, STEP = 3.8, 0.35  # Å, and bond lengths
TEMPERATURE = 0.8 * EPSILON / kB
#: Well depths by which an energy may be above the published one.
MARGIN = 1e-3


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


class Counted(LennardJones):
    """Counts relaxations too."""

    relaxations = 0


def ours(size: int, seed: int, steps: int, moves: dict[str, float]) -> tuple[bool, int, int]:
    """Whether the minimum was found, relaxations and evaluations."""
    potential = Counted()
    search = BasinHopping(
        *("Ar", [size], 1, steps),
        temperature=TEMPERATURE,
        distance=BOND,
        step=STEP,
        moves=moves,
        seed=seed,
    )
    while not search.is_finished:
        results = {key: relaxed(atoms, potential) for key, atoms in search.next().items()}
        potential.relaxations += 1
        search.update(results)
        lowest = search.table()[0]["lowest"]
        if lowest is not None and lowest / EPSILON < LJ_MINIMA[size] + MARGIN:
            return True, potential.relaxations, potential.calls
    return False, potential.relaxations, potential.calls


def ases(size: int, seed: int, steps: int) -> tuple[bool, int, int]:
    """The same by :class:`ase.optimize.basin.BasinHopping`."""
    start = BasinHopping("Ar", [size], 1, 1, distance=BOND, seed=seed).next()[size, 0]
    potential = start.calc = Counted()
    np.random.seed(seed)

    quiet = {"logfile": None, "trajectory": None, "local_minima_trajectory": None}
    shakes = {"fmax": 1e-4, "dr": STEP * BOND}
    search = AseBasinHopping(start, kB * TEMPERATURE, optimizer=Minimiser, **shakes, **quiet)

    def check() -> None:
        if search.Emin / EPSILON < LJ_MINIMA[size] + MARGIN:
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
        f"{size:5} {name:18} {hits:4} of {runs:<3} {per_hit[0]:>12} {per_hit[1]:>12} {seconds:8.1f}"
    )


@click.command()
@click.option("--sizes", default="13,19,23", show_default=True, help="From 10 to 30.")
@click.option("--runs", default=3, show_default=True, help="Seeds of each size.")
@click.option("--steps", default=150, show_default=True, help="Most relaxations of a run.")
def main(sizes: str, runs: int, steps: int) -> None:
    print("    N search             found    relaxations  evaluations        s")
    print("                                      per hit      per hit")
    for size in parse_sizes(sizes):
        row("all moves", size, runs, lambda s, n=size: ours(n, s, steps, MOVES))
        row("shakes, adapted", size, runs, lambda s, n=size: ours(n, s, steps, {"shake": 1}))
        row("ase", size, runs, lambda s, n=size: ases(n, s, steps))


if __name__ == "__main__":
    main()
