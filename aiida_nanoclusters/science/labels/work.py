"""Energies along a trajectory held against the work of its forces: sign and unit show."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import ase.units
import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.outliers import Finding
from aiida_nanoclusters.science.units import BOHR, HARTREE

Floats = NDArray[np.float64]

#: Å; largest displacement of an atom between two frames of which the work is computed.
_FARTHEST = 0.3
#: Fewest pairs of successive frames.
_FEWEST = 4
#: eV; smallest root mean square work that says something.
_LEAST_WORK = 2e-3
#: Largest deviation of the slope from 1, and smallest correlation, of labels that fit.
_OFF, _CORRELATED = 0.1, 0.5
#: A slope is one of these if it is within this of it.
_NEAR = 0.08
#: kcal/mol and kJ/mol in an eV.
_KCAL, _KJ = ase.units.mol / ase.units.kcal, ase.units.mol / ase.units.kJ
#: dE / W by what is wrong: energies are taken as eV, forces as eV/Å.
CAUSES = {
    1 / HARTREE: "energies in Hartree beside forces in eV/Å",
    1 / BOHR: "both in atomic units (Hartree, Hartree/Bohr), or forces in eV/Bohr",
    HARTREE / BOHR: "forces in Hartree/Bohr beside energies in eV",
    0.5 * HARTREE / BOHR: "forces in Rydberg/Bohr beside energies in eV",
    2 / HARTREE: "energies in Rydberg beside forces in eV/Å",
    HARTREE: "forces in Hartree/Å beside energies in eV",
    _KCAL: "energies in kcal/mol beside forces in eV/Å",
    1 / _KCAL: "forces in kcal/(mol Å) beside energies in eV",
    _KJ: "energies in kJ/mol beside forces in eV/Å",
    1 / _KJ: "forces in kJ/(mol Å) beside energies in eV",
    0.1 / _KJ: "forces in kJ/(mol nm) beside energies in eV",
}


def find_wrong_work(frames: Frames) -> list[Finding]:
    """Find trajectories whose energies do not change by the work of their forces.

    Between successive frames of one parent that moved little, the energy changes by ``-F dx`` with
    the mean force of both: exact but for the third order of the displacement. The slope of the
    change against that work is 1; a wrong sign or unit of one of them shows.
    """
    trajectories: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for i in np.flatnonzero(frames.labelled):
        own = frames.atoms_of(int(i))
        if frames.parents[i] and own.stop - own.start > 1:
            key = (str(frames.parents[i]), frames.numbers[own].tobytes())
            trajectories[key].append(int(i))
    findings = []
    for indices in trajectories.values():
        changes, works = _changes(frames, indices)
        text = _judged(changes, works, int(frames.sizes[indices[0]]))
        if text:
            findings.append(Finding("work", tuple(indices), text))
    return findings


def _changes(frames: Frames, indices: list[int]) -> tuple[Floats, Floats]:
    """Return changes of the energy between successive frames, and the work, both (P,), eV."""
    found = []
    for i, j in pairwise(indices):
        first, second = frames.atoms_of(i), frames.atoms_of(j)
        if not np.array_equal(frames.pbc[i], frames.pbc[j]):
            continue
        if frames.pbc[i].any() and not np.allclose(frames.cells[i], frames.cells[j], atol=1e-8):
            continue
        moved = frames.positions[second] - frames.positions[first]
        if frames.pbc[i].any():
            cell = Atoms(cell=frames.cells[i]).cell.complete()
            moved = find_mic(moved, cell, frames.pbc[i])[0]
        moved = moved - moved.mean(axis=0)
        if np.linalg.norm(moved, axis=1).max() > _FARTHEST:
            continue
        force = 0.5 * (frames.forces[first] + frames.forces[second])
        found.append((frames.energies[j] - frames.energies[i], -float(np.sum(force * moved))))
    pairs = np.array(found).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _judged(changes: Floats, works: Floats, atoms: int) -> str | None:
    """Return what is wrong, or None."""
    if len(works) < _FEWEST or np.sqrt(np.mean(works**2)) < _LEAST_WORK:
        return None
    slope = float(changes @ works / (works @ works))
    norm = float(np.linalg.norm(changes) * np.linalg.norm(works))
    correlation = float(changes @ works) / norm if norm > 0 else 0.0
    of = f"over {len(works)} pairs of successive frames"
    if abs(correlation) < _CORRELATED:
        return (
            f"the energy does not change by the work of the forces (correlation {correlation:.2f} "
            f"{of}): energies and forces are not of the same frames or method"
        )
    if abs(slope - 1) <= _OFF:
        return None
    said = f"the energy changes by {slope:.3g} times the work of the forces {of}"
    causes = {**CAUSES, 1.0: "", 1.0 / atoms: "energies per atom beside forces"}
    near = min(causes, key=lambda factor: abs(np.log(abs(slope) / factor)))
    reasons = ["the forces have the wrong sign (gradients?)"] if slope < 0 else []
    if abs(abs(slope) / near - 1) <= _NEAR:
        reasons += [causes[near]] if causes[near] else []
    else:
        reasons.append("energies and forces in different units?")
    return f"{said}: {', '.join(reasons)}"
