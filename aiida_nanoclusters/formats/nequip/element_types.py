"""Which atom type of a model stands for which element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ase.data import atomic_numbers

from aiida_nanoclusters.formats.input_text import InputTextError, lammps_type
from aiida_nanoclusters.formats.plain_text import excerpt


def element_types(names: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the type of each element, in the order of the types.

    Parameters
    ----------
    names
        Types of the model. Those that are chemical symbols stand for their elements.
    given
        Type of each element that has another name, e.g. ``{"Cu": "Cu_a"}``.

    Raises
    ------
    ValueError
        If a type is none of the model, no type is known to be an element, or one cannot be written
        into an input; the message names the fix.
    """
    wanted = dict(given or {})
    for symbol, name in wanted.items():
        if atomic_numbers.get(symbol, 0) < 1:
            raise ValueError(f"`{excerpt(str(symbol))}` is no chemical element: write e.g. Cu=Cu_a")
        if name not in names:
            known = excerpt(", ".join(names), 200)
            raise ValueError(
                f"the model has no atom type `{excerpt(str(name))}`: its types are {known}"
            )
    if len(set(wanted.values())) < len(wanted):
        raise ValueError("two elements have the same atom type: give each a type of its own")
    taken = {name: symbol for symbol, name in wanted.items()}
    for name in names:
        if name not in taken and name not in wanted and atomic_numbers.get(name, 0) > 0:
            taken[name] = name
    if not taken:
        known = excerpt(", ".join(names), 200)
        raise ValueError(
            f"the atom types of the model are no chemical symbols ({known}): say which is which "
            "element, such as --type Cu=TYPE (from Python types={'Cu': 'TYPE'})"
        )
    try:
        return {taken[lammps_type(name)]: name for name in names if name in taken}
    except InputTextError as error:
        raise ValueError(str(error)) from error
