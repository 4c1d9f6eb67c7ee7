"""Which clusters to relax to determine the size of the crossover at the lowest cost.

:class:`CrossoverSearch` starts with a few small sizes of every family, fits, finds the crossing,
and then proposes the sizes that narrow it most for their cost, until the interval is as narrow as
required. It can be resumed from its state, on which alone its proposals depend::

    search = CrossoverSearch({"icosahedron": [147, 309, ...], "truncated octahedron": [201, ...]})
    while not search.is_finished:
        search.update({(motif, size): relax(motif, size) for motif, size in search.next()})
    print(search.result().describe())
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aiida_nanoclusters.science.stability.crossing import Crossing, find_crossing, two_sides
from aiida_nanoclusters.science.stability.elasticity import Crystal
from aiida_nanoclusters.science.stability.expansion import FamilyFits, fit_families
from aiida_nanoclusters.science.stability.gain import (
    relaxation_cost,
    squared_half_width,
    t_factor,
)
from aiida_nanoclusters.science.stability.informed import strain_energies
from aiida_nanoclusters.science.stability.least_squares import FEWEST_SIZES, select_terms
from aiida_nanoclusters.science.stability.settings import CrossoverSettings, SearchSettings
from aiida_nanoclusters.science.structures.motifs import motif_family

Cluster = tuple[str, int]

#: First sizes: the available ones nearest to n_min times these.
START = (1, 2, 4, 8)
#: A size may be at most this many times the family's largest relaxed one: early fits are rough.
GROWTH = 4.0
#: "No crossing below n_max" is accepted from fits that reach at least n_max divided by this.
EXTRAPOLATION = 3.0
#: Degrees of freedom that each fit needs before its error bar is trusted to end the search.
MIN_DOF = 2
#: Once the fits contribute less than this fraction of the interval, more sizes cannot narrow it.
NEGLIGIBLE = 1 / 3


class CrossoverSearch:
    """Adaptive search for the size at which crystals become lower in energy.

    Parameters
    ----------
    families
        Motif -> sizes (atoms) of the closed-shell clusters that can be built.
    n_min, n_max
        Range of sizes (atoms) of the answer and of the clusters, default from 100 to the largest
        available.
    settings
        All others of :class:`~aiida_nanoclusters.science.stability.settings.SearchSettings`.

    Raises
    ------
    ValueError
        A side without motifs, a family without sizes in the range, or a setting out of its limits;
        the message names the fix.

    Examples
    --------
    >>> from aiida_nanoclusters.science.stability.least_squares import design
    >>> families = {"icosahedron": [147, 309, 561, 923, 1415, 2057, 2869, 3871],
    ...             "truncated octahedron": [201, 586, 1289, 2406, 4033]}
    >>> model = {"icosahedron": [-3.491, 2.41, 0, 0], "truncated octahedron": [-3.5, 2.5, 0, 0]}
    >>> search = CrossoverSearch(families)
    >>> while not search.is_finished:
    ...     search.update({(m, n): design(n) @ model[m] for m, n in search.next()})
    >>> round(search.result().size), len(search.relaxed)  # exactly (0.09 / 0.009)^3
    (1000, 10)
    """

    def __init__(
        self,
        families: Mapping[str, Iterable[int]],
        n_min: int = 100,
        n_max: int | None = None,
        **settings: Any,
    ) -> None:
        sizes = {motif: sorted({int(n) for n in ns}) for motif, ns in families.items()}
        largest = max((max(ns, default=0) for ns in sizes.values()), default=0)
        limits = (int(n_min), largest if n_max is None else int(n_max))
        given = SearchSettings.from_values(n_min=limits[0], n_max=limits[1], **settings)
        self._sizes = {
            motif: [n for n in ns if limits[0] <= n <= limits[1]] for motif, ns in sizes.items()
        }
        if empty := [motif for motif, ns in self._sizes.items() if not ns]:
            raise ValueError(
                f"{', '.join(empty)}: no size between {limits[0]} and {limits[1]}; leave the "
                "family out or widen the range"
            )
        self._cluster, self._crystal = two_sides(list(sizes), given.cluster, given.crystal)
        self._settings = given.model_copy(
            update={"cluster": self._cluster, "crystal": self._crystal}
        )
        known = given.crystal_properties
        self._known = None if known is None else Crystal(**{k: tuple(v) for k, v in known.items()})
        self._results: dict[Cluster, list[float] | None] = {}  # None: failed
        self._planned: tuple[list[Cluster], str] | None = None

    def next(self) -> list[Cluster]:
        """Clusters to relax now; the same until :meth:`update`, empty when finished."""
        return list(self._plan()[0])

    def update(self, results: Mapping[Cluster, ArrayLike]) -> None:
        """Take relaxed total energies (eV): a number, or (M,) from a committee.

        An energy that is not finite marks the cluster as failed: it is not proposed again. A
        cluster that comes twice counts once, with its latest energy.

        Raises
        ------
        ValueError
            A cluster that is not in the families, or a committee of another size than before.
        """
        taken = dict(self._results)
        for (motif, size), energy in results.items():
            if int(size) not in self._sizes.get(motif, ()):
                raise ValueError(f"{motif} of {size} atoms is not among the families' sizes")
            values = np.ravel(np.asarray(energy, dtype=float))
            taken[motif, int(size)] = values.tolist() if np.isfinite(values).all() else None
        if len({len(values) for values in taken.values() if values is not None}) > 1:
            raise ValueError("every cluster needs one energy from each member of the committee")
        self._results, self._planned = taken, None

    @property
    def is_finished(self) -> bool:
        """Whether the search has ended."""
        return not self._plan()[0]

    @property
    def reason(self) -> str:
        """Why the search has finished, or what it does next, in words."""
        return self._plan()[1]

    @property
    def relaxed(self) -> list[Cluster]:
        """Clusters with energies, by motif and size."""
        return sorted(key for key, values in self._results.items() if values is not None)

    @property
    def failed(self) -> list[Cluster]:
        """Clusters whose relaxation failed."""
        return sorted(key for key, values in self._results.items() if values is None)

    @property
    def spent(self) -> int:
        """Atoms in all clusters relaxed so far, failed ones included."""
        return sum(size for _, size in self._results)

    def fits(self) -> FamilyFits:
        """Fits of the families that have enough relaxed sizes.

        Raises
        ------
        ValueError
            A side has no family with enough sizes; says how many more are missing.
        """
        data: dict[str, tuple[ArrayLike, ArrayLike]] = {}
        missing: dict[str, str] = {}
        for motif in self._sizes:
            sizes = self._done(motif)
            try:
                select_terms(len(sizes), fixed_bulk=motif in self._settings.bulk_energy)
            except ValueError as error:
                missing[motif] = str(error)
                continue
            data[motif] = (sizes, np.array([self._results[motif, n] for n in sizes], dtype=float))
        for side in (self._cluster, self._crystal):
            if not set(side) & set(data):
                raise ValueError("; ".join(f"{motif}: {missing[motif]}" for motif in side))
        return fit_families(
            data,
            n_min=self._settings.n_min,
            bulk_energy={m: v for m, v in self._settings.bulk_energy.items() if m in data},
            shared_bulk=[m for m in self._settings.shared_bulk if m in data],
            bulk_crystal=self._known,
            bounded=self._settings.bounded,
        )

    def result(self) -> Crossing:
        """Crossing from the clusters relaxed so far.

        Raises
        ------
        ValueError
            Too few sizes so far to fit either side.
        """
        return self._crossing(self.fits())

    def strain_energies(self) -> dict[str, dict[str, float]]:
        """Return :func:`.informed.strain_energies`; empty where the crystal is not known."""
        return {} if self._known is None else strain_energies(self.fits().fits, self._known)

    @property
    def state(self) -> dict[str, Any]:
        """Settings, results and what to relax next, JSON-able."""
        return {
            "settings": {
                "families": {motif: list(sizes) for motif, sizes in self._sizes.items()},
                **self._settings.model_dump(mode="json"),
            },
            "results": [[m, n, self._results[m, n]] for m, n in sorted(self._results)],
            "plan": {"clusters": [list(cluster) for cluster in self.next()], "reason": self.reason},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CrossoverSearch:
        """Continue from :attr:`state`; an earlier version's, without plan, is planned anew.

        Its fits are those of that version: without what is known of the crystal.
        """
        search = cls(**{"bounded": False, **state["settings"]})
        search._results = {(motif, size): values for motif, size, values in state["results"]}
        if (plan := state.get("plan")) is not None:
            search._planned = [(motif, size) for motif, size in plan["clusters"]], plan["reason"]
        return search

    def _done(self, motif: str) -> list[int]:
        return [n for n in self._sizes[motif] if self._results.get((motif, n)) is not None]

    def _open(self, motif: str, pending: Sequence[Cluster] = ()) -> list[int]:
        """Sizes that can still be proposed within the budget."""
        left = np.inf if self._settings.budget is None else self._settings.budget - self.spent
        left -= sum(n for _, n in pending)
        return [
            n
            for n in self._sizes[motif]
            if (motif, n) not in self._results and (motif, n) not in pending and n <= left
        ]

    def _crossing(self, fits: FamilyFits, *, fit_only: bool = False) -> Crossing:
        return find_crossing(
            fits,
            self._settings.n_min,
            self._settings.n_max,
            cluster=[m for m in self._cluster if m in fits.fits],
            crystal=[m for m in self._crystal if m in fits.fits],
            confidence=self._settings.confidence,
            systematic_mev=0.0 if fit_only else self._settings.systematic_mev,
            committee=not fit_only,
            atomic_volume=self._settings.atomic_volume,
            n_samples=self._settings.n_samples,
            seed=self._settings.seed,
        )

    def _plan(self) -> tuple[list[Cluster], str]:
        if self._planned is None:
            self._planned = self._decide()
        return self._planned

    def _decide(self) -> tuple[list[Cluster], str]:
        """Next batch and its reason, or an empty batch and why the search ends."""
        if start := self._start():
            return start, "first sizes of every family"
        try:
            fits = self.fits()
        except ValueError as error:
            return [], f"no size left to relax: {error}"
        answer, own = self._crossing(fits), self._crossing(fits, fit_only=True)
        edge = self._settings.n_max if own.probability_beyond > 0.5 else self._settings.n_min
        target = float(edge if own.size is None else own.size)
        relevant = self._relevant(fits, target)
        needed = self._needed(fits, relevant, target, crosses=own.size is not None)
        if not needed:
            closed = np.isfinite(answer.half_width)
            enough = NEGLIGIBLE * answer.half_width if closed else self._settings.width
            if answer.half_width <= self._settings.width:
                return [], f"interval is within {100 * self._settings.width:.3g} %"
            if own.half_width <= enough:
                return [], "the potential's own uncertainty limits the interval, not the sizes"
            if own.verdict in ("no crossing below n_max", "always crystal"):
                return [], own.verdict
        batch = needed[: self._settings.batch]
        while len(batch) < self._settings.batch and (
            best := self._best(fits, relevant, target, batch)
        ):
            batch.append(best)
        if batch:
            return batch, f"narrow the interval around N = {target:.0f}"
        return [], "no size left to relax within the range and the budget"

    def _start(self) -> list[Cluster]:
        """First sizes of each family, from n_min up; failed ones are replaced."""
        batch: list[Cluster] = []
        for motif in self._sizes:
            done, used = self._done(motif), set[int]()
            for factor in START:
                own = [n for m, n in batch if m == motif]
                candidates = {*self._open(motif, batch), *done} - used
                if len(done) + len(own) >= len(START) or not candidates:
                    break
                goal = np.log(self._settings.n_min * factor)
                near = min(candidates, key=lambda n: (abs(np.log(n) - goal), n))
                used.add(near)
                if near not in done:
                    batch.append((motif, near))
        return batch

    def _relevant(self, fits: FamilyFits, target: float) -> list[str]:
        """Motifs that may be the lowest of their side at the target size."""
        relevant = []
        for side in (self._cluster, self._crystal):
            bounds = {}
            for motif in (m for m in side if m in fits.fits):
                energy, error = fits.fits[motif].predict(target)
                reach = t_factor(fits.fits[motif].dof, self._settings.confidence) * error
                bounds[motif] = (float(energy - reach), float(energy + reach))
            ceiling = min(high for _, high in bounds.values())
            relevant += [motif for motif, (low, _) in bounds.items() if low <= ceiling]
        return relevant

    def _needed(
        self, fits: FamilyFits, relevant: Sequence[str], target: float, *, crosses: bool
    ) -> list[Cluster]:
        """Sizes without which the interval is not reliable, however narrow it is."""
        needed: list[Cluster] = []
        far = self._settings.n_max / EXTRAPOLATION
        for motif in relevant:
            done, candidates = self._done(motif), self._open(motif, needed)
            above = [n for n in candidates if n > done[-1]]
            below = [n for n in candidates if n < done[0]]
            pick: int | None = None
            if crosses and done[-1] < target and above:  # bracket it from both sides
                pick = min((n for n in above if n >= target), default=above[-1])
            elif done[0] > target and below:
                pick = max((n for n in below if n <= target), default=below[0])
            elif not crosses and target == self._settings.n_max and above and done[-1] < far:
                goal = np.log(min(GROWTH * done[-1], far))
                pick = min(above, key=lambda n: abs(np.log(n) - goal))
            elif fits.fits[motif].dof < MIN_DOF and candidates:
                best = self._best(fits, [motif], target, needed)
                pick = None if best is None else best[1]
            if pick is not None:
                needed.append((motif, pick))
        return needed

    def _best(
        self, fits: FamilyFits, motifs: Sequence[str], target: float, pending: Sequence[Cluster]
    ) -> Cluster | None:
        """Size that lowers the squared half-width of dE/N at the target most for its cost."""
        best: Cluster | None = None
        best_gain = 0.0
        for motif in motifs:
            sizes = self._done(motif) + [n for m, n in pending if m == motif]
            candidates = self._open(motif, pending)
            reachable = [n for n in candidates if n <= GROWTH * max(sizes)] or candidates[:1]
            confidence = self._settings.confidence
            before = squared_half_width(fits.fits[motif], sizes, target, confidence)
            for n in reachable:
                after = squared_half_width(fits.fits[motif], [*sizes, n], target, confidence)
                gain = (before - after) / float(relaxation_cost(n))
                if gain > best_gain:
                    best, best_gain = (motif, n), gain
        return best


def families_problem(settings: CrossoverSettings) -> str | None:
    """Return why a search could not fit both sides whatever it relaxes, or None.

    The sizes of Wulff polyhedra depend on the potential: they are not counted.

    Parameters
    ----------
    settings
        Of the whole search: families, shape, range of sizes.
    """
    counts = {
        motif: len(motif_family(motif, settings.n_min, settings.n_max, shape=settings.shape))
        for motif in settings.families
        if motif != "Wulff"
    }
    for side in two_sides(settings.families):
        if all(counts.get(motif, FEWEST_SIZES) < FEWEST_SIZES for motif in side):
            found = ", ".join(f"{counts[motif]} of {motif}" for motif in side)
            return (
                f"too few closed shells from {settings.n_min} to {settings.n_max} atoms ({found}; "
                f"{FEWEST_SIZES} are needed): raise `n_max`, or give `shape: best`"
            )
    return None
