"""Finished VASP runs as labelled frames, one for every ionic step, or why it is none.

A vasprun.xml has numbers to full precision, the OUTCAR beside it what VASP said of each
self-consistent field, the magnetisation and, of VASP 6, the whole INCAR: both are read, and
compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.geometry import find_mic

from aiida_nanoclusters.formats.labelled_run import LabelledRun
from aiida_nanoclusters.formats.limits import check_xml, unpacked
from aiida_nanoclusters.formats.vasp.judgement import labelled_run
from aiida_nanoclusters.formats.vasp.outcar_scan import scan_outcar
from aiida_nanoclusters.formats.vasp.sections import IonicStep, Section
from aiida_nanoclusters.formats.vasp.tags import merged, number
from aiida_nanoclusters.formats.vasp.xml_scan import scan_xml

#: eV; largest difference between vasprun.xml and OUTCAR of the same run.
ENERGY_TOLERANCE = 1e-4
#: Å and eV/Å; the OUTCAR has five decimals of positions and six of forces.
_POSITION_TOLERANCE, _FORCE_TOLERANCE = 1e-4, 1e-4
#: Tags that both files tell, with their rounding in the OUTCAR: of one run they are the same.
_COMPARED = {"ENCUT": 0.06, "NELECT": 1e-3, "ISPIN": 0.0}
_UNREADABLE = (OSError, ValueError, MemoryError, OverflowError)


def read_vasp(path: str | Path, outcar: str | Path | None = None) -> LabelledRun:
    """Read ``vasprun.xml`` and, where given, the OUTCAR of the same run.

    Parameters
    ----------
    path
        vasprun.xml, or the same compressed (.xz, .gz, .bz2).
    outcar
        OUTCAR, or the same compressed.

    Returns
    -------
    LabelledRun
        Without steps, and with the reason in ``problem``, where the file cannot be read.
    """
    path = Path(path)
    sections, problem = _scan(path, scan_xml)
    if problem:
        return LabelledRun(path, "VASP", (), problem)
    if outcar is None:
        _refuse_springs(sections)
        return labelled_run(path, sections)
    outcar = Path(outcar)
    beside, problem = _scan(outcar, scan_outcar)
    if problem or not any(section.steps for section in beside):
        _refuse_springs(sections)
        run = labelled_run(path, sections)
        reason = problem or f"{outcar.name} has no ionic step"
        return replace(run, problem=run.problem or reason, unused=((outcar.name, reason),))
    if not any(section.steps for section in sections):
        reason = f"{path.name} has no ionic step: give this one by itself"
        return replace(labelled_run(path, sections), unused=((outcar.name, reason),))
    used = [_join(section, beside, path.name, outcar.name) for section in sections]
    _refuse_springs([s for s, other in zip(sections, used, strict=True) if other is None])
    run = labelled_run(path, sections)
    return replace(
        run,
        problem=run.problem or _difference_of_ends(sections, beside, path.name, outcar.name),
        beside=(outcar,) if any(used) else (),
        unused=tuple(
            (outcar.name, f"its run at line {section.line} is none of {path.name}")
            for section in beside
            if section not in used and section.steps
        ),
    )


def read_outcar(path: str | Path) -> LabelledRun:
    """Read an OUTCAR alone; its positions have five decimal places."""
    path = Path(path)
    sections, problem = _scan(path, scan_outcar)
    if problem:
        return LabelledRun(path, "VASP", (), problem)
    return labelled_run(path, sections)


def _scan(path: Path, scan: Callable[[Path], list[Section]]) -> tuple[list[Section], str | None]:
    """Return the runs in a file, or why it cannot be read."""
    try:
        with unpacked(path) as plain:
            if scan is scan_xml:
                check_xml(plain)
            return scan(plain), None
    except _UNREADABLE as error:
        return [], f"{path.name} cannot be read: {error}"


def _refuse_springs(sections: Sequence[Section]) -> None:
    """Mark the steps of a nudged elastic band: its forces may be those with the springs."""
    for section in sections:
        if number(section.tags, "IMAGES"):
            for step in section.steps:
                step.faults.append(
                    f"an image of a nudged elastic band (IMAGES = {section.tags['IMAGES']}), whose "
                    "forces here may hold those of the springs: put its OUTCAR beside it"
                )


def _join(section: Section, beside: Sequence[Section], xml: str, outcar: str) -> Section | None:
    """Complete a run by what its OUTCAR says; return the run of the OUTCAR, None if none is it.

    Of several runs in the OUTCAR it is the one with the most energies in common, the last of these.
    """
    agreeing = [_agreeing(section, other) for other in beside]
    if len(beside) > 1 and not max(agreeing):
        return None
    other = beside[max(range(len(beside)), key=lambda k: (agreeing[k], k))]
    for step, found in _pairs(section, other):
        _join_step(step, found, (xml, outcar))
    for name, rounding in _COMPARED.items():
        ours, theirs = number(section.tags, name), number(other.tags, name)
        if ours is not None and theirs is not None and abs(ours - theirs) > rounding:
            for step in (step for step in section.steps if not step.faults):
                step.faults.append(
                    f"{name} is {ours:g} in {xml}, {theirs:g} in {outcar}: not of the same run"
                )
    section.tags, section.version = merged(section.tags, other.tags), other.version
    return other


def _pairs(section: Section, other: Section) -> list[tuple[IonicStep, IonicStep]]:
    """Return the steps of a vasprun.xml with those of the same numbers in the OUTCAR.

    With a machine-learned force field the numbers count its predictions, too: there the order does.
    """
    if other.tags.get("ML_LMLFF") is True:
        computed = ([s for s in one.steps if not s.predicted] for one in (section, other))
        return list(zip(*computed, strict=False))
    numbered = {step.number: step for step in other.steps if step.number is not None}
    pairs = ((step, numbered.get(i)) for i, step in enumerate(section.steps, 1))
    return [(step, found) for step, found in pairs if found is not None]


def _agreeing(section: Section, other: Section) -> int:
    """Return the number of steps whose energies agree."""
    return sum(
        step.energy is not None
        and found.energy is not None
        and abs(step.energy - found.energy) <= ENERGY_TOLERANCE
        for step, found in _pairs(section, other)
    )


def _join_step(step: IonicStep, found: IonicStep, names: tuple[str, str]) -> None:
    """Complete a step by that of the OUTCAR, and mark it where they differ."""
    difference = _difference(step, found, names)
    if difference:
        step.faults.append(f"{difference}: not of the same run")
    step.verdict, step.magnetisation, step.number = found.verdict, found.magnetisation, found.number


def _difference(step: IonicStep, found: IonicStep, names: tuple[str, str]) -> str:
    if step.positions is not None and found.positions is not None:
        if len(step.positions) != len(found.positions):
            return f"{names[0]} has {len(step.positions)} atoms, {names[1]} {len(found.positions)}"
    if step.energy is not None and found.energy is not None:
        if not abs(step.energy - found.energy) <= ENERGY_TOLERANCE:
            return (
                f"the energy is {step.energy:.6f} eV in {names[0]}, {found.energy:.6f} eV in "
                f"{names[1]}"
            )
    if step.positions is None or found.positions is None or step.cell is None:
        return ""
    known = np.isfinite(step.positions).all() and np.isfinite(found.positions).all()
    if not known or not np.isfinite(step.cell).all() or not abs(np.linalg.det(step.cell)) > 0:
        return ""
    moved = find_mic(step.positions - found.positions, step.cell, pbc=True)[1].max()
    if not moved <= _POSITION_TOLERANCE:
        return f"an atom of {names[1]} is {moved:.4f} Å from its place in {names[0]}"
    if step.forces is None or found.forces is None or step.forces.shape != found.forces.shape:
        return ""
    changed = np.abs(step.forces - found.forces).max()
    if changed > _FORCE_TOLERANCE:
        return f"the forces of {names[0]} and {names[1]} differ by up to {changed:.4f} eV/Å"
    return ""


def _difference_of_ends(
    sections: Sequence[Section], beside: Sequence[Section], xml: str, outcar: str
) -> str | None:
    """Return how the OUTCAR as a whole differs, or None."""
    steps = sum(step.energy is not None for section in beside for step in section.steps)
    if not beside[-1].ended:
        return f"{outcar} is truncated after {steps} complete ionic steps"
    extra = steps - sum(len(section.steps) for section in sections)
    if extra > 0:
        return f"{outcar} has {extra} ionic steps more than {xml}"
    return None
