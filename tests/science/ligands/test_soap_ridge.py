"""Ridge regression on averaged SOAP: energies of a known potential, and what it is invariant to."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.ligands.soap_ridge import soap_products, soap_ridge
from tests.small_matching import lennard_jones


@pytest.fixture(scope="module")
def frames():
    return lennard_jones(60)


@pytest.fixture(scope="module")
def cores(frames):
    return [Atoms(a.numbers, a.positions) for a in frames]


def test_energies_of_a_pair_potential_are_learnt(frames, cores):
    """Far better than the best constant, and than the same regression on shuffled energies."""
    energies = frames.energies / frames.sizes
    subset = np.resize([0, 0, 0, 1, 2], len(cores)).astype(np.int8)
    test = subset == 2
    found, penalty = soap_ridge(cores, energies, subset)
    error = np.abs(found - energies)[test].mean()
    constant = np.abs(energies[test] - energies[subset == 0].mean()).mean()
    assert error < 0.3 * constant
    assert penalty > 0
    shuffled = np.random.default_rng(2).permutation(energies)
    nothing = np.abs(soap_ridge(cores, shuffled, subset)[0] - shuffled)[test].mean()
    assert nothing > 0.6 * constant


def test_regression_is_that_of_scikit_learn(frames, cores):
    """With the products as a kernel, and the same penalty."""
    from sklearn.kernel_ridge import KernelRidge

    energies = frames.energies / frames.sizes
    subset = np.resize([0, 0, 0, 1, 2], len(cores)).astype(np.int8)
    found, penalty = soap_ridge(cores, energies, subset)
    products, known = soap_products(cores), subset == 0
    ridge = KernelRidge(alpha=penalty, kernel="precomputed")
    mean = energies[known].mean()
    ridge.fit(products[np.ix_(known, known)], energies[known] - mean)
    again = mean + ridge.predict(products[:, known])
    assert found == pytest.approx(again, rel=1e-4, abs=1e-5)


def test_products_do_not_depend_on_place_and_order(cores):
    random = np.random.default_rng(3)
    moved = []
    for core in cores[:6]:
        other = core[random.permutation(len(core))]
        other.positions = Rotation.from_rotvec(random.normal(size=3)).apply(other.positions) + 5.0
        moved.append(other)
    both = soap_products([*cores[:6], *moved])
    assert both[:6, :6] == pytest.approx(both[6:, 6:], rel=1e-7)
    assert both[:6, :6] == pytest.approx(both[:6, 6:], rel=1e-7)


def test_nothing_to_validate_by_is_refused(cores):
    with pytest.raises(ValueError, match="give both"):
        soap_ridge(cores[:3], np.zeros(3), np.zeros(3, dtype=np.int8))
