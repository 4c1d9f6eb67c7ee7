import numpy as np
import pytest
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.structures.starts import (
    crystal_cut,
    random_cluster,
    starting_clusters,
)

BOND = 2.55


@pytest.mark.parametrize("size", [1, 2, 3, 13, 55])
def test_random_drops_are_compact_and_apart(size) -> None:
    atoms = random_cluster("Cu", size, BOND, seed=3)
    assert len(atoms) == size
    assert np.allclose(atoms.positions.mean(axis=0), 0.0)
    if size > 1:
        distances = pdist(atoms.positions)
        assert distances.min() > 0.849 * BOND
        # No larger than twice the sphere that close-packed atoms would fill.
        assert distances.max() < 4 * 0.5 * BOND * (size / 0.64) ** (1 / 3) + BOND


def test_crystal_cuts_have_the_crystals_bonds() -> None:
    distances = pdist(crystal_cut("Cu", 38, BOND, seed=1).positions)
    shells = np.unique(np.round((distances / BOND) ** 2, 6))
    # Squared distances in an fcc crystal are whole multiples of the bond's.
    assert np.allclose(shells, np.round(shells))


def test_starts_are_unlike_and_repeat() -> None:
    starts = starting_clusters("Cu", 14, BOND, seed=7, count=6)
    again = starting_clusters("Cu", 14, BOND, seed=7, count=6)
    other = starting_clusters("Cu", 14, BOND, seed=8, count=6)
    spectra = [np.sort(pdist(a.positions)) for a in starts]
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(starts, again, strict=True))
    assert not np.array_equal(starts[1].positions, other[1].positions)
    for i in range(6):
        for j in range(i):
            assert np.abs(spectra[i] - spectra[j]).max() > 1e-3
