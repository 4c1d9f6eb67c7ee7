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
    in_full,
)

HILLS_FILE, COLVAR_FILE = "HILLS", "COLVAR"
#: Label of the hills.
HILLS = "hills"


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

    Raises
    ------
    ValueError
        If names of variables collide with those of their terms, or with `hills`.
    """
    lines = ["UNITS LENGTH=A ENERGY=eV TIME=ps"]
    for variable in variables:
        lines += _variable_lines(variable)
    labels = [line.partition(":")[0] for line in lines[1:]]
    twice = sorted({label for label in labels if labels.count(label) > 1} | ({HILLS} & {*labels}))
    if twice:
        raise ValueError(f"PLUMED would see `{twice[0]}` twice: give a variable another name")
    names = [variable.settings.name for variable in variables]
    printed = list(names)
    for variable in variables:
        own = variable.settings
        for side, value in (("lower", own.lower), ("upper", own.upper)):
            if value is not None:
                label = f"{own.name}_{side}"
                lines.append(
                    f"{label}: {side.upper()}_WALLS ARG={own.name} AT={in_full(value)} "
                    f"KAPPA={in_full(own.stiffness / 2)} EXP=2"
                )
                printed.append(f"{label}.bias")
    if hills is not None:
        widths = ",".join(f"{in_full(variable.settings.width)}" for variable in variables)
        lines.append(
            f"hills: METAD ARG={','.join(names)} SIGMA={widths} HEIGHT={in_full(hills.height)} "
            f"PACE={hills.pace} BIASFACTOR={in_full(hills.bias_factor)} "
            f"TEMP={in_full(hills.temperature)} FILE={HILLS_FILE}"
        )
        printed.append("hills.bias")
    lines.append(f"PRINT ARG={','.join(printed)} STRIDE={every} FILE={COLVAR_FILE}")
    return "\n".join(lines) + "\n"


def _variable_lines(variable: CollectiveVariable) -> Iterator[str]:
    name = variable.settings.name
    labels = [f"{name}_{k}" for k in range(1, len(variable.terms) + 1)]
    for label, term in zip(labels, variable.terms, strict=True):
        yield from _term_lines(label, term)
    factors = ",".join(f"{in_full(term.settings.factor)}" for term in variable.terms)
    yield f"{name}: COMBINE ARG={','.join(labels)} COEFFICIENTS={factors} PERIODIC=NO"


def _term_lines(label: str, term: Term) -> Iterator[str]:
    own = term.settings
    if own.kind == COORDINATION and own.r0 is not None:
        names = [_numbers(group) for group in term.groups]
        if own.point is not None:
            names.append(f"{label}_point")
            yield _point(names[-1], own.point)
        n, m = own.exponents
        yield (
            f"{label}: COORDINATION GROUPA={names[0]} GROUPB={names[1]} R_0={in_full(own.r0)} "
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
    return f"{label}: FIXEDATOM AT={','.join(f'{in_full(x)}' for x in place)}"


def _numbers(group: Ints) -> str:
    return ",".join(str(k + 1) for k in group)
