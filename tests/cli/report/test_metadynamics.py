"""Metadynamics in a report: marginals of a surface that is known, words, and the page."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from ase.units import kB

from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.cli.report.basin_pictures import (
    ARRAYS,
    BasinsPart,
    difference_in_time,
    path_profile,
)
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.cli.report.metadynamics import (
    MetadynamicsPart,
    disagreement,
    marginal,
    metadynamics_words,
    surface,
    variables_in_time,
)
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.sampling.metadynamics_settings import MetadynamicsSettings
from aiida_nanoclusters.science.units import KCAL_PER_MOL_PER_EV
from tests.cli.report.built_study import uuid
from tests.cli.report.test_browser import browse, chromium  # noqa: F401  (fixture)
from tests.cli.report.test_report import Page

KT = kB * 300


def built(dimensions, last_height=0.02):
    """Wells at -1 and 1 along each variable, the second 2 k T higher; two runs."""
    names = ("q6", "q4", "coordination")[:dimensions]
    edges = np.tile(np.linspace(-2, 2, 41), (dimensions, 1))
    centres = 0.5 * (edges[:, 1:] + edges[:, :-1])
    one = [6 * KT * (x**2 - 1) ** 2 + KT * x for x in centres]
    energies = sum(np.meshgrid(*one, indexing="ij")) if dimensions > 1 else one[0]
    energies = energies - energies.min()
    by_hills = energies + 0.1  # the constant is free
    energies = np.where(energies > 10 * KT, np.inf, energies)
    times = np.arange(5000) * 0.1
    rng = np.random.default_rng(1)
    series = {
        f"run_{k:03d}": (times, np.sin(times / 20 + np.arange(dimensions)[:, None] + k).T
                         + 0.1 * rng.normal(size=(5000, dimensions)))
        for k in range(2)
    }  # fmt: skip
    report = {
        name: {
            "hills": 500, "last_height": last_height, "duration": 500.0,
            "ranges": {n: [-1.3, 1.4] for n in names},
        }
        for name in series
    }  # fmt: skip
    variables = [{"kind": name, "width": 0.02} for name in names]
    settings = MetadynamicsSettings(
        variables=variables, temperature=300, height=0.05, bias_factor=20, pace=1, duration=500
    )
    uuids = {"free_energy": uuid(400), **{f"bias.{n}": uuid(401 + k) for k, n in enumerate(series)}}
    errors = np.where(np.isfinite(energies), 0.004, np.nan)
    return MetadynamicsPart(
        settings, names, edges, energies, errors, by_hills, series, report, uuids
    )


def page_of(part):
    begun = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
    kind = "MetadynamicsWorkChain"
    row = content.ProcessRow(
        kind, 0, uuid(1), "finished", 0, "", begun, timedelta(minutes=3), False
    )
    return render(
        content.StudyReport(
            uuid=uuid(1), kind=kind, label="", description="", element="Cu", state="finished",
            exit_status=0, message="", created=begun, duration=timedelta(hours=5),
            metadynamics=part, steps=(content.StepRow(kind, 0, 1, 0, 0, 0, None, (row,)),),
        )
    )  # fmt: skip


def test_variables_that_are_independent_keep_their_own_surface_where_others_are_integrated_out():
    alone, together = built(1), built(3)
    finite = np.where(np.isfinite(alone.energies), alone.energies, np.nan)
    for kept in range(3):
        found = marginal(together.energies, (kept,), KT)
        low = alone.energies < 6 * KT  # sums of three are cut off at 10 k T
        assert np.allclose(found[low], finite[low], atol=0.1 * KT)


def test_estimates_that_agree_and_those_that_do_not():
    part = built(2)
    assert disagreement(part) == pytest.approx(0, abs=1e-12)
    shifted = MetadynamicsPart(**{**part.__dict__, "by_hills": part.by_hills * 1.5})
    assert disagreement(shifted) > KT / 2
    words = metadynamics_words(part)
    assert "2 runs at 300 K of 500 ps with 500, 500 hills of at most 50 meV" in words
    assert "at most 2 % of the height of the first." in words
    assert "the bias still grows, run longer" in metadynamics_words(built(1, last_height=0.6))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_page(dimensions):
    part = built(dimensions)
    page = Page(page_of(part))
    assert {"metadynamics", "free-energy", "variables", "provenance"} <= set(page.ids)
    shown = surface(part)
    traces = [trace for trace in shown.figure.data if trace.type == "contour"]
    assert len(traces) == {1: 0, 2: 1, 3: 3}[dimensions]
    column = [row[dimensions] for row in shown.rows if row[dimensions] != "–"]
    assert min(float(text.replace("−", "-")) for text in column) == 0
    assert shown.columns[dimensions::3] == ("free energy (eV)", "free energy (kcal/mol)")
    assert len({(trace.zmin, trace.zmax) for trace in traces}) <= 1
    assert len(variables_in_time(part).figure.data) == 2 * dimensions


def basins(dimensions, connected=True):
    """B along the first variable, 2 k T above A, over a barrier of 7 k T."""
    names = ("q6", "q4", "coordination")[:dimensions]
    low, high = dict.fromkeys(names, -1.0), {**dict.fromkeys(names, -1.0), "q6": 1.0}
    place = np.full((5, dimensions), -1.0)
    place[:, 0] = np.linspace(-1, 1, 5)
    times = np.linspace(25, 500, 20)
    arrays = dict(
        zip(
            ARRAYS,
            (
                place, KT * np.array([0.0, 4.0, 7.0, 5.0, 2.0]),
                KT * np.array([0.0, 1.0, 1.0, np.inf, 1.0]),
                times, np.where(times > 100, 2 * KT, np.nan), np.where(times > 100, KT, np.nan),
                2 * KT + KT * np.sin(times),
            ),
            strict=True,
        )
    )  # fmt: skip
    answer = {
        "basins": [
            {"name": "A", "place": low, "lowest": 0.0, "free_energy": 0.0, "error": 0.0,
             "depth": None},
            {"name": "B", "place": high, "lowest": 2 * KT, "free_energy": 2 * KT, "error": KT,
             "depth": 5 * KT},
        ],
        "difference": {"by_reweighting": 2 * KT, "error": KT, "by_hills": 2.1 * KT,
                       "error_by_hills": KT, "crossings": 40},
        "path": {"connected": True, "barrier": 7 * KT, "barrier_error": KT, "barrier_back": 5 * KT,
                 "barrier_back_error": None},
        "converged": True, "reason": "converged: by reweighting B is far <above> A",
    }  # fmt: skip
    if not connected:
        answer["path"] = {"connected": False, "reason": "no sampled cells connect the two"}
        arrays = {key: values for key, values in arrays.items() if "path" not in key}
    return BasinsPart(names, (0.02,) * dimensions, answer, arrays, {"free_energy": uuid(400)})


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("connected", [True, False])
def test_the_page_with_basins(dimensions, connected):
    part = replace(built(dimensions), basins=basins(dimensions, connected))
    text = page_of(part)
    page = Page(text)
    assert {"free-energy", "difference", "variables"} <= set(page.ids)
    assert ("path" in page.ids) == (connected and dimensions > 1)
    assert "Converged: by reweighting B is far &lt;above&gt; A." in text
    assert "B lies 0.052 ± 0.026 eV (1.19 ± 0.60 kcal/mol) above A by reweighting" in text
    assert ("no path between A and B: no sampled cells" in text) == (not connected)
    marked = [t for t in surface(part).figure.data if getattr(t, "mode", "") == "markers+text"]
    assert len(marked) == {1: 0, 2: 1, 3: 3}[dimensions]
    assert all(tuple(trace.text) == ("A", "B") for trace in marked)
    assert all(np.allclose(trace.x, [-1, 1]) for trace in marked[:1])


def test_numbers_of_the_pictures():
    own = basins(2)
    row = path_profile(own).rows[2]
    assert float(row[2]) == pytest.approx(7 * KT, rel=1e-3)
    assert float(row[4]) == pytest.approx(7 * KT * KCAL_PER_MOL_PER_EV, rel=1e-3)
    assert path_profile(own).rows[3][3] == "–"
    assert path_profile(own).figure.data[1].x[-1] == pytest.approx(2 / 0.02)
    moments = difference_in_time(own).rows
    assert moments[0][1] == "–" and float(moments[-1][1]) == pytest.approx(2 * KT, rel=1e-3)
    of_opes = {k: v for k, v in own.arrays.items() if k != keys.BASIN_DIFFERENCES_BY_HILLS}
    assert len(difference_in_time(replace(own, arrays=of_opes)).columns) == 4


def test_a_browser_draws_it(chromium, tmp_path):  # noqa: F811
    part = replace(built(2), basins=basins(2))
    (tmp_path / "study.html").write_text(page_of(part), encoding="utf-8")
    result = browse(chromium, tmp_path, "--dump-dom")
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search(r"error|refused|violat|failed", line, re.I)]
    assert result.stdout.count('class="plot js-plotly-plot"') == 4
    assert 'class="contour' in result.stdout
