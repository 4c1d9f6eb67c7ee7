"""Symmetry operations of a crystal, as files write them, and the atoms that they make."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NUMBER_OR_AXIS = r"(?:\d{1,3}/\d{1,3}|\d{0,2}\.\d{1,8}|\d{1,3}|[xyz])"
_TERM = re.compile(rf"([+-]?)({_NUMBER_OR_AXIS})")
_PART = re.compile(rf"[+-]?{_NUMBER_OR_AXIS}(?:[+-]{_NUMBER_OR_AXIS})*")
#: No space group has more operations in its conventional cell.
_MOST_OPERATIONS = 192
#: Images of an atom nearer than this (Å) are one atom on a special position.
SPECIAL = 0.1


def read_operation(text: str) -> Floats:
    """Return an operation such as ``-x+1/2, y, 1/2-z`` as its matrix and translation, (3, 4).

    Raises
    ------
    ValueError
        If it is none.
    """
    parts = text.lower().replace(" ", "").split(",")
    found = np.zeros((3, 4))
    for row, part in enumerate(parts[:3]):
        if not _PART.fullmatch(part):
            raise ValueError(f"`{text[:60]}` is no symmetry operation")
        for sign, term in _TERM.findall(part):
            factor = -1.0 if sign == "-" else 1.0
            if term in ("x", "y", "z"):
                found[row, "xyz".index(term)] += factor
                continue
            if "/" in term and int(term.partition("/")[2]) == 0:
                raise ValueError(f"`{text[:60]}` is no symmetry operation")
            found[row, 3] += factor * float(Fraction(term))
    if len(parts) != 3 or abs(abs(np.linalg.det(found[:, :3])) - 1) > 1e-6:
        raise ValueError(f"`{text[:60]}` is no symmetry operation")
    return found


def operations(texts: Sequence[str], name: str, group_number: str) -> Floats:
    """Return the symmetry operations of a crystal, (m, 3, 4).

    Parameters
    ----------
    texts
        Operations as they are written; where there are none, the space group tells them.
    name, group_number
        Hermann-Mauguin symbol and number of the space group, empty where the file has none.

    Raises
    ------
    ValueError
        If an operation is wrong, or the space group is not known.
    """
    if len(texts) > _MOST_OPERATIONS:
        raise ValueError(f"{len(texts)} symmetry operations are more than any space group has")
    if texts:
        return np.array([read_operation(text) for text in texts])
    known = re.fullmatch(r"\d{1,3}", group_number)
    wanted = int(group_number) if known else re.sub(r"[()]", "", name).strip()
    if not wanted:
        return np.array([read_operation("x,y,z")])
    from ase.spacegroup import Spacegroup

    try:
        rotations, translations = Spacegroup(wanted).get_op()
    except Exception as error:  # what it raises on unknown symbols is any
        raise ValueError(
            f"the space group `{str(wanted)[:40]}` is not known: give the symmetry operations in "
            "the file"
        ) from error
    return np.concatenate([rotations, translations[:, :, None]], axis=2).astype(float)


def images(scaled: Floats, symmetry: Floats, cell: Cell) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the images of n atoms by m operations, and which of them are no repetition.

    Parameters
    ----------
    scaled
        Fractional coordinates, (n, 3).
    symmetry
        Operations, (m, 3, 4).
    cell
        Unit cell.

    Returns
    -------
    positions
        Fractional, within the cell, (m, n, 3).
    distinct
        Whether an image is farther than :data:`SPECIAL` from those of the same atom before it,
        (m, n).
    """
    made = np.einsum("mij,nj->mni", symmetry[:, :, :3], scaled) + symmetry[:, None, :, 3]
    made %= 1.0
    distinct = np.ones(made.shape[:2], dtype=bool)
    for m in range(1, len(made)):
        difference = made[:m] - made[m]
        difference -= np.rint(difference)
        near = np.linalg.norm(difference @ cell.array, axis=2) < SPECIAL
        distinct[m] = ~np.any(near & distinct[:m], axis=0)
    return made, distinct
