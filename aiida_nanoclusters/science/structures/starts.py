"""Starting structures of a cluster of given size."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.structures.motifs import incomplete_icosahedron

#: Shortest distance of a random start, as a fraction of the bond length.
_CLOSEST = 0.85


def random_cluster(
    symbol: str, size: int, distance: float, seed: int, iterations: int | None = None
) -> Atoms:
    """Build a compact random cluster without overlapping atoms.

    Soft spheres at random positions in a sphere, at the density of random close packing, are
    relaxed until all distances exceed 0.85 bond lengths.

    Parameters
    ----------
    symbol
        Chemical symbol.
    size
        Number of atoms.
    distance
        Bond length in Å.
    seed
        Random seed.
    iterations
        Of the relaxation, at most; a few tens are enough for what is relaxed by a potential
        afterwards. Default: until it has converged.
    """
    rng = np.random.default_rng(seed)
    radius = 0.5 * distance * (size / 0.64) ** (1 / 3)
    directions = rng.normal(size=(size, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    positions = directions * radius * rng.random((size, 1)) ** (1 / 3)

    far = np.eye(size) * 1e9  # an atom is no neighbour of its own

    def overlap(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        points = flat.reshape(-1, 3)
        vectors = points[:, None] - points[None]
        lengths = np.linalg.norm(vectors, axis=2) + far
        gap = np.clip(distance - lengths, 0.0, None)
        # A weak pull to the centre keeps the cluster together.
        energy = 0.5 * float((gap**2).sum()) + 1e-3 * float((points**2).sum())
        pull = -2.0 * ((gap / lengths)[..., None] * vectors).sum(axis=1) + 2e-3 * points
        return energy, pull.ravel()

    if size > 1:
        limit = {} if iterations is None else {"maxiter": iterations}
        found = minimize(overlap, positions.ravel(), jac=True, method="L-BFGS-B", options=limit)
        positions = found.x.reshape(-1, 3)
        # The centre's pull can squeeze; stretch so that the closest pair is far enough.
        closest = float(pdist(positions).min())
        positions = positions * max(1.0, _CLOSEST * distance / closest)
    atoms = Atoms([symbol] * size, positions=positions - positions.mean(axis=0))
    atoms.info["seed"] = seed
    return atoms


def crystal_cut(symbol: str, size: int, distance: float, seed: int) -> Atoms:
    """Cut the `size` atoms nearest to a random point out of the fcc crystal.

    Parameters
    ----------
    symbol, size, distance, seed
        As of :func:`random_cluster`.
    """
    rng = np.random.default_rng(seed)
    lattice = distance * np.sqrt(2.0)
    repeats = int(np.ceil((3 * size / (2 * np.pi)) ** (1 / 3))) + 2
    crystal = bulk(symbol, "fcc", a=lattice, cubic=True) * (repeats, repeats, repeats)
    centre = crystal.cell.sum(axis=0) / 2 + rng.uniform(-0.5, 0.5, size=3) * lattice
    nearest = np.argsort(np.linalg.norm(crystal.positions - centre, axis=1), kind="stable")[:size]
    atoms = Atoms([symbol] * size, positions=crystal.positions[nearest])
    atoms.positions -= atoms.positions.mean(axis=0)
    atoms.info["seed"] = seed
    return atoms


def starting_clusters(
    symbol: str, size: int, distance: float, seed: int, count: int
) -> list[Atoms]:
    """Return `count` distinct structures: one icosahedral, then cut from the crystal, and random.

    Parameters
    ----------
    symbol, size, distance
        As of :func:`random_cluster`.
    seed
        Random seed, from which those of the structures are derived.
    count
        Number of structures.
    """
    seeds = np.random.SeedSequence([seed, size]).generate_state(count)
    starts = []
    for k in range(count):
        own = int(seeds[k] % 2**31)
        if k == 0:
            atoms = incomplete_icosahedron(symbol, size, distance)
            atoms.info["seed"] = own
        elif k % 2 and size > 6:
            atoms = crystal_cut(symbol, size, distance, own)
        else:
            atoms = random_cluster(symbol, size, distance, own)
        starts.append(atoms)
    return starts
