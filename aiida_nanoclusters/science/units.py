"""Units of this package, derived from :mod:`ase.units`.

Energies are in eV, lengths in Å, forces in eV/Å, stresses in eV/Å^3 (ASE's sign and Voigt
order), times in ps, temperatures in K. Errors are reported in meV.
"""

import ase.units

MEV_PER_EV = 1000.0
KCAL_PER_MOL_PER_EV = ase.units.mol / ase.units.kcal
#: LAMMPS metal units give the pressure in bar and with the opposite sign of a stress.
STRESS_FROM_BAR = -1.0e-4 * ase.units.GPa
NM_PER_ANGSTROM = 0.1
#: Of 1 eV/Å^2, a surface energy.
J_PER_M2 = ase.units.m**2 / ase.units.J
#: CP2K uses atomic units.
HARTREE, BOHR = ase.units.Hartree, ase.units.Bohr
