"""Basin-hopping Monte Carlo: walkers move from minimum to minimum of clusters of any sizes.

D. J. Wales and J. P. K. Doye, J. Phys. Chem. A 101, 5111 (1997). A walker starts from a random
structure; it perturbs its minimum, has the result relaxed, and accepts it by the Metropolis rule.
:class:`BasinHopping` only proposes structures, which the caller relaxes. It can be resumed from its
state, and the proposals of a walker depend on the state of this walker only::

    search = BasinHopping("Cu", [13, 38, 55], walkers=4, steps=200, temperature=1500)
    while not search.is_finished:
        search.update({walker: relax(atoms) for walker, atoms in search.next().items()})
    lowest = search.minima(keep=5)

Clusters of several elements are given by their compositions in place of element and sizes, and
exchange moves find their homotops::

    search = BasinHopping(compositions=["Cu13Ni42"], moves={"shake": 0.5, "exchange": 0.5})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.compositions import mean_bond_length, symbols_of
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.minima import Minima, Minimum, refusal
from aiida_nanoclusters.science.sampling.moves import angular, exchange, part, relocate, shake
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.sampling.settings import MOVES, WalkerSearchSettings
from aiida_nanoclusters.science.sampling.walkers import Walker, WalkerKey, is_accepted
from aiida_nanoclusters.science.structures.starts import random_cluster

#: Random clusters that may violate the bounds before the bounds are reported as too narrow.
_DROPS = 100


class BasinHopping:
    """Monte Carlo over the minima of clusters.

    Parameters
    ----------
    element
        Chemical symbol; with sizes.
    sizes
        Numbers of atoms.
    walkers
        Walkers of each size.
    steps
        Relaxations of each walker, the start and failed ones included.
    temperature
        Temperature of the Metropolis rule, K.
    step
        Largest change of a coordinate by the first shakes, bond lengths.
    acceptance
        Fraction of accepted shakes to which their length is adapted; None keeps `step`.
    moves
        Name -> weight: ``shake`` (all coordinates), ``angular`` (weakly bound atoms anywhere onto
        the surface), ``relocate`` (one of them to a site with many neighbours), ``exchange`` (of
        two atoms of different elements). ``{"shake": 1}`` is the published method.
    bounds
        In bond lengths: no two atoms nearer than the first, before and after relaxation; no
        group of atoms farther from the rest than the second.
    distance
        Bond length, Å; where not given the crystal's, of several elements their mean over the
        atoms.
    keep
        Lowest minima of each size that are kept; None keeps all.
    seed
        Equal seeds give equal proposals for equal answers.
    compositions
        Formulas such as ``Ag13Cu42``, in place of element and sizes.

    Raises
    ------
    ValueError
        A setting out of its limits; the message names it and its limits.
    """

    def __init__(
        self,
        element: str | None = None,
        sizes: Iterable[int] = (),
        walkers: int = 4,
        steps: int = 100,
        *,
        temperature: float = 1500.0,
        step: float = 0.35,
        acceptance: float | None = 0.5,
        moves: Mapping[str, float] = MOVES,
        bounds: Sequence[float] = (0.6, 1.6),
        distance: float | None = None,
        keep: int | None = None,
        seed: int = 0,
        compositions: Iterable[str] = (),
    ) -> None:
        settings = WalkerSearchSettings.from_values(
            element=element,
            sizes=list(sizes),
            walkers=walkers,
            steps=steps,
            temperature=temperature,
            step=step,
            acceptance=acceptance,
            moves=moves,
            bounds=bounds,
            distance=distance or (None if element is None else mean_bond_length([element])),
            keep=keep,
            seed=seed,
            compositions=list(compositions),
        )
        clusters = ("element", "sizes", "distance", "compositions")
        self._settings: dict[str, Any] = settings.model_dump(
            mode="json", exclude={name for name in clusters if not getattr(settings, name)}
        )
        self._symbols = _symbols_by_composition(settings)
        own = [
            Walker(len(symbols), n, settings.step, formula=c if isinstance(c, str) else "")
            for c, symbols in self._symbols.items()
            for n in range(settings.walkers)
        ]
        self._walkers = {walker.key: walker for walker in own}
        self._minima = Minima(settings.keep)

    @property
    def element(self) -> str | None:
        """Chemical symbol; None where the search has compositions."""
        return self._settings.get("element")

    def _name(self, walker: Walker) -> str:
        """Name of a walker, unique within the search."""
        return f"{self.element or ''}{walker.name}"

    def _length(self, walker: Walker) -> float:
        """Bond length, Å."""
        return self._settings.get("distance") or mean_bond_length(self._symbols[walker.key[0]])

    def _limits(self, walker: Walker) -> tuple[float, float]:
        """Shortest distance, and widest gap, Å."""
        length, (closest, farthest) = self._length(walker), self._settings["bounds"]
        return closest * length, farthest * length

    def next(self) -> dict[WalkerKey, Atoms]:
        """Structures to relax now, one of each walker that is not done; the same until `update`.

        ``info`` holds the origin: `config_type`, `parent`, `seed`, `walker`, `step` and `move`.
        """
        return {key: self._propose(self._walkers[key]) for key in self._open()}

    def examples(self) -> list[Atoms]:
        """Of what :meth:`next` returns one structure of each size or composition."""
        keys = {key[0]: key for key in reversed(self._open())}
        return [self._propose(self._walkers[key]) for key in keys.values()]

    def update(self, results: Mapping[WalkerKey, Atoms | None]) -> None:
        """Take relaxed structures, the energy and forces on their calculators; None: it failed.

        Walkers that are left out keep their proposal. A structure without energy, evaporated or
        collapsed is discarded: its walker keeps its minimum and perturbs it again.

        Raises
        ------
        ValueError
            A walker without a proposed structure, or a structure of another size or element; the
            state is then unchanged.
        """
        waiting = set(self._open())
        for key, atoms in results.items():
            if key not in waiting:
                raise ValueError(f"walker {key} has no proposal: use those of `next`")
            if atoms is not None and atoms.get_chemical_symbols() != self._symbols[key[0]]:
                raise ValueError(f"walker {key} got {atoms.symbols}: give its own structure")
        for key in sorted(results):
            self._take(self._walkers[key], results[key])

    @property
    def is_finished(self) -> bool:
        """Whether every walker has done its steps."""
        return not self._open()

    def minima(self, keep: int | None = None, level_of_theory: str = "") -> Frames:
        """Distinct minima with their labels, sizes and energies ascending.

        ``info`` holds the origin - `parent` is the walker that found it first - and `hits`, how
        often the minimum was found.

        Parameters
        ----------
        keep
            Lowest of each size; None: all.
        level_of_theory
            Of the energies.

        Raises
        ------
        ValueError
            No relaxation has succeeded so far.
        """
        found = [
            minimum.atoms(symbols)
            for composition, symbols in self._symbols.items()
            for minimum in self._minima.of(composition)[:keep]
        ]
        if not found:
            raise ValueError("no minimum so far: every relaxation failed or was discarded")
        return Frames.from_atoms(found, level_of_theory=level_of_theory)

    def table(self) -> list[dict[str, Any]]:
        """Return the results of each size, sizes ascending.

        Returns
        -------
        list of dict
            ``size``; of several elements ``formula``; ``relaxations``; ``refused`` (reason ->
            number); distinct ``minima``; ``lowest`` (eV, None where there is none); ``hits`` of the
            lowest, ``found_by``, the walker that found it first, and ``found_at``, its relaxation,
            from 1; ``acceptance``, the fraction of accepted moves; ``step``, the mean length of
            shakes (bond lengths).
        """
        rows = []
        for composition, symbols in self._symbols.items():
            own = [w for w in self._walkers.values() if w.key[0] == composition]
            minima = self._minima.of(composition)
            accepted, rejected = sum(w.accepted for w in own), sum(w.rejected for w in own)
            refused: dict[str, int] = {}
            for reason, count in (item for w in own for item in w.refused.items()):
                refused[reason] = refused.get(reason, 0) + count
            rows.append(
                {
                    "size": len(symbols),
                    **({"formula": composition} if isinstance(composition, str) else {}),
                    "relaxations": sum(w.done for w in own),
                    "refused": dict(sorted(refused.items())),
                    "minima": len(minima),
                    "lowest": minima[0].energy if minima else None,
                    "hits": minima[0].hits if minima else 0,
                    "found_by": minima[0].parent if minima else None,
                    "found_at": minima[0].step + 1 if minima else None,
                    "acceptance": accepted / max(accepted + rejected, 1),
                    "step": float(np.mean([w.step for w in own])),
                }
            )
        return rows

    @property
    def state(self) -> dict[str, Any]:
        """Settings, walkers and minima, JSON-able."""
        return {
            "settings": deepcopy(self._settings),
            "walkers": [walker.as_dict() for walker in self._walkers.values()],
            "minima": self._minima.state,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> BasinHopping:
        """Continue from :attr:`state`."""
        search = cls(**state["settings"])
        walkers = [Walker(**deepcopy(walker)) for walker in state["walkers"]]
        search._walkers = {walker.key: walker for walker in walkers}
        search._minima = Minima.from_state(state["minima"], search._settings["keep"])
        return search

    def _open(self) -> list[WalkerKey]:
        return [key for key, w in self._walkers.items() if w.done < self._settings["steps"]]

    def _seed(self, walker: Walker) -> int:
        own = (walker.size, walker.number, walker.done)
        return derive_seed(self._settings["seed"], *own, *walker.counts)

    def _move(self, walker: Walker, rng: np.random.Generator) -> str:
        """Draw the kind of move; a walker without a minimum only has `start`."""
        weights = dict(self._settings["moves"])
        if len(walker.counts) < 2:
            weights.pop("exchange", None)
        names = sorted(weights)
        shares = np.array([weights[name] for name in names])
        drawn = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        return drawn if walker.positions is not None else "start"

    def _propose(self, walker: Walker) -> Atoms:
        seed = self._seed(walker)
        rng = np.random.default_rng(seed)
        move, length = self._move(walker, rng), self._length(walker)
        if move == "start":
            atoms = self._start(walker, seed)
        else:
            atoms = Atoms(self._symbols[walker.key[0]], positions=walker.positions)
            if move == "shake":
                moved = shake(atoms, length, walker.step, rng)
            elif move == "exchange":
                moved = exchange(atoms, rng)
            else:
                moved = {"angular": angular, "relocate": relocate}[move](atoms, length, rng)
            atoms.positions = part(moved, self._limits(walker)[0])
        atoms.info.update(
            config_type="minimum",
            parent=self._name(walker),
            seed=seed,
            walker=walker.number,
            step=walker.done,
            move=move,
        )
        return atoms

    def _start(self, walker: Walker, seed: int) -> Atoms:
        """Build a random cluster whose distances are within the bounds."""
        symbols = self._symbols[walker.key[0]]
        for k in range(_DROPS):
            own = derive_seed(seed, k)
            atoms = random_cluster(symbols[0], walker.size, self._length(walker), own)
            atoms.symbols = symbols  # positions are random
            if refusal(atoms, *self._limits(walker)) is None:
                return atoms
        bounds = self._settings["bounds"]
        raise ValueError(
            f"no random cluster of {walker.size} atoms within bounds {bounds}: widen them"
        )

    def _take(self, walker: Walker, atoms: Atoms | None) -> None:
        seed = self._seed(walker)
        move = self._move(walker, np.random.default_rng(seed))
        found: Minimum | str = "failed"
        if atoms is not None:
            origin = (self._name(walker), seed, walker.done, move)
            limits = self._limits(walker)
            found = Minimum.read(atoms, *limits, *origin, formula=walker.formula)
        walker.done += 1
        if isinstance(found, str):
            walker.refused[found] = walker.refused.get(found, 0) + 1
            accepted = False
        else:
            self._minima.add(found)
            draw = float(np.random.default_rng([seed, 1]).random())
            change = found.energy - (found.energy if walker.energy is None else walker.energy)
            accepted = is_accepted(change, self._settings["temperature"], draw)
            if accepted:
                walker.energy, walker.positions = found.energy, found.positions
        if move != "start":
            walker.accepted += accepted
            walker.rejected += not accepted
        if move == "shake" and self._settings["acceptance"] is not None:
            walker.adapt(accepted, self._settings["acceptance"])


def _symbols_by_composition(settings: WalkerSearchSettings) -> dict[str | int, list[str]]:
    """Chemical symbols of each cluster; a composition is a size where there is one element."""
    if settings.compositions:
        found = {formula: symbols_of(formula) for formula in settings.compositions}
        return dict(sorted(found.items(), key=lambda item: (len(item[1]), item[0])))
    return {size: [str(settings.element)] * size for size in sorted(settings.sizes)}
