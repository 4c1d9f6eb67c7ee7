"""What goes into one job: enough to be worth its place in a queue, and of about equal cost."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby


def split_by_cost(
    costs: Sequence[float], kinds: Sequence[Hashable], most: int, least_batches: int = 1
) -> list[list[int]]:
    """Deal frames into batches of about equal cost, frames of one kind side by side.

    Parameters
    ----------
    costs
        Of each frame, in any unit.
    kinds
        What frames of one job may share, such as their composition.
    most
        Frames that a batch may hold.
    least_batches
        As many batches at least, where there are so many frames.

    Returns
    -------
    list of list of int
        Indices, the dearest frames first; every frame once.
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
    """Put sizes side by side into bins of about equal cost; a dear one is alone.

    All sizes from 1 on lie along a line, each as long as its cost, and the line is cut every
    `cost_per_bin`: a size's middle, ``cost_per_atom * size**2 / 2``, says in which piece it is.
    A size's bin does not depend on the others that are asked for, and where none is missing, a
    bin is off `cost_per_bin` by no more than the cost of its largest size.

    Parameters
    ----------
    sizes
        Numbers of atoms, in any order.
    cost_per_atom
        Of one cluster, in any unit.
    cost_per_bin
        In the same unit.

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
