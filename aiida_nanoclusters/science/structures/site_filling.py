"""Which sites of a lattice a cluster of any size occupies, by a Monte Carlo search over sites.

The energy that is lowered is that of a pair potential with a soft core on unrelaxed sites, in units
of the energy of a bond. It orders the ways to fill a lattice well enough that the lowest few of
them, relaxed by the potential that counts, hold the lowest structure of that motif: a search over
sites in the manner of X. Shao, H. Jiang and W. Cai, J. Chem. Inf. Comput. Sci. 44, 193 (2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Random = np.random.Generator

#: Sites nearer than this (bond lengths) exclude each other; bonds of strained motifs are longer.
_EXCLUDED = 0.8
#: Energy of a pair of such sites, in bonds: more than any site gains.
_PENALTY = 20.0
#: Curvature of the soft core: strain relaxes.
_STIFFNESS = 14.0
#: Longest distance that relaxes to a bond, and what it costs to strain a bond, per bond length.
_LONGEST_BOND, _SLOPE = 1.21, 0.5
#: Most weakly bound atoms and best vacancies between which exchanges are compared.
_COMPARED = 6
#: Atoms that one Monte Carlo move takes to other sites, at most.
_MOST_MOVED = 5
#: The same of an exchange, whose result is not lowered.
_MOST_EXCHANGED = 2
#: Temperature of the Metropolis rule, in bonds.
_TEMPERATURE = 0.6
#: Temperatures at which the atoms and vacancies of a move, and of an exchange, are drawn, in bonds.
_SCATTERED, _EXCHANGED = 1.0, 0.4
#: Vacancies that would bind an atom by less, in bonds, are offered to none.
_LEAST_BOUND = 2.0
#: Energies are equal within this, in bonds.
_EQUAL = 1e-6
#: Fillings that differ by less, in bonds, have equally many bonds: one of them is enough.
_TIED = 0.02


@dataclass(frozen=True, eq=False)
class SiteLattice:
    """Sites that clusters of one motif occupy.

    Attributes
    ----------
    motif
        What the filled lattice is, such as ``decahedron``.
    sites
        In bond lengths about the centre, the inner ones first, shape (M, 3).
    core
        The first sites, which are always occupied.
    spread
        Standard deviation, in bond lengths, of the points about which the sites are filled first.
    """

    motif: str
    sites: Floats
    core: int = 0
    spread: float = 0.35


def pair_energies(distances: Floats) -> Floats:
    """Return the energy of each pair of sites, in bonds; 0 on the diagonal.

    A 12-6 potential with its minimum at one bond length and a harmonic core. It is not cut off: its
    tail orders occupations with equally many bonds, such as an icosahedron without some vertices.

    Parameters
    ----------
    distances
        In bond lengths, shape (M, M).
    """
    x = np.maximum(distances, 0.5)
    energies = x**-12.0 - 2 * x**-6.0
    energies = np.where(x < _LONGEST_BOND, np.maximum(-1, -1 + _SLOPE * (x - 1)), energies)
    energies = np.where(x < 1, _STIFFNESS * (1 - x) ** 2 - 1, energies)
    energies[x < _EXCLUDED] = _PENALTY
    np.fill_diagonal(energies, 0.0)
    return np.asarray(energies)


def fill_sites(
    lattice: SiteLattice,
    size: int,
    rng: Random,
    *,
    keep: int = 3,
    starts: int = 4,
    moves: int = 60,
    passed: bool = True,
) -> list[Floats]:
    """Return the lowest ways to occupy a lattice by a cluster, the lowest first.

    Parameters
    ----------
    lattice
        Its sites, some of which may exclude each other.
    size
        Number of atoms.
    rng
        Source of random numbers.
    keep
        How many of different energy.
    starts
        Compact clusters about random points, from which searches begin.
    moves
        Monte Carlo moves of each search, with a descent after each.
    passed
        Whether fillings count that descents pass through. A potential may prefer one of them to the
        lowest of pairs; where many are kept, they crowd out those at which descents end.

    Returns
    -------
    list of numpy.ndarray
        Positions in bond lengths, each of shape (size, 3); none where the sites are too few.
    """
    if not lattice.core < size <= len(lattice.sites):
        return []
    search = _Search(lattice, size, rng, passed)
    for _ in range(starts):
        search.run(moves)
    return [lattice.sites[occupied] for _, occupied in search.lowest(keep)]


def exchange_sites(lattice: SiteLattice, size: int, rng: Random) -> Floats:
    """Return a cluster some of whose weakly bound atoms have moved to vacant sites, wherever.

    Nothing is lowered here: between occupations with equally many bonds pair energies decide by
    their tail, and a potential may decide otherwise.

    Parameters
    ----------
    lattice
        Its first `size` sites are the cluster.
    size
        Number of atoms.
    rng
        Source of random numbers.

    Returns
    -------
    numpy.ndarray
        Positions in bond lengths, shape (size, 3).
    """
    occupied = np.arange(len(lattice.sites)) < size
    _Search(lattice, size, rng).scatter(occupied, _MOST_EXCHANGED, _EXCHANGED)
    return np.asarray(lattice.sites[occupied])


class _Search:
    """A Monte Carlo search over the occupations of one lattice."""

    def __init__(self, lattice: SiteLattice, size: int, rng: Random, passed: bool = False) -> None:
        self._lattice, self._size, self._rng, self._passed = lattice, size, rng, passed
        self._pairs = pair_energies(cdist(lattice.sites, lattice.sites))
        self._movable = np.arange(len(lattice.sites)) >= lattice.core
        self._found: dict[int, tuple[float, Booleans]] = {}

    def run(self, moves: int) -> None:
        """Fill the sites about a random point, descend, and move on from there."""
        occupied = self._compact()
        if occupied is None:
            return
        energy = self._descend(occupied)
        for _ in range(moves):
            tried = occupied.copy()
            self.scatter(tried, _MOST_MOVED, _SCATTERED)
            found = self._descend(tried)
            change = max(found - energy, 0.0)
            if self._rng.random() < np.exp(-change / _TEMPERATURE):
                occupied, energy = tried, found

    def lowest(self, keep: int) -> list[tuple[float, Booleans]]:
        """Return the lowest fillings; of those that nearly tie the lowest only."""
        chosen: list[tuple[float, Booleans]] = []
        for key in sorted(self._found):
            if not chosen or self._found[key][0] - chosen[-1][0] > _TIED:
                chosen.append(self._found[key])
        return chosen[:keep]

    def _compact(self) -> Booleans | None:
        """Occupy the core and, of the sites nearest to a random point, those that fit together."""
        sites, core = self._lattice.sites, self._lattice.core
        away = np.linalg.norm(sites - self._rng.normal(size=3) * self._lattice.spread, axis=1)
        away[:core] = -1.0
        occupied = np.zeros(len(sites), dtype=bool)
        blocked = np.zeros(len(sites), dtype=bool)
        left = self._size
        for site in np.argsort(away, kind="stable"):
            if not blocked[site]:
                occupied[site] = True
                blocked |= self._pairs[site] >= _PENALTY
                left -= 1
                if not left:
                    return occupied
        return None

    def _descend(self, occupied: Booleans) -> float:
        """Exchange atoms and vacancies, in place, while that lowers the energy; return it."""
        at = self._pairs @ occupied
        while pair := self._best_exchange(occupied, at):
            if self._passed:
                self._note(occupied, at)
            leaving, taken = pair
            occupied[leaving], occupied[taken] = False, True
            at += self._pairs[taken] - self._pairs[leaving]
        return self._note(occupied, at)

    def _best_exchange(self, occupied: Booleans, at: Floats) -> tuple[int, int] | None:
        """Return the atom and the vacancy whose exchange lowers the energy most, if any does."""
        atoms = np.flatnonzero(occupied & self._movable)
        vacant = np.flatnonzero(~occupied)
        if not len(atoms) or not len(vacant):
            return None
        atoms = atoms[np.argsort(-at[atoms], kind="stable")[:_COMPARED]]
        vacant = vacant[np.argsort(at[vacant], kind="stable")[:_COMPARED]]
        changes = at[vacant] - self._pairs[np.ix_(atoms, vacant)] - at[atoms][:, None]
        row, column = np.unravel_index(int(changes.argmin()), changes.shape)
        return None if changes[row, column] > -_EQUAL else (int(atoms[row]), int(vacant[column]))

    def _note(self, occupied: Booleans, at: Floats) -> float:
        """Keep a filling, and return its energy."""
        energy = 0.5 * float(at[occupied].sum())
        self._found.setdefault(round(energy / _EQUAL), (energy, occupied.copy()))
        return energy

    def scatter(self, occupied: Booleans, most: int, temperature: float) -> None:
        """Move some weakly bound atoms, in place, to vacancies with bonds."""
        pairs, rng = self._pairs, self._rng
        at = pairs @ occupied
        for _ in range(int(rng.integers(1, most + 1))):
            atoms = np.flatnonzero(occupied & self._movable)
            if not len(atoms):
                return
            leaving = _draw(atoms, at[atoms] / temperature, rng)
            occupied[leaving] = False
            at -= pairs[leaving]
            vacant = np.flatnonzero(~occupied & (at < -_LEAST_BOUND))
            vacant = vacant[vacant != leaving]
            taken = _draw(vacant, -at[vacant] / temperature, rng) if len(vacant) else leaving
            occupied[taken] = True
            at += pairs[taken]


def _draw(sites: npt.NDArray[np.int64], worth: Floats, rng: Random) -> int:
    """Draw one of the sites, with the Boltzmann weights of an energy in kT."""
    weights = np.exp(worth - worth.max())
    return int(rng.choice(sites, p=weights / weights.sum()))
