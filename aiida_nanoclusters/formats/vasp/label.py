"""Labels of finished VASP runs, with forces in the order of the frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from aiida_nanoclusters.formats.labelled_run import LabelledRun
from aiida_nanoclusters.formats.vasp.input import VaspInput, make_input
from aiida_nanoclusters.formats.vasp.run import read_vasp
from aiida_nanoclusters.formats.vasp.sections import ELECTRON_TOLERANCE
from aiida_nanoclusters.science.labels.acceptance import label_problem
from aiida_nanoclusters.science.labels.settings import VaspSettings

Floats = NDArray[np.float64]

#: Å; rounding of positions by VASP.
_POSITION_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Label:
    """Label of one frame, or why there is none.

    Attributes
    ----------
    reason
        Why the run is not accepted as a label, or None.
    energy
        Extrapolated to zero smearing, eV.
    forces
        eV/Å, (N, 3), in the order of the frame.
    stress
        eV/Å^3, order and sign of ASE, (6,); NaN unless the frame is periodic in all directions.
    complete
        Whether VASP ended normally; if not, the same run may succeed when it is repeated.
    electronic_steps, net_force
        Iterations of the self-consistent field; largest component of the sum of all forces per
        atom, eV/Å, NaN where there are no forces.
    """

    reason: str | None
    energy: float = np.nan
    forces: Floats | None = None
    stress: Floats | None = None
    complete: bool = True
    electronic_steps: int = 0
    net_force: float = np.nan


def read_label(folder: str | Path, atoms: Atoms, settings: VaspSettings, level: int) -> Label:
    """Return the label of a frame from the run in a folder, or why there is none.

    Parameters
    ----------
    folder
        Folder with vasprun.xml and OUTCAR.
    atoms
        The frame.
    settings, level
        Settings and settings level of the run.
    """
    folder = Path(folder)
    for name in ("vasprun.xml", "OUTCAR"):
        file = folder / name
        if not file.is_file() or not file.stat().st_size:
            return Label(f"VASP wrote no {name}: see the job's standard output", complete=False)
    run = read_vasp(folder / "vasprun.xml", folder / "OUTCAR")
    if run.problem:
        return Label(run.problem, complete=False)
    return judge_run(run, atoms, make_input(atoms, settings, level), settings.max_net_force)


def judge_run(run: LabelledRun, atoms: Atoms, made: VaspInput, max_net_force: float) -> Label:
    """Return the label of a frame from a complete run of one step with the input `made`."""
    step = run.steps[-1]
    reason = step.problem or _input_difference(run, made) or _charge_difference(run, atoms)
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


def _input_difference(run: LabelledRun, made: VaspInput) -> str | None:
    """Return which atoms, positions or cell of the run differ from the input, or None."""
    found, wanted = run.steps[-1].atoms, made.atoms
    if list(found.numbers) != list(wanted.numbers):
        return f"VASP computed {found.symbols}, not {wanted.symbols}: atoms or order differ"
    if np.abs(found.cell.array - wanted.cell.array).max() > _POSITION_TOLERANCE:
        return "VASP computed another cell than that of its input"
    moved = find_mic(found.positions - wanted.positions, wanted.cell, pbc=True)[1].max()
    if moved > _POSITION_TOLERANCE:
        return f"an atom moved by {moved:.4f} Å: the label belongs to another frame"
    return None


def _charge_difference(run: LabelledRun, atoms: Atoms) -> str | None:
    """Return how the number of electrons differs from that of the frame's charge, or None."""
    valences, found = run.parameters.get("VALENCES"), run.parameters.get("NELECT")
    if not valences or found is None or set(atoms.symbols) - set(valences):
        return None
    charge = float(atoms.info.get("charge") or 0.0)
    wanted = sum(valences[symbol] for symbol in atoms.symbols) - charge
    if abs(float(found) - wanted) > ELECTRON_TOLERANCE:
        return (
            f"VASP computed with {float(found):g} electrons; a charge of {charge:+g} e is "
            f"{wanted:g} with these POTCARs: correct `valence_electrons`"
        )
    return None
