"""Finished calculations by CP2K, read as labelled steps.

An output may hold several runs, appended: each has its own cell, charge and level of theory.
Positions and forces are in the trajectories beside the output, or printed in it; each step of a
trajectory belongs to the run that printed its energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_nanoclusters.formats.cp2k.beside import Beside, match, read_beside
from aiida_nanoclusters.formats.cp2k.restart import Restart, find_restart
from aiida_nanoclusters.formats.cp2k.sections import Section, read_sections
from aiida_nanoclusters.formats.cp2k.steps import ELECTRONIC, NO_FORCES, StepMaker
from aiida_nanoclusters.formats.labelled_run import LabelledRun, LabelledStep
from aiida_nanoclusters.formats.limits import unpacked

#: Bytes of an output that is read.
_LARGEST_OUTPUT = 1_000_000_000
#: Runs whose energies are no ground states of the positions beside them.
_REFUSED = {
    "BAND": "a band of replicas, whose energies are in files of their own",
    "BSSE": "energies of fragments",
    "DEBUG": "displaced atoms",
    "EHRENFEST_DYN": "electrons that are not in their ground state",
    "EHRENFEST": "electrons that are not in their ground state",
    "MC": "Monte Carlo moves",
    "MONTECARLO": "Monte Carlo moves",
    "NEGF": "electrons of an open system",
    "NORMAL_MODES": "displaced atoms",
    "PINT": "beads of a path integral, whose energies are in files of their own",
    "RT_PROPAGATION": "electrons that are not in their ground state",
    "TAMC": "Monte Carlo moves",
    "TMC": "Monte Carlo moves",
    "VIBRATIONAL_ANALYSIS": "displaced atoms",
}
_MOVING = ("GEO_OPT", "CELL_OPT", "MD", "GEOMETRY_OPTIMIZATION", "MOLECULAR_DYNAMICS")


def read_run(path: str | Path, boxed: Atoms | None = None) -> LabelledRun:
    """Read a CP2K output with the files CP2K wrote beside it.

    Positions and forces are in ``PROJECT-pos-1.xyz`` and ``PROJECT-frc-1.xyz`` (input section
    ``MOTION/PRINT``), or printed (``FORCE_EVAL/PRINT/FORCES``); a cell that changes is printed, or
    in ``PROJECT-1.cell``. What an output of ``PRINT_LEVEL LOW`` does not say, such as the cell, is
    taken from a restart file that was written during the run.

    Parameters
    ----------
    path
        The output, or the same compressed (.gz, .xz, .bz2).
    boxed
        Cell and periodicity of a run that was made here, whose output does not say them; its charge
        need not be told then.

    Returns
    -------
    LabelledRun
        Without steps, and with the reason in ``problem``, where nothing can be read.
    """
    path = Path(path)
    try:
        with unpacked(path) as plain:
            if plain.stat().st_size > _LARGEST_OUTPUT:
                problem = f"it has more than {_LARGEST_OUTPUT / 1e9:g} GB"
                return _failed(path, f"{problem}: give the frames as extended XYZ")
            with plain.open(encoding="utf-8", errors="replace") as handle:
                sections = read_sections(handle)
        return _read(path, sections, boxed)
    except (OSError, ValueError, EOFError) as error:
        return _failed(path, f"it cannot be read: {error}")


def _failed(path: Path, problem: str) -> LabelledRun:
    return LabelledRun(path, "CP2K", problem=problem)


def _read(path: Path, sections: list[Section], boxed: Atoms | None) -> LabelledRun:
    if not sections:
        return _failed(path, "nothing in it is of CP2K")
    for section in sections:
        name = section.project
        if "/" in name or "\0" in name or len(name) > 200:  # it is the beginning of names of files
            return _failed(path, "its project name is no name of a file")
    problems = [text for text in (_run_problem(s, sections) for s in sections) if text]
    steps: list[LabelledStep] = []
    beside: list[Path] = []
    unused: list[tuple[str, str]] = []
    for name in dict.fromkeys(section.project for section in sections):
        own = [
            (k, section)
            for k, section in enumerate(sections)
            if section.project == name and not _refusal(section)
        ]
        if not any(section.evaluations for _, section in own):
            continue
        made, found = _read_project(path, name, own, boxed, sections)
        steps += made
        beside += [file for file in found.paths.values() if file not in beside]
        unused += found.unused
    ordered = sorted(steps, key=lambda step: step.section)
    steps = [replace(step, index=k) for k, step in enumerate(ordered)]
    if not any(step.problem is None for step in steps):
        problems += _why_none(path, sections, steps)
    return LabelledRun(
        path,
        "CP2K",
        tuple(steps),
        "; ".join(dict.fromkeys(problems)) or None,
        tuple(beside),
        tuple(dict.fromkeys(unused)),
        _parameters(sections),
    )


def _read_project(
    path: Path,
    name: str,
    own: Sequence[tuple[int, Section]],
    boxed: Atoms | None,
    sections: Sequence[Section],
) -> tuple[list[LabelledStep], Beside]:
    """Return the steps of the runs of one project, and the files they were read from."""
    evaluations = [evaluation for _, section in own for evaluation in section.evaluations]
    energies = [evaluation.energy for evaluation in evaluations]
    moves = any(section.run_type in ("", *_MOVING) for _, section in own)
    beside = read_beside(path, name, energies, moves=moves) if name else Beside()
    matched = match(beside.positions, energies)
    makers: dict[int, StepMaker] = {}
    owner = [k for k, section in own for _ in section.evaluations]
    for k, section in own:
        restart = _restart(path, name, section)
        if restart is not None:
            beside.paths[restart.path.name] = restart.path
        makers[k] = StepMaker(k, section, beside, restart, boxed, _differing(sections))
    for place, at in enumerate(matched):
        if at is not None:
            makers[owner[at]].hold(beside.positions[place], evaluations[at])
    first = {k: owner.index(k) for k in makers if k in owner}
    steps: list[LabelledStep] = []
    done = 0
    last = owner[0]
    for place, at in enumerate(matched):
        for k in range(done, at if at is not None else done):
            steps += makers[owner[k]].from_output(k - first[owner[k]])
        if at is not None:
            done, last = at + 1, owner[at]
        in_section = at - first[last] if at is not None else None
        steps.append(makers[last].from_trajectory(place, in_section, matched))
    for k in range(done, len(evaluations)):
        steps += makers[owner[k]].from_output(k - first[owner[k]])
    for k, maker in makers.items():
        which = f"run {k + 1} (line {maker.section.line}): " if len(sections) > 1 else ""
        beside.unused += maker.unused(which)
    return steps, beside


def _differing(sections: Sequence[Section]) -> list[str]:
    """Return what the level of theory usually leaves out and differs between the runs of a file."""
    theories = [section.theory for section in sections if section.evaluations]
    cutoffs = {theory.cutoff for theory in theories}
    pseudo = {tuple(sorted(theory.pseudopotentials.items())) for theory in theories}
    found: dict[str, set[Any]] = {"cutoff": cutoffs, "pseudopotentials": pseudo}
    return [key for key, values in found.items() if len(values) > 1]


def _restart(path: Path, name: str, section: Section) -> Restart | None:
    """Return a restart file of a run that agrees with what its output says."""
    if not name:
        return None
    started = section.head.get("PROGRAM STARTED AT", "")
    restart = find_restart(path.parent, name, started, section.ended)
    if restart is None:
        return None
    for printed, of_file in (
        (section.charge, restart.whole_number("CHARGE", 0)),
        (section.run_type, restart.keywords.get("GLOBAL/RUN_TYPE", "")),
        (section.atoms, restart.atoms),
    ):
        if printed not in (None, "") and printed != of_file:
            return None
    return restart


def _refusal(section: Section) -> str:
    """Return why the energies of a run are none of a ground state, or nothing."""
    kind = section.run_type
    if kind in _REFUSED:
        return f"its run type is {kind}: {_REFUSED[kind]}"
    programs = {evaluation.program for evaluation in section.evaluations}
    if programs and not programs & set(ELECTRONIC):
        return (
            f"its energies are of the part {', '.join(sorted(programs))} of CP2K, which computes "
            "no electrons"
        )
    return ""


def _run_problem(section: Section, sections: Sequence[Section]) -> str | None:
    """Return how a run ended, unless as it should."""
    number = sections.index(section) + 1
    which = f"run {number} (line {section.line}): " if len(sections) > 1 else ""
    kind = section.run_type
    after = f" after {len(section.evaluations)} energies" if section.evaluations else ""
    if section.abort:
        return f"{which}CP2K stopped{after}: {section.abort}"
    if refusal := _refusal(section):
        return which + refusal
    if section.out_of_time:
        return f"{which}CP2K ran out of time{after}"
    if not section.evaluations and section is not sections[-1]:
        return None  # the head of a run that was begun again
    if not section.ended:
        return f"{which}it was interrupted{after}: CP2K does not say that it ended"
    if not section.evaluations:
        return f"{which}it has no energies{f', its run type is {kind}' if kind else ''}"
    return None


def _why_none(path: Path, sections: Sequence[Section], steps: Sequence[LabelledStep]) -> list[str]:
    """Return why there is no label at all."""
    useful = [s for s in sections if s.evaluations and not _refusal(s)]
    if not useful:
        told = any(s.abort or s.ended or s.evaluations for s in sections)
        return [] if told else ["it has no complete step"]
    if any(step.problem != NO_FORCES for step in steps):
        return []  # each step says why
    name = useful[-1].project
    if not name:
        return ["no project name in it, so that its trajectories cannot be found"]
    if useful[-1].run_type in ("ENERGY", "ENERGY_FORCE"):
        if not steps:
            return ["it has no positions: CP2K prints them with PRINT_LEVEL MEDIUM"]
        return ["it has no forces: CP2K prints them with ENERGY_FORCE and FORCE_EVAL/PRINT/FORCES"]
    files = [f"{name}-{kind}-1.xyz" for kind in ("pos", "frc")]
    missing = [file for file in files if not path.with_name(file).is_file()]
    if not missing:
        return ["it has no complete step"]
    return [
        f"no {' and no '.join(missing)} beside it: CP2K writes positions and forces with "
        "MOTION/PRINT/TRAJECTORY and /FORCES"
    ]


def _parameters(sections: Sequence[Section]) -> dict[str, Any]:
    """Return what is not part of the level of theory: cutoff in Ry, pseudopotentials, version."""
    cutoffs = sorted({s.theory.cutoff for s in sections if s.theory.cutoff is not None})
    pseudo = sorted({name for s in sections for name in s.theory.pseudopotentials.values()})
    versions = sorted({s.version for s in sections if s.version})
    return {"CUTOFF": cutoffs, "PSEUDOPOTENTIALS": pseudo, "VERSION": versions}
