"""Frames grouped into jobs of about equal cost, each long enough for a place in a queue."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby


def split_by_cost(
    costs: Sequence[float], kinds: Sequence[Hashable], most: int, least_batches: int = 1
) -> list[list[int]]:
    """Group frames into batches of about equal cost, frames of one kind side by side.

    Parameters
    ----------
    costs
        Cost of each frame, in any unit.
    kinds
        Kind of each frame, such as its composition.
    most
        Largest number of frames of a batch.
    least_batches
        Smallest number of batches, if there are as many frames.

    Returns
    -------
    list of list of int
        Indices, the most expensive frames first; every frame once.
    """
    first = {kind: i for i, kind in reversed(list(enumerate(kinds)))}
    order = sorted(range(len(costs)), key=lambda i: (-costs[i], first[kinds[i]], i))
    wanted = max(-(-len(order) // most), min(least_batches, len(order)))
    share, spent = sum(costs) / max(1, wanted), 0.0
    batches: list[list[int]] = []
    for i in order:
        full = batches and (len(batches[-1]) == most or spent + costs[i] / 2 > share)
        if not batches or full:
            batches.append([])
            spent = 0.0
        batches[-1].append(i)
        spent += costs[i]
    return batches


def bins_of_sizes(
    sizes: Sequence[int], cost_per_atom: float, cost_per_bin: float
) -> list[list[int]]:
    """Group sizes into bins of about equal cost; an expensive one has a bin of its own.

    The cumulative cost of all sizes from 1 on is cut every `cost_per_bin`; a size belongs to the
    piece with its middle, ``cost_per_atom * size**2 / 2``. The bin of a size does not depend on the
    other sizes, and where none is missing, the cost of a bin differs from `cost_per_bin` by at most
    the cost of its largest size.

    Parameters
    ----------
    sizes
        Numbers of atoms, in any order.
    cost_per_atom
        Cost of a cluster divided by its number of atoms, in any unit.
    cost_per_bin
        Cost of a bin, in the same unit.

    Returns
    -------
    list of list of int
        Sizes ascending.
    """
    return [
        list(members)
        for _, members in groupby(
            sorted(sizes), key=lambda n: int(cost_per_atom * n**2 / (2 * cost_per_bin))
        )
    ]
