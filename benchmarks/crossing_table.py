r"""The crossing of every potential in a profile, beside what its bulk and surfaces say about it.

    aiida-nanoclusters run crossover --potential-file Cu_mishin1.eam.alloy \\
        --protocol tutorial --no-modes
    verdi run benchmarks/crossing_table.py

Every finished comparison of icosahedra with truncated octahedra is a row. The difference of the two
families is ``E(Ih) - E(TO) = A N - B N^(2/3)``: strain, which costs energy in the volume, against
faces, of which those of the icosahedron are all close-packed. Both are estimated a second time from
the crystal, without any cluster:

A  elastic energy of the icosahedron, ``2 mu (1 + nu) / (9 (1 - nu)) 0.0615^2`` a volume, with the
   Voigt averages of the elastic constants (A. Howie and L. D. Marks, Phil. Mag. A 49, 95 (1984));
B  the faces of both polyhedra at equal volume; the 30 twin planes of the icosahedron, whose energy
   is taken from the difference of hcp and fcc; and the strain of 0.0615 / 3 along the surface of
   the icosahedron that the same theory gives, by which its faces have fewer atoms: it changes
   their energy by the surface stress less the surface energy (R. Shuttleworth, Proc. Phys. Soc. A
   63, 444 (1950)).

Elastic constants and the stress of the (111) surface are those of the potential, for the relaxed
crystal.
"""

import click
import numpy as np
from ase import Atoms, units
from ase.build import bulk as crystal
from ase.build import fcc111
from ase.optimize import BFGS
from scipy.stats import spearmanr

from aiida_nanoclusters.queries.crossovers import find_crossovers

MOTIFS = ("icosahedron", "truncated octahedron")
#: Strain of the icosahedron as a disclination.
DISCLINATION = 0.0615
#: Area over volume^(2/3): (111) and (100) faces of both polyhedra, twin planes.
IH_111 = 5 * np.sqrt(3) / (5 * (3 + np.sqrt(5)) / 12) ** (2 / 3)
TO_111 = 12 * np.sqrt(3) / (8 * np.sqrt(2)) ** (2 / 3)
TO_100 = 6 / (8 * np.sqrt(2)) ** (2 / 3)
_RADIUS = np.sin(2 * np.pi / 5)  # of the vertices of an icosahedron of edge 1
IH_TWINS = 30 * 0.5 * np.sqrt(_RADIUS**2 - 0.25) / (5 * (3 + np.sqrt(5)) / 12) ** (2 / 3)
SI = 1000 * units.m**2 / units.J  # mJ/m^2 in eV/Å^2


def energy_of(atoms: Atoms, calculator) -> float:
    """Energy of an atom (eV)."""
    atoms.calc = calculator
    return float(atoms.get_potential_energy()) / len(atoms)


def elastic_constants(symbol, lattice, calculator, step=4e-3):
    """C11, C12, C44 of an fcc crystal (eV/Å^3), by second differences of the energy."""

    def energy(strain):
        atoms = crystal(symbol, "fcc", a=lattice, cubic=True)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        return 4 * energy_of(atoms, calculator)

    def curvature(strain):
        return (energy(step * strain) + energy(-step * strain) - 2 * energy(0 * strain)) / step**2

    volume = lattice**3
    c11 = curvature(np.diag([1.0, 0, 0])) / volume
    both = curvature(np.diag([1.0, 1, 0])) / volume  # 2 (C11 + C12)
    shear = np.zeros((3, 3))
    shear[0, 1] = shear[1, 0] = 0.5
    return c11, both / 2 - c11, curvature(shear) / volume


def hcp_energy(symbol, lattice, calculator):
    """Energy of an atom of the hcp crystal over fcc (eV), both with the distances of fcc."""
    a = lattice / np.sqrt(2)
    hcp = crystal(symbol, "hcp", a=a, c=a * np.sqrt(8 / 3))
    fcc = crystal(symbol, "fcc", a=lattice, cubic=True)
    return energy_of(hcp, calculator) - energy_of(fcc, calculator)


def surface_stress(symbol, lattice, calculator, layers=12):
    """Stress of the relaxed (111) surface (eV/Å^2), the mean of both directions."""
    slab = fcc111(symbol, (1, 1, layers), a=lattice, vacuum=10.0, periodic=True)
    slab.set_tags(0)
    slab.calc = calculator
    BFGS(slab, logfile=None).run(fmax=1e-3, steps=300)
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    along = slab.get_stress(voigt=True)[:2].mean() * slab.get_volume()
    return along / (2 * area)


def icosahedral_strain(atoms: Atoms, bond: float):
    """Mean strain of the bonds along radii and within shells, (2,), relative to the bulk bond."""
    inner = atoms.positions - atoms.positions.mean(axis=0)
    radii = np.linalg.norm(inner, axis=1)
    pairs = np.linalg.norm(inner[:, None] - inner[None], axis=2)
    i, j = np.nonzero(np.triu(pairs < 1.25 * bond, 1))
    along = (inner[j] - inner[i]) / pairs[i, j][:, None]
    centre = (inner[i] + inner[j]) / 2
    cosine = np.abs(np.sum(along * centre, axis=1)) / np.maximum(
        np.linalg.norm(centre, axis=1), 1e-9
    )
    deep = (
        np.maximum(radii[i], radii[j]) < radii.max() - bond
    )  # surface bonds contract by themselves
    radial = deep & (cosine > np.cos(np.radians(20)))
    within = deep & (cosine < np.sin(np.radians(20)))
    return [float(np.mean(pairs[i, j][part])) / bond - 1 for part in (radial, within)]


def row_of(found):
    """All numbers of one comparison; None where it compared other families."""
    from aiida.orm import load_node

    node = load_node(found.process_uuid)
    answer, bulk = node.outputs.answer, node.outputs.bulk
    if not set(MOTIFS) <= set(answer["fits"]) or len(found.potentials) != 1:
        return None
    potential = load_node(found.potentials[0].uuid)
    calculator = potential.get_calculator()
    symbol, lattice = found.element, bulk["lattice_constant"]
    c11, c12, c44 = elastic_constants(symbol, lattice, calculator)
    shear, modulus = (c11 - c12 + 3 * c44) / 5, (c11 + 2 * c12) / 3
    poisson = (3 * modulus - 2 * shear) / (2 * (3 * modulus + shear))
    volume, surfaces = bulk["atomic_volume"], bulk["surface_energies"]
    twin = hcp_energy(symbol, lattice, calculator) / (np.sqrt(3) / 4 * lattice**2)
    elastic = 2 * shear * (1 + poisson) / (9 * (1 - poisson)) * DISCLINATION**2 * volume
    stress = surface_stress(symbol, lattice, calculator)
    faces = TO_111 * surfaces["111"] + TO_100 * surfaces["100"] - IH_111 * surfaces["111"]
    stretched = 2 * DISCLINATION / 3 * (stress - surfaces["111"]) * IH_111
    ico, octa = (answer["fits"][motif]["coefficients"] for motif in MOTIFS)
    relaxed = node.outputs.structures.frames
    sizes = answer["fits"]["icosahedron"]["sizes"]
    size = min(sizes, key=lambda n: abs(n - 561))
    middle = next(a for a in relaxed if len(a) == size)
    return {
        "element": symbol,
        "potential": potential.level_of_theory,
        "N": found.size,
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
        "a0": lattice,
        "cohesive": bulk["cohesive_energy"],
        "111": SI * surfaces["111"],
        "100": SI * surfaces["100"],
        "110": SI * surfaces["110"],
        "twin": SI * twin,
        "shear": shear / units.GPa,
        "strain": icosahedral_strain(middle, lattice / np.sqrt(2)),
        "strain_size": size,
        "time": (node.mtime - node.ctime).total_seconds(),
        "A": 1000 * (ico[0] - octa[0]),
        "A_bulk": 1000 * elastic,
        "B": 1000 * (octa[1] - ico[1]),
        "stress": SI * stress,
        "B_faces": 1000 * (faces - IH_TWINS * twin) * volume ** (2 / 3),
        "B_bulk": 1000 * (faces - IH_TWINS * twin - stretched) * volume ** (2 / 3),
    }


def interval_of(row):
    """Crossing with its interval, or the verdict."""
    if not row["N"]:
        return row["verdict"]
    low, high = (f"{x:.0f}" if x else "open" for x in (row["low"], row["high"]))
    return f"{row['N']:.0f} ({low} to {high})"


def strain_of(row):
    """Strain of the icosahedron, as text."""
    radial, within = (f"{100 * s:+.1f}" for s in row["strain"])
    return f"{radial}, {within}, {row['strain_size']}"


@click.command()
@click.option("--element", help="Chemical symbol. Default: all.")
def main(element):
    """Print the table, and the rank correlation of the crossing with each property."""
    rows = [row for found in find_crossovers(element=element) if (row := row_of(found))]
    rows.sort(key=lambda row: (row["element"], row["N"] or np.inf))
    columns = {
        "metal, potential": lambda r: f"{r['element']}, {r['potential']}",
        "crossing (90 % interval)": interval_of,
        "a0 (Å)": lambda r: f"{r['a0']:.3f}",
        "cohesive energy (eV)": lambda r: f"{r['cohesive']:.3f}",
        "111, 100, 110 (mJ/m²)": lambda r: f"{r['111']:.0f}, {r['100']:.0f}, {r['110']:.0f}",
        "stress of 111, twin (mJ/m²)": lambda r: f"{r['stress']:.0f}, {r['twin']:.0f}",
        "shear modulus (GPa)": lambda r: f"{r['shear']:.0f}",
        "strain along radii, in shells (%), N": strain_of,
        "A (meV), fitted, bulk": lambda r: f"{r['A']:.1f}, {r['A_bulk']:.1f}",
        "B (meV), fitted, bulk": lambda r: f"{r['B']:.0f}, {r['B_bulk']:.0f}",
        "time (min)": lambda r: f"{r['time'] / 60:.1f}",
    }
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(cell(row) for cell in columns.values()) + " |")
    crossed = [row for row in rows if row["N"]]
    print(f"\nRank correlation with the crossing, {len(crossed)} potentials:")
    properties = {
        "A, fitted": lambda r: r["A"],
        "B, fitted": lambda r: r["B"],
        "A, from elasticity": lambda r: r["A_bulk"],
        "B, from faces and twins": lambda r: r["B_faces"],
        "B, from faces, twins and surface stress": lambda r: r["B_bulk"],
        "(B/A)^3, fitted": lambda r: (r["B"] / r["A"]) ** 3,
        "(B/A)^3, from the crystal": lambda r: (r["B_bulk"] / r["A_bulk"]) ** 3,
        "gamma(100)/gamma(111)": lambda r: r["100"] / r["111"],
        "shear modulus": lambda r: r["shear"],
        "surface stress / surface energy": lambda r: r["stress"] / r["111"],
        "twin energy": lambda r: r["twin"],
        "shear modulus x volume / cohesive energy": lambda r: (
            r["shear"] * r["a0"] ** 3 / r["cohesive"]
        ),
    }
    for name, value in properties.items():
        rank = spearmanr([value(r) for r in crossed], [r["N"] for r in crossed])
        print(f"  {name:42} {rank.statistic:+.2f} (p {rank.pvalue:.3f})")


if __name__ == "__main__":
    main()
