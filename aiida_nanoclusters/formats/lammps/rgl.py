"""RGL (Gupta) potentials of noble metals as EAM tables that LAMMPS reads.

V. Rosato, M. Guillope and B. Legrand, Philos. Mag. A 59, 321 (1989); R. P. Gupta, Phys. Rev. B 23,
6265 (1981), the second-moment approximation of tight binding::

    E = sum_i [ sum_j A exp(-p (r_ij/r0 - 1)) - sqrt( sum_j xi^2 exp(-2 q (r_ij/r0 - 1)) ) ]

It is an embedded-atom potential with F(rho) = -sqrt(rho), rho(r) the terms of the square root and
the pair potential 2 A exp(-p (r/r0 - 1)). From the second shell of neighbours of the crystal to the
third, A exp and xi exp are replaced by polynomials of fifth order that go on with the same value,
slope and curvature and end with none, as in LoDiS (below) and in F. Baletto and R. Ferrando, Rev.
Mod. Phys. 77, 371 (2005), whose group made these parametrisations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from types import MappingProxyType

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Points of the tables in density and in distance.
_DENSITIES, _DISTANCES = 20_000, 10_000
#: Largest density of the table over that of the crystal's first shell; LAMMPS goes on linearly.
_LARGEST = 10.0
_NAME = re.compile(r"rgl-([A-Z][a-z]?)\.eam\.alloy")


@dataclass(frozen=True)
class RGL:
    """Parameters of one metal.

    Attributes
    ----------
    symbol
        Chemical symbol.
    repulsion, hopping
        A and xi (eV).
    p, q
        Decay of the repulsion and of the hopping integral.
    nearest
        r0, the nearest-neighbour distance of the crystal (Å).
    cutoffs
        Where the polynomials begin and end (Å); the second and the third shell of neighbours where
        left out.
    """

    symbol: str
    repulsion: float
    hopping: float
    p: float
    q: float
    nearest: float
    cutoffs: tuple[float, float] | None = None

    @property
    def cutoff_start(self) -> float:
        """Distance (Å) where the polynomials begin."""
        return self.cutoffs[0] if self.cutoffs else sqrt(2) * self.nearest

    @property
    def cutoff(self) -> float:
        """Distance (Å) where they end."""
        return self.cutoffs[1] if self.cutoffs else sqrt(3) * self.nearest

    def pair(self, distance: Floats) -> Floats:
        """Return the pair potential phi(r) (eV) at distances (Å) of any shape."""
        return 2 * self._cut(distance, self.repulsion, self.p)

    def density(self, distance: Floats) -> Floats:
        """Return an atom's part rho(r) (eV^2) of the density at distances (Å) of any shape."""
        return self._cut(distance, self.hopping, self.q) ** 2

    def _cut(self, distance: Floats, factor: float, decay: float) -> Floats:
        """Return `factor` exp(-`decay` (r/r0 - 1)), beyond the second shell its polynomial."""
        r = np.asarray(distance, dtype=np.float64)
        rate = decay / self.nearest
        width = self.cutoff - self.cutoff_start
        value = factor * np.exp(-rate * (self.cutoff_start - self.nearest))
        # With u from 1 at the second shell to 0 at the third, value, slope and curvature in u.
        u = np.clip((self.cutoff - r) / width, 0, 1)
        slope, curvature = value * rate * width, value * (rate * width) ** 2
        tail = (
            (10 * value - 4 * slope + curvature / 2) * u**3
            + (-15 * value + 7 * slope - curvature) * u**4
            + (6 * value - 3 * slope + curvature / 2) * u**5
        )
        within = factor * np.exp(-rate * (np.minimum(r, self.cutoff_start) - self.nearest))
        return np.where(r < self.cutoff_start, within, tail)


#: The parameters by element.
#:
#: Read in LoDiS (https://github.com/kcl-tscm/LoDiS, commit c1c03b5, POT_FILE/Au_Au.pot, Ag_Ag.pot
#: and Cu_Cu.pot with Cu_Cu3.pot), the molecular-dynamics code of Baletto, Ferrando and co-workers.
#: r0 is twice the "atomic radius" there. With r0 and the polynomials between its second and third
#: shell, the crystal is at rest at r0 and has the cohesive energy of the same files (3.81, 2.95 and
#: 3.50 eV) to 1e-7, from which A and xi were evidently made.
#:
#: They are what is printed, rounded, as the parameters of F. Baletto, R. Ferrando, A. Fortunelli,
#: F. Montalenti and C. Mottet, J. Chem. Phys. 116, 3856 (2002), and of G. Rossi et al., Phys. Rev.
#: Lett. 93, 105503 (2004); these papers were not at hand, so that this attribution is unverified.
PARAMETERS: Mapping[str, RGL] = MappingProxyType(
    {
        row.symbol: row
        for row in (
            RGL("Au", 0.209570656, 1.8152764, 10.139, 4.033, 2.885),
            RGL("Ag", 0.10308871, 1.18954349, 10.85, 3.18, 2.89),
            RGL("Cu", 0.08937634604179, 1.27988042293813, 10.55, 2.43, 2.56),
        )
    }
)

#: Names under which the tables are known wherever a potential file is named.
NAMES = tuple(f"rgl-{symbol}.eam.alloy" for symbol in PARAMETERS)


def setfl_text(metal: RGL) -> str:
    """Return the table of a metal in LAMMPS's format setfl (``pair_style eam/alloy``).

    Numbers have 13 digits, so that the text, and with it the node made of it, is the same on every
    machine. At densities below the first point of the table (5e-4 of a crystal's first shell: an
    atom farther than about 1.6 r0 from its only neighbour) the square root is interpolated: the
    energy of such an atom is not exact, its force is finite.
    """
    crystal = float(12 * metal.density(np.array(metal.nearest)))
    density_step = _LARGEST * crystal / (_DENSITIES - 1)
    distance_step = metal.cutoff / (_DISTANCES - 1)
    distances = distance_step * np.arange(_DISTANCES, dtype=np.float64)
    number = atomic_numbers[metal.symbol]
    lines = [
        f"RGL (Gupta) potential of {metal.symbol}, written by aiida-nanoclusters",
        f"A {metal.repulsion!r} eV xi {metal.hopping!r} eV p {metal.p!r} q {metal.q!r} "
        f"r0 {metal.nearest!r} A",
        f"fifth-order polynomials from {metal.cutoff_start:.6f} to {metal.cutoff:.6f} A",
        f"1 {metal.symbol}",
        f"{_DENSITIES} {density_step:.12e} {_DISTANCES} {distance_step:.12e} {metal.cutoff:.12e}",
        f"{number} {atomic_masses[number]:.4f} {sqrt(2) * metal.nearest:.6f} fcc",
        *_rows(-np.sqrt(density_step * np.arange(_DENSITIES))),
        *_rows(metal.density(distances)),
        *_rows(distances * metal.pair(distances)),
    ]
    return "\n".join(lines) + "\n"


def write_named(name: str, folder: Path) -> Path | None:
    """Write the table of a name such as ``rgl-Au.eam.alloy`` and return its path.

    None where the name is not one of these tables; a path with folders is none.

    Raises
    ------
    ValueError
        If it is the table of an element without parameters.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    metal = PARAMETERS.get(match[1])
    if metal is None:
        raise ValueError(f"there is no RGL potential for {match[1]}: {', '.join(NAMES)}")
    path = folder / name
    path.write_text(setfl_text(metal))
    return path


def _rows(values: Floats) -> list[str]:
    """Write numbers, five on a line."""
    words = [f"{value:.12e}" for value in values]
    return [" ".join(words[k : k + 5]) for k in range(0, len(words), 5)]
