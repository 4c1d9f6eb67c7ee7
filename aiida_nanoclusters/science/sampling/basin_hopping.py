"""Basin-hopping Monte Carlo: walkers that go from minimum to minimum of clusters of any sizes.

D. J. Wales and J. P. K. Doye, J. Phys. Chem. A 101, 5111 (1997). A walker starts from a random
structure; it perturbs its minimum, has the result relaxed, and moves there by the Metropolis rule.
:class:`BasinHopping` relaxes nothing itself: it is plain and resumable, its proposals depend on
nothing but its state, and those of a walker on nothing but this walker::

    search = BasinHopping("Cu", [13, 38, 55], walkers=4, steps=200, temperature=1500)
    while not search.is_finished:
        search.update({walker: relax(atoms) for walker, atoms in search.next().items()})
    lowest = search.minima(keep=5)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import kB

from aiida_nanoclusters.science.elements import element as look_up
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.minima import Minima, Minimum, refusal
from aiida_nanoclusters.science.moves import angular, part, relocate, shake
from aiida_nanoclusters.science.stages import derive_seed
from aiida_nanoclusters.science.starts import random_cluster

#: Size and number of a walker.
WalkerKey = tuple[int, int]

#: Moves and how often each is made, relative to the others. The published method shakes only.
MOVES = {"shake": 0.5, "angular": 0.1, "relocate": 0.4}
#: The length of shakes changes by this factor after so many of them, within these bond lengths.
ADAPTATION, WINDOW, SHORTEST, LONGEST = 0.9, 10, 0.05, 0.8
#: Random drops that may lie out of bounds before the bounds are said to be too narrow.
_DROPS = 100


def is_accepted(change: float, temperature: float, draw: float) -> bool:
    """Tell whether a walker moves to a minimum, by the rule of Metropolis.

    Parameters
    ----------
    change
        Energy of the new minimum less that of the old one, eV.
    temperature
        K; at 0 only moves downhill or on the level are accepted.
    draw
        Uniform random number in [0, 1).
    """
    if change <= 0:
        return True
    return temperature > 0 and draw < float(np.exp(-change / (kB * temperature)))


@dataclass
class Walker:
    """Where a walker stands.

    Attributes
    ----------
    size, number
        Atoms, and which of the walkers of this size.
    step
        Largest change of a coordinate by a shake, bond lengths.
    done
        Relaxations so far, refused ones included.
    energy, positions
        Of its minimum, eV and Å (N, 3); None before the first.
    accepted, rejected
        Perturbed structures that became its minimum, and that did not.
    refused
        Reason -> relaxations that were of no use.
    window
        Shakes since `step` last changed, and how many of them were accepted.
    """

    size: int
    number: int
    step: float
    done: int = 0
    energy: float | None = None
    positions: list[list[float]] | None = None
    accepted: int = 0
    rejected: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    window: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def name(self) -> str:
        """Short name, unique within a search, such as ``13-002``."""
        return f"{self.size}-{self.number:03d}"

    def adapt(self, accepted: bool, target: float) -> None:
        """Lengthen the shakes where more than the wanted share is accepted, or shorten them."""
        self.window = [self.window[0] + 1, self.window[1] + int(accepted)]
        if self.window[0] == WINDOW:
            longer = self.window[1] > target * WINDOW
            step = self.step / ADAPTATION if longer else self.step * ADAPTATION
            self.step = float(np.clip(step, SHORTEST, LONGEST))
            self.window = [0, 0]


class BasinHopping:
    """Monte Carlo over the minima of clusters of one element.

    Parameters
    ----------
    element
        Chemical symbol.
    sizes
        Numbers of atoms.
    walkers
        Of each size.
    steps
        Relaxations of each walker, the start and failed ones included.
    temperature
        Of the Metropolis rule, K.
    step
        Largest change of a coordinate by the first shakes, bond lengths.
    acceptance
        Share of accepted shakes that the length of the shakes is adapted to; None keeps `step`.
    moves
        Name -> weight: ``shake`` (all coordinates), ``angular`` (badly bound atoms anywhere onto
        the surface), ``relocate`` (one of them to a site with many neighbours).
        ``{"shake": 1}`` is the published method.
    bounds
        In bond lengths: no two atoms nearer than the first, before and after relaxation; no
        group of atoms farther from the rest than the second.
    distance
        Bond length, Å; the crystal's where not given.
    keep
        Lowest minima of each size that are kept; None keeps all.
    seed
        Equal seeds give equal proposals for equal answers.

    Raises
    ------
    ValueError
        A setting that makes no sense; says which and what to give.
    """

    def __init__(
        self,
        element: str,
        sizes: Iterable[int],
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
    ) -> None:
        self._settings: dict[str, Any] = {
            "element": element,
            "sizes": [int(n) for n in sizes],
            "walkers": int(walkers),
            "steps": int(steps),
            "temperature": float(temperature),
            "step": float(step),
            "acceptance": None if acceptance is None else float(acceptance),
            "moves": {name: float(weight) for name, weight in moves.items()},
            "bounds": [float(bound) for bound in bounds],
            "distance": float(distance or look_up(element).nearest_neighbour),
            "keep": keep,
            "seed": int(seed),
        }
        if problem := settings_problem(self._settings):
            raise ValueError(problem)
        self._distance: float = self._settings["distance"]
        self._closest, self._farthest = (b * self._distance for b in self._settings["bounds"])
        self._walkers = {
            (size, number): Walker(size, number, self._settings["step"])
            for size in sorted(self._settings["sizes"])
            for number in range(walkers)
        }
        self._minima = Minima(keep)

    def next(self) -> dict[WalkerKey, Atoms]:
        """Structures to relax now, one of each walker that is not done; the same until `update`.

        ``info`` holds the origin: `config_type`, `parent`, `seed`, `walker`, `step` and `move`.
        """
        return {key: self._propose(self._walkers[key]) for key in self._open()}

    def update(self, results: Mapping[WalkerKey, Atoms | None]) -> None:
        """Take relaxed structures, the energy and forces on their calculators; None: it failed.

        Walkers that are left out wait. A structure without energy, evaporated or collapsed is
        refused: its walker stays where it is and tries something else.

        Raises
        ------
        ValueError
            A walker that waits for nothing, or a structure that is not of its size and element;
            then nothing is taken.
        """
        waiting = set(self._open())
        for key, atoms in results.items():
            if key not in waiting:
                raise ValueError(f"walker {key} waits for nothing: give what `next` asked for")
            symbols = [self._settings["element"]] * key[0]
            if atoms is not None and atoms.get_chemical_symbols() != symbols:
                raise ValueError(f"walker {key} got {atoms.symbols}: give its own structure")
        for key in sorted(results):
            self._take(self._walkers[key], results[key])

    @property
    def is_finished(self) -> bool:
        """Whether every walker has done its steps."""
        return not self._open()

    def minima(self, keep: int | None = None, level_of_theory: str = "") -> Frames:
        """Unlike minima with their labels, sizes and energies ascending.

        ``info`` holds the origin - `parent` is the walker that was there first - and `hits`, how
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
            minimum.atoms(self._settings["element"])
            for size in self._minima.sizes
            for minimum in self._minima.of(size)[:keep]
        ]
        if not found:
            raise ValueError("no minimum so far: every relaxation failed or was refused")
        return Frames.from_atoms(found, level_of_theory=level_of_theory)

    def table(self) -> list[dict[str, Any]]:
        """Return what came of each size, by size.

        Returns
        -------
        list of dict
            ``size``; ``relaxations``; ``refused`` (reason -> number); ``minima`` told apart;
            ``lowest`` (eV, None where there is none); ``hits`` of the lowest, ``found_by``, the
            walker that was there first, and ``found_at``, its relaxation, from 1; ``acceptance``,
            the share of accepted moves; ``step``, the mean length of shakes (bond lengths).
        """
        rows = []
        for size in sorted(self._settings["sizes"]):
            own = [w for w in self._walkers.values() if w.size == size]
            minima = self._minima.of(size)
            accepted, rejected = sum(w.accepted for w in own), sum(w.rejected for w in own)
            refused: dict[str, int] = {}
            for reason, count in (item for w in own for item in w.refused.items()):
                refused[reason] = refused.get(reason, 0) + count
            rows.append(
                {
                    "size": size,
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
        """Everything, JSON-able."""
        return {
            "settings": deepcopy(self._settings),
            "walkers": [asdict(walker) for walker in self._walkers.values()],
            "minima": self._minima.state,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> BasinHopping:
        """Continue from :attr:`state`."""
        search = cls(**state["settings"])
        walkers = [Walker(**deepcopy(walker)) for walker in state["walkers"]]
        search._walkers = {(walker.size, walker.number): walker for walker in walkers}
        search._minima = Minima.from_state(state["minima"], search._settings["keep"])
        return search

    def _open(self) -> list[WalkerKey]:
        return [key for key, w in self._walkers.items() if w.done < self._settings["steps"]]

    def _seed(self, walker: Walker) -> int:
        return derive_seed(self._settings["seed"], walker.size, walker.number, walker.done)

    def _move(self, walker: Walker, rng: np.random.Generator) -> str:
        """Draw the kind of move; a walker without a minimum has but one."""
        weights = self._settings["moves"]
        names = sorted(weights)
        shares = np.array([weights[name] for name in names])
        drawn = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        return drawn if walker.positions is not None else "start"

    def _propose(self, walker: Walker) -> Atoms:
        seed = self._seed(walker)
        rng = np.random.default_rng(seed)
        move, element = self._move(walker, rng), self._settings["element"]
        if move == "start":
            atoms = self._start(walker.size, seed)
        else:
            atoms = Atoms([element] * walker.size, positions=walker.positions)
            if move == "shake":
                moved = shake(atoms, self._distance, walker.step, rng)
            else:
                moved = {"angular": angular, "relocate": relocate}[move](atoms, self._distance, rng)
            atoms.positions = part(moved, self._closest)
        atoms.info.update(
            config_type="minimum",
            parent=f"{element}{walker.name}",
            seed=seed,
            walker=walker.number,
            step=walker.done,
            move=move,
        )
        return atoms

    def _start(self, size: int, seed: int) -> Atoms:
        """Pack a random drop whose distances are within the bounds."""
        for k in range(_DROPS):
            own = derive_seed(seed, k)
            atoms = random_cluster(self._settings["element"], size, self._distance, own)
            if refusal(atoms, self._closest, self._farthest) is None:
                return atoms
        bounds = self._settings["bounds"]
        raise ValueError(f"no random drop of {size} atoms within the bounds {bounds}: widen them")

    def _take(self, walker: Walker, atoms: Atoms | None) -> None:
        seed = self._seed(walker)
        move = self._move(walker, np.random.default_rng(seed))
        found: Minimum | str = "failed"
        if atoms is not None:
            origin = (f"{self._settings['element']}{walker.name}", seed, walker.done, move)
            found = Minimum.read(atoms, self._closest, self._farthest, *origin)
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


def settings_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the settings of a search, all given, and the fix, or None."""
    sizes, moves, bounds = settings["sizes"], settings["moves"], settings["bounds"]
    if not sizes or min(sizes) < 2 or len(set(sizes)) != len(sizes):
        return f"sizes {sizes[:5]}: give numbers of atoms from 2 up, each once"
    for name in ("walkers", "steps"):
        if settings[name] < 1:
            return f"{name} is {settings[name]}: give 1 or more"
    if settings["keep"] is not None and settings["keep"] < 1:
        return f"keep is {settings['keep']}: give 1 or more, or nothing to keep all"
    if settings["temperature"] < 0 or settings["seed"] < 0:
        return "temperature (K) and seed must not be negative"
    if not SHORTEST <= settings["step"] <= LONGEST:
        return f"step is {settings['step']}: give {SHORTEST} to {LONGEST} bond lengths"
    if settings["acceptance"] is not None and not 0 < settings["acceptance"] < 1:
        return f"acceptance is {settings['acceptance']}: give a share between 0 and 1"
    if set(moves) - set(MOVES):
        return f"unknown move in {sorted(moves)}: choose from {', '.join(MOVES)}"
    if min(moves.values(), default=0) < 0 or not sum(moves.values()):
        return f"moves {dict(moves)}: give weights from 0 up, at least one above"
    if len(bounds) != 2 or not 0 < bounds[0] < 0.85 or not bounds[1] > 1.2:
        return f"bounds {list(bounds)}: give two, the first below 0.85, the second above 1.2"
    if settings["distance"] <= 0:
        return f"distance is {settings['distance']}: give the bond length in Å"
    return None
