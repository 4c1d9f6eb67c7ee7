"""Cell and periodicity of each step of a run of CP2K, from all files that say them."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.beside import Beside
from aiida_nanoclusters.formats.cp2k.restart import Restart
from aiida_nanoclusters.formats.cp2k.sections import Evaluation, Section
from aiida_nanoclusters.formats.cp2k.trajectory import Block

Floats = NDArray[np.float64]

#: Å; cells are printed with three decimal places.
_SAME_CELL = 2e-3
#: Dynamics whose cell stays as it was; empty where it is not told.
_CONSTANT = ("NVE", "NVT", "NVT_ADIABATIC", "LANGEVIN", "ISOKIN", "REFTRAJ", "")


class Cells:
    """Cells of the steps of one run.

    A trajectory in extended XYZ has the cell of each step, then come the ``.cell`` file, what the
    output prints, and a restart file, which has more decimal places, of a cell that stays. Two that
    differ are refused.

    Parameters
    ----------
    section, beside, restart, boxed
        As of :class:`.StepMaker`.
    """

    def __init__(
        self, section: Section, beside: Beside, restart: Restart | None, boxed: Atoms | None
    ) -> None:
        self._section, self._beside = section, beside
        self._restart, self._boxed = restart, boxed
        kind, ensemble = section.run_type, section.ensemble
        written = [cell for cells in beside.cells.values() for cell in cells]
        varied = any(np.abs(cell - written[0]).max() > _SAME_CELL for cell in written)
        optimised = kind == "CELL_OPT"
        self._constant = not (optimised or section.follows or varied or ensemble not in _CONSTANT)
        self._what = kind if optimised else ensemble or "the run"

    def set_box(
        self, atoms: Atoms, block: Block | None, evaluation: Evaluation | None, at: int | None
    ) -> str:
        """Set cell and periodicity of a step; return why they are not known.

        Parameters
        ----------
        atoms
            The step.
        block, evaluation
            Its positions in the trajectory, and its energy in the output, as far as there are any.
        at
            Place of the energy in the run.
        """
        pbc = block.pbc if block is not None and block.pbc is not None else self._section.periodic
        if pbc is None and self._restart is not None and self._restart.periodic:
            axes = self._restart.periodic.replace("NONE", "")
            pbc = ("X" in axes, "Y" in axes, "Z" in axes)
        cell, problem = self._cell(block, evaluation, at)
        if problem:
            return problem
        if self._boxed is not None and (cell is None or pbc is None):
            cell, pbc = self._boxed.cell.array, tuple(self._boxed.pbc)
        if cell is None or pbc is None:
            return (
                f"the output does not say its {'cell' if cell is None else 'periodic directions'} "
                "(PRINT_LEVEL LOW?), and no restart file of the run is beside it"
            )
        if any(pbc) and abs(np.linalg.det(cell)) < 1e-6:
            return "its cell has no volume"
        atoms.set_cell(cell)
        atoms.pbc = pbc
        return ""

    def _cell(
        self, block: Block | None, evaluation: Evaluation | None, at: int | None
    ) -> tuple[Floats | None, str]:
        """Return the cell of a step or None, and what is wrong."""
        if block is not None and block.cell is not None:
            return block.cell, ""
        printed = None
        if evaluation is not None and (self._constant or evaluation.own_cell):
            printed = evaluation.cell
        written = self._beside.cells.get(block.step, []) if block is not None else []
        if written:
            if printed is None:
                return written[-1], ""
            fitting = [c for c in written if np.abs(c - printed).max() <= _SAME_CELL]
            if fitting:
                return fitting[-1], ""
            file = self._beside.paths["cell"].name
            most = min(float(np.abs(c - printed).max()) for c in written)
            return None, f"its cells in {file} and in the output differ by {most:.3g} Å"
        kept = self._restart.cell if self._restart is not None and self._constant else None
        if printed is not None:
            near = kept is not None and np.abs(kept - printed).max() <= _SAME_CELL
            return (kept if near else printed), ""
        if kept is None and not self._constant and at:
            return None, (
                f"{self._what} changes the cell, which is not in the output with its directions, "
                "nor in a .cell file (MOTION/PRINT/CELL)"
            )
        return kept, ""
