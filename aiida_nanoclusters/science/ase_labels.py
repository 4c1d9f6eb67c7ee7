"""What an ``ase.Atoms`` holds besides its geometry: labels, partial charges, other information."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: eV; energies of isolated atoms that differ by less are equal.
SAME_ATOM = 1e-3
#: Kinds of partial charges of atoms that frames can hold, in e.
CHARGE_KINDS = ("mulliken", "hirshfeld")


def label_of(atoms: Atoms, name: str, shape: tuple[int, ...]) -> Floats:
    """Return a property that the calculator of a structure holds; NaN where it does not.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    if atoms.calc is not None and not atoms.calc.calculation_required(atoms, [name]):
        try:
            value = atoms.calc.get_property(name, atoms, allow_calculation=False)
        except PropertyNotImplementedError:
            value = None
        if value is not None:
            return _checked(name, value, shape)
    return np.full(shape, np.nan)


def charges_of(images: Sequence[Atoms]) -> dict[str, Floats]:
    """Return the partial charges of structures that have an energy, as :func:`join_charges` does.

    They are in the arrays of a structure under the names of :func:`charges_name`.

    Raises
    ------
    ValueError
        If there is not one number for each atom.
    """
    parts: list[dict[str, Floats]] = []
    for atoms in images:
        held = [kind for kind in CHARGE_KINDS if charges_name(kind) in atoms.arrays]
        # Charges belong to a label: copies that were moved have none.
        if not held or np.isnan(label_of(atoms, "energy", ())):
            parts.append({})
            continue
        names = {kind: charges_name(kind) for kind in held}
        parts.append({k: _checked(n, atoms.arrays[n], (len(atoms),)) for k, n in names.items()})
    return join_charges(parts, [len(atoms) for atoms in images])


def join_charges(parts: Sequence[Mapping[str, Floats]], counts: Sequence[int]) -> dict[str, Floats]:
    """Return the partial charges of all parts by kind, NaN where one has none.

    Parameters
    ----------
    parts
        Charges by kind of each part.
    counts
        Number of atoms of each part.
    """
    kinds = [kind for kind in CHARGE_KINDS if any(kind in part for part in parts)]
    none = [np.full(count, np.nan) for count in counts] if kinds else []
    return {
        kind: np.concatenate([p.get(kind, empty) for p, empty in zip(parts, none, strict=True)])
        for kind in kinds
    }


def check_charges(charges: Mapping[str, Floats], count: int) -> None:
    """Refuse partial charges of an unknown kind, or not one for each of `count` atoms.

    Raises
    ------
    ValueError
        If there are such.
    """
    for kind, values in charges.items():
        if kind not in CHARGE_KINDS:
            raise ValueError(f"unknown charges `{kind}`: known are {', '.join(CHARGE_KINDS)}")
        _checked(charges_name(kind), values, (count,))


def charges_name(kind: str) -> str:
    """Return the name of partial charges in ``Atoms.arrays`` and in extended XYZ."""
    return f"charges_{kind}"


def energy_zeros(
    symbols: Sequence[str], states: Sequence[object], energies: Sequence[float]
) -> dict[str, float]:
    """Return the energy of the isolated atom of each element, eV.

    Of several in states of different multiplicity the lowest is the ground state; where others
    differ, which one is the energy zero is not known, and none is returned.

    Parameters
    ----------
    symbols, states, energies
        Element, multiplicity (None where it is not known) and energy (eV) of neutral atoms.
    """
    found: dict[str, dict[object, list[float]]] = {}
    for symbol, state, energy in zip(symbols, states, energies, strict=True):
        found.setdefault(symbol, {}).setdefault(state, []).append(energy)
    zeros = {}
    for symbol, known in found.items():
        if len(known) > 1 and None in known:
            known = {None: [energy for own in known.values() for energy in own]}
        if all(max(own) - min(own) <= SAME_ATOM for own in known.values()):
            zeros[symbol] = min(own[-1] for own in known.values())
    return zeros


def free_info(atoms: Atoms, other_than: Collection[str]) -> str:
    """Return ``info`` of a structure as a JSON object, without some of its keys."""

    def plain(value: object) -> object:
        return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)

    free = {str(k): v for k, v in atoms.info.items() if k not in other_than}
    return json.dumps(free, default=plain, sort_keys=True)


def _checked(name: str, value: object, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"`{name}` has shape {array.shape}, expected {shape}")
    return array
