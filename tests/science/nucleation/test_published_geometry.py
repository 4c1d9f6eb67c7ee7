"""Maxima beside the published ones and the ranges of crystals."""

import numpy as np
import pytest
from ase import Atoms

from aiida_nanoclusters.science.nucleation.distributions import Distribution, Maximum
from aiida_nanoclusters.science.nucleation.geometry import GeometrySettings, ligand_geometries
from aiida_nanoclusters.science.nucleation.published_geometry import (
    PUBLISHED,
    compare,
    crystal_ranges,
)
from tests.science.structures.test_molecules import start

GEOMETRIES = {one.name: one for one in ligand_geometries()}


def with_maxima(geometry, *places):
    nothing = np.zeros(1)
    maxima = tuple(Maximum(place, 0.02, 1.0) for place in places)
    return Distribution(geometry, nothing, nothing, nothing, maxima, 1.0, 20)


def test_every_default_has_its_published_maxima():
    assert {one.elements for one in ligand_geometries()} == set(PUBLISHED)
    assert sorted(v for one in PUBLISHED.values() for v in one.maxima) == [
        2.28, 2.54, 2.97, 59, 81, 100, 126, 138
    ]  # fmt: skip


def test_each_published_maximum_has_one_partner():
    found = {"N-Ag-Ag": with_maxima(GEOMETRIES["N-Ag-Ag"], 140.0, 79.0, 20.0)}
    rows = compare(found)
    assert [(row.published, row.maximum.place) for row in rows] == [
        (81, 79.0), (138, 140.0), (None, 20.0)
    ]  # fmt: skip
    assert [row.difference for row in rows] == [-2.0, 2.0, None]
    missing = compare({"N-Ag-Ag": with_maxima(GEOMETRIES["N-Ag-Ag"], 100.0)})
    assert [row.maximum is None for row in missing] == [False, True]
    assert missing[1].difference is None and "no maximum" in str(missing[1])


def test_inside_the_crystal_or_not():
    found = {
        "Ag-S": with_maxima(GEOMETRIES["Ag-S"], 2.54),
        "S-Ag-S": with_maxima(GEOMETRIES["S-Ag-S"], 126.0),
        "Ag-N": with_maxima(GEOMETRIES["Ag-N"], 2.28),
    }
    rows = compare(found, {"Ag-S": [(2.4, 2.5)], "S-Ag-S": [(60, 70), (120, 130)]})
    assert [row.inside for row in rows] == [False, True, None]
    assert rows[1].crystal == (120, 130) and rows[2].crystal is None
    assert str(rows[0]) == (
        "Ag-S: 2.540 ± 0.020 Å, published 2.54 (at the upper end of the crystals' range), "
        "outside 2.40 to 2.50 of the crystal"
    )
    with pytest.raises(ValueError, match="no distribution is called Ag-O"):
        compare(found, {"Ag-O": [(2.0, 2.5)]})


def test_another_metal_has_no_reference():
    gold = GeometrySettings(name="Ag-S", groups=[["Au"], ["S"]], bonds=[3.0])  # whatever its name
    (row,) = compare({"Ag-S": with_maxima(gold, 2.3)})
    assert row.published is None and row.inside is None
    assert "no published maximum" in str(row)


def test_ranges_of_a_structure(shared_data):
    ranges = crystal_ranges(start(shared_data, "dimer_octahedral"), ligand_geometries())
    ((low, high),) = ranges["Ag-Ag"]
    assert 2.85 < low < 2.95 and 3.2 < high < 3.3
    assert [(round(a), round(b)) for a, b in ranges["N-Ag-Ag"]] == [(76, 87), (129, 148)]
    assert [round(a) for a, _ in ranges["Ag-Ag-Ag"]] == [54, 87]


def test_what_a_structure_does_not_have_has_no_range():
    silver = Atoms("Ag2", positions=[[0, 0, 0], [2.9, 0, 0]])
    own = [GEOMETRIES["Ag-Ag"], GEOMETRIES["Ag-Ag-Ag"]]
    assert crystal_ranges(silver, own) == {"Ag-Ag": [(2.9, 2.9)]}
