"""Potentials with published global minima, without cutoff, quick for small clusters.

Lennard-Jones in the published argon's units (eV, Å; any element of one kind), and Sutton-Chen
copper 9-6 (J. P. K. Doye and D. J. Wales, New J. Chem. 22, 733 (1998); A. P. Sutton and J. Chen,
Philos. Mag. Lett. 61, 139 (1990)), also as a table that LAMMPS reads.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.singlepoint import SinglePointCalculator
from scipy.optimize import minimize

#: Argon: well depth (eV) and diameter (Å).
EPSILON, SIGMA = 0.0103342, 3.4
#: eV, Å and numbers.
SC_EPSILON, SC_A, SC_C, SC_N, SC_M = 0.012382, 3.61, 39.432, 9, 6

#: Lennard-Jones, in units of the well depth, and Sutton-Chen copper, eV: The Cambridge Cluster
#: Database, D. J. Wales, J. P. K. Doye, A. Dullweber, M. P. Hodges, F. Y. Naumkin, F. Calvo,
#: J. Hernández-Rojas and T. F. Middleton, http://www-wales.ch.cam.ac.uk/CCD.html.
LJ_MINIMA = {
    10: -28.422532,
    11: -32.765970,
    12: -37.967600,
    13: -44.326801,
    14: -47.845157,
    15: -52.322627,
    16: -56.815742,
    17: -61.317995,
    18: -66.530949,
    19: -72.659782,
    20: -77.177043,
    21: -81.684571,
    22: -86.809782,
    23: -92.844472,
    24: -97.348815,
    25: -102.372663,
    26: -108.315616,
    27: -112.873584,
    28: -117.822402,
    29: -123.587371,
    30: -128.286571,
}
SC_MINIMA = {8: -19.957938, 13: -34.775794, 19: -52.268804}


class LennardJones(Calculator):
    """Energy and forces of clusters; `calls` counts evaluations."""

    implemented_properties = ["energy", "forces"]

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        energy, gradient = self.evaluate(self.atoms.positions)
        self.results = {"energy": energy, "forces": -gradient}

    def evaluate(self, positions):
        """Energy (eV) and gradient (N, 3)."""
        vectors, squares = pairs(positions)
        sixth = (SIGMA**2 / squares) ** 3
        energy = 2 * EPSILON * float((sixth**2 - sixth).sum())
        slopes = 24 * EPSILON * (sixth - 2 * sixth**2) / squares
        return energy, np.einsum("ij,ijk->ik", slopes, vectors)


class SuttonChen(LennardJones):
    """Sutton-Chen copper 9-6."""

    def evaluate(self, positions):
        """Energy (eV) and gradient (N, 3)."""
        vectors, squares = pairs(positions)
        repulsion = (SC_A**2 / squares) ** (SC_N / 2)
        density = (SC_A**2 / squares) ** (SC_M / 2)
        roots = np.sqrt(density.sum(axis=1))
        energy = SC_EPSILON * float(0.5 * repulsion.sum() - SC_C * roots.sum())
        inverse = 0.5 * SC_C * (1 / roots[:, None] + 1 / roots[None])
        slopes = SC_EPSILON * (SC_M * inverse * density - SC_N * repulsion) / squares
        return energy, np.einsum("ij,ijk->ik", slopes, vectors)


def pairs(positions):
    """Vectors (N, N, 3) and squared distances (N, N), endless on the diagonal."""
    vectors = positions[:, None] - positions[None]
    squares = np.einsum("ijk,ijk->ij", vectors, vectors)
    np.fill_diagonal(squares, np.inf)
    return vectors, squares


def relaxed(atoms: Atoms, potential: LennardJones, tolerance: float = 1e-4) -> Atoms:
    """Relax a copy until no component of a force (eV/Å) is above the tolerance."""

    def objective(flat):
        potential.calls += 1
        energy, gradient = potential.evaluate(flat.reshape(-1, 3))
        return energy / EPSILON, gradient.ravel() / EPSILON

    options = {"gtol": tolerance / EPSILON, "ftol": 0.0, "maxiter": 2000}
    with np.errstate(all="ignore"):  # the line search may try what bursts
        found = minimize(
            objective, atoms.positions.ravel(), jac=True, method="L-BFGS-B", options=options
        )
    copy = atoms.copy()
    copy.positions = found.x.reshape(-1, 3)
    energy, gradient = potential.evaluate(copy.positions)
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=-gradient)
    return copy


def write_sutton_chen(path: Path, cutoff: float = 25.0, points: int = 20000) -> None:
    """Write the copper as a table of ``pair_style eam/alloy``; energies are good to 1e-4 eV.

    `cutoff` (Å) must exceed the diameter of the clusters: the potential has no cutoff.
    """
    dr = cutoff / points
    r = np.arange(points) * dr
    r[0] = dr
    scaled = SC_A / np.maximum(r, 0.8)  # the wall inside is never met
    most = 400.0
    drho = most / points
    embedding = -SC_EPSILON * SC_C * np.sqrt(np.arange(points) * drho)
    columns = [embedding, scaled**SC_M, SC_EPSILON * scaled**SC_N * r]
    lines = ["Sutton-Chen copper 9-6", "no cutoff: for clusters only", "", "1 Cu"]
    lines += [f"{points} {drho!r} {points} {dr!r} {cutoff!r}", f"29 63.546 {SC_A} fcc"]
    lines += ["\n".join(f"{value:.16e}" for value in column) for column in columns]
    path.write_text("\n".join(lines) + "\n")
