"""What goes into and comes out of VASP jobs of stages, by calcfunctions."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Data, Dict, FolderData, KpointsData, List, Str, StructureData

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.vasp_input import level_of_theory, make_input
from aiida_nanoclusters.formats.vasp_stages import (
    StageRun,
    first_velocities,
    stage_input,
    velocity_block,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.segments import (
    cut_stages,
    end_points,
    is_converged,
    largest_force,
    sampled_frames,
    seed_of,
)
from aiida_nanoclusters.science.stages import parse_stages

#: What one job of VASP does: structure, rung of the ladder, segment, and the steps done before.
Task = Mapping[str, int]


@calcfunction
def prepare_vasp_stage(
    frames: FramesData,
    stages: List,
    seeds: List,
    settings: Dict,
    task: Dict,
    before: FolderData | None = None,
    earlier: Dict | None = None,
) -> dict[str, Data]:
    """Return what VASP is given for one stage of one structure.

    Parameters
    ----------
    task
        ``index``, ``rung``, ``segment`` and ``done``.
    before, earlier
        What the job left from which this one goes on, and that job's task.

    Returns
    -------
    dict
        ``structure``, ``kpoints``, ``parameters``, and ``velocities``: what to add to the POSCAR.
    """
    plan, job = parse_stages(stages.get_list()), task.get_dict()
    segment, index = cut_stages(plan)[job["segment"]], job["index"]
    atoms, stage = frames.frames.without_labels()[index], plan[segment.stage]
    seed = seeds.get_list()[index]
    made = stage_input(atoms, settings.get_dict(), job["rung"], stage, segment, job["done"], seed)
    placed, velocities = made.atoms.copy(), None
    if before is not None:
        run = read_stage(before, frames.frames, settings, stages, earlier.get_dict())
        placed.positions[:] = run.positions[run.reached]
        velocities = run.velocities()
    if stage.is_dynamic and velocities is None:
        velocities = first_velocities(made.atoms, segment.temperature[0], seed_of(seed, segment))
    placed.set_pbc(True)  # as VASP sees it
    kpoints = KpointsData()
    kpoints.set_kpoints_mesh(list(made.mesh))
    return {
        "structure": StructureData(ase=placed),
        "kpoints": kpoints,
        "parameters": Dict({"incar": {name.lower(): value for name, value in made.incar.items()}}),
        "velocities": Str(velocity_block(velocities) if stage.is_dynamic else ""),
    }


def read_stage(
    retrieved: FolderData, frames: Frames, settings: Dict, stages: List, job: Task
) -> StageRun:
    """Read what a job left."""
    values = settings.get_dict()
    atoms = frames.without_labels()[job["index"]]
    made = make_input(atoms, values, job["rung"])
    segment = cut_stages(parse_stages(stages.get_list()))[job["segment"]]
    with tempfile.TemporaryDirectory() as folder:
        retrieved.base.repository.copy_tree(folder)
        return StageRun(folder, atoms, made, segment, job["done"], values)


@calcfunction
def gather_vasp_stages(
    frames: FramesData,
    stages: List,
    seeds: List,
    settings: Dict,
    ladder: Dict,
    tasks: List,
    **retrieved: FolderData,
) -> dict[str, Data]:
    """Return ``structures`` and ``trajectory``, where there are any, and the ``report``.

    Parameters
    ----------
    ladder
        What :class:`LabelLadder` says of each structure, under ``structures``.
    tasks
        Of every job that brought its structure further, in order.
    retrieved
        Under ``run_<place in tasks>`` what it left.
    """
    bare, plan = frames.frames.without_labels(), parse_stages(stages.get_list())
    last = len(cut_stages(plan)) - 1
    rows = ladder.get_dict()["structures"]
    entries = {row["index"]: {**row, **_NOTHING} for row in rows}
    samples, ends = [], {}
    for k, job in enumerate(tasks.get_list()):
        run = read_stage(retrieved[f"run_{k:05d}"], bare, settings, stages, job)
        index, entry = job["index"], entries[job["index"]]
        samples += run.samples(plan, index)
        entry["steps"] += run.reached
        entry["force_evaluations"] += len(run.run.steps)
        entry["unconverged"] += sum(step.problem is not None for step in run.run.steps)
        if job["segment"] == last and entry["state"] == "finished" and not run.problem:
            ends[index] = end = run.sample(index, run.reached)
            entry.update(energy=end.energy, max_force=largest_force(end.forces))
            entry["converged"] = is_converged(plan[-1], entry["max_force"])
    level = level_of_theory(settings.get_dict())
    samples.sort(key=lambda sample: sample.structure)
    made: dict[str, Any] = {"report": Dict({"structures": list(entries.values())})}
    for name, found in (
        ("structures", end_points(bare, [ends[i] for i in sorted(ends)], level)),
        ("trajectory", sampled_frames(bare, samples, seeds.get_list(), plan, level)),
    ):
        if found is not None:
            made[name] = FramesData(found)
    return made


_NOTHING = {
    **{"energy": None, "max_force": None, "converged": None},
    **{"steps": 0, "force_evaluations": 0, "unconverged": 0},
}
