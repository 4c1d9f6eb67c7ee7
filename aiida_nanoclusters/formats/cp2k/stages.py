"""Input and output of CP2K for stages: one run for each segment, each going on from the last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k_input import prepare, run_input
from aiida_nanoclusters.formats.cp2k_output import Cp2kRun, read_output
from aiida_nanoclusters.formats.cp2k_run import RunStep, read_run
from aiida_nanoclusters.science.segments import Point, Segment, seed_of
from aiida_nanoclusters.science.stages import Stage
from aiida_nanoclusters.science.units import BOHR, HARTREE

#: Name of the restart files that structures bring along, one each.
RESTART = "structure{:05d}.restart"
#: CP2K's own Langevin dynamics pushes a cluster out of its box, and heats it where that is
#: prevented. Stochastic velocity rescaling (Bussi, Donadio, Parrinello 2007) samples the same
#: ensemble and moves nothing.
_THERMOSTATS = {"langevin": "CSVR", "nose-hoover": "NOSE"}
#: CP2K's other criteria of a minimum, put out of the way: bohr, hartree/bohr.
_LOOSE = {"MAX_DR": 1e3, "RMS_DR": 1e3, "RMS_FORCE": 1e3}
_STEP = re.compile(r"^\s*STEP_START_VAL\s+(\d+)", re.MULTILINE)


def segment_name(structure: int, segment: int) -> str:
    """Return CP2K's project name of a run."""
    return f"s{structure:05d}-{segment:03d}"


def frame_problem(atoms: Atoms, settings: Mapping[str, Any]) -> str | None:
    """Return why CP2K cannot move this frame's atoms, and the fix, or None."""
    try:
        copies = prepare(atoms, settings)[1]
    except ValueError as error:
        return str(error)
    if copies > 1:
        return (
            f"it is a crystal thinner than `thickness` ({settings['thickness']} Å), of which CP2K "
            "would compute copies that move apart: repeat it (`atoms.repeat`), or set "
            "`thickness: null`"
        )
    return None


def segment_input(
    structure: int,
    atoms: Atoms,
    stage: Stage,
    segment: Segment,
    *,
    done: int,
    before: tuple[str, bool, bool] | None,
    settings: Mapping[str, Any],
    rung: int,
    seed: int,
    seconds: int | None,
) -> dict[str, Any]:
    """Return the input of one segment as nested sections.

    Parameters
    ----------
    structure
        Its number in the job.
    atoms
        In its box, as :func:`.prepare` returns it.
    stage, segment, done
        What is to be done, and the steps of the segment done already.
    before
        The restart file to go on from; whether it holds velocities; and whether it is of the same
        stage, so that thermostat and random numbers go on as well. None at the very start.
    settings, rung, seconds
        As in :func:`.run_input`.
    seed
        Of the structure.
    """
    name = segment_name(structure, segment.number)
    content = run_input(name, atoms, 1, settings, rung, seconds)
    content["GLOBAL"]["RUN_TYPE"] = "MD" if segment.dynamic else "GEO_OPT"
    content["GLOBAL"]["SEED"] = seed_of(seed, segment)
    dft = content["FORCE_EVAL"]["DFT"]
    if "KPOINTS" not in dft:  # the step before is the best guess, and half the price
        dft.setdefault("QS", {})["EXTRAPOLATION"] = "USE_PREV_P"
    dft["SCF"].setdefault("PRINT", {})["RESTART"] = {"_": "OFF"}
    kind = "MD" if segment.dynamic else "GEO_OPT"
    if segment.dynamic:
        isolated = content["FORCE_EVAL"]["SUBSYS"]["CELL"]["PERIODIC"] == "NONE"
        section = _dynamics(stage, segment, done, isolated)
    else:
        section = _minimisation(stage, done)
    content["MOTION"] = {kind: section, "PRINT": _prints(kind)}
    if before is not None:
        file, moving, same = before
        content["EXT_RESTART"] = {
            "RESTART_FILE_NAME": file,
            "RESTART_DEFAULT": False,
            "RESTART_POS": True,
            "RESTART_VEL": moving and segment.dynamic,
            "RESTART_RANDOMG": same and segment.dynamic,
            "RESTART_THERMOSTAT": same and segment.dynamic,
        }
    return content


def _dynamics(stage: Stage, segment: Segment, done: int, isolated: bool) -> dict[str, Any]:
    kind = _THERMOSTATS[stage.thermostat]
    section: dict[str, Any] = {
        "ENSEMBLE": "NVT",
        "STEPS": segment.steps - done,
        "TIMESTEP": 1000.0 * segment.timestep,
        "TEMPERATURE": segment.temperature[0],
        "THERMOSTAT": {"TYPE": kind, kind: {"TIMECON": 1000.0 * stage.damping}},
    }
    if isolated:  # CP2K counts no rotation among what it heats there
        section["ANGVEL_ZERO"] = True
    return section


def _minimisation(stage: Stage, done: int) -> dict[str, Any]:
    # CP2K compares the largest component; a norm is at most sqrt(3) times that.
    component = stage.force_tolerance / np.sqrt(3) * BOHR / HARTREE
    return {
        "TYPE": "MINIMIZATION",
        "OPTIMIZER": "BFGS",
        "MAX_ITER": max(1, stage.max_steps - done),
        "MAX_FORCE": float(component),
        **_LOOSE,
    }


def _prints(kind: str) -> dict[str, Any]:
    every = {"EACH": {kind: 1}}
    return {
        "TRAJECTORY": {"_": "ON", **every},
        "FORCES": {"_": "ON", **every},
        "VELOCITIES": {"_": "OFF"},
        # Of every step: a job that is killed then loses none.
        "RESTART": {"_": "ON", "BACKUP_COPIES": 1, **every},
        "RESTART_HISTORY": {"_": "OFF"},
    }


def segment_files(name: str) -> list[str]:
    """Return the files to bring back from a run."""
    kinds = ("pos-1.xyz", "frc-1.xyz", "1.ener", "1.restart", "1.restart.bak-1")
    return [f"{name}.out", *(f"{name}-{kind}" for kind in kinds)]


@dataclass(frozen=True)
class SegmentRun:
    """What a run left.

    Attributes
    ----------
    output
        Its standard output.
    steps
        Complete steps by number, of this run; positions in its box.
    temperatures
        K, by the number of the step.
    restart
        The newest complete restart file, and the step it is of; None where there is none.
    complete
        Whether it did all it was to do.
    """

    output: Cp2kRun
    steps: dict[int, RunStep]
    temperatures: dict[int, float]
    restart: tuple[Path, int] | None
    complete: bool

    @property
    def last(self) -> RunStep | None:
        """The last complete step."""
        return self.steps[max(self.steps)] if self.steps else None


def read_segment(folder: Path, name: str, segment: Segment, done: int) -> SegmentRun:
    """Read what a run of a segment left, complete or not.

    Parameters
    ----------
    folder, name
        Where its files are, and its project name.
    segment, done
        What it was to do, and the steps done before it.
    """
    path = folder / f"{name}.out"
    if not path.is_file():
        return SegmentRun(Cp2kRun(), {}, {}, None, complete=False)
    with path.open(encoding="utf-8", errors="replace") as handle:
        output = read_output(handle)
    steps = {step.number: step for step in read_run(path).steps if step.atoms.calc is not None}
    temperatures = _read_temperatures(folder / f"{name}-1.ener")
    restart = newest_restart(folder, name)
    complete = output.ended and not output.out_of_time
    if segment.dynamic:  # though it be killed while it says goodbye
        complete = restart is not None and restart[1] >= segment.steps - done
    complete = complete and bool(steps) and not output.abort
    return SegmentRun(output, steps, temperatures, restart, complete)


def newest_restart(folder: Path, name: str) -> tuple[Path, int] | None:
    """Return the newest restart file of a run that was written to its end, and its step."""
    for file in (folder / f"{name}-1.restart", folder / f"{name}-1.restart.bak-1"):
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            found = _STEP.search(text)
            if "\n &END FORCE_EVAL" in text:  # nothing that matters comes after
                return file, int(found[1]) if found else 0
    return None


def _read_temperatures(path: Path) -> dict[int, float]:
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if len(words) >= 4 and words[0].isdigit():
            found[int(words[0])] = float(words[3])
    return found


def start_of(points: Sequence[Mapping[str, int]] | None, structure: int) -> Point:
    """Return where a structure of a job begins."""
    return Point(**points[structure]) if points else Point()


def shift_of(atoms: Atoms, boxed: Atoms) -> NDArray[np.float64]:
    """Return by how much the box moved a frame, (3,) in Å."""
    shift: NDArray[np.float64] = boxed.positions[0] - atoms.positions[0]
    return shift
