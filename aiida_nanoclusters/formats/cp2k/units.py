"""Units by the names that CP2K prints and reads them by."""

from __future__ import annotations

import re

import ase.units

from aiida_nanoclusters.science.units import BOHR, HARTREE

#: Energies in eV and lengths in Å, by their names in the input of CP2K in small letters.
ENERGIES = {
    "hartree": HARTREE,
    "au_e": HARTREE,
    "a.u.": HARTREE,
    "internal_cp2k": HARTREE,
    "ry": HARTREE / 2,
    "ev": 1.0,
    "kev": 1000.0,
    "kcalmol": ase.units.kcal / ase.units.mol,
    "kjmol": ase.units.kJ / ase.units.mol,
    "jmol": ase.units.kJ / ase.units.mol / 1000,
    "k_e": ase.units.kB,
}
LENGTHS = {
    "bohr": BOHR,
    "au_l": BOHR,
    "internal_cp2k": BOHR,
    "angstrom": 1.0,
    "pm": 0.01,
    "nm": 10.0,
    "m": 1e10,
}
_NEWTON = ase.units.J / ase.units.m
_FORCES = {
    "a.u.": HARTREE / BOHR,
    "au_f": HARTREE / BOHR,
    "internal_cp2k": HARTREE / BOHR,
    "n": _NEWTON,
    "newton": _NEWTON,
    "mn": 1e-3 * _NEWTON,
    "mnewton": 1e-3 * _NEWTON,
}
_QUOTIENT = re.compile(r"([a-z_.]{1,20})(?:/([a-z_]{1,20})|\*([a-z_]{1,20})\^-1)")


def energy_unit(name: str) -> float | None:
    """Return a unit of energy in eV; None where its name is not known."""
    return ENERGIES.get(_plain(name))


def length_unit(name: str) -> float | None:
    """Return a unit of length in Å; None where its name is not known."""
    return LENGTHS.get(_plain(name))


def force_unit(name: str) -> float | None:
    """Return a unit of force, such as ``hartree*bohr^-1``, in eV/Å; None if it is not known."""
    plain = _plain(name)
    if plain in _FORCES:
        return _FORCES[plain]
    found = _QUOTIENT.fullmatch(plain)
    if found is None:
        return None
    energy, length = ENERGIES.get(found[1]), LENGTHS.get(found[2] or found[3])
    return energy / length if energy is not None and length is not None else None


def _plain(name: str) -> str:
    return re.sub(r"[\s\[\]]", "", name).lower()
