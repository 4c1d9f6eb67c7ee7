"""Input of VASP for a label: a box, k-points and INCAR tags for one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import ground_state_magnetic_moments
from numpy.typing import NDArray

from aiida_nanoclusters.science.boxes import in_box, kpoint_mesh

#: Keys of the settings of a VASP protocol; see ``workflows/protocols/vasp.yaml``.
SETTINGS = {
    "level_of_theory",
    "incar",
    "vacuum",
    "kpoint_spacing",
    "max_net_force",
    "potential_family",
    "potential_mapping",
    "valence_electrons",
    "ladder",
}
#: Functionals by INCAR's tag GGA.
FUNCTIONALS = {"PE": "PBE", "PS": "PBEsol", "RP": "RPBE", "RE": "revPBE", "91": "PW91"}
#: Tags a rung of the ladder may set: how the ground state is sought, not which.
RUNG_TAGS = {
    *("ALGO", "NELM", "NELMIN", "NELMDL", "INIWAV", "ICHARG", "ISTART", "LSUBROT", "TIME"),
    *("IMIX", "INIMIX", "MIXPRE", "MAXMIX", "AMIX", "BMIX", "AMIX_MAG", "BMIX_MAG", "AMIN", "WC"),
    *("NCORE", "NPAR", "KPAR", "NSIM", "LPLANE"),
}
#: The box of a single atom is made longer by these (Å): no symmetry that its own shell lacks.
_ATOM_BOX = (0.0, 1.0, 2.0)


@dataclass(frozen=True)
class VaspInput:
    """What VASP is given for one frame.

    Attributes
    ----------
    atoms
        In a right-handed box, grouped by element, in the order they are written.
    order
        ``atoms`` is the frame's ``order[0], order[1], ...``; shape (N,).
    mesh
        Divisions of the k-point mesh, which is centred on Gamma.
    incar
        Tags, names in capitals.
    """

    atoms: Atoms
    order: NDArray[np.int64]
    mesh: tuple[int, int, int]
    incar: dict[str, Any]

    def in_frame_order(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an array per atom, (N, ...), in the order of the frame."""
        ordered = np.empty_like(values)
        ordered[self.order] = values
        return ordered


def make_input(atoms: Atoms, settings: Mapping[str, Any], rung: int = 0) -> VaspInput:
    """Return the input of a frame.

    Parameters
    ----------
    atoms
        A cluster, slab or crystal. ``info["charge"]`` (e) and ``info["multiplicity"]`` (2S + 1) are
        heeded; an isolated atom has that of its ground state where not given.
    settings
        Of a protocol.
    rung
        Of the ladder.

    Raises
    ------
    ValueError
        If a charge is asked for without ``valence_electrons``, or the multiplicity is no number.
    """
    problem = frame_problem(atoms, settings)
    if problem:
        raise ValueError(problem)
    boxed = in_box(atoms, settings["vacuum"])
    if len(atoms) == 1 and not atoms.pbc.any():
        boxed.set_cell(boxed.cell.array + np.diag(_ATOM_BOX))
    order = np.argsort(boxed.numbers, kind="stable").astype(np.int64)
    plain = Atoms(boxed.numbers[order], boxed.positions[order], cell=boxed.cell, pbc=boxed.pbc)
    if plain.cell.volume > 0 and plain.cell.handedness < 0:  # which VASP refuses
        plain.set_cell(plain.cell.array[[1, 0, 2]])
        plain.set_pbc(plain.pbc[[1, 0, 2]])
    spacing = settings["kpoint_spacing"]
    mesh = (1, 1, 1) if spacing is None else kpoint_mesh(plain, spacing)
    return VaspInput(plain, order, mesh, make_incar(atoms, settings, rung))


def make_incar(atoms: Atoms, settings: Mapping[str, Any], rung: int = 0) -> dict[str, Any]:
    """Return the INCAR tags of a frame: the protocol's, the rung's, and of spin and charge."""
    tags = {**settings["incar"], **settings["ladder"][rung]}
    tags = {str(name).upper(): value for name, value in tags.items()}
    unpaired = unpaired_electrons(atoms)
    if unpaired is not None:
        tags.update(ISPIN=2, NUPDOWN=unpaired)
    charge = float(atoms.info.get("charge") or 0.0)
    if charge:
        valence = settings["valence_electrons"]
        tags["NELECT"] = sum(float(valence[symbol]) for symbol in atoms.symbols) - charge
    return tags


def unpaired_electrons(atoms: Atoms) -> int | None:
    """Return how many more electrons have one spin; None where spin is not polarised."""
    multiplicity = atoms.info.get("multiplicity")
    if multiplicity is not None:
        return int(multiplicity) - 1
    if len(atoms) == 1 and not atoms.pbc.any() and not atoms.info.get("charge"):
        return round(float(ground_state_magnetic_moments[atoms.numbers[0]]))
    return None


def level_of_theory(settings: Mapping[str, Any]) -> str:
    """Return the level of labels made with these settings, such as ``VASP/PBE/450 eV``."""
    if settings["level_of_theory"]:
        return str(settings["level_of_theory"])
    incar = {str(name).upper(): value for name, value in settings["incar"].items()}
    gga = str(incar.get("GGA", "")).upper()
    cutoff = f"{float(incar['ENCUT']):g} eV" if "ENCUT" in incar else ""
    return "/".join(part for part in ("VASP", FUNCTIONALS.get(gga, gga), cutoff) if part)


def frame_problem(atoms: Atoms, settings: Mapping[str, Any]) -> str | None:
    """Return why VASP cannot be given this frame, and the fix, or None."""
    known = settings["potential_mapping"]
    missing = sorted(set(atoms.symbols) - set(known))
    if missing:
        return f"settings: `potential_mapping` names no POTCAR for {', '.join(missing)}: add one"
    multiplicity = atoms.info.get("multiplicity")
    if multiplicity is not None and (int(multiplicity) != multiplicity or multiplicity < 1):
        return f"the multiplicity is {multiplicity!r}: give 2S + 1, a whole number from 1"
    missing = sorted(set(atoms.symbols) - set(settings["valence_electrons"]))
    if atoms.info.get("charge") and missing:
        return (
            f"it is charged ({atoms.info['charge']:+g} e), and NELECT needs the valence electrons "
            f"of {', '.join(missing)}: give `valence_electrons`, e.g. {{{missing[0]}: ZVAL}}, with "
            "the ZVAL in your POTCAR (grep ZVAL POTCAR)"
        )
    return None


def settings_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the settings of a protocol and how to mend it, or None."""
    if set(settings) != SETTINGS:
        unknown, missing = sorted(set(settings) - SETTINGS), sorted(SETTINGS - set(settings))
        return f"settings: unknown keys {unknown}, missing keys {missing}"
    for name in ("vacuum", "kpoint_spacing", "max_net_force"):
        value = settings[name]
        if value is None and name == "kpoint_spacing":
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            return f"settings: `{name}` is {value!r}, give a number above 0"
    for name in ("incar", "potential_mapping", "valence_electrons"):
        if not isinstance(settings[name], Mapping):
            return f"settings: `{name}` is {settings[name]!r}, give a mapping"
    if not isinstance(settings["ladder"], list) or not settings["ladder"]:
        return "settings: `ladder` needs one rung or more; {} as the first changes nothing"
    if any(not isinstance(rung, Mapping) for rung in settings["ladder"]):
        return "settings: each rung of `ladder` is a mapping of INCAR tags"
    climbed = {str(tag).upper() for rung in settings["ladder"] for tag in rung}
    if not climbed <= RUNG_TAGS:
        return (
            f"settings: {', '.join(sorted(climbed - RUNG_TAGS))} in `ladder` would give labels of "
            "another level under the same name; a rung may change how the ground state is sought: "
            f"{', '.join(sorted(RUNG_TAGS))}"
        )
    tags = {str(tag).upper() for tag in settings["incar"]}
    moving = {str(k).upper(): v for k, v in settings["incar"].items()}.get("NSW", 0)
    if moving:
        return f"settings: NSW is {moving}: a label is that of the frame as it is, set NSW: 0"
    own = sorted(tags & {"NELECT", "NUPDOWN", "KSPACING", "KGAMMA"})
    if own:
        return (
            f"settings: {', '.join(own)} in `incar`: these follow from each frame's "
            "charge and multiplicity and from `kpoint_spacing`"
        )
    return None
