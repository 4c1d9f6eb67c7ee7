"""Distributions of pair distances against the sum over all pairs."""

import numpy as np
import pytest
from ase import Atoms
from ase.cluster import Icosahedron
from scipy.spatial.distance import pdist

from aiida_nanoclusters.science.charts.distributions import (
    bond_lengths_of,
    distance_range,
    exact_distributions,
    pair_distributions,
    peak_height,
)
from aiida_nanoclusters.science.charts.settings import DistributionSettings
from aiida_nanoclusters.science.frames import Frames
from tests.small_charts import rattled


@pytest.mark.parametrize(("bandwidth", "bins"), [(0.02, 340), (0.05, 200), (0.0694, 340)])
def test_fast_density_is_the_sum(bandwidth, bins):
    frames = rattled(copies=2)
    settings = DistributionSettings(
        shortest=0.0, longest=distance_range(frames, bandwidth), bins=bins, bandwidth=bandwidth
    )
    fast, exact = pair_distributions(frames, settings), exact_distributions(frames, settings)
    assert fast.dtype == np.float32
    assert fast.shape == (len(frames), bins)
    assert np.abs(fast - exact).max() < 1e-5 * exact.max()


def test_a_single_pair_at_any_distance():
    """The worst case: nothing averages the error of the interpolation between nodes."""
    images = [Atoms("Au2", [[0, 0, 0], [0, 0, z]]) for z in np.linspace(2.7, 3.3, 61)]
    settings = DistributionSettings(longest=2.0, bins=100, bandwidth=0.05)
    frames = Frames.from_atoms(images)
    fast, exact = pair_distributions(frames, settings), exact_distributions(frames, settings)
    assert np.abs(fast - exact).max() < 1e-5 * peak_height(settings)


def test_integral_is_the_share_of_pairs_in_range():
    """Pairs out of range are in the normalisation only."""
    frames = rattled(copies=1)
    whole = DistributionSettings(shortest=0.3, longest=6.0, bins=200, bandwidth=0.05)
    rows = pair_distributions(frames, whole)
    assert rows.sum(axis=1) * whole.width == pytest.approx(1.0, abs=1e-4)
    # The Marks decahedron has pairs of 3.5 bond lengths and more; 3.5 lies between two shells here.
    half = DistributionSettings(shortest=0.3, longest=3.3, bins=200, bandwidth=0.02)
    lengths = bond_lengths_of(frames)
    near = [
        (pdist(frames.positions[frames.atoms_of(i)]) / b < half.longest).mean()
        for i, b in enumerate(lengths)
    ]
    assert pair_distributions(frames, half).sum(axis=1) * half.width == pytest.approx(
        near, abs=0.01
    )


def test_rotation_translation_and_order_do_not_matter():
    atoms = Icosahedron("Ag", 3)
    atoms.pbc = False
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3))
    turned.translate((5, -3, 8))
    turned = turned[np.random.default_rng(0).permutation(len(turned))]
    settings = DistributionSettings(longest=5.0)
    first, second = pair_distributions(Frames.from_atoms([atoms, turned]), settings)
    assert np.abs(first - second).max() < 1e-5


def test_bond_lengths_make_metals_equal():
    """The same structure of three metals has the same distribution, at other lengths not."""
    settings = DistributionSettings(longest=5.0)
    copper, gold, silver = (
        pair_distributions(rattled(e, copies=1), settings) for e in ("Cu", "Au", "Ag")
    )
    assert np.abs(copper - gold).max() < 1e-5
    assert np.abs(copper - silver).max() < 1e-5
    assert np.abs(copper - pair_distributions(rattled("Cu", copies=1), settings, 2.8)).max() > 0.1


def test_bond_length_of_an_alloy_is_the_mean_over_its_atoms():
    frames = Frames.from_atoms([Atoms("CuAu3", np.eye(4)[:, :3] * 3)])
    assert bond_lengths_of(frames, {"Cu": 2.0, "Au": 4.0}) == pytest.approx([3.5])
    assert bond_lengths_of(frames, 2.5) == pytest.approx([2.5])
    with pytest.raises(ValueError, match="bond length of Cu is"):
        bond_lengths_of(frames, {"Cu": -1.0, "Au": 4.0})
    with pytest.raises(ValueError, match="positive"):
        bond_lengths_of(frames, 0.0)
    unknown = Frames.from_atoms([Atoms("Og2", [[0, 0, 0], [0, 0, 3]])])
    with pytest.raises(ValueError, match="no data for element"):
        bond_lengths_of(unknown)


def test_range_covers_all_pairs():
    frames = rattled(copies=1)
    longest = max(
        pdist(frames.positions[frames.atoms_of(i)]).max() / b
        for i, b in enumerate(bond_lengths_of(frames))
    )
    assert longest + 0.2 <= distance_range(frames, 0.05) < 1.3 * longest


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("Au4", np.eye(4)[:, :3] * 3, cell=[9, 9, 9], pbc=True), "periodic"),
        (Atoms("Au"), "single atom"),
    ],
)
def test_frames_without_distribution_are_refused(atoms, message):
    with pytest.raises(ValueError, match=message):
        pair_distributions(Frames.from_atoms([atoms]), DistributionSettings(longest=3.0))


def test_settings_refuse_bins_that_miss_pairs():
    problem = DistributionSettings.problem({"longest": 6.0, "bins": 20, "bandwidth": 0.05})
    assert problem is not None
    assert "give at least 54 `bins`" in problem
