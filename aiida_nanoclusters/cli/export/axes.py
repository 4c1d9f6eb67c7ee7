"""Axes of a figure, and the guides and words on them: what plotly says, set in matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_nanoclusters.cli.export import marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def axis_key(letter: str, ref: str) -> str:
    """Return the name in a layout of an axis that traces call `ref`: ``x2``, ``xaxis2``."""
    return f"{letter}axis{ref[1:]}"


def set_axis(axes: Axes, given: Any, letter: str) -> None:
    """Give an axis its scale, limits, ticks and label."""
    from matplotlib import ticker

    axis = axes.xaxis if letter == "x" else axes.yaxis
    limits = axes.set_xlim if letter == "x" else axes.set_ylim
    logarithmic = given.type == "log"
    if logarithmic:
        (axes.set_xscale if letter == "x" else axes.set_yscale)("log")
    if given.range is not None:
        low, high = given.range
        limits(10.0**low if logarithmic else low, 10.0**high if logarithmic else high)
    elif given.rangemode == "tozero":
        limits(min(0.0, float(axes.dataLim.min["xy".index(letter)])), None)
    if given.autorange == "reversed":
        (axes.invert_xaxis if letter == "x" else axes.invert_yaxis)()
    if given.tickvals is not None:
        _ticks(axes, axis, given, letter)
    elif given.dtick and not logarithmic and isinstance(given.dtick, int | float):
        axis.set_major_locator(ticker.MultipleLocator(_coarser(given.dtick, axis)))
    elif not logarithmic and not _has_texts(axis):
        most = _room(axes) if letter == "x" else 7
        whole = given.tickformat == "d"
        axis.set_major_locator(ticker.MaxNLocator(most, integer=whole, steps=[1, 2, 5, 10]))
    if given.tickformat and given.tickformat.endswith("%"):
        axis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
    axis.set_label_text(marks.text_of(given.title.text)[0])
    if given.visible is False:
        axis.set_visible(False)
    axes.tick_params(top=False, right=False)


def _coarser(step: float, axis: Any) -> float:
    """Return a step that leaves at most nine ticks."""
    low, high = sorted(axis.get_view_interval())
    for factor in (1, 2, 5, 10, 20, 50, 100):
        if (high - low) / (step * factor) <= 9:
            return step * factor
    return step * 100


def _ticks(axes: Axes, axis: Any, given: Any, letter: str) -> None:
    """Set ticks at given places; of many, the labels that have room."""
    from matplotlib import ticker

    values = np.array(given.tickvals, float)
    texts = [
        marks.text_of(t)[0] for t in (given.ticktext if given.ticktext is not None else values)
    ]
    low, high = sorted(axis.get_view_interval())
    inside = (values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9))
    room = _room(axes) if letter == "x" else 7
    shown = np.flatnonzero(inside)
    if given.type == "log" and len(shown) < 3:  # less than a decade
        axis.set_major_locator(ticker.LogLocator(subs="all"))
        axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axis.set_minor_formatter(ticker.NullFormatter())
        return
    if given.type == "log" and len(shown) > room:
        decades = [k for k in shown if np.isclose(np.log10(values[k]) % 1, 0, atol=1e-6)]
        shown = np.array(decades or shown[:: -(-len(shown) // room)])
    elif len(shown) > room:
        shown = _spread(values, shown, room, abs(high - low))
    axis.set_major_locator(ticker.FixedLocator(values[shown].tolist()))
    axis.set_major_formatter(ticker.FixedFormatter([texts[k] for k in shown]))
    axis.set_minor_locator(ticker.FixedLocator(values[inside].tolist()))
    axis.set_minor_formatter(ticker.NullFormatter())


def _spread(values: Any, shown: Any, room: int, extent: float) -> Any:
    """Return the ticks that keep a distance from the one before."""
    kept: list[int] = []
    for k in shown:
        if not kept or abs(values[k] - values[kept[-1]]) >= extent / (room + 1):
            kept.append(int(k))
    return np.array(kept)


def _room(axes: Axes) -> int:
    """Return how many labels have room along the horizontal axis."""
    place, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    assert place is not None and figure is not None
    ratios = np.array(place.get_gridspec().get_width_ratios(), float)
    share = float(ratios[place.colspan.start] / ratios.sum())
    return max(3, int(figure.get_figwidth() / 0.45 * share))


def _has_texts(axis: Any) -> bool:
    """Whether an axis has names in place of numbers."""
    from matplotlib.category import StrCategoryConverter

    return isinstance(axis.get_converter(), StrCategoryConverter)


def share_axes(axes: dict[tuple[str, str], Any], source: Any) -> None:
    """Give axes that belong together one range, and labels to the outer ones only."""
    for letter, number in (("x", 0), ("y", 1)):
        groups: dict[str, list[Any]] = {}
        for refs, one in axes.items():
            given = source.layout[axis_key(letter, refs[number])]
            groups.setdefault(given.matches or refs[number], []).append(one)
            if given.showticklabels is False:
                side = "bottom" if letter == "x" else "left"
                one.tick_params(**{f"label{side}": False})
        for first, *others in groups.values():
            ends = [getattr(one, f"get_{letter}lim")() for one in (first, *others)]
            for one in others:
                getattr(one, f"share{letter}")(first)
            if others and source.layout[f"{letter}axis"].range is None:
                low, high = min(map(min, ends)), max(map(max, ends))
                turned = ends[0][0] > ends[0][1]
                limits = (high, low) if turned else (low, high)
                getattr(first, f"set_{letter}lim")(*limits)


# -- guides and words ------------------------------------------------------------------------


def _on(axes: dict[tuple[str, str], Any], xref: str, yref: str) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the axes that a shape lies on, with its transformation along x and y."""
    from matplotlib.transforms import blended_transform_factory

    for refs, one in axes.items():
        own = [r.replace(" domain", "") for r in (xref, yref)]
        fits = [o in ("paper", r) for o, r in zip(own, refs, strict=True)]
        if all(fits):
            across = one.transData if xref == refs[0] else one.transAxes
            down = one.transData if yref == refs[1] else one.transAxes
            yield one, blended_transform_factory(across, down), refs


def draw_shapes(axes: dict[tuple[str, str], Any], source: Any) -> None:
    """Draw lines and areas that mark a value or a range."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    for shape in source.layout.shapes:
        for one, transform, _ in _on(axes, shape.xref or "x", shape.yref or "y"):
            x0, x1, y0, y1 = (float(v) for v in (shape.x0, shape.x1, shape.y0, shape.y1))
            mark: Any
            if shape.type == "line":
                mark = Line2D(
                    [x0, x1],
                    [y0, y1],
                    color=marks.colour(shape.line.color),
                    lw=max(0.6, 0.45 * (shape.line.width or 1)),
                    ls=marks.dash(shape.line),
                    zorder=0.5,
                )
            else:
                opacity = 1.0 if shape.opacity is None else shape.opacity
                mark = Rectangle(
                    (x0, y0),
                    x1 - x0,
                    y1 - y0,
                    facecolor=marks.colour(shape.fillcolor, opacity),
                    linewidth=0,
                    zorder=0.4,
                )
            mark.set_transform(transform)
            one.add_artist(mark)  # which leaves the limits of the axes as they are
            mark.set_clip_path(one.patch)


def write_annotations(figure: Figure, axes: dict[tuple[str, str], Any], source: Any) -> None:
    """Write words at a point, in a corner, above a panel or below all of them."""
    for note in source.layout.annotations:
        words, bold = marks.text_of(note.text)
        across, down = note.xref or "x", note.yref or "y"
        of_page = len(axes) > 1 or _is_below(note)
        if across == down == "paper" and of_page:
            _of_page(figure, axes, source, note, words)
            continue
        placed = list(_on(axes, across, down))
        if not placed:
            continue
        one, transform, _ = placed[0]
        aligned = {"left": "left", "right": "right", "center": "center"}
        heights = {"top": "top", "bottom": "bottom", "middle": "center"}
        one.annotate(
            words,
            (note.x, note.y),
            xycoords=transform,
            xytext=((note.xshift or 0) * 0.45, (note.yshift or 0) * 0.45),
            textcoords="offset points",
            ha=aligned.get(str(note.xanchor), "center"),
            va=heights.get(str(note.yanchor), "center"),
            color=marks.colour(note.font.color or "#000000"),
            weight="bold" if bold else "normal",
            fontsize=7,
            zorder=4,
            in_layout=False,
        )


def _is_below(note: Any) -> bool:
    """Whether words stand below all panels, as the label of their common axis."""
    return bool(note.y <= 0 and note.yanchor == "top")


def _of_page(
    figure: Figure, axes: dict[tuple[str, str], Any], source: Any, note: Any, words: str
) -> None:
    """Set words that stand above a panel as its title, those below all panels as their label."""
    if _is_below(note):
        figure.supxlabel(words, fontsize=8)
        return
    for refs, one in axes.items():
        low, high = source.layout[axis_key("x", refs[0])].domain
        top = source.layout[axis_key("y", refs[1])].domain[1]
        if low <= note.x <= high and abs(top - note.y) < 1e-3:
            one.set_title(words)
