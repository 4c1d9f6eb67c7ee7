"""Gaussian kernel density of pair distances, fast: plain numpy and scipy.

A training job carries this file to the machine it runs on, whose Python has numpy, scipy and torch
but need not have this package: it imports nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

Floats = NDArray[np.float64]

#: Nodes of the fine grid within a bandwidth: cubic interpolation of the Gaussian between them is
#: off by at most 3e-6 of its height.
_NODES = 16
#: Bandwidths beyond which a Gaussian counts as zero: 1e-9 of its height.
REACH = 6.5
#: Frames whose fine histograms are kept before they are turned into distributions.
_BLOCK = 32


def bin_centres(grid: Mapping[str, Any]) -> Floats:
    """Return the centres r_k of the bins, shape (bins,); `grid` as of DistributionSettings."""
    width = (grid["longest"] - grid["shortest"]) / grid["bins"]
    return np.asarray(grid["shortest"] + (np.arange(grid["bins"]) + 0.5) * width)


def mean_lengths(
    numbers: NDArray[np.int32], offsets: NDArray[np.int64], table: Mapping[int, float]
) -> Floats:
    """Return the mean bond length of the atoms of each frame, Å, shape (F,).

    Parameters
    ----------
    numbers
        Atomic numbers, shape (A,).
    offsets
        Frame ``i`` owns atoms ``offsets[i]:offsets[i + 1]``; shape (F + 1,).
    table
        Bond length (Å) of each atomic number that occurs.
    """
    lengths = np.zeros(int(numbers.max()) + 1)
    for number in np.unique(numbers):
        lengths[number] = table[int(number)]
    return np.add.reduceat(lengths[numbers], offsets[:-1]) / np.diff(offsets)


def exact_density(distances: Floats, grid: Mapping[str, Any]) -> Floats:
    """Return the density of the scaled distances (P,) at the centres, shape (bins,): the sum."""
    s = grid["bandwidth"]
    arguments = (bin_centres(grid)[:, None] - distances[None, :]) / s
    return np.asarray(np.exp(-0.5 * arguments**2).mean(axis=1) / (s * sqrt(2 * pi)))


def densities(
    positions: Floats, offsets: NDArray[np.int64], lengths: Floats, grid: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Return the density of the pair distances of each frame at the bin centres.

    With the bond length b of a frame, the distances d_ij of its pairs, the centres r_k and the
    bandwidth s, it is g_k = 1/P sum_(i<j) exp(-(r_k - d_ij/b)^2 / (2 s^2)) / (s sqrt(2 pi)) for P
    pairs. The pairs are put onto a fine grid with the weights of cubic interpolation, and the
    Gaussians of the grid are summed: to 1e-5 of the largest value this is the sum itself.

    Parameters
    ----------
    positions
        Å, shape (A, 3), all frames one after another.
    offsets
        Frame ``i`` owns atoms ``offsets[i]:offsets[i + 1]``; shape (F + 1,).
    lengths
        Bond length of each frame, Å, shape (F,).
    grid
        `shortest`, `longest`, `bins` and `bandwidth` as of DistributionSettings.

    Returns
    -------
    numpy.ndarray
        Shape (F, bins), float32.

    Raises
    ------
    ValueError
        If a frame has fewer than two atoms, or a position or a bond length is not finite.
    """
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("bond lengths must be positive numbers (Å)")
    if not np.isfinite(positions).all():
        raise ValueError("positions hold numbers that are not finite: take these frames out")
    sizes = np.diff(offsets)
    if (sizes < 2).any():
        raise ValueError(f"frame {int(np.argmax(sizes < 2))} has no pair of atoms: take it out")
    spacing = grid["bandwidth"] / _NODES
    start = grid["shortest"] - REACH * grid["bandwidth"]
    nodes = ceil((grid["longest"] - grid["shortest"]) / spacing + 2 * REACH * _NODES) + 4
    gaussians = _gaussians(start + spacing * np.arange(nodes), grid)
    out = np.empty((len(lengths), grid["bins"]), dtype=np.float32)
    for first in range(0, len(lengths), _BLOCK):
        last = min(first + _BLOCK, len(lengths))
        moments = np.empty((last - first, 4, nodes), dtype=np.float32)
        for i in range(first, last):
            own = positions[offsets[i] : offsets[i + 1]]
            unit = lengths[i]
            moments[i - first] = _moments(pdist(own), start * unit, spacing * unit, nodes)
        out[first:last] = _onto_nodes(moments) @ gaussians
    return out


def _gaussians(nodes: Floats, grid: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the density at the bin centres of one pair at each node, shape (nodes, bins)."""
    s = grid["bandwidth"]
    arguments = (nodes[:, None] - bin_centres(grid)[None, :]) / s
    return (np.exp(-0.5 * arguments**2) / (s * sqrt(2 * pi))).astype(np.float32)


def _moments(distances: Floats, start: float, spacing: float, nodes: int) -> Floats:
    """Return the sums of t^0 ... t^3 over the pairs of each interval, per pair; shape (4, nodes).

    t from 0 to 1 is the place of a pair in the interval after its node.
    """
    scaled = (distances - start) / spacing
    if scaled.min() < 1 or scaled.max() >= nodes - 3:
        scaled = scaled[(scaled >= 1) & (scaled < nodes - 3)]
    low = scaled.astype(np.intp)
    t = scaled - low
    square = t * t
    sums = np.empty((4, nodes))
    sums[0] = np.bincount(low, minlength=nodes)
    for power, weights in enumerate((t, square, square * t), start=1):
        sums[power] = np.bincount(low, weights=weights, minlength=nodes)
    return sums / len(distances)


def _onto_nodes(moments: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of pairs at each node, by the weights of cubic interpolation (Lagrange).

    A pair at t between two nodes counts -t (t - 1)(t - 2)/6 at the node before them, at the two
    (t + 1)(t - 1)(t - 2)/2 and -(t + 1) t (t - 2)/2, and (t + 1) t (t - 1)/6 at the node after.
    """
    zero, one, two, three = np.moveaxis(moments, 1, 0)
    total = zero + (three - 2 * two - one) / 2
    total[:, :-1] -= ((three - 3 * two + 2 * one) / 6)[:, 1:]
    total[:, 1:] -= ((three - two) / 2 - one)[:, :-1]
    total[:, 2:] += ((three - one) / 6)[:, :-2]
    return np.asarray(total)
