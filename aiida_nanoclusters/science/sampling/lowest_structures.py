"""The lowest structures of many sizes, searched together, from many sources.

The first round relaxes every motif that is compact at a size: fillings of
:func:`~aiida_nanoclusters.science.structures.site_lattices.site_lattices`. Further rounds make
structures from the lowest ones that are known, of the same size and of its neighbours, and spend
more on the sources that found lower ones. A round depends on those before only, so that its
structures can be relaxed side by side::

    search = LowestSearch("Cu", range(7, 81))
    while not search.is_finished:
        search.update({key: relax(atoms) for key, atoms in search.next().items()})
    rows = search.table()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.compositions import mean_bond_length
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.lowest_pool import Pool
from aiida_nanoclusters.science.sampling.lowest_settings import LowestSettings
from aiida_nanoclusters.science.sampling.minima import Minimum
from aiida_nanoclusters.science.sampling.moves import angular, part, shake
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.structures.site_filling import (
    Floats,
    SiteLattice,
    exchange_sites,
    fill_sites,
)
from aiida_nanoclusters.science.structures.site_lattices import cluster_lattice, site_lattices
from aiida_nanoclusters.science.structures.starts import random_cluster

#: Size, and number of the structure in its round.
Key = tuple[int, int]
#: What makes structures; those of the first two need no structure that is known.
MOTIF, RANDOM, NEIGHBOUR, SURFACE, EXCHANGE, SHAKE, ANGULAR = SOURCES = (
    "motif",
    "random",
    "neighbour",
    "surface",
    "exchange",
    "shake",
    "angular",
)
#: Relaxations that each source is credited with before any, so that none is given up.
_CREDIT = 40
#: Iterations by which the atoms of a random cluster part.
_ITERATIONS = 50
#: Lineages of random clusters: the lowest structure of each is kept, and changed further.
_RANDOM_LINEAGES = 6
#: Ways to fill a lattice again among which one is drawn, and how much less often each further one.
_OFFERED, _LESS = 20, 0.85


class LowestSearch:
    """Search the lowest structures of clusters of one element.

    Parameters
    ----------
    element
        Chemical symbol.
    sizes
        Numbers of atoms, each from 2 up.
    settings
        Default: those of :class:`.LowestSettings`.
    distance
        Bond length, Å; default is the crystal's.
    seed
        Equal seeds give equal structures for equal answers.

    Raises
    ------
    ValueError
        If a size is less than 2 or given twice, or there is none.
    """

    def __init__(
        self,
        element: str,
        sizes: Iterable[int],
        settings: LowestSettings | None = None,
        *,
        distance: float | None = None,
        seed: int = 0,
    ) -> None:
        wanted = sorted(int(n) for n in sizes)
        if not wanted or wanted[0] < 2 or len(set(wanted)) != len(wanted):
            raise ValueError(f"sizes {wanted[:5]}: give numbers of atoms from 2 up, each once")
        self.element = element
        self.settings = settings or LowestSettings()
        self.distance = distance or mean_bond_length([element])
        self.seed = seed
        self.round = 0
        self._pools = {size: Pool(self.settings.pool) for size in wanted}
        self._proposed: dict[Key, Atoms] | None = None

    # -- rounds ----------------------------------------------------------------------------

    def next(self) -> dict[Key, Atoms]:
        """Structures to relax now, sizes ascending; the same until :meth:`update`.

        ``info`` holds the origin: `config_type`, `parent` (what it was made of), `seed`, `source`
        and `motif`.
        """
        if self._proposed is None:
            self._proposed = {}
            for size in [] if self.is_finished else self._open():
                structures = self._made(size) if self.round else self._motifs(size)
                self._proposed.update({(size, k): atoms for k, atoms in enumerate(structures)})
        return {key: atoms.copy() for key, atoms in self._proposed.items()}

    def update(self, results: Mapping[Key, Atoms | None]) -> None:
        """Take the relaxed structures of a round, energies on their calculators; None: it failed.

        A structure without an energy, evaporated or collapsed is discarded and counted.

        Raises
        ------
        ValueError
            If a key is none of this round, or a structure has another size or element.
        """
        proposed = self.next()
        for key, atoms in results.items():
            if key not in proposed:
                raise ValueError(f"structure {key} is none of this round: use those of `next`")
            if atoms is not None and atoms.symbols.get_chemical_formula() != (
                proposed[key].symbols.get_chemical_formula()
            ):
                raise ValueError(f"structure {key} became {atoms.symbols}: give its own")
        for size in {key[0] for key in proposed}:
            self._pools[size].begin_round()
        for key in sorted(results):
            self._take(proposed[key], results[key])
        self.round += 1
        self._proposed = None

    @property
    def is_finished(self) -> bool:
        """Whether every size is settled, or all rounds are done."""
        return self.round >= self.settings.rounds or not self._open()

    def _open(self) -> list[int]:
        if not self.round:
            return list(self._pools)
        settled = self.settings.patience, self.settings.hits
        return [size for size, pool in self._pools.items() if not pool.is_settled(*settled)]

    def add(self, structures: Iterable[Atoms], source: str) -> None:
        """Take relaxed structures from elsewhere, such as annealing; those of other sizes are left.

        Parameters
        ----------
        structures
            Energies on their calculators.
        source
            What made them, such as ``annealing``.
        """
        for atoms in structures:
            if len(atoms) in self._pools:
                origin = str(atoms.info.get("parent", "")), int(atoms.info.get("seed", -1))
                lineage = f"{source} {origin[1]}" if origin[1] >= 0 else source
                self._pools[len(atoms)].add(self._read(atoms, *origin, source), source, lineage)

    def _take(self, proposed: Atoms, atoms: Atoms | None) -> None:
        info, pool = proposed.info, self._pools[len(proposed)]
        found: Minimum | str = "failed"
        if atoms is not None:
            found = self._read(atoms, info["parent"], info["seed"], info["source"])
        pool.add(found, info["source"], info["motif"])

    def _read(self, atoms: Atoms, parent: str, seed: int, source: str) -> Minimum | str:
        closest, farthest = (b * self.distance for b in self.settings.bounds)
        return Minimum.read(atoms, closest, farthest, parent, seed, self.round, source)

    # -- structures ------------------------------------------------------------------------

    def _motifs(self, size: int) -> list[Atoms]:
        """Build the motifs of a size: the lowest fillings of each lattice, and random clusters."""
        made = []
        for k, lattice in enumerate(site_lattices(size)):
            seed = self._seed(size, k)
            rng = np.random.default_rng(seed)
            for sites in fill_sites(lattice, size, rng, keep=self.settings.fillings):
                made.append(self._atoms(sites * self.distance, MOTIF, lattice.motif, seed))
        for k in range(max(0, self.settings.batch - len(made))):
            made.append(self._random(size, self._seed(size, 1000 + k)))
        return made

    def _made(self, size: int) -> list[Atoms]:
        """Make the structures of a later round."""
        sources = self._sources(size)
        shares = self._shares(sources)
        made = []
        for k in range(self.settings.batch):
            seed = self._seed(size, k)
            rng = np.random.default_rng(seed)
            source = sources[int(rng.choice(len(sources), p=shares))]
            if source == RANDOM:
                made.append(self._random(size, seed))
            elif source == MOTIF:
                made.append(self._refilled(size, seed, rng))
            elif source in (NEIGHBOUR, SURFACE):
                made.append(self._at_surface(size, source, seed, rng))
            elif source == EXCHANGE:
                made.append(self._exchanged(size, seed, rng))
            else:
                made.append(self._perturbed(size, source, seed, rng))
        return made

    def _sources(self, size: int) -> list[str]:
        """Sources that a size can have: those that change a structure need one."""
        near = self._neighbours(size)
        own = bool(self._pools[size].isomers)
        return [s for s in SOURCES if s in (MOTIF, RANDOM) or (near if s == NEIGHBOUR else own)]

    def _neighbours(self, size: int) -> list[int]:
        """Return the neighbouring sizes of which structures are known."""
        return [n for n in (size - 1, size + 1) if n in self._pools and self._pools[n].isomers]

    def _shares(self, sources: list[str]) -> Any:
        """Share of each source in a round: by the lower structures found per relaxation."""
        gains, tried = dict.fromkeys(SOURCES, 0), dict.fromkeys(SOURCES, 0)
        for pool in self._pools.values():
            for source in SOURCES:
                gains[source] += pool.gains.get(source, 0)
                tried[source] += pool.tried.get(source, 0)
        # What the first round found among motifs says nothing of later fillings.
        gains[MOTIF] = min(gains[MOTIF], 1)
        rates = np.array([(gains[s] + 1) / (tried[s] + _CREDIT) for s in sources])
        shares = 0.5 * rates / rates.sum() + 0.5 / len(rates)
        return shares / shares.sum()

    def _random(self, size: int, seed: int) -> Atoms:
        atoms = random_cluster(self.element, size, self.distance, seed, _ITERATIONS)
        return self._atoms(atoms.positions, RANDOM, f"random {seed % _RANDOM_LINEAGES + 1}", seed)

    def _refilled(self, size: int, seed: int, rng: np.random.Generator) -> Atoms:
        """Fill one of the lattices again."""
        lattices = site_lattices(size)
        lattice = lattices[int(rng.integers(len(lattices)))]
        sites = _draw_filling(lattice, size, rng, moves=100)
        if sites is None:
            return self._random(size, seed)
        return self._atoms(sites * self.distance, MOTIF, lattice.motif, seed)

    def _at_surface(self, size: int, source: str, seed: int, rng: np.random.Generator) -> Atoms:
        """Fill the sites and hollows of an isomer of this size or of a neighbouring one."""
        other = size
        if source == NEIGHBOUR:
            near = self._neighbours(size)
            other = near[int(rng.integers(len(near)))]
        isomer = self._pools[other].draw(rng)
        lattice = cluster_lattice(np.array(isomer.minimum.positions), isomer.lineage)
        sites = _draw_filling(lattice, size, rng, moves=40)
        if sites is None:
            return self._random(size, seed)
        return self._atoms(sites * self.distance, source, isomer.lineage, seed)

    def _exchanged(self, size: int, seed: int, rng: np.random.Generator) -> Atoms:
        """Move atoms of an isomer to vacant sites; half of the time of the lowest, to descend."""
        pool = self._pools[size]
        isomer = pool.isomers[0] if rng.random() < 0.5 else pool.draw(rng)
        lattice = cluster_lattice(np.array(isomer.minimum.positions), isomer.lineage)
        sites = exchange_sites(lattice, size, rng)
        return self._atoms(sites * self.distance, EXCHANGE, isomer.lineage, seed)

    def _perturbed(self, size: int, source: str, seed: int, rng: np.random.Generator) -> Atoms:
        isomer = self._pools[size].draw(rng)
        atoms = Atoms([self.element] * size, positions=isomer.minimum.positions)
        if source == SHAKE:
            moved = shake(atoms, self.distance, self.settings.step, rng)
        else:
            moved = angular(atoms, self.distance, rng)
        return self._atoms(moved, source, isomer.lineage, seed)

    def _atoms(self, positions: Any, source: str, motif: str, seed: int) -> Atoms:
        separate = part(np.asarray(positions), self.settings.bounds[0] * self.distance)
        atoms = Atoms([self.element] * len(separate), positions=separate - separate.mean(axis=0))
        parent = f"{self.element}{len(atoms)}-{motif}"
        atoms.info.update(config_type="minimum", parent=parent, seed=seed)
        atoms.info.update(source=source, motif=motif)
        return atoms

    def _seed(self, size: int, number: int) -> int:
        return derive_seed(self.seed, size, self.round, number)

    # -- results ---------------------------------------------------------------------------

    def minima(self, keep: int = 1, level_of_theory: str = "") -> Frames:
        """Return the lowest distinct isomers of each size, sizes and energies ascending.

        Raises
        ------
        ValueError
            If no relaxation has succeeded so far.
        """
        found = [
            isomer.minimum.atoms([self.element] * size)
            for size, pool in self._pools.items()
            for isomer in pool.isomers[:keep]
        ]
        if not found:
            raise ValueError("no minimum so far: every relaxation failed or was discarded")
        return Frames.from_atoms(found, level_of_theory=level_of_theory)

    def table(self) -> list[dict[str, Any]]:
        """Return the result of each size, sizes ascending.

        Returns
        -------
        list of dict
            ``size``; ``lowest`` (eV, None where there is none); ``motif`` of what it was made from;
            ``found_by``, the source that found it first, and ``found_in``, its round from 0;
            ``hits``, the lineages in which it was found, by source; ``chance_of_lower``,
            see :func:`.chance_of_lower`; ``energies``, the lowest of each source (eV);
            ``relaxations`` and ``refused`` (reason -> number).
        """
        return [{"size": size, **pool.row()} for size, pool in self._pools.items()]

    @property
    def state(self) -> dict[str, Any]:
        """Settings and pools, JSON-able."""
        return {
            "element": self.element,
            "sizes": list(self._pools),
            "settings": self.settings.model_dump(mode="json"),
            "distance": self.distance,
            "seed": self.seed,
            "round": self.round,
            "pools": [pool.state for pool in self._pools.values()],
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], proposed: Iterable[Atoms] | None = None
    ) -> LowestSearch:
        """Continue from :attr:`state`.

        Parameters
        ----------
        state
            Of a search.
        proposed
            What :meth:`next` gave in that state, in that order; makes it again where left out.
        """
        search = cls(
            state["element"],
            state["sizes"],
            LowestSettings(**state["settings"]),
            distance=state["distance"],
            seed=state["seed"],
        )
        search.round = state["round"]
        pools = (Pool.from_state(deepcopy(own), search.settings.pool) for own in state["pools"])
        search._pools = dict(zip(state["sizes"], pools, strict=True))
        if proposed is not None:
            search._proposed, counts = {}, dict.fromkeys(state["sizes"], 0)
            for atoms in proposed:
                search._proposed[len(atoms), counts[len(atoms)]] = atoms
                counts[len(atoms)] += 1
        return search


def _draw_filling(
    lattice: SiteLattice, size: int, rng: np.random.Generator, moves: int
) -> Floats | None:
    """Fill a lattice, and draw one of the lowest ways; None where it has too few sites."""
    passed = bool(rng.random() < 0.5)
    fillings = fill_sites(lattice, size, rng, keep=_OFFERED, starts=1, moves=moves, passed=passed)
    if not fillings:
        return None
    weights = _LESS ** np.arange(len(fillings))
    return fillings[int(rng.choice(len(fillings), p=weights / weights.sum()))]
