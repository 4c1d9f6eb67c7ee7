"""Elastic constants against stresses, strain energies against a numerical solution."""

import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from scipy.optimize import minimize_scalar
from scipy.sparse import diags
from scipy.sparse.linalg import spsolve

from aiida_nanoclusters.science.stability.elasticity import (
    STRAIN_RATIO,
    Crystal,
    crystal_from_energies,
    strained_cells,
)
from aiida_nanoclusters.science.structures.crystals import bulk_cell

#: Published for Cu_mishin1 (Mishin et al., Phys. Rev. B 63, 224106 (2001)): C11, C12, C44 (GPa).
C11, C12, C44 = 169.9, 122.6, 76.2
MISHIN = Crystal(
    (-3.54021833,),
    (11.80967392,),
    ((C11 + 2 * C12) / 3 * units.GPa,),
    ((C11 - C12 + 3 * C44) / 5 * units.GPa,),
)


def energies(lattice, symbol="Cu", shift=0.0):
    values = []
    for atoms in strained_cells(symbol, lattice):
        atoms.calc = EMT()
        values.append(atoms.get_potential_energy() / len(atoms) + shift)
    return values


def emt_energy(lattice):
    atoms = bulk_cell("Cu", lattice)
    atoms.calc = EMT()
    return atoms.get_potential_energy() / 4


@pytest.fixture(scope="module")
def lattice():
    return minimize_scalar(emt_energy, bounds=(3.4, 3.8), options={"xatol": 1e-10}).x


def stress(lattice, strain):
    atoms = bulk_cell("Cu", lattice)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.calc = EMT()
    return atoms.get_stress(voigt=False)


def test_moduli_agree_with_stresses(lattice):
    step = 1e-4
    along = stress(lattice, step * np.diag([1, 0, 0])) - stress(lattice, -step * np.diag([1, 0, 0]))
    along /= 2 * step
    shear = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]) / 2
    c44 = (stress(lattice, step * shear) - stress(lattice, -step * shear))[0, 1] / (2 * step)
    found = crystal_from_energies([energies(lattice)], lattice)
    assert found.bulk_modulus[0] == pytest.approx((along[0, 0] + 2 * along[1, 1]) / 3, rel=0.02)
    voigt = (along[0, 0] - along[1, 1] + 3 * c44) / 5
    assert found.shear_modulus[0] == pytest.approx(voigt, rel=0.03)
    assert found.energy[0] == pytest.approx(emt_energy(lattice), abs=1e-6)
    assert found.atomic_volume[0] == pytest.approx(lattice**3 / 4, rel=1e-4)


def test_members_need_not_share_a_lattice_constant(lattice):
    own, other = energies(lattice), energies(0.99 * lattice, shift=0.05)
    alone = crystal_from_energies([own], lattice)
    # The second member's crystal is 1 % larger than the cells it is given.
    found = crystal_from_energies([own, other], 0.99 * lattice)
    assert found.n_members == 2
    assert found.energy[1] == pytest.approx(alone.energy[0] + 0.05, abs=1e-5)
    assert found.atomic_volume[1] == pytest.approx(alone.atomic_volume[0], rel=1e-3)
    assert found.bulk_modulus[1] == pytest.approx(alone.bulk_modulus[0], rel=0.02)
    # That of the compressed cells themselves is 17 % larger.
    assert found.shear_modulus[1] == pytest.approx(alone.shear_modulus[0], rel=0.06)
    with pytest.raises(ValueError, match="member 1: the crystal has no lowest energy within 2 %"):
        crystal_from_energies([energies(0.96 * lattice)], 0.96 * lattice)


def radial_energy(stiffness, gap, dimensions):
    """Lowest elastic energy density of a sphere (3) or a cylinder (2) whose gap is closed.

    Strains u' along the radius and u / r + gap across it, with u found on a grid.
    """
    radial, mixed, across = stiffness
    r = np.linspace(0.0, 1.0, 4001)
    middle, h = (r[1:] + r[:-1]) / 2, r[1] - r[0]
    n = len(r)
    # Row i: derivative and u / r at the middle of interval i, from the values at its ends.
    slope = diags([-1 / h * np.ones(n), 1 / h * np.ones(n)], [0, 1], shape=(n - 1, n))
    over_r = diags([0.5 / middle, 0.5 / middle], [0, 1], shape=(n - 1, n))
    w = diags(dimensions * middle ** (dimensions - 1) * h)
    # density = radial/2 e^2 + mixed e t + across/2 t^2, t = u / r + gap
    matrix = (
        radial * slope.T @ w @ slope
        + mixed * (slope.T @ w @ over_r + over_r.T @ w @ slope)
        + across * over_r.T @ w @ over_r
    ).tocsc()
    force = -(mixed * slope.T + across * over_r.T) @ w @ np.full(n - 1, gap)
    u = np.zeros(n)
    u[1:] = spsolve(matrix[1:, 1:], force[1:])
    e, t = slope @ u, over_r @ u + gap
    return float(np.sum(w @ (radial / 2 * e**2 + mixed * e * t + across / 2 * t**2)))


def test_strain_energies_are_those_of_a_disclination():
    g, k, volume = 0.34, 0.86, 11.8
    crystal = Crystal((-3.5,), (volume,), (k,), (g,))
    lame = k - 2 / 3 * g
    # Of both directions across the radius of a sphere; of one in a cylinder of fixed length.
    sphere = radial_energy((lame + 2 * g, 2 * lame, 4 * lame + 4 * g), 0.0615, 3)
    assert crystal.elastic_energy("icosahedron")[0] == pytest.approx(volume * sphere, rel=1e-3)
    wedge = 1 - 5 * np.arccos(1 / 3) / (2 * np.pi)
    cylinder = radial_energy((lame + 2 * g, lame, lame + 2 * g), wedge, 2)
    for motif in ("Marks decahedron", "Ino decahedron"):
        assert crystal.elastic_energy(motif)[0] == pytest.approx(volume * cylinder, rel=1e-3)
    assert crystal.elastic_energy("Wulff").tolist() == [0.0]


def test_volume_terms_of_copper():
    expected, deviation = MISHIN.volume_term("icosahedron")
    # 9.2 meV/atom is fitted to relaxed icosahedra of 309 to 10179 atoms.
    assert expected[0] - MISHIN.energy[0] == pytest.approx(0.0092, abs=2 * deviation)
    assert deviation == pytest.approx(STRAIN_RATIO["icosahedron"][1] * 0.0067, rel=0.02)
    assert MISHIN.volume_term("truncated octahedron")[0].tolist() == list(MISHIN.energy)
    assert MISHIN.volume_term("truncated octahedron")[1] == 0.0
    assert Crystal(**MISHIN.as_dict()) == MISHIN


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shear_modulus": -0.1}, "shear modulus of the crystal"),
        ({"energy": np.nan}, "energy of the crystal"),
        ({"atomic_volume": [11.8, 11.9]}, "for each committee member"),
    ],
)
def test_crystals_that_are_not_stable_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Crystal(**{**MISHIN.as_dict(), **change})
