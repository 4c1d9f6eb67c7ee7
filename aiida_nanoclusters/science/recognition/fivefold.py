"""Fivefold axes of a cluster, and atoms missing inside it.

An axis is a chain of bonds with the signature 555, about which five twins meet: J. D. Honeycutt and
H. C. Andersen, J. Phys. Chem. 91, 4950 (1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay, QhullError, cKDTree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Bonds of one axis deviate by less than this from a line (cosine of 20 degrees).
_STRAIGHT = float(np.cos(np.radians(20)))
#: A hole is a vacancy if it is at least this wide, in bond lengths from its centre to the nearest
#: atom: an octahedral hole of the crystal has 0.71, a relaxed vacancy 0.85 to 1.
_VACANCY = 0.82
#: ... and if this many atoms surround it, of twelve or, next to another defect, fewer.
_SURROUNDED, _AROUND = 11, 1.35


@dataclass(frozen=True)
class Axis:
    """A straight chain of bonds about which five twins meet.

    Attributes
    ----------
    point
        Its middle (Å), shape (3,).
    direction
        Unit vector, shape (3,).
    bonds
        Number of bonds.
    atoms
        Indices of its atoms.
    """

    point: Floats
    direction: Floats
    bonds: int
    atoms: Ints

    def distance(self, place: Floats) -> float:
        """Return the distance of a place (Å), shape (3,), from the line."""
        off = place - self.point
        return float(np.linalg.norm(off - (off @ self.direction) * self.direction))


def fivefold_axes(positions: Floats, pairs: Ints, signatures: Ints) -> list[Axis]:
    """Find the fivefold axes, the longest first.

    Bonds of signature 555 that share an atom and lie on one line belong to one axis. One that ends
    at the centre of an icosahedron goes on at the other side.

    Parameters
    ----------
    positions
        Å, shape (N, 3).
    pairs, signatures
        Bonds (B, 2) and what :func:`.bond_signatures` says of them.
    """
    chosen = pairs[signatures == 555]
    if not len(chosen):
        return []
    vectors = positions[chosen[:, 1]] - positions[chosen[:, 0]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    touching = (chosen[:, None, :, None] == chosen[None, :, None, :]).any(axis=(2, 3))
    joined = touching & (np.abs(vectors @ vectors.T) > _STRAIGHT)
    axes = []
    left = np.ones(len(chosen), dtype=bool)
    while left.any():
        members = np.zeros(len(chosen), dtype=bool)
        members[int(left.argmax())] = True
        while (grown := joined[members].any(axis=0)).sum() > members.sum():
            members = grown
        left &= ~members
        atoms = np.unique(chosen[members])
        middle = positions[atoms].mean(axis=0)
        direction = np.linalg.svd(positions[atoms] - middle)[2][0]
        axes.append(Axis(middle, direction, int(members.sum()), atoms))
    return sorted(axes, key=lambda axis: -axis.bonds)


def crossing_of_axes(axes: list[Axis]) -> tuple[Floats, int]:
    """Return the place nearest to all axes (Å), and how many of them pass within 0.8 Å of it.

    The place that the lines of an icosahedron share, whether or not an atom is there.
    """
    if len(axes) < 2:
        return (axes[0].point if axes else np.zeros(3)), len(axes)
    kept = list(axes)
    place = np.zeros(3)
    for _ in range(3):
        across = [np.eye(3) - np.outer(axis.direction, axis.direction) for axis in kept]
        matrix = np.sum(across, axis=0)
        wanted = np.sum([a @ axis.point for a, axis in zip(across, kept, strict=True)], axis=0)
        place = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        order = sorted(axes, key=lambda axis: axis.distance(place))
        near = [axis for axis in order if axis.distance(place) < 0.8]
        kept = near if len(near) > 1 else order[: max(2, len(order) // 2)]
    return place, sum(axis.distance(place) < 0.8 for axis in axes)


def vacancies(positions: Floats, bond: float) -> Floats:
    """Find places inside a cluster where an atom is missing, shape (V, 3), in Å.

    Centres of spheres through four atoms that hold no other (of Delaunay's tetrahedra), wider than
    a hole of the close packing and surrounded by atoms on all sides.

    Parameters
    ----------
    positions
        Å, shape (N, 3).
    bond
        Mean bond length (Å).
    """
    if len(positions) < 5:
        return np.zeros((0, 3))
    try:
        corners = positions[Delaunay(positions).simplices]
    except QhullError:  # planar
        return np.zeros((0, 3))
    edges = corners[:, 1:] - corners[:, :1]
    flat = np.abs(np.linalg.det(edges)) < 1e-3 * bond**3
    edges, first = edges[~flat], corners[~flat, 0]
    centres = np.linalg.solve(edges, 0.5 * (edges**2).sum(axis=2)[..., None])[..., 0]
    radii = np.linalg.norm(centres, axis=1)
    places = (first + centres)[(radii > _VACANCY * bond) & (radii < 1.2 * bond)]
    tree = cKDTree(positions)
    found: list[Floats] = []
    for place in places:
        around = positions[tree.query_ball_point(place, _AROUND * bond)] - place
        if len(around) < _SURROUNDED:
            continue
        directions = around / np.linalg.norm(around, axis=1, keepdims=True)
        if np.linalg.norm(directions.mean(axis=0)) > 0.2:
            continue  # atoms on one side only: a groove of the surface
        if all(np.linalg.norm(place - other) > 0.7 * bond for other in found):
            found.append(place)
    return np.array(found).reshape(-1, 3)
