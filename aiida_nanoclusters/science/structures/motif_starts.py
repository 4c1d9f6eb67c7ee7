"""Starts of different motifs, of any size, for sampling that must know all funnels."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from scipy.spatial.distance import cdist

from aiida_nanoclusters.science.structures.site_filling import Floats, fill_sites, pair_energies
from aiida_nanoclusters.science.structures.site_lattices import site_lattices
from aiida_nanoclusters.science.structures.starts import random_cluster


def motif_clusters(symbol: str, size: int, distance: float, seed: int, count: int) -> list[Atoms]:
    """Return `count` structures, each of another motif, then random ones.

    The best filling of each lattice of a motif (fcc, twin, decahedron, icosahedron, ...) by
    :func:`.pair_energies`, and the motifs by that energy: at most sizes more than one of them is
    within what a potential decides.

    Parameters
    ----------
    symbol, size, distance, seed
        As of :func:`.random_cluster`.
    count
        Number of structures; ``info["motif"]`` names the lattice.
    """
    best: dict[str, tuple[float, str, Floats]] = {}
    for k, lattice in enumerate(site_lattices(size)):
        rng = np.random.default_rng(np.random.SeedSequence([seed, size, k]))
        for sites in fill_sites(lattice, size, rng, keep=1):
            energy = 0.5 * float(pair_energies(cdist(sites, sites)).sum())
            kind = lattice.motif.split(",")[0]
            if kind not in best or energy < best[kind][0]:
                best[kind] = (energy, lattice.motif, sites)
    starts = []
    for _, motif, sites in sorted(best.values(), key=lambda row: row[0])[:count]:
        positions = distance * (sites - sites.mean(axis=0))
        starts.append(Atoms([symbol] * size, positions=positions, info={"motif": motif}))
    for k in range(count - len(starts)):
        own = int(np.random.SeedSequence([seed, size, 10_000 + k]).generate_state(1)[0] % 2**31)
        starts.append(random_cluster(symbol, size, distance, own))
    return starts
