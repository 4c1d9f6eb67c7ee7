"""Input of VASP for a label: a box, k-points and INCAR tags for one frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import ground_state_magnetic_moments
from numpy.typing import NDArray

from aiida_nanoclusters.formats.vasp.level import level_of_theory as level_of_tags
from aiida_nanoclusters.formats.vasp.tags import read_value
from aiida_nanoclusters.science.labels.settings import VaspSettings, capitals
from aiida_nanoclusters.science.structures.boxes import in_box, kpoint_mesh

#: Å added to the box of an isolated atom: unequal lengths, so that it can break its symmetry.
_ATOM_BOX = (0.0, 1.0, 2.0)


@dataclass(frozen=True)
class VaspInput:
    """Input of VASP for one frame.

    Attributes
    ----------
    atoms
        Atoms in a right-handed box, grouped by element, in the order of the POSCAR.
    order
        Indices in the frame of ``atoms``, shape (N,).
    mesh
        Divisions of the k-point mesh, centred on Gamma.
    incar
        INCAR tags, names in capitals.
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


def make_input(atoms: Atoms, settings: VaspSettings, level: int = 0) -> VaspInput:
    """Return the input of a frame.

    Parameters
    ----------
    atoms
        A cluster, slab or crystal. ``info["charge"]`` (e) and ``info["multiplicity"]`` (2S + 1) are
        used; an isolated atom without a multiplicity gets that of its ground state.
    settings, level
        Settings and settings level, an index of ``fallbacks``.

    Raises
    ------
    ValueError
        If a frame is charged and ``valence_electrons`` are missing, or its multiplicity is not a
        whole number.
    """
    problem = frame_problem(atoms, settings)
    if problem:
        raise ValueError(problem)
    boxed = in_box(atoms, settings.vacuum)
    if len(atoms) == 1 and not atoms.pbc.any():
        boxed.set_cell(boxed.cell.array + np.diag(_ATOM_BOX))
    order = np.argsort(boxed.numbers, kind="stable").astype(np.int64)
    plain = Atoms(boxed.numbers[order], boxed.positions[order], cell=boxed.cell, pbc=boxed.pbc)
    if plain.cell.volume > 0 and plain.cell.handedness < 0:  # which VASP refuses
        plain.set_cell(plain.cell.array[[1, 0, 2]])
        plain.set_pbc(plain.pbc[[1, 0, 2]])
    spacing = settings.kpoint_spacing
    mesh = (1, 1, 1) if spacing is None else kpoint_mesh(plain, spacing)
    return VaspInput(plain, order, mesh, make_incar(atoms, settings, level))


def make_incar(atoms: Atoms, settings: VaspSettings, level: int = 0) -> dict[str, Any]:
    """Return the INCAR tags of a frame: of the settings, their level, and of spin and charge."""
    tags = {**settings.tags, **capitals(settings.fallbacks[level])}
    unpaired = unpaired_electrons(atoms)
    if unpaired is not None:
        tags.update(ISPIN=2, NUPDOWN=unpaired)
    charge = float(atoms.info.get("charge") or 0.0)
    if charge:
        valence = settings.valence_electrons
        tags["NELECT"] = sum(valence[symbol] for symbol in atoms.symbols) - charge
    return tags


def unpaired_electrons(atoms: Atoms) -> int | None:
    """Return the number of unpaired electrons; None without spin polarisation."""
    multiplicity = atoms.info.get("multiplicity")
    if multiplicity is not None:
        return int(multiplicity) - 1
    if len(atoms) == 1 and not atoms.pbc.any() and not atoms.info.get("charge"):
        return round(float(ground_state_magnetic_moments[atoms.numbers[0]]))
    return None


def level_of_theory(settings: VaspSettings) -> str:
    """Return the level of theory of labels with these settings, such as ``VASP/PBE/450 eV``."""
    if settings.level_of_theory:
        return settings.level_of_theory
    values = {k: read_value(v) if isinstance(v, str) else v for k, v in settings.tags.items()}
    return level_of_tags(values)


def frame_problem(atoms: Atoms, settings: VaspSettings) -> str | None:
    """Return why VASP cannot compute this frame with these settings, and the fix, or None."""
    known = settings.potential_mapping
    missing = sorted(set(atoms.symbols) - set(known))
    if missing:
        return f"settings: `potential_mapping` names no POTCAR for {', '.join(missing)}: add one"
    multiplicity = atoms.info.get("multiplicity")
    if multiplicity is not None and (int(multiplicity) != multiplicity or multiplicity < 1):
        return f"the multiplicity is {multiplicity!r}: give 2S + 1, a whole number from 1"
    missing = sorted(set(atoms.symbols) - set(settings.valence_electrons))
    if atoms.info.get("charge") and missing:
        return (
            f"it is charged ({atoms.info['charge']:+g} e), and NELECT needs the valence electrons "
            f"of {', '.join(missing)}: give `valence_electrons`, e.g. {{{missing[0]}: ZVAL}}, with "
            "the ZVAL in your POTCAR (grep ZVAL POTCAR)"
        )
    return None
