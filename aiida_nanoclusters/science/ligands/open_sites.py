"""Open sites of a core: where one more atom touches others at the lengths of their bonds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.ligands.bond_lengths import bond_lengths
from aiida_nanoclusters.science.ligands.design_settings import EditSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Å: sites that are nearer to each other are one.
_ONE_SITE = 0.5
#: Bond lengths: an added atom touches those that are nearer.
_TOUCH = 1.15
#: Bond lengths by which a fit to the contacts may move a place away from an atom.
_MARGIN = 0.1
#: Å: first guesses that are nearer to each other are one.
_SAME = 0.05
#: Fits of a site to its contacts, which may change the contacts.
_STEPS = 4


@dataclass(frozen=True, eq=False)
class Site:
    """A place for one more atom.

    Attributes
    ----------
    position
        Å, shape (3,).
    neighbours
        Indices of the atoms that it touches, ascending.
    misfit
        Root mean square deviation of the distances to these from bond lengths, in bond lengths.
    """

    position: Floats
    neighbours: tuple[int, ...]
    misfit: float


def open_sites(core: Atoms, symbol: str, settings: EditSettings) -> list[Site]:
    """Return the open sites of a core for an atom of an element.

    A site is where the atom has bond lengths to three atoms of which one binds the two others; of
    more contacts the deviations are as small as possible. Bridge and top sites, where they are
    asked for, point away from the neighbours of the atoms they touch. No atom may be too close.

    Parameters
    ----------
    core
        Cluster without cell.
    symbol
        Chemical symbol of the atom that is added.
    settings
        Fewest neighbours, lengths of contacts, smallest distance.

    Returns
    -------
    list of Site
        By decreasing number of neighbours; no two are nearer than 0.5 Å.
    """
    places = core.positions
    lengths = bond_lengths(np.array([atomic_numbers[symbol]]), core.numbers)[0]
    bonded = _bonded(core, settings.contact)
    tried = [_hollow_places(places, lengths, bonded)]
    if settings.fewest_neighbours <= 2:
        tried.append(_bridge_places(places, lengths, bonded))
    if settings.fewest_neighbours == 1:
        tried.append(_top_places(places, lengths, bonded))
    sites: dict[tuple[tuple[int, ...], int], Site] = {}
    for place in _possible(np.concatenate(tried), places, lengths, settings.closest):
        site = _settled(place, places, lengths, settings)
        if site is not None and len(site.neighbours) >= settings.fewest_neighbours:
            known = [key for key in sites if key[0] == site.neighbours]
            if all(_apart(sites[key].position, site.position) for key in known):
                sites[(site.neighbours, len(known))] = site
    return _without_doubles(sorted(sites.values(), key=_order))


def _possible(tried: Floats, places: Floats, lengths: Floats, closest: float) -> Floats:
    """Return the places that are not within atoms, those that nearly coincide once."""
    tree, longest = cKDTree(places), float(lengths.max())
    near = tree.query_ball_point(tried, longest)
    free = [
        _ratios(place, places[own], lengths[own]).min(initial=1.0) > closest - _MARGIN
        for place, own in zip(tried, near, strict=True)
    ]
    kept = tried[np.array(free, dtype=bool)]
    _, first = np.unique(np.round(kept / _SAME), axis=0, return_index=True)
    return kept[np.sort(first)]


def _order(site: Site) -> tuple[int, float, tuple[int, ...]]:
    return -len(site.neighbours), round(site.misfit, 3), site.neighbours


def _apart(one: Floats, other: Floats) -> bool:
    return bool(np.linalg.norm(one - other) > _ONE_SITE)


def _without_doubles(sites: list[Site]) -> list[Site]:
    kept: list[Site] = []
    for site in sites:
        if all(_apart(site.position, other.position) for other in kept):
            kept.append(site)
    return kept


def _bonded(core: Atoms, contact: float) -> NDArray[np.bool_]:
    distances = np.linalg.norm(core.positions[:, None] - core.positions[None], axis=2)
    near = distances <= contact * bond_lengths(core.numbers, core.numbers)
    np.fill_diagonal(near, False)
    return np.asarray(near)


def _settled(place: Floats, places: Floats, lengths: Floats, settings: EditSettings) -> Site | None:
    """Return the site at which a first guess ends; None where an atom is too close."""
    for _ in range(_STEPS):
        touched = np.flatnonzero(_ratios(place, places, lengths) < _TOUCH)
        if len(touched) < 4:
            break  # up to three bond lengths are met exactly
        args = (places[touched], lengths[touched])
        fitted = least_squares(lambda x, y, z: _ratios(x, y, z) - 1.0, place, args=args).x
        moved = np.linalg.norm(fitted - place)
        place = fitted
        if moved < 1e-3:
            break
    ratios = _ratios(place, places, lengths)
    touched = np.flatnonzero(ratios < _TOUCH)
    if not len(touched) or ratios.min() < settings.closest:
        return None
    misfit = float(np.sqrt(np.mean((ratios[touched] - 1.0) ** 2)))
    return Site(place, tuple(touched.tolist()), misfit)


def _ratios(place: Floats, places: Floats, lengths: Floats) -> Floats:
    """Return the distances of a place from atoms, in bond lengths."""
    return np.asarray(np.linalg.norm(places - place, axis=1) / lengths)


def _hollow_places(places: Floats, lengths: Floats, bonded: NDArray[np.bool_]) -> Floats:
    """Return the places with bond lengths to three atoms, of which one binds the two others."""
    triples = _triples(bonded)
    a, b, c = (places[triples[:, k]] for k in range(3))
    r, s, t = (lengths[triples[:, k]] for k in range(3))
    # Intersection of three spheres: in the axes of the triangle, from its first atom.
    d = np.linalg.norm(b - a, axis=1)
    x = (b - a) / d[:, None]
    along = np.einsum("ij,ij->i", x, c - a)
    across = c - a - along[:, None] * x
    e = np.linalg.norm(across, axis=1)
    spanned = e > 1e-6 * d
    y = across / np.where(spanned, e, 1.0)[:, None]
    u = (r**2 - s**2 + d**2) / (2 * d)
    v = (r**2 - t**2 + along**2 + e**2 - 2 * along * u) / (2 * np.where(spanned, e, 1.0))
    height = r**2 - u**2 - v**2
    met = spanned & (height > 0)
    foot = (a + u[:, None] * x + v[:, None] * y)[met]
    up = (np.cross(x, y) * np.sqrt(np.where(met, height, 0.0))[:, None])[met]
    return np.concatenate([foot + up, foot - up])


def _triples(bonded: NDArray[np.bool_]) -> Ints:
    """Return the atoms i < j < k of which one binds the two others, shape (T, 3)."""
    found = {
        tuple(sorted((int(one), middle, int(other))))
        for middle in range(len(bonded))
        for one, other in combinations(np.flatnonzero(bonded[middle]), 2)
    }
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 3)


def _bridge_places(places: Floats, lengths: Floats, bonded: NDArray[np.bool_]) -> Floats:
    """Return the places with bond lengths to two atoms, away from the neighbours of both."""
    found = []
    for one, other in zip(*np.nonzero(np.triu(bonded)), strict=True):
        around = np.flatnonzero(bonded[one] | bonded[other])
        around = around[(around != one) & (around != other)]
        axis = places[other] - places[one]
        distance = float(np.linalg.norm(axis))
        axis = axis / distance
        along = (lengths[one] ** 2 - lengths[other] ** 2 + distance**2) / (2 * distance)
        height = lengths[one] ** 2 - along**2
        outward = _outward(places[one] + along * axis, places[around], axis)
        if height > 0 and outward is not None:
            found.append(places[one] + along * axis + np.sqrt(height) * outward)
    return np.array(found).reshape(-1, 3)


def _top_places(places: Floats, lengths: Floats, bonded: NDArray[np.bool_]) -> Floats:
    """Return the places a bond length from one atom, away from its neighbours."""
    found = []
    for atom, place in enumerate(places):
        outward = _outward(place, places[bonded[atom]], None)
        if outward is not None:
            found.append(place + lengths[atom] * outward)
    return np.array(found).reshape(-1, 3)


def _outward(place: Floats, around: Floats, axis: Floats | None) -> Floats | None:
    """Return the direction away from atoms, normal to an axis; None where they balance.

    Without atoms around, which leave a direction open, it is a fixed one.
    """
    if len(around):
        away = place - around
        direction = (away / np.linalg.norm(away, axis=1)[:, None]).sum(axis=0)
    else:
        direction = np.eye(3)[2 if axis is None else int(np.argmin(np.abs(axis)))]
    if axis is not None:
        direction = direction - (direction @ axis) * axis
    length = float(np.linalg.norm(direction))
    return direction / length if length > 1e-3 else None
