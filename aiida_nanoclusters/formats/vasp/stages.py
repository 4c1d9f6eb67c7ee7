"""Input and output of VASP for stages: one run for each stage of each structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.geometry import find_mic
from ase.md.velocitydistribution import (
    Stationary,
    ZeroRotation,
)
from numpy.typing import NDArray

from aiida_nanoclusters.formats.vasp import VaspRun, read_vasp
from aiida_nanoclusters.formats.vasp_input import VaspInput, make_input
from aiida_nanoclusters.science.boxes import outgrown
from aiida_nanoclusters.science.labels import label_problem
from aiida_nanoclusters.science.segments import Sample, Segment, is_sampled, seed_of
from aiida_nanoclusters.science.stages import Stage

Floats = NDArray[np.float64]


def thermostat_problem(stages: list[Stage]) -> str | None:
    """Return which thermostat VASP is not given here, and the fix, or None."""
    for place, stage in enumerate(stages):
        if stage.is_dynamic and stage.thermostat != "langevin":
            return (
                f"stage {place} (`{stage.kind}`): for VASP, a Nosé thermostat's mass (SMASS) does "
                "not follow from a time constant alone; set `thermostat: langevin`"
            )
    return None


def stage_input(
    atoms: Atoms,
    settings: Mapping[str, Any],
    rung: int,
    stage: Stage,
    segment: Segment,
    done: int,
    seed: int,
) -> VaspInput:
    """Return the input of a run: that of a label, and the tags that move atoms.

    Parameters
    ----------
    atoms
        The structure as it was given: its box stays through all stages.
    settings, rung
        As of a label.
    stage, segment, done
        What is to be done, and the steps done already.
    seed
        Of the structure.
    """
    made = make_input(atoms, settings, rung)
    tags = {"ISIF": 2, "ISYM": 0}
    if not stage.is_dynamic:
        tags |= {"IBRION": 2, "NSW": max(1, segment.steps - done)}
        return replace(made, incar={**made.incar, **tags, "EDIFFG": -stage.force_tolerance})
    start, end = segment.temperature
    slope = (end - start) / segment.steps
    kinds = len(set(made.atoms.symbols))
    dynamics = {
        "IBRION": 0,
        # VASP's first step is the structure as it is given.
        "NSW": segment.steps - done + 1,
        "POTIM": 1000.0 * segment.timestep,
        "MDALGO": 3,
        "LANGEVIN_GAMMA": [1.0 / stage.damping] * kinds,
        "TEBEG": round(start + slope * done, 6),
        "TEEND": end,
        "RANDOM_SEED": [seed_of(seed, segment) + done, 0, 0],
    }
    return replace(made, incar={**made.incar, **tags, **dynamics})


def first_velocities(atoms: Atoms, temperature: float, seed: int) -> Floats:
    """Return velocities of a temperature (K) in Å/fs, (N, 3); the whole neither moves nor turns."""
    moving = atoms.copy()
    if len(moving) == 1:
        return np.zeros((1, 3))
    rng = np.random.default_rng(seed)
    widths = np.sqrt(moving.get_masses() * units.kB * temperature)  # Maxwell and Boltzmann
    moving.set_momenta(rng.normal(size=(len(moving), 3)) * widths[:, None])
    Stationary(moving, preserve_temperature=True)
    if len(moving) > 2 and not moving.pbc.any():
        ZeroRotation(moving, preserve_temperature=True)
    return np.asarray(moving.get_velocities() * units.fs)


def velocity_block(velocities: Floats) -> str:
    """Return what a POSCAR says of velocities, (N, 3) in Å/fs, after its positions."""
    rows = [" ".join(f"{x: .10e}" for x in row) for row in velocities]
    return "\n".join(["", *rows, ""])


class StageRun:
    """What a run of VASP left, in the axes and the order of its structure.

    Parameters
    ----------
    folder
        With vasprun.xml and OUTCAR.
    atoms, made
        The structure as it was given, and VASP's input of it.
    segment, done
        What was to be done, and the steps done before.
    settings
        Of the protocol.

    Attributes
    ----------
    problem
        Why it is not complete, or None.
    reached
        Steps of the segment that it did; 0 where none is a label.
    refused
        Why the step it ended with is no label, or None.
    """

    def __init__(
        self,
        folder: str | Path,
        atoms: Atoms,
        made: VaspInput,
        segment: Segment,
        done: int,
        settings: Mapping[str, Any],
    ) -> None:
        folder = Path(folder)
        self.atoms, self.made, self.segment, self.done = atoms, made, segment, done
        self.max_net_force, self.vacuum = settings["max_net_force"], settings["vacuum"]
        missing = [n for n in ("vasprun.xml", "OUTCAR") if not (folder / n).is_file()]
        if missing:
            self.run = VaspRun(folder, (), f"VASP wrote no {' and no '.join(missing)}")
        else:
            self.run = read_vasp(folder / "vasprun.xml", folder / "OUTCAR")
        self.positions = self._unwrapped()
        self.problem: str | None = self.run.problem
        sound = [step.index for step in self.run.steps if step.problem is None]
        self.reached = max(sound, default=0)
        last = len(self.run.steps) - 1
        self.refused: str | None = None
        if self.problem is None:
            self.refused = self.trouble(last)
            self.reached = last
            if segment.dynamic and last < segment.steps - done:
                self.problem, self.refused = f"VASP ended after {last} steps", None

    def _unwrapped(self) -> list[Floats]:
        """Return positions of all steps, (N, 3) as VASP has its atoms, without jumps of images."""
        path: list[Floats] = []
        before = self.made.atoms.positions
        for step in self.run.steps:
            moved = find_mic(step.atoms.positions - before, self.made.atoms.cell, pbc=True)[0]
            before = before + moved
            path.append(before)
        return path

    def trouble(self, number: int) -> str | None:
        """Return why a step is no label, or None."""
        step = self.run.steps[number]
        if step.problem:
            return step.problem
        results = step.atoms.calc.results
        forces = self.made.in_frame_order(np.asarray(results["forces"]))
        problem = label_problem(self.atoms, results["energy"], forces, True, self.max_net_force)
        return problem or outgrown(self.positions[number], self.made.atoms, self.vacuum)

    def velocities(self) -> Floats | None:
        """Return velocities at the step it reached, Å/fs, as VASP has its atoms; None of one step.

        They are those of velocity Verlet: the last move, and half the last kick.
        """
        if not self.segment.dynamic or self.reached < 1:
            return None
        time = 1000.0 * self.segment.timestep
        forces = np.asarray(self.run.steps[self.reached].atoms.calc.results["forces"])
        kick = forces / self.made.atoms.get_masses()[:, None] * units.fs**2
        move = (self.positions[self.reached] - self.positions[self.reached - 1]) / time
        return np.asarray(move + 0.5 * time * kick)

    def sample(self, structure: int, number: int) -> Sample:
        """Return a step as a sample, its atoms where the structure's own axes have them."""
        step, made = self.run.steps[number], self.made
        moved = made.in_frame_order(self.positions[number] - made.atoms.positions)
        results = step.atoms.calc.results
        stress = results.get("stress") if self.atoms.pbc.all() else None
        return Sample(
            structure=structure,
            stage=self.segment.stage,
            step=self.segment.first + self.done + number,
            positions=self.atoms.positions + moved,
            forces=made.in_frame_order(np.asarray(results["forces"], dtype=np.float64)),
            energy=float(results["energy"]),
            temperature=self._temperature(number),
            stress=None if stress is None else np.asarray(stress, dtype=np.float64),
        )

    def _temperature(self, number: int) -> float | None:
        """Return the temperature of the atoms' motion between this step and the one before, K."""
        if not self.segment.dynamic or number < 1:
            return None
        speed = (self.positions[number] - self.positions[number - 1]) / (
            1000.0 * self.segment.timestep * units.fs
        )
        kinetic = 0.5 * float((self.made.atoms.get_masses()[:, None] * speed**2).sum())
        freedom = max(1, 3 * len(speed) - 3)
        return 2 * kinetic / (freedom * units.kB)

    def samples(self, stages: list[Stage], structure: int) -> list[Sample]:
        """Return the steps that are to be kept and are labels."""
        return [
            self.sample(structure, number)
            for number in range(1, self.reached + 1)
            if is_sampled(stages, self.segment, self.done + number) and self.trouble(number) is None
        ]
