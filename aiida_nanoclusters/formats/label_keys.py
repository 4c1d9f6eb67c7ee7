"""Names of labels in files of other programs, in a table; and what a frame says under them.

A name is a quantity (`energy`, `forces`, `stress`, `virial`) with or without a method before or
after it: `REF_energy`, `dft_force`, `energy_pbe`. Those of a method of electronic structure are
labels; those of a model (`gap_energy`) and unknown ones are not taken unless the user names them.
Capitalisation does not matter. Used by ASE, QUIP/GAP, MACE, NequIP, GPUMD, dpdata, ColabFit and
fairchem (OMol25).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from aiida_nanoclusters.formats.label_units import take_units

#: Names of each quantity in lower case; each is also known with a method.
QUANTITIES = {
    "energy": ("energy", "total_energy", "tot_energy", "potential_energy", "etot", "e_tot"),
    "forces": ("forces", "force", "atomic_forces"),
    "stress": ("stress", "stresses", "virial", "virials"),
}
#: Methods whose quantities are labels.
METHODS = frozenset(
    """ref reference dft qm ks ab_initio abinitio target label true vasp cp2k aims castep qe
    espresso gpaw orca gaussian psi4 siesta abacus lda pbe pbe_d3 pbed3 pbesol rpbe revpbe blyp
    b3lyp pbe0 hse hse06 scan r2scan rscan wb97x wb97m mp2 ccsd ccsd_t xtb gfn1_xtb
    gfn2_xtb dftb""".split()
)
CHARGE_KEYS = ("charge", "total_charge", "tot_charge", "net_charge", "molecular_charge")
#: Spin multiplicity 2S + 1. Under `spin` and `total_spin` MACE and OMol25 store it, too.
MULTIPLICITY_KEYS = ("multiplicity", "spin_multiplicity", "mult", "total_spin", "spin")
#: Arrays of ASE that are no results.
_PLAIN_ARRAYS = frozenset(
    """numbers positions masses tags momenta initial_charges initial_magmoms move_mask map_shift
    n_neighb charges_mulliken charges_hirshfeld""".split()
)
_NO_FORCES = "not known as forces of a label: --force-key takes it"
#: Largest differences of what is one number: eV, eV/Å, eV/Å^3.
SAME = {"energy": 1e-4, "forces": 1e-4, "stress": 1e-4}
UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å^3"}


@dataclass(frozen=True)
class LabelKeys:
    """Names of the labels that the user chose; None: as the table has them."""

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None

    def of(self, quantity: str) -> str | None:
        """Return the name that was chosen for a quantity."""
        chosen: str | None = getattr(self, quantity)
        return chosen


@dataclass
class Said:
    """What one frame says.

    Attributes
    ----------
    labels
        By quantity and name, in eV, eV/Å (N, 3) and eV/Å^3 (6,) of ASE's sign and order.
    charge, multiplicity
        Of the frame; None where it does not say.
    problem
        Why it cannot be a label, or None.
    unused
        What is there and is not used, and why.
    """

    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    charge: float | None = None
    multiplicity: int | None = None
    problem: str | None = None
    unused: dict[str, str] = field(default_factory=dict)


def method_of(name: str, quantity: str) -> str | None:
    """Return the method in the name of a quantity: empty where there is none, None of another name.

    Examples
    --------
    >>> [method_of(name, "forces") for name in ("force", "DFT_forces", "forces_gap", "velocity")]
    ['', 'dft', 'gap', None]
    """
    plain = name.lower().replace("-", "_")
    if plain in QUANTITIES[quantity]:
        return ""
    for known in sorted(QUANTITIES[quantity], key=len, reverse=True):
        found = re.fullmatch(rf"(?:(.+)_)?{known}(?:_(.+))?", plain)
        if found and (found[1] is None or found[2] is None):
            return str(found[1] or found[2])
    return None


def is_label(name: str, quantity: str) -> bool:
    """Whether a name is that of a label in the table."""
    method = method_of(name, quantity)
    return method == "" or method in METHODS


def take(atoms: Atoms, keys: LabelKeys) -> Said:
    """Take what a frame says out of its `info`, `arrays` and calculator.

    Left in `info` is what is no label.
    """
    said = Said(labels={quantity: {} for quantity in QUANTITIES})
    results = {} if atoms.calc is None else dict(atoms.calc.results)
    atoms.calc = None
    factors: dict[str, float] = {}
    try:
        factors = take_units(atoms.info, is_label)
    except ValueError as error:
        said.problem = str(error)
    for quantity in QUANTITIES:
        store = atoms.arrays if quantity == "forces" else atoms.info
        for name, value in _named(results, store, quantity, keys.of(quantity)):
            _take_one(said, atoms, quantity, name, value, factors)
    free = results.pop("free_energy", None)
    if free is not None and not said.labels["energy"]:
        _take_one(said, atoms, "energy", "free_energy", free, factors)
    elif free is not None:
        said.unused["free_energy"] = "the energy is used"
    for name in results:
        said.unused[name] = "such a property is no label here"
    for name in [n for n in atoms.arrays if n not in _PLAIN_ARRAYS]:
        known = "force" in name.lower() and atoms.arrays[name].shape == (len(atoms), 3)
        del atoms.arrays[name]
        said.unused[name] = _NO_FORCES if known else "such a column is no label here"
    for name in atoms.info:
        if "energy" in str(name).lower() and _is_numeric(atoms.info[name]):
            said.unused[str(name)] = "not known as the energy of a label: --energy-key takes it"
    _check_origin(atoms, said)
    said.charge = _charge(atoms, said)
    said.multiplicity = _multiplicity(atoms, said)
    return said


def _named(
    results: dict[str, Any], store: dict[str, Any], quantity: str, chosen: str | None
) -> Iterator[tuple[str, Any]]:
    """Take the values of a quantity out of where ASE put them; yield them with their names."""
    for place in (results, store):
        for name in list(place):
            if name == "stresses" and place is results:  # of each atom
                continue
            if is_label(name, quantity) or _equal(name, chosen):
                yield name, place.pop(name)


def _equal(name: str, chosen: str | None) -> bool:
    return chosen is not None and name.lower() == chosen.lower()


def _take_one(
    said: Said, atoms: Atoms, quantity: str, name: str, value: Any, factors: Mapping[str, float]
) -> None:
    unit = "virial" if quantity == "stress" and "virial" in name.lower() else quantity
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise ValueError
        numbers = array.astype(float) * factors.get(unit, 1.0)
        if quantity == "energy":
            found: Any = float(numbers.reshape(()) if numbers.ndim == 0 else numbers.item())
        elif quantity == "forces":
            found = numbers.reshape(len(atoms), 3) if numbers.size == 3 * len(atoms) else None
        else:
            found = _stress(atoms, unit, numbers)
    except ValueError:
        found = None
    if found is None:
        shape = np.shape(value)
        what = f"is of shape {shape}" if shape else f"is `{value}`"
        said.problem = said.problem or f"`{name}` {what[:60]}: no {quantity}"
    elif quantity == "stress" and not np.isfinite(found).all():
        said.unused[name] = "it is not finite"
    else:
        said.labels[quantity][name] = found


def _stress(atoms: Atoms, kind: str, numbers: Any) -> Any:
    """Return the stress (6,): a virial (eV) is minus the stress times the volume."""
    if numbers.size == 9:
        tensor = numbers.reshape(3, 3)
        numbers = full_3x3_to_voigt_6_stress(tensor)
    if numbers.shape != (6,):
        return None
    if kind == "stress":
        return numbers
    volume = abs(float(np.linalg.det(atoms.cell.array)))
    return -numbers / volume if volume > 0 else np.full(6, np.nan)


def _check_origin(atoms: Atoms, said: Said) -> None:
    """Find what a set of frames could not hold: a seed that is no number, charges of no atoms."""
    seed = atoms.info.get("seed")
    try:
        _ = seed is None or int(seed)
    except (TypeError, ValueError, OverflowError):
        said.problem = said.problem or f"`seed` is `{str(seed)[:40]}`: no whole number"
    for name in ("charges_mulliken", "charges_hirshfeld"):
        values = atoms.arrays.get(name, np.zeros(len(atoms)))
        if values.shape != (len(atoms),) or values.dtype.kind not in "fiu":
            said.unused[name] = "not one number for each atom"
            del atoms.arrays[name]


def _is_numeric(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "fiu"


def _scalars(atoms: Atoms, keys: tuple[str, ...]) -> dict[str, float]:
    """Take numbers of these names out of `info`."""
    found: dict[str, float] = {}
    for key in keys:
        for name in [n for n in atoms.info if str(n).lower() == key]:
            array = np.asarray(atoms.info[name])
            if array.size == 1 and array.dtype.kind in "fiu" and np.isfinite(array).all():
                found[name] = float(array.item())
                del atoms.info[name]
    return found


def _charge(atoms: Atoms, said: Said) -> float | None:
    found = _scalars(atoms, CHARGE_KEYS)
    left = [n for n in atoms.info if str(n).lower() in CHARGE_KEYS and atoms.info[n] is not None]
    if left:
        said.problem = (
            said.problem or f"`{left[0]}` is `{str(atoms.info[left[0]])[:40]}`: no charge"
        )
    if len(set(found.values())) > 1:
        text = " and ".join(f"{name}={value:g}" for name, value in found.items())
        said.problem = said.problem or f"{text} differ: which is the charge?"
    return next(iter(found.values()), None)


def _multiplicity(atoms: Atoms, said: Said) -> int | None:
    """Return 2S + 1 where one of the keys says it, and the number of electrons allows it.

    A `spin` of 0 says nothing (fairchem writes it where none is known).
    """
    result = None
    electrons = int(atoms.numbers.sum()) - (said.charge or 0.0)
    for name, value in _scalars(atoms, MULTIPLICITY_KEYS).items():
        if result is not None:
            if value != result:
                said.unused[name] = f"{value:g}: the multiplicity is {result}"
        elif value == 0 and "spin" in name.lower():
            continue
        elif value < 1 or value % 1 or (value - 1 - electrons) % 2:
            said.unused[name] = f"{value:g} is no multiplicity 2S+1 of {electrons:g} electrons"
        else:
            result = int(value)
    return result


def differ(quantity: str, first: Any, second: Any) -> bool:
    """Whether two values of a quantity are not one number."""
    bound = SAME[quantity]
    if quantity == "stress":
        bound = max(bound, 1e-3 * float(np.abs(first).max()))
    return not bool(np.all(np.abs(np.asarray(first) - np.asarray(second)) <= bound))


def spell(values: Mapping[str, Any], quantity: str) -> str:
    """Return names with their values, as far as they are one number each."""
    if quantity != "energy":
        return " and ".join(f"`{name}`" for name in values)
    return " and ".join(f"`{name}` {value:.4f} eV" for name, value in values.items())
