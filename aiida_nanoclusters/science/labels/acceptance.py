"""Conditions under which the result of a first-principles calculation is accepted as a label."""

from __future__ import annotations

import numpy as np
import spglib
from ase import Atoms
from ase.data import atomic_numbers, ground_state_magnetic_moments
from numpy.typing import NDArray

from aiida_nanoclusters.science.labels.sanity import impossible

Floats = NDArray[np.float64]

#: Å; atoms this close to a symmetric site count as on it.
_ON_SITE = 1e-4


def label_problem(
    atoms: Atoms, energy: float, forces: Floats, converged: bool | None, max_net_force: float
) -> str | None:
    """Return why a result is not accepted as the label of a frame, or None where it is.

    Parameters
    ----------
    atoms, energy, forces
        The frame; eV; eV/Å, shape (N, 3).
    converged
        Whether the self-consistent field converged; None where the output does not show it.
    max_net_force
        eV/Å; largest accepted component of the sum of all forces, per atom. The exact sum is zero;
        what is left is an error of the grid of the electron density.
    """
    if converged is None:
        return "the output does not show whether the self-consistent field converged"
    if not converged:
        return "the self-consistent field did not converge"
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        return "energy or forces are not finite numbers"
    if problem := zero_forces_problem(atoms, forces):
        return problem
    net = float(np.abs(forces.sum(axis=0)).max()) / len(atoms)
    if net > max_net_force:
        return (
            f"net force of {net:.1e} eV/Å per atom, more than {max_net_force:.1e}: "
            "the grid is too coarse"
        )
    return None


def zero_forces_problem(atoms: Atoms, forces: Floats) -> str | None:
    """Return that forces (N, 3) were not computed, or None.

    All of them are zero then, though neither symmetry nor that the atom is alone requires it.
    """
    if len(atoms) > 1 and not np.any(forces) and not forces_vanish(atoms):
        return "all forces are zero: they were not computed"
    return None


def forces_vanish(atoms: Atoms) -> bool:
    """Return whether the symmetry of a crystal requires the forces on all atoms to be zero.

    This is the case where, for every atom, the rotations that leave it in place sum up to zero.
    False for frames that are not periodic in all three directions, and for those without distances,
    which end spglib and the whole process.
    """
    place = (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    if not atoms.pbc.all() or impossible(*place):
        return False
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    symmetry = spglib.get_symmetry(cell, symprec=_ON_SITE)
    if symmetry is None:
        return False
    for place in cell[1]:
        moved = symmetry["rotations"] @ place + symmetry["translations"] - place
        stays = np.linalg.norm((moved - np.round(moved)) @ cell[0], axis=1) < 2 * _ON_SITE
        if symmetry["rotations"][stays].sum(axis=0).any():
            return False
    return True


def ground_state_multiplicity(symbol: str) -> int:
    """Return the multiplicity of an element's isolated atom; moments from ``ase.data``."""
    return round(float(ground_state_magnetic_moments[atomic_numbers[symbol]])) + 1


def isolated_atom(symbol: str) -> Atoms:
    """Return the isolated atom of an element in its ground state's multiplicity.

    Its energy is the reference of binding energies.
    """
    atoms = Atoms(symbol, positions=[[0.0, 0.0, 0.0]])
    multiplicity = ground_state_multiplicity(symbol)
    atoms.info.update(config_type="atom", parent=f"atom-{symbol}", multiplicity=multiplicity)
    return atoms
