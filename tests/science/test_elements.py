import ase.data
import pytest
from ase.data import atomic_numbers, reference_states

from aiida_nanoclusters.science.elements import ELEMENTS, element


@pytest.mark.parametrize("symbol", sorted(ELEMENTS))
def test_agrees_with_an_independent_table(symbol):
    known = reference_states[atomic_numbers[symbol]]
    row = element(symbol)
    assert row.symbol == symbol
    assert row.structure == known["symmetry"]
    # Argon differs by 1 %: the table of ASE is for another temperature.
    assert row.lattice_constant == pytest.approx(known["a"], rel=0.012 if symbol == "Ar" else 0.005)
    if row.structure == "hcp":
        assert row.c_over_a == pytest.approx(known["c/a"], rel=0.005)
    else:
        assert row.c_over_a is None


# Experimental densities (g/cm^3) from the CRC Handbook: an independent check of lattice constants.
@pytest.mark.parametrize(
    ("symbol", "density"),
    [
        ("Au", 19.3), ("Ag", 10.5), ("Cu", 8.96), ("Pt", 21.45), ("Pd", 12.0), ("Ni", 8.90),
        ("Ru", 12.4), ("Rh", 12.4), ("Si", 2.329), ("Al", 2.70),
    ],
)  # fmt: skip
def test_density(symbol, density):
    mass = ase.data.atomic_masses[atomic_numbers[symbol]] * 1.66053907
    assert mass / element(symbol).atomic_volume == pytest.approx(density, rel=0.01)


def test_nearest_neighbours():
    assert element("Cu").nearest_neighbour == pytest.approx(2.5559, abs=1e-4)
    assert element("Ru").nearest_neighbour == pytest.approx(2.650, abs=1e-3)
    assert element("Si").nearest_neighbour == pytest.approx(2.3515, abs=1e-4)


def test_valence_of_jellium():
    assert [element(s).valence for s in ("Cu", "Ag", "Au", "Al", "Pt")] == [1, 1, 1, 3, None]


def test_unknown_element_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'Xx'.*Ag, Al, Ar, Au, Cu"):
        element("Xx")


@pytest.mark.parametrize("symbol", sorted(ELEMENTS))
def test_melting_points_agree_with_an_independent_table(symbol):
    from pymatgen.core import Element

    assert element(symbol).melting_point == pytest.approx(Element(symbol).melting_point, rel=2e-3)


def test_cutoff_lies_between_the_shells():
    """First and second shell: fcc at 1 and sqrt(2), diamond at 1 and sqrt(8/3) bond lengths."""
    assert element("Cu").shell_cutoff == pytest.approx(3.6146 * (1 / 2**0.5 + 1) / 2)
    si = 5.4306 * (3**0.5 / 4 + 1 / 2**0.5) / 2
    assert element("Si").shell_cutoff == pytest.approx(si)
