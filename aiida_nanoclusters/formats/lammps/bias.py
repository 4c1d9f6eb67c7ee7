"""The bias of metadynamics in LAMMPS: the command of the fix, and the files it writes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings

Floats = NDArray[np.float64]

CHART_FILE = "bias.chart"
HILLS_FILE = "bias.hills"
VARIABLES_FILE = "bias.variables"


def bias_lines(
    settings: MetadynamicsSettings, bond_length: float, factor: float = 1.0
) -> list[str]:
    """Return the command of the fix ``bias``.

    Parameters
    ----------
    settings
        Variables and hills.
    bond_length
        Å, the unit of the distances of neighbours.
    factor
        By which the time step is multiplied.
    """
    variables = settings.of_cluster
    words = ["fix bias all nanoclusters/chart"]
    chosen = [str(v.coordinate) for v in variables if v.kind == "chart"]
    if chosen:
        words += ["chart", CHART_FILE, "coordinates", *chosen]
    for variable in variables:
        if variable.kind != "chart":
            on, off = (bond_length * d for d in variable.neighbours)
            words += [variable.kind, f"{on!r}", f"{off!r}"]
    timestep = settings.timestep * factor
    pace, shown = (max(1, round(t / timestep)) for t in (settings.pace, settings.print_every))
    words += ["metadynamics", f"{settings.height!r}", f"{pace}", "width"]
    words += [f"{variable.width!r}" for variable in variables]
    words += ["tempered", f"{settings.temperature!r}", f"{settings.bias_factor!r}"]
    for place, variable in enumerate(variables, start=1):
        for side in ("lower", "upper"):
            wall = getattr(variable, side)
            if wall is not None:
                words += ["wall", f"{place}", side, f"{wall!r}", f"{variable.stiffness!r}"]
    words += ["every", f"{settings.interval}", "precision", settings.precision]
    words += ["hills", HILLS_FILE, "print", f"{shown}", VARIABLES_FILE]
    return [" ".join(words)]


def read_table(lines: Iterable[str], columns: int) -> Floats:
    """Return the whole rows of a table by step, of the fix or of COLVARS, shape (R, columns).

    Steps ascend: rows of a step that is there already are left out.

    The last row of a job that was killed may be cut off: it is left out.
    """
    rows: list[list[float]] = []
    for line in lines:
        words = line.split()
        if not line.endswith("\n") or line.startswith("#") or len(words) != columns:
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            continue
        if np.isfinite(row).all() and (not rows or row[0] > rows[-1][0]):
            rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(-1, columns)
