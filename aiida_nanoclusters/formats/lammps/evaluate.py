"""Energies, forces and pressures of many frames by one or many potentials in one LAMMPS run.

``rerun`` takes frames of changing size and cell from a dump file, so that a potential is loaded
once for all of them and a small frame costs a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiida_nanoclusters.formats.faults import find_cause
from aiida_nanoclusters.formats.input_text import lammps_script, plain_name
from aiida_nanoclusters.formats.lammps.input import MARK, STRUCTURES_FILE, mass_lines
from aiida_nanoclusters.formats.lammps.output import error_text, read_row
from aiida_nanoclusters.formats.lammps.potential_lines import Interaction

Floats = NDArray[np.float64]


def render_evaluation(
    potentials: Mapping[str, tuple[Interaction, str | None]], symbols: Sequence[str]
) -> str:
    """Return the LAMMPS input that evaluates all snapshots with each potential.

    Parameters
    ----------
    potentials
        Interaction and file name of each, by key; forces of key ``k`` are dumped to
        :func:`forces_file`.
    symbols
        Elements in the order of the atom types.
    """
    lines = ["# rendered by aiida-nanoclusters"]
    for key, (interaction, filename) in potentials.items():
        forces = forces_file(key)
        lines += [
            "clear",
            f'print "{MARK} potential {key}"',
            "units metal",
            "atom_style atomic",
            "box tilt large",
            "region box prism 0 1 0 1 0 1 0 0 0",
            f"create_box {len(symbols)} box",
            *mass_lines(symbols),
            *interaction.lammps_lines(symbols, filename),
            "neighbor 0.1 bin",
            "thermo 1",
            "thermo_style custom step pe pxx pyy pzz pyz pxz pxy",
            "thermo_modify format float %.17g lost ignore norm no flush yes",
            f"dump forces all custom 1 {forces} id fx fy fz",
            "dump_modify forces sort id format float %.17g",
            f"rerun {STRUCTURES_FILE} dump x y z box yes replace no purge yes add keep",
        ]
    return lammps_script([*lines, f'print "{MARK} end"', ""])


def forces_file(key: str) -> str:
    """Return the name of the dump of one potential's forces.

    Raises
    ------
    ValueError
        If the key is no plain name: it becomes part of a path.
    """
    return f"forces.{plain_name(key, 'the key of a potential')}.dump"


@dataclass(frozen=True, eq=False)
class EvaluationLog:
    """Energies (F,) in eV and pressures (F, 6) in bar of each potential; NaN where missing.

    Attributes
    ----------
    energies, pressures
        By key of the potential; pressures in the order xx yy zz yz xz xy.
    error
        Error of LAMMPS; `failed` has the potential and the frame at which it occurred.
    fault
        Message of LAMMPS on an external failure of the job; empty where there was none.
    reached
        Number of frames that each potential has passed.
    """

    energies: dict[str, Floats]
    pressures: dict[str, Floats]
    error: str
    failed: tuple[str, int] | None
    complete: bool
    fault: str = ""
    reached: dict[str, int] = field(default_factory=dict)


def read_evaluation_log(lines: Iterable[str], keys: Iterable[str], frames: int) -> EvaluationLog:
    """Read the log of a job rendered by :func:`render_evaluation`."""
    table = {key: np.full((frames, 7), np.nan) for key in keys}
    error, key, columns, complete = "", "", 0, False
    done, reached = -1, {}
    for line in lines:
        row = read_row(line, columns) if columns else None
        if row is not None:
            done = int(row[0])
            reached[key] = done + 1
            if done < frames:
                table[key][done] = row[1:]
        elif line.startswith(f"{MARK} potential"):
            key, columns, done = line.split()[2], 0, -1
        elif line.startswith(f"{MARK} end"):
            complete = True
        elif line.lstrip().startswith("Step "):
            columns = len(line.split())
        elif line.startswith("Loop time of"):
            columns = 0
        elif line.startswith("ERROR"):
            error = error_text(line)
    fault = ""
    if find_cause(error) is not None:
        fault, error = error, ""
    # An error while the first snapshot has not been evaluated may be one of the set-up.
    failed = (key, done + 1) if error and columns and done + 1 < frames else None
    return EvaluationLog(
        energies={k: v[:, 0] for k, v in table.items()},
        pressures={k: v[:, 1:] for k, v in table.items()},
        error=error,
        failed=failed,
        complete=complete,
        fault=fault,
        reached=reached,
    )
