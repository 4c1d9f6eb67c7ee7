"""The sections of a report on parallel tempering and on a chart: words, pictures, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from aiida_nanoclusters.cli.report import (
    figures,
    lowest_path,
    populations,
    tempering,
    transitions,
)
from aiida_nanoclusters.cli.report.chart_content import ChartPart, TemperingPart
from aiida_nanoclusters.cli.report.chart_points import pack_chart
from aiida_nanoclusters.cli.report.figures import (
    COLOURS,
    MUTED,
    Picture,
    logarithmic,
    picture,
    style,
)
from aiida_nanoclusters.science.charts.families import UNSTABLE, UNSTABLE_WORDS


def chart_context(chart: ChartPart | None, temperings: tuple[TemperingPart, ...]) -> dict[str, Any]:
    """Return what the template needs for these sections; absent parts are empty."""
    context: dict[str, Any] = {
        "temperings": [
            (
                part,
                tempering.tempering_words(part),
                {
                    "heat": tempering.thermodynamics(part, number),
                    "swaps": tempering.swaps(part, number),
                },
            )
            for number, part in enumerate(temperings, start=1)
        ],
        "charted": chart is not None,
    }
    if chart is None:
        return context
    return context | {
        "chart_words": chart_words(chart),
        "chart_data": pack_chart(chart),
        "family_words": family_words(chart),
        "family_rows": family_rows(chart),
        "bandwidth": bandwidth(chart),
        "losses": losses(chart),
        "stability_rows": list(chart.stability.items()),
        "stability_words": stability_words(chart),
        "populations": populations.population_pictures(chart),
        "path_words": lowest_path.path_words(chart),
        "path_caption": lowest_path.path_caption(chart),
        "path_picture": lowest_path.path_picture(chart),
        "criterion": transitions.criterion(chart.transitions) if chart.transitions else "",
        "in_time": transitions.coordinates_in_time(chart),
        "dwell_columns": transitions.dwell_columns(chart),
        "dwell_rows": transitions.dwell_rows(chart),
        "event_columns": transitions.event_columns(chart),
        "event_rows": transitions.event_rows(chart),
    }


def chart_words(part: ChartPart) -> str:
    """What the chart holds."""
    n_drawn, dimensions = len(part.points.family), part.points.coordinates.shape[1]
    text = (
        f"Each point is one of {part.n_frames} structures, at {dimensions} coordinates that an "
        "autoencoder makes of its distribution of pair distances: similar structures lie close to "
        "each other."
    )
    if n_drawn < part.n_frames:
        text += f" {n_drawn} of them are drawn, of each family a random share."
    if part.placed:
        text += " Grey points behind them are frames of the chart itself."
        count = int(part.points.outside.sum())
        if count:
            text += f" {count} of the drawn frames lie outside of what the chart has seen."
    return " ".join([text, *part.facts])


def family_words(part: ChartPart) -> str:
    """How the families were found and named."""
    text = f"{len(part.families)} families by mean shift"
    if part.bandwidth is not None:
        text += f" with a bandwidth of {part.bandwidth:.3g} in the lengths of the chart"
    return (
        text + ". Each is named by the common neighbours of the frames nearest to its centre; "
        "“named so” is the share of these frames that have the name of the packing."
    )


def stability_words(part: ChartPart) -> str:
    """What the agreement between seeds means."""
    text = (
        "Adjusted Rand index between the families of the chart and those of charts trained with "
        "other seeds: 1 where they are the same, 0 on average for random ones."
    )
    if part.stability and min(part.stability.values()) < UNSTABLE:
        text += f" {UNSTABLE_WORDS}"
    return text


def family_rows(part: ChartPart) -> list[tuple[Any, str, float]]:
    """Family, colour and share of the frames in per cent."""
    total = max(1, sum(family.count for family in part.families))
    return [
        (family, colour, 100 * family.count / total)
        for family, colour in zip(part.families, part.colours, strict=True)
    ]


def bandwidth(part: ChartPart) -> Picture | None:
    """Number of families against bandwidth, and how well charts of other seeds agree on them."""
    if len(part.curve) < 2:
        return None
    widths, counts = (np.array(column) for column in zip(*part.curve, strict=True))
    panels: list[tuple[str, str, Any]] = [("Families", "families", counts.astype(int).tolist())]
    if any(value is not None for value in part.between_seeds):
        seeds = [None if v is None else round(v, 3) for v in part.between_seeds]
        panels.append(("Agreement", "between seeds", seeds))
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for row, (title, name, values) in enumerate(panels, start=1):
        figure.update_yaxes(title_text=title, rangemode="tozero", row=row, col=1)
        figure.add_trace(
            go.Scatter(
                x=widths,
                y=values,
                mode="lines+markers",
                line={"color": COLOURS[0], "width": 2, "shape": "linear"},
                marker={"size": 6},
                showlegend=False,
                hovertemplate=f"bandwidth %{{x:.3g}}: {name} %{{y:.3g}}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    if part.plateau is not None:
        figure.add_vrect(
            x0=part.plateau[0],
            x1=part.plateau[1],
            fillcolor=MUTED,
            opacity=0.18,
            line_width=0,
        )
    if part.bandwidth is not None:
        figure.add_vline(x=part.bandwidth, line={"color": COLOURS[1], "width": 1.8})
    figure.update_xaxes(**logarithmic_small(widths))
    figure.update_xaxes(title_text="Bandwidth", row=len(panels), col=1)
    agreement = ", and the mean adjusted Rand index between seeds" if len(panels) > 1 else ""
    taken = ", the grey band its plateau" if part.plateau is not None else ""
    return picture(
        "bandwidth",
        "Choice of the bandwidth",
        f"Number of families with {len(widths)} bandwidths from {widths[0]:.3g} to "
        f"{widths[-1]:.3g}{agreement}; the vertical line is the one taken{taken}.",
        style(figure, 120 + 200 * len(panels)),
        ("bandwidth", *(name for _, name, _ in panels)),
        [
            (float(width), *("" if v is None else v for v in row))
            for width, *row in zip(widths, *(values for *_, values in panels), strict=True)
        ],
        {"families": part.uuids.get("families", "")},
    )


def logarithmic_small(values: Any) -> dict[str, Any]:
    """Logarithmic axis with plain numbers, of values within a few decades."""
    return logarithmic(float(np.min(values)), float(np.max(values)))


def losses(part: ChartPart) -> Picture | None:
    """Losses of the members of the committee against the epoch."""
    axis = {
        "title_text": "Mean squared error", "type": "log", "dtick": 1, "exponentformat": "power",
    }  # fmt: skip
    drawn = figures.losses(part.training, {"validation": "solid", "training": "dot"}, axis)
    if drawn is None:
        return None
    figure, rows = drawn
    return picture(
        "chart-training",
        "Training of the chart",
        f"Reconstruction error against the epoch for {len(part.training)} seeds.",
        style(figure, 340),
        ("member", "frames", "epochs", "best epoch", "lowest error"),
        rows,
        {"report": part.uuids.get("report", "")},
    )
