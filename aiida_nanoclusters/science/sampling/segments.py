"""Stages divided into the runs of a first-principles program, and where a run may restart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.sampling.stages import (
    Stage,
    count_steps,
    sample_info,
    sample_interval,
)

#: Number of steps of constant temperature that replace a ramp where a program holds one temperature
#: at a time, and the fewest time steps of each.
RAMP_STEPS = 20
_SHORTEST = 5


@dataclass(frozen=True)
class Segment:
    """One run segment: what one run of a program does to one structure.

    Attributes
    ----------
    number, stage
        Place among all segments, and of its stage among the stages.
    dynamic
        Molecular dynamics, or else a minimisation.
    temperature
        At start and end, K.
    first, steps
        Steps of its stage that lie before it, and its own; of a minimisation the most it may take.
    timestep
        ps.
    """

    number: int
    stage: int
    dynamic: bool
    temperature: tuple[float, float]
    first: int
    steps: int
    timestep: float


@dataclass(frozen=True)
class Point:
    """Progress of a structure: steps done of a segment; all segments before it are complete."""

    segment: int = 0
    step: int = 0


def cut_stages(stages: Sequence[Stage], *, ramp_steps: int = 1) -> list[Segment]:
    """Return the segments of all stages; a ramp is cut into `ramp_steps`, each at its mean."""
    segments: list[Segment] = []
    for place, stage in enumerate(stages):
        if not stage.is_dynamic:
            own = [((0.0, 0.0), 0, stage.max_steps)]
        else:
            own = _ramp_steps(stage, ramp_steps)
        for temperature, first, steps in own:
            segments.append(
                Segment(
                    len(segments),
                    place,
                    stage.is_dynamic,
                    temperature,
                    first,
                    steps,
                    stage.timestep,
                )
            )
    return segments


def _ramp_steps(stage: Stage, ramp_steps: int) -> list[tuple[tuple[float, float], int, int]]:
    total, (start, end) = count_steps(stage).total, stage.temperature
    if start == end or ramp_steps == 1:
        return [((start, end), 0, total)]
    count = max(1, min(ramp_steps, total // _SHORTEST))
    edges = np.round(np.linspace(0, total, count + 1)).astype(int)
    means = start + (end - start) * (np.arange(count) + 0.5) / count
    return [
        ((float(t), float(t)), int(a), int(b - a))
        for t, a, b in zip(means, edges[:-1], edges[1:], strict=True)
    ]


def stages_problem(stages: Sequence[Stage], sizes: Sequence[int]) -> str | None:
    """Return what first-principles programs cannot do here, and the fix, or None.

    Parameters
    ----------
    stages, sizes
        What is to be done, and the number of atoms of each structure.
    """
    if 1 in sizes and any(stage.is_dynamic for stage in stages):
        return (
            f"structure {list(sizes).index(1)} is a single atom, which has no motion: leave it out"
        )
    for place, stage in enumerate(stages):
        if stage.pressure is not None:
            return (
                f"stage {place} (`{stage.kind}`) has a `pressure`: first principles keep the cell "
                "here; leave `pressure` out, or use the engine `potential`"
            )
        if stage.cell != "fixed":
            return (
                f"stage {place} (`{stage.kind}`) changes the cell: first principles keep it here; "
                "set `cell: fixed`, or use the engine `potential`"
            )
    return None


def seeds_problem(seeds: Sequence[object], count: int) -> str | None:
    """Return what is wrong with the seeds of `count` structures, or None."""
    if len(seeds) != count:
        return f"{len(seeds)} seeds for {count} structures: give one seed per structure"
    if any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in seeds):
        return "seeds must be integers from 0"
    return None


def seed_of(seed: int, segment: Segment) -> int:
    """Return the seed of the velocities and random forces of a segment."""
    return derive_seed(seed, segment.stage, segment.first)


def largest_force(forces: NDArray[np.float64]) -> float:
    """Return the largest norm of a force, eV/Å."""
    return float(np.linalg.norm(forces, axis=1).max())


def is_converged(stage: Stage, max_force: float) -> bool | None:
    """Return whether the last stage has converged; None for molecular dynamics."""
    return None if stage.is_dynamic else max_force <= stage.force_tolerance


@dataclass(frozen=True)
class Sample:
    """One labelled frame of a structure during its stages.

    Attributes
    ----------
    structure, stage, step
        Which structure and stage, and the steps since that began.
    positions, forces, energy
        (N, 3) in Å and eV/Å, eV; as the frame has its atoms.
    temperature
        K, of the atoms' motion at this step; None in a minimisation.
    stress
        (6,) in eV/Å³, of a crystal.
    """

    structure: int
    stage: int
    step: int
    positions: NDArray[np.float64]
    forces: NDArray[np.float64]
    energy: float
    temperature: float | None = None
    stress: NDArray[np.float64] | None = None


def is_sampled(stages: Sequence[Stage], segment: Segment, step: int) -> bool:
    """Return whether a step of a segment, counted from its beginning, is kept as a frame."""
    every = sample_interval(stages[segment.stage])
    return every > 0 and (segment.first + step) % every == 0


def sampled_frames(
    frames: Frames,
    samples: Iterable[Sample],
    seeds: Sequence[int],
    stages: Sequence[Stage],
    level: str,
) -> Frames | None:
    """Return labelled frames of the samples with their origin; None without samples.

    ``info`` of each holds the origin as :func:`.sample_info` returns it.
    """
    hashes = frames.content_hashes()
    images = []
    for sample in samples:
        index = sample.structure
        atoms = placed(frames[index], sample.positions)
        parent = str(frames.parents[index]) or f"structure-{hashes[index][:12]}"
        atoms.info.update(
            sample_info(stages, index, sample.stage, sample.step, sample.temperature),
            parent=parent,
            seed=seeds[index],
        )
        images.append((atoms, sample))
    return _labelled(images, level)


def end_points(frames: Frames, samples: Iterable[Sample], level: str) -> Frames | None:
    """Return the labelled final structures with the origins of the initial ones."""
    found = [(placed(frames[s.structure], s.positions), s) for s in samples]
    return _labelled(found, level)


def placed(atoms: Atoms, positions: NDArray[np.float64]) -> Atoms:
    """Return a copy without labels with its atoms at other positions."""
    moved = atoms.copy()
    moved.calc = None
    moved.positions[:] = positions
    return moved


def _labelled(images: Sequence[tuple[Atoms, Sample]], level: str) -> Frames | None:
    if not images:
        return None
    return Frames.from_atoms([atoms for atoms, _ in images]).with_labels(
        [sample.energy for _, sample in images],
        np.concatenate([sample.forces for _, sample in images]),
        [np.full(6, np.nan) if s.stress is None else s.stress for _, s in images],
        level_of_theory=level,
        atom_energies={},
    )
