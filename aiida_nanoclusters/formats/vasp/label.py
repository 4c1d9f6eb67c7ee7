"""Whether a finished VASP run is the label of a frame, and that label in the frame's own order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from aiida_nanoclusters.formats.vasp import VaspRun, read_vasp
from aiida_nanoclusters.formats.vasp_input import VaspInput, make_input
from aiida_nanoclusters.science.labels import label_problem

Floats = NDArray[np.float64]

#: Å; VASP's own rounding of positions and no more.
_POSITION_TOLERANCE = 1e-4
#: Electrons; VASP writes four digits after the point.
_ELECTRON_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Label:
    """Label of one frame, or why there is none.

    Attributes
    ----------
    reason
        None where this is a label.
    energy
        Extrapolated to zero smearing, eV.
    forces
        eV/Å, (N, 3), in the order of the frame.
    stress
        eV/Å^3, ASE's order and sign, (6,); NaN unless the frame is periodic in all directions.
    complete
        Whether VASP came to its end; if not, the same may well succeed another time.
    electronic_steps, net_force
        What the self-consistent field took; largest component of the sum of all forces per atom,
        eV/Å, NaN where there are no forces.
    """

    reason: str | None
    energy: float = np.nan
    forces: Floats | None = None
    stress: Floats | None = None
    complete: bool = True
    electronic_steps: int = 0
    net_force: float = np.nan


def read_label(folder: str | Path, atoms: Atoms, settings: Mapping[str, Any], rung: int) -> Label:
    """Judge the run in a folder as the label of a frame.

    Parameters
    ----------
    folder
        Holds what VASP left: vasprun.xml and OUTCAR.
    atoms
        The frame.
    settings, rung
        With which the run was made.
    """
    folder = Path(folder)
    for name in ("vasprun.xml", "OUTCAR"):
        file = folder / name
        if not file.is_file() or not file.stat().st_size:
            return Label(f"VASP wrote no {name}: see the job's standard output", complete=False)
    run = read_vasp(folder / "vasprun.xml", folder / "OUTCAR")
    if run.problem:
        return Label(run.problem, complete=False)
    return judge_run(run, atoms, make_input(atoms, settings, rung), settings["max_net_force"])


def judge_run(run: VaspRun, atoms: Atoms, made: VaspInput, max_net_force: float) -> Label:
    """Judge a complete run of one step as the label of a frame that was input as `made`."""
    step = run.steps[-1]
    reason = step.problem or _not_ours(run, made) or _other_electrons(run, atoms)
    if reason:
        return Label(reason, electronic_steps=step.electronic_steps)
    results = step.atoms.calc.results
    forces = made.in_frame_order(np.asarray(results["forces"], dtype=np.float64))
    energy = float(results["energy"])
    net = float(np.abs(forces.sum(axis=0)).max() / len(atoms))
    reason = label_problem(atoms, energy, forces, True, max_net_force)
    stress = np.full(6, np.nan)
    if atoms.pbc.all() and "stress" in results:
        stress = np.asarray(results["stress"], dtype=np.float64)
    return Label(reason, energy, forces, stress, True, step.electronic_steps, net)


def _not_ours(run: VaspRun, made: VaspInput) -> str | None:
    """Return why the run is not that of the input: other atoms or places."""
    found, wanted = run.steps[-1].atoms, made.atoms
    if list(found.numbers) != list(wanted.numbers):
        return f"VASP computed {found.symbols}, not {wanted.symbols}: atoms or order differ"
    if np.abs(found.cell.array - wanted.cell.array).max() > _POSITION_TOLERANCE:
        return "VASP computed another cell than it was given"
    moved = find_mic(found.positions - wanted.positions, wanted.cell, pbc=True)[1].max()
    if moved > _POSITION_TOLERANCE:
        return f"an atom moved by {moved:.4f} Å: the label is that of another frame"
    return None


def _other_electrons(run: VaspRun, atoms: Atoms) -> str | None:
    """Return why the run has not the frame's charge, by what VASP read in the POTCARs."""
    valences, found = run.parameters.get("VALENCES"), run.parameters.get("NELECT")
    if not valences or found is None or set(atoms.symbols) - set(valences):
        return None
    charge = float(atoms.info.get("charge") or 0.0)
    wanted = sum(valences[symbol] for symbol in atoms.symbols) - charge
    if abs(float(found) - wanted) > _ELECTRON_TOLERANCE:
        return (
            f"VASP computed with {float(found):g} electrons; a charge of {charge:+g} e is "
            f"{wanted:g} with these POTCARs: correct `valence_electrons`"
        )
    return None
