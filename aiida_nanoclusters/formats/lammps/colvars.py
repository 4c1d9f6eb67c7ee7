"""Collective variables, walls and hills as the configuration of COLVARS, in LAMMPS's units `metal`.

COLVARS reads one keyword a line and ignores the rest of the line, so that each stands alone here.
Its hills are on a grid: without one it forgets them where a run continues (version 2025-04-30,
"successfully read 0 explicit hills"), also those in its own state file. The grid begins around the
first values and grows. Harmonic walls scale with its spacing, the `width` of a variable. Hills get
their width by `hillWidth`: COLVARS makes the grid grow when a hill comes within three of those of
its end, and with `gaussianSigmas` only in the last cell, so that the tails beyond are lost and the
free energy has a step there (of half a k T each, 1.9 k T in all for a dimer).

OPES has no grid. COLVARS saves its state before it adds the kernel of a step, and adds none in the
first step of a run: a run that continues lacks the last kernel before it stopped, and no other,
where the state is saved as often as kernels are added. Each value in the trajectory has the bias
that acted on it, so that reweighting is not affected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import pi

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_nanoclusters.formats.lammps.bias import read_table
from aiida_nanoclusters.science.sampling.collective_variables import (
    ANGLE,
    COORDINATION,
    CollectiveVariable,
    CollectiveVariableSettings,
    HillSettings,
    OpesSettings,
    Term,
    in_full,
)
from aiida_nanoclusters.science.sampling.coordination_walls import CoordinationWall

Floats = NDArray[np.float64]

#: Degrees, in which COLVARS measures angles, per radian.
_DEGREES = 180.0 / pi
_INDENT = "  "
#: Cells of the grid in the width of a hill, and widths that it reaches at first to each side.
_CELLS_IN_WIDTH, _FIRST_WIDTHS = 2, 10
#: Name of the metadynamics.
HILLS_NAME = "hills"
#: Files of a fix with ``output bias``.
CONFIG_FILE, OUTPUT = "bias.in.colvars", "bias"
TRAJECTORY_FILE = f"{OUTPUT}.colvars.traj"
HILLS_FILE = f"{OUTPUT}.colvars.{HILLS_NAME}.hills.traj"
#: Hills with which a fix begins.
_STATE = "before"
STATE_FILE = f"{_STATE}.colvars.state"


def fix_line(thermostat: str | None = None, *, state: bool = False) -> str:
    """Return the command of the fix ``bias``.

    Parameters
    ----------
    thermostat
        Name of the fix that holds the temperature, by which OPES knows it.
    state
        Whether it begins with the state in `STATE_FILE`.
    """
    words = [f"fix bias all colvars {CONFIG_FILE} output {OUTPUT}"]
    words += [f"input {_STATE}"] if state else []
    words += [f"tstat {thermostat}"] if thermostat is not None else []
    return " ".join(words)


def colvars_config(
    variables: Sequence[CollectiveVariable],
    atoms: Atoms,
    hills: HillSettings | OpesSettings | None = None,
    *,
    walls: Sequence[CollectiveVariable] = (),
    coordination_walls: Sequence[CoordinationWall] = (),
    every: int = 100,
    saved: int | None = None,
) -> str:
    """Return the configuration of COLVARS.

    Parameters
    ----------
    variables
        Of the atoms of the run, in its order.
    atoms
        Structure that the run begins with.
    hills
        Metadynamics or OPES along all of them; without, they are only measured (and walls act).
    walls
        Further variables, along which only walls act.
    coordination_walls
        On each atom of their groups. They are not written to the trajectory: their energy is part
        of the system's and not of the bias.
    every
        Time steps between two values in the trajectory of the variables.
    saved
        Time steps between two restart files of LAMMPS. As often COLVARS saves its state and empties
        the buffers of its files: with a grid in two dimensions that takes longer than the steps
        between two values. Default: as `every`. The state of OPES is saved with every kernel.

    Raises
    ------
    ValueError
        If two variables have one name, those of the atoms with a wall among them.
    """
    kept = hills.pace if isinstance(hills, OpesSettings) else saved or every
    lines = [f"colvarsTrajFrequency {every}", f"colvarsRestartFrequency {kept}"]
    for variable in (*variables, *walls):
        grid = isinstance(hills, HillSettings) and variable in variables
        inner = [*_variable_lines(variable), *(_grid_lines(variable, atoms) if grid else ())]
        lines += ["colvar {", *_indented(inner), "}"]
        lines += _wall_lines(variable, spacing_of(variable.settings) if grid else 1.0)
    for wall in coordination_walls:
        lines += _coordination_wall_lines(wall)
    _refuse_twice(lines)
    if hills is not None:
        lines += _bias_lines(variables, hills)
    return "\n".join(lines) + "\n"


def _bias_lines(
    variables: Sequence[CollectiveVariable], hills: HillSettings | OpesSettings
) -> list[str]:
    names = " ".join(v.settings.name for v in variables)
    widths = " ".join(f"{in_full(v.settings.width)}" for v in variables)
    common = [
        f"name {HILLS_NAME}",
        f"colvars {names}",
        f"newHillFrequency {hills.pace}",
        "outputEnergy on",
    ]
    if isinstance(hills, OpesSettings):
        own = [
            f"gaussianSigma {widths}",
            f"barrier {in_full(hills.barrier)}",
            f"biasfactor {in_full(hills.bias_factor)}",
        ]
        return ["opes_metad {", *_indented([*common, *own]), "}"]
    own = [
        # two standard deviations in cells; by `gaussianSigmas` the grid would grow too late
        f"hillWidth {in_full(2 * _CELLS_IN_WIDTH)}",
        f"hillWeight {in_full(hills.height)}",
        "wellTempered on",
        f"biasTemperature {in_full(hills.bias_temperature)}",
        "writeHillsTrajectory on",
    ]
    return ["metadynamics {", *_indented([*common, *own]), "}"]


def _variable_lines(variable: CollectiveVariable) -> Iterator[str]:
    yield f"name {variable.settings.name}"
    for term in variable.terms:
        yield from _term_lines(term)


def _term_lines(term: Term) -> Iterator[str]:
    own, factor = term.settings, term.settings.factor
    if own.kind == COORDINATION and len(term.groups) > 1:
        # it wants groups apart from each other, and counts each pair within a group once
        one, other = (set(group.tolist()) for group in term.groups)
        both = one & other
        for first, second in ((one - both, other), (both, other - both)):
            if first and second:
                yield from _component("coordNum", term, factor, [first, second])
        if len(both) > 1:
            yield from _component("selfCoordNum", term, 2.0 * factor, [both])
        return
    keyword = "coordNum" if own.kind == COORDINATION else str(own.kind)
    factor = factor / _DEGREES if own.kind == ANGLE else factor
    yield from _component(keyword, term, factor, [group.tolist() for group in term.groups])


def _component(
    keyword: str, term: Term, factor: float, groups: Sequence[Iterable[int]]
) -> Iterator[str]:
    own = term.settings
    yield f"{keyword} {{"
    yield from _indented(_group_lines(groups))
    if own.point is not None:
        place = ", ".join(in_full(x) for x in own.point)
        number = len(groups) + 1
        yield from _indented((f"group{number} {{", f"{_INDENT}dummyAtom ({place})", "}"))
    if own.r0 is not None:
        yield from _indented(_switching_lines(own.r0, own.exponents))
    if factor != 1.0:
        yield f"{_INDENT}componentCoeff {in_full(factor)}"
    yield "}"


def _group_lines(groups: Sequence[Iterable[int]]) -> Iterator[str]:
    for number, group in enumerate(groups, start=1):
        yield from (f"group{number} {{", f"{_INDENT}{_numbers(group)}", "}")


def _switching_lines(r0: float, exponents: tuple[int, int]) -> list[str]:
    n, m = exponents
    return [f"cutoff {in_full(r0)}", f"expNumer {n}", f"expDenom {m}"]


def _numbers(group: Iterable[int]) -> str:
    return f"atomNumbers {' '.join(str(k + 1) for k in sorted(group))}"


def spacing_of(settings: CollectiveVariableSettings) -> float:
    """Return the spacing of the grid of hills along a variable."""
    return settings.width / _CELLS_IN_WIDTH


def _grid_lines(variable: CollectiveVariable, atoms: Atoms) -> list[str]:
    spacing = spacing_of(variable.settings)
    middle = round(variable.value(atoms) / spacing) * spacing
    half = _FIRST_WIDTHS * _CELLS_IN_WIDTH * spacing
    return [
        f"width {in_full(spacing)}",
        f"lowerBoundary {in_full(middle - half)}",
        f"upperBoundary {in_full(middle + half)}",
        # of a variable that ends there, such as the coordination of one pair, it would not grow
        "hardLowerBoundary off",
        "hardUpperBoundary off",
        "expandBoundaries on",
    ]


def _wall_lines(variable: CollectiveVariable, spacing: float) -> list[str]:
    own = variable.settings
    if own.lower is None and own.upper is None:
        return []
    lines = [f"name walls_{own.name}", f"colvars {own.name}", "outputEnergy on"]
    lines += _bound_lines(own.lower, own.upper, own.stiffness * spacing**2)
    return ["harmonicWalls {", *_indented(lines), "}"]


def _coordination_wall_lines(wall: CoordinationWall) -> Iterator[str]:
    own, names = wall.settings, []
    for atom, partners in zip(wall.atoms.tolist(), wall.partners, strict=True):
        names.append(f"{own.name}_{atom + 1}")
        groups = _group_lines([[atom], partners.tolist()])
        inner = [*groups, *_switching_lines(own.r0, own.exponents)]
        lines = [f"name {names[-1]}", "outputValue off", "coordNum {", *_indented(inner), "}"]
        yield from ("colvar {", *_indented(lines), "}")
    lines = [f"name walls_{own.name}", f"colvars {' '.join(names)}"]
    lines += _bound_lines(own.lower, own.upper, own.stiffness, len(names))
    yield from ("harmonicWalls {", *_indented(lines), "}")


def _bound_lines(
    lower: float | None, upper: float | None, constant: float, count: int = 1
) -> Iterator[str]:
    for side, value in (("lower", lower), ("upper", upper)):
        if value is not None:
            yield f"{side}Walls {' '.join([in_full(value)] * count)}"
            yield f"{side}WallConstant {in_full(constant)}"


def _refuse_twice(lines: Sequence[str]) -> None:
    names = [line.split()[1] for line in lines if line.startswith(f"{_INDENT}name ")]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"COLVARS would see `{twice[0]}` twice: give a variable another name")


def _indented(lines: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"{_INDENT}{line}" for line in lines]


def read_trajectory(lines: Iterable[str], names: Sequence[str]) -> Floats:
    """Return what COLVARS wrote in time: step, variables, all bias and that of the hills.

    Parameters
    ----------
    lines
        Of ``OUTPUT.colvars.traj``. The last row of a killed job may be cut off: it is left out, as
        are rows of a step that is there already.
    names
        Of the biased variables.

    Returns
    -------
    numpy.ndarray
        Shape (R, D + 3), energies in eV.

    Raises
    ------
    ValueError
        If a variable is missing in the header.
    """
    lines = list(lines)
    columns = next((line.split()[1:] for line in lines if line.startswith("#")), [])
    if not columns:  # it had not begun
        return np.empty((0, len(names) + 3))
    if missing := [name for name in names if name not in columns]:
        raise ValueError(f"COLVARS wrote no `{missing[0]}`: there are {', '.join(columns)}")
    table = read_table(lines, len(columns))
    energies = [k for k, name in enumerate(columns) if name.startswith("E_")]
    own = [k for k in energies if columns[k] == f"E_{HILLS_NAME}"]
    return np.column_stack(
        [
            table[:, [0, *(columns.index(name) for name in names)]],
            table[:, energies].sum(axis=1),
            table[:, own].sum(axis=1),
        ]
    )


def before_hills(rows: Floats, hills: Floats) -> Floats:
    """Return the trajectory with the bias that was there before the hill of the same step.

    COLVARS adds a hill, centred at the present values, before it writes the energy; the values were
    sampled without it.

    Parameters
    ----------
    rows, hills
        Of :func:`read_trajectory` and :func:`read_hills`.
    """
    factor = hills[:, -1]
    added = dict(zip(hills[:, 0], hills[:, -2] * (factor - 1.0) / factor, strict=True))
    found = rows.copy()
    found[:, -2:] -= np.array([added.get(step, 0.0) for step in rows[:, 0]])[:, None]
    return found


def read_hills(lines: Iterable[str], settings: HillSettings, count: int) -> Floats:
    """Return the hills that COLVARS wrote, in the form of those of our fix.

    Parameters
    ----------
    lines
        Of the trajectory of hills: step, centres, widths, height. Cut rows are left out.
    settings
        Of the run.
    count
        D, number of variables.

    Returns
    -------
    numpy.ndarray
        Shape (H, 2 D + 3): step, centres, standard deviations (Å, rad, ...), height times
        g/(g - 1) in eV, g.
    """
    factor = settings.bias_factor
    rows = read_table(lines, 2 * count + 2)
    rows[:, -1] *= factor / (factor - 1.0)
    return np.column_stack([rows, np.full(len(rows), factor)])
