"""A trajectory in a chart: coordinates against time, dwell times, transitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report.chart_content import (
    ChartPart,
    TransitionPart,
)
from aiida_nanoclusters.cli.report.figures import COLOURS, Picture, picture, show, style
from aiida_nanoclusters.cli.report.palette import NONE
from aiida_nanoclusters.science import keys

#: Frames whose coordinates are drawn, and transitions that are marked.
_MOST_FRAMES, _MOST_MARKED = 5000, 40
#: Transitions up to which each is marked strongly.
_FEW_EVENTS = 10
#: Families in a legend; of more the chart tells the colours.
_MOST_NAMED = 16
#: Above this many picoseconds times are in nanoseconds.
_NANOSECOND = 1000.0


def coordinates_in_time(part: ChartPart) -> Picture | None:
    """Chart coordinates against time, coloured by family, with their running mean."""
    own = part.transitions
    if own is None:
        return None
    times, places = own.arrays[keys.TIMES], own.arrays[keys.CHART_COORDINATES]
    scale, unit = time_unit(times)
    smooth, dimensions = own.arrays[keys.SMOOTHED_COORDINATES], places.shape[1]
    figure = make_subplots(rows=dimensions, cols=1, shared_xaxes=True, vertical_spacing=0.04)
    kept = np.arange(0, len(times), max(1, -(-len(times) // _MOST_FRAMES)))
    family, colours = own.arrays[keys.FAMILY][kept], [*part.colours, NONE]
    clock, named = times[kept] / scale, len(np.unique(family)) <= _MOST_NAMED
    for row in range(dimensions):
        for k in np.unique(family):
            mine = family == k
            label = part.families[k].label if k >= 0 else "no family"
            figure.add_trace(
                go.Scattergl(
                    x=clock[mine], y=places[kept][mine, row], mode="markers", name=label,
                    legendgroup=str(k), showlegend=row == 0 and named,
                    marker={"size": 3, "color": colours[k], "opacity": 0.7},
                    hovertemplate=f"{label}<br>%{{x:.4g}} {unit}: %{{y:.3f}}<extra></extra>",
                ),
                row=row + 1, col=1,
            )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=clock, y=smooth[row][kept], mode="lines", showlegend=False, hoverinfo="skip",
                line={"color": "#1b1e23", "width": 1.4, "dash": "dash"},
            ),
            row=row + 1, col=1,
        )  # fmt: skip
        figure.update_yaxes(title_text=f"Coordinate {row + 1}", row=row + 1, col=1)
    for event in own.events[:_MOST_MARKED]:
        figure.add_vrect(
            x0=event["left_at"] / scale, x1=event["entered_at"] / scale,
            line={"color": COLOURS[6], "width": 1}, fillcolor=COLOURS[6],
            opacity=0.35 if len(own.events) <= _FEW_EVENTS else 0.12,
        )  # fmt: skip
    figure.update_xaxes(title_text=f"Time ({unit})", row=dimensions, col=1)
    figure = style(figure, 190 * dimensions + 90)
    figure.update_layout(legend={"itemsizing": "constant"})
    return picture(
        "coordinates-in-time",
        "The trajectory in the chart",
        f"Chart coordinates of {len(times)} frames over {show((times[-1] - times[0]) / scale, 3)} "
        f"{unit}, with {len(own.events)} transitions between families.",
        figure,
        (f"time ({unit})", *(f"coordinate {k + 1}" for k in range(dimensions)), "family"),
        [
            (
                float(times[k] / scale),
                *(float(x) for x in places[k]),
                int(own.arrays[keys.FAMILY][k]),
            )
            for k in kept[:: max(1, len(kept) // 300)]
        ],
        {"trajectory": own.uuid},
    )


def time_unit(times: Any) -> tuple[float, str]:
    """Return ps in the unit of a table and its name."""
    return (_NANOSECOND, "ns") if len(times) and np.ptp(times) > 2 * _NANOSECOND else (1.0, "ps")


def criterion(own: TransitionPart) -> str:
    """The criterion of a transition in words."""
    text = (
        "A trajectory is in the family whose core it visited last; the core holds the "
        f"{100 * own.core:.0f} % of the family’s frames in the chart that lie nearest to its "
        "centre. A transition is the entry into the core of another family"
    )
    if own.residence:
        text += f", no other core being visited for {show(own.residence)} ps"
    return (
        text + ". The mean dwell time is the time in a family divided by the number of exits; its "
        f"limits hold with {100 * own.confidence:.0f} % confidence if exits are independent of "
        "each other, which a deviation / mean near 1 says."
    )


def dwell_columns(part: ChartPart) -> tuple[str, ...]:
    """Headers of the table of dwell times."""
    unit = time_unit(part.transitions.arrays[keys.TIMES])[1] if part.transitions else "ps"
    times = (f"{name} ({unit})" for name in ("time", "mean dwell time", "error", "from", "to"))
    return ("family", "visits", "exits", *times, "deviation / mean")


def event_columns(part: ChartPart) -> tuple[str, ...]:
    """Headers of the table of transitions."""
    unit = time_unit(part.transitions.arrays[keys.TIMES])[1] if part.transitions else "ps"
    return (f"left ({unit})", f"entered ({unit})", "from", "to", "through")


def dwell_rows(part: ChartPart) -> list[tuple[Any, ...]]:
    """One row for each family that was visited."""
    own = part.transitions
    if own is None:
        return []
    scale, _ = time_unit(own.arrays[keys.TIMES])

    def time(value: float | None) -> float | None:
        return None if value is None else value / scale

    return [
        (
            part.families[d["family"]].label, d["visits"], d["exits"], time(d["time"]),
            time(d["mean"]), time(d["error"]), time(d["low"]), time(d["high"]), d["variation"],
        )
        for d in own.dwells
    ]  # fmt: skip


def event_rows(part: ChartPart, most: int = 400) -> list[tuple[Any, ...]]:
    """One row for each transition."""
    own = part.transitions
    if own is None:
        return []
    scale, _ = time_unit(own.arrays[keys.TIMES])

    def name(k: int) -> str:
        return part.families[k].label

    return [
        (
            e["left_at"] / scale, e["entered_at"] / scale, name(e["origin"]), name(e["target"]),
            " → ".join(name(k) for k in e["path"][1:-1]) or "directly",
        )
        for e in own.events[:most]
    ]  # fmt: skip
