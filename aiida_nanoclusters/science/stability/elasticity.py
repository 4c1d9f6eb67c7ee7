"""Properties of the crystal that the volume terms of the motifs follow from.

Every single crystal has the bulk energy as its volume term. An icosahedron or a decahedron closes
an angular gap by strain, like a disclination: elastic theory of an isotropic solid gives an energy
in proportion to the volume (A. Howie and L. D. Marks, Phil. Mag. A 49, 95 (1984); L. D. Marks,
Rep. Prog. Phys. 57, 603 (1994)) ::

    icosahedron   2 G (1 + nu) / (9 (1 - nu)) eps^2,   eps = 0.0615
    decahedron    G / (4 (1 - nu)) eps^2,              eps = 7.356 deg / 360 deg

with the shear modulus G (Voigt average) and Poisson's ratio nu. Tetrahedra are strained along
their stiff <111> axes, so that the true energy is larger, by nearly the same factor for all fcc
metals: :data:`STRAIN_RATIO`, measured with potentials (docs/topics/crossover.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from aiida_nanoclusters.science.structures.crystals import bulk_cell
from aiida_nanoclusters.science.structures.motif_kinds import motif_of

FloatArray = NDArray[np.float64]

#: Strain energy of relaxed clusters over that of elastic theory: mean, standard deviation.
STRAIN_RATIO = {"icosahedron": (1.35, 0.07), "decahedron": (1.0, 0.4)}
#: Shear of a disclination: of the icosahedron, and the decahedron's wedge over a full turn.
_ICOSAHEDRON, _DECAHEDRON = 0.0615, (2 * np.pi - 5 * np.arccos(1 / 3)) / (2 * np.pi)
#: Isotropic strains, and magnitudes of the two shears, of :func:`strained_cells`.
_ISOTROPIC = tuple(np.linspace(-0.04, 0.04, 9).round(3))
_SHEARS = (-0.02, -0.01, 0.01, 0.02)
_TETRAGONAL = np.diag([1.0, 1.0, -2.0]) / np.sqrt(6)
_RHOMBOHEDRAL = (np.ones((3, 3)) - np.eye(3)) / np.sqrt(6)


@dataclass(frozen=True)
class Crystal:
    """The relaxed fcc crystal, by each member of a committee (M,), or one for all.

    Attributes
    ----------
    energy
        eV/atom.
    atomic_volume
        Å^3.
    bulk_modulus, shear_modulus
        eV/Å^3; the shear modulus is the Voigt average (C11 - C12 + 3 C44) / 5.

    Raises
    ------
    ValueError
        Numbers that are not finite, moduli or volumes that are not positive, unequal lengths.
    """

    energy: tuple[float, ...]
    atomic_volume: tuple[float, ...]
    bulk_modulus: tuple[float, ...]
    shear_modulus: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            object.__setattr__(self, name, tuple(float(x) for x in np.ravel(value)))
        values = asdict(self)
        if len({len(v) for v in values.values()}) != 1 or not len(self.energy):
            raise ValueError("give every property of the crystal for each committee member")
        for name, own in values.items():
            if not np.isfinite(own).all() or (name != "energy" and not min(own) > 0):
                raise ValueError(
                    f"{name.replace('_', ' ')} of the crystal: {own}; an fcc crystal that is "
                    "stable has a finite energy, a volume and positive moduli"
                )

    @property
    def n_members(self) -> int:
        """Number of committee members; 1 where the crystal is the same for all."""
        return len(self.energy)

    @property
    def stiffness(self) -> float:
        """Bulk modulus times atomic volume (eV): the scale of energies of the metal."""
        return float(np.mean(np.multiply(self.bulk_modulus, self.atomic_volume)))

    def as_dict(self) -> dict[str, list[float]]:
        """Every property by its name, JSON-able."""
        return {name: list(values) for name, values in asdict(self).items()}

    def elastic_energy(self, motif: str) -> FloatArray:
        """Strain energy (M,), eV/atom, of elastic theory; 0 for single crystals.

        >>> copper = Crystal(-3.54, 11.81, 0.864, 0.344)
        >>> [round(1000 * float(copper.elastic_energy(m)[0]), 1) for m in ("icosahedron", "Wulff")]
        [6.7, 0.0]
        """
        g, k = np.array(self.shear_modulus), np.array(self.bulk_modulus)
        nu = (3 * k - 2 * g) / (2 * (3 * k + g))
        density = {
            None: 0 * g,
            "icosahedron": 2 * g * (1 + nu) / (9 * (1 - nu)) * _ICOSAHEDRON**2,
            "decahedron": g / (4 * (1 - nu)) * _DECAHEDRON**2,
        }[motif_of(motif).strain]
        return np.asarray(density * np.array(self.atomic_volume))

    def volume_term(self, motif: str) -> tuple[FloatArray, float]:
        """What ``a`` of a motif must be: expected (M,) and its standard deviation, eV/atom."""
        kind = motif_of(motif).strain
        mean, deviation = (0.0, 0.0) if kind is None else STRAIN_RATIO[kind]
        elastic = self.elastic_energy(motif)
        return np.array(self.energy) + mean * elastic, deviation * float(elastic.mean())


def strained_cells(symbol: str, lattice_constant: float) -> list[Atoms]:
    """Build the 17 strained fcc cells that :func:`crystal_from_energies` needs, in its order.

    Parameters
    ----------
    symbol
        Chemical symbol.
    lattice_constant
        Å, near that of the relaxed crystal.
    """
    cells = []
    for strain in (
        *(s * np.eye(3) for s in _ISOTROPIC),
        *(s * shear for shear in (_TETRAGONAL, _RHOMBOHEDRAL) for s in _SHEARS),
    ):
        atoms = bulk_cell(symbol, lattice_constant, structure="fcc")
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        cells.append(atoms)
    return cells


def crystal_from_energies(members: Sequence[ArrayLike], lattice_constant: float) -> Crystal:
    """Properties of the crystal from energies (eV/atom) of :func:`strained_cells`.

    Parameters
    ----------
    members
        (17,) of each committee member.
    lattice_constant
        Å, as given to :func:`strained_cells`.

    Raises
    ------
    ValueError
        A member whose crystal has no lowest energy within 2 % of that lattice constant, or no
        positive moduli.
    """
    volume = lattice_constant**3 / 4
    strain = np.array(_ISOTROPIC)
    energy, volumes, bulk, shear = [], [], [], []
    for number, values in enumerate(np.asarray(members, dtype=float), start=1):
        middle = int(np.argmin(values[: len(strain)]))
        if not 2 <= middle < len(strain) - 2:
            raise ValueError(
                f"member {number}: the crystal has no lowest energy within 2 % of "
                f"{lattice_constant:.3f} Å"
            )
        near = slice(middle - 2, middle + 3)
        curve = np.polynomial.Polynomial.fit(strain[near], values[near], 4)
        at = float(minimize_scalar(curve, bounds=strain[near][[1, 3]], options={"xatol": 1e-9}).x)
        own = volume * (1 + at) ** 3
        unstrained = float(values[len(strain) // 2])
        tetragonal, rhombohedral = (
            _curvature(values[k : k + len(_SHEARS)], unstrained) / (2 * volume)
            for k in (len(strain), len(strain) + len(_SHEARS))
        )
        energy.append(float(curve(at)))
        volumes.append(own)
        bulk.append(float(curve.deriv(2)(at)) * (1 + at) ** 2 / (9 * own))
        # Shear constants follow the bulk modulus from the given lattice constant to the own.
        softer = float(curve.deriv(2)(at) / curve.deriv(2)(0.0)) / (1 + at)
        shear.append((2 * tetragonal + 3 * rhombohedral) / 5 * softer)
    return Crystal(tuple(energy), tuple(volumes), tuple(bulk), tuple(shear))


def _curvature(energies: FloatArray, unstrained: float) -> float:
    """Second derivative of the energy (eV/atom) by the magnitude of a shear."""
    s = np.array(_SHEARS)
    powers = np.stack([s**2 / 2, s**3, s**4], axis=1)
    return float(np.linalg.lstsq(powers, energies - unstrained, rcond=None)[0][0])
