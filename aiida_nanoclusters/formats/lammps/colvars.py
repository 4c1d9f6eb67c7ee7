"""Collective variables, walls and hills as the configuration of COLVARS, in LAMMPS's units `metal`.

COLVARS reads one keyword a line and ignores the rest of the line, so that each stands alone here.
Its harmonic walls scale with the `width` of a variable, which stays 1; hills take `gaussianSigmas`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import pi

from aiida_nanoclusters.science.sampling.collective_variables import (
    ANGLE,
    COORDINATION,
    CollectiveVariable,
    HillSettings,
    Ints,
    Term,
    in_full,
)

#: Degrees, in which COLVARS measures angles, per radian.
_DEGREES = 180.0 / pi
_INDENT = "  "


def colvars_config(
    variables: Sequence[CollectiveVariable],
    hills: HillSettings | None = None,
    *,
    every: int = 100,
) -> str:
    """Return the configuration of COLVARS.

    Parameters
    ----------
    variables
        Of the atoms of the run, in its order.
    hills
        Metadynamics along all of them; without, they are only measured (and walls act).
    every
        Time steps between two values in the trajectory of the variables.

    Raises
    ------
    ValueError
        If a coordination has groups that share some atoms and not all, which COLVARS does not
        count.
    """
    lines = [f"colvarsTrajFrequency {every}", f"colvarsRestartFrequency {every}"]
    for variable in variables:
        lines += ["colvar {", *_indented(_variable_lines(variable)), "}"]
    for variable in variables:
        lines += _wall_lines(variable)
    if hills is not None:
        names = " ".join(v.settings.name for v in variables)
        widths = " ".join(f"{in_full(v.settings.width)}" for v in variables)
        lines += [
            "metadynamics {",
            *_indented(
                (
                    "name hills",
                    f"colvars {names}",
                    f"hillWeight {in_full(hills.height)}",
                    f"gaussianSigmas {widths}",
                    f"newHillFrequency {hills.pace}",
                    "wellTempered on",
                    f"biasTemperature {in_full(hills.bias_temperature)}",
                    "useGrids off",
                    "writeHillsTrajectory on",
                )
            ),
            "}",
        ]
    return "\n".join(lines) + "\n"


def _variable_lines(variable: CollectiveVariable) -> Iterator[str]:
    yield f"name {variable.settings.name}"
    for term in variable.terms:
        yield from _term_lines(term)


def _term_lines(term: Term) -> Iterator[str]:
    own, factor, keyword = term.settings, term.settings.factor, str(term.settings.kind)
    groups = list(term.groups)
    if own.kind == COORDINATION:
        keyword = "coordNum"
        shared = set(groups[0]) & set(groups[1]) if len(groups) > 1 else set()
        if shared and set(groups[0]) == set(groups[1]):
            # it counts each pair once
            keyword, factor, groups = "selfCoordNum", 2.0 * factor, groups[:1]
        elif shared:
            raise ValueError(
                f"{', '.join(own.groups[0])} and {', '.join(own.groups[1])} share some atoms: "
                "write a term for those they share and one for the others"
            )
    elif own.kind == ANGLE:
        factor /= _DEGREES
    yield f"{keyword} {{"
    for number, group in enumerate(groups, start=1):
        yield from _indented((f"group{number} {{", f"{_INDENT}{_numbers(group)}", "}"))
    if own.point is not None:
        place = ", ".join(f"{in_full(x)}" for x in own.point)
        number = len(groups) + 1
        yield from _indented((f"group{number} {{", f"{_INDENT}dummyAtom ({place})", "}"))
    if own.r0 is not None:
        n, m = own.exponents
        yield from _indented((f"cutoff {in_full(own.r0)}", f"expNumer {n}", f"expDenom {m}"))
    if factor != 1.0:
        yield f"{_INDENT}componentCoeff {in_full(factor)}"
    yield "}"


def _numbers(group: Ints) -> str:
    return f"atomNumbers {' '.join(str(k + 1) for k in group)}"


def _wall_lines(variable: CollectiveVariable) -> list[str]:
    own = variable.settings
    if own.lower is None and own.upper is None:
        return []
    lines = [f"name walls_{own.name}", f"colvars {own.name}"]
    for side, value in (("lower", own.lower), ("upper", own.upper)):
        if value is not None:
            lines += [
                f"{side}Walls {in_full(value)}",
                f"{side}WallConstant {in_full(own.stiffness)}",
            ]
    return ["harmonicWalls {", *_indented(lines), "}"]


def _indented(lines: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"{_INDENT}{line}" for line in lines]
