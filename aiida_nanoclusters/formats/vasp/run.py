"""Finished VASP runs as labelled frames, one for every ionic step, or why it is none.

ASE reads energies, forces and stresses (its reader knows that VASP 5 writes the entropy where the
energy extrapolated to zero smearing should be), pymatgen the electronic steps and parameters.
"""

from __future__ import annotations

import lzma
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import ParseError
from pymatgen.core.structure import StructureError
from pymatgen.io.vasp.outputs import Vasprun

from aiida_nanoclusters.formats.limits import check_xml, unpacked
from aiida_nanoclusters.formats.vasp.input import FUNCTIONALS
from aiida_nanoclusters.formats.vasp.outcar import LONGEST_LINE, read_steps
from aiida_nanoclusters.science.labels.acceptance import forces_vanish

#: eV; largest difference between vasprun.xml and OUTCAR of the same run.
ENERGY_TOLERANCE = 1e-4
#: Largest last change of the energy of a converged self-consistent field, in units of EDIFF.
_SETTLED = 10.0
_UNREADABLE = (
    *(ElementTree.ParseError, ParseError, lzma.LZMAError, EOFError, OSError),
    *(ValueError, KeyError, IndexError, AttributeError, TypeError, AssertionError, RuntimeError),
    *(MemoryError, OverflowError, ArithmeticError, StructureError),
)
_POTCARS = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW": "LDA", "US": "LDA"}


@dataclass(frozen=True)
class VaspStep:
    """One ionic step.

    Attributes
    ----------
    index
        Place in the run, from 0.
    atoms
        Periodic in all directions, in the order of the POSCAR. Its calculator holds the energy
        extrapolated to zero smearing (eV), forces (eV/Å) and stress (eV/Å^3, sign of ASE).
    electronic_steps
        Iterations of the self-consistent field.
    problem
        Why this step is not a label, or None.
    """

    index: int
    atoms: Atoms
    electronic_steps: int
    problem: str | None = None


@dataclass(frozen=True)
class VaspRun:
    """All complete ionic steps of a run.

    Attributes
    ----------
    path
        The file that was read.
    steps
        In order; the incomplete last step of a truncated file is not among them.
    problem
        Error of the run as a whole (no normal end, no complete step), or None.
    level_of_theory
        Such as ``VASP/PBE/450 eV``.
    parameters
        INCAR tags with the defaults of VASP, as far as they are in the file; ``POTCARS``, the
        titles of the POTCARs; ``VALENCES``, the valence electrons of each element.
    """

    path: Path
    steps: tuple[VaspStep, ...]
    problem: str | None = None
    level_of_theory: str = "VASP"
    parameters: dict[str, Any] = field(default_factory=dict)


def read_vasp(path: str | Path, outcar: str | Path | None = None) -> VaspRun:
    """Read ``vasprun.xml`` and, where given, compare it with the OUTCAR of the same run.

    Parameters
    ----------
    path
        vasprun.xml, or the same compressed (.xz, .gz, .bz2).
    outcar
        OUTCAR, or the same compressed.

    Returns
    -------
    VaspRun
        Without steps, and with the reason in ``problem``, where the file cannot be read.
    """
    path = Path(path)
    try:
        with unpacked(path) as plain:
            check_xml(plain)
            found = _read_xml(path, plain)
    except _UNREADABLE as error:
        return VaspRun(path, (), f"{path.name} cannot be read: {error}")
    return found if outcar is None else _compared(found, read_outcar(outcar))


def _read_xml(path: Path, plain: Path) -> VaspRun:
    """Read a vasprun.xml that is not compressed; `path` is the file that was given."""
    ended, valences = _scan_xml(plain)
    try:
        run, images = _parse_xml(plain)
    except _UNREADABLE as error:
        reason = f"cannot be read: {error}" if ended else "is truncated before its first step"
        return VaspRun(path, (), f"{path.name} {reason}")
    parameters = {**run.parameters, **run.incar, "VALENCES": valences}
    parameters["POTCARS"] = sorted(set(run.potcar_symbols))
    electronic = [step["electronic_steps"] for step in run.ionic_steps]
    steps = [
        VaspStep(i, _bare(atoms), len(scf), _scf_problem(scf, parameters))
        for i, (atoms, scf) in enumerate(zip(images, electronic, strict=False))
        if atoms.calc is not None
    ]
    problem = None
    if not ended:
        problem = f"{path.name} is truncated after {len(steps)} complete ionic steps"
    elif not steps:
        problem = f"{path.name} has no complete ionic step"
    hybrid = run.run_type.partition("+")[0] if parameters.get("LHFCALC") is True else ""
    level = _level(parameters, run.potcar_symbols, hybrid)
    return VaspRun(path, tuple(map(_finite, steps)), problem, level, parameters)


def _parse_xml(path: Path) -> tuple[Vasprun, list[Atoms]]:
    """Return pymatgen's view of a file, and ASE's of its complete steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # everything pymatgen warns of is checked here
        run = Vasprun(
            path,
            parse_dos=False,
            parse_eigen=False,
            parse_potcar_file=False,
            exception_on_bad_xml=False,
        )
        # ASE fails at the incomplete step of a truncated file; pymatgen counts the complete ones.
        complete = f":{len(run.ionic_steps)}"
        with path.open("rb") as handle:  # of a name ASE might take a part for a choice of steps
            return run, list(ase.io.iread(handle, index=complete, format="vasp-xml"))


def read_outcar(path: str | Path) -> VaspRun:
    """Read an OUTCAR alone; its positions have five decimal places."""
    path = Path(path)
    try:
        with unpacked(path) as plain:
            return _read_outcar(path, plain)
    except _UNREADABLE as error:
        return VaspRun(path, (), f"{path.name} cannot be read: {error}")


def _read_outcar(path: Path, plain: Path) -> VaspRun:
    """Read an OUTCAR that is not compressed; `path` is the file that was given."""
    text, images = _scan_outcar(plain), read_steps(plain)
    parameters = {**text.parameters, "POTCARS": sorted(text.potcars)}
    nelm = parameters.get("NELM")
    steps = []
    for i, atoms in enumerate(images):
        n = text.electronic_steps.get(i + 1, 0)
        problem = None if nelm is None or n < nelm else _not_converged(n, nelm)
        steps.append(_finite(VaspStep(i, _bare(atoms), n, problem)))
    problem = None
    if not text.ended:
        problem = f"{path.name} is truncated after {len(steps)} complete ionic steps"
    elif not steps:
        problem = f"{path.name} has no complete ionic step"
    level = _level(parameters, text.potcars)
    return VaspRun(path, tuple(steps), problem, level, parameters)


def _compared(run: VaspRun, other: VaspRun) -> VaspRun:
    """Return `run` with the steps marked that differ in the OUTCAR."""
    steps = []
    for step in run.steps:
        problem = step.problem
        if problem is None and step.index < len(other.steps):
            problem = _disagreement(step.atoms, other.steps[step.index].atoms)
            problem = problem or other.steps[step.index].problem
        elif problem is None:
            problem = f"{other.path.name} does not have this step"
        steps.append(replace(step, problem=problem))
    extra = len(other.steps) - len(run.steps)
    problem = run.problem or other.problem
    if problem is None and extra > 0:
        problem = f"{other.path.name} has {extra} ionic steps more than {run.path.name}"
    return replace(run, steps=tuple(steps), problem=problem)


def _disagreement(xml: Atoms, outcar: Atoms) -> str | None:
    if len(xml) != len(outcar):
        return f"vasprun.xml has {len(xml)} atoms, OUTCAR {len(outcar)}: not of the same run"
    energies = [float(a.calc.results["energy"]) for a in (xml, outcar)]
    if not abs(energies[0] - energies[1]) <= ENERGY_TOLERANCE:
        return (
            f"the energy is {energies[0]:.6f} eV in vasprun.xml, {energies[1]:.6f} eV in OUTCAR: "
            "not of the same run"
        )
    return None


def _scf_problem(electronic: list[dict[str, float]], parameters: dict[str, Any]) -> str | None:
    nelm, ediff = int(parameters.get("NELM", 60)), float(parameters.get("EDIFF", 1e-4))
    if len(electronic) >= nelm:
        return _not_converged(len(electronic), nelm)
    last = [float(step.get("e_fr_energy", np.nan)) for step in electronic[-2:]]
    # A run that was stopped (STOPCAR) ends before NELM without being converged.
    if len(last) == 2 and not abs(last[1] - last[0]) <= _SETTLED * ediff:
        return (
            f"not converged: the energy still changed by {abs(last[1] - last[0]):.1e} eV, "
            f"EDIFF is {ediff:.0e} eV"
        )
    return None


def _not_converged(steps: int, nelm: int) -> str:
    return f"not converged: {steps} electronic steps, NELM is {nelm}"


def _finite(step: VaspStep) -> VaspStep:
    """Mark a step without forces, or with numbers that are not finite."""
    results = step.atoms.calc.results
    problem = step.problem
    if "forces" not in results:
        problem = problem or "no forces in the file"
    elif not np.isfinite(results["energy"]) or not np.isfinite(results["forces"]).all():
        problem = problem or "energy or forces are not finite"
    elif len(step.atoms) > 1 and not np.any(results["forces"]) and not forces_vanish(step.atoms):
        problem = problem or "all forces are zero: they were not computed"
    return replace(step, problem=problem)


def _bare(atoms: Atoms) -> Atoms:
    """Return the frame with energy, forces and stress only."""
    bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    if atoms.calc is not None:
        results = {
            name: atoms.calc.results[name]
            for name in ("energy", "forces", "stress")
            if atoms.calc.results.get(name) is not None
        }
        bare.calc = SinglePointCalculator(bare, **results)
    return bare


def _level(parameters: dict[str, Any], potcars: Iterable[str], hybrid: str = "hybrid") -> str:
    """Return the level of theory; the functional is that of the POTCAR unless a tag sets it."""
    gga = str(parameters.get("GGA") or "").strip("- ").upper()
    kinds = {_POTCARS.get(str(potcar).split()[0], "") for potcar in potcars}
    functional = FUNCTIONALS.get(gga, gga) or (kinds.pop() if len(kinds) == 1 else "")
    meta = str(parameters.get("METAGGA") or "").strip("- ").upper()
    if parameters.get("LHFCALC") is True:
        functional = hybrid
    elif meta and meta != "NONE":
        functional = meta
    functional += "+U" if parameters.get("LDAU") is True else ""
    functional += f"+IVDW{parameters['IVDW']}" if parameters.get("IVDW") else ""
    functional += "+vdW" if parameters.get("LUSE_VDW") is True else ""
    encut = parameters.get("ENCUT") or parameters.get("ENMAX")
    parts = ["VASP", functional, f"{float(encut):g} eV" if encut else ""]
    return "/".join(part for part in parts if part)


def _scan_xml(path: Path) -> tuple[bool, dict[str, float]]:
    """Return whether the file is complete, and the valence electrons of each element."""
    valences: dict[str, float] = {}
    tail = ""
    with path.open(encoding="utf-8", errors="replace") as handle:
        while line := handle.readline(LONGEST_LINE):
            tail = (tail + line)[-200:]
            found = _VALENCE.search(line)
            if found:
                valences[found[1]] = float(found[2])
    return "</modeling>" in tail, valences


# A row of `atomtypes`: number, element, mass, valence, pseudopotential.
_VALENCE = re.compile(r"<rc><c>\s*\d+\s*</c><c>\s*(\w+)\s*</c><c>[\s\d.]+</c><c>\s*([\d.]+)")
_ITERATION = re.compile(r"Iteration *(\d{1,9})\( *(\d{1,9})\)")
_TAG = re.compile(r"^ +(NELM|EDIFF|ENCUT|NELECT|ISPIN|GGA|METAGGA|LHFCALC|LDAU|IVDW) *= *([^ ;]+)")


@dataclass
class _Scan:
    """Data of an OUTCAR that ASE does not read."""

    ended: bool = False
    electronic_steps: dict[int, int] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    potcars: set[str] = field(default_factory=set)


def _scan_outcar(path: Path) -> _Scan:
    scan = _Scan()
    with path.open(encoding="utf-8", errors="replace") as handle:
        while line := handle.readline(LONGEST_LINE):
            if found := _ITERATION.search(line):
                scan.electronic_steps[int(found[1])] = int(found[2])
            elif found := _TAG.search(line):
                scan.parameters.setdefault(found[1], _value(found[2].strip()))
            elif "TITEL" in line:
                scan.potcars.add(line.partition("=")[2].strip())
            elif "General timing and accounting informations for this job" in line:
                scan.ended = True
    return scan


def _value(text: str) -> Any:
    """Return a tag of the OUTCAR as a number, a truth value or text."""
    if text in ("T", "F"):
        return text == "T"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
