"""Finished optimisations and dynamics by CP2K, read as labelled steps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.output import Block, Step, read_blocks, read_output
from aiida_nanoclusters.science.units import BOHR, HARTREE

#: eV; largest difference between the energies of one step in different files of CP2K.
_SAME = 1e-5
#: Bytes of an output that is read as a whole.
_LARGEST_OUTPUT = 1_000_000_000
_PROJECT = re.compile(r"GLOBAL\| Project name\s+(\S+)")
_VECTOR = re.compile(r"CELL\| Vector [abc] \[angstrom\]:\s+(\S+)\s+(\S+)\s+(\S+)")
_PERIODIC = re.compile(r"CELL\| Periodicity\s+(\S+)")
_FUNCTIONAL = re.compile(r"FUNCTIONAL\| ([\w-]+):")
_BASIS = re.compile(r"Orbital Basis Set\s+(\S+)")


@dataclass(frozen=True)
class RunStep:
    """One step: `atoms` with energy (eV) and forces (eV/Å), or why it is not a label.

    `index` is its place in the file, `number` the number of the step in CP2K.
    """

    index: int
    atoms: Atoms
    problem: str | None = None
    number: int = 0


@dataclass(frozen=True)
class LabelledRun:
    """All complete steps of a run; `problem` is an error of the run as a whole."""

    path: Path
    steps: tuple[RunStep, ...] = ()
    problem: str | None = None
    level_of_theory: str = "CP2K"


def read_run(path: str | Path) -> LabelledRun:
    """Read a CP2K output with the trajectories CP2K wrote beside it.

    Positions and forces are in ``PROJECT-pos-1.xyz`` and ``PROJECT-frc-1.xyz`` (input section
    ``MOTION/PRINT``), the convergence of the self-consistent field in the output. The cell is the
    first one in the output: runs that change it are refused.
    """
    path = Path(path)
    if path.stat().st_size > _LARGEST_OUTPUT:
        problem = f"it has more than {_LARGEST_OUTPUT / 1e9:g} GB: give the frames as extended XYZ"
        return LabelledRun(path, problem=problem)
    text = path.read_text(encoding="utf-8", errors="replace")
    run, level = read_output(text.splitlines(keepends=True)), _level(text)
    project = _PROJECT.search(text)
    if project is None:
        return LabelledRun(path, problem="no project name in it: was the run interrupted?")
    name = project[1]
    if "/" in name or "\0" in name or len(name) > 200:  # it is the beginning of names of files
        return LabelledRun(path, problem="its project name is no name of a file")
    files = [path.with_name(f"{name}-{kind}-1.xyz") for kind in ("pos", "frc")]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        problem = (
            f"no {' and no '.join(missing)} beside it: CP2K writes positions and forces with "
            "MOTION/PRINT/TRAJECTORY and /FORCES"
        )
        return LabelledRun(path, problem=problem, level_of_theory=level)
    if path.with_name(f"{name}-1.cell").is_file():
        problem = "its cell changes, which cannot be read: give the frames as extended XYZ"
        return LabelledRun(path, problem=problem, level_of_theory=level)
    try:
        cell, pbc = _cell(text)
        with files[0].open(encoding="utf-8") as handle:
            positions = list(read_blocks(handle))
        with files[1].open(encoding="utf-8") as handle:
            forces = {block.step: block for block in read_blocks(handle)}
        steps = tuple(_steps(positions, forces, run.steps, cell, pbc))
    except (ValueError, KeyError, OSError) as error:  # of numbers and symbols that are none
        problem = f"it cannot be read with its trajectories: {error}"
        return LabelledRun(path, problem=problem, level_of_theory=level)
    return LabelledRun(path, steps, None if steps else "it has no complete step", level)


def _steps(
    positions: Iterable[Block],
    forces: dict[int, Block],
    printed: list[Step],
    cell: NDArray[np.float64],
    pbc: list[bool],
) -> Iterator[RunStep]:
    """Match the files by the number of the step, and the output, which has none, by the energy."""
    energies = np.array([step.energy for step in printed])
    order = np.argsort(energies)
    energies = energies[order]
    # How many of the lowest did, and did not, converge: any range of energies follows.
    states = [[printed[k].converged is state for k in order] for state in (True, False)]
    counts = np.cumsum(np.array([[0, *row] for row in states], dtype=int), axis=1)
    for index, block in enumerate(positions):
        atoms = Atoms(block.symbols, positions=block.values, cell=cell, pbc=pbc)
        own = forces.get(block.step)
        if own is None or own.symbols != block.symbols or abs(own.energy - block.energy) > _SAME:
            yield RunStep(index, atoms, "it has no forces", block.step)
            continue
        values = own.values * HARTREE / BOHR
        atoms.calc = SinglePointCalculator(atoms, energy=block.energy, forces=values)
        first = np.searchsorted(energies, own.energy - _SAME, side="right")
        last = np.searchsorted(energies, own.energy + _SAME, side="left")
        converged, failed = counts[:, max(first, last)] - counts[:, first]
        problem = None
        if failed:
            problem = "the self-consistent field did not converge"
        elif not converged:
            problem = "the output does not show whether the self-consistent field converged"
        yield RunStep(index, atoms, problem, block.step)


def _cell(text: str) -> tuple[NDArray[np.float64], list[bool]]:
    vectors = [[float(x) for x in match.groups()] for match in _VECTOR.finditer(text)][:3]
    periodic = _PERIODIC.search(text)
    axes = periodic[1] if periodic else "NONE"
    pbc = [axis in axes and axes != "NONE" for axis in "XYZ"]
    return np.array(vectors) if len(vectors) == 3 else np.zeros((3, 3)), pbc


def _level(text: str) -> str:
    """Return program, functional and basis set, as far as the output names them."""
    if "xTB" in text or "GFN1" in text:
        return "CP2K/GFN1-xTB"
    functional = _FUNCTIONAL.search(text)
    dispersion = "-D3" if "DFT-D3" in text else ""
    basis = sorted(set(_BASIS.findall(text)))
    parts = [functional[1] + dispersion] if functional else []
    return "/".join(["CP2K", *parts, *basis[:1]])
