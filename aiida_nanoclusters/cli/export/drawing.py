"""A picture of a report as a figure of the width of a journal's column, by matplotlib.

The figure is drawn from the same description (traces, axes, marks) as the picture of the page, so
that both show the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_nanoclusters.cli.export import marks
from aiida_nanoclusters.cli.export.axes import (
    axis_key,
    draw_shapes,
    set_axis,
    share_axes,
    write_annotations,
)
from aiida_nanoclusters.cli.export.traces import Drawing, draw_trace, is_points, series_of
from aiida_nanoclusters.formats.output_files import written_beside
from aiida_nanoclusters.formats.plain_text import file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from aiida_nanoclusters.cli.report.figures import Picture

FORMATS = ("pdf", "svg", "png")
#: Widths of one and of two columns, mm.
COLUMN, TWO_COLUMNS = 86.0, 178.0
_MM = 1 / 25.4
_TALLEST = 230.0  # mm, of a page
#: Resolution of PNG, and of clouds of points in the others, per inch.
_DPI = 600
_STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "axes.linewidth": 0.6,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.unicode_minus": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "hatch.linewidth": 0.4,
    "pdf.fonttype": 42,
    "svg.hashsalt": "aiida-nanoclusters",
}
_CORNERS: Any = ("outside lower left", "outside lower right")
#: Smallest area of a mark in a legend, square points.
_LEGIBLE = 14.0
_LINE = 3.4  # mm, of a legend


def write_figure(
    picture: Picture, folder: Path, formats: Sequence[str] = FORMATS, width: float | None = None
) -> Iterator[Path]:
    """Write a picture in each format and yield the paths.

    Parameters
    ----------
    picture
        Of a report.
    folder
        Must be there.
    formats
        Of :data:`FORMATS`.
    width
        mm. Default: 86, and 178 where panels lie side by side.
    """
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure = draw(picture, width)
        for name in formats:
            path = folder / f"{file_name(picture.name)}.{name}"
            with written_beside(path, "wb") as handle:
                figure.savefig(handle, format=name, dpi=_DPI, metadata=_metadata(picture, name))
            yield path
        figure.clear()


def _metadata(picture: Picture, form: str) -> dict[str, Any]:
    """Return title and origin as a format takes them; without a date, equal figures are equal."""
    title = marks.text_of(picture.title)[0]
    nodes = "; ".join(f"{name}: {uuid}" for name, uuid in picture.sources.items())
    if form == "pdf":
        return {"Title": title, "Subject": picture.alt, "Keywords": nodes, "CreationDate": None}
    if form == "svg":
        return {"Title": title, "Description": f"{picture.alt} {nodes}", "Date": None}
    return {"Title": title, "Description": f"{picture.alt} {nodes}"}


def draw(picture: Picture, width: float | None = None) -> Figure:
    """Return a picture as a figure of matplotlib, `width` in mm."""
    from matplotlib.figure import Figure

    source = picture.figure
    panels = _panels(source)
    columns = _starts(domain[0] for domain, _ in panels.values())
    rows = _starts(-domain[1] for _, domain in panels.values())
    wide = width or (TWO_COLUMNS if len(columns) > 1 else COLUMN)
    figure = Figure(figsize=(wide * _MM, _height(source, wide, len(rows)) * _MM))
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.03)
    widths = _extents([domain for domain, _ in panels.values()], columns)
    heights = _extents([(-d[1], -d[0]) for _, d in panels.values()], rows)
    grid = figure.add_gridspec(len(rows), len(columns), width_ratios=widths, height_ratios=heights)
    axes: dict[tuple[str, str], Any] = {}
    for refs, (across, down) in panels.items():
        place = grid[_place(rows, -down[1]), _place(columns, across[0])]
        axes[refs] = figure.add_subplot(place)
    series = [series_of(trace) for trace in source.data if trace.type.startswith("scatter")]
    pointed = frozenset(series_of(trace)[0] for trace in source.data if is_points(trace))
    drawing = Drawing(marks.distinct(series), pointed)
    for trace in source.data:
        draw_trace(axes[_refs(trace)], trace, drawing)
    for refs, one in axes.items():
        set_axis(one, source.layout[axis_key("x", refs[0])], "x")
        set_axis(one, source.layout[axis_key("y", refs[1])], "y")
    share_axes(axes, source)
    draw_shapes(axes, source)
    write_annotations(figure, axes, source)
    for panel, drawn, title in drawing.maps:
        bar = figure.colorbar(drawn, ax=panel, aspect=25, pad=0.02)
        bar.set_label(title)
        bar.outline.set_linewidth(0.6)
    _legends(figure, drawing, wide)
    for _ in range(2):  # the room that legends take is known only after the first
        figure.draw_without_rendering()
    return figure


def _refs(trace: Any) -> tuple[str, str]:
    return (trace.xaxis or "x", trace.yaxis or "y")


def _panels(source: Any) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Return the horizontal and vertical domain of each pair of axes that traces are drawn on."""
    panels = {}
    for trace in source.data:
        refs = _refs(trace)
        across = source.layout[axis_key("x", refs[0])].domain or (0.0, 1.0)
        down = source.layout[axis_key("y", refs[1])].domain or (0.0, 1.0)
        panels[refs] = (across, down)
    return panels


def _starts(values: Any) -> list[float]:
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > 1e-3:
            found.append(float(value))
    return found


def _place(starts: list[float], value: float) -> int:
    return int(np.argmin(np.abs(np.array(starts) - value)))


def _extents(domains: list[Any], starts: list[float]) -> list[float]:
    """Return the extent of each row or column, the largest of its panels."""
    found = [0.0] * len(starts)
    for low, high in domains:
        place = _place(starts, low)
        found[place] = max(found[place], float(high - low))
    return found


def _height(source: Any, wide: float, rows: int) -> float:
    """Return the height in mm: that of the page's picture, less where it has several rows."""
    asked = float(source.layout.height or 400)
    share = 0.165 if wide < 120 else 0.175
    return float(min(_TALLEST, max(56.0, asked * share, 34.0 * rows + 14.0)))


def _legends(figure: Figure, drawing: Drawing, wide: float) -> None:
    """Set the names of the series above the panels; of several legends one below the other.

    The figure becomes taller by the lines that they take.
    """
    from matplotlib.collections import PathCollection

    groups: dict[str, dict[str, Any]] = {}
    for (legend, name), handle in drawing.legend.items():
        groups.setdefault(legend, {})[name] = handle
    single, lines = len(groups) == 1, 0
    for number, handles in enumerate(groups.values()):
        longest = max(len(name) for name in handles)
        columns = max(1, min(len(handles), int(wide / (1.35 * longest + 12) / len(groups))))
        lines = max(lines, -(-len(handles) // columns))
        drawn: Any = figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside upper center" if single else _CORNERS[number % 2],
            ncols=columns,
            columnspacing=1.2,
            borderaxespad=0.2,
            labelspacing=0.3,
        )
        for handle in drawn.legend_handles:  # points of a cloud are too small there
            if isinstance(handle, PathCollection) and handle.get_sizes().max() < _LEGIBLE:
                handle.set_sizes([_LEGIBLE])
    high = figure.get_figheight() + max(0, lines - 1) * _LINE * _MM
    figure.set_figheight(min(high, _TALLEST * _MM))
