"""Steps of a run of CP2K: positions, energy, forces, cell, and why a step is not a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.beside import SAME_ENERGY, Beside
from aiida_nanoclusters.formats.cp2k.cells import Cells
from aiida_nanoclusters.formats.cp2k.kinds import element_of
from aiida_nanoclusters.formats.cp2k.restart import Restart
from aiida_nanoclusters.formats.cp2k.sections import Evaluation, Section
from aiida_nanoclusters.formats.cp2k.trajectory import Block
from aiida_nanoclusters.formats.cp2k.units import LENGTHS, force_unit, length_unit
from aiida_nanoclusters.formats.labelled_run import LabelledStep
from aiida_nanoclusters.science.labels.acceptance import zero_forces_problem

Floats = NDArray[np.float64]

#: Å and eV/Å; largest differences of one number in two places, which have six decimal places.
_SAME_LENGTH, _SAME_FORCE = 1e-4, 1e-4
#: Parts of CP2K that compute electrons.
ELECTRONIC = ("QS", "QUICKSTEP", "SIRIUS", "PWDFT")
#: Why a step without forces is no label.
NO_FORCES = "it has no forces"
#: eV; entropic energy that is worth a word.
_LEAST_ENTROPIC = 1e-4
#: An atom alone has none, by symmetry.
_NONE = np.zeros((1, 3))
#: Runs whose printed coordinates are those of the energy that follows.
_PRINTED = ("ENERGY", "ENERGY_FORCE", "GEO_OPT", "CELL_OPT", "MD")

#: Runs that compute forces; others may write zeros, as with a reference trajectory by default.
_ALWAYS_COMPUTED = ("ENERGY_FORCE", "GEO_OPT", "CELL_OPT")


class StepMaker:
    """Makes the steps of one run.

    Parameters
    ----------
    number, section
        Place of the run in the file, from 0, and what the output says of it.
    beside
        Trajectories of its project.
    restart
        A restart file of the run, for what the output does not say, or None.
    boxed
        Cell and periodicity where nothing else says them, or None.
    detail
        What the level of theory names besides, as of :meth:`.Theory.level`.
    """

    def __init__(
        self,
        number: int,
        section: Section,
        beside: Beside,
        restart: Restart | None,
        boxed: Atoms | None,
        detail: Sequence[str] = (),
    ) -> None:
        self.number, self.section, self.beside = number, section, beside
        self._restart, self._boxed = restart, boxed
        self._cells = Cells(section, beside, restart, boxed)
        self._kinds = {**(restart.elements if restart else {}), **section.kinds}
        self._lost, self._wrong = 0, ""
        self._units = {
            "pos": self._unit("TRAJECTORY", length_unit, "angstrom"),
            "frc": self._unit("FORCES", force_unit, "hartree*bohr^-1"),
        }
        self.charge, self.multiplicity = section.charge, section.multiplicity
        self.level = section.theory.level(section.version, detail)
        if restart is not None:
            if self.charge is None:
                charge = restart.whole_number("CHARGE", 0)
                self.charge = None if charge is None else float(charge)
            if self.multiplicity is None:
                self.multiplicity = restart.whole_number("MULTIPLICITY", 0) or None
            self.level = self.level or restart.theory.level(section.version)

    def _unit(
        self, name: str, convert: Callable[[str], float | None], default: str
    ) -> tuple[str, float | None]:
        unit = (self._restart.unit(name) if self._restart else "") or default
        return unit, convert(unit)

    # -- a step of the trajectory ----------------------------------------------------------------

    def from_trajectory(
        self, place: int, at: int | None, matched: Sequence[int | None]
    ) -> LabelledStep:
        """Return the step of the block of positions at a place.

        Parameters
        ----------
        place
            Among the blocks.
        at
            Place of its energy in the run; None where the output has no such energy.
        matched
            Energies of all blocks.
        """
        block = self.beside.positions[place]
        evaluation = self.section.evaluations[at] if at is not None else None
        file = self.beside.paths["pos"].name
        problem: str | None = block.problem and f"{block.problem} (line {block.line} of {file})"
        symbols, wrong = self._elements(block.symbols)
        unit, factor = self._units["pos"]
        if factor is None:
            problem = problem or f"the unit `{unit}` of {file} is not known"
        positions = block.values * (factor or 1.0)
        atoms = Atoms(symbols, positions=positions if np.isfinite(positions).all() else None)
        forces, lacking = self._forces(place, block, evaluation)
        problem = problem or wrong or lacking
        problem = problem or self._repeated(place, block, matched)
        if evaluation is None:
            problem = problem or (
                f"the output has no energy of step {block.step} of {file} (line {block.line}), so "
                "that it does not show whether the self-consistent field converged"
            )
        problem = problem or self._cells.set_box(atoms, block, evaluation, at)
        if evaluation is not None:
            problem = problem or self._wrong
        if forces is not None and not problem:
            atoms.calc = SinglePointCalculator(atoms, energy=block.energy, forces=forces)
        problem = problem or self._judge(evaluation, atoms) or None
        return self._step(atoms, problem, evaluation, block.step)

    def _forces(
        self, place: int, block: Block, evaluation: Evaluation | None
    ) -> tuple[Floats | None, str]:
        """Return the forces of a step of the trajectory, or why there are none."""
        own = self.beside.forces_of(place)
        printed = evaluation.forces if evaluation is not None else None
        if own is None:
            if evaluation is not None and len(block.symbols) == 1 and printed is None:
                return _NONE, ""
            if evaluation is None or printed is None:
                return None, NO_FORCES
            if evaluation.forces_problem:
                return None, f"forces: {evaluation.forces_problem}"
            if len(printed) != len(block.symbols):
                return None, f"{len(printed)} printed forces for {len(block.symbols)} atoms"
            return printed, ""
        file = self.beside.paths["frc"].name
        if own.problem:
            return None, f"forces: {own.problem} (line {own.line} of {file})"
        if own.symbols != block.symbols:
            return None, f"it has no forces: those of line {own.line} of {file} are of other atoms"
        unit, factor = self._units["frc"]
        if factor is None:
            return None, f"the unit `{unit}` of {file} is not known"
        values = own.values * factor
        if printed is not None and evaluation is not None and not evaluation.forces_problem:
            if printed.shape != values.shape:
                return None, f"{len(printed)} forces in the output, {len(values)} in {file}"
            most = float(np.abs(printed - values).max(initial=0.0))
            if most > _SAME_FORCE:
                return None, (
                    f"its forces in {file} (line {own.line}) and in the output differ by up to "
                    f"{most:.3g} eV/Å"
                )
        return values, ""

    def _repeated(self, place: int, block: Block, matched: Sequence[int | None]) -> str:
        """Return that a step was written again by a run that was restarted before it.

        The later one counts; one with other positions or another energy is another step.
        """
        for later in self.beside.places[block.step]:
            if later <= place or matched[later] is None:
                continue
            other = self.beside.positions[later]
            if abs(other.energy - block.energy) <= SAME_ENERGY and (
                other.values.shape == block.values.shape
                and np.abs(other.values - block.values).max(initial=0.0) < _SAME_LENGTH
            ):
                return (
                    f"step {block.step} is written again at line {other.line} of the trajectory, "
                    "by a restart"
                )
        return ""

    def hold(self, block: Block, evaluation: Evaluation) -> None:
        """Hold a block of positions against those that are printed before its energy.

        The unit of a trajectory is neither in it nor in the output: where the positions agree in
        another unit, that is the unit of the whole trajectory.
        """
        printed = evaluation.coordinates
        if printed is None or printed.problem or block.problem or not self._coordinates_count():
            return
        file = self.beside.paths["pos"].name
        if len(printed.values) != len(block.values):
            self._wrong = (
                f"{len(printed.values)} atoms in the output (line {printed.line}), "
                f"{len(block.values)} in {file}"
            )
            return
        cell = evaluation.cell if any(self.section.periodic or ()) else None
        unit, factor = self._units["pos"]
        most = _largest(block.values * (factor or np.nan) - printed.values, cell)
        if most <= _SAME_LENGTH:
            return
        for other, size in LENGTHS.items():
            if _largest(block.values * size - printed.values, cell) <= _SAME_LENGTH:
                self._units["pos"] = other, size
                return
        self._wrong = (
            f"its positions in {file} (line {block.line}, in {unit}) and in the output (line "
            f"{printed.line}) differ by up to {most:.3g} Å"
        )

    # -- a step that is printed as a whole -------------------------------------------------------

    def from_output(self, at: int) -> list[LabelledStep]:
        """Return the step of an energy that no trajectory has; none without positions."""
        evaluation = self.section.evaluations[at]
        printed = evaluation.coordinates
        if printed is None or not self._coordinates_count():
            self._lost += 1
            return []
        symbols, wrong = self._elements(printed.symbols)
        finite = bool(np.isfinite(printed.values).all())
        atoms = Atoms(symbols, positions=printed.values if finite else None)
        problem: str | None = printed.problem and f"coordinates: {printed.problem}"
        problem = problem or wrong
        forces = evaluation.forces
        if forces is None and len(atoms) == 1:
            forces = _NONE
        if forces is None:
            problem = problem or NO_FORCES
        elif evaluation.forces_problem:
            problem = problem or f"forces: {evaluation.forces_problem}"
        elif len(forces) != len(atoms):
            problem = problem or f"{len(forces)} printed forces for {len(atoms)} atoms"
        problem = problem or self._cells.set_box(atoms, None, evaluation, at)
        if not np.isfinite(evaluation.energy):
            problem = problem or f"its energy (line {evaluation.energy_line}) is no number"
        if not problem:
            atoms.calc = SinglePointCalculator(atoms, energy=evaluation.energy, forces=forces)
        problem = problem or self._judge(evaluation, atoms) or None
        return [self._step(atoms, problem, evaluation, None)]

    def _coordinates_count(self) -> bool:
        """Whether printed coordinates are those of the next energy.

        With a reference trajectory they are those of the input.
        """
        return self.section.run_type in _PRINTED and self.section.ensemble != "REFTRAJ"

    def unused(self, run: str) -> list[tuple[str, str]]:
        """Return what the run printed and nothing was made of."""
        found = []
        if self._lost:
            what = f"{run}{self._lost} of {len(self.section.evaluations)} energies"
            found.append((what, "no positions of them, in the output or beside it"))
        entropic = min((one.entropic for one in self.section.evaluations), default=0.0)
        if entropic < -_LEAST_ENTROPIC:
            found.append(
                (
                    f"{run}electronic entropic energy of up to {entropic:.3g} eV",
                    "the energies of CP2K are without it, the forces are those of the free energy",
                )
            )
        if any(evaluation.stress for evaluation in self.section.evaluations):
            found.append((f"{run}printed stress", "stress is not read"))
        return found

    # -- what both have --------------------------------------------------------------------------

    def _elements(self, kinds: Sequence[str]) -> tuple[list[str], str]:
        """Return the elements of kinds, and what is wrong with them."""
        elements: dict[str, str] = {}
        problem = ""
        for kind in dict.fromkeys(kinds):
            try:
                elements[kind] = element_of(kind, self._kinds)
            except ValueError as error:
                elements[kind], problem = "X", problem or str(error)
        return [elements[kind] for kind in kinds], problem

    def _judge(self, evaluation: Evaluation | None, atoms: Atoms) -> str:
        """Return why energy and forces are no label."""
        if evaluation is None:
            return ""
        if self.charge is None and self._boxed is None:
            return "nothing says its charge: neither the output nor a restart file of the run"
        if evaluation.program not in ELECTRONIC:
            return (
                f"its energy is of the part {evaluation.program} of CP2K, which computes no "
                f"electrons (line {evaluation.energy_line})"
            )
        if evaluation.converged is False:
            return (
                "the self-consistent field did not converge: "
                f"`{evaluation.words}` (line {evaluation.words_line})"
            )
        if evaluation.converged is None:
            return (
                "the output does not show whether the self-consistent field converged (line "
                f"{evaluation.energy_line})"
            )
        if self.section.run_type in _ALWAYS_COMPUTED:
            return ""
        return zero_forces_problem(atoms, atoms.calc.results["forces"]) or ""

    def _step(
        self, atoms: Atoms, problem: str | None, evaluation: Evaluation | None, number: int | None
    ) -> LabelledStep:
        return LabelledStep(
            index=0,
            atoms=atoms,
            problem=problem,
            charge=self.charge,
            multiplicity=self.multiplicity,
            level_of_theory=self.level,
            section=self.number,
            line=evaluation.line if evaluation is not None else None,
            number=number,
            electronic_steps=evaluation.electronic_steps if evaluation is not None else 0,
        )


def _largest(shift: Floats, cell: Floats | None) -> float:
    """Return the largest of some displacements (N, 3), up to vectors of the cell."""
    if cell is not None and abs(np.linalg.det(cell)) > 1e-6:
        shift = shift - np.round(np.linalg.solve(cell.T, shift.T).T) @ cell
    most = float(np.abs(shift).max(initial=0.0))
    return most if np.isfinite(most) else np.inf
