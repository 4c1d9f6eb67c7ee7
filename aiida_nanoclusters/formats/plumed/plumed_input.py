"""Collective variables, walls and hills as ``plumed.dat``, for a LAMMPS with PLUMED.

Units are Å, eV and ps. PLUMED's walls have no factor 1/2, so that its `KAPPA` is half the
stiffness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiida_nanoclusters.science.sampling.collective_variables import (
    COORDINATION,
    CollectiveVariable,
    HillSettings,
    Ints,
    Term,
)

HILLS_FILE, COLVAR_FILE = "HILLS", "COLVAR"


def plumed_input(
    variables: Sequence[CollectiveVariable],
    hills: HillSettings | None = None,
    *,
    every: int = 100,
) -> str:
    """Return the input of PLUMED.

    Parameters
    ----------
    variables
        Of the atoms of the run, in its order.
    hills
        Metadynamics along all of them; without, they are only measured (and walls act).
    every
        Time steps between two values in `COLVAR`.
    """
    lines = ["UNITS LENGTH=A ENERGY=eV TIME=ps"]
    for variable in variables:
        lines += _variable_lines(variable)
    names = [variable.settings.name for variable in variables]
    printed = list(names)
    for variable in variables:
        own = variable.settings
        for side, value in (("lower", own.lower), ("upper", own.upper)):
            if value is not None:
                label = f"{own.name}_{side}"
                lines.append(
                    f"{label}: {side.upper()}_WALLS ARG={own.name} AT={value!r} "
                    f"KAPPA={own.stiffness / 2!r} EXP=2"
                )
                printed.append(f"{label}.bias")
    if hills is not None:
        widths = ",".join(f"{variable.settings.width!r}" for variable in variables)
        lines.append(
            f"hills: METAD ARG={','.join(names)} SIGMA={widths} HEIGHT={hills.height!r} "
            f"PACE={hills.pace} BIASFACTOR={hills.bias_factor!r} TEMP={hills.temperature!r} "
            f"FILE={HILLS_FILE}"
        )
        printed.append("hills.bias")
    lines.append(f"PRINT ARG={','.join(printed)} STRIDE={every} FILE={COLVAR_FILE}")
    return "\n".join(lines) + "\n"


def _variable_lines(variable: CollectiveVariable) -> Iterator[str]:
    name = variable.settings.name
    labels = [f"{name}_{k}" for k in range(1, len(variable.terms) + 1)]
    for label, term in zip(labels, variable.terms, strict=True):
        yield from _term_lines(label, term)
    factors = ",".join(f"{term.settings.factor!r}" for term in variable.terms)
    yield f"{name}: COMBINE ARG={','.join(labels)} COEFFICIENTS={factors} PERIODIC=NO"


def _term_lines(label: str, term: Term) -> Iterator[str]:
    own = term.settings
    if own.kind == COORDINATION:
        names = [_numbers(group) for group in term.groups]
        if own.point is not None:
            names.append(f"{label}_point")
            yield _point(names[-1], own.point)
        n, m = own.exponents
        yield (
            f"{label}: COORDINATION GROUPA={names[0]} GROUPB={names[1]} R_0={own.r0!r} "
            f"NN={n} MM={m}"
        )
        return
    names = []
    for k, group in enumerate(term.groups, start=1):
        if len(group) == 1:
            names.append(_numbers(group))
        else:
            names.append(f"{label}_centre{k}")
            yield f"{names[-1]}: COM ATOMS={_numbers(group)}"
    if own.point is not None:
        names.append(f"{label}_point")
        yield _point(names[-1], own.point)
    yield f"{label}: {own.kind.upper()} ATOMS={','.join(names)}"


def _point(label: str, place: Sequence[float]) -> str:
    return f"{label}: FIXEDATOM AT={','.join(f'{x!r}' for x in place)}"


def _numbers(group: Ints) -> str:
    return ",".join(str(k + 1) for k in group)
