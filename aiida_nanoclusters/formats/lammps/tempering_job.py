"""A job of parallel tempering: what is run, and the files that its two drivers read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from ase.units import fs, kB
from numpy.typing import NDArray

from aiida_nanoclusters import science
from aiida_nanoclusters.formats import lammps
from aiida_nanoclusters.formats.input_text import lammps_script
from aiida_nanoclusters.formats.lammps.input import SKIN, mass_lines
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction

Floats = NDArray[np.float64]

#: eV/Å³: an atom x Å beyond the sphere is drawn back by a force of this times x².
STIFFNESS = 10.0
#: Å from the sphere, and from a cluster without one, to the walls of the box.
MARGIN, OPEN_MARGIN = 5.0, 25.0
#: (Å/ps)² per eV/amu.
_SQUARED_SPEED = (1000 * fs) ** 2
#: Files of the driver in Python; the first is run.
SCRIPTS = ("tempering.py", "replica_dynamics.py", "replica_swaps.py", "seeds.py")


@dataclass(frozen=True, eq=False)
class TemperingJob:
    """Parallel tempering of one cluster.

    Attributes
    ----------
    interaction
        The potential.
    symbols
        Elements in the order of the atom types.
    types
        Type of each atom from 1, shape (N,).
    starts
        Initial positions, Å, shape (K, N, 3); replica r begins with start r modulo K.
    temperatures
        Ladder, K, ascending, shape (R,).
    timestep, damping
        ps; the time constant is that of the Langevin thermostat.
    interval
        Time steps between attempts to swap.
    equilibration, attempts
        Attempts that are not sampled, and all attempts.
    sample
        Attempts from one sampled frame to the next; 0 keeps none.
    seed
        Of velocities, random forces and swaps.
    radius
        Of the confining sphere around the centre of mass, Å; None without one.
    fragment_distance
        Distance from which atoms count as evaporated where there is no sphere, Å.
    relax_tolerance
        Force tolerance of the minimisation before the start, eV/Å; None for none.
    processes
        Worker processes of the driver in Python.
    timeout
        Time after which it stops, s.
    checkpoint_every
        Time between its checkpoints, s.
    """

    interaction: Interaction
    symbols: Sequence[str]
    types: Sequence[int]
    starts: Floats
    temperatures: Sequence[float]
    timestep: float
    damping: float
    interval: int
    equilibration: int
    attempts: int
    sample: int
    seed: int
    radius: float | None
    fragment_distance: float
    relax_tolerance: float | None = None
    processes: int = 1
    timeout: float | None = None
    checkpoint_every: float = 30.0

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic number of each atom, shape (N,)."""
        known = [atomic_numbers[symbol] for symbol in self.symbols]
        return np.array([known[kind - 1] for kind in self.types])

    @property
    def half_box(self) -> float:
        """Half of the edge of the box around the centre of mass, Å."""
        if self.radius is not None:
            return self.radius + MARGIN
        return float(np.abs(self.starts).max() + OPEN_MARGIN)

    def potential_lines(self) -> list[str]:
        """Return the commands that define masses, potential and neighbour lists."""
        return [
            *mass_lines(self.symbols),
            *self.interaction.lammps_lines(self.symbols),
            f"neighbor {SKIN} bin",
            "neigh_modify every 1 delay 0 check yes",
        ]

    def box_lines(self) -> list[str]:
        """Return the commands that make an empty box; atoms keep the order of their numbers."""
        half = self.half_box
        sides = " ".join([f"{-half!r} {half!r}"] * 3)
        return [
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0",
            "boundary f f f",
            f"region box block {sides}",
            f"create_box {len(self.symbols)} box",
        ]

    def motion_lines(self) -> list[str]:
        """Return the confinement, whose energy is part of the potential energy, and the motion.

        The sphere moves with the centre of mass, which the thermostat leaves at rest: it acts on
        distances from the centre alone.
        """
        lines = ["fix integrate all nve"]
        if self.radius is not None:
            centre = [f"variable c{axis} equal xcm(all,{axis})" for axis in "xyz"]
            sphere = f"fix sphere all indent {STIFFNESS!r} sphere v_cx v_cy v_cz {self.radius!r}"
            lines += [*centre, f"{sphere} side in units box", "fix_modify sphere energy yes"]
        wall = " f_sphere" if self.radius is not None else ""
        return [
            *lines,
            f"thermo_style custom step temp pe{wall}",
            "thermo_modify norm no lost error",
        ]

    def as_json(self) -> str:
        """Return what the driver in Python reads; its commands are those of this package only."""
        setup = [*self.box_lines(), *self.potential_lines(), *self.motion_lines()]
        lammps_script(setup)
        content: dict[str, Any] = {
            "setup": setup,
            "types": [int(kind) for kind in self.types],
            "masses": [float(atomic_masses[atomic_numbers[s]]) for s in self.symbols],
            "starts": [np.asarray(start, float).tolist() for start in self.starts],
            "temperatures": [float(t) for t in self.temperatures],
            "boltzmann": float(kB),
            "velocity_unit": float(kB * _SQUARED_SPEED),
            **{
                name: getattr(self, name)
                for name in (
                    *("timestep", "damping", "interval", "equilibration", "attempts", "sample"),
                    *("seed", "radius", "fragment_distance", "relax_tolerance", "processes"),
                    *("timeout", "checkpoint_every"),
                )
            },
        }
        return json.dumps(content)


def driver_scripts() -> dict[str, str]:
    """Return the files of the driver in Python by name; they import each other only."""
    found = {}
    for name in SCRIPTS:
        folder = files(lammps)
        if not (folder / name).is_file():
            folder = files(science) / "sampling"
        text = (folder / name).read_text("utf-8")
        for package in ("formats.lammps", "science.sampling"):
            text = text.replace(f"from aiida_nanoclusters.{package}.", "from ")
        found[name] = text
    return found
