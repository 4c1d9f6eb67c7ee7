"""Lines, points, bars and maps of a picture, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_nanoclusters.cli.export import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points of plotly at which one of matplotlib's is drawn: of pages of 900 px and columns of 86 mm.
_SCALE = 0.45
#: Marks along a line that has no points of its own.
_ALONG = 7
_ANCHORS = {"left": "right", "right": "left", "center": "center"}
_HEIGHTS = {"top": "bottom", "bottom": "top", "middle": "center"}


@dataclass
class Drawing:
    """What the traces of one figure share.

    Attributes
    ----------
    markers
        Marker by colour and name of a series.
    pointed
        Colours of series with points: marks on a nameless line of one would be taken for these.
    legend
        Handles by the legend they are in and their name.
    stacks
        Sum of what is stacked so far, by group.
    maps
        What colour bars belong to: axes, mappable, title.
    """

    markers: Mapping[Any, str]
    pointed: frozenset[Any] = frozenset()
    legend: dict[tuple[str, str], Any] = field(default_factory=dict)
    stacks: dict[str, Any] = field(default_factory=dict)
    maps: list[tuple[Axes, Any, str]] = field(default_factory=list)
    last: Any = None


def colour_of(trace: Any) -> Any:
    """Return the colour of a trace: of its line, or else of its marks."""
    line = getattr(trace, "line", None)
    own = getattr(line, "color", None) or _single(getattr(trace.marker, "color", None))
    return marks.colour(own or getattr(trace, "fillcolor", None), series=_is_series(trace))


def series_of(trace: Any, tint: Any = None) -> tuple[Any, str]:
    """Return what a marker belongs to: colour and name of a trace."""
    return (tint or colour_of(trace)[:3], str(trace.name or ""))


def is_points(trace: Any) -> bool:
    """Whether a trace is a named series of points without lines."""
    return trace.type.startswith("scatter") and trace.mode == "markers" and _is_series(trace)


def _is_series(trace: Any) -> bool:
    """Whether a trace is one of the legend, not a guide."""
    return bool(trace.name) and (trace.showlegend is not False or bool(trace.legendgroup))


def _single(value: Any) -> Any:
    return value if isinstance(value, str) else None


def draw_trace(axes: Axes, trace: Any, drawing: Drawing) -> None:
    """Draw one trace of plotly.

    Raises
    ------
    ValueError
        If it is of a kind that is not known here.
    """
    kinds = {"scatter": _scatter, "scattergl": _scatter, "bar": _bar, "contour": _contour}
    if trace.type not in kinds:
        raise ValueError(f"a trace of the kind `{trace.type}` cannot be drawn by matplotlib")
    if trace.visible in (None, True):
        kinds[trace.type](axes, trace, drawing)


def _numbers(values: Any) -> Any:
    """Return an array of numbers, or of texts; None becomes NaN."""
    plain = [np.nan if v is None else v for v in ([] if values is None else values)]
    return np.array(plain) if any(isinstance(v, str) for v in plain) else np.array(plain, float)


def _scatter(axes: Axes, trace: Any, drawing: Drawing) -> None:
    x, y = _numbers(trace.x), _numbers(trace.y)
    area = trace.fill or _is_stacked(trace)
    mode = trace.mode or ("lines+markers" if len(x) < 20 and not area else "lines")
    tint, opacity = colour_of(trace), 1.0 if trace.opacity is None else float(trace.opacity)
    handle = _filled(axes, trace, x, y, drawing)
    if "lines" in mode and (trace.line.width is None or trace.line.width > 0) and handle is None:
        handle = _line(axes, trace, x, y, (*tint[:3], tint[3] * opacity), drawing, mode)
    elif "lines" in mode and trace.line.width and not _is_stacked(trace):
        axes.plot(x, y, color=tint, lw=trace.line.width * _SCALE, drawstyle=marks.step(trace.line))
    if "markers" in mode and not (
        handle is not None and getattr(trace.marker, "maxdisplayed", None)
    ):
        shown = _points(axes, trace, x, y, opacity, drawing)
        handle = shown if handle is None or "lines" not in mode else handle
    _errors(axes, trace, x, y, tint)
    if "text" in mode:
        _texts(axes, trace, x, y)
    _in_legend(trace, handle, drawing)
    drawing.last = (x, y)


def _line(axes: Axes, trace: Any, x: Any, y: Any, tint: Any, drawing: Drawing, mode: str) -> Any:
    alone = "markers" not in mode or bool(getattr(trace.marker, "maxdisplayed", None))
    fit = not trace.name and series_of(trace)[0] in drawing.pointed
    marked = alone and not fit and len(drawing.markers) > 1 and len(x) > 1
    mark = drawing.markers.get(series_of(trace)) if marked else None
    if mark and (own := marks.marker(trace.marker.symbol)):
        mark = own[0]
    every = max(1, len(x) // _ALONG)
    dashed = marks.dash(trace.line)
    (handle,) = axes.plot(
        x,
        y,
        color=tint,
        lw=max(0.6, (trace.line.width or 2) * _SCALE),
        ls=dashed,
        drawstyle=marks.step(trace.line),
        marker=mark,
        markevery=(every // 2, every) if mark else None,
        ms=3.2,
        mfc=tint if dashed == "-" else "white",
        mew=0.7,
    )
    if not alone:
        own = marks.marker(trace.marker.symbol)
        handle = _with_marker(handle, own[0] if own else drawing.markers.get(series_of(trace), "o"))
    return handle


def _with_marker(line: Any, mark: str) -> Any:
    """Return a handle for the legend of a line with the points on it."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=line.get_color(), lw=line.get_linewidth(), marker=mark, ms=3.5)


def _points(axes: Axes, trace: Any, x: Any, y: Any, opacity: float, drawing: Drawing) -> Any:
    given, width = trace.marker, getattr(trace.marker.line, "width", None)
    size = _per_point(given.size, 6.0)
    area = (np.asarray(size, float) * _SCALE) ** 2 * 1.15
    opaque = opacity * (given.opacity if isinstance(given.opacity, int | float) else 1.0)
    colours = given.color if given.color is not None else getattr(trace.line, "color", None)
    numeric = colours is not None and not isinstance(colours, str) and _is_numeric(colours)
    symbols = _for_each(given.symbol, len(x))
    handle = None
    for symbol in dict.fromkeys(symbols):
        own = np.array([s == symbol for s in symbols])
        tint: Any = None
        if not numeric:
            every = _for_each(colours, len(x))
            kept = [c for c, is_own in zip(every, own, strict=True) if is_own]
            tint = [marks.colour(c, opaque, series=_is_series(trace)) for c in kept]
        first = tint[0][:3] if tint else None
        key = series_of(trace, first)
        mark, hollow = marks.marker(symbol) or (drawing.markers.get(key, "o"), False)
        if mark == "o" and not hollow and symbol == "circle" and key in drawing.markers:
            mark = drawing.markers[key]
        style: dict[str, Any] = {"marker": mark, "s": area if np.ndim(area) == 0 else area[own]}
        if numeric:
            values = np.asarray(colours, float)[own]
            style |= {"c": values, "cmap": "viridis", "vmin": given.cmin, "vmax": given.cmax}
        elif hollow:
            style |= {"facecolors": "none", "edgecolors": tint, "linewidths": 0.9}
        else:
            edge = "white" if width and len(x) < 200 else "none"
            style |= {"color": tint, "edgecolors": edge, "linewidths": 0.3}
        handle = axes.scatter(x[own], y[own], zorder=3, rasterized=len(x) > 3000, **style)
        if numeric and given.showscale is not False and given.colorbar.title.text:
            drawing.maps.append((axes, handle, marks.text_of(given.colorbar.title.text)[0]))
    return handle


def _is_numeric(values: Any) -> bool:
    return all(isinstance(v, int | float | np.number) for v in values)


def _per_point(value: Any, default: float) -> Any:
    return default if value is None else value


def _filled(axes: Axes, trace: Any, x: Any, y: Any, drawing: Drawing) -> Any:
    """Draw the area of a trace that has one; None where it has none."""
    tint = marks.colour(trace.fillcolor) if trace.fillcolor else (0.5, 0.5, 0.5, 0.2)
    stepped: Any = {"steps-post": "post", "steps-pre": "pre"}.get(marks.step(trace.line))
    plain: dict[str, Any] = {"facecolor": tint, "linewidth": 0, "zorder": 1}
    if _is_stacked(trace):
        below = drawing.stacks.get(trace.stackgroup, np.zeros(len(y)))
        drawing.stacks[trace.stackgroup] = below + y
        edge = {**plain, "linewidth": 0.4, "edgecolor": "white"}
        return axes.fill_between(x, below, below + y, step=stepped, **edge)
    if trace.fill == "toself":
        return axes.fill(x, y, **plain)[0]
    if trace.fill == "tonexty" and drawing.last is not None:
        at, other = drawing.last
        return axes.fill_between(x, np.interp(x, at, other), y, **plain)
    if trace.fill == "tozeroy":
        return axes.fill_between(x, 0.0, y, step=stepped, **plain)
    return None


def _is_stacked(trace: Any) -> bool:
    return trace.type == "scatter" and trace.stackgroup is not None


def _errors(axes: Axes, trace: Any, x: Any, y: Any, tint: Any) -> None:
    for name in ("x", "y"):
        bars = trace[f"error_{name}"]
        if bars.array is None or bars.visible is False or (_is_text(x) and name == "x"):
            continue
        up = _numbers(bars.array)
        down = up if bars.arrayminus is None else _numbers(bars.arrayminus)
        lengths: Any = {f"{name}err": np.abs([down, up])}
        axes.errorbar(
            x,
            y,
            **lengths,
            fmt="none",
            ecolor=marks.colour(bars.color) if bars.color else tint,
            elinewidth=max(0.6, (bars.thickness or 2) * _SCALE),
            capsize=(bars.width or 4) * 0.3,
            capthick=0.6,
            zorder=2,
        )


def _is_text(values: Any) -> bool:
    return bool(values.dtype.kind in "US")


def _texts(axes: Axes, trace: Any, x: Any, y: Any) -> None:
    texts = (
        trace.text if isinstance(trace.text, list | tuple | np.ndarray) else [trace.text] * len(x)
    )
    places = trace.textposition
    every = places if isinstance(places, list | tuple | np.ndarray) else [places] * len(x)
    tint = marks.colour(_single(trace.textfont.color) or "#000000")
    for at, height, said, place in zip(x, y, texts, every, strict=True):
        words, bold = marks.text_of(said)
        vertical, horizontal = str(place or "middle center").split()
        axes.annotate(
            words,
            (at, height),
            xytext=(
                {"left": -4, "right": 4}.get(horizontal, 0),
                {"top": 4, "bottom": -4}.get(vertical, 0),
            ),
            textcoords="offset points",
            ha=_ANCHORS[horizontal],
            va=_HEIGHTS[vertical],
            color=tint,
            weight="bold" if bold else "normal",
            annotation_clip=True,
            clip_on=True,
            in_layout=False,
        )


def _for_each(value: Any, count: int) -> list[Any]:
    """Return a value for each point, where one may stand for all."""
    several = isinstance(value, list | tuple | np.ndarray)
    return list(value) if several else [value] * count


def _bar(axes: Axes, trace: Any, drawing: Drawing) -> None:
    x, y = _numbers(trace.x), _numbers(trace.y)
    tint = marks.colour(_single(trace.marker.color) or "#0072b2", trace.opacity)
    flat = trace.orientation == "h"
    width = _numbers(trace.width) if np.ndim(trace.width) else (trace.width or 0.8)
    group = f"bars {trace.xaxis} {trace.yaxis}"
    stack = drawing.stacks.setdefault(group, {})
    ends = x if flat else y
    places = (y if flat else x).tolist()
    below = np.array([stack.get(p, 0.0) for p in places])
    stack.update(zip(places, (below + np.nan_to_num(ends)).tolist(), strict=True))
    style: dict[str, Any] = {"color": tint, "edgecolor": "white", "linewidth": 0.3}
    style["hatch"] = _hatch(drawing, group)
    handle: Any
    if flat:
        handle = axes.barh(y, x, height=width, left=below, **style)
    else:
        handle = axes.bar(x, y, width=width, bottom=below, **style)
    _errors(axes, trace, x, y, tint)
    _in_legend(trace, handle, drawing)


def _hatch(drawing: Drawing, group: str) -> str:
    """Return the hatching of the next bars that share axes."""
    number = drawing.stacks.get(f"{group} number", 0)
    drawing.stacks[f"{group} number"] = number + 1
    return ("", "//////", "......", "xxxx", "\\\\\\\\")[number % 5]


def _contour(axes: Axes, trace: Any, drawing: Drawing) -> None:
    x, y, z = (np.array(v, float) for v in (trace.x, trace.y, trace.z))
    low = np.nanmin(z) if trace.zmin is None else trace.zmin
    high = np.nanmax(z) if trace.zmax is None else trace.zmax
    shown = np.ma.masked_invalid(z)
    drawn = axes.pcolormesh(
        x, y, shown, cmap="viridis", vmin=low, vmax=high, shading="nearest", rasterized=True
    )
    if min(z.shape) > 1 and np.isfinite(z).sum() > 8:
        levels = np.linspace(low, high, 9)[1:-1]
        axes.contour(x, y, shown, levels=levels, colors=[(1, 1, 1, 0.6)], linewidths=0.35)
    if trace.showscale is not False:
        drawing.maps.append((axes, drawn, marks.text_of(trace.colorbar.title.text)[0]))


def _in_legend(trace: Any, handle: Any, drawing: Drawing) -> None:
    if handle is None or not trace.name or trace.showlegend is False:
        return
    drawing.legend.setdefault((trace.legend or "legend", marks.text_of(trace.name)[0]), handle)
