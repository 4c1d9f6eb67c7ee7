"""Signatures of bonds and classes of atoms in common-neighbour analysis, from lists of bonds.

J. D. Honeycutt and H. C. Andersen, J. Phys. Chem. 91, 4950 (1987); D. Faken and H. Jonsson, Comput.
Mater. Sci. 2, 279 (1994).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix

Ints = npt.NDArray[np.int64]

#: Names of the classes that :func:`packing_classes` returns as integers.
CLASSES = ("other", "fcc", "hcp", "bcc", "icosahedral", "fivefold", "surface")
#: Atoms with at most this many neighbours are surface, whatever surrounds them: a (110) facet
#: leaves its second layer 11, a re-entrant groove 10.
SURFACE_COORDINATION = 10


def packing_classes(pairs: Ints, signatures: Ints, count: int) -> Ints:
    """Classify atoms by the signatures of their bonds.

    fcc 12 x 421; hcp 6 x 421 and 6 x 422; bcc 8 x 666 and 6 x 444; icosahedral, the centre of an
    icosahedron, 12 x 555; fivefold, on an axis where five twins meet, 2 x 555 and 10 x 422. Of the
    rest, atoms with at most 10 neighbours are surface, the others other.

    Parameters
    ----------
    pairs
        Bonds, shape (B, 2).
    signatures
        Of each, as :func:`bond_signatures` gives them, shape (B,).
    count
        Number of atoms.

    Returns
    -------
    numpy.ndarray, shape (count,)
        Indices into :data:`CLASSES`.
    """

    def around(chosen: Ints) -> Ints:
        return np.bincount(chosen.ravel(), minlength=count)

    z = around(pairs)
    n421, n422, n555, n444, n666 = (
        around(pairs[signatures == s]) for s in (421, 422, 555, 444, 666)
    )
    classes = np.zeros(count, dtype=np.int64)
    classes[z <= SURFACE_COORDINATION] = CLASSES.index("surface")
    classes[(z == 12) & (n421 == 12)] = CLASSES.index("fcc")
    classes[(z == 12) & (n421 == 6) & (n422 == 6)] = CLASSES.index("hcp")
    classes[(z == 14) & (n666 == 8) & (n444 == 6)] = CLASSES.index("bcc")
    classes[(z == 12) & (n555 == 12)] = CLASSES.index("icosahedral")
    classes[(z == 12) & (n555 == 2) & (n422 == 10)] = CLASSES.index("fivefold")
    return classes


def bond_signatures(pairs: Ints, count: int, block: int = 50_000) -> Ints:
    """Signature of every bond as the number jkl: 421, 422, 555, ... (digits beyond 9 become 9)."""
    ones = np.ones(2 * len(pairs), dtype=np.int32)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    bonded = coo_matrix((ones, (both[:, 0], both[:, 1])), shape=(count, count)).tocsr()
    keys = np.sort(both[:, 0] * count + both[:, 1])
    found = []
    for start in range(0, len(pairs), block):
        part = pairs[start : start + block]
        common = bonded[part[:, 0]].multiply(bonded[part[:, 1]]).tocsr()
        number = np.diff(common.indptr)
        width = max(int(number.max(initial=0)), 1)
        members = np.full((len(part), width), -1, dtype=np.int64)
        members[np.arange(width) < number[:, None]] = common.indices
        wanted = members[:, :, None] * count + members[:, None, :]
        slot = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        real = (members >= 0)[:, :, None] & (members >= 0)[:, None, :]
        linked = ((keys[slot] == wanted) & real).astype(np.float32)
        connected = np.minimum(linked + np.eye(width, dtype=np.float32), 1)
        for _ in range(max(width - 1, 1).bit_length()):
            connected = np.minimum(connected @ connected, 1)
        degree = linked.sum(axis=2)
        total = degree.sum(axis=1) / 2
        longest = (connected @ degree[:, :, None])[:, :, 0].max(axis=1) / 2
        digits = np.minimum(np.stack([number, total, longest], axis=1), 9).astype(np.int64)
        found.append(digits @ np.array([100, 10, 1]))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
