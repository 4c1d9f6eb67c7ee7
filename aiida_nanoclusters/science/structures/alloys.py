"""Recipes of several elements: each structure of each element alone, and of drawn mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from ase import Atoms

from aiida_nanoclusters.science.compositions import (
    cluster_formula,
    composition_of,
    mean_bond_length,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.recipe import Entry, build_entry
from aiida_nanoclusters.science.structures.settings import MINIMA, entry_model


def build_alloy_entry(entry: Entry, index: int, elements: Sequence[str], seed: int) -> Frames:
    """Build the starting structures of one entry for several elements.

    Every structure is built of each element alone, with its own bond length. Beside them are
    dimers of each pair of elements, and for the other kinds `mixtures` copies of each structure:
    compositions are drawn evenly from all (a flat Dirichlet distribution), sites are filled at
    random, and the bond length is the mean over the atoms (Vegard's law).

    Parameters
    ----------
    entry, index
        The entry and its place in the recipe, as in :func:`~.recipe.build_entry`.
    elements
        Chemical symbols, two or more.
    seed
        Random seed of the whole recipe.

    Raises
    ------
    ValueError
        As for :func:`~.recipe.build_entry`.
    """
    symbols = sorted(elements)
    if entry["kind"] == "atom":
        atoms = [build_entry(entry, index, symbol, 1.0, seed) for symbol in symbols]
        return Frames.concatenate([_named(atom) for atom in atoms])
    parts = [_named(build_entry(entry, index, s, mean_bond_length([s]), seed)) for s in symbols]
    kind, count = entry["kind"], entry_model(entry).from_values(**entry).mixtures
    rng = np.random.default_rng([seed, index])
    if kind == "dimer":
        for pair in combinations(symbols, 2):
            mixed = _filled(entry, index, pair, [1, 1], seed, rng)
            parts += [] if mixed is None else [_named(mixed)]
    else:
        for copy in range(count):
            shares = rng.dirichlet(np.ones(len(symbols)))
            mixed = _filled(entry, index, symbols, shares, seed, rng)
            parts += [] if mixed is None else [_named(mixed, f"-mixture-{copy}")]
    return Frames.concatenate(parts)


def drawn_compositions(recipe: Sequence[Entry], elements: Sequence[str], seed: int) -> list[str]:
    """Return the compositions whose minima the entries of kind ``minima`` ask for, each once.

    Of each size the clusters of one element, and as many drawn mixtures as the entry says.
    """
    found: set[str] = set()
    for index, entry in enumerate(recipe):
        if entry["kind"] != MINIMA:
            continue
        rng = np.random.default_rng([seed, index])
        for size in entry["sizes"]:
            found |= {cluster_formula({s: size}) for s in elements}
            for _ in range(entry_model(entry).from_values(**entry).mixtures if size > 1 else 0):
                counts = _drawn_counts(size, rng.dirichlet(np.ones(len(elements))))
                found.add(cluster_formula(dict(zip(sorted(elements), counts, strict=True))))
    return sorted(found)


def _filled(
    entry: Entry,
    index: int,
    symbols: Sequence[str],
    shares: Any,
    seed: int,
    rng: np.random.Generator,
) -> Frames | None:
    """Build an entry with its sites filled at random, in these shares of the elements.

    Structures of one atom have no mixtures: None where all are.
    """
    lengths = {symbol: mean_bond_length([symbol]) for symbol in symbols}
    first = symbols[0]
    filled: list[Atoms] = []
    for k, atoms in enumerate(build_entry(entry, index, first, lengths[first], seed)):
        if len(atoms) == 1:
            continue
        counts = _drawn_counts(len(atoms), shares)
        own = np.repeat(list(symbols), counts)
        bond = float(np.mean([lengths[symbol] for symbol in own]))
        if atoms.pbc.any():  # built anew: a vacuum stays as wide
            atoms = build_entry(entry, index, first, bond, seed)[k]
        else:
            atoms.positions *= bond / lengths[first]
        atoms.symbols = rng.permutation(own)
        filled.append(atoms)
    return Frames.from_atoms(filled) if filled else None


def _drawn_counts(size: int, weights: Any) -> list[int]:
    """Return whole numbers of atoms nearest to these shares; two elements at least, if it can."""
    exact = size * np.asarray(weights, dtype=float) / np.sum(weights)
    counts = np.floor(exact).astype(int)
    for k in np.argsort(counts - exact, kind="stable")[: size - counts.sum()]:
        counts[k] += 1
    if size > 1 and len(counts) > 1 and counts.max() == size:
        full = int(counts.argmax())
        other = int(np.argsort(-exact, kind="stable")[1])
        counts[full] -= 1
        counts[other] += 1
    return [int(n) for n in counts]


def _named(frames: Frames, suffix: str = "") -> Frames:
    """Tell structures of the same shape and different composition apart by their names."""
    names = [
        f"{parent}-{composition_of(atoms)}{suffix}"
        for parent, atoms in zip(frames.parents, frames, strict=True)
    ]
    return frames.with_origin(parents=names)
