"""Units that a frame of extended XYZ names for its labels, as dpdata writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ase import units

ENERGIES = {
    **dict.fromkeys(("ev",), 1.0),
    "mev": 1e-3,
    **dict.fromkeys(("hartree", "ha", "au", "a.u.", "eh"), units.Hartree),
    **dict.fromkeys(("rydberg", "ry"), units.Rydberg),
    **dict.fromkeys(("kcal/mol", "kcal_mol"), units.kcal / units.mol),
    **dict.fromkeys(("kj/mol", "kj_mol"), units.kJ / units.mol),
}
LENGTHS = {
    **dict.fromkeys(("angstrom", "ang", "ang.", "a", "å"), 1.0),
    **dict.fromkeys(("bohr", "au", "a.u.", "a0"), units.Bohr),
    "nm": units.nm,
}
PRESSURES = {"pa": units.Pascal, "kpa": 1e3 * units.Pascal, "mpa": 1e6 * units.Pascal}
PRESSURES |= {"gpa": units.GPa, "bar": units.bar, "kbar": 1e3 * units.bar}
_KEY = re.compile(r"(?:(.+)_)?units?")
#: Quantities of a frame that are read in Å only.
_POSITIONS = frozenset("length distance distances position positions pos coord coords cell".split())
#: Units of a whole frame that are those of ASE.
_OWN = frozenset(("ev", "ev/angstrom", "ev/ang", "ev/a", "ev/å", "ase", "metal"))


def take_units(info: dict[str, Any], is_label: Callable[[str, str], bool]) -> dict[str, float]:
    """Take the units out of `info`; return the factor to eV, eV/Å and eV/Å^3 of each quantity.

    A virial without a unit of its own is in that of the energy.

    Parameters
    ----------
    info
        Of a frame, with keys such as ``energy_unit`` or ``dft_forces-unit``.
    is_label
        Whether a name is that of a label of a quantity.

    Raises
    ------
    ValueError
        If a unit is not known, or differs from another one of its quantity.
    """
    factors: dict[str, float] = {}
    for name in list(info):
        found = _KEY.fullmatch(str(name).lower().replace("-", "_"))
        if found is None:
            continue
        quantity = _quantity(found[1] or "", is_label)
        if quantity is None:
            continue
        text = str(info[name])
        factor = _factor(quantity, text.strip().lower().replace("**", "^").replace(" ", ""))
        if factor is None:
            raise ValueError(f"`{name}` is `{text[:40]}`: not a unit that is known")
        if factors.setdefault(quantity, factor) != factor:
            raise ValueError(f"`{name}` is `{text[:40]}`, another unit of the {quantity} differs")
        del info[name]
    factors.setdefault("virial", factors.get("energy", 1.0))
    return factors


def _quantity(name: str, is_label: Callable[[str, str], bool]) -> str | None:
    """Return the quantity whose unit is that of a name; None of one that is no label."""
    if name == "":
        return "frame"
    if name in _POSITIONS:
        return "positions"
    quantity = next((q for q in ("energy", "forces", "stress") if is_label(name, q)), None)
    return "virial" if quantity == "stress" and "virial" in name else quantity


def _factor(quantity: str, text: str) -> float | None:
    if quantity in ("energy", "virial"):
        return ENERGIES.get(text)
    if quantity in ("positions", "frame"):
        own = _OWN if quantity == "frame" else [k for k, size in LENGTHS.items() if size == 1.0]
        return 1.0 if text in own else None
    if quantity == "forces" and text in ("au", "a.u."):
        return units.Hartree / units.Bohr
    if quantity == "stress" and text in PRESSURES:
        return PRESSURES[text]
    energy, _, length = text.rpartition("/")
    if energy not in ENERGIES:
        return None
    power = 1
    if quantity == "stress":
        if not length.endswith(("^3", "3")):
            return None
        length, power = length.removesuffix("3").removesuffix("^"), 3
    return ENERGIES[energy] / LENGTHS[length] ** power if length in LENGTHS else None
