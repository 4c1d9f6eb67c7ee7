"""Bond orders, charges and unpaired electrons of a ligand from who is bonded to whom.

An integer program in the manner of M. Froeyen and P. Herdewijn, J. Chem. Inf. Model. 45, 1267
(2005): each atom takes one of the valences of its element, each bond between heavy atoms an order
of one to three, and the unusual has a price. What is added here is that an atom which binds to a
metal may keep an unpaired electron: a thiolate is a radical with one on sulfur, an N-heterocyclic
carbene has two on carbon, a phosphine none. The time grows gently with size, where an enumeration
of all valences grows as a power.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

#: Valences of the elements: (valence, formal charge, price).
_STATES: dict[str, tuple[tuple[int, int, float], ...]] = {
    "H": ((1, 0, 0.0),),
    "B": ((3, 0, 0.0), (4, -1, 1.0)),
    "C": ((4, 0, 0.0),),
    "N": ((3, 0, 0.0), (4, 1, 1.5), (2, -1, 1.5)),
    "O": ((2, 0, 0.0), (1, -1, 1.0), (3, 1, 1.5)),
    "F": ((1, 0, 0.0),),
    "Si": ((4, 0, 0.0),),
    "P": ((3, 0, 0.0), (5, 0, 0.5), (4, 1, 2.0), (2, -1, 4.0)),
    "S": ((2, 0, 0.0), (4, 0, 0.5), (6, 0, 0.5), (1, -1, 1.5), (3, 1, 3.0)),
    "Cl": ((1, 0, 0.0), (3, 0, 1.0), (5, 0, 1.0), (7, 0, 1.0)),
}
_LIKE = {
    **dict.fromkeys(("As", "Sb"), "P"),
    **dict.fromkeys(("Se", "Te"), "S"),
    **dict.fromkeys(("Br", "I", "At"), "Cl"),
    "Ge": "Si",
}
#: A carbon atom with a single neighbour, negative: carbon monoxide and isocyanides.
_TERMINAL_CARBON = (3, -1, 1.5)
#: A nitrogen atom with an oxygen atom at its end, as N(V); it is written with charges in the end,
#: as in a nitro group, which cost nothing then.
_OXIDISED_NITROGEN = (5, 0, 0.3)
#: Price of an unpaired electron: the more acidic the atom with hydrogen, the lower.
_UNPAIRED = {
    **dict.fromkeys(("S", "Se", "Te", "F", "Cl", "Br", "I", "At"), 1.0),
    **dict.fromkeys(("O",), 1.5),
    **dict.fromkeys(("N", "P", "As"), 2.0),
}
#: The same on carbon with at most two neighbours, alkynyl or aryl, and on all other atoms.
_UNPAIRED_CARBON, _UNPAIRED_ELSE = 1.8, 3.0
#: Price of a unit of net charge, of an unpaired electron on an atom within two bonds of one that
#: binds, beside its own, and of one on any other atom.
_NET_CHARGE, _NEAR, _NOT_BINDING = 2.0, 0.5, 100.0
#: Elements among which unpaired electrons may move: thiocyanate binds by either end.
_AMBIDENT = frozenset({"N", "O", "S", "Se", "Te"})
_MOST_SECONDS = 20.0
#: Solutions of equal price that are compared for the one that is written.
MOST_FORMS = 12
_SAME = 1e-6


class BondOrderError(ValueError):
    """No bond orders satisfy the valences; the message names the atom or the reason."""


@dataclass(frozen=True)
class BondOrders:
    """Bond orders of a ligand of n atoms with b bonds.

    Attributes
    ----------
    orders
        Of each bond, in the order in which the bonds were given, (b,).
    charges, unpaired
        Formal charge and unpaired electrons of each atom, (n,).
    price
        The lower, the more usual.
    """

    orders: tuple[int, ...]
    charges: tuple[int, ...]
    unpaired: tuple[int, ...]
    price: float


def bond_orders(
    numbers: Sequence[int], bonds: Sequence[tuple[int, int]], binding: Collection[int]
) -> list[BondOrders]:
    """Return the bond orders of lowest price; several where unpaired electrons may lie elsewhere.

    Those of a triazolide may lie on any of three nitrogen atoms. The number of unpaired electrons
    is that of the atoms which bind; where they lie is not, so that the result does not depend on
    which atoms touch a metal.

    Parameters
    ----------
    numbers
        Atomic numbers, (n,); all hydrogen atoms are there.
    bonds
        Pairs of bonded atoms, (b, 2).
    binding
        Atoms that bind to a metal.

    Raises
    ------
    BondOrderError
        If there are none, or they were not found within 20 s.
    """
    program = _Program(numbers, bonds)
    best = program.solve({*binding})
    electrons = sum(best.unpaired)
    free = {k for k, number in enumerate(numbers) if chemical_symbols[number] in _AMBIDENT}
    if not electrons or not _spots(best) <= free:
        return [best]
    found = [program.solve(free, electrons)]
    seen = [_spots(found[0])]
    while len(found) < MOST_FORMS and len(free) > len(seen[0]):
        try:
            other = program.solve(free, electrons, without=seen)
        except BondOrderError:
            break
        if other.price > found[0].price + _SAME:
            break
        found.append(other)
        seen.append(_spots(other))
    return found


def _spots(form: BondOrders) -> set[int]:
    return {k for k, count in enumerate(form.unpaired) if count}


class _Rows:
    """Linear constraints as they are collected."""

    def __init__(self) -> None:
        self._rows: list[dict[int, float]] = []
        self._least: list[float] = []
        self._most: list[float] = []

    def add(self, row: dict[int, float], least: float, most: float) -> None:
        """Add bounds of a sum of variables, each with its factor."""
        self._rows.append(row)
        self._least.append(least)
        self._most.append(most)

    def constraint(self, size: int) -> LinearConstraint:
        """Return all of them for so many variables."""
        entries = [(r, c, x) for r, row in enumerate(self._rows) for c, x in row.items()]
        r, c, x = zip(*entries, strict=True)
        matrix = coo_array((x, (r, c)), shape=(len(self._rows), size)).tocsr()
        return LinearConstraint(matrix, np.array(self._least), np.array(self._most))


class _Program:
    """The integer program of a ligand; variables are bonds, valences, electrons, net charge."""

    def __init__(self, numbers: Sequence[int], bonds: Sequence[tuple[int, int]]) -> None:
        self.symbols = [chemical_symbols[k] for k in numbers]
        self.bonds = list(bonds)
        self.neighbours = [0] * len(self.symbols)
        for a, b in self.bonds:
            self.neighbours[a] += 1
            self.neighbours[b] += 1
        self.heavy = [k for k, symbol in enumerate(self.symbols) if symbol != "H"]
        self.oxidised = {
            one
            for pair in self.bonds
            for one, other in (pair, pair[::-1])
            if self.symbols[one] == "N" and self.symbols[other] == "O"
            if self.neighbours[other] == 1
        }
        if any(s == "H" and self.neighbours[k] > 1 for k, s in enumerate(self.symbols)):
            raise BondOrderError("a hydrogen atom has two bonds")
        self.multiple = [
            b
            for b, (i, j) in enumerate(self.bonds)
            if self.symbols[i] != "H" and self.symbols[j] != "H"
        ]
        self.states = [(k, *state) for k in self.heavy for state in self._states_of(k)]
        # Where bonds, states, electrons, places of electrons and the net charge begin.
        counts = (len(self.multiple), len(self.states), len(self.heavy), len(self.heavy))
        self.offsets = [sum(counts[:k]) for k in range(5)]

    def _states_of(self, k: int) -> list[tuple[int, int, float]]:
        symbol = self.symbols[k]
        known = _STATES.get(_LIKE.get(symbol, symbol))
        if known is None:
            raise BondOrderError(f"ligands with {symbol} are not known")
        states = list(known)
        if symbol == "C" and self.neighbours[k] == 1:
            states.append(_TERMINAL_CARBON)
        if k in self.oxidised:
            states.append(_OXIDISED_NITROGEN)
        possible = [state for state in states if state[0] >= self.neighbours[k]]
        if not possible:
            raise BondOrderError(f"{symbol} has {self.neighbours[k]} bonds")
        return possible

    def solve(
        self,
        may_be_unpaired: set[int],
        electrons: int | None = None,
        without: Sequence[Collection[int]] = (),
    ) -> BondOrders:
        """Return the solution of lowest price.

        Parameters
        ----------
        may_be_unpaired
            Atoms whose unpaired electrons cost little.
        electrons
            Number of unpaired electrons, where it is given.
        without
            Sets of atoms with unpaired electrons that are not wanted.
        """
        _, _, r0, y0, _ = self.offsets
        rows = self._valence_rows()
        if electrons is not None:
            rows.add({r0 + v: 1.0 for v in range(len(self.heavy))}, electrons, electrons)
        for spots in without:
            row = {y0 + v: -1.0 if k in spots else 1.0 for v, k in enumerate(self.heavy)}
            rows.add(row, 1 - len(spots), np.inf)
        cost, upper = self._prices(may_be_unpaired)
        found = milp(
            cost,
            constraints=rows.constraint(len(cost)),
            integrality=np.ones(len(cost)),
            bounds=Bounds(np.zeros(len(cost)), upper),
            options={"time_limit": _MOST_SECONDS},
        )
        if found.x is None or found.status == 1:
            late = found.status == 1
            raise BondOrderError("not found in time" if late else "no valences fit its bonds")
        return self._read(np.rint(found.x).astype(np.int64), float(found.fun))

    def _prices(self, may_be_unpaired: set[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the price of each variable and its largest value."""
        e0, s0, r0, y0, q0 = self.offsets
        cost, upper = np.zeros(q0 + 2), np.ones(q0 + 2)
        upper[e0:s0], upper[r0:y0], upper[q0:] = 2, 3, np.inf
        near = self._near(may_be_unpaired)
        cost[s0:r0] = [price for *_, price in self.states]
        cost[r0:y0] = [self._electron(k, may_be_unpaired, near) for k in self.heavy]
        cost[q0:] = _NET_CHARGE
        return cost, upper

    def _valence_rows(self) -> _Rows:
        """Return what holds of every solution: valences are filled, the net charge is counted."""
        e0, s0, r0, y0, q0 = self.offsets
        rows = _Rows()
        filled: dict[int, dict[int, float]] = {k: {} for k in self.heavy}
        single: dict[int, dict[int, float]] = {k: {} for k in self.heavy}
        charged: dict[int, dict[int, float]] = {k: {} for k in self.heavy}
        for v, b in enumerate(self.multiple):
            for k in self.bonds[b]:
                filled[k][e0 + v] = 1.0
        for v, (k, valence, charge, _) in enumerate(self.states):
            filled[k][s0 + v] = -float(valence)
            single[k][s0 + v] = 1.0
            if charge:
                charged[k][s0 + v] = 3.0
        for v, k in enumerate(self.heavy):
            filled[k][r0 + v] = 1.0
            rows.add(filled[k], -self.neighbours[k], -self.neighbours[k])
            rows.add(single[k], 1, 1)
            rows.add({r0 + v: 1.0, y0 + v: -3.0}, -np.inf, 0)  # y is 1 where electrons are
            rows.add({r0 + v: 1.0, y0 + v: -1.0}, 0, np.inf)
            rows.add({r0 + v: 1.0} | charged[k], -np.inf, 3)  # no electrons on charged atoms
        net = {s0 + v: float(charge) for v, (_, _, charge, _) in enumerate(self.states) if charge}
        rows.add({**net, q0: -1.0, q0 + 1: 1.0}, 0, 0)
        return rows

    def _electron(self, k: int, may_be_unpaired: set[int], near: set[int]) -> float:
        symbol = self.symbols[k]
        few = symbol == "C" and self.neighbours[k] <= 2
        own = _UNPAIRED_CARBON if few else _UNPAIRED.get(symbol, _UNPAIRED_ELSE)
        if k in may_be_unpaired:
            return own
        return own + _NEAR if k in near and symbol in _AMBIDENT else _NOT_BINDING

    def _near(self, atoms: set[int]) -> set[int]:
        """Return the atoms within two bonds of some."""
        reached = set(atoms)
        for _ in range(2):
            reached |= {k for pair in self.bonds if set(pair) & reached for k in pair}
        return reached

    def _read(self, x: NDArray[np.int64], price: float) -> BondOrders:
        e0, s0, r0, *_ = self.offsets
        orders = [1] * len(self.bonds)
        for v, b in enumerate(self.multiple):
            orders[b] += int(x[e0 + v])
        charges, unpaired = [0] * len(self.symbols), [0] * len(self.symbols)
        for v, (k, _, charge, _) in enumerate(self.states):
            charges[k] += charge * int(x[s0 + v])
        for v, k in enumerate(self.heavy):
            unpaired[k] = int(x[r0 + v])
        self._separate_charges(orders, charges)
        if price >= _NOT_BINDING:
            names = ", ".join(sorted({self.symbols[k] for k, n in enumerate(unpaired) if n}))
            raise BondOrderError(f"unpaired electrons on {names} that bind to no metal")
        return BondOrders(tuple(orders), tuple(charges), tuple(unpaired), price)

    def _separate_charges(self, orders: list[int], charges: list[int]) -> None:
        """Write N(V)=O as N+-O-, once at each nitrogen atom."""
        valences = [0] * len(self.symbols)
        for (a, b), order in zip(self.bonds, orders, strict=True):
            valences[a] += order
            valences[b] += order
        for v, (a, b) in enumerate(self.bonds):
            for nitrogen, oxygen in ((a, b), (b, a)):
                ends = self.symbols[oxygen] == "O" and self.neighbours[oxygen] == 1
                if nitrogen in self.oxidised and ends and valences[nitrogen] >= 4:
                    if orders[v] == 2 and not charges[nitrogen]:
                        orders[v], charges[nitrogen], charges[oxygen] = 1, 1, -1
