"""An ASE calculator that evaluates a potential by the LAMMPS library, in this process."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import (
    CalculationFailed,
    Calculator,
    CalculatorSetupError,
    all_changes,
)
from numpy.typing import NDArray

from aiida_nanoclusters.formats.input_text import lammps_file
from aiida_nanoclusters.formats.lammps.input import mass_lines
from aiida_nanoclusters.formats.lammps.potential_files import check_potential_file
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction

Floats = NDArray[np.float64]

#: Å between the images of atoms along directions that are not periodic, beyond the cutoff.
MARGIN = 1.0
_BAR = 1e5 * units.Pascal
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


class LammpsCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and, of crystals, stress (eV/Å³) of a potential by LAMMPS.

    Clusters, wires, slabs and crystals in cells of any shape are evaluated in a box that is
    periodic in all directions. Along directions that are not periodic it is longer than the extent
    of the atoms by more than the cutoff, so that images do not interact. The potential is read
    once.

    ASE's own calculator of the LAMMPS library keeps the box it began with, and loses atoms that
    leave it along directions that are not periodic.

    Parameters
    ----------
    interaction
        The potential, of any kind but ``allegro``.
    file
        Its file, where it has one; read when the calculator is made.
    plugin
        Library or folder of the LAMMPS plugin with ``pair_style allegro``; default is that of
        ``LAMMPS_PLUGIN_PATH``. Other kinds need none.
    keep
        Temporary folder that lives as long as the calculator.

    Raises
    ------
    CalculatorSetupError
        If LAMMPS cannot be loaded, or cannot read the potential; the message names the fix.
    ValueError
        If LAMMPS cannot run that kind of potential.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self,
        interaction: Interaction,
        file: str | Path | None = None,
        *,
        plugin: str | Path | None = None,
        keep: TemporaryDirectory[str] | None = None,
    ) -> None:
        super().__init__()
        path = None if file is None else Path(file)
        pair_lines = interaction.lammps_lines(interaction.elements, path)
        if path is not None:
            check_potential_file(path, interaction)
        self.interaction = interaction
        self._keep = keep
        self._lammps = _open_lammps()
        if interaction.kind == "allegro-compiled":
            _need_allegro(self._lammps, plugin)
        try:
            for line in _setup_lines(interaction.elements, pair_lines):
                self._lammps.command(line)
        except Exception as error:  # LAMMPS raises no type of its own
            raise CalculatorSetupError(
                f"LAMMPS cannot read the potential: {error}. Make it again from a file of kind "
                f"`{interaction.kind}`"
            ) from error

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate energy, forces and, where all directions are periodic, stress.

        Raises
        ------
        ValueError
            If there are no atoms, or elements that the potential does not know.
        CalculationFailed
            If positions are not finite, or LAMMPS stops.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        assert self.atoms is not None
        types = self._types(self.atoms)
        box, positions, rotation = periodic_box(self.atoms, self.interaction.cutoff)
        count = len(types)
        try:
            self._lammps.command("delete_atoms group all")
            self._lammps.reset_box(
                [0.0, 0.0, 0.0], np.diag(box).tolist(), box[1, 0], box[2, 1], box[2, 0]
            )
            ids = list(range(1, count + 1))
            made = self._lammps.create_atoms(count, ids, types, positions.ravel().tolist())
            if made != count:
                raise CalculationFailed(f"LAMMPS took {made} of {count} atoms")
            self._lammps.command("run 0 post no")
            forces = np.array(self._lammps.gather_atoms("f", 1, 3), dtype=float).reshape(-1, 3)
            energy = float(self._lammps.get_thermo("pe"))
            pressure = [self._lammps.get_thermo(f"p{ij}") for ij in ("xx", "yy", "zz")]
            pressure += [self._lammps.get_thermo(f"p{ij}") for ij in ("yz", "xz", "xy")]
        except CalculationFailed:
            raise
        except Exception as error:  # LAMMPS raises no type of its own
            raise CalculationFailed(f"LAMMPS stopped: {error}") from error
        self.results = {"energy": energy, "free_energy": energy, "forces": forces @ rotation}
        if self.atoms.pbc.all():
            self.results["stress"] = _stress(pressure, rotation)

    def _types(self, atoms: Atoms) -> list[int]:
        """Return the LAMMPS type of each atom."""
        known = {symbol: k for k, symbol in enumerate(self.interaction.elements, start=1)}
        symbols = atoms.get_chemical_symbols()
        missing = sorted({s for s in symbols if s not in known})
        if missing:
            raise ValueError(
                f"the potential is for {', '.join(known)}, not for {', '.join(missing)}: choose a "
                "potential of these elements"
            )
        if not symbols:
            raise ValueError("there are no atoms to evaluate: give at least one")
        if not np.isfinite(atoms.positions).all():
            raise CalculationFailed("positions are not finite: begin from the structure before")
        return [known[s] for s in symbols]


def periodic_box(atoms: Atoms, cutoff: float) -> tuple[Floats, Floats, Floats]:
    """Return a periodic box in which atoms have the same neighbours as in their own cell.

    Parameters
    ----------
    atoms
        Periodic in any or no directions.
    cutoff
        Å; along directions that are not periodic, images are further apart than this.

    Returns
    -------
    box
        (3, 3), Å; rows are the box vectors, lower triangular with positive diagonal.
    positions
        (N, 3), Å; inside the box.
    rotation
        (3, 3), orthogonal: a vector ``v`` of the box is ``v @ rotation`` in the cell of `atoms`.
        It reflects too where the cell is left-handed.

    Raises
    ------
    ValueError
        If the vectors of the periodic directions are not linearly independent.
    """
    periodic = np.flatnonzero(atoms.pbc)
    vectors = atoms.cell.array[periodic]
    if len(periodic) and np.linalg.matrix_rank(vectors) < len(periodic):
        raise ValueError(
            "the cell vectors of periodic directions are not linearly independent: give the "
            "structure a cell, or set its `pbc` to False"
        )
    # An orthonormal basis whose first vectors span the periodic directions; the rest is open.
    basis, triangle = np.linalg.qr(vectors.T, mode="complete")
    rotation = basis.T
    rows = triangle.T[: len(periodic)]
    for k in range(len(periodic)):
        if rows[k, k] < 0:
            rows[:, k] *= -1
            rotation[k] *= -1
    box = np.zeros((3, 3))
    box[: len(periodic)] = rows
    positions = atoms.positions @ rotation.T
    for k in range(len(periodic), 3):
        low, extent = positions[:, k].min(), np.ptp(positions[:, k])
        box[k, k] = extent + cutoff + 2 * MARGIN
        positions[:, k] += MARGIN - low
    fractions = positions @ np.linalg.inv(box)
    return box, (fractions - np.floor(fractions)) @ box, rotation


def _setup_lines(elements: Sequence[str], pair_lines: Sequence[str]) -> list[str]:
    """Return the commands that are given once; each evaluation replaces the box and the atoms."""
    return [
        "units metal",
        "atom_style atomic",
        "atom_modify map array sort 0 0",
        "boundary p p p",
        "box tilt large",
        "region box prism 0 1 0 1 0 1 0 0 0",
        f"create_box {len(elements)} box",
        *mass_lines(elements),
        *pair_lines,
        "neighbor 0.1 bin",
        "thermo_style custom step pe pxx pyy pzz pyz pxz pxy",
        "thermo_modify norm no",
    ]


def _stress(pressure: Sequence[float], rotation: Floats) -> Floats:
    """Return the stress (6,) in eV/Å³, in ASE's order and axes, of LAMMPS's pressures in bar."""
    tensor = np.empty((3, 3))
    for value, (i, j) in zip(pressure, _VOIGT, strict=True):
        tensor[i, j] = tensor[j, i] = -value * _BAR
    turned = rotation.T @ tensor @ rotation
    return np.array([turned[i, j] for i, j in _VOIGT])


def _open_lammps() -> Any:
    """Return an instance of the LAMMPS library that writes nothing.

    Raises
    ------
    CalculatorSetupError
        If the library or its MPI cannot be loaded.
    """
    mpi = Path(sys.prefix) / "lib" / "libmpi.so.12"
    try:
        if mpi.exists():  # the wheel of LAMMPS does not find the wheel of MPICH by itself
            ctypes.CDLL(str(mpi), mode=ctypes.RTLD_GLOBAL)
        library = importlib.import_module("lammps")
        return library.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    except (ImportError, OSError) as error:
        raise CalculatorSetupError(
            f"the LAMMPS library cannot be loaded ({error}): install it with "
            "`pip install lammps mpich`"
        ) from error


def _need_allegro(lammps: Any, plugin: str | Path | None) -> None:
    """Load the plugin unless this process has loaded it before, or by ``LAMMPS_PLUGIN_PATH``.

    Raises
    ------
    CalculatorSetupError
        If there is no plugin; the message names the fix.
    """
    if lammps.has_style("pair", "allegro"):
        return
    if plugin is not None:
        path = Path(plugin)
        library = path / "allegroplugin.so" if path.is_dir() else path
        if not library.is_file():
            raise CalculatorSetupError(
                f"no LAMMPS plugin at {library}: build it with "
                f"`python -m aiida_nanoclusters.lammps_plugin.build {library.parent}`"
            )
        lammps.command(f"plugin load {lammps_file(library)}")
        if lammps.has_style("pair", "allegro"):
            return
    raise CalculatorSetupError(
        "LAMMPS has no Allegro pair style: build the plugin with "
        "`python -m aiida_nanoclusters.lammps_plugin.build DIR` and export LAMMPS_PLUGIN_PATH=DIR, "
        "or give `plugin=DIR`"
    )
