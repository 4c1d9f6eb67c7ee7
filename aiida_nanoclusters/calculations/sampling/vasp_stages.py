"""Calcfunctions that make the inputs of VASP for stages and read its outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Data, Dict, FolderData, List, Str

from aiida_nanoclusters.calculations.labels.vasp import copy_outputs, input_nodes
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.vasp.input import level_of_theory, make_input
from aiida_nanoclusters.formats.vasp.stages import (
    StageRun,
    first_velocities,
    stage_input,
    velocity_block,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.keys import with_present_keys
from aiida_nanoclusters.science.labels.ledger import BatchLedger
from aiida_nanoclusters.science.labels.settings import VaspSettings
from aiida_nanoclusters.science.sampling.segments import (
    cut_stages,
    end_points,
    is_converged,
    largest_force,
    sampled_frames,
    seed_of,
)
from aiida_nanoclusters.science.sampling.stages import parse_stages

#: Task of one job of VASP: ``index`` of the structure, ``settings_level``, run ``segment``, and the
#: number of its steps that are ``done`` before.
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
    """Return the input of VASP for one run segment of one structure.

    Parameters
    ----------
    task
        Task of the job: ``index``, ``settings_level``, ``segment`` and ``done``.
    before, earlier
        Retrieved files and task of the job from which this one continues.

    Returns
    -------
    dict
        ``structure``, ``kpoints``, ``parameters``, and ``velocities``, a block for the POSCAR.
    """
    plan, job = parse_stages(stages.get_list()), with_present_keys(task.get_dict())
    segment, index = cut_stages(plan)[job["segment"]], job["index"]
    atoms, stage = frames.frames.without_labels()[index], plan[segment.stage]
    seed = seeds.get_list()[index]
    values = VaspSettings.model_validate(settings.get_dict())
    level, done = job["settings_level"], job["done"]
    made = stage_input(atoms, values, level, stage, segment, done, seed)
    placed, velocities = made.atoms.copy(), None
    if before is not None:
        run = read_stage(before, frames.frames, settings, stages, earlier.get_dict())
        placed.positions[:] = run.positions[run.reached]
        velocities = run.velocities()
    if stage.is_dynamic and velocities is None:
        velocities = first_velocities(made.atoms, segment.temperature[0], seed_of(seed, segment))
    block = velocity_block(velocities) if stage.is_dynamic else ""
    return {**input_nodes(made, placed), "velocities": Str(block)}


def read_stage(
    retrieved: FolderData, frames: Frames, settings: Dict, stages: List, job: Task
) -> StageRun:
    """Return the results of a job from its retrieved files."""
    values, job = VaspSettings.model_validate(settings.get_dict()), with_present_keys(job)
    atoms = frames.without_labels()[job["index"]]
    made = make_input(atoms, values, job["settings_level"])
    segment = cut_stages(parse_stages(stages.get_list()))[job["segment"]]
    with tempfile.TemporaryDirectory() as folder:
        copy_outputs(retrieved, folder)
        return StageRun(folder, atoms, made, segment, job["done"], values)


@calcfunction
def gather_vasp_stages(
    frames: FramesData,
    stages: List,
    seeds: List,
    settings: Dict,
    progress: Dict,
    tasks: List,
    **retrieved: FolderData,
) -> dict[str, Data]:
    """Return ``structures`` and ``trajectory``, where there are any, and the ``report``.

    Parameters
    ----------
    progress
        Report of the :class:`.FallbackSequence` on each structure, under ``structures``.
    tasks
        Tasks, in order, of all jobs with accepted steps.
    retrieved
        Retrieved files of these jobs, under ``run_<place in tasks>``.
    """
    bare, plan = frames.frames.without_labels(), parse_stages(stages.get_list())
    last = len(cut_stages(plan)) - 1
    rows = with_present_keys(progress.get_dict())["structures"]
    ledger = BatchLedger(row["index"] for row in rows)
    ledger.record([{**row, **_NOTHING} for row in rows])
    samples = []
    for k, job in enumerate(tasks.get_list()):
        run = read_stage(retrieved[f"run_{k:05d}"], bare, settings, stages, job)
        ledger.start([job["index"]])
        samples += run.samples(plan, job["index"])
        done: dict[str, Any] = {
            "steps": run.reached,
            "force_evaluations": len(run.run.steps),
            "unconverged": sum(step.problem is not None for step in run.run.steps),
        }
        finished = ledger.row(job["index"])["state"] == "finished"
        if job["segment"] == last and finished and not run.problem:
            end = run.sample(job["index"], run.reached)
            ledger.keep("ends", [end], [0])
            done.update(energy=end.energy, max_force=largest_force(end.forces))
            done["converged"] = is_converged(plan[-1], done["max_force"])
        ledger.record([done], combine=_added)
    level = level_of_theory(VaspSettings.model_validate(settings.get_dict()))
    samples.sort(key=lambda sample: sample.structure)
    made: dict[str, Any] = {"report": Dict({"structures": ledger.rows()})}
    for name, found in (
        ("structures", end_points(bare, list(ledger.results("ends").values()), level)),
        ("trajectory", sampled_frames(bare, samples, seeds.get_list(), plan, level)),
    ):
        if found is not None:
            made[name] = FramesData(found)
    return made


_NOTHING = {
    **{"energy": None, "max_force": None, "converged": None},
    **{"steps": 0, "force_evaluations": 0, "unconverged": 0},
}
#: Quantities that are added up over the jobs of a structure.
_SUMS = ("steps", "force_evaluations", "unconverged")


def _added(before: Mapping[str, Any] | None, done: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a structure after one more job, with its costs added up."""
    earlier = before or _NOTHING
    return {**earlier, **done, **{key: earlier[key] + done[key] for key in _SUMS}}
