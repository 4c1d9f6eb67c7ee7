"""Codes that the options of a launch name: loaded, trusted, and of the program that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_nanoclusters.cli.machine.code_checks import program_of
from aiida_nanoclusters.cli.terminal import Fixable

if TYPE_CHECKING:
    from aiida.orm import AbstractCode

#: Programs as they are called, by the option that takes their codes.
_NAMES = {"lammps": "LAMMPS", "nequip": "a Python with nequip", "cp2k": "CP2K", "vasp": "VASP"}
#: Plugins of codes that may be any program.
_ANY_PROGRAM = ("shell", "python")


class NoCode(Fixable):
    """There is no code of a name."""


def get_code(label: str, program: str = "") -> AbstractCode:
    """Load a code; an imported one only if it was granted trust.

    Where several codes have the label, it is that of the only one that was not imported or may run.

    Parameters
    ----------
    label
        ``name@computer``, UUID or PK.
    program
        ``lammps``, ``nequip``, ``cp2k`` or ``vasp``, of which it must be; any where empty.

    Raises
    ------
    Fixable
        If there is none of that name, it was imported and may not run, or is another program's.
    """
    from aiida.common.exceptions import MultipleObjectsError, NotExistent
    from aiida.orm import load_code

    from aiida_nanoclusters.workflows.parts.codes import code_problem

    missing = f"no code `{label}`: run `aiida-nanoclusters setup`, or name one of `verdi code list`"
    try:
        code: AbstractCode = load_code(label)
    except MultipleObjectsError as error:
        own = [one for one in _codes_named(label) if code_problem(one) is None]
        if len(own) != 1:
            raise NoCode(f"several codes are called `{label}`: give the UUID of one") from error
        code = own[0]
    except (NotExistent, ValueError) as error:
        raise NoCode(missing) from error
    if (problem := code_problem(code)) or (problem := _other_program(code, program)):
        raise Fixable(problem)
    return code


def _other_program(code: AbstractCode, program: str) -> str | None:
    """Return that a code is of another program than is wanted, as far as it says, or None."""
    plugin = str(code.default_calc_job_plugin or "")
    said = program_of(code)
    if not program or said == program or (not plugin and not said):
        return None
    if any(word in plugin for word in (program, *_ANY_PROGRAM)):
        return None
    what = f"the plugin {plugin}" if plugin else _NAMES[said]
    return (
        f"code {code.full_label} is of {what}, not of {_NAMES[program]}: name one of "
        "`verdi code list`"
    )


def _codes_named(label: str) -> list[AbstractCode]:
    """Return the codes of a label, ``label@computer`` or without the computer."""
    from aiida.orm import AbstractCode, Data, QueryBuilder

    filters = {"node_type": {"like": "data.core.code.%"}, "label": label.partition("@")[0]}
    query = QueryBuilder().append(Data, filters=filters)
    found = [one for one in query.all(flat=True) if isinstance(one, AbstractCode)]
    return [one for one in found if label in (one.label, one.full_label)]
