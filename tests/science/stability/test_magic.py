import math

import numpy as np
import pytest

from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers
from aiida_nanoclusters.science.stability.magic import (
    binding_energy,
    coordination_difference,
    electronic_magic_numbers,
    energy_difference,
    geometric_magic_numbers,
    jellium_closures,
    magic_sizes,
    one_sided,
    second_difference,
    unjudged_sentence,
    unjudged_sizes,
)
from aiida_nanoclusters.science.structures.motifs import incomplete_icosahedron


def test_binding_energy():
    # Every bond is worth 0.5 eV: 42 bonds in the icosahedron of 13.
    assert binding_energy(13, 13 * -1.5 - 0.5 * 42, -1.5) == pytest.approx(21 / 13)
    np.testing.assert_allclose(binding_energy([1, 2], [[-1.5, -4.0]] * 3, -1.5), [[0.0, 0.5]] * 3)


def test_second_difference_of_a_parabola_is_constant():
    n = np.arange(5, 20)
    sizes, values = second_difference(n, 0.7 * n**2 - 3 * n + 2)
    assert sizes.tolist() == list(range(6, 19))
    np.testing.assert_allclose(values, 1.4)


def test_second_difference_only_where_both_neighbours_exist():
    sizes, values = second_difference([56, 13, 54, 55, 20, 21], [-6.0, 1.0, -4.0, -7.0, 0.0, 0.0])
    assert sizes.tolist() == [55]
    assert values.tolist() == [4.0]
    sizes, values = second_difference([1, 2], [0.0, 1.0])
    assert sizes.shape == values.shape == (0,)


def test_second_difference_of_a_committee():
    n = np.arange(10, 15)
    rows = np.array([[0, 0, -1, 0, 0], [0, 0, -3, 0, 0]], dtype=float)
    sizes, values = second_difference(n[::-1], rows[:, ::-1])
    assert sizes.tolist() == [11, 12, 13]
    np.testing.assert_array_equal(values, [[-1, 2, -1], [-3, 6, -3]])


def test_closed_shells_are_magic_for_a_bond_counting_energy():
    n = np.arange(40, 160)
    distance = element("Cu").nearest_neighbour
    clusters = [incomplete_icosahedron("Cu", k) for k in n]
    energies = [-0.15 * coordination_numbers(atoms, 1.2 * distance).sum() for atoms in clusters]
    found = magic_sizes(*second_difference(n, energies))
    # The two closed shells stand highest: removing a vertex costs 6 bonds, an atom on top brings 3.
    highest = sorted(found, key=lambda peak: peak.second_difference)[-2:]
    assert {peak.size for peak in highest} == {55, 147}
    np.testing.assert_allclose([peak.second_difference for peak in highest], 3 * 0.3)


def test_magic_sizes_rule():
    n = np.arange(1, 12)
    flat = np.array([0.0, 0.1, 0.0, 2.0, 0.0, -0.1, 0.0, 1.0, 1.0, 0.0, -3.0])
    found = magic_sizes(n, flat)
    # 4 is a peak; 8 and 9 are a plateau, no strict maximum; 2 is within the noise.
    assert [peak.size for peak in found] == [4]
    assert found[0].second_difference == 2.0
    assert math.isnan(found[0].probability) and math.isnan(found[0].uncertainty)
    assert magic_sizes(n, -np.abs(flat) - 1) == []
    assert magic_sizes([], []) == []
    assert [peak.size for peak in magic_sizes(n[::-1], flat[::-1])] == [4]


def test_magic_sizes_of_a_committee():
    n = np.arange(1, 10)
    base = np.zeros(9)
    base[4] = 1.0
    rows = np.array([base, 1.2 * base, 0.8 * base, -0.2 * base])
    (peak,) = magic_sizes(n, rows)
    assert peak.size == 5
    assert peak.second_difference == pytest.approx(0.7)
    assert peak.uncertainty == pytest.approx(np.std([1.0, 1.2, 0.8, -0.2], ddof=1))
    assert peak.probability == 0.75
    assert peak.sign_confidence == 0.75
    (alone,) = magic_sizes(n, rows[:1])
    assert math.isnan(alone.uncertainty) and alone.probability == 1.0


def test_jellium_closures():
    published = (2, 8, 18, 20, 34, 40, 58, 68, 70, 92, 106, 112, 138)
    assert jellium_closures(138) == published
    assert jellium_closures(137) == published[:-1]
    # Full shells of the oscillator: (k + 1)(k + 2)(k + 3) / 3 electrons.
    oscillator = {(k + 1) * (k + 2) * (k + 3) // 3 for k in range(8)}
    assert oscillator <= set(jellium_closures(240))


def test_electronic_magic_numbers():
    assert electronic_magic_numbers(20) == (2, 8, 18, 20)
    # The closures up to 180 that three divides: 18, 138, 156, 168.
    assert electronic_magic_numbers(60, valence=3) == (6, 46, 52, 56)
    assert electronic_magic_numbers(20, charge=1) == (3, 9, 19)
    assert electronic_magic_numbers(20, charge=-1) == (1, 7, 17, 19)
    # Al13 with one extra electron has 40.
    assert 13 in electronic_magic_numbers(20, valence=3, charge=-1)
    with pytest.raises(ValueError, match="valence"):
        electronic_magic_numbers(20, valence=0)


def test_geometric_magic_numbers():
    assert geometric_magic_numbers(309) == (13, 55, 147, 309)


def test_differences_between_modes():
    # Icosahedron and cuboctahedron of 55: 234 and 216 bonds.
    assert coordination_difference(432, 468, 55) == pytest.approx(-36 / 55)
    np.testing.assert_allclose(energy_difference([-10.0, -22.0], [-8.0, -24.0], [2, 4]), [-1, 0.5])
    np.testing.assert_allclose(
        energy_difference([[-10.0], [-6.0]], [[-8.0], [-8.0]], [2]), [[-1], [1]]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: second_difference([1, 2, 2], [0, 0, 0]), "twice"),
        (lambda: second_difference([1, 2, 3], [0, 0]), "sizes"),
        (lambda: magic_sizes([1, 2, 3], np.zeros((2, 2, 3))), "sizes"),
        (lambda: binding_energy(0, 1.0, 1.0), "at least 1"),
        (lambda: energy_difference(1.0, 1.0, 0), "at least 1"),
    ],
)
def test_errors_name_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_sizes_at_the_edge_are_not_judged_and_say_why():
    """A scan of 13 to 20 cannot say whether 13, the closed shell, is magic."""
    assert unjudged_sizes(range(13, 21)) == {13: (12,), 20: (21,)}
    assert unjudged_sentence([*range(13, 21), 40]) == (
        "Not judged, for want of a neighbouring size: 13 (needs 12), 20 (needs 21), "
        "40 (needs 39 and 41)."
    )
    assert unjudged_sentence([1, 2, 3]).endswith("1, 3 (needs 4).")  # nothing is smaller than 1
    assert unjudged_sentence([]) == ""
    assert one_sided([16, 19], range(14, 20)) == (19,)
