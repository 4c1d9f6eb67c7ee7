"""Elements of the kinds of atoms of CP2K, which may have names such as ``Cu1``."""

from __future__ import annotations

from collections.abc import Mapping

from ase.data import chemical_symbols

_ELEMENTS = frozenset(chemical_symbols[1:])


def element_of(kind: str, known: Mapping[str, str]) -> str:
    """Return the element of a kind.

    Parameters
    ----------
    kind
        Its name, as in a trajectory.
    known
        Elements of kinds, as far as a file names them.

    Raises
    ------
    ValueError
        If it is none, or may be two: ``CU`` is copper, or carbon and more letters.
    """
    element = known.get(kind, kind)
    if element in _ELEMENTS:
        return element
    letters = element[:2]
    if letters in _ELEMENTS:
        return letters
    second = letters[1:]
    if second.isupper() and letters.capitalize() in _ELEMENTS:
        raise ValueError(
            f"the kind `{kind[:40]}` may be {letters.capitalize()} or {letters[0]}: nothing names "
            "its element"
        )
    if letters[:1] in _ELEMENTS:
        return letters[0]
    raise ValueError(f"the kind `{kind[:40]}` begins with no element")
