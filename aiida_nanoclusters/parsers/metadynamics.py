"""Parser of jobs of LAMMPS with a growing bias."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from aiida.engine import ExitCode

from aiida_nanoclusters.calculations.sampling.lammps import make_job
from aiida_nanoclusters.calculations.sampling.metadynamics import bias_node
from aiida_nanoclusters.formats.lammps import colvars
from aiida_nanoclusters.formats.lammps.bias import HILLS_FILE, VARIABLES_FILE, read_table
from aiida_nanoclusters.parsers.lammps import LammpsParser
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings


class MetadynamicsParser(LammpsParser):
    """Return, beside the results of the stages, variables and hills up to where a job continues."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach all results, and return the exit code."""
        code = super().parse(**kwargs)
        report = self.outputs["report"].get_dict() if "report" in self.outputs else {}
        entry = report.get("structures", [{}])[0]
        resume = report.get("resume")
        if entry.get("state") == "finished":
            last = np.inf
        elif entry.get("state") == "unfinished" and resume:
            last = float(resume["timestep"])
        else:
            return code
        inputs = self.node.inputs
        _, job = make_job({key: inputs[key] for key in inputs})
        settings = MetadynamicsSettings(**inputs.bias.get_dict())
        count = len(settings.ordered)
        folder = Path(kwargs["retrieved_temporary_folder"])
        hills: np.ndarray | None
        if settings.collective_variables:
            begun = inputs.resume["timestep"] if "resume" in inputs else -np.inf
            rows, hills = _read_colvars(folder, settings, begun)
        else:
            rows = _read(folder / VARIABLES_FILE, count + 3)
            hills = _read(folder / HILLS_FILE, 2 * count + 3)
        start = job.plan.start(0, len(job.stages) - 1)
        rows = rows[rows[:, 0] <= last]
        hills = None if hills is None else hills[hills[:, 0] <= last]
        if len(rows):
            timestep = settings.timestep * job.factors[0]
            self.out("bias", bias_node(rows, hills, settings, start, timestep))
        return code


def _read_colvars(
    folder: Path, settings: MetadynamicsSettings, begun: float
) -> tuple[np.ndarray, np.ndarray | None]:
    names = [variable.name for variable in settings.ordered]
    rows = colvars.read_trajectory(_lines(folder / colvars.TRAJECTORY_FILE), names)
    hills = None
    if not settings.is_opes:
        hills = colvars.read_hills(_lines(folder / colvars.HILLS_FILE), settings.hills, len(names))
        rows = colvars.before_hills(rows, hills)
    # a job that continues may write the step once more that the one before ended with
    return rows[rows[:, 0] > begun], hills


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8").splitlines(keepends=True)


def _read(path: Path, columns: int) -> np.ndarray:
    if not path.is_file():
        return np.empty((0, columns))
    with path.open(encoding="utf-8") as handle:
        return read_table(handle, columns)
