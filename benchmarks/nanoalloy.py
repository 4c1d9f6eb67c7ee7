r"""Excess energy of a nanoalloy by basin hopping, against all homotops of the icosahedron.

Two roads to the lowest energy at 13 atoms: a finished search of all compositions, by LAMMPS,

    aiida-nanoclusters run basin-hopping --mix Cu,Ni --sizes 13 --protocol alloy \\
        --potential-file CuNi.eam.alloy
    verdi run benchmarks/nanoalloy.py UUID --picture docs/topics/images/nanoalloy.png

and an enumeration: every way to put the two elements on the 13 sites of the icosahedron, alike ones
by symmetry once, relaxed by ASE with its own code of the embedded-atom method. The search may be
lower, where another structure than the icosahedron is; it must not be higher.
"""

from itertools import combinations
from pathlib import Path

import click
import numpy as np
from ase.calculators.eam import EAM
from ase.optimize import BFGS

from aiida_nanoclusters.science.compositions import cluster_formula
from aiida_nanoclusters.science.recognition.neighbours import structure_fingerprint
from aiida_nanoclusters.science.stability.mixing import excess_energies
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron

SITES = 13


def homotops(elements, count):
    """Icosahedra with `count` atoms of the second element, those alike by symmetry once."""
    known = set()
    for places in combinations(range(SITES), count):
        atoms = mackay_icosahedron(elements[0], 1, 2.5)
        atoms.symbols[list(places)] = elements[1]
        mark = tuple(np.round(structure_fingerprint(atoms), 3)), atoms.symbols[0]
        if mark not in known:
            known.add(mark)
            yield atoms


def enumerate_icosahedra(elements, file):
    """Lowest energy (eV) of each composition, and the number of homotops."""
    lowest, relaxed = {}, 0
    calculator = EAM(potential=str(file))
    for count in range(SITES + 1):
        name = cluster_formula({elements[0]: SITES - count, elements[1]: count})
        for atoms in homotops(elements, count):
            atoms.calc = calculator
            BFGS(atoms, logfile=None).run(fmax=0.005, steps=300)
            lowest[name] = min(lowest.get(name, np.inf), float(atoms.get_potential_energy()))
            relaxed += 1
    return lowest, relaxed


@click.command()
@click.argument("uuid")
@click.option("--elements", default="Cu,Ni", show_default=True, help="The two elements.")
@click.option("--file", default="CuNi.eam.alloy", show_default=True, help="Their potential.")
@click.option("--picture", default="nanoalloy.png", show_default=True, help="Where to draw it.")
def main(uuid, elements, file, picture):
    """Compare the search UUID with the enumeration."""
    import lammps
    from aiida.orm import load_node

    pair = elements.split(",")
    table = load_node(uuid).outputs.table
    searched = {row["formula"]: row["lowest"] for row in table["rows"]}
    shipped = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
    listed, relaxed = enumerate_icosahedra(pair, shipped / file)
    print(f"{relaxed} homotops of the icosahedron relaxed")
    print(f"{'composition':>12} {'search (eV)':>12} {'icosahedra':>12} {'excess (eV)':>12}")
    rows = {
        "search": [row for row in excess_energies(searched) if row.size == SITES],
        "all homotops of the icosahedron": excess_energies(listed),
    }
    for row in rows["search"]:
        energies = row.energy, listed[row.formula], row.excess
        print(f"{row.formula:>12} " + " ".join(f"{value:12.4f}" for value in energies))
    higher = max(searched[name] - listed[name] for name in listed)
    print(f"the search is at most {1000 * higher:.2f} meV above the enumeration")
    draw(rows, pair, picture)


def draw(rows, pair, picture):
    """Excess energy against composition."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(5.5, 3.6))
    for (label, own), style in zip(rows.items(), ("o-", "x"), strict=True):
        counts = [row.counts.get(pair[1], 0) for row in own]
        axis.plot(counts, [1000 * row.excess / row.size for row in own], style, label=label)
    axis.axhline(0, color="grey", lw=0.8)
    axis.set_xlabel(f"{pair[1]} atoms in {SITES}")
    axis.set_ylabel("excess energy (meV/atom)")
    axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(picture, dpi=130)
    print(picture)


if __name__ == "__main__":
    main()
