"""Figures of a journal's width: the numbers of the report's pictures, and nothing that overlaps."""

from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from aiida_nanoclusters.cli.export import drawing, marks
from aiida_nanoclusters.cli.export.pictures import within
from aiida_nanoclusters.cli.report import (
    assembly_pictures,
    figures,
    melting,
    metadynamics,
    sizes,
)
from aiida_nanoclusters.cli.report.basin_pictures import difference_in_time, path_profile
from aiida_nanoclusters.cli.report.chart import chart_context
from aiida_nanoclusters.cli.report.command import sections
from aiida_nanoclusters.cli.report.content import MeltingPart
from aiida_nanoclusters.cli.report.ligands import ligand_context
from aiida_nanoclusters.cli.report.rounds import collect_rounds, growth
from tests.cli.report import built_chart, built_ligands, test_assembly, test_metadynamics
from tests.cli.report.test_report import study  # noqa: F401  (fixture)
from tests.cli.report.test_rounds import history

WIDTHS = {drawing.COLUMN, drawing.TWO_COLUMNS}


def of_chart():
    from aiida_nanoclusters.cli.export.pictures import maps

    part = built_chart.chart(each=6)
    return [*within(chart_context(part, (built_chart.tempering(),))), *maps(part)]


def of_metadynamics():
    for dimensions in (1, 2, 3):
        basins = test_metadynamics.basins(dimensions)
        part = replace(test_metadynamics.built(dimensions), basins=basins)
        yield metadynamics.surface(part)
        yield metadynamics.variables_in_time(part)
        yield path_profile(part.basins)
        yield difference_in_time(part.basins)


def of_assembly():
    part = test_assembly.part_of(test_assembly.timed_frames())
    return list(within(assembly_pictures.assembly_context(part)))


def of_ligands():
    return list(within(ligand_context(built_ligands.compatibility(), built_ligands.ranking())))


BUILT = {
    "chart": of_chart,
    "metadynamics": of_metadynamics,
    "assembly": of_assembly,
    "ligands": of_ligands,
}


def drawn(picture):
    figure = drawing.draw(picture)
    FigureCanvasAgg(figure).draw()
    return figure


def boxes(figure, texts):
    renderer = figure.canvas.get_renderer()
    shown = [t for t in texts if t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in shown]


def check_words(picture, figure) -> None:
    """No label of an axis lies on another one, and none leaves the figure."""
    page = figure.bbox.padded(1.5)
    everywhere = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            own = boxes(figure, [t.label1 for t in ticks if axis.get_visible()])
            for (one, a), (other, b) in combinations(own, 2):
                assert not a.padded(-0.5).overlaps(b.padded(-0.5)), (picture.name, one, other)
            everywhere += own + boxes(figure, [axis.label] if axis.get_visible() else [])
        everywhere += boxes(figure, [axes.title])
    for legend in figure.legends:
        everywhere += boxes(figure, legend.get_texts())
    for words, box in everywhere:
        assert page.x0 <= box.x0 and box.x1 <= page.x1, (picture.name, words)
        assert page.y0 <= box.y0 and box.y1 <= page.y1, (picture.name, words)
    for axes in figure.axes:  # which a legend may leave no room
        assert axes.bbox.height > 0.12 * min(figure.bbox.height, 300), picture.name


def check_numbers(picture, figure) -> None:
    """Lines and points of the page are in the figure, none left out."""
    lines = [line for axes in figure.axes for line in axes.get_lines()]
    clouds = [c.get_offsets() for axes in figure.axes for c in axes.collections]
    for trace in picture.figure.data:
        if not trace.type.startswith("scatter") or trace.visible not in (None, True):
            continue
        mode, width = trace.mode or "lines", trace.line.width
        y = [v for v in trace.y if v is not None]
        if any(isinstance(v, str) for v in y):
            continue
        if "lines" in mode and width != 0 and not trace.fill and trace.stackgroup is None:
            same = (np.asarray(line.get_ydata(), float) for line in lines)
            assert any(
                len(s) >= len(y)
                and np.array_equal(
                    s[np.isfinite(s)], np.array(y, float)[np.isfinite(np.array(y, float))]
                )
                for s in same
            ), (picture.name, trace.name)
        if "markers" in mode and not getattr(trace.marker, "maxdisplayed", None) and len(y):
            seen = np.concatenate([np.asarray(c)[:, 1] for c in clouds if len(c)])
            known = np.array(y, float)
            assert np.isin(known[np.isfinite(known)], seen).all(), (picture.name, trace.name)


def check_series(picture, figure) -> None:
    """No two names of a legend look alike."""
    for legend in figure.legends:
        looks = {}
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if hasattr(handle, "get_marker"):
                key = (handle.get_color(), handle.get_marker(), handle.get_linestyle())
            elif hasattr(handle, "get_paths"):
                points = handle.get_paths()[0].vertices.round(2).tobytes()
                key = (handle.get_facecolor().tobytes(), points, handle.get_edgecolor().tobytes())
            else:
                key = (handle.get_facecolor(), handle.get_hatch())
            assert looks.setdefault(str(key), text.get_text()) == text.get_text(), picture.name


def check(picture) -> None:
    with matplotlib.rc_context(drawing._STYLE):
        print(picture.name)
        figure = drawn(picture)
        assert round(figure.get_figwidth() * 25.4, 3) in WIDTHS
        assert figure.get_figheight() * 25.4 <= 231
        check_words(picture, figure)
        check_numbers(picture, figure)
        check_series(picture, figure)


@pytest.mark.parametrize("name", BUILT)
def test_pictures(name) -> None:
    found = [picture for picture in BUILT[name]() if picture is not None]
    assert len(found) >= 3
    for picture in found:
        check(picture)


def test_pictures_of_a_study(study) -> None:  # noqa: F811
    found = list(within(sections(study)))
    assert {"difference", "second-differences", "parity-test"} <= {p.name for p in found}
    for picture in found:
        check(picture)


@pytest.mark.usefixtures("aiida_profile")
def test_pictures_of_rounds_and_melting() -> None:
    from tests.cli.report.test_coverage import melting_outputs

    found = melting_outputs()
    curve = {name: found["curve"].get_array(name) for name in found["curve"].get_arraynames()}
    part = MeltingPart(curve, found["melting"].get_dict(), {"curve": "c", "melting": "m"})
    for picture in (melting.caloric_curve(part), growth(collect_rounds({"history": history()}))):
        check(picture)


def test_figures_are_files_of_each_format(study, tmp_path) -> None:  # noqa: F811
    picture = figures.learning_curves(study.training.curves)
    paths = list(drawing.write_figure(picture, tmp_path))
    assert [p.suffix for p in paths] == [".pdf", ".svg", ".png"]
    heads = [p.read_bytes()[:8] for p in paths]
    assert heads[0].startswith(b"%PDF") and heads[1].startswith(b"<?xml")
    assert heads[2][1:4] == b"PNG"
    again = list(drawing.write_figure(picture, tmp_path))
    assert [p.read_bytes()[:8] for p in again] == heads
    assert b"learning curve of" in paths[1].read_bytes()  # the nodes it is of


def test_only_points_look_like_points(study) -> None:  # noqa: F811
    """The line of a fit through the points of its motif has no marks."""
    pictures = [p for p in within(sections(study)) if p.name.startswith("motifs")]
    assert pictures
    for picture in pictures:
        lines = [line for axes in drawn(picture).axes for line in axes.get_lines()]
        assert lines and {line.get_marker() for line in lines} == {"None"}


def test_a_size_scan_says_what_its_axis_is_and_shows_whole_bars(study) -> None:  # noqa: F811
    """Also where it has one panel."""
    scan = study.scan
    one = replace(
        scan, difference_sizes=np.array([13]), differences=np.array([1.2]), spreads=np.array([0.3])
    )
    figure = drawn(sizes.second_differences(one))
    assert figure.get_supxlabel() == "Number of atoms"
    low, high = figure.axes[0].get_ylim()
    assert low < 0.9 and high > 1.5


def test_series_have_the_colours_of_okabe_and_ito() -> None:
    chosen = [marks.colour(c, series=True)[:3] for c in figures.COLOURS]
    listed = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7")
    assert set(map(to_rgb, listed)) < set(chosen)  # the eighth is their yellow, darker
    assert len(set(chosen)) == len(chosen)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("N<sup>−1/3</sup>", "N$\\mathregular{{}^{−1/3}}$"),
        ("Δ<sub>2</sub>E (eV)", "Δ$\\mathregular{{}_{2}}$E (eV)"),
        ("costs $5 &amp; <i>more</i>", "costs \\$5 & more"),
        ("one<br>two", "one\ntwo"),
    ],
)
def test_words_are_those_of_the_page(html, text) -> None:
    assert marks.text_of(html) == (text, False)
    assert marks.text_of(f"<b>{html}</b>") == (text, True)
