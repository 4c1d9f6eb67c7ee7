"""The report of a chart: what its page holds, and that a browser shows the structure of a point."""

import base64
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.cli.report.chart_points import (
    MOST_POINTS,
    drawn_points,
    oriented,
    pack_chart,
    shown_frames,
)
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.cli.report.palette import PACKINGS, family_colours
from aiida_nanoclusters.cli.report.tempering import heat_capacity_peak
from aiida_nanoclusters.science.recognition.common_neighbours import CLASSES
from aiida_nanoclusters.science.structures.decahedra import marks_decahedron
from tests.cli.report.built_chart import KINDS, SIZE, chart, tempering
from tests.cli.report.built_study import uuid
from tests.cli.report.test_browser import browse, chromium  # noqa: F401  (fixture)
from tests.cli.report.test_report import Page


@pytest.fixture(scope="module")
def part():
    return chart(each=3)


def page_of(chart_part, *temperings, kind="ChartWorkChain"):
    begun = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
    row = content.ProcessRow(
        kind, 0, uuid(1), "finished", 0, "", begun, timedelta(minutes=3), False
    )
    return render(
        content.StudyReport(
            uuid=uuid(1), kind=kind, label="", description="", element="Au", state="finished",
            exit_status=0, message="", created=begun, duration=timedelta(hours=5),
            temperings=temperings, chart=chart_part,
            steps=(content.StepRow(kind, 0, 1, 0, 0, 0, None, (row,)),),
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def html(part):
    return page_of(part, tempering())


def test_sections_tables_and_nodes_stand_in_the_page(html):
    page = Page(html)
    for section in ("tempering-1", "chart", "populations", "path", "transitions", "provenance"):
        assert section in page.ids
    assert not page.loads or all(link.startswith("#") for link in page.loads)
    for text in (
        "11 families by mean shift with a bandwidth of 0.21", "1 · icosahedral, central vacancy",
        "Dwell times", "mean dwell time (ns)", "9 replicas of Au147 from 250 to 550 K",
        "from the first to the highest point of the lowest path", uuid(310), uuid(311), uuid(312),
    ):  # fmt: skip
        assert text in page.text
    assert len(page.ids) == len(set(page.ids))


def test_a_chart_alone_has_no_empty_sections(part):
    bare = replace(
        part,
        populations=(),
        free_energy=None,
        transitions=None,
        training={},
        stability={},
        curve=(),
    )
    ids = Page(page_of(bare)).ids
    assert "chart" in ids
    assert not {"populations", "path", "transitions", "tempering-1", "bandwidth"} & set(ids)
    assert (
        "chart-data" not in Page(page_of(None, tempering(), kind="ParallelTemperingWorkChain")).ids
    )


def test_families_that_nothing_connects_have_a_surface_and_a_reason(part):
    own = part.free_energy
    arrays = {name: own.arrays[name] for name in own.arrays if not name.startswith("path")}
    alone = replace(own, arrays=arrays, answer={"connected": False, "reason": "too few frames"})
    page = Page(page_of(replace(part, free_energy=alone)))
    assert "no path, because too few frames" in page.text
    assert "with the path (white)" not in page.text
    assert "free-energy" in page.ids


def test_points_and_structures_come_back_from_what_is_packed(part):
    packed = json.loads(pack_chart(part))

    def array(text, kind):
        return np.frombuffer(base64.b64decode(text), kind)

    assert np.allclose(
        array(packed["coordinates"], "<f4").reshape(-1, 3), part.points.coordinates, atol=1e-6
    )
    assert array(packed["family"], "<i2").tolist() == part.points.family.tolist()
    above = array(packed["energy"], "<f4")
    assert above.min() == 0
    structure = array(packed["structure"], "<i4")
    for point in (0, len(structure) - 1):
        own = packed["structures"][structure[point]]
        positions = array(own["positions"], "<i2").reshape(-1, 3) / packed["steps"]
        drawn = part.drawings[structure[point]]
        assert drawn.point == point
        wanted = np.sort(np.linalg.norm(drawn.positions, axis=1))
        assert np.allclose(np.sort(np.linalg.norm(positions, axis=1)), wanted, atol=0.02)
        assert len(array(own["classes"], "<u1")) == SIZE
    ico = part.drawings[structure[np.flatnonzero(part.points.family == 0)[0]]]
    assert (ico.classes == CLASSES.index("icosahedral")).sum() == 1


def test_representatives_are_drawn_and_can_be_shown(part):
    for family, (packing, subfamily) in zip(part.families, KINDS.values(), strict=True):
        assert part.points.family[family.point] == family.number
        assert any(drawing.point == family.point for drawing in part.drawings)
        assert (family.packing, family.subfamily) == (packing, subfamily)


def test_many_frames_are_thinned_but_every_family_stays():
    families = np.repeat([0, 1, 2], [90_000, 9_950, 50])
    drawn = drawn_points(families)
    assert len(drawn) < MOST_POINTS + 300
    counts = np.bincount(families[drawn])
    assert counts[2] == 50
    assert counts[0] / counts[1] == pytest.approx(90_000 / 9_950, rel=0.02)
    assert np.array_equal(drawn, drawn_points(families))
    shown = shown_frames(families, np.full(len(families), 100), [5, 7])
    assert shown[:2] == [5, 7]
    assert len(shown) == 3000
    kept = np.bincount(families[shown])
    assert kept[2] == 50
    assert abs(kept[0] - kept[1]) < 5


def test_a_decahedron_stands_on_its_axis():
    atoms = marks_decahedron("Au", 3, 3, 2, 2.88)
    turned = oriented(atoms.positions)
    assert np.allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(
        atoms.positions - atoms.positions.mean(axis=0), axis=1))  # fmt: skip
    spread = (turned**2).sum(axis=0)
    assert spread[0] == pytest.approx(spread[1], rel=1e-6)
    assert abs(spread[2] - spread[0]) > 0.01 * spread[0]
    distances = np.linalg.norm(turned[:, None] - turned[None], axis=2)
    assert np.allclose(distances, atoms.get_all_distances())


def test_families_of_one_packing_share_its_hue_and_differ():
    colours = family_colours(["fcc", "twin", "fcc", "something", "fcc"])
    assert len(set(colours)) == 5
    assert family_colours(["fcc"]) == [PACKINGS["fcc"]]


def test_the_peak_of_the_heat_capacity_is_inside_the_range():
    temperature, value, error = heat_capacity_peak(tempering())
    assert temperature == pytest.approx(430, abs=5)
    assert value == pytest.approx(5.4, abs=0.05)
    assert error > 0


def test_a_browser_shows_the_structure_of_a_point(chromium, html, part, tmp_path):  # noqa: F811
    last = len(part.points.family) - 1
    script = f"""<script>
      const chart = document.getElementById("chart-plot");
      chart.emit("plotly_click", {{points: [{{customdata: {last}}}]}});
      const first = document.getElementById("chart-text").textContent;
      document.querySelector('button.show[data-point="{part.families[1].point}"]').click();
      document.querySelector('input[value="packing"]').click();
      document.title = first + "|" + document.getElementById("chart-text").textContent + "|" +
        chart.data.length + "|" +
        document.getElementById("chart-key").textContent;
    </script>"""
    (tmp_path / "study.html").write_text(html + script, encoding="utf-8")
    result = browse(chromium, tmp_path, "--dump-dom")
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if re.search(r"error|refused|violat|failed", line, re.I)]
    first, second, traces, key = re.findall(r"<title>([^<]*)</title>", result.stdout)[0].split("|")
    assert first.startswith(f"Frame {part.points.frame[last]}10 · amorphous; by common neighbours")
    assert "1 · icosahedral, central vacancy" in second
    present = {packing for packing, _ in KINDS.values()}
    assert int(traces) == len(present) + 3  # track, path, the ring around the chosen one
    assert all(packing in key for packing in present)
    for figure in ("populations-1", "free-energy", "coordinates-in-time", "swaps-1"):
        assert re.search(rf'data-figure="data-{figure}"', result.stdout)
    drawn = result.stdout.count('class="plot js-plotly-plot"')
    assert drawn == html.count('class="plot"') == 8
    assert re.search(r'id="chart-viewer"[^>]*js-plotly-plot', result.stdout)
