"""The prior of the strain energy, and how often the crossover's interval holds the truth.

    python benchmarks/strain_energies.py energies.json
    python benchmarks/crossover_coverage.py energies.json

The truth of a potential is the crossing of four-term fits to all of its regular closed shells.
Prints the tables of docs/topics/crossover.md: ratios of fitted strain energies to those of
elastic theory, the other terms over the stiffness, and the coverage with few sizes, by the search,
by committees, and of energies of clusters that were not fitted.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from aiida_nanoclusters.science.stability.crossing import Crossing, find_crossing
from aiida_nanoclusters.science.stability.elasticity import Crystal, crystal_from_energies
from aiida_nanoclusters.science.stability.expansion import fit_families, fit_family
from aiida_nanoclusters.science.stability.least_squares import design
from aiida_nanoclusters.science.stability.search import CrossoverSearch

IH, TO, INO, MARKS = "icosahedron", "truncated octahedron", "Ino decahedron", "Marks decahedron"
N_MIN, N_MAX = 100, 17885
#: Truncated octahedra of other shapes, which a fit of the volume term leaves out.
IRREGULAR = (405, 807)
FEW = {
    "3 + 3, octahedra of two shapes": ([147, 309, 561], [201, 405, 586]),
    "4 + 3, octahedra of two shapes": ([147, 309, 561, 923], [201, 405, 586]),
    "3 + 3": ([147, 309, 561], [201, 586, 1289]),
    "4 + 3": ([147, 309, 561, 923], [201, 586, 1289]),
    "5 + 4": ([147, 309, 561, 923, 1415], [201, 586, 1289, 2406]),
}
#: What is told to the fits; the crystal is filled in.
METHODS: dict[str, dict[str, Any]] = {
    "free": {"bounded": False},
    "bound": {},
    "crystal": {"bulk_crystal": None},
}
SEARCHES = {
    "`trial`": {"width": 0.3, "budget": 4100, "n_max": 2406},
    "`tutorial`": {"width": 0.05, "budget": 12000, "n_max": 10200},
    "`moderate`, two motifs": {"width": 0.03, "n_max": 10200},
}
#: Standard deviations of what training changes from one member to the next: the energy of every
#: atom (eV), the moduli (and with them the strain energy; relative), edges (eV), and what is left
#: of a relaxation (eV/atom).
COMMON, MODULI, EDGES, LEFT = 5e-3, 0.05, 0.02, 2e-5
MEMBERS = 4
Energies = Mapping[str, Mapping[int, float]]
Rows = Mapping[str, Mapping[str, Any]]


def crystal_of(row: Mapping[str, Any]) -> Crystal:
    """Properties of a potential's crystal."""
    return crystal_from_energies([np.array(row["strained"]) / 4], row["lattice_constant"])


def table_of(row: Mapping[str, Any]) -> Energies:
    """Motif -> size -> energy (eV)."""
    return {m: {int(n): e for n, e in own.items()} for m, own in row["energies"].items()}


def some(energies: Energies, motif: str, sizes: list[int]) -> tuple[list[int], list[float]]:
    """Sizes of a motif with their energies (eV)."""
    return sizes, [energies[motif][n] for n in sizes]


def regular(energies: Energies, motif: str, n_min: int = N_MIN) -> tuple[list[int], list[float]]:
    """All shells of one shape with their energies (eV)."""
    return some(energies, motif, [n for n in energies[motif] if n not in IRREGULAR and n >= n_min])


def truth_of(energies: Energies) -> Crossing:
    """Crossing of the fits to all regular sizes."""
    families = {m: regular(energies, m) for m in (IH, TO)}
    return find_crossing(fit_families(families), N_MIN, N_MAX, n_samples=100)


class Coverage:
    """Counts how often intervals hold the truth, and how wide they are."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.ratios: list[float] = []

    def add(self, found: Crossing, truth: Crossing) -> None:
        """Count one answer; where there is no crossing, a verdict that does not exclude that."""
        if truth.size is None:
            below = truth.verdict == "always crystal"
            self.held.append((found.low if below else found.high) is None)
        else:
            self.held.append((found.low or 0.0) <= truth.size <= (found.high or np.inf))
            self.ratios.append((found.high or N_MAX) / (found.low or N_MIN))

    def __str__(self) -> str:
        return f"{sum(self.held)} of {len(self.held)}, {np.median(self.ratios):.2f}"


def told(options: Mapping[str, Any], crystal: Crystal) -> dict[str, Any]:
    """Fill the crystal in."""
    return {name: crystal if name == "bulk_crystal" else v for name, v in options.items()}


def print_prior(rows: Rows) -> None:
    """Print strain energies over elastic theory, and the terms of faces, edges and vertices."""
    print("| potential | icosahedron: fitted, elastic (meV), ratio | Ino decahedron: the same |")
    print("|---|---|---|")
    ratios: dict[str, list[float]] = {IH: [], INO: []}
    terms = []
    for name, row in rows.items():
        crystal, energies = crystal_of(row), table_of(row)
        cells = []
        for motif, found in ratios.items():
            fit = fit_family(*regular(energies, motif, 200))
            strain = fit.coefficients[0] - crystal.energy[0]
            elastic = float(crystal.elastic_energy(motif)[0])
            found.append(strain / elastic)
            cells.append(f"{1000 * strain:.2f}, {1000 * elastic:.2f}, {found[-1]:.2f}")
        print(f"| {name} | {' | '.join(cells)} |")
        for motif in (IH, TO):
            fit = fit_family(*regular(energies, motif))
            terms.append(np.array([*fit.coefficients[1:], fit.scale]) / crystal.stiffness)
    for motif, found in ratios.items():
        print(f"{motif}: {np.mean(found):.3f} +- {np.std(found, ddof=1):.3f}, median", end=" ")
        print(f"{np.median(found):.3f}, {min(found):.3f} to {max(found):.3f}")
    faces = np.array(terms)
    for k, term in enumerate(("faces", "edges", "vertices")):
        print(f"{term}: {faces[:, k].mean():.3f} +- {faces[:, k].std(ddof=1):.3f}")
    scale = np.log(faces[:, 3])
    print(f"s: median {np.exp(np.median(scale)):.1e}, ln {scale.std(ddof=1):.2f}")


def print_few(rows: Rows) -> None:
    """Print the coverage with few sizes."""
    print("\n| sizes | " + " | ".join(METHODS) + " |\n" + "|---" * (len(METHODS) + 1) + "|")
    for label, (ico, octa) in FEW.items():
        cells = {method: Coverage() for method in METHODS}
        for row in rows.values():
            energies = table_of(row)
            families = {IH: some(energies, IH, ico), TO: some(energies, TO, octa)}
            for method, options in METHODS.items():
                fits = fit_families(families, **told(options, crystal_of(row)))
                cells[method].add(find_crossing(fits, N_MIN, N_MAX), truth_of(energies))
        print(f"| {label} | " + " | ".join(map(str, cells.values())) + " |", flush=True)


def print_searches(rows: Rows) -> None:
    """Print the coverage of searches that choose the sizes, and the atoms they relax."""
    print("\n| search | " + " | ".join(METHODS) + " |\n" + "|---" * (len(METHODS) + 1) + "|")
    for label, settings in SEARCHES.items():
        cells = []
        for options in METHODS.values():
            coverage, spent = Coverage(), []
            for row in rows.values():
                energies = table_of(row)
                truth = truth_of(energies)
                if truth.size is not None and truth.size > settings["n_max"]:
                    continue
                given = told(options, crystal_of(row))
                if crystal := given.pop("bulk_crystal", None):
                    given["crystal_properties"] = crystal.as_dict()
                families = {m: regular(energies, m)[0] for m in (IH, TO)}
                search = CrossoverSearch(families, **settings, **given)
                while not search.is_finished:
                    search.update({(m, n): energies[m][n] for m, n in search.next()})
                coverage.add(search.result(), truth)
                spent.append(search.spent)
            cells.append(f"{coverage}, {np.median(spent):.0f} atoms")
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def trained(rng: np.random.Generator, faces: float, strain: float) -> tuple[Any, float]:
    """What training adds to the terms (4,) of both motifs (eV), and the factor of the moduli."""
    common, factor = COMMON * rng.standard_normal(), 1 + MODULI * rng.standard_normal()
    terms = {
        m: np.array([common, faces * rng.standard_normal(), EDGES * rng.standard_normal(), 0.0])
        for m in (IH, TO)
    }
    terms[IH][0] += (factor - 1) * strain
    return terms, factor


def committee_case(row: Mapping[str, Any], sizes: Any, faces: float, rng: np.random.Generator):
    """Truth, families of a committee and its crystals; None where the truth does not cross.

    The reference and the members are draws from one distribution.
    """
    energies, own = table_of(row), crystal_of(row)
    best = {m: fit_family(*regular(energies, m)).coefficients for m in (IH, TO)}
    strain = float(best[IH][0] - own.energy[0])
    (true, _), *others = (trained(rng, faces, strain) for _ in range(MEMBERS + 1))
    grid = np.geomspace(N_MIN, N_MAX, 2000)
    lower = design(grid) @ (best[IH] + true[IH] - best[TO] - true[TO]) <= 0
    if not lower.any() or lower[-1]:
        return None
    families = {}
    for motif, chosen in zip((IH, TO), sizes, strict=True):
        n, base = (np.array(values) for values in some(energies, motif, chosen))
        left = LEFT * n[:, None] * rng.standard_normal((len(n), MEMBERS))
        added = design(n) @ np.transpose([terms[motif] for terms, _ in others])
        families[motif] = (n, base[:, None] + added + left)
    crystal = Crystal(
        tuple(own.energy[0] + terms[TO][0] for terms, _ in others),
        own.atomic_volume * MEMBERS,
        tuple(own.bulk_modulus[0] * factor for _, factor in others),
        tuple(own.shear_modulus[0] * factor for _, factor in others),
    )
    return grid[np.flatnonzero(lower)[-1]], families, crystal


def print_committees(rows: Rows, seeds: int) -> None:
    """Print the coverage of committees whose errors are those of learnt potentials."""
    print("\n| difference of motifs at 1000 atoms, sizes | " + " | ".join(METHODS) + " |")
    print("|---" * (len(METHODS) + 1) + "|")
    many = ([147, 309, 561, 923, 1415, 2057], [201, 586, 1289, 2406])
    for faces in (0.003, 0.01):
        for label, sizes in {"3 + 3": FEW["3 + 3"], "6 + 4": many}.items():
            held: dict[str, list[bool]] = {method: [] for method in METHODS}
            ratios: dict[str, list[float]] = {method: [] for method in METHODS}
            for number, row in enumerate(rows.values()):
                for seed in range(seeds):
                    rng = np.random.default_rng([number, seed])
                    case = committee_case(row, sizes, faces, rng)
                    if case is None:
                        continue
                    truth, families, crystal = case
                    for method, options in METHODS.items():
                        fits = fit_families(families, **told(options, crystal))
                        found = find_crossing(fits, N_MIN, N_MAX)
                        low, high = found.low or 0.0, found.high or np.inf
                        held[method].append(low <= truth <= high)
                        ratios[method].append(min(high, N_MAX) / max(low, N_MIN))
            cells = [
                f"{100 * np.mean(held[m]):.0f} % of {len(held[m])}, {np.median(ratios[m]):.1f}"
                for m in METHODS
            ]
            difference = 1000 * faces * np.sqrt(2) / 10
            print(f"| {difference:.1f} meV/atom, {label} | " + " | ".join(cells) + " |", flush=True)


def print_unfitted(rows: Rows) -> None:
    """Print how often 90 % intervals hold the energies of clusters that were not fitted."""
    print("\n| fitted sizes | held | half-width, median (meV/atom) |\n|---|---|---|")
    cases = [(IH, FEW["3 + 3"][0]), (TO, FEW["3 + 3"][1])]
    cases += [(MARKS, [146, 192, 318, 434, 686, 887][:count]) for count in (3, 4, 6)]
    for motif, sizes in cases:
        held, widths = [], []
        for row in rows.values():
            energies = table_of(row)
            data = {motif: some(energies, motif, sizes)}
            fits = fit_families(data, bulk_crystal=crystal_of(row))
            draws = fits.sample(4000, 0)[motif]
            for n, energy in zip(*regular(energies, motif), strict=True):
                if n not in sizes:
                    noise = np.random.default_rng(n).standard_normal(len(draws))
                    values = draws @ design(n) + np.cbrt(n) * fits.fits[motif].scale * noise
                    low, high = np.quantile(values, [0.05, 0.95])
                    held.append(low <= energy <= high)
                    widths.append(500 * (high - low) / n)
        share = f"{100 * np.mean(held):.0f} % of {len(held)}"
        print(f"| {motif}, {sizes} | {share} | {np.median(widths):.2f} |", flush=True)


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seeds", default=4, show_default=True, help="Committees for each potential.")
def main(path: Path, seeds: int) -> None:
    """Print all tables."""
    rows = json.loads(path.read_text())
    print_prior(rows)
    print_few(rows)
    print_searches(rows)
    print_committees(rows, seeds)
    print_unfitted(rows)


if __name__ == "__main__":
    main()
