import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.distance import cdist, pdist

from aiida_nanoclusters.science.structures.motifs import (
    mackay_icosahedron,
    marks_decahedron,
    truncated_octahedron,
)
from aiida_nanoclusters.science.structures.site_filling import (
    SiteLattice,
    fill_sites,
    pair_energies,
)
from aiida_nanoclusters.science.structures.site_lattices import site_lattices
from tests.cluster_potentials import EPSILON, LennardJones, relaxed


def fillings(size, motif, seed=0, keep=3):
    rng = np.random.default_rng(seed)
    return [
        filling
        for lattice in site_lattices(size)
        if lattice.motif == motif
        for filling in fill_sites(lattice, size, rng, keep=keep)
    ]


def is_like(filling, atoms):
    """Whether two clusters have the same distances, in bond lengths."""
    return bool(np.abs(np.sort(pdist(filling)) - np.sort(pdist(atoms.positions))).max() < 0.02)


@pytest.mark.parametrize(
    ("motif", "closed_shell"),
    [
        ("fcc, between layers", truncated_octahedron("Cu", 4, 1, 1.0)),
        ("decahedron", marks_decahedron("Cu", 2, 2, 1, 1.0)),
        ("icosahedron", mackay_icosahedron("Cu", 2, 1.0)),
    ],
)
def test_closed_shells_are_the_best_fillings(motif, closed_shell):
    assert is_like(fillings(len(closed_shell), motif)[0], closed_shell)


def test_icosahedron_without_its_centre():
    found = fillings(54, "icosahedron without its centre")
    assert is_like(found[0], mackay_icosahedron("Cu", 2, 1.0)[1:])


def test_tetrahedron_of_98_atoms():
    # R. H. Leary and J. P. K. Doye, Phys. Rev. E 60, R6320 (1999): below every icosahedron.
    found = fillings(98, "tetrahedron")
    energies = [
        relaxed(Atoms(["Ar"] * 98, positions=3.8 * sites), LennardJones()).get_potential_energy()
        for sites in found
    ]
    assert min(energies) / EPSILON == pytest.approx(-543.665361, abs=1e-3)


@pytest.mark.parametrize(("size", "energy"), [(141, -833.358586), (142, -840.538610)])
def test_vertices_that_are_missing(size, energy):
    """All choices have equally many bonds; energies of the Cambridge Cluster Database."""
    found = [fillings(size, "icosahedron", seed)[0] for seed in range(4)]
    assert all(is_like(filling, Atoms("X" * size, found[0])) for filling in found)
    icosahedron = relaxed(Atoms("Ar" * size, 3.8 * found[0]), LennardJones())
    assert icosahedron.get_potential_energy() / EPSILON == pytest.approx(energy, abs=3e-4)


@pytest.mark.parametrize("size", [13, 19, 34, 58, 92, 147, 150])
def test_fillings_are_of_the_size_and_do_not_overlap(size):
    rng = np.random.default_rng(1)
    motifs = set()
    for lattice in site_lattices(size):
        for filling in fill_sites(lattice, size, rng, starts=1, moves=3):
            assert filling.shape == (size, 3)
            assert pdist(filling).min() > 0.8
            motifs.add(lattice.motif)
    assert {"icosahedron", "decahedron", "fcc", "hcp", "twin"} <= motifs


def test_core_stays_occupied():
    for lattice in site_lattices(60):
        if lattice.core:
            (filling, *_) = fill_sites(lattice, 60, np.random.default_rng(2), starts=1, moves=5)
            assert cdist(lattice.sites[: lattice.core], filling).min(axis=1).max() < 1e-9


def test_equal_seeds_fill_equally():
    first, second = (fillings(40, "hcp", seed=5) for _ in range(2))
    assert len(first) == len(second) > 1
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_too_few_sites_hold_no_cluster():
    lattice = SiteLattice("pair", np.array([[0.0, 0, 0], [1.0, 0, 0]]))
    assert fill_sites(lattice, 3, np.random.default_rng(0)) == []
    overlapping = SiteLattice("one of two", np.array([[0.0, 0, 0], [0.3, 0, 0]]))
    assert fill_sites(overlapping, 2, np.random.default_rng(0)) == []


def test_pair_energies():
    distances = np.array([[0.0, 1.0, np.sqrt(2)], [1.0, 0.0, 3.0], [np.sqrt(2), 3.0, 0.0]])
    found = pair_energies(distances)
    assert np.diag(found).tolist() == [0, 0, 0]
    assert found[0, 1] == pytest.approx(-1)
    assert found[0, 2] == pytest.approx(1 / 64 - 2 / 8)  # 12-6
    assert found[1, 2] == pytest.approx(3.0**-12 - 2 * 3.0**-6)
