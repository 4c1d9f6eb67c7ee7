"""What makes an ionic step of VASP a label, and the runs of a file as labelled steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.formats.labelled_run import LabelledRun, LabelledStep
from aiida_nanoclusters.formats.vasp.level import POTENTIAL_ONLY, level_of_theory
from aiida_nanoclusters.formats.vasp.sections import IonicStep, Section
from aiida_nanoclusters.formats.vasp.tags import number, word
from aiida_nanoclusters.science.labels.acceptance import zero_forces_problem

#: What VASP says of a self-consistent field that converged.
REACHED = "EDIFF is reached"
#: Largest last change of the energy of a converged self-consistent field, in units of EDIFF.
_SETTLED = 10.0
#: VASP until then says `EDIFF is reached` of every loop, also of one that ends at NELM.
_TELLS_UNCONVERGED = (6, 2)
#: eV; smallest part of an energy that was added after its self-consistent field.
_ADDED = 1e-3
#: ICHARG from which the charge density is kept.
_FIXED_DENSITY = 10
#: IALGO of runs whose orbitals are not optimised, and the tag ALGO that asks for it.
_FIXED_ORBITALS = {-1: "a test of speed", 2: "None", 3: "Eigenval", 4: "Subrot"}


def labelled_run(path: Path, sections: Sequence[Section]) -> LabelledRun:
    """Return the runs of a file as labelled steps, numbered through the whole file."""
    steps: list[LabelledStep] = []
    for place, section in enumerate(sections):
        level = section_level(section)
        for step in section.steps:
            steps.append(labelled_step(section, step, len(steps), place, level))
    problem = None
    broken = next((s.problem for s in sections if s.problem), None)
    complete = sum(step.atoms.calc is not None for step in steps)
    if broken and not complete:
        problem = f"{path.name} cannot be read: {broken}"
    elif not sections or not sections[-1].ended:
        problem = f"{path.name} is truncated after {complete} complete ionic steps"
    elif not complete:
        problem = f"{path.name} has no complete ionic step"
    return LabelledRun(path, "VASP", tuple(steps), problem, parameters=_parameters(sections))


def section_level(section: Section) -> str:
    """Return the level of theory of a run."""
    # A dipole correction, too, is added after the self-consistent field.
    explained = section.tags.get("LDIPOL") is True or number(section.tags, "IDIPOL")
    added = any(abs(step.added) > _ADDED for step in section.steps) and not explained
    added = added or section.tags.get("EDISP") is True
    return level_of_theory(section.tags, section.titles, section.elements, added)


def labelled_step(
    section: Section, step: IonicStep, index: int, place: int, level: str
) -> LabelledStep:
    """Return an ionic step as a label, or with the reason why it is none."""
    atoms = _atoms(section, step)
    return LabelledStep(
        index=index,
        atoms=atoms,
        problem=_problem(section, step, atoms),
        charge=section.charge,
        multiplicity=section.multiplicity(step),
        level_of_theory=level,
        section=place,
        line=step.line,
        number=step.number,
        electronic_steps=step.iterations,
    )


def _atoms(section: Section, step: IonicStep) -> Atoms:
    """Return what is known of the atoms; with results where it is all that a label needs."""
    symbols = section.symbols
    if section.problem or step.positions is None or len(step.positions) != len(symbols):
        return Atoms()
    atoms = Atoms(symbols, positions=step.positions, cell=step.cell, pbc=True)
    if step.cell is not None and step.energy is not None and step.forces is not None:
        results: dict[str, Any] = {"energy": step.energy, "forces": step.forces}
        if step.stress is not None:
            results["stress"] = step.stress
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _problem(section: Section, step: IonicStep, atoms: Atoms) -> str | None:
    if step.predicted and section.tags.get("ML_LMLFF") is False:
        return "no self-consistent field in the file"
    if step.predicted:
        return "predicted by the machine-learned force field (ML_LMLFF), not computed"
    if section.problem or step.faults:
        return section.problem or "; ".join(step.faults)
    fixed = _fixed(section)
    if fixed:
        return fixed
    return scf_problem(section, step) or _missing(section, step) or _odd(atoms)


def _fixed(section: Section) -> str | None:
    """Return why the energies of a run are none of a self-consistent field, or None."""
    icharg, ialgo = number(section.tags, "ICHARG"), number(section.tags, "IALGO")
    if icharg is not None and icharg >= _FIXED_DENSITY:
        return f"not self-consistent: the charge density was kept (ICHARG = {icharg:g})"
    if ialgo in _FIXED_ORBITALS:
        return f"not self-consistent: ALGO = {_FIXED_ORBITALS[int(ialgo)]} (IALGO = {ialgo:g})"
    meta = word(section.tags, "METAGGA")
    if meta in POTENTIAL_ONLY:
        return f"METAGGA = {meta} is a potential: its energy is none of a functional"
    return None


def scf_problem(section: Section, step: IonicStep) -> str | None:
    """Return why the self-consistent field of a step is not converged, or None.

    What VASP says decides, with one exception: until 6.2 it says ``EDIFF is reached`` also of a
    loop that ends at NELM. A vasprun.xml does not tell: there NELM must not be used up and the last
    change of the energy must be within EDIFF.
    """
    n, nelm = step.iterations, number(section.tags, "NELM")
    used_up = nelm is not None and n >= nelm
    count = f"{n} electronic steps" + (f", NELM is {nelm:g}" if used_up else "")
    if step.verdict and REACHED not in step.verdict:
        return f"not converged: {count}; VASP says `{step.verdict}`"
    if not n and not step.verdict:
        return "no self-consistent field in the file"
    ediff = abs(number(section.tags, "EDIFF") or 1e-4)
    settled = step.change is not None and abs(step.change) <= _SETTLED * ediff
    if step.verdict and settled and section.version >= _TELLS_UNCONVERGED:
        return None
    if used_up:
        return f"not converged: {count}"
    if nelm is None and not (step.verdict and settled):
        return f"after {count}: the file does not tell how many were allowed (NELM)"
    if step.verdict or (settled and not section.speaks):
        return None
    if step.change is None or section.speaks:
        return f"after {count} VASP does not say that they converged"
    return (
        f"not converged: the energy still changed by {abs(step.change):.1e} eV, "
        f"EDIFF is {ediff:.0e} eV"
    )


def _missing(section: Section, step: IonicStep) -> str | None:
    """Return what a label needs and the step does not have, or None."""
    if step.energy is None:
        return "no energy in the file"
    if step.forces is None:
        quiet = number(section.tags, "NWRITE") == 0
        return "no forces in the file" + (": NWRITE = 0" if quiet else "")
    if step.positions is None:
        return "no positions in the file"
    if len(step.positions) != len(section.symbols) or len(step.forces) != len(step.positions):
        return (
            f"{len(step.positions)} positions and {len(step.forces)} forces of "
            f"{len(section.symbols)} atoms"
        )
    if step.cell is None:
        return "no lattice vectors in the file"
    if not np.isfinite(step.cell).all() or not abs(np.linalg.det(step.cell)) > 0:
        return "its cell has no volume"
    return None


def _odd(atoms: Atoms) -> str | None:
    results = atoms.calc.results
    numbers = (results["energy"], results["forces"], atoms.positions, atoms.cell.array)
    if not all(np.isfinite(values).all() for values in numbers):
        return "energy or forces are not finite"
    return zero_forces_problem(atoms, results["forces"])


def _parameters(sections: Sequence[Section]) -> dict[str, Any]:
    """Return the tags of the last run, with the POTCARs of all and the valences of its elements."""
    if not sections:
        return {}
    last = sections[-1]
    titles = sorted({title for section in sections for title in section.titles})
    valences = dict(zip(last.elements, last.valences, strict=False))
    return {**last.tags, "POTCARS": titles, "VALENCES": valences}
