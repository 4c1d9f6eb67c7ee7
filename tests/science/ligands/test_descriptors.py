"""Descriptors of cores: values of an independent program, symmetries, elements that are not known.

The tables were computed by DScribe 2.1.2 for the same parameters; its MBTR needs ASE before 3.29,
or a repaired class `System`.
"""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.descriptors import DESCRIPTORS, describe_cores, stand_ins
from aiida_nanoclusters.science.ligands.many_body_tensor import angle_term, distance_term
from aiida_nanoclusters.science.ligands.symmetry_functions import symmetry_functions

SETTINGS = BaselineSettings().of_training()
S, AG, AU = 16, 47, 79
CORE = Atoms("Au2AgS", positions=[[0, 0, 0], [2.8, 0, 0], [1.3, 2.4, 0.2], [-0.4, 1.1, 1.9]])
#: ACSF of the first gold atom: radial (1, 2) and (0.5, 0) to S, Ag, Au; then angular
#: (0.01, 1, 1) and (0.02, 4, -1) of the pairs S-Ag, S-Au and Ag-Au; cutoff 5 Å.
RADIAL = [
    0.55343047587,
    0.048413112396,
    0.2474766443,
    0.010066071026,
    0.21424383823,
    0.008061622164,
]
ANGULAR = {
    1: [0.12260735388, 0.0010843311497],
    2: [0.017480260843, 0.0038956311305],
    4: [0.079767842159, 0.00040645286097],
}
#: MBTR without normalisation: decay 0.5, weights from 1e-3; 8 points from 0.1 to 0.8 1/Å of width
#: 0.05, and 8 points from -1 to 1 of width 0.1.
S_AU_DISTANCES = [
    *(2.2433078568e-02, 6.0819836010e-01, 8.4077359401e-01, 1.6526587112),
    *(1.5208733193, 6.8016829264e-02, 8.8395519024e-05, 2.5596902375e-09),
]
AU_S_AU_ANGLES = [
    *(0.0, 0.0, 0.0, 3.8016327645e-14),
    *(5.7519817615e-07, 3.7307810730e-03, 3.4321507095e-02, 2.5710126327e-03),
]
AG_AU_AU_ANGLES = [
    *(0.0, 0.0, 7.5264308374e-16, 5.7361808602e-08),
    *(1.9533352466e-03, 7.7696150052e-02, 2.6660269979e-02, 3.0677111203e-05),
]
TENSOR = {
    **{"decay": 0.5, "smallest_weight": 1e-3, "shortest": 0.1, "longest": 0.8},
    **{"distance_points": 8, "distance_width": 0.05, "angle_points": 8, "angle_width": 0.1},
}


def test_symmetry_functions_are_those_of_dscribe():
    table = {"cutoff": 5.0, "radial": [[1, 2], [0.5, 0]], "angular": [[0.01, 1, 1], [0.02, 4, -1]]}
    row = symmetry_functions(CORE.numbers, CORE.positions, [S, AG, AU], table)[0]
    assert row[:6] == pytest.approx(RADIAL, rel=1e-9)
    angular = row[6:].reshape(6, 2)
    for pair in range(6):
        assert angular[pair] == pytest.approx(ANGULAR.get(pair, [0, 0]), rel=1e-8)


def test_symmetry_functions_of_a_triangle_by_hand():
    """Equilateral: all distances d, all angles 60 degrees, one pair of neighbours each."""
    d, eta, cutoff = 2.9, 0.05, 6.0
    triangle = d * np.array([[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(3) / 2, 0]])
    table = {"cutoff": cutoff, "radial": [[eta, 1.0]], "angular": [[eta, 4, 1], [eta, 2, -1]]}
    smooth = 0.5 * (np.cos(np.pi * d / cutoff) + 1)
    three = np.exp(-eta * 3 * d**2) * smooth**3
    expected = [2 * np.exp(-eta * (d - 1) ** 2) * smooth, 1.5**4 / 8 * three, 0.5**2 / 2 * three]
    rows = symmetry_functions(np.full(3, AU), triangle, [AU], table)
    assert rows == pytest.approx(np.tile(expected, (3, 1)), rel=1e-12)


def test_many_body_tensor_is_that_of_dscribe():
    distances = distance_term(CORE.numbers, CORE.positions, [S, AG, AU], TENSOR)
    assert distances[2] == pytest.approx(S_AU_DISTANCES, rel=1e-6)
    angles = angle_term(CORE.numbers, CORE.positions, [S, AG, AU], TENSOR).reshape(3, 6, 8)
    assert angles[0, 5] == pytest.approx(AU_S_AU_ANGLES, rel=1e-6, abs=1e-12)
    assert angles[2, 4] == pytest.approx(AG_AU_AU_ANGLES, rel=1e-6, abs=1e-12)
    assert not distances[[0, 3]].any()  # one sulphur, one silver atom: no pairs of their own


def test_areas_of_the_tensor_are_the_weights():
    """On a grid that holds all Gaussians the area is the sum of the weights."""
    water = molecule("H2O")
    gaps = water.get_all_distances()
    wide = {**TENSOR, "shortest": -1.0, "longest": 3.0, "distance_points": 500}
    pairs = gaps[np.triu_indices(3, 1)]
    found = distance_term(water.numbers, water.positions, [1, 8], wide)
    assert found.sum() * 4 / 499 == pytest.approx(np.exp(-0.5 * pairs).sum(), rel=1e-9)
    narrow = {**TENSOR, "angle_points": 400, "angle_width": 0.01}
    angles = angle_term(water.numbers, water.positions, [1, 8], narrow)
    assert angles.sum() * 2 / 399 == pytest.approx(3 * np.exp(-0.5 * pairs.sum()), rel=1e-9)
    # H-O-H: the angle of the molecule.
    peak = np.linspace(-1, 1, 400)[angles.reshape(2, 3, 400)[1, 0].argmax()]
    assert peak == pytest.approx(np.cos(np.radians(water.get_angle(1, 0, 2))), abs=0.005)


@pytest.fixture(scope="module")
def cores():
    random = np.random.default_rng(4)
    places = np.stack(np.meshgrid(*[np.arange(3.0)] * 3), axis=-1).reshape(-1, 3)[:20] * 2.6
    images = []
    for symbols in (["Au"] * 12 + ["Ag"] * 6 + ["S"] * 2, ["Au"] * 20):
        images.append(Atoms(symbols, places + random.normal(scale=0.1, size=places.shape)))
    return images


@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_same_core_in_another_place_and_order_has_the_same_descriptor(cores, kind):
    random = np.random.default_rng(7)
    moved = []
    for core in cores:
        other = core[random.permutation(len(core))]
        turned = Rotation.from_rotvec(2 * random.normal(size=3)).apply(other.positions)
        other.positions = turned + np.array([3.0, -20.0, 7.0])
        moved.append(other)
        mirrored = core.copy()
        mirrored.positions[:, 0] *= -1
        moved.append(mirrored)
    rows = describe_cores(cores, kind, ["S", "Ag", "Au"], SETTINGS)
    same = describe_cores(moved, kind, ["Au", "S", "Ag"], SETTINGS)
    for index, row in enumerate(rows):
        for other in same[2 * index : 2 * index + 2]:
            assert other == pytest.approx(row, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_descriptors_tell_compositions_and_arrangements_apart(cores, kind):
    both = describe_cores(cores, kind, ["S", "Ag", "Au"], SETTINGS)
    assert both[:, :3].tolist() == [[2, 6, 12], [0, 0, 20]]
    one, swapped = cores[0], cores[0].copy()
    swapped.symbols[[0, 19]] = swapped.symbols[[19, 0]]
    pair = describe_cores([one, swapped], kind, ["S", "Ag", "Au"], SETTINGS)
    assert pair[0, :3] == pytest.approx(pair[1, :3])
    assert np.abs(pair[0] - pair[1]).max() > 1e-3


@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_length_follows_from_the_elements_not_from_the_cores(cores, kind):
    """A core describes alone as it does among others, whatever elements these have."""
    among = describe_cores(cores, kind, ["S", "Ag", "Au"], SETTINGS)
    alone = describe_cores(cores[1:], kind, ["S", "Ag", "Au"], SETTINGS)
    assert alone[0] == pytest.approx(among[1], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", DESCRIPTORS)
def test_unknown_element_counts_as_the_most_similar_one(cores, kind):
    other, wanted = cores[0].copy(), cores[0].copy()
    other.symbols[[0, 19]] = ["Pd", "Se"]
    wanted.symbols[[0, 19]] = ["Au", "S"]
    assert stand_ins(["Au", "Pd", "Se"], ["S", "Ag", "Au"]) == {"Pd": "Au", "Se": "S"}
    found = describe_cores([other, wanted], kind, ["S", "Ag", "Au"], SETTINGS)
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert other.symbols[0] == "Pd"


def test_elements_that_stand_in_are_of_the_nearest_column():
    known = ["Au", "Ag", "Cu", "S", "Cl"]
    table = stand_ins(["Br", "Te", "Pt", "Cd", "I", "Ni"], known)
    assert {k: table[k] for k in ("Br", "Te", "I")} == {"Br": "Cl", "Te": "S", "I": "Cl"}
    assert set(table.values()) <= set(known)
    assert all(table[metal] in ("Au", "Ag", "Cu") for metal in ("Pt", "Cd", "Ni"))
    assert stand_ins(["Au", "S"], known) == {}


def test_single_atom_and_wrong_input_are_told():
    for kind in DESCRIPTORS:
        row = describe_cores([Atoms("Au")], kind, ["Au", "Ag"], SETTINGS)
        assert np.isfinite(row).all()
    with pytest.raises(ValueError, match="choose among soap, acsf, mbtr"):
        describe_cores([Atoms("Au")], "sine", ["Au"], SETTINGS)
    with pytest.raises(ValueError, match="give at least one"):
        describe_cores([], "acsf", ["Au"], SETTINGS)
