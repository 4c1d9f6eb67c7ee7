"""Input and output of VASP for stages: one run for each stage of each structure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.geometry import find_mic
from ase.md.velocitydistribution import Stationary, ZeroRotation
from numpy.typing import NDArray

from aiida_nanoclusters.formats.labelled_run import LabelledRun
from aiida_nanoclusters.formats.vasp.input import VaspInput, make_input
from aiida_nanoclusters.formats.vasp.run import read_vasp
from aiida_nanoclusters.science.labels.acceptance import label_problem
from aiida_nanoclusters.science.labels.settings import VaspSettings
from aiida_nanoclusters.science.sampling.segments import Sample, Segment, is_sampled, seed_of
from aiida_nanoclusters.science.sampling.stages import Stage
from aiida_nanoclusters.science.structures.boxes import outgrown

Floats = NDArray[np.float64]


def thermostat_problem(stages: list[Stage]) -> str | None:
    """Return which thermostat is not available with VASP, and the fix, or None."""
    for place, stage in enumerate(stages):
        if stage.is_dynamic and stage.thermostat != "langevin":
            return (
                f"stage {place} (`{stage.kind}`): the mass of the Nosé thermostat of VASP (SMASS) "
                "does not follow from a time constant alone; set `thermostat: langevin`"
            )
    return None


def stage_input(
    atoms: Atoms,
    settings: VaspSettings,
    level: int,
    stage: Stage,
    segment: Segment,
    done: int,
    seed: int,
) -> VaspInput:
    """Return the input of a run: that of a label, and the tags that move atoms.

    Parameters
    ----------
    atoms
        The structure before its first stage; its box is that of all stages.
    settings, level
        As for a label.
    stage, segment, done
        Stage, run segment of it, and the number of steps of the segment that are already done.
    seed
        Random seed of the structure.
    """
    made = make_input(atoms, settings, level)
    tags = {"ISIF": 2, "ISYM": 0}
    if not stage.is_dynamic:
        tags |= {"IBRION": 2, "NSW": max(1, segment.steps - done)}
        return replace(made, incar={**made.incar, **tags, "EDIFFG": -stage.force_tolerance})
    start, end = segment.temperature
    slope = (end - start) / segment.steps
    kinds = len(set(made.atoms.symbols))
    dynamics = {
        "IBRION": 0,
        # The first step of VASP is the input structure.
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
    """Return random velocities at a temperature (K) in Å/fs, (N, 3), without drift and rotation."""
    moving = atoms.copy()
    if len(moving) == 1:
        return np.zeros((1, 3))
    rng = np.random.default_rng(seed)
    widths = np.sqrt(moving.get_masses() * units.kB * temperature)  # Maxwell-Boltzmann distribution
    moving.set_momenta(rng.normal(size=(len(moving), 3)) * widths[:, None])
    Stationary(moving, preserve_temperature=True)
    if len(moving) > 2 and not moving.pbc.any():
        ZeroRotation(moving, preserve_temperature=True)
    return np.asarray(moving.get_velocities() * units.fs)


def velocity_block(velocities: Floats) -> str:
    """Return the block of velocities, (N, 3) in Å/fs, that follows the positions in a POSCAR."""
    rows = [" ".join(f"{x: .10e}" for x in row) for row in velocities]
    return "\n".join(["", *rows, ""])


class StageRun:
    """Results of a run of VASP, in the axes and the order of its structure.

    Parameters
    ----------
    folder
        Folder with vasprun.xml and OUTCAR.
    atoms, made
        The structure before its first stage, and the input of VASP for it.
    segment, done
        The run segment, and the number of its steps that were done before.
    settings
        Settings of the engine.

    Attributes
    ----------
    problem
        Why the run is not complete, or None.
    reached
        Number of steps of the run up to the last accepted one; 0 where none is accepted.
    refused
        Why the last step is not accepted as a label, or None.
    """

    def __init__(
        self,
        folder: str | Path,
        atoms: Atoms,
        made: VaspInput,
        segment: Segment,
        done: int,
        settings: VaspSettings,
    ) -> None:
        folder = Path(folder)
        self.atoms, self.made, self.segment, self.done = atoms, made, segment, done
        self.max_net_force, self.vacuum = settings.max_net_force, settings.vacuum
        missing = [n for n in ("vasprun.xml", "OUTCAR") if not (folder / n).is_file()]
        if missing:
            problem = f"VASP wrote no {' and no '.join(missing)}"
            self.run = LabelledRun(folder, "VASP", (), problem)
        else:
            self.run = read_vasp(folder / "vasprun.xml", folder / "OUTCAR")
        self.positions = self._unwrapped()
        self.problem: str | None = self.run.problem
        sound = [step.index for step in self.run.steps if step.problem is None]
        self.reached = max(sound, default=0)
        last = len(self.run.steps) - 1
        self.refused: str | None = None
        if self.problem is None:
            self.refused = self.label_problem(last)
            self.reached = last
            if segment.dynamic and last < segment.steps - done:
                self.problem, self.refused = f"VASP ended after {last} steps", None

    def _unwrapped(self) -> list[Floats]:
        """Return the unwrapped positions of all steps, (N, 3), in the order of the POSCAR."""
        path: list[Floats] = []
        before = self.made.atoms.positions
        for step in self.run.steps:
            if len(step.atoms) != len(before):  # its positions cannot be read
                path.append(before)
                continue
            moved = find_mic(step.atoms.positions - before, self.made.atoms.cell, pbc=True)[0]
            before = before + moved
            path.append(before)
        return path

    def label_problem(self, number: int) -> str | None:
        """Return why a step is not accepted as a label, or None."""
        step = self.run.steps[number]
        if step.problem:
            return step.problem
        results = step.atoms.calc.results
        forces = self.made.in_frame_order(np.asarray(results["forces"]))
        problem = label_problem(self.atoms, results["energy"], forces, True, self.max_net_force)
        return problem or outgrown(self.positions[number], self.made.atoms, self.vacuum)

    def _has_move(self, number: int) -> bool:
        """Whether a step and the one before it can be read."""
        steps = self.run.steps[max(number - 1, 0) : number + 1]
        return len(steps) == 2 and all(step.atoms.calc is not None for step in steps)

    def velocities(self) -> Floats | None:
        """Return velocities at the last accepted step in Å/fs, (N, 3), in the order of the POSCAR.

        They follow from velocity Verlet: the last displacement, and half a step of the last forces.
        None where there is one step only, or one of the last two cannot be read.
        """
        if not self.segment.dynamic or not self._has_move(self.reached):
            return None
        time = 1000.0 * self.segment.timestep
        forces = np.asarray(self.run.steps[self.reached].atoms.calc.results["forces"])
        kick = forces / self.made.atoms.get_masses()[:, None] * units.fs**2
        move = (self.positions[self.reached] - self.positions[self.reached - 1]) / time
        return np.asarray(move + 0.5 * time * kick)

    def sample(self, structure: int, number: int) -> Sample:
        """Return a step as a sample, in the axes and the order of the structure."""
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
        """Return the temperature in K from the displacements since the step before."""
        if not self.segment.dynamic or not self._has_move(number):
            return None
        speed = (self.positions[number] - self.positions[number - 1]) / (
            1000.0 * self.segment.timestep * units.fs
        )
        kinetic = 0.5 * float((self.made.atoms.get_masses()[:, None] * speed**2).sum())
        freedom = max(1, 3 * len(speed) - 3)
        return 2 * kinetic / (freedom * units.kB)

    def samples(self, stages: list[Stage], structure: int) -> list[Sample]:
        """Return the accepted steps that are to be sampled."""
        return [
            self.sample(structure, number)
            for number in range(1, self.reached + 1)
            if is_sampled(stages, self.segment, self.done + number)
            and self.label_problem(number) is None
        ]
