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
    OpesSettings,
    Term,
    in_full,
)
from aiida_nanoclusters.science.sampling.coordination_walls import CoordinationWall

HILLS_FILE, COLVAR_FILE = "HILLS", "COLVAR"
#: Of OPES: all kernels in the order of time, and the state from which a run continues.
KERNELS_FILE, STATE_FILE = "KERNELS", "STATE"
#: Label of the hills, or of the kernels.
HILLS = "hills"
#: What a wall acts on: the lowest of several values, or the highest.
_ENDS = {"lower": "lowest", "upper": "highest"}


def plumed_input(
    variables: Sequence[CollectiveVariable],
    hills: HillSettings | OpesSettings | None = None,
    *,
    walls: Sequence[CollectiveVariable] = (),
    coordination_walls: Sequence[CoordinationWall] = (),
    every: int = 100,
) -> str:
    """Return the input of PLUMED.

    Parameters
    ----------
    variables
        Of the atoms of the run, in its order.
    hills
        Metadynamics or OPES along all of them; without, they are only measured (and walls act).
        OPES continues from its state with ``RESTART=YES STATE_RFILE=STATE`` added to its line.
    walls
        Further variables, along which only walls act.
    coordination_walls
        On the lowest or the highest coordination number of their groups.
    every
        Time steps between two values in `COLVAR`.

    Raises
    ------
    ValueError
        If names of variables collide with those of their terms, or with `hills`.
    """
    lines = ["UNITS LENGTH=A ENERGY=eV TIME=ps"]
    for variable in (*variables, *walls):
        lines += _variable_lines(variable)
    for wall in coordination_walls:
        lines += _coordination_lines(wall)
    labels = [line.partition(":")[0] for line in lines[1:]]
    twice = sorted({label for label in labels if labels.count(label) > 1} | ({HILLS} & {*labels}))
    if twice:
        raise ValueError(f"PLUMED would see `{twice[0]}` twice: give a variable another name")
    names = [variable.settings.name for variable in variables]
    printed = [*names, *(variable.settings.name for variable in walls)]
    bounded: list[CollectiveVariable | CoordinationWall]
    bounded = [*variables, *walls, *coordination_walls]
    for one in bounded:
        bounds = _wall_lines(one)
        lines += bounds
        printed += [f"{line.partition(':')[0]}.bias" for line in bounds]
    if hills is not None:
        widths = ",".join(f"{in_full(variable.settings.width)}" for variable in variables)
        if isinstance(hills, OpesSettings):
            keyword, own = "OPES_METAD", f"BARRIER={in_full(hills.barrier)}"
            files = f"FILE={KERNELS_FILE} STATE_WFILE={STATE_FILE} STATE_WSTRIDE={100 * hills.pace}"
        else:
            keyword, own = "METAD", f"HEIGHT={in_full(hills.height)}"
            files = f"FILE={HILLS_FILE}"
        lines.append(
            f"{HILLS}: {keyword} ARG={','.join(names)} SIGMA={widths} "
            f"{own} PACE={hills.pace} BIASFACTOR={in_full(hills.bias_factor)} "
            f"TEMP={in_full(hills.temperature)} {files}"
        )
        printed.append(f"{HILLS}.bias")
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


def _wall_lines(one: CollectiveVariable | CoordinationWall) -> list[str]:
    own, lines = one.settings, []
    for side, value in (("lower", own.lower), ("upper", own.upper)):
        if value is None:
            continue
        argument = own.name
        if isinstance(one, CoordinationWall):
            argument += f"{'.' if one.is_shared else '_'}{_ENDS[side]}"
        lines.append(
            f"{own.name}_{side}: {side.upper()}_WALLS ARG={argument} AT={in_full(value)} "
            f"KAPPA={in_full(own.stiffness / 2)} EXP=2"
        )
    return lines


def _coordination_lines(wall: CoordinationWall) -> Iterator[str]:
    own = wall.settings
    n, m = own.exponents
    switching = f"R_0={in_full(own.r0)} NN={n} MM={m}"
    asked = [end.upper() for side, end in _ENDS.items() if getattr(own, side) is not None]
    if wall.is_shared:
        yield (
            f"{own.name}: COORDINATIONNUMBER SPECIESA={_numbers(wall.atoms)} "
            f"SPECIESB={_numbers(wall.partners[0])} {switching} {' '.join(asked)}"
        )
        return
    labels = [f"{own.name}_{atom + 1}" for atom in wall.atoms]
    for label, atom, partners in zip(labels, wall.atoms, wall.partners, strict=True):
        yield (f"{label}: COORDINATION GROUPA={atom + 1} GROUPB={_numbers(partners)} {switching}")
    for keyword in asked:
        yield f"{own.name}_{keyword.lower()}: {keyword} ARG={','.join(labels)}"


def _point(label: str, place: Sequence[float]) -> str:
    return f"{label}: FIXEDATOM AT={','.join(f'{in_full(x)}' for x in place)}"


def _numbers(group: Ints) -> str:
    return ",".join(str(k + 1) for k in group)
