"""Axes, marks and words of a report's pictures."""

from dataclasses import replace

import numpy as np
import pytest

from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.cli.report.crossing import shells_words
from aiida_nanoclusters.cli.report.figures import (
    COLOURS,
    SYMBOLS,
    learning_curves,
    logarithmic,
    parity,
)
from aiida_nanoclusters.cli.report.sentences import bulk_rows, scan_sentence
from tests.cli.report import built_study


@pytest.mark.parametrize(
    ("low", "high"), [(530, 1100), (200, 1500), (980, 1020), (0.97, 1.31), (2, 9e5), (0.012, 40)]
)
def test_an_axis_has_three_labels_or_more_within_its_range(low, high):
    axis = logarithmic(low, high)
    inside = [
        text
        for tick, text in zip(axis["tickvals"], axis["ticktext"], strict=True)
        if low <= tick <= high
    ]
    assert 3 <= len(inside) <= 13
    assert len(set(inside)) == len(inside)  # numbers that are unlike are written so
    values = [float(text.replace("\u2009", "")) for text in inside]
    assert values == pytest.approx([t for t in axis["tickvals"] if low <= t <= high])


def curve(stages) -> content.LearningCurve:
    epochs = np.arange(float(len(stages)))
    metrics = {"val_energy_rmse": (epochs, 100 / (1 + epochs))}
    return content.LearningCurve("seed_1", metrics | {"stage": (epochs, np.array(stages))}, "u")


def test_the_switch_of_the_loss_is_marked():
    figure = learning_curves([curve([0.0, 0, 1, 1])]).figure
    (line,) = figure.layout.shapes
    assert (line.type, line.x0, line.x1) == ("line", 2, 2)
    assert "energies weighed more" in {trace.name for trace in figure.data}
    assert not learning_curves([curve([0.0, 0, 0, 0])]).figure.layout.shapes


def test_members_and_kinds_differ_by_colour_and_by_marker():
    two = [curve([0.0, 0]), curve([0.0, 0])]
    drawn = [t for t in learning_curves(two).figure.data if t.line.dash == "solid"]
    assert [(t.line.color, t.marker.symbol) for t in drawn] == [
        (COLOURS[k], SYMBOLS[k]) for k in (0, 1)
    ]


def test_forces_are_told_apart_by_configuration_type():
    x = np.array([0.1, 0.2, 0.3])
    part = content.Parity(
        part="test", member="seed_1", energy=(x[:2], x[:2]), force=(x, x),
        config_types=("bulk", "cluster"), uuid="u", force_types=("bulk", "cluster", "cluster"),
    )  # fmt: skip
    ((drawn, _),) = parity(content.TrainingPart(parities=(part,)))
    forces = {
        t.name: (list(t.x), t.marker.color, t.marker.symbol)
        for t in drawn.figure.data
        if t.xaxis == "x2" and t.mode == "markers"
    }
    assert forces["bulk"] == ([0.1], COLOURS[0], SYMBOLS[0])
    assert forces["cluster"] == ([0.2, 0.3], COLOURS[1], SYMBOLS[1])


def test_two_comparisons_that_differ_are_explained():
    """Icosahedra lower by closed shells, Wulff polyhedra at their own sizes."""
    part = built_study.search(1000.0, 800.0, 1900.0, 0.0, 1)
    n = np.array([50.0, 500.0, 5000.0])
    below = np.array([-0.010, -0.005, 0.005])
    curves = content.Curve(n, below, below - 1e-3, below + 1e-3, "u")
    found = content.Modes(np.array([79, 201]), np.array([0.01, 0.02]), np.zeros(2), "u")

    def words(**changes):
        return shells_words(replace(part, curve=curves, **changes))

    text = words(modes=found)
    assert text.startswith("At N = 79 to 201 Wulff polyhedra are lower here")
    assert "closed shells" in text and "only partly filled" in text
    agreeing = content.Modes(np.array([79, 201]), np.array([-0.01, -0.02]), np.zeros(2), "u")
    assert words(modes=agreeing) == ""
    assert words(modes=None) == ""


def test_surface_energies_are_in_both_units():
    rows = dict(bulk_rows(built_study.search(1000.0, 800.0, 1900.0, 0.0, 1)))
    assert rows["surface energy (111)"] == "0.0774 eV/Å² = 1.24 J/m²"


def test_strain_energies_are_beside_those_of_elasticity():
    part = built_study.search(1000.0, 800.0, 1900.0, 0.0, 1)
    own = {"fitted": 7.418, "standard_error": 0.23, "expected": 6.95, "standard_deviation": 1.4}
    answer = {**part.answer, "strain_energies": {"icosahedron": own}}
    rows = dict(bulk_rows(replace(part, answer=answer)))
    text = "7.4 ± 0.2 meV/atom by the fit, 7 ± 1 by elasticity"
    assert rows["strain energy (icosahedron)"] == text


def test_sizes_at_the_edge_are_named():
    text = scan_sentence(built_study.scan())
    assert "7 (needs 6)" in text and "153 (needs 154)" in text
