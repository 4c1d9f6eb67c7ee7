"""Input and output of CP2K for stages: one run for each run segment, continuing from the last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.formats.cp2k.input import prepare, run_input
from aiida_nanoclusters.formats.cp2k.output import Cp2kRun, read_output
from aiida_nanoclusters.formats.cp2k.run import read_run
from aiida_nanoclusters.formats.labelled_run import LabelledStep
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.science.sampling.segments import Point, Segment, seed_of
from aiida_nanoclusters.science.sampling.stages import Stage
from aiida_nanoclusters.science.units import BOHR, HARTREE

#: Name of the restart file of a structure in its job.
RESTART = "structure{:05d}.restart"
#: Langevin dynamics in CP2K lets a cluster drift out of its box, and heats it where the drift is
#: removed. Stochastic velocity rescaling (Bussi, Donadio, Parrinello 2007) samples the same
#: ensemble without a drift.
_THERMOSTATS = {"langevin": "CSVR", "nose-hoover": "NOSE"}
#: Further convergence criteria of CP2K, made ineffective: bohr, hartree/bohr.
_LOOSE = {"MAX_DR": 1e3, "RMS_DR": 1e3, "RMS_FORCE": 1e3}
_COUNT = re.compile(r"[0-9]{1,15}")
_STEP = re.compile(r"^[ \t]{0,80}STEP_START_VAL[ \t]{1,80}(\d{1,15})", re.MULTILINE)


def segment_name(structure: int, segment: int) -> str:
    """Return CP2K's project name of a run."""
    return f"s{structure:05d}-{segment:03d}"


def frame_problem(atoms: Atoms, settings: Cp2kSettings) -> str | None:
    """Return why CP2K cannot move the atoms of this frame, and the fix, or None."""
    try:
        copies = prepare(atoms, settings)[1]
    except ValueError as error:
        return str(error)
    if copies > 1:
        return (
            f"the crystal is thinner than `thickness` ({settings.thickness} Å), and CP2K would "
            "move the atoms of its copies independently: repeat it (`atoms.repeat`), or set "
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
    settings: Cp2kSettings,
    level: int,
    seed: int,
    seconds: int | None,
) -> dict[str, Any]:
    """Return the input of one segment as nested sections.

    Parameters
    ----------
    structure
        Number of the structure in the job.
    atoms
        The structure in its box, as :func:`.prepare` returns it.
    stage, segment, done
        Stage, run segment of it, and the number of steps of the segment that are already done.
    before
        Restart file to continue from; whether it holds velocities; and whether it is of the same
        stage, so that the state of thermostat and random numbers is continued as well. None at the
        start.
    settings, level, seconds
        As in :func:`.run_input`.
    seed
        Random seed of the structure.
    """
    name = segment_name(structure, segment.number)
    content = run_input(name, atoms, 1, settings, level, seconds)
    content["GLOBAL"]["RUN_TYPE"] = "MD" if segment.dynamic else "GEO_OPT"
    content["GLOBAL"]["SEED"] = seed_of(seed, segment)
    dft = content["FORCE_EVAL"]["DFT"]
    if "KPOINTS" not in dft:  # the density of the last step halves the number of iterations
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
    if isolated:  # CP2K does not count rotations as degrees of freedom then
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
        # At every step, so that a job that is killed loses none.
        "RESTART": {"_": "ON", "BACKUP_COPIES": 1, **every},
        "RESTART_HISTORY": {"_": "OFF"},
    }


def segment_files(name: str) -> list[str]:
    """Return the files of a run that are retrieved."""
    kinds = ("pos-1.xyz", "frc-1.xyz", "1.ener", "1.restart", "1.restart.bak-1")
    return [f"{name}.out", *(f"{name}-{kind}" for kind in kinds)]


@dataclass(frozen=True)
class SegmentRun:
    """Results of a run of one run segment.

    Attributes
    ----------
    output
        Standard output of CP2K.
    steps
        Complete steps by their number in this run; positions in the box.
    temperatures
        Temperature in K by the number of the step.
    restart
        Latest complete restart file and the number of its step; None where there is none.
    complete
        Whether all its steps are done.
    """

    output: Cp2kRun
    steps: dict[int, LabelledStep]
    temperatures: dict[int, float]
    restart: tuple[Path, int] | None
    complete: bool

    @property
    def last(self) -> LabelledStep | None:
        """The last complete step."""
        return self.steps[max(self.steps)] if self.steps else None


def read_segment(
    folder: Path, name: str, segment: Segment, done: int, boxed: Atoms | None = None
) -> SegmentRun:
    """Read the results of a run of one run segment, complete or not.

    Parameters
    ----------
    folder, name
        Folder with its files, and its project name.
    segment, done
        The run segment, and the number of its steps that were done before.
    boxed
        The frame in its box, which is that of all steps: the output does not print it.
    """
    path = folder / f"{name}.out"
    if not path.is_file():
        return SegmentRun(Cp2kRun(), {}, {}, None, complete=False)
    with path.open(encoding="utf-8", errors="replace") as handle:
        output = read_output(handle)
    steps = {
        step.number: step
        for step in read_run(path, boxed).steps
        if step.number is not None and step.atoms.calc is not None
    }
    temperatures = _read_temperatures(folder / f"{name}-1.ener")
    restart = newest_restart(folder, name)
    complete = output.ended and not output.out_of_time
    if segment.dynamic:  # complete even where it was killed after the last step
        complete = restart is not None and restart[1] >= segment.steps - done
    complete = complete and bool(steps) and not output.abort
    return SegmentRun(output, steps, temperatures, restart, complete)


def newest_restart(folder: Path, name: str) -> tuple[Path, int] | None:
    """Return the latest complete restart file of a run and the number of its step."""
    for file in (folder / f"{name}-1.restart", folder / f"{name}-1.restart.bak-1"):
        if file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            found = _STEP.search(text)
            if "\n &END FORCE_EVAL" in text:  # everything that is needed comes before
                return file, int(found[1]) if found else 0
    return None


def _read_temperatures(path: Path) -> dict[int, float]:
    if not path.is_file():
        return {}
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if len(words) >= 4 and _COUNT.fullmatch(words[0]):
            try:
                found[int(words[0])] = float(words[3])
            except ValueError:  # Fortran prints a number that is too wide as asterisks
                continue
    return found


def start_of(points: Sequence[Mapping[str, int]] | None, structure: int) -> Point:
    """Return the point from which a structure of a job continues."""
    return Point(**points[structure]) if points else Point()


def shift_of(atoms: Atoms, boxed: Atoms) -> NDArray[np.float64]:
    """Return the translation of a frame into its box, (3,) in Å."""
    shift: NDArray[np.float64] = boxed.positions[0] - atoms.positions[0]
    return shift
