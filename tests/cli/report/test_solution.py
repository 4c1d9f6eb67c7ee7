"""Structure in solution in a report: what is drawn, and what is said of it."""

import numpy as np
import pytest

from aiida_nanoclusters.cli.report.content import RoundsPart
from aiida_nanoclusters.cli.report.solution import (
    Curve,
    SolutionPart,
    distributions_picture,
    doubt,
    maxima_rows,
    solution_words,
    solvent_picture,
)

GRID = np.linspace(2.0, 3.5, 301)


@pytest.fixture
def part() -> SolutionPart:
    density = np.exp(-0.5 * ((GRID - 2.9) / 0.05) ** 2)
    curves = [
        Curve("Ag-Ag", "Å", GRID, density, 0.1 * density),
        Curve("Ag-N", "Å", GRID, np.full_like(GRID, np.nan), np.full_like(GRID, np.nan)),
    ]
    maxima = [
        {"name": "Ag-Ag", "unit": "Å", "maximum": 2.9, "error": 0.012, "published": 2.97,
         "verdict": "aligned well with the crystals"},
        {"name": "Ag-N", "unit": "Å", "maximum": None, "error": None, "published": 2.28,
         "verdict": ""},
    ]  # fmt: skip
    states = {"A": {"share": 1e-9, "error": None}, "D": {"share": 1.0, "error": 0.02}}
    report = {"frames": 12, "maxima": maxima, "states": states}
    times = np.arange(12.0)
    return SolutionPart("run_000", tuple(curves), times, times % 3, report, {"structure": "u"})


def test_maxima_stand_beside_published_ones(part):
    assert maxima_rows(part) == [
        ("Ag-Ag", "Å", "2.9 ± 0.012", "2.97", "aligned well with the crystals"),
        ("Ag-N", "Å", "none", "2.28", ""),
    ]
    words = solution_words(part)
    assert words.startswith("From 12 frames")
    assert "A below 0.1 %, D 100 ± 2 %" in words


def test_pictures_leave_out_what_was_never_bonded(part):
    picture = distributions_picture(part)
    assert "Ag-Ag" in picture.alt and "Ag-N" not in picture.alt
    assert {row[0] for row in picture.rows} == {"Ag-Ag"}
    assert [row[1] for row in solvent_picture(part).rows] == ["0", "1", "2"] * 4


@pytest.mark.parametrize(("share", "doubted"), [(1.0, True), (0.3, True), (0.04, False)])
def test_a_committee_that_disagrees_is_told(share, doubted):
    rows = ({"round": 1, "uncertain": 0.9, "accurate_below": 0.15},
            {"round": 2, "uncertain": share, "accurate_below": 0.15},
            {"round": 3})  # fmt: skip
    text = doubt(RoundsPart(rows, "budget", {}))
    assert bool(text) == doubted
    assert not doubted or f"{100 * share:.0f} % of the frames" in text
    assert doubt(None) == ""
