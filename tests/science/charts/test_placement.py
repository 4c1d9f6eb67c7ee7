"""Structures of other metals and sizes in a chart."""

import numpy as np
import pytest

from aiida_nanoclusters.science.charts.placement import place, summary
from tests.small_charts import rattled, trained


@pytest.fixture(scope="module")
def chart(tmp_path_factory):
    return trained(rattled(copies=25), tmp_path_factory.mktemp("chart"))


def centres_of(chart):
    placed = place(rattled(copies=25), chart, [[0.0, 0.0, 0.0]])
    return np.array([placed.coordinates[25 * k : 25 * k + 25].mean(axis=0) for k in range(3)])


def test_metals_land_at_the_same_place(chart):
    """A chart of gold places the same structures of copper and silver where those of gold lie."""
    gold = place(rattled("Au", copies=5, seed=7), chart, centres_of(chart))
    for metal in ("Cu", "Ag", "Pt"):
        other = place(rattled(metal, copies=5, seed=7), chart, centres_of(chart))
        assert np.abs(other.coordinates - gold.coordinates).max() < 1e-3
        assert (other.families == gold.families).all()
        assert (other.families == np.repeat([0, 1, 2], 5)).all()


def test_larger_clusters_are_told_to_lie_outside(chart):
    """Pairs beyond the range of the chart are counted; bond lengths do not make sizes equal."""
    larger = rattled(copies=2, motifs=(("icosahedron", 309),))
    placed = place(larger, chart, centres_of(chart))
    assert placed.outside.all()
    assert (placed.beyond > 0.2).all()
    told = summary(placed, ["a", "b", "c"], chart)
    assert (told["n_frames"], told["n_outside"]) == (2, 2)
    assert "held out" in told["criterion"]
    assert sum(row["count"] for row in told["families"]) == 2
    assert sum(row["within"] for row in told["families"]) == 0


def test_a_given_bond_length_counts(chart):
    """Expanded by 3 % with the bond length that goes with it, a cluster lies where it was."""
    frames = rattled(copies=1)
    from dataclasses import replace

    wider = replace(frames, positions=1.03 * frames.positions)
    bond = chart.bond_lengths["Au"]
    centres = centres_of(chart)
    here = place(frames, chart, centres).coordinates
    assert place(wider, chart, centres, {"Au": 1.03 * bond}).coordinates == pytest.approx(
        here, abs=1e-3
    )
    assert np.abs(place(wider, chart, centres).coordinates - here).max() > 0.01
